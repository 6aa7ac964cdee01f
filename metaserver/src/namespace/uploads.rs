//! Multipart uploads from their beginning to an abort. An upload is open, then completed or aborted, once.

use super::Namespace;
use super::objects::resource;
use super::results::Remembered;
use super::transaction::{Attempts, Transaction};
use super::{checksums, ids, validate};
use crate::error::Error;
use crate::records::acl::AclRecord;
use crate::records::decode;
use crate::records::reclaim::{self, Garbage, ReclaimRecord};
use crate::records::result::Operation;
use crate::records::upload::{self, FinishedUploadRecord, UploadRecord};
use bytes::Bytes;
use weir_proto::v1::{
    AbortUploadRequest, AbortUploadResponse, ChecksumAlgorithm, ChecksumType, CreateUploadRequest,
    CreateUploadResponse, GetUploadRequest, GetUploadResponse, Upload,
};
use weir_proto::{BucketName, ObjectKey};
use weir_service::planted::{Fault, planted};

/// An upload that is open, as it was read.
#[derive(Debug)]
pub(crate) struct OpenUpload {
    pub key: Bytes,
    value: Bytes,
    pub record: UploadRecord,
}

impl OpenUpload {
    /// # Errors
    /// [`Error::NoSuchUpload`]: there is no value, so it is not open.
    pub fn of(key: Bytes, value: Option<Bytes>, upload_id: u64) -> Result<Self, Error> {
        let value = value.ok_or(Error::NoSuchUpload { upload_id })?;
        let record = decode(&key, value.clone())?;
        Ok(Self { key, value, record })
    }

    /// It is still open.
    pub fn guard(&self, transaction: &mut Transaction) {
        if !planted(Fault::UploadEndsTwice) {
            transaction.unchanged(self.key.clone(), Some(self.value.clone()));
        }
    }

    /// The algorithm and type of the object's checksum; the parts have the same algorithm.
    pub fn checksum(&self) -> Result<(ChecksumAlgorithm, ChecksumType), Error> {
        checksums::of_upload(self.record.checksum_algorithm(), self.record.checksum_type())
    }
}

/// An upload as the contract shows it.
pub(crate) fn message(key: &[u8], upload_id: u64, record: &UploadRecord) -> Upload {
    Upload {
        key: Bytes::copy_from_slice(key),
        upload_id,
        initiated_ms: record.initiated_ms,
        checksum_algorithm: record.checksum_algorithm,
        checksum_type: record.checksum_type,
        owner: record.owner.clone(),
        storage_class: record
            .attributes
            .as_ref()
            .map(|attributes| attributes.storage_class.clone())
            .unwrap_or_default(),
    }
}

/// Ends an open upload: how, and that the parts which it leaves are reclaimed.
pub(crate) fn finish(
    transaction: &mut Transaction,
    open: &OpenUpload,
    upload_id: u64,
    finished: &FinishedUploadRecord,
) {
    open.guard(transaction);
    transaction.delete(open.key.clone());
    transaction.put(upload::finished_key(upload_id), finished);
    let entry = ReclaimRecord { since_ms: finished.finished_ms, manifest: None };
    transaction.put(reclaim::key(Garbage::Upload(upload_id)), &entry);
}

/// How an upload ended, if it is one of this key.
pub(crate) fn finished(
    upload_id: u64,
    bucket_id: u64,
    name: &[u8],
    value: Option<Bytes>,
) -> Result<Option<FinishedUploadRecord>, Error> {
    let Some(value) = value else { return Ok(None) };
    let record: FinishedUploadRecord = decode(&upload::finished_key(upload_id), value)?;
    Ok((record.bucket_id == bucket_id && record.key == name).then_some(record))
}

impl Namespace {
    /// # Errors
    /// [`Error::NoSuchBucket`], [`Error::Invalid`], [`Error::TooLarge`].
    pub async fn create_upload(&self, request: &CreateUploadRequest) -> Result<CreateUploadResponse, Error> {
        let bucket = validate::bucket(&request.bucket)?;
        let key = validate::key(&request.key)?;
        validate::name("owner", &request.owner)?;
        if let Some(attributes) = &request.attributes {
            validate::attributes(attributes)?;
        }
        let algorithm = ChecksumAlgorithm::try_from(request.checksum_algorithm);
        let kind = ChecksumType::try_from(request.checksum_type);
        let (Ok(algorithm), Ok(kind)) = (algorithm, kind) else {
            return Err(Error::invalid("checksum_algorithm", "it or its type is not known"));
        };
        checksums::of_upload(algorithm, kind)?;
        let remembered = self.remembered(request.request_id.as_ref(), Operation::CreateUpload)?;
        let _turn = self.create_upload.lock().await;
        let mut attempts = Attempts::default();
        loop {
            match self.try_create_upload(request, &bucket, &key, &remembered).await {
                Err(Error::Raced) => attempts.again(self, || resource(&bucket, &key)).await?,
                done => return done,
            }
        }
    }

    async fn try_create_upload(
        &self,
        request: &CreateUploadRequest,
        bucket: &BucketName,
        key: &ObjectKey,
        remembered: &Remembered,
    ) -> Result<CreateUploadResponse, Error> {
        let ([bucket], mut values) = self.read_in([bucket], |_| remembered.key().into_iter().collect()).await?;
        if let Some(answer) = remembered.answer(&mut values)? {
            return Ok(answer);
        }
        let mut transaction = Transaction::default();
        transaction.guard(bucket.for_write()?);
        let (upload_id, guard, write) = ids::next_upload_id(&*self.store).await?;
        transaction.guard(guard);
        transaction.write(write);
        let mut attributes = request.attributes.clone();
        let acl = attributes.as_mut().and_then(|attributes| attributes.acl.take()).map(|acl| AclRecord::from(&acl));
        let record = UploadRecord {
            initiated_ms: self.clock.now_ms(),
            owner: request.owner.clone(),
            checksum_algorithm: request.checksum_algorithm,
            checksum_type: request.checksum_type,
            attributes,
            acl,
        };
        transaction.put(upload::key(bucket.id(), key.as_bytes(), upload_id), &record);
        let answer = CreateUploadResponse { upload: Some(message(key.as_bytes(), upload_id, &record)) };
        remembered.remember(&mut transaction, &answer);
        self.commit(transaction).await?;
        Ok(answer)
    }

    /// # Errors
    /// [`Error::NoSuchBucket`], [`Error::NoSuchUpload`].
    pub async fn get_upload(&self, request: &GetUploadRequest) -> Result<GetUploadResponse, Error> {
        let bucket = validate::bucket(&request.bucket)?;
        let key = validate::key(&request.key)?;
        let upload_id = request.upload_id;
        let ([bucket], mut values) =
            self.read_in([&bucket], |[id]| vec![upload::key(id, key.as_bytes(), upload_id)]).await?;
        let store_key = upload::key(bucket.id(), key.as_bytes(), upload_id);
        let open = OpenUpload::of(store_key, values.pop().flatten(), upload_id)?;
        Ok(GetUploadResponse { upload: Some(message(key.as_bytes(), upload_id, &open.record)) })
    }

    /// Succeeds, and changes nothing, when the upload is over already.
    ///
    /// # Errors
    /// [`Error::NoSuchBucket`], [`Error::NoSuchUpload`].
    pub async fn abort_upload(&self, request: &AbortUploadRequest) -> Result<AbortUploadResponse, Error> {
        let bucket = validate::bucket(&request.bucket)?;
        let key = validate::key(&request.key)?;
        let remembered = self.remembered(request.request_id.as_ref(), Operation::AbortUpload)?;
        let mut attempts = Attempts::default();
        loop {
            match self.try_abort_upload(request.upload_id, &bucket, &key, &remembered).await {
                Err(Error::Raced) => attempts.again(self, || resource(&bucket, &key)).await?,
                done => return done,
            }
        }
    }

    async fn try_abort_upload(
        &self,
        upload_id: u64,
        bucket: &BucketName,
        key: &ObjectKey,
        remembered: &Remembered,
    ) -> Result<AbortUploadResponse, Error> {
        let name = key.as_bytes();
        let ([bucket], mut values) = self
            .read_in([bucket], |[id]| {
                let keys = [upload::finished_key(upload_id), upload::key(id, name, upload_id)];
                keys.into_iter().chain(remembered.key()).collect()
            })
            .await?;
        if let Some(answer) = remembered.answer(&mut values)? {
            return Ok(answer);
        }
        let store_key = upload::key(bucket.id(), name, upload_id);
        let open = values.pop().flatten();
        if open.is_none() && finished(upload_id, bucket.id(), name, values.pop().flatten())?.is_some() {
            return Ok(AbortUploadResponse {});
        }
        let open = OpenUpload::of(store_key, open, upload_id)?;
        let mut transaction = Transaction::urgent();
        transaction.guard(bucket.for_write()?);
        self.abort(&mut transaction, &open, bucket.id(), name, upload_id);
        remembered.remember(&mut transaction, &AbortUploadResponse {});
        self.commit(transaction).await?;
        Ok(AbortUploadResponse {})
    }

    /// Ends an upload without an object.
    pub(crate) fn abort(
        &self,
        transaction: &mut Transaction,
        open: &OpenUpload,
        bucket_id: u64,
        name: &[u8],
        upload_id: u64,
    ) {
        let record = FinishedUploadRecord {
            bucket_id,
            key: Bytes::copy_from_slice(name),
            finished_ms: self.clock.now_ms(),
            object: None,
        };
        finish(transaction, open, upload_id, &record);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::key::Kind;
    use crate::testing::{Fixture, key};
    use weir_proto::v1::ListPartsRequest;

    fn abort(upload_id: u64, name: &str) -> AbortUploadRequest {
        AbortUploadRequest { bucket: "photos".into(), key: key(name), upload_id, ..Default::default() }
    }

    #[tokio::test]
    async fn upload_ids_begin_with_2_and_are_dense_over_restarts() {
        let mut fixture = Fixture::new().await;
        fixture.bucket("photos").await;
        for upload_id in 2..5 {
            assert_eq!(fixture.upload("photos", "cat").await, upload_id);
            fixture = fixture.restart().await;
        }
        let many = futures::future::join_all((0..20).map(|_| fixture.upload("photos", "cat"))).await;
        assert_eq!(many, (5..25).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn an_aborted_upload_leaves_nothing_and_aborting_again_succeeds() {
        let fixture = Fixture::new().await;
        fixture.bucket("photos").await;
        let upload_id = fixture.upload("photos", "cat").await;
        for number in 1..4 {
            fixture.part("photos", "cat", upload_id, number, &[5; 100]).await.unwrap();
        }
        let wrong_key = fixture.namespace.abort_upload(&abort(upload_id, "dog")).await;
        assert!(matches!(wrong_key, Err(Error::NoSuchUpload { .. })));
        fixture.namespace.abort_upload(&abort(upload_id, "cat")).await.unwrap();
        fixture.namespace.abort_upload(&abort(upload_id, "cat")).await.unwrap();
        let wrong_key = fixture.namespace.abort_upload(&abort(upload_id, "dog")).await;
        assert!(matches!(wrong_key, Err(Error::NoSuchUpload { .. })));
        let unknown = fixture.namespace.abort_upload(&abort(99, "cat")).await;
        assert!(matches!(unknown, Err(Error::NoSuchUpload { .. })));
        let late = fixture.part("photos", "cat", upload_id, 4, &[5]).await;
        assert!(matches!(late, Err(Error::NoSuchUpload { .. })));
        let get = GetUploadRequest { bucket: "photos".into(), key: key("cat"), upload_id };
        assert!(matches!(fixture.namespace.get_upload(&get).await, Err(Error::NoSuchUpload { .. })));
        fixture.drain().await;
        fixture.check(true).await;
        for kind in [Kind::Part, Kind::Block, Kind::Manifest, Kind::Upload] {
            assert_eq!(fixture.rows(kind).await, [], "{kind}");
        }
    }

    #[tokio::test]
    async fn parts_race_with_an_abort_and_nothing_is_left() {
        for turns in 0..20 {
            let fixture = Fixture::new().await;
            fixture.bucket("photos").await;
            let upload_id = fixture.upload("photos", "cat").await;
            let parts = (1..6).map(|number| fixture.part("photos", "cat", upload_id, number, &[5]));
            let aborting = async {
                for _ in 0..turns {
                    tokio::task::yield_now().await;
                }
                fixture.namespace.abort_upload(&abort(upload_id, "cat")).await
            };
            let (_, aborted) = tokio::join!(futures::future::join_all(parts), aborting);
            aborted.unwrap();
            fixture.drain().await;
            fixture.check(true).await;
            assert_eq!(fixture.rows(Kind::Part).await, []);
        }
    }

    #[tokio::test]
    async fn a_part_sent_again_replaces_the_former_and_parts_are_listed_in_pages() {
        let fixture = Fixture::new().await;
        fixture.bucket("photos").await;
        let upload_id = fixture.upload("photos", "cat").await;
        for number in [9, 1, 10_000, 5, 1] {
            fixture.part("photos", "cat", upload_id, number, &[u64::from(number)]).await.unwrap();
        }
        for number in [0, 10_001] {
            let refused = fixture.part("photos", "cat", upload_id, number, &[5]).await;
            assert!(matches!(refused, Err(Error::Invalid { .. })));
        }
        let list = async |part_number_marker, max_parts| {
            let request =
                ListPartsRequest { bucket: "photos".into(), key: key("cat"), upload_id, part_number_marker, max_parts };
            let answer = fixture.namespace.list_parts(&request).await.unwrap();
            let numbers: Vec<u32> = answer.parts.iter().map(|part| part.part_number).collect();
            (numbers, answer.truncated, answer.next_part_number_marker)
        };
        assert_eq!(list(0, 2).await, (vec![1, 5], true, 5));
        assert_eq!(list(5, 2).await, (vec![9, 10_000], false, 10_000));
        assert_eq!(list(0, 0).await, (vec![], false, 0));
        assert_eq!(list(u32::MAX, 1_000).await, (vec![], false, 0));
        fixture.drain().await;
        fixture.check(true).await;
        assert_eq!(fixture.rows(Kind::Block).await.len(), 4);
    }
}
