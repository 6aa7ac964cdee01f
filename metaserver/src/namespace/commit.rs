//! CommitObject: what a gateway has written becomes the object, in one commit.

use super::Namespace;
use super::objects::{self, Beside, Current, OldContent, SplitAttributes, resource};
use super::preconditions;
use super::transaction::{Attempts, Transaction};
use super::validate::{self, Content, Place};
use super::{blocks, results::Remembered};
use crate::error::Error;
use crate::records::block::Reference;
use crate::records::manifest::{Manifest, ManifestPart};
use crate::records::object::{self, ObjectRecord};
use crate::records::result::Operation;
use weir_proto::v1::{CommitObjectRequest, CommitObjectResponse};
use weir_proto::{BucketName, ObjectKey};

struct Put<'a> {
    request: &'a CommitObjectRequest,
    bucket: BucketName,
    key: ObjectKey,
    content: Content,
    object_id: u64,
    remembered: Remembered,
}

impl Namespace {
    /// # Errors
    /// As the contract says of CommitObject.
    pub async fn commit_object(&self, mut request: CommitObjectRequest) -> Result<CommitObjectResponse, Error> {
        let content = validate::content(request.content.take())?;
        if let Some(attributes) = &request.attributes {
            validate::attributes(attributes)?;
        }
        validate::precondition(request.precondition.as_ref())?;
        validate::name("owner", &request.owner)?;
        let block_ids = match &content.place {
            Place::Inline(_) => Vec::new(),
            Place::Extents(extents) => blocks::extent_records(extents).iter().map(|extent| extent.block_id).collect(),
        };
        let _ticket = match block_ids.is_empty() {
            true => None,
            false => Some(self.sessions.begin_commit(request.session_id, block_ids)?),
        };
        let put = Put {
            bucket: validate::bucket(&request.bucket)?,
            key: validate::key(&request.key)?,
            content,
            object_id: self.ids.next(&*self.store).await?,
            remembered: self.remembered(request.request_id.as_ref(), Operation::CommitObject)?,
            request: &request,
        };
        let _locks = self.locks.lock([(&put.bucket, &put.key.as_bytes()[..])]).await;
        let mut attempts = Attempts::default();
        loop {
            match self.try_commit_object(&put, attempts.is_first()).await {
                Err(Error::Raced) => attempts.again(self, || resource(&put.bucket, &put.key)).await?,
                done => return done,
            }
        }
    }

    async fn try_commit_object(&self, put: &Put<'_>, is_first: bool) -> Result<CommitObjectResponse, Error> {
        let name = put.key.as_bytes();
        let ([bucket], mut values) = self
            .read_in([&put.bucket], |[id]| [object::key(id, name)].into_iter().chain(put.remembered.key()).collect())
            .await?;
        if let Some(answer) = put.remembered.answer(&mut values)? {
            return Ok(answer);
        }
        if let (Place::Extents(extents), false) = (&put.content.place, is_first) {
            self.refuse_used(extents).await?;
        }
        let current = Current::of(bucket.id(), name, values.pop().flatten())?;
        preconditions::check(put.request.precondition.as_ref(), current.record.as_ref(), || {
            resource(&put.bucket, &put.key)
        })?;
        let mut transaction = Transaction::default();
        transaction.guard(bucket.for_write()?);
        let (record, beside) = self.new_version(&mut transaction, put);
        objects::put(&mut transaction, &current, &record, beside, OldContent::Reclaimed, self.clock.now_ms());
        let answer = CommitObjectResponse { object: Some(objects::message(name, &record)) };
        put.remembered.remember(&mut transaction, &answer);
        self.commit(transaction).await?;
        Ok(answer)
    }

    fn new_version(&self, transaction: &mut Transaction, put: &Put<'_>) -> (ObjectRecord, Beside) {
        let given = SplitAttributes::of(put.request.attributes.clone());
        let mut record = ObjectRecord {
            object_id: put.object_id,
            size_bytes: put.content.size_bytes,
            md5: put.content.md5.clone(),
            part_count: 0,
            modified_ms: self.clock.now_ms(),
            owner: put.request.owner.clone(),
            checksum: put.content.checksum.clone().map(Into::into),
            storage_class: given.storage_class,
            attributes: given.attributes,
            inline: false,
            manifest: None,
            acl: given.acl,
        };
        match &put.content.place {
            Place::Inline(data) => {
                record.inline = true;
                (record, Beside { inline: Some(data.clone()), ..Beside::default() })
            }
            Place::Extents(extents) => {
                let reference = Reference {
                    owner: put.object_id,
                    bucket: put.bucket.to_string(),
                    key: put.key.as_bytes().clone(),
                    upload_id: 0,
                };
                blocks::add_new(transaction, extents, &reference);
                let part = ManifestPart {
                    owner: put.object_id,
                    extents: blocks::extent_records(extents),
                    ..Default::default()
                };
                let (manifest, chunks) = Manifest::of(put.object_id, vec![part]);
                record.manifest = Some(manifest);
                (record, Beside { chunks, ..Beside::default() })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fixture, if_match, if_none_match, in_blocks, inline, key, session};
    use weir_proto::v1::{AbandonBlocksRequest, AbandonedBlock, HeartbeatRequest, RequestId};

    #[tokio::test]
    async fn a_small_object_is_one_commit_and_comes_back() {
        let fixture = Fixture::new().await;
        fixture.bucket("photos").await;
        fixture.put_inline("photos", "first", b"takes ids").await;
        let before = fixture.store.commits.load(std::sync::atomic::Ordering::SeqCst);
        let object = fixture.put_inline("photos", "cat", b"meow").await;
        assert_eq!(fixture.store.commits.load(std::sync::atomic::Ordering::SeqCst), before + 1);
        let answer = fixture.get("photos", "cat").await.unwrap();
        assert_eq!(answer.object, Some(object));
        assert_eq!(answer.inline.as_deref(), Some(&b"meow"[..]));
        fixture.check(true).await;
    }

    #[tokio::test]
    async fn an_empty_object_is_inline_or_has_no_extents() {
        let fixture = Fixture::new().await;
        fixture.bucket("photos").await;
        fixture.put_inline("photos", "a", b"").await;
        fixture.put_blocks("photos", "b", &[]).await;
        assert_eq!(fixture.get("photos", "a").await.unwrap().inline.as_deref(), Some(&b""[..]));
        assert_eq!(fixture.get("photos", "b").await.unwrap().extents, []);
        fixture.check(true).await;
    }

    #[tokio::test]
    async fn of_conditional_writers_one_wins() {
        let fixture = Fixture::new().await;
        fixture.bucket("photos").await;
        let puts = (0..50u8).map(|n| {
            let put = fixture.put("photos", "cat", inline(vec![n]));
            fixture.namespace.commit_object(CommitObjectRequest { precondition: if_none_match(), ..put })
        });
        let results = futures::future::join_all(puts).await;
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
        for result in results.iter().filter_map(|result| result.as_ref().err()) {
            assert!(matches!(result, Error::PreconditionFailed { .. }), "{result}");
        }
        let etag = fixture.get("photos", "cat").await.unwrap().object.unwrap().etag;
        let puts = (100..150u8).map(|n| {
            let put = fixture.put("photos", "cat", inline(vec![n]));
            fixture.namespace.commit_object(CommitObjectRequest { precondition: if_match(&etag), ..put })
        });
        let results = futures::future::join_all(puts).await;
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
        fixture.check(true).await;
    }

    #[tokio::test]
    async fn of_conditional_writers_one_wins_also_where_two_metaservers_share_the_store() {
        let first = Fixture::new().await;
        first.bucket("photos").await;
        let second = Fixture::over_running(&first).await;
        for round in 0..10 {
            let key = format!("cat {round}");
            let puts = (0..10u8).map(|n| {
                let fixture = if n % 2 == 0 { &first } else { &second };
                let put = fixture.put("photos", &key, inline(vec![n]));
                fixture.namespace.commit_object(CommitObjectRequest { precondition: if_none_match(), ..put })
            });
            let results = futures::future::join_all(puts).await;
            assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "round {round}");
        }
        first.check(true).await;
    }

    #[tokio::test]
    async fn writers_of_one_key_all_succeed_and_the_last_one_stays() {
        let fixture = Fixture::new().await;
        fixture.bucket("photos").await;
        let puts =
            (0..200u64).map(|n| fixture.namespace.commit_object(fixture.put("photos", "cat", fixture.blocks(n, &[5]))));
        assert!(futures::future::join_all(puts).await.iter().all(Result::is_ok));
        fixture.check(false).await;
        fixture.drain().await;
        fixture.check(true).await;
        assert_eq!(fixture.rows(crate::records::key::Kind::Block).await.len(), 1);
    }

    #[tokio::test]
    async fn a_repeated_commit_gets_the_first_result() {
        let fixture = Fixture::new().await;
        fixture.bucket("photos").await;
        let request_id = Some(RequestId { session_id: fixture.session_id, sequence: 7 });
        let put = CommitObjectRequest {
            request_id,
            precondition: if_none_match(),
            ..fixture.put("photos", "cat", fixture.blocks(1, &[5]))
        };
        let first = fixture.namespace.commit_object(put.clone()).await.unwrap();
        assert_eq!(fixture.namespace.commit_object(put.clone()).await.unwrap(), first);
        fixture.delete("photos", &["cat"]).await;
        fixture.drain().await;
        assert_eq!(fixture.namespace.commit_object(put.clone()).await.unwrap(), first, "also when it is gone since");
        assert!(fixture.get("photos", "cat").await.is_err());
        // Another question under the same number is refused.
        let other = weir_proto::v1::CreateBucketRequest { request_id, name: "other".into(), ..Default::default() };
        assert!(matches!(fixture.namespace.create_bucket(&other).await, Err(Error::Invalid { .. })));
        // The session says that it will not ask again: the result is dropped, and the request refused.
        let heartbeat =
            HeartbeatRequest { session_id: fixture.session_id, lowest_request_in_flight: 8, ..Default::default() };
        fixture.namespace.heartbeat(&heartbeat).unwrap();
        fixture.namespace.clean_sessions().await.unwrap();
        assert_eq!(fixture.rows(crate::records::key::Kind::RequestResult).await, []);
        assert!(matches!(fixture.namespace.commit_object(put).await, Err(Error::SessionOver { .. })));
    }

    #[tokio::test]
    async fn repeats_at_the_same_time_happen_once() {
        let fixture = Fixture::new().await;
        fixture.bucket("photos").await;
        let request_id = Some(RequestId { session_id: fixture.session_id, sequence: 7 });
        let put = CommitObjectRequest { request_id, ..fixture.put("photos", "cat", fixture.blocks(1, &[5])) };
        let results = futures::future::join_all((0..20).map(|_| fixture.namespace.commit_object(put.clone()))).await;
        let first = results[0].as_ref().unwrap();
        assert!(results.iter().all(|result| result.as_ref().unwrap() == first));
        fixture.check(true).await;
    }

    #[tokio::test]
    async fn late_foreign_and_abandoned_blocks_are_refused() {
        let fixture = Fixture::new().await;
        fixture.bucket("photos").await;
        let refused = async |put| matches!(fixture.namespace.commit_object(put).await, Err(Error::SessionOver { .. }));
        let (other, first) = session(&fixture.namespace, 10).await;
        let mut extents = fixture.extents(&[5]);
        extents[0].extent.as_mut().unwrap().block_id = first;
        assert!(refused(fixture.put("photos", "cat", in_blocks(1, extents))).await, "another session's block");
        let mut late = fixture.put("photos", "cat", fixture.blocks(1, &[5]));
        late.session_id = other;
        assert!(refused(late).await, "in another session's name");

        let late = fixture.put("photos", "cat", fixture.blocks(1, &[5]));
        let next = fixture.extents(&[5])[0].extent.unwrap().block_id;
        let heartbeat =
            HeartbeatRequest { session_id: fixture.session_id, lowest_block_in_flight: next, ..Default::default() };
        fixture.namespace.heartbeat(&heartbeat).unwrap();
        assert!(refused(late).await, "below the session's floor");

        let extents = fixture.extents(&[5]);
        let block_id = extents[0].extent.unwrap().block_id;
        let content = in_blocks(1, extents);
        let blocks = vec![AbandonedBlock { block_id, worker_ids: vec![fixture.worker_id] }];
        let abandon = AbandonBlocksRequest { session_id: fixture.session_id, blocks };
        fixture.namespace.abandon_blocks(&abandon).await.unwrap();
        assert_eq!(fixture.obey().await, [block_id], "an abandoned block is deleted");
        assert!(refused(fixture.put("photos", "cat", content)).await, "and never committed");

        let late = fixture.put("photos", "cat", fixture.blocks(1, &[5]));
        fixture.namespace.close_session(fixture.session_id).await.unwrap();
        assert!(refused(late).await, "after the session's end");
        fixture.check(true).await;
    }

    #[tokio::test]
    async fn a_block_is_committed_once() {
        let fixture = Fixture::new().await;
        fixture.bucket("photos").await;
        let content = fixture.blocks(1, &[5]);
        fixture.namespace.commit_object(fixture.put("photos", "a", content.clone())).await.unwrap();
        let again = fixture.namespace.commit_object(fixture.put("photos", "b", content)).await;
        assert!(matches!(again, Err(Error::Invalid { .. })), "{again:?}");
    }

    #[tokio::test]
    async fn what_is_missing_or_wrong_is_refused() {
        let fixture = Fixture::new().await;
        fixture.bucket("photos").await;
        let put = |bucket, key: &[u8]| fixture.namespace.commit_object(fixture.put(bucket, key, inline("x")));
        assert!(matches!(put("absent", b"k").await, Err(Error::NoSuchBucket { .. })));
        assert!(matches!(put("UPPER", b"k").await, Err(Error::Invalid { .. })));
        assert!(matches!(put("photos", b"").await, Err(Error::Invalid { .. })));
        assert!(matches!(put("photos", &[b'k'; 1025]).await, Err(Error::Invalid { .. })));
        assert!(put("photos", &[b'k'; 1024]).await.is_ok());
        let gone = CommitObjectRequest { precondition: if_match("*"), ..fixture.put("photos", "k", inline("x")) };
        assert!(matches!(fixture.namespace.commit_object(gone).await, Err(Error::NoSuchKey { .. })));
        assert_eq!(fixture.get("photos", key("k")).await.unwrap_err().to_string(), "there is no such key");
    }
}
