//! RenameObject: an object gets another name in one commit. It stays the same version of the same content.

use super::Namespace;
use super::manifests::references;
use super::objects::{self, Beside, Current, OldContent, resource};
use super::results::Remembered;
use super::transaction::{Attempts, Transaction};
use super::validate;
use crate::error::Error;
use crate::records::inline::{self, InlineRecord};
use crate::records::key::Kind;
use crate::records::object::{self, ObjectRecord};
use crate::records::result::Operation;
use crate::records::{RecordError, decode};
use bytes::Bytes;
use weir_proto::v1::{RenameObjectRequest, RenameObjectResponse};
use weir_proto::{BucketName, ObjectKey};

/// Blocks whose records learn the new name in the commit. Those of a larger object keep the old one: only operators
/// read it.
const MAX_RENAMED_BLOCKS: usize = 1_000;

struct Rename {
    source_bucket: BucketName,
    source_key: ObjectKey,
    bucket: BucketName,
    key: ObjectKey,
    overwrite: bool,
    remembered: Remembered,
}

impl Namespace {
    /// # Errors
    /// [`Error::NoSuchBucket`]; [`Error::NoSuchKey`] of the source; [`Error::KeyExists`] of the destination, also when it
    /// is the source itself.
    pub async fn rename_object(&self, request: &RenameObjectRequest) -> Result<RenameObjectResponse, Error> {
        let rename = Rename {
            source_bucket: validate::bucket(&request.source_bucket)?,
            source_key: validate::key(&request.source_key)?,
            bucket: validate::bucket(&request.bucket)?,
            key: validate::key(&request.key)?,
            overwrite: request.overwrite,
            remembered: self.remembered(request.request_id.as_ref(), Operation::RenameObject)?,
        };
        let names =
            [(&rename.source_bucket, &rename.source_key.as_bytes()[..]), (&rename.bucket, &rename.key.as_bytes()[..])];
        let _locks = self.locks.lock(names).await;
        let mut attempts = Attempts::default();
        loop {
            match self.try_rename_object(&rename).await {
                Err(Error::Raced) => attempts.again(self, || resource(&rename.bucket, &rename.key)).await?,
                done => return done,
            }
        }
    }

    async fn try_rename_object(&self, rename: &Rename) -> Result<RenameObjectResponse, Error> {
        let (source_name, name) = (rename.source_key.as_bytes(), rename.key.as_bytes());
        let ([source_bucket, bucket], mut values) = self
            .read_in([&rename.source_bucket, &rename.bucket], |[source_id, id]| {
                let keys =
                    [inline::key(source_id, source_name), object::key(source_id, source_name), object::key(id, name)];
                keys.into_iter().chain(rename.remembered.key()).collect()
            })
            .await?;
        if let Some(answer) = rename.remembered.answer(&mut values)? {
            return Ok(answer);
        }
        let current = Current::of(bucket.id(), name, values.pop().flatten())?;
        let source = Current::of(source_bucket.id(), source_name, values.pop().flatten())?;
        let Some(record) = &source.record else {
            return Err(Error::NoSuchKey { resource: resource(&rename.source_bucket, &rename.source_key) });
        };
        if current.record.is_some() && !rename.overwrite {
            return Err(Error::KeyExists { resource: resource(&rename.bucket, &rename.key) });
        }
        let answer = RenameObjectResponse { object: Some(objects::message(name, record)) };
        if source.is_same_place(&current) {
            return Ok(answer);
        }
        let mut transaction = Transaction::default();
        transaction.guard(source_bucket.for_write()?);
        transaction.guard(bucket.for_write()?);
        let inline = moved_inline(record, &inline::key(source_bucket.id(), source_name), values.pop().flatten())?;
        let renamed = self.rename_blocks(&mut transaction, rename, record).await;
        self.unless_replaced(renamed, &rename.source_bucket, &rename.source_key, record.object_id).await?;
        objects::remove(&mut transaction, &source, OldContent::Moved, self.clock.now_ms());
        let beside = Beside { inline, ..Beside::default() };
        objects::put(&mut transaction, &current, record, beside, OldContent::Reclaimed, self.clock.now_ms());
        rename.remembered.remember(&mut transaction, &answer);
        self.commit(transaction).await?;
        Ok(answer)
    }

    async fn rename_blocks(
        &self,
        transaction: &mut Transaction,
        rename: &Rename,
        record: &ObjectRecord,
    ) -> Result<(), Error> {
        let parts = self.whole_manifest(record.manifest.as_ref()).await?;
        if parts.iter().map(|part| part.extents.len()).sum::<usize>() > MAX_RENAMED_BLOCKS {
            return Ok(());
        }
        self.rename_references(transaction, references(&parts), rename.bucket.as_str(), rename.key.as_bytes()).await
    }
}

fn moved_inline(record: &ObjectRecord, key: &[u8], value: Option<Bytes>) -> Result<Option<Bytes>, Error> {
    if !record.inline || record.size_bytes == 0 {
        return Ok(None);
    }
    let value = value.ok_or_else(|| RecordError::new(Kind::Inline, key, "it is missing"))?;
    Ok(Some(decode::<InlineRecord>(key, value)?.data))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fixture, key};

    fn request(from: &str, to: &str, overwrite: bool) -> RenameObjectRequest {
        RenameObjectRequest {
            source_bucket: "photos".into(),
            source_key: key(from),
            bucket: "archive".into(),
            key: key(to),
            overwrite,
            ..Default::default()
        }
    }

    #[tokio::test]
    async fn a_renamed_object_is_the_same_version_under_its_new_name() {
        let fixture = Fixture::new().await;
        fixture.bucket("photos").await;
        fixture.bucket("archive").await;
        let object = fixture.put_blocks("photos", "cat", &[5; 60]).await;
        let block = fixture.get("photos", "cat").await.unwrap().extents[0].extent.unwrap().block_id;
        let renamed = fixture.namespace.rename_object(&request("cat", "old cat", false)).await.unwrap().object.unwrap();
        assert_eq!(
            (renamed.object_id, renamed.etag, &renamed.key[..]),
            (object.object_id, object.etag, &b"old cat"[..])
        );
        assert!(fixture.get("photos", "cat").await.is_err());
        assert_eq!(fixture.get("archive", "old cat").await.unwrap().extents.len(), 60);
        let holder = fixture.cluster.block_info(block).await.unwrap().holders.remove(0);
        assert_eq!((holder.bucket.as_str(), &holder.key[..], holder.upload_id), ("archive", &b"old cat"[..], 0));
        fixture.check(true).await;
    }

    #[tokio::test]
    async fn an_existing_name_is_taken_only_when_asked_to() {
        let fixture = Fixture::new().await;
        fixture.bucket("photos").await;
        fixture.bucket("archive").await;
        fixture.put_inline("photos", "cat", b"new").await;
        fixture.put_blocks("archive", "cat", &[5]).await;
        let taken = fixture.namespace.rename_object(&request("cat", "cat", false)).await;
        assert!(matches!(taken, Err(Error::KeyExists { .. })));
        fixture.namespace.rename_object(&request("cat", "cat", true)).await.unwrap();
        assert_eq!(fixture.get("archive", "cat").await.unwrap().inline.as_deref(), Some(&b"new"[..]));
        let gone = fixture.namespace.rename_object(&request("cat", "cat", true)).await;
        assert!(matches!(gone, Err(Error::NoSuchKey { .. })));
        fixture.drain().await;
        fixture.check(true).await;
    }
}
