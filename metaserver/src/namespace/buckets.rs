//! Buckets: made, shown, listed, deleted. Emptiness is a state: a bucket that is to be deleted takes no writes while
//! someone looks whether it is empty; then it goes, or turns back.

use super::Namespace;
use super::access::{self, Name};
use super::results::Remembered;
use super::transaction::{Attempts, BucketView, Transaction};
use super::validate::{self, MAX_ENTRIES};
use crate::error::Error;
use crate::records::bucket::{self, BucketRecord};
use crate::records::key::{KeyWriter, Kind, successor};
use crate::records::reclaim::{self, Garbage, ReclaimRecord};
use crate::records::result::Operation;
use crate::records::usage::{self, Usage};
use crate::records::{decode, object};
use weir_proto::BucketName;
use weir_proto::v1::access_entry::Entry;
use weir_proto::v1::{
    AccessKind, Bucket, CreateBucketRequest, CreateBucketResponse, DeleteBucketRequest, DeleteBucketResponse,
    GetBucketRequest, GetBucketResponse, ListBucketsRequest, ListBucketsResponse,
};

fn message(name: &str, record: &BucketRecord) -> Bucket {
    Bucket {
        name: name.to_owned(),
        bucket_id: record.bucket_id,
        created_ms: record.created_ms,
        owner: record.owner.clone(),
    }
}

/// A counter that never goes below 0, as it is shown.
fn shown(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}

impl Namespace {
    /// # Errors
    /// [`Error::BucketExists`], [`Error::Invalid`], [`Error::TooManyBuckets`].
    pub async fn create_bucket(&self, request: &CreateBucketRequest) -> Result<CreateBucketResponse, Error> {
        let name = validate::bucket(&request.name)?;
        validate::name("owner", &request.owner)?;
        let remembered = self.remembered(request.request_id.as_ref(), Operation::CreateBucket)?;
        let record = BucketRecord {
            bucket_id: self.ids.next(&*self.store).await?,
            created_ms: self.clock.now_ms(),
            owner: request.owner.clone(),
            deleting: 0,
        };
        let access = access::of_new_bucket(request, record.bucket_id)?;
        let mut attempts = Attempts::default();
        loop {
            match self.try_create_bucket(&name, &record, access.as_ref(), &remembered).await {
                Err(Error::Raced) => self.again_with_access(&mut attempts, &name).await?,
                done => return done,
            }
        }
    }

    /// As [`Attempts::again`], for a commit that may have failed because the directory of access was changed elsewhere.
    async fn again_with_access(&self, attempts: &mut Attempts, name: &BucketName) -> Result<(), Error> {
        attempts.again(self, || name.to_string()).await?;
        self.access.refresh(&*self.store).await
    }

    async fn try_create_bucket(
        &self,
        name: &BucketName,
        record: &BucketRecord,
        access: Option<&Entry>,
        remembered: &Remembered,
    ) -> Result<CreateBucketResponse, Error> {
        let (key, count_key) = (bucket::key(name), usage::key(Usage::Buckets));
        let keys: Vec<_> = [key.clone(), count_key.clone()].into_iter().chain(remembered.key()).collect();
        let mut values = self.store.get_many(&keys).await?;
        if let Some(answer) = remembered.answer(&mut values)? {
            return Ok(answer);
        }
        let allowed = self.settings.bucket_max_count;
        let count = shown(usage::value(&count_key, values.pop().flatten().as_ref())?);
        if let Some(value) = values.pop().flatten() {
            let existing: BucketRecord = decode(&key, value)?;
            // Whether it exists is being decided.
            return Err(match existing.deleting {
                0 => Error::BucketExists { bucket: name.to_string() },
                _ => Error::Raced,
            });
        }
        if count >= allowed {
            return Err(Error::TooManyBuckets { bucket: name.to_string(), allowed });
        }
        let mut transaction = Transaction::default();
        transaction.unchanged(key.clone(), None);
        transaction.put(key, record);
        transaction.add(Usage::Buckets, 1);
        let answer = CreateBucketResponse { bucket: Some(message(name.as_str(), record)) };
        remembered.remember(&mut transaction, &answer);
        match access {
            None => self.commit(transaction).await?,
            Some(access) => {
                let turn = self.access.turn().await;
                self.commit_access(turn, transaction, vec![access.clone()]).await?;
            }
        }
        Ok(answer)
    }

    /// # Errors
    /// [`Error::NoSuchBucket`].
    pub async fn get_bucket(&self, request: &GetBucketRequest) -> Result<GetBucketResponse, Error> {
        let name = validate::bucket(&request.name)?;
        let keys = |id| [usage::key(Usage::Objects(id)), usage::key(Usage::Bytes(id))];
        let ([view], values) = self.read_in([&name], |[id]| keys(id).to_vec()).await?;
        let [objects_key, bytes_key] = keys(view.id());
        Ok(GetBucketResponse {
            bucket: Some(message(name.as_str(), &view.record)),
            object_count: shown(usage::value(&objects_key, values.first().and_then(Option::as_ref))?),
            byte_count: shown(usage::value(&bytes_key, values.get(1).and_then(Option::as_ref))?),
        })
    }

    /// # Errors
    /// [`Error::Invalid`].
    pub async fn list_buckets(&self, request: &ListBucketsRequest) -> Result<ListBucketsResponse, Error> {
        validate::name("prefix", &request.prefix)?;
        validate::name("after", &request.after)?;
        let limit = match request.max_buckets as usize {
            0 => MAX_ENTRIES,
            limit => limit.min(MAX_ENTRIES),
        };
        let prefix = bucket::key_of(&request.prefix);
        let after = match request.after.as_str() {
            "" => prefix.clone(),
            after => crate::records::key::next(&bucket::key_of(after)),
        };
        let end = successor(&prefix);
        let start = after.max(prefix);
        if end.as_ref().is_some_and(|end| start >= *end) {
            return Ok(ListBucketsResponse::default());
        }
        let rows = self.scan(start, end, limit + 1).await?;
        let truncated = rows.len() > limit;
        let mut buckets = Vec::with_capacity(rows.len());
        for (key, value) in rows.into_iter().take(limit) {
            buckets.push(message(&bucket::name(&key)?, &decode(&key, value)?));
        }
        Ok(ListBucketsResponse { buckets, truncated })
    }

    /// # Errors
    /// [`Error::NoSuchBucket`], [`Error::BucketNotEmpty`].
    pub async fn delete_bucket(&self, request: &DeleteBucketRequest) -> Result<DeleteBucketResponse, Error> {
        let name = validate::bucket(&request.name)?;
        let remembered = self.remembered(request.request_id.as_ref(), Operation::DeleteBucket)?;
        let mut attempts = Attempts::default();
        loop {
            match self.try_delete_bucket(&name, &remembered).await {
                Err(Error::Raced) => self.again_with_access(&mut attempts, &name).await?,
                done => return done,
            }
        }
    }

    async fn try_delete_bucket(
        &self,
        name: &BucketName,
        remembered: &Remembered,
    ) -> Result<DeleteBucketResponse, Error> {
        let keys: Vec<_> = std::iter::once(bucket::key(name)).chain(remembered.key()).collect();
        let mut values = self.store.get_many(&keys).await?;
        if let Some(answer) = remembered.answer(&mut values)? {
            return Ok(answer);
        }
        let ([view], _) = self.read_in([name], |_| Vec::new()).await?;
        // A bucket with objects is not stopped, not even for a moment.
        if !self.is_empty(&view).await? {
            return Err(Error::BucketNotEmpty { bucket: name.to_string() });
        }
        if view.record.deleting != 0 {
            // Whoever deletes it may be gone: it can be settled by anyone.
            return self.settle_bucket_deletion(name, &view, remembered).await;
        }
        let mut transaction = Transaction::urgent();
        transaction.guard(view.guard());
        let attempt = self.ids.next(&*self.store).await?;
        transaction.put(bucket::key(name), &BucketRecord { deleting: attempt, ..view.record });
        self.commit(transaction).await?;
        let ([view], _) = self.read_in([name], |_| Vec::new()).await?;
        if view.record.deleting != attempt {
            return Err(Error::Raced);
        }
        self.settle_bucket_deletion(name, &view, remembered).await
    }

    /// Deletes a bucket that takes no writes, or turns it back.
    async fn settle_bucket_deletion(
        &self,
        name: &BucketName,
        view: &BucketView,
        remembered: &Remembered,
    ) -> Result<DeleteBucketResponse, Error> {
        let is_empty = self.is_empty(view).await?;
        let mut transaction = Transaction::urgent();
        transaction.guard(view.guard());
        if is_empty {
            transaction.delete(bucket::key(name));
            transaction.add(Usage::Buckets, -1);
            let entry = ReclaimRecord { since_ms: self.clock.now_ms(), manifest: None };
            transaction.put(reclaim::key(Garbage::Bucket(view.id())), &entry);
            remembered.remember(&mut transaction, &DeleteBucketResponse {});
            self.commit_bucket_removal(transaction, name).await?;
            Ok(DeleteBucketResponse {})
        } else {
            transaction.put(bucket::key(name), &BucketRecord { deleting: 0, ..view.record.clone() });
            self.commit(transaction).await?;
            Err(Error::BucketNotEmpty { bucket: name.to_string() })
        }
    }

    /// What the bucket says about access goes with it. Since it takes no writes, nothing more comes.
    async fn commit_bucket_removal(&self, transaction: Transaction, name: &BucketName) -> Result<(), Error> {
        let turn = self.access.turn().await;
        let access = Name::new(AccessKind::Bucket, name.as_str());
        if turn.directory.find(&access).is_none() {
            drop(turn);
            return self.commit(transaction).await;
        }
        self.commit_access(turn, transaction, vec![access.removed()]).await?;
        Ok(())
    }

    async fn is_empty(&self, view: &BucketView) -> Result<bool, Error> {
        Ok(self.scan(object::key(view.id(), b""), object::end(view.id()), 1).await?.is_empty())
    }

    /// Turns back the deletions that were under way when the metaserver stopped: none of them was answered, and who
    /// repeats one finds the bucket that it deletes, not that somebody else has done it.
    pub(crate) async fn turn_bucket_deletions_back(&self) -> Result<(), Error> {
        let prefix = KeyWriter::new(Kind::Bucket).done();
        let end = successor(&prefix);
        let mut deleting = Vec::new();
        self.scan_all(prefix, end, |key, value| {
            let record: BucketRecord = decode(&key, value)?;
            if record.deleting != 0 {
                deleting.push((key, record));
            }
            Ok(())
        })
        .await?;
        for (key, record) in deleting {
            let mut transaction = Transaction::urgent();
            transaction.put(key, &BucketRecord { deleting: 0, ..record });
            self.commit(transaction).await?;
        }
        Ok(())
    }

    /// Buckets, objects and bytes, in all.
    pub async fn usage(&self) -> Result<(u64, u64, u64), Error> {
        let (mut buckets, mut objects, mut bytes) = (0, 0, 0);
        let prefix = usage::all();
        let end = successor(&prefix);
        self.scan_all(prefix, end, |key, value| {
            let count = usage::value(&key, Some(&value))?;
            match usage::name(&key)? {
                Usage::Buckets => buckets += count,
                Usage::Objects(_) => objects += count,
                Usage::Bytes(_) => bytes += count,
            }
            Ok(())
        })
        .await?;
        Ok((shown(buckets), shown(objects), shown(bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fixture, inline, key};
    use weir_proto::v1::{CreateUploadRequest, GetUploadRequest, RequestId};

    async fn delete(fixture: &Fixture, name: &str) -> Result<DeleteBucketResponse, Error> {
        fixture.namespace.delete_bucket(&DeleteBucketRequest { name: name.into(), ..Default::default() }).await
    }

    #[tokio::test]
    async fn a_bucket_is_made_once_counts_what_it_holds_and_goes_when_empty() {
        let fixture = Fixture::with(|settings| settings.bucket_max_count = 2).await;
        fixture.bucket("photos").await;
        let create = |name: &str| CreateBucketRequest { name: name.into(), ..Default::default() };
        let again = fixture.namespace.create_bucket(&create("photos")).await;
        assert!(matches!(again, Err(Error::BucketExists { .. })));
        assert!(matches!(fixture.namespace.create_bucket(&create("UPPER")).await, Err(Error::Invalid { .. })));
        fixture.bucket("second").await;
        let third = fixture.namespace.create_bucket(&create("third")).await;
        assert!(matches!(third, Err(Error::TooManyBuckets { allowed: 2, .. })));
        fixture.put_inline("photos", "cat", b"meow").await;
        fixture.put_blocks("photos", "dog", &[5, 6]).await;
        let get = GetBucketRequest { name: "photos".into() };
        let answer = fixture.namespace.get_bucket(&get).await.unwrap();
        assert_eq!((answer.object_count, answer.byte_count), (2, 15));
        assert_eq!(fixture.namespace.usage().await.unwrap(), (2, 2, 15));
        assert!(matches!(delete(&fixture, "photos").await, Err(Error::BucketNotEmpty { .. })));
        fixture.delete("photos", &["cat", "dog"]).await;
        delete(&fixture, "photos").await.unwrap();
        assert!(matches!(delete(&fixture, "photos").await, Err(Error::NoSuchBucket { .. })));
        assert!(matches!(fixture.namespace.get_bucket(&get).await, Err(Error::NoSuchBucket { .. })));
        assert!(fixture.namespace.create_bucket(&create("third")).await.is_ok());
        fixture.drain().await;
        fixture.check(true).await;
    }

    #[tokio::test]
    async fn a_new_bucket_of_an_old_name_has_nothing_of_the_old_one() {
        let fixture = Fixture::new().await;
        fixture.bucket("photos").await;
        let upload_id = fixture.upload("photos", "cat").await;
        fixture.part("photos", "cat", upload_id, 1, &[5]).await.unwrap();
        delete(&fixture, "photos").await.unwrap();
        fixture.bucket("photos").await;
        let get = GetUploadRequest { bucket: "photos".into(), key: key("cat"), upload_id };
        assert!(matches!(fixture.namespace.get_upload(&get).await, Err(Error::NoSuchUpload { .. })));
        assert!(fixture.part("photos", "cat", upload_id, 2, &[5]).await.is_err());
        fixture.drain().await;
        fixture.check(true).await;
        assert_eq!(fixture.rows(Kind::Part).await, []);
        assert_eq!(fixture.rows(Kind::Block).await, []);
    }

    #[tokio::test]
    async fn writers_and_a_deleter_agree_on_whether_the_bucket_is_there() {
        for round in 0..50u8 {
            let fixture = Fixture::new().await;
            fixture.bucket("photos").await;
            let puts = (0..5u8)
                .map(|n| fixture.namespace.commit_object(fixture.put("photos", [b'k', n], inline(vec![round, n]))));
            let turns = async {
                for _ in 0..round % 10 {
                    tokio::task::yield_now().await;
                }
                delete(&fixture, "photos").await
            };
            let (puts, deleted) = tokio::join!(futures::future::join_all(puts), turns);
            let done = puts.iter().filter(|put| put.is_ok()).count();
            match deleted {
                Ok(_) => assert_eq!(done, 0, "no write into a deleted bucket was acknowledged"),
                Err(Error::BucketNotEmpty { .. }) => assert_eq!(done, 5),
                Err(error) => panic!("{error}"),
            }
            fixture.drain().await;
            fixture.check(true).await;
        }
    }

    #[tokio::test]
    async fn a_deletion_that_was_cut_off_is_turned_back_at_the_next_start() {
        let fixture = Fixture::new().await;
        fixture.bucket("photos").await;
        fixture.bucket("empty").await;
        fixture.put_inline("photos", "cat", b"meow").await;
        for name in ["photos", "empty"] {
            let name = BucketName::new(name).unwrap();
            let ([view], _) = fixture.namespace.read_in([&name], |_| Vec::new()).await.unwrap();
            let mut transaction = Transaction::default();
            transaction.put(bucket::key(&name), &BucketRecord { deleting: 5, ..view.record });
            fixture.namespace.commit(transaction).await.unwrap();
        }
        let fixture = fixture.restart().await;
        fixture.put_inline("photos", "dog", b"woof").await;
        let listed = fixture.namespace.list_buckets(&Default::default()).await.unwrap().buckets;
        assert_eq!(listed.iter().map(|bucket| bucket.name.as_str()).collect::<Vec<_>>(), ["empty", "photos"]);
        let request_id = Some(RequestId { session_id: fixture.session_id, sequence: 9 });
        let repeated = DeleteBucketRequest { request_id, name: "empty".into() };
        for _ in 0..2 {
            fixture.namespace.delete_bucket(&repeated).await.expect("whoever was cut off asks again");
        }
        fixture.drain().await;
        fixture.check(true).await;
    }

    #[tokio::test]
    async fn buckets_are_listed_by_name_in_pages() {
        let fixture = Fixture::new().await;
        for name in ["aaa", "bbb", "bbc", "ccc"] {
            fixture.bucket(name).await;
        }
        let list = async |prefix: &str, after: &str, max_buckets| {
            let request = ListBucketsRequest { prefix: prefix.into(), after: after.into(), max_buckets };
            let answer = fixture.namespace.list_buckets(&request).await.unwrap();
            let names: Vec<String> = answer.buckets.into_iter().map(|bucket| bucket.name).collect();
            (names.join(" "), answer.truncated)
        };
        assert_eq!(list("", "", 0).await, ("aaa bbb bbc ccc".into(), false));
        assert_eq!(list("", "", 2).await, ("aaa bbb".into(), true));
        assert_eq!(list("", "bbb", 2).await, ("bbc ccc".into(), false));
        assert_eq!(list("bb", "", 1).await, ("bbb".into(), true));
        assert_eq!(list("bb", "zzz", 1).await, (String::new(), false));
    }

    #[tokio::test]
    async fn an_upload_needs_its_bucket() {
        let fixture = Fixture::new().await;
        let request = CreateUploadRequest { bucket: "absent".into(), key: key("k"), ..Default::default() };
        assert!(matches!(fixture.namespace.create_upload(&request).await, Err(Error::NoSuchBucket { .. })));
    }
}
