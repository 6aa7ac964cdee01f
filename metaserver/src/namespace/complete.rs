//! CompleteUpload: the listed parts become the object. No block's record is touched: the parts' blocks keep their
//! owners, which the object's manifest names.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html>

use super::Namespace;
use super::objects::{self, Beside, Current, OldContent, SplitAttributes, resource};
use super::results::Remembered;
use super::transaction::{Attempts, BucketView, Transaction};
use super::uploads::{self, OpenUpload};
use super::validate::{self, MAX_OBJECT_BYTES, MAX_PART_NUMBER};
use super::{checksums, preconditions};
use crate::error::Error;
use crate::records::decode;
use crate::records::manifest::{self, Manifest, ManifestPart};
use crate::records::object::{self, ObjectRecord};
use crate::records::part::{self, PartRecord};
use crate::records::result::Operation;
use crate::records::upload::{self, FinishedUploadRecord};
use bytes::Bytes;
use weir_proto::v1::{Checksum, ChecksumType, CompleteUploadRequest, CompleteUploadResponse, CompletedPart};
use weir_proto::{BucketName, ObjectKey};
use weir_service::planted::{Fault, planted};

struct Complete<'a> {
    request: &'a CompleteUploadRequest,
    bucket: BucketName,
    key: ObjectKey,
    object_id: u64,
    remembered: Remembered,
}

/// A listed part, as it was read.
struct Listed {
    part_number: u32,
    key: Bytes,
    value: Bytes,
    record: PartRecord,
}

impl Namespace {
    /// # Errors
    /// As the contract says of CompleteUpload.
    pub async fn complete_upload(&self, request: &CompleteUploadRequest) -> Result<CompleteUploadResponse, Error> {
        validate::precondition(request.precondition.as_ref())?;
        if let Some(checksum) = &request.checksum {
            validate::checksum(checksum)?;
        }
        let complete = Complete {
            bucket: validate::bucket(&request.bucket)?,
            key: validate::key(&request.key)?,
            object_id: self.ids.next(&*self.store).await?,
            remembered: self.remembered(request.request_id.as_ref(), Operation::CompleteUpload)?,
            request,
        };
        let _locks = self.locks.lock([(&complete.bucket, &complete.key.as_bytes()[..])]).await;
        let mut attempts = Attempts::default();
        loop {
            match self.try_complete_upload(&complete).await {
                Err(Error::Raced) => attempts.again(self, || resource(&complete.bucket, &complete.key)).await?,
                done => return done,
            }
        }
    }

    async fn try_complete_upload(&self, complete: &Complete<'_>) -> Result<CompleteUploadResponse, Error> {
        let name = complete.key.as_bytes();
        let upload_id = complete.request.upload_id;
        let ([bucket], mut values) = self
            .read_in([&complete.bucket], |[id]| {
                let keys = [upload::finished_key(upload_id), upload::key(id, name, upload_id), object::key(id, name)];
                keys.into_iter().chain(complete.remembered.key()).collect()
            })
            .await?;
        if let Some(answer) = complete.remembered.answer(&mut values)? {
            return Ok(answer);
        }
        let current = Current::of(bucket.id(), name, values.pop().flatten())?;
        let open = values.pop().flatten();
        if open.is_none()
            && let Some(finished) = uploads::finished(upload_id, bucket.id(), name, values.pop().flatten())?
            && let Some(object) = finished.object
        {
            return Ok(CompleteUploadResponse { object: Some(object) });
        }
        let open = OpenUpload::of(upload::key(bucket.id(), name, upload_id), open, upload_id)?;
        check_list(upload_id, &complete.request.parts)?;
        preconditions::check(complete.request.precondition.as_ref(), current.record.as_ref(), || {
            resource(&complete.bucket, &complete.key)
        })?;
        let listed = self.listed_parts(complete).await?;
        let mut record = self.completed(complete, &open, &listed)?;
        let mut transaction = Transaction::default();
        let beside = self.take_parts(&mut transaction, complete, listed, &mut record).await?;
        self.finish_upload(transaction, complete, &bucket, &current, &open, &record, beside).await
    }

    #[expect(clippy::too_many_arguments, reason = "they are what the commit is made of")]
    async fn finish_upload(
        &self,
        mut transaction: Transaction,
        complete: &Complete<'_>,
        bucket: &BucketView,
        current: &Current,
        open: &OpenUpload,
        record: &ObjectRecord,
        beside: Beside,
    ) -> Result<CompleteUploadResponse, Error> {
        let name = complete.key.as_bytes();
        transaction.guard(bucket.for_write()?);
        objects::put(&mut transaction, current, record, beside, OldContent::Reclaimed, record.modified_ms);
        let object = objects::message(name, record);
        let finished = FinishedUploadRecord {
            bucket_id: bucket.id(),
            key: name.clone(),
            finished_ms: record.modified_ms,
            object: Some(object.clone()),
        };
        uploads::finish(&mut transaction, open, complete.request.upload_id, &finished);
        let answer = CompleteUploadResponse { object: Some(object) };
        complete.remembered.remember(&mut transaction, &answer);
        self.commit(transaction).await?;
        Ok(answer)
    }

    /// The rows of the listed parts, each checked against what the client says of it.
    async fn listed_parts(&self, complete: &Complete<'_>) -> Result<Vec<Listed>, Error> {
        let request = complete.request;
        let upload_id = request.upload_id;
        let keys: Vec<Bytes> = request.parts.iter().map(|given| part::key(upload_id, given.part_number)).collect();
        let values = self.store.get_many(&keys).await?;
        let mut listed = Vec::with_capacity(keys.len());
        for ((given, key), value) in request.parts.iter().zip(keys).zip(values) {
            let part_number = given.part_number;
            let invalid = |detail: &str| Error::InvalidPart { upload_id, part_number, detail: detail.to_owned() };
            let value = value.ok_or_else(|| invalid("it was not uploaded"))?;
            let record: PartRecord = decode(&key, value.clone())?;
            if !given.etag.trim_matches('"').eq_ignore_ascii_case(&hex::encode(&record.md5)) {
                return Err(invalid("its entity tag is another"));
            }
            if given.checksum.as_ref().is_some_and(|checksum| !is_same(checksum, &record)) {
                return Err(invalid("its checksum is another"));
            }
            listed.push(Listed { part_number, key, value, record });
        }
        let but_the_last = listed.len().saturating_sub(1);
        if let Some(small) = listed[..but_the_last].iter().find(|part| part.record.size_bytes < request.min_part_bytes)
        {
            return Err(Error::PartTooSmall {
                upload_id,
                part_number: small.part_number,
                size_bytes: small.record.size_bytes,
                min_bytes: request.min_part_bytes,
            });
        }
        Ok(listed)
    }

    /// The object that the parts make, without its manifest.
    fn completed(&self, complete: &Complete<'_>, open: &OpenUpload, listed: &[Listed]) -> Result<ObjectRecord, Error> {
        let request = complete.request;
        // At most 10,000 sizes of at most 5 GiB.
        let size_bytes: u64 = listed.iter().map(|part| part.record.size_bytes).sum();
        if size_bytes > MAX_OBJECT_BYTES {
            return Err(Error::TooLarge { what: "the object".into(), bytes: size_bytes, allowed: MAX_OBJECT_BYTES });
        }
        if let Some(expected) = request.expected_size_bytes.filter(|expected| *expected != size_bytes) {
            return Err(Error::invalid("expected_size_bytes", format!("the parts have {size_bytes}, not {expected}")));
        }
        let (algorithm, kind) = open.checksum()?;
        let values = listed.iter().filter_map(|part| {
            let checksum = part.record.checksum.as_ref()?;
            Some((&checksum.value[..], part.record.size_bytes))
        });
        let checksum = checksums::of_parts(algorithm, kind, values);
        if let Some(given) = &request.checksum {
            check_whole(complete, given, &checksum)?;
        }
        let given = SplitAttributes::of(open.record.attributes.clone());
        Ok(ObjectRecord {
            object_id: complete.object_id,
            size_bytes,
            md5: checksums::md5_of_md5s(listed.iter().map(|part| &part.record.md5[..])),
            part_count: u32::try_from(listed.len()).unwrap_or(u32::MAX),
            modified_ms: self.clock.now_ms(),
            owner: open.record.owner.clone(),
            checksum: Some(checksum.into()),
            storage_class: given.storage_class,
            attributes: given.attributes,
            inline: false,
            manifest: None,
            acl: open.record.acl.clone(),
        })
    }

    /// Turns the parts' rows and chunks into the object's manifest.
    async fn take_parts(
        &self,
        transaction: &mut Transaction,
        complete: &Complete<'_>,
        listed: Vec<Listed>,
        record: &mut ObjectRecord,
    ) -> Result<Beside, Error> {
        let mut parts = Vec::with_capacity(listed.len());
        for part in listed {
            let extents = match self.whole_manifest(part.record.manifest.as_ref()).await {
                // Chunks that are gone went with their row.
                Err(Error::Record(_)) if self.store.get(&part.key).await?.as_ref() != Some(&part.value) => {
                    return Err(Error::Raced);
                }
                entries => entries?.into_iter().flat_map(|entry| entry.extents).collect(),
            };
            for chunk in 0..part.record.manifest.as_ref().map_or(0, |manifest| manifest.chunk_count) {
                transaction.delete(manifest::key(part.record.object_id, chunk));
            }
            if !planted(Fault::CompleteTakesReplacedPart) {
                transaction.unchanged(part.key.clone(), Some(part.value));
            }
            if !planted(Fault::CompletedPartsReclaimed) {
                transaction.delete(part.key);
            }
            parts.push(ManifestPart {
                part_number: part.part_number,
                owner: part.record.object_id,
                size_bytes: part.record.size_bytes,
                md5: part.record.md5,
                checksum: part.record.checksum,
                extents,
            });
        }
        let (manifest, chunks) = Manifest::of(complete.object_id, parts);
        record.manifest = Some(manifest);
        Ok(Beside { chunks, ..Beside::default() })
    }
}

/// The client's list in itself: some parts, ascending.
fn check_list(upload_id: u64, parts: &[CompletedPart]) -> Result<(), Error> {
    if parts.is_empty() || parts.len() > MAX_PART_NUMBER as usize {
        let rule = format!("there are 1 to {MAX_PART_NUMBER}, not {}", parts.len());
        return Err(Error::invalid("parts", rule));
    }
    if let Some(pair) = parts.windows(2).find(|pair| pair[0].part_number >= pair[1].part_number) {
        return Err(Error::InvalidPartOrder { upload_id, part_number: pair[1].part_number });
    }
    Ok(())
}

fn is_same(given: &Checksum, record: &PartRecord) -> bool {
    record.checksum.as_ref().is_some_and(|own| own.algorithm == given.algorithm && own.value == given.value)
}

fn check_whole(complete: &Complete<'_>, given: &Checksum, computed: &Checksum) -> Result<(), Error> {
    if given.algorithm != computed.algorithm
        || (given.r#type() != ChecksumType::Default && given.r#type != computed.r#type)
    {
        let rule = format!(
            "the upload's is {} of type {}",
            computed.algorithm().as_str_name(),
            computed.r#type().as_str_name()
        );
        return Err(Error::invalid("checksum", rule));
    }
    if given.value != computed.value {
        return Err(Error::ChecksumMismatch {
            resource: resource(&complete.bucket, &complete.key),
            computed: hex::encode(&computed.value),
            given: hex::encode(&given.value),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::key::Kind;
    use crate::testing::{Fixture, if_none_match, key, md5_of};
    use md5::{Digest as _, Md5};
    use weir_proto::v1::{ChecksumAlgorithm, CreateUploadRequest, GetObjectRequest, Part};

    const MIB: u64 = 1 << 20;

    async fn uploaded(fixture: &Fixture, sizes: &[u64]) -> (u64, Vec<Part>) {
        fixture.bucket("photos").await;
        let upload_id = fixture.upload("photos", "cat").await;
        let mut parts = Vec::new();
        for (number, size) in (1..).zip(sizes) {
            parts.push(fixture.part("photos", "cat", upload_id, number, &[*size]).await.unwrap());
        }
        (upload_id, parts)
    }

    async fn refusal(fixture: &Fixture, request: CompleteUploadRequest) -> Error {
        fixture.namespace.complete_upload(&request).await.unwrap_err()
    }

    #[tokio::test]
    async fn the_listed_parts_become_the_object_and_the_others_go() {
        let fixture = Fixture::new().await;
        let (upload_id, parts) = uploaded(&fixture, &[5 * MIB, 5 * MIB, 6 * MIB, 7]).await;
        let listed = [parts[0].clone(), parts[2].clone(), parts[3].clone()];
        let mut request = fixture.complete("photos", "cat", upload_id, &listed);
        request.min_part_bytes = 5 * MIB;
        request.expected_size_bytes = Some(11 * MIB + 7);
        let object = fixture.namespace.complete_upload(&request).await.unwrap().object.unwrap();
        let md5s = [md5_of(1), md5_of(3), md5_of(4)].concat();
        assert_eq!(object.etag, format!("{}-3", hex::encode(Md5::digest(md5s))));
        assert_eq!((object.size_bytes, object.part_count), (11 * MIB + 7, 3));
        assert_eq!(object.checksum.as_ref().unwrap().algorithm(), ChecksumAlgorithm::Crc64nvme);
        assert_eq!(fixture.namespace.complete_upload(&request).await.unwrap().object, Some(object), "sent again");
        fixture.drain().await;
        fixture.check(true).await;
        assert_eq!(fixture.rows(Kind::Block).await.len(), 3);
        let part = GetObjectRequest {
            bucket: "photos".into(),
            key: key("cat"),
            part_number: 3,
            with_content: true,
            ..Default::default()
        };
        let answer = fixture.namespace.get_object(&part).await.unwrap();
        assert_eq!((answer.offset_bytes, answer.length_bytes), (5 * MIB, 6 * MIB));
        assert_eq!(answer.part.unwrap().etag, parts[2].etag);
        assert_eq!(answer.extents.len(), 1);
        let absent = fixture.namespace.get_object(&GetObjectRequest { part_number: 2, ..part }).await.unwrap();
        assert!(absent.unsatisfiable);
    }

    #[tokio::test]
    async fn a_list_that_does_not_fit_the_parts_is_refused_and_changes_nothing() {
        let fixture = Fixture::new().await;
        let (upload_id, parts) = uploaded(&fixture, &[5 * MIB - 1, 5 * MIB, 7]).await;
        let list = |parts: &[Part]| fixture.complete("photos", "cat", upload_id, parts);
        let swapped = [parts[1].clone(), parts[0].clone()];
        assert!(matches!(refusal(&fixture, list(&swapped)).await, Error::InvalidPartOrder { part_number: 1, .. }));
        let doubled = [parts[1].clone(), parts[1].clone()];
        assert!(matches!(refusal(&fixture, list(&doubled)).await, Error::InvalidPartOrder { .. }));
        let absent = [Part { part_number: 9, ..parts[0].clone() }];
        assert!(matches!(refusal(&fixture, list(&absent)).await, Error::InvalidPart { part_number: 9, .. }));
        let other = [Part { etag: parts[1].etag.clone(), ..parts[0].clone() }];
        assert!(matches!(refusal(&fixture, list(&other)).await, Error::InvalidPart { part_number: 1, .. }));
        let none = [Part { etag: String::new(), ..parts[0].clone() }];
        assert!(matches!(refusal(&fixture, list(&none)).await, Error::InvalidPart { .. }));
        assert!(matches!(refusal(&fixture, list(&[])).await, Error::Invalid { .. }));
        let minimum = CompleteUploadRequest { min_part_bytes: 5 * MIB, ..list(&parts) };
        assert!(matches!(refusal(&fixture, minimum).await, Error::PartTooSmall { part_number: 1, .. }));
        let size = CompleteUploadRequest { expected_size_bytes: Some(1), ..list(&parts) };
        assert!(matches!(refusal(&fixture, size).await, Error::Invalid { .. }));
        let mut checksum = list(&parts);
        checksum.parts[0].checksum = parts[1].checksum.clone();
        assert!(matches!(refusal(&fixture, checksum).await, Error::InvalidPart { .. }));
        let given = Some(Checksum { algorithm: 3, r#type: 0, value: vec![0; 8].into() });
        let whole = CompleteUploadRequest { checksum: given, ..list(&parts) };
        assert!(matches!(refusal(&fixture, whole).await, Error::ChecksumMismatch { .. }));
        let given = Some(Checksum { algorithm: 1, r#type: 0, value: vec![0; 4].into() });
        let whole = CompleteUploadRequest { checksum: given, ..list(&parts) };
        assert!(matches!(refusal(&fixture, whole).await, Error::Invalid { .. }));
        assert!(fixture.get("photos", "cat").await.is_err());
        assert!(fixture.namespace.complete_upload(&list(&parts)).await.is_ok());
        fixture.drain().await;
        fixture.check(true).await;
    }

    #[tokio::test]
    async fn a_condition_is_decided_at_the_completion() {
        let fixture = Fixture::new().await;
        let (upload_id, parts) = uploaded(&fixture, &[7]).await;
        fixture.put_inline("photos", "cat", b"meow").await;
        let request = CompleteUploadRequest {
            precondition: if_none_match(),
            ..fixture.complete("photos", "cat", upload_id, &parts)
        };
        assert!(matches!(refusal(&fixture, request.clone()).await, Error::PreconditionFailed { .. }));
        fixture.delete("photos", &["cat"]).await;
        let both = [fixture.namespace.complete_upload(&request), fixture.namespace.complete_upload(&request)];
        let results = futures::future::join_all(both).await;
        assert_eq!(results[0].as_ref().unwrap(), results[1].as_ref().unwrap(), "both get the one result");
    }

    #[tokio::test]
    async fn the_checksums_of_each_algorithm_and_type_are_made_and_verified() {
        let fixture = Fixture::new().await;
        fixture.bucket("photos").await;
        for (algorithm, kind, length) in [(1, 2, 4), (1, 1, 4), (2, 0, 4), (3, 0, 8), (4, 0, 20), (5, 2, 32)] {
            let request = CreateUploadRequest {
                bucket: "photos".into(),
                key: key("cat"),
                checksum_algorithm: algorithm,
                checksum_type: kind,
                ..Default::default()
            };
            let upload_id = fixture.namespace.create_upload(&request).await.unwrap().upload.unwrap().upload_id;
            let wrong = fixture.part("photos", "cat", upload_id, 1, &[5]).await;
            assert_eq!(wrong.is_ok(), algorithm == 3, "a part has a checksum of the upload's algorithm");
            let mut values = Vec::new();
            for part_number in [1, 2] {
                let mut content = fixture.blocks(part_number, &[5]);
                let value = Bytes::from(vec![part_number as u8; length]);
                content.checksum = Some(Checksum { algorithm, r#type: 0, value: value.clone() });
                let part = weir_proto::v1::CommitPartRequest {
                    bucket: "photos".into(),
                    key: key("cat"),
                    upload_id,
                    part_number: part_number as u32,
                    content: Some(content),
                    session_id: fixture.session_id,
                    ..Default::default()
                };
                values.push((fixture.namespace.commit_part(part).await.unwrap().part.unwrap(), value));
            }
            let parts: Vec<Part> = values.iter().map(|(part, _)| part.clone()).collect();
            let (own, kind) = checksums::of_upload(request.checksum_algorithm(), request.checksum_type()).unwrap();
            let expected = checksums::of_parts(own, kind, values.iter().map(|(_, value)| (&value[..], 5)));
            let complete = CompleteUploadRequest {
                checksum: Some(expected.clone()),
                ..fixture.complete("photos", "cat", upload_id, &parts)
            };
            let object = fixture.namespace.complete_upload(&complete).await.unwrap().object.unwrap();
            assert_eq!(object.checksum, Some(expected));
        }
        fixture.drain().await;
        fixture.check(true).await;
    }

    #[tokio::test]
    async fn ten_thousand_parts_complete_in_one_commit() {
        let fixture = Fixture::new().await;
        let sizes = vec![MIB; 10_000];
        let (upload_id, parts) = uploaded(&fixture, &sizes).await;
        fixture.namespace.ids.next(&*fixture.namespace.store).await.unwrap();
        let before = fixture.store.commits.load(std::sync::atomic::Ordering::SeqCst);
        let request = fixture.complete("photos", "cat", upload_id, &parts);
        let object = fixture.namespace.complete_upload(&request).await.unwrap().object.unwrap();
        assert!(fixture.store.commits.load(std::sync::atomic::Ordering::SeqCst) <= before + 2);
        assert_eq!((object.part_count, object.size_bytes), (10_000, 10_000 * MIB));
        for (part_number, offset) in [(1, 0), (5_000, 4_999 * MIB), (10_000, 9_999 * MIB)] {
            let request = GetObjectRequest {
                bucket: "photos".into(),
                key: key("cat"),
                part_number,
                with_content: true,
                ..Default::default()
            };
            let answer = fixture.namespace.get_object(&request).await.unwrap();
            assert_eq!((answer.offset_bytes, answer.length_bytes, answer.extents.len()), (offset, MIB, 1));
            assert_eq!(answer.extents[0].offset_bytes, offset);
        }
        fixture.drain().await;
        fixture.check(true).await;
        assert_eq!(fixture.rows(Kind::Part).await, []);
        fixture.delete("photos", &["cat"]).await;
        fixture.drain().await;
        fixture.check(true).await;
        assert_eq!(fixture.rows(Kind::Block).await, []);
    }
}
