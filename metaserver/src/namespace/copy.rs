//! CopyObject: a commit that moves no data. The copy's manifest names the same blocks, and each block's record gets
//! another reference.

use super::Namespace;
use super::blocks::Shared;
use super::objects::{self, Beside, Current, OldContent, SplitAttributes, resource};
use super::preconditions;
use super::results::Remembered;
use super::transaction::{Attempts, Transaction};
use super::{access, manifests, validate};
use crate::error::Error;
use crate::records::acl::AclRecord;
use crate::records::block::Reference;
use crate::records::inline::{self, InlineRecord};
use crate::records::key::Kind;
use crate::records::manifest::Manifest;
use crate::records::object::{self, ObjectRecord};
use crate::records::result::Operation;
use crate::records::{RecordError, decode};
use crate::store::MAX_BATCH_BYTES;
use bytes::Bytes;
use weir_proto::v1::{CopyObjectRequest, CopyObjectResponse, copy_object_response};
use weir_proto::{BucketName, ObjectKey};

struct Copy<'a> {
    request: &'a CopyObjectRequest,
    source_bucket: BucketName,
    source_key: ObjectKey,
    bucket: BucketName,
    key: ObjectKey,
    object_id: u64,
    remembered: Remembered,
}

impl Copy<'_> {
    fn onto_itself(&self) -> bool {
        (&self.source_bucket, &self.source_key) == (&self.bucket, &self.key)
    }

    fn source(&self) -> String {
        resource(&self.source_bucket, &self.source_key)
    }
}

/// The copy's content, unless it can't be shared.
enum Taken {
    Content(Option<Manifest>, Beside),
    NeedsData,
}

impl Namespace {
    /// # Errors
    /// As the contract says of CopyObject.
    pub async fn copy_object(&self, request: &CopyObjectRequest) -> Result<CopyObjectResponse, Error> {
        if let Some(attributes) = &request.replace_attributes {
            validate::attributes(attributes)?;
        }
        if let Some(acl) = &request.acl {
            access::acl(acl)?;
        }
        if let Some(checksum) = &request.replace_checksum {
            validate::checksum(checksum)?;
        }
        validate::precondition(request.precondition.as_ref())?;
        validate::precondition(request.source_precondition.as_ref())?;
        validate::name("owner", &request.owner)?;
        let copy = Copy {
            source_bucket: validate::bucket(&request.source_bucket)?,
            source_key: validate::key(&request.source_key)?,
            bucket: validate::bucket(&request.bucket)?,
            key: validate::key(&request.key)?,
            object_id: self.ids.next(&*self.store).await?,
            remembered: self.remembered(request.request_id.as_ref(), Operation::CopyObject)?,
            request,
        };
        let _locks = self.locks.lock([(&copy.bucket, &copy.key.as_bytes()[..])]).await;
        let mut attempts = Attempts::default();
        loop {
            match self.try_copy_object(&copy).await {
                Err(Error::Raced) => attempts.again(self, || resource(&copy.bucket, &copy.key)).await?,
                done => return done,
            }
        }
    }

    async fn try_copy_object(&self, copy: &Copy<'_>) -> Result<CopyObjectResponse, Error> {
        let (source_name, name) = (copy.source_key.as_bytes(), copy.key.as_bytes());
        let ([source_bucket, bucket], mut values) = self
            .read_in([&copy.source_bucket, &copy.bucket], |[source_id, id]| {
                let keys =
                    [inline::key(source_id, source_name), object::key(source_id, source_name), object::key(id, name)];
                keys.into_iter().chain(copy.remembered.key()).collect()
            })
            .await?;
        if let Some(answer) = copy.remembered.answer(&mut values)? {
            return Ok(answer);
        }
        let current = Current::of(bucket.id(), name, values.pop().flatten())?;
        let source = Current::of(source_bucket.id(), source_name, values.pop().flatten())?;
        let record = self.source_of(copy, &source)?;
        preconditions::check(copy.request.precondition.as_ref(), current.record.as_ref(), || {
            resource(&copy.bucket, &copy.key)
        })?;
        let mut transaction = Transaction::default();
        transaction.guard(bucket.for_write()?);
        if !copy.onto_itself() {
            source.guard(&mut transaction);
        }
        let inline = values.pop().flatten();
        let taken = self.take_content(&mut transaction, copy, record, inline, source_bucket.id()).await;
        let taken = self.unless_replaced(taken, &copy.source_bucket, &copy.source_key, record.object_id).await?;
        let Taken::Content(manifest, beside) = taken else { return Ok(needs_data()) };
        let record = self.copied(copy, record, manifest)?;
        let old_content = if copy.onto_itself() { OldContent::Moved } else { OldContent::Reclaimed };
        objects::put(&mut transaction, &current, &record, beside, old_content, self.clock.now_ms());
        if transaction.bytes() > MAX_BATCH_BYTES {
            return Ok(needs_data());
        }
        let result = copy_object_response::Result::Object(objects::message(name, &record));
        let answer = CopyObjectResponse { result: Some(result) };
        copy.remembered.remember(&mut transaction, &answer);
        self.commit(transaction).await?;
        Ok(answer)
    }

    fn source_of<'a>(&self, copy: &Copy<'_>, source: &'a Current) -> Result<&'a ObjectRecord, Error> {
        let record = source.record.as_ref().ok_or_else(|| Error::NoSuchKey { resource: copy.source() })?;
        let expected = copy.request.source_object_id;
        if expected != 0 && record.object_id != expected {
            return Err(Error::Conflict { resource: copy.source() });
        }
        preconditions::check(copy.request.source_precondition.as_ref(), Some(record), || copy.source())?;
        Ok(record)
    }

    async fn take_content(
        &self,
        transaction: &mut Transaction,
        copy: &Copy<'_>,
        source: &ObjectRecord,
        inline: Option<Bytes>,
        source_bucket_id: u64,
    ) -> Result<Taken, Error> {
        if source.inline {
            let data = match inline {
                None if source.size_bytes == 0 => Bytes::new(),
                None => {
                    let key = inline::key(source_bucket_id, copy.source_key.as_bytes());
                    return Err(RecordError::new(Kind::Inline, &key, "it is missing").into());
                }
                Some(value) => decode::<InlineRecord>(copy.source_key.as_bytes(), value)?.data,
            };
            return Ok(Taken::Content(None, Beside { inline: Some(data), ..Beside::default() }));
        }
        if copy.onto_itself() {
            // The blocks stay where they are, and so does what they say of their owners.
            return Ok(Taken::Content(source.manifest.clone(), Beside::default()));
        }
        let mut parts = self.whole_manifest(source.manifest.as_ref()).await?;
        let reference = Reference {
            owner: copy.object_id,
            bucket: copy.bucket.to_string(),
            key: copy.key.as_bytes().clone(),
            upload_id: 0,
        };
        let ids = parts.iter().flat_map(|part| &part.extents).map(|extent| extent.block_id);
        if self.share(transaction, ids, &reference).await? == Shared::NeedsData {
            return Ok(Taken::NeedsData);
        }
        parts.iter_mut().for_each(|part| part.owner = copy.object_id);
        debug_assert!(manifests::references(&parts).all(|(owner, _)| owner == copy.object_id));
        let (manifest, chunks) = Manifest::of(copy.object_id, parts);
        Ok(Taken::Content(Some(manifest), Beside { chunks, ..Beside::default() }))
    }

    fn copied(
        &self,
        copy: &Copy<'_>,
        source: &ObjectRecord,
        manifest: Option<Manifest>,
    ) -> Result<ObjectRecord, Error> {
        let mut record = ObjectRecord {
            object_id: copy.object_id,
            modified_ms: self.clock.now_ms(),
            owner: copy.request.owner.clone(),
            manifest,
            // Whoever copies decides who may read the copy.
            acl: copy.request.acl.as_ref().map(AclRecord::from),
            ..source.clone()
        };
        let tags = source.attributes.clone().unwrap_or_default().tags;
        if let Some(attributes) = &copy.request.replace_attributes {
            let given = SplitAttributes::of(Some(attributes.clone()));
            record.storage_class = given.storage_class;
            record.attributes = given.attributes;
            record.acl = record.acl.or(given.acl);
            set_tags(&mut record, tags);
        }
        if let Some(replaced) = &copy.request.replace_tags {
            set_tags(&mut record, replaced.tags.clone());
        }
        validate::attributes_fit(record.attributes.as_ref(), record.acl.as_ref())?;
        if let Some(checksum) = &copy.request.replace_checksum {
            record.checksum = Some(checksum.clone().into());
        }
        Ok(record)
    }
}

/// Tags have a directive of their own.
fn set_tags(record: &mut ObjectRecord, tags: Vec<weir_proto::v1::Tag>) {
    let mut attributes = record.attributes.take().unwrap_or_default();
    attributes.tags = tags;
    record.attributes = (attributes != Default::default()).then_some(attributes);
}

fn needs_data() -> CopyObjectResponse {
    CopyObjectResponse { result: Some(copy_object_response::Result::NeedsData(true)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::key::Kind;
    use crate::testing::{Fixture, if_match, if_none_match, key};
    use weir_proto::v1::{Attributes, Header, Object, Tag, TagSet};

    fn request(from: &str, to: &str) -> CopyObjectRequest {
        CopyObjectRequest {
            source_bucket: "photos".into(),
            source_key: key(from),
            bucket: "photos".into(),
            key: key(to),
            ..Default::default()
        }
    }

    async fn copy(fixture: &Fixture, request: CopyObjectRequest) -> Result<Option<Object>, Error> {
        Ok(match fixture.namespace.copy_object(&request).await?.result.unwrap() {
            copy_object_response::Result::Object(object) => Some(object),
            copy_object_response::Result::NeedsData(_) => None,
        })
    }

    #[tokio::test]
    async fn a_copy_shares_the_blocks_and_outlives_its_source() {
        let fixture = Fixture::new().await;
        fixture.bucket("photos").await;
        let source = fixture.put_blocks("photos", "cat", &[5, 6]).await;
        let copied = copy(&fixture, request("cat", "dog")).await.unwrap().unwrap();
        assert_eq!((&copied.etag, &copied.checksum), (&source.etag, &source.checksum));
        assert_ne!(copied.object_id, source.object_id);
        let extents = fixture.get("photos", "cat").await.unwrap().extents;
        fixture.delete("photos", &["cat"]).await;
        fixture.drain().await;
        assert_eq!(fixture.get("photos", "dog").await.unwrap().extents, extents);
        fixture.check(true).await;
        fixture.delete("photos", &["dog"]).await;
        fixture.drain().await;
        assert_eq!(fixture.rows(Kind::Block).await, []);
    }

    #[tokio::test]
    async fn a_copy_onto_itself_changes_the_attributes_and_keeps_the_blocks() {
        let fixture = Fixture::new().await;
        fixture.bucket("photos").await;
        fixture.put_blocks("photos", "cat", &vec![5; 100]).await;
        let headers = vec![Header { name: "content-type".into(), value: "image/png".into() }];
        let replace_attributes = Some(Attributes { headers, ..Default::default() });
        let copied = copy(&fixture, CopyObjectRequest { replace_attributes, ..request("cat", "cat") }).await.unwrap();
        assert_eq!(copied.unwrap().attributes.unwrap().headers[0].value, "image/png");
        fixture.drain().await;
        fixture.check(true).await;
        assert_eq!(fixture.get("photos", "cat").await.unwrap().extents.len(), 100);
        fixture.delete("photos", &["cat"]).await;
        fixture.drain().await;
        assert_eq!(fixture.rows(Kind::Manifest).await, []);
        assert_eq!(fixture.rows(Kind::Block).await, []);
    }

    #[tokio::test]
    async fn conditions_of_source_and_destination_are_told_apart() {
        let fixture = Fixture::new().await;
        fixture.bucket("photos").await;
        let source = fixture.put_inline("photos", "cat", b"meow").await;
        fixture.put_inline("photos", "dog", b"woof").await;
        let named = async |request| match copy(&fixture, request).await.unwrap_err() {
            Error::NoSuchKey { resource }
            | Error::PreconditionFailed { resource, .. }
            | Error::Conflict { resource } => resource,
            other => panic!("{other}"),
        };
        assert_eq!(named(request("cow", "dog")).await, "photos/cow");
        let wrong = CopyObjectRequest { source_precondition: if_match("other"), ..request("cat", "dog") };
        assert_eq!(named(wrong).await, "photos/cat");
        let taken = CopyObjectRequest { precondition: if_none_match(), ..request("cat", "dog") };
        assert_eq!(named(taken).await, "photos/dog");
        let changed = CopyObjectRequest { source_object_id: source.object_id + 1, ..request("cat", "dog") };
        assert_eq!(named(changed).await, "photos/cat");
        let same = CopyObjectRequest { source_object_id: source.object_id, ..request("cat", "dog") };
        assert!(copy(&fixture, same).await.unwrap().is_some());
        assert_eq!(fixture.get("photos", "dog").await.unwrap().inline.as_deref(), Some(&b"meow"[..]));
    }

    #[tokio::test]
    async fn tags_have_a_directive_of_their_own() {
        let fixture = Fixture::new().await;
        fixture.bucket("photos").await;
        let tag = |value: &str| Tag { key: "animal".into(), value: value.into() };
        let attributes = Attributes { tags: vec![tag("cat")], storage_class: "STANDARD".into(), ..Default::default() };
        let mut put = fixture.put("photos", "cat", crate::testing::inline("meow"));
        put.attributes = Some(attributes);
        fixture.namespace.commit_object(put).await.unwrap();
        let replace_attributes = Some(Attributes::default());
        let kept = CopyObjectRequest { replace_attributes: replace_attributes.clone(), ..request("cat", "a") };
        let kept = copy(&fixture, kept).await.unwrap().unwrap().attributes.unwrap();
        assert_eq!((kept.tags, kept.storage_class.as_str()), (vec![tag("cat")], ""));
        let replace_tags = Some(TagSet { tags: vec![tag("dog")] });
        let replaced = copy(&fixture, CopyObjectRequest { replace_tags, ..request("cat", "b") }).await.unwrap();
        let replaced = replaced.unwrap().attributes.unwrap();
        assert_eq!((replaced.tags, replaced.storage_class.as_str()), (vec![tag("dog")], "STANDARD"));
    }

    #[tokio::test]
    async fn a_block_with_too_many_references_needs_its_data_copied() {
        let fixture = Fixture::new().await;
        fixture.bucket("photos").await;
        fixture.put_blocks("photos", "cat", &[5]).await;
        let mut shared = 0;
        while copy(&fixture, request("cat", &format!("{}-{shared}", "long".repeat(200)))).await.unwrap().is_some() {
            shared += 1;
            assert!(shared < 1_000);
        }
        assert!(shared > 10);
        fixture.check(true).await;
    }
}
