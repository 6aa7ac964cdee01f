//! SetObjectAcl: another ACL for an object, which stays the version that it is.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectAcl.html>

use super::Namespace;
use super::objects::{self, Current, resource};
use super::results::Remembered;
use super::transaction::{Attempts, Transaction};
use super::{access, validate};
use crate::error::Error;
use crate::records::object::{self, ObjectRecord};
use crate::records::result::Operation;
use weir_proto::v1::{SetObjectAclRequest, SetObjectAclResponse};
use weir_proto::{BucketName, ObjectKey};

impl Namespace {
    /// # Errors
    /// [`Error::NoSuchBucket`], [`Error::NoSuchKey`]; [`Error::Conflict`]: it is another version than the one that was
    /// looked at; [`Error::TooLarge`] together with what else is set on the object; [`Error::Invalid`].
    pub async fn set_object_acl(&self, request: &SetObjectAclRequest) -> Result<SetObjectAclResponse, Error> {
        let bucket = validate::bucket(&request.bucket)?;
        let key = validate::key(&request.key)?;
        if let Some(acl) = &request.acl {
            access::acl(acl)?;
        }
        let remembered = self.remembered(request.request_id.as_ref(), Operation::SetObjectAcl)?;
        let _locks = self.locks.lock([(&bucket, &key.as_bytes()[..])]).await;
        let mut attempts = Attempts::default();
        loop {
            match self.try_set_object_acl(request, &bucket, &key, &remembered).await {
                Err(Error::Raced) => attempts.again(self, || resource(&bucket, &key)).await?,
                done => return done,
            }
        }
    }

    async fn try_set_object_acl(
        &self,
        request: &SetObjectAclRequest,
        bucket: &BucketName,
        key: &ObjectKey,
        remembered: &Remembered,
    ) -> Result<SetObjectAclResponse, Error> {
        let name = key.as_bytes();
        let ([view], mut values) = self
            .read_in([bucket], |[id]| [object::key(id, name)].into_iter().chain(remembered.key()).collect())
            .await?;
        if let Some(answer) = remembered.answer(&mut values)? {
            return Ok(answer);
        }
        let current = Current::of(view.id(), name, values.pop().flatten())?;
        let Some(record) = &current.record else { return Err(Error::NoSuchKey { resource: resource(bucket, key) }) };
        if request.object_id != 0 && record.object_id != request.object_id {
            return Err(Error::Conflict { resource: resource(bucket, key) });
        }
        let record = ObjectRecord { acl: request.acl.as_ref().map(Into::into), ..record.clone() };
        validate::attributes_fit(record.attributes.as_ref(), record.acl.as_ref())?;
        let mut transaction = Transaction::default();
        transaction.guard(view.for_write()?);
        objects::amend(&mut transaction, &current, &record);
        let answer = SetObjectAclResponse { object: Some(objects::message(name, &record)) };
        remembered.remember(&mut transaction, &answer);
        self.commit(transaction).await?;
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::acl::sample;
    use crate::testing::{Fixture, inline, key};
    use std::sync::atomic::Ordering;
    use weir_proto::v1::copy_object_response::Result as CopyResult;
    use weir_proto::v1::{
        Acl, Attributes, CommitObjectRequest, CopyObjectRequest, CreateUploadRequest, Grant, Header, Object,
        RenameObjectRequest, RequestId, Tag,
    };

    fn request(name: &str, acl: Option<Acl>) -> SetObjectAclRequest {
        SetObjectAclRequest { bucket: "photos".into(), key: key(name), acl, ..Default::default() }
    }

    /// Attributes of so many bytes or a few less, with an ACL.
    fn attributes(bytes: usize, acl: Option<Acl>) -> Option<Attributes> {
        let value = "v".repeat(bytes.saturating_sub(20));
        Some(Attributes { metadata: vec![Header { name: "name".into(), value }], acl, ..Default::default() })
    }

    async fn put(fixture: &Fixture, name: &str, attributes: Option<Attributes>) -> Result<Object, Error> {
        let put = CommitObjectRequest { attributes, ..fixture.put("photos", name, inline("meow")) };
        Ok(fixture.namespace.commit_object(put).await?.object.unwrap())
    }

    async fn acl_of(fixture: &Fixture, name: &str) -> Option<Acl> {
        fixture.get("photos", name).await.unwrap().object.unwrap().attributes.unwrap().acl
    }

    async fn copy(fixture: &Fixture, request: CopyObjectRequest) {
        let (source_key, key) = (key("cat"), request.key.clone());
        let request =
            CopyObjectRequest { source_bucket: "photos".into(), source_key, bucket: "photos".into(), key, ..request };
        let answer = fixture.namespace.copy_object(&request).await.unwrap();
        assert!(matches!(answer.result, Some(CopyResult::Object(_))));
    }

    #[tokio::test]
    async fn an_acl_comes_with_the_object_and_another_takes_its_place() {
        let fixture = Fixture::new().await;
        fixture.bucket("photos").await;
        let before = put(&fixture, "cat", attributes(100, Some(sample(3)))).await.unwrap();
        assert_eq!(acl_of(&fixture, "cat").await, Some(sample(3)));
        fixture.clock.advance(5_000);
        let commits = fixture.store.commits.load(Ordering::SeqCst);
        let set = SetObjectAclRequest { object_id: before.object_id, ..request("cat", Some(sample(100))) };
        let after = fixture.namespace.set_object_acl(&set).await.unwrap().object.unwrap();
        assert_eq!(fixture.store.commits.load(Ordering::SeqCst), commits + 1);
        assert_eq!(after, before, "the version and its time stay");
        assert_eq!(acl_of(&fixture, "cat").await, Some(sample(100)));
        let fixture = fixture.restart().await;
        assert_eq!(acl_of(&fixture, "cat").await, Some(sample(100)));
        assert_eq!(fixture.get("photos", "cat").await.unwrap().inline.as_deref(), Some(&b"meow"[..]));
        fixture.namespace.set_object_acl(&request("cat", None)).await.unwrap();
        assert_eq!(acl_of(&fixture, "cat").await, None);
        fixture.check(true).await;
    }

    #[tokio::test]
    async fn an_acl_is_set_on_the_version_that_was_looked_at() {
        let fixture = Fixture::new().await;
        fixture.bucket("photos").await;
        let old = put(&fixture, "cat", None).await.unwrap().object_id;
        put(&fixture, "cat", None).await.unwrap();
        let set = async |request: SetObjectAclRequest| fixture.namespace.set_object_acl(&request).await.unwrap_err();
        let late = SetObjectAclRequest { object_id: old, ..request("cat", Some(sample(1))) };
        assert!(matches!(set(late).await, Error::Conflict { .. }));
        assert!(matches!(set(request("dog", Some(sample(1)))).await, Error::NoSuchKey { .. }));
        let elsewhere = SetObjectAclRequest { bucket: "absent".into(), ..request("cat", None) };
        assert!(matches!(set(elsewhere).await, Error::NoSuchBucket { .. }));
        let wrong = Acl { grants: vec![Grant::default()], ..sample(0) };
        assert!(matches!(set(request("cat", Some(wrong))).await, Error::Invalid { .. }));
        assert!(matches!(set(request("cat", Some(sample(101)))).await, Error::LimitExceeded { .. }));
        assert_eq!(acl_of(&fixture, "cat").await, None);
    }

    #[tokio::test]
    async fn a_repeated_request_gets_the_first_result() {
        let fixture = Fixture::new().await;
        fixture.bucket("photos").await;
        put(&fixture, "cat", None).await.unwrap();
        let request_id = Some(RequestId { session_id: fixture.session_id, sequence: 3 });
        let set = SetObjectAclRequest { request_id, ..request("cat", Some(sample(2))) };
        let first = fixture.namespace.set_object_acl(&set).await.unwrap();
        fixture.delete("photos", &["cat"]).await;
        assert_eq!(fixture.namespace.set_object_acl(&set).await.unwrap(), first);
    }

    #[tokio::test]
    async fn a_copy_has_the_acl_that_it_was_asked_for_and_a_rename_keeps_it() {
        let fixture = Fixture::new().await;
        fixture.bucket("photos").await;
        put(&fixture, "cat", attributes(100, Some(sample(3)))).await.unwrap();
        copy(&fixture, CopyObjectRequest { key: key("plain"), ..Default::default() }).await;
        assert_eq!(acl_of(&fixture, "plain").await, None, "the source's is not taken");
        copy(&fixture, CopyObjectRequest { key: key("own"), acl: Some(sample(5)), ..Default::default() }).await;
        assert_eq!(acl_of(&fixture, "own").await, Some(sample(5)));
        let replace_attributes = attributes(50, Some(sample(7)));
        copy(&fixture, CopyObjectRequest { key: key("new"), replace_attributes, ..Default::default() }).await;
        assert_eq!(acl_of(&fixture, "new").await, Some(sample(7)));
        let rename = RenameObjectRequest {
            source_bucket: "photos".into(),
            source_key: key("cat"),
            bucket: "photos".into(),
            key: key("renamed"),
            ..Default::default()
        };
        fixture.namespace.rename_object(&rename).await.unwrap();
        assert_eq!(acl_of(&fixture, "renamed").await, Some(sample(3)));
        fixture.drain().await;
        fixture.check(true).await;
    }

    #[tokio::test]
    async fn an_upload_keeps_the_acl_for_the_object_that_it_becomes() {
        let fixture = Fixture::new().await;
        fixture.bucket("photos").await;
        let create = CreateUploadRequest {
            bucket: "photos".into(),
            key: key("cat"),
            attributes: attributes(7_000, Some(sample(100))),
            ..Default::default()
        };
        let upload_id = fixture.namespace.create_upload(&create).await.unwrap().upload.unwrap().upload_id;
        let part = fixture.part("photos", "cat", upload_id, 1, &[5]).await.unwrap();
        let complete = fixture.complete("photos", "cat", upload_id, &[part]);
        let fixture = fixture.restart().await;
        let object = fixture.namespace.complete_upload(&complete).await.unwrap().object.unwrap();
        assert_eq!(object.attributes.unwrap().metadata.len(), 1);
        assert_eq!(acl_of(&fixture, "cat").await, Some(sample(100)));
        fixture.drain().await;
        fixture.check(true).await;
    }

    #[tokio::test]
    async fn what_s3_allows_together_fits_and_more_is_refused() {
        let fixture = Fixture::new().await;
        fixture.bucket("photos").await;
        let tags = (0..10).map(|n| Tag { key: format!("{n:0>128}"), value: "v".repeat(256) }).collect();
        let most = Attributes { tags, ..attributes(3_000, Some(sample(100))).unwrap() };
        let request_id = Some(RequestId { session_id: fixture.session_id, sequence: 3 });
        let long_key = vec![b'k'; 1_024];
        let request = CommitObjectRequest {
            attributes: Some(most.clone()),
            request_id,
            ..fixture.put("photos", &long_key, fixture.blocks(1, &[5; 30]))
        };
        let first = fixture.namespace.commit_object(request.clone()).await.unwrap();
        assert_eq!(fixture.namespace.commit_object(request).await.unwrap(), first);
        let object = fixture.get("photos", &long_key).await.unwrap().object.unwrap();
        assert_eq!(object.attributes, Some(most));
        let too_much = put(&fixture, "cat", attributes(9_500, Some(sample(100)))).await;
        assert!(matches!(too_much, Err(Error::TooLarge { .. })));
        put(&fixture, "cat", attributes(9_500, None)).await.unwrap();
        let too_much = fixture.namespace.set_object_acl(&self::request("cat", Some(sample(100)))).await;
        assert!(matches!(too_much, Err(Error::TooLarge { .. })));
        assert_eq!(acl_of(&fixture, "cat").await, None);
        fixture.check(true).await;
    }
}
