//! DeleteObjects: up to 1,000 keys in one commit. What they held goes to the reclaim queue, whatever its size.

use super::Namespace;
use super::objects::{self, Current, OldContent, resource};
use super::preconditions;
use super::results::Remembered;
use super::transaction::{Attempts, Transaction};
use super::validate::{self, MAX_ENTRIES};
use crate::error::Error;
use crate::records::object;
use crate::records::result::{DeleteOutcomes, Operation};
use std::collections::HashMap;
use weir_proto::v1::{DeleteEntry, DeleteObjectsRequest, DeleteObjectsResponse, DeleteResult, Reason};
use weir_proto::{BucketName, Failure, ObjectKey};

struct Delete<'a> {
    bucket: BucketName,
    entries: Vec<(ObjectKey, &'a DeleteEntry)>,
    remembered: Remembered,
}

impl Namespace {
    /// # Errors
    /// [`Error::NoSuchBucket`], [`Error::Invalid`]; what fails for one key is in its result.
    pub async fn delete_objects(&self, request: &DeleteObjectsRequest) -> Result<DeleteObjectsResponse, Error> {
        let count = request.entries.len();
        if count > MAX_ENTRIES {
            return Err(Error::invalid("entries", format!("there are {count}; {MAX_ENTRIES} are allowed")));
        }
        let mut entries = Vec::with_capacity(count);
        for entry in &request.entries {
            validate::precondition(entry.precondition.as_ref())?;
            entries.push((validate::key(&entry.key)?, entry));
        }
        let delete = Delete {
            bucket: validate::bucket(&request.bucket)?,
            entries,
            remembered: self.remembered(request.request_id.as_ref(), Operation::DeleteObjects)?,
        };
        let _locks = self.locks.lock(delete.entries.iter().map(|(key, _)| (&delete.bucket, &key.as_bytes()[..]))).await;
        let mut attempts = Attempts::default();
        loop {
            match self.try_delete_objects(&delete).await {
                Err(Error::Raced) => attempts.again(self, || delete.bucket.to_string()).await?,
                done => return done,
            }
        }
    }

    async fn try_delete_objects(&self, delete: &Delete<'_>) -> Result<DeleteObjectsResponse, Error> {
        let mut places = HashMap::new();
        let mut keys = Vec::new();
        for (key, _) in &delete.entries {
            places.entry(key).or_insert_with(|| {
                keys.push(key);
                keys.len() - 1
            });
        }
        let ([bucket], mut values) = self
            .read_in([&delete.bucket], |[id]| {
                keys.iter().map(|key| object::key(id, key.as_bytes())).chain(delete.remembered.key()).collect()
            })
            .await?;
        if let Some(outcomes) = delete.remembered.answer::<DeleteOutcomes>(&mut values)? {
            return Ok(answer(delete, &outcomes));
        }
        let mut objects = Vec::with_capacity(keys.len());
        for (key, value) in keys.iter().zip(values) {
            objects.push(Current::of(bucket.id(), key.as_bytes(), value)?);
        }
        let mut transaction = Transaction::urgent();
        let mut outcomes = DeleteOutcomes::default();
        for (key, entry) in &delete.entries {
            let current = &mut objects[places[key]];
            let (existed, reason) = self.delete_one(&mut transaction, delete, (key, entry), current)?;
            outcomes.existed.push(existed);
            outcomes.reasons.push(reason.into());
        }
        // What has changed nothing needs no commit: done again, it would be right again.
        if !transaction.is_empty() {
            transaction.guard(bucket.for_write()?);
            delete.remembered.remember(&mut transaction, &outcomes);
            self.commit(transaction).await?;
        }
        Ok(answer(delete, &outcomes))
    }

    fn delete_one(
        &self,
        transaction: &mut Transaction,
        delete: &Delete<'_>,
        (key, entry): (&ObjectKey, &DeleteEntry),
        current: &mut Current,
    ) -> Result<(bool, Reason), Error> {
        let restricts = preconditions::restricts(entry.precondition.as_ref());
        if restricts && current.record.is_none() {
            return Ok((false, Reason::NoSuchKey));
        }
        let checked = preconditions::check(entry.precondition.as_ref(), current.record.as_ref(), || {
            resource(&delete.bucket, key)
        });
        match checked {
            Err(Error::PreconditionFailed { .. }) => return Ok((true, Reason::PreconditionFailed)),
            Err(Error::NotOwner { .. }) => return Ok((true, Reason::NotOwner)),
            checked => checked?,
        }
        // A key that is named twice is gone the second time.
        let existed = current.record.is_some();
        objects::remove(transaction, current, OldContent::Reclaimed, self.clock.now_ms());
        current.record = None;
        Ok((existed, Reason::Unspecified))
    }
}

fn answer(delete: &Delete<'_>, outcomes: &DeleteOutcomes) -> DeleteObjectsResponse {
    let results = delete.entries.iter().zip(outcomes.existed.iter().zip(&outcomes.reasons));
    let results = results.map(|((key, _), (&existed, &reason))| DeleteResult {
        existed,
        failure: match Reason::try_from(reason) {
            Ok(Reason::NoSuchKey) => Some(Error::NoSuchKey { resource: resource(&delete.bucket, key) }),
            Ok(Reason::NotOwner) => Some(Error::NotOwner { resource: resource(&delete.bucket, key) }),
            Ok(Reason::PreconditionFailed) => {
                Some(Error::PreconditionFailed { resource: resource(&delete.bucket, key), condition: "its condition" })
            }
            _ => None,
        }
        .map(|error| Failure::from(error).into()),
    });
    DeleteObjectsResponse { results: results.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fixture, if_match, key};
    use weir_proto::v1::{Precondition, RequestId};

    async fn delete_if(fixture: &Fixture, name: &str, precondition: Option<Precondition>) -> DeleteResult {
        let entries = vec![DeleteEntry { key: key(name), precondition }];
        let request = DeleteObjectsRequest { bucket: "photos".into(), entries, ..Default::default() };
        fixture.namespace.delete_objects(&request).await.unwrap().results.remove(0)
    }

    #[tokio::test]
    async fn a_thousand_keys_go_in_one_commit_and_a_key_named_twice_goes_once() {
        let fixture = Fixture::new().await;
        fixture.bucket("photos").await;
        let names: Vec<String> = (0..999).map(|n| format!("key-{n}")).collect();
        for name in &names {
            fixture.put_blocks("photos", name, &[5]).await;
        }
        let mut all: Vec<&str> = names.iter().map(String::as_str).collect();
        all.push("key-0");
        let before = fixture.store.commits.load(std::sync::atomic::Ordering::SeqCst);
        let results = fixture.delete("photos", &all).await;
        assert_eq!(fixture.store.commits.load(std::sync::atomic::Ordering::SeqCst), before + 1);
        assert!(results[..999].iter().all(|result| result.existed));
        assert!(!results[999].existed);
        fixture.drain().await;
        fixture.check(true).await;
        let too_many = DeleteObjectsRequest {
            bucket: "photos".into(),
            entries: vec![DeleteEntry { key: key("k"), precondition: None }; 1_001],
            ..Default::default()
        };
        assert!(matches!(fixture.namespace.delete_objects(&too_many).await, Err(Error::Invalid { .. })));
    }

    #[tokio::test]
    async fn a_conditional_delete_is_decided_by_the_key_alone() {
        let fixture = Fixture::new().await;
        fixture.bucket("photos").await;
        assert_eq!(delete_if(&fixture, "cat", None).await, DeleteResult::default());
        let gone = delete_if(&fixture, "cat", if_match("*")).await;
        assert_eq!(gone.failure.unwrap().reason(), Reason::NoSuchKey);
        let object = fixture.put_inline("photos", "cat", b"meow").await;
        let other = delete_if(&fixture, "cat", if_match("other")).await;
        assert_eq!(other.failure.unwrap().reason(), Reason::PreconditionFailed);
        assert!(fixture.get("photos", "cat").await.is_ok());
        assert!(delete_if(&fixture, "cat", if_match(&object.etag)).await.existed);
        assert!(fixture.get("photos", "cat").await.is_err());
    }

    #[tokio::test]
    async fn a_repeated_delete_gets_the_first_results() {
        let fixture = Fixture::new().await;
        fixture.bucket("photos").await;
        fixture.put_inline("photos", "cat", b"meow").await;
        let entry = |name, precondition| DeleteEntry { key: key(name), precondition };
        let request = DeleteObjectsRequest {
            bucket: "photos".into(),
            entries: vec![entry("cat", None), entry("dog", if_match("*"))],
            request_id: Some(RequestId { session_id: fixture.session_id, sequence: 1 }),
        };
        let first = fixture.namespace.delete_objects(&request).await.unwrap();
        fixture.put_inline("photos", "cat", b"again").await;
        assert_eq!(fixture.namespace.delete_objects(&request).await.unwrap(), first);
        assert!(fixture.get("photos", "cat").await.is_ok(), "what was written since stays");
    }
}
