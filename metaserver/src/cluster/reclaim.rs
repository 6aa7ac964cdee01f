//! Reclaim: takes apart what the namespace no longer shows.
//!
//! A round looks at the queue, makes a new read mark, and waits until no read is left that began before it: only then
//! can nobody be about to read what the entries hold. Then references are released, a batch at a time; what is left
//! half done after a crash is done again.

use super::Cluster;
use crate::error::Error;
use crate::namespace::Namespace;
use crate::namespace::transaction::{Attempts, Transaction};
use crate::namespace::uploads::OpenUpload;
use crate::records::key::{Kind, successor};
use crate::records::manifest::{self, Manifest, ManifestChunk, ManifestPart};
use crate::records::part::{self, PartRecord};
use crate::records::reclaim::{self, Garbage, ReclaimRecord};
use crate::records::usage::{self, Usage};
use crate::records::{RecordError, decode, upload};
use bytes::Bytes;
use weir_service::planted::{Fault, planted};

/// Entries of one round.
const ROUND_ENTRIES: usize = 10_000;

/// Entries whose content is released in one commit, unless they have many blocks.
const COMMIT_ENTRIES: usize = 200;

/// Blocks released in one commit, at least, when there are so many: then the commit is closed.
const COMMIT_BLOCKS: usize = 500;

/// Parts or uploads taken from a finished upload or a deleted bucket in one commit.
const COMMIT_ROWS: usize = 200;

/// What reclaim has looked at, and the mark that all readers have to reach.
#[derive(Default)]
pub(crate) struct Round {
    mark: u64,
    entries: Vec<(Bytes, ReclaimRecord)>,
}

/// Several small entries that go in one commit.
#[derive(Default)]
struct Small {
    keys: Vec<Bytes>,
    parts: Vec<ManifestPart>,
    block_count: usize,
}

impl Cluster {
    /// Goes one step further: begins a round, or carries out the one that waited if its readers are done. Returns how
    /// many entries were finished.
    pub async fn reclaim_step(&self) -> Result<usize, Error> {
        if self.namespace.awaits_confirmation() {
            return Ok(0);
        }
        let mut round = self.reclaim.lock().await;
        if round.entries.is_empty() {
            self.begin_round(&mut round).await?;
        }
        let is_read = self.namespace.sessions.oldest_read_mark() < round.mark && !planted(Fault::ReclaimIgnoresReads);
        if round.entries.is_empty() || is_read {
            return Ok(0);
        }
        let entries = std::mem::take(&mut round.entries);
        let count = entries.len();
        self.carry_out(entries).await?;
        Ok(count)
    }

    /// Entries in the queue, counted up to `at_most`.
    pub async fn reclaim_queue_length(&self, at_most: usize) -> Result<usize, Error> {
        let prefix = reclaim::all();
        let end = successor(&prefix);
        Ok(self.namespace.scan(prefix, end, at_most).await?.len())
    }

    async fn begin_round(&self, round: &mut Round) -> Result<(), Error> {
        let prefix = reclaim::all();
        let end = successor(&prefix);
        let rows = self.namespace.scan(prefix, end, ROUND_ENTRIES).await?;
        self.namespace.metrics.reclaim_queue_length.set(i64::try_from(rows.len()).unwrap_or(i64::MAX));
        for (key, value) in rows {
            let record = decode(&key, value)?;
            round.entries.push((key, record));
        }
        if !round.entries.is_empty() {
            // After the entries were seen: whoever starts to read under this mark does not see what they hold.
            round.mark = self.namespace.marks.advance();
        }
        Ok(())
    }

    async fn carry_out(&self, entries: Vec<(Bytes, ReclaimRecord)>) -> Result<(), Error> {
        let namespace = &*self.namespace;
        let mut small = Small::default();
        for (key, record) in entries {
            let manifest = record.manifest.unwrap_or_default();
            match reclaim::name(&key)? {
                Garbage::Content(_) if manifest.chunk_count == 0 => {
                    small.block_count += manifest.parts.iter().map(|part| part.extents.len()).sum::<usize>();
                    small.keys.push(key);
                    small.parts.extend(manifest.parts);
                    if small.keys.len() >= COMMIT_ENTRIES || small.block_count >= COMMIT_BLOCKS {
                        namespace.reclaim_small(std::mem::take(&mut small)).await?;
                    }
                }
                Garbage::Content(_) => {
                    namespace.reclaim_chunks(&manifest).await?;
                    namespace.finish_entry(key).await?;
                }
                Garbage::Upload(upload_id) => {
                    namespace.reclaim_parts(upload_id).await?;
                    namespace.finish_entry(key).await?;
                }
                Garbage::Bucket(bucket_id) => {
                    namespace.reclaim_bucket(bucket_id).await?;
                    namespace.finish_entry(key).await?;
                }
            }
        }
        namespace.reclaim_small(small).await
    }
}

impl Namespace {
    async fn finish_entry(&self, key: Bytes) -> Result<(), Error> {
        let mut transaction = Transaction::urgent();
        transaction.delete(key);
        self.commit(transaction).await
    }

    async fn reclaim_small(&self, small: Small) -> Result<(), Error> {
        if small.keys.is_empty() {
            return Ok(());
        }
        self.release_with(&small.parts, |transaction| {
            small.keys.iter().for_each(|key| transaction.delete(key.clone()));
        })
        .await
    }

    /// Releases the references of some content, and what goes with it, in one commit.
    async fn release_with(&self, parts: &[ManifestPart], also: impl Fn(&mut Transaction)) -> Result<(), Error> {
        let mut attempts = Attempts::default();
        loop {
            let mut transaction = Transaction::urgent();
            let references = crate::namespace::manifests::references(parts);
            let condemned = self.release(&mut transaction, references).await?;
            also(&mut transaction);
            match self.commit(transaction).await {
                Ok(()) => {
                    self.metrics.reclaimed_blocks.inc_by(condemned);
                    return Ok(());
                }
                Err(Error::Raced) => attempts.again(self, || "the reclaim queue".to_owned()).await?,
                Err(error) => return Err(error),
            }
        }
    }

    /// Releases a manifest chunk by chunk, the last one last; a chunk that is gone was released before.
    async fn reclaim_chunks(&self, manifest: &Manifest) -> Result<(), Error> {
        for chunk in 0..manifest.chunk_count {
            let key = manifest::key(manifest.manifest_id, chunk);
            let Some(value) = self.store.get(&key).await? else { continue };
            let record: ManifestChunk = decode(&key, value)?;
            self.release_with(&record.parts, |transaction| transaction.delete(key.clone())).await?;
        }
        Ok(())
    }

    /// Takes the parts that an upload left when it ended. None is added any more: that takes an open upload.
    async fn reclaim_parts(&self, upload_id: u64) -> Result<(), Error> {
        loop {
            let rows = self.scan(part::key(upload_id, 0), part::end(upload_id), COMMIT_ROWS).await?;
            if rows.is_empty() {
                return Ok(());
            }
            let mut keys = Vec::new();
            let mut parts = Vec::new();
            for (key, value) in rows {
                let record: PartRecord = decode(&key, value)?;
                let manifest = record.manifest.unwrap_or_default();
                self.reclaim_chunks(&manifest).await?;
                parts.extend(manifest.parts);
                keys.push(key);
            }
            self.release_with(&parts, |transaction| keys.iter().for_each(|key| transaction.delete(key.clone())))
                .await?;
        }
    }

    /// Ends the uploads that a deleted bucket left, and forgets its usage. Nothing is added any more: that takes the
    /// bucket's record.
    async fn reclaim_bucket(&self, bucket_id: u64) -> Result<(), Error> {
        loop {
            let rows = self.scan(upload::prefix(bucket_id, b""), upload::end(bucket_id), COMMIT_ROWS).await?;
            if rows.is_empty() {
                break;
            }
            let mut transaction = Transaction::urgent();
            for (key, value) in rows {
                let (_, name, upload_id) = upload::name(&key)?;
                let open = OpenUpload::of(key, Some(value), upload_id)?;
                self.abort(&mut transaction, &open, bucket_id, &name, upload_id);
            }
            match self.commit(transaction).await {
                Ok(()) | Err(Error::Raced) => {}
                Err(error) => return Err(error),
            }
        }
        let mut transaction = Transaction::urgent();
        for usage in [Usage::Objects(bucket_id), Usage::Bytes(bucket_id)] {
            let key = usage::key(usage);
            let value = self.store.get(&key).await?;
            if usage::value(&key, value.as_ref())? != 0 {
                let error = RecordError::new(Kind::Usage, &key, "a deleted bucket still counts something");
                tracing::error!(%error, bucket_id);
            }
            transaction.delete(key);
        }
        self.commit(transaction).await
    }
}

#[cfg(test)]
mod tests {
    use crate::error::Error;
    use crate::records::key::Kind;
    use crate::testing::{Fixture, session};
    use weir_proto::v1;

    #[tokio::test]
    async fn a_read_in_flight_holds_reclaim_back() {
        let fixture = Fixture::new().await;
        fixture.bucket("photos").await;
        fixture.put_blocks("photos", "cat", &[5, 5]).await;
        fixture.idle_heartbeat();
        let read_mark = fixture.get("photos", "cat").await.unwrap().read_mark;
        fixture.delete("photos", &["cat"]).await;
        for _ in 0..5 {
            assert_eq!(fixture.cluster.reclaim_step().await.unwrap(), 0);
            // The read goes on: the mark that was known when it began is reported.
            fixture.heartbeat(read_mark);
        }
        fixture.check(false).await;
        assert!(fixture.obey().await.is_empty());
        fixture.idle_heartbeat();
        assert_eq!(fixture.cluster.reclaim_step().await.unwrap(), 1);
        assert_eq!(fixture.obey().await.len(), 2);
        fixture.check(true).await;
        assert!(fixture.rows(Kind::Block).await.is_empty());
    }

    #[tokio::test]
    async fn a_session_that_is_silent_holds_reclaim_back_until_its_lease_is_over() {
        let fixture = Fixture::new().await;
        fixture.bucket("photos").await;
        session(&fixture.namespace, 1).await;
        fixture.put_blocks("photos", "cat", &[5]).await;
        fixture.delete("photos", &["cat"]).await;
        fixture.cluster.reclaim_step().await.unwrap();
        fixture.idle_heartbeat();
        assert_eq!(fixture.cluster.reclaim_step().await.unwrap(), 0, "the other session has not reported");
        fixture.clock.advance(20_000);
        fixture.idle_heartbeat();
        fixture.clock.advance(20_000);
        fixture.cluster.sweep_sessions().await.unwrap();
        assert_eq!(fixture.cluster.reclaim_step().await.unwrap(), 1);
        fixture.obey().await;
        fixture.check(true).await;
        assert_eq!(fixture.rows(Kind::Session).await.len(), 1);
    }

    #[tokio::test]
    async fn after_a_restart_former_readers_hold_reclaim_back() {
        let fixture = Fixture::new().await;
        fixture.bucket("photos").await;
        fixture.put_blocks("photos", "cat", &[5]).await;
        fixture.delete("photos", &["cat"]).await;
        let mark = fixture.namespace.marks.current();
        let fixture = Fixture::over_running(&fixture).await;
        assert!(fixture.namespace.marks.current() > mark);
        fixture.idle_heartbeat();
        fixture.cluster.reclaim_step().await.unwrap();
        fixture.idle_heartbeat();
        assert_eq!(fixture.cluster.reclaim_step().await.unwrap(), 0, "the former session may have a read in flight");
    }

    #[tokio::test]
    async fn a_restored_store_deletes_nothing_until_it_is_confirmed() {
        let fixture = Fixture::new().await;
        fixture.bucket("photos").await;
        fixture.put_blocks("photos", "cat", &[5]).await;
        fixture.put_blocks("photos", "dog", &[5]).await;
        fixture.delete("photos", &["dog"]).await;
        let first = fixture.upload("photos", "cat").await;
        fixture.idle_heartbeat();
        let given = fixture.namespace.ids.next(&*fixture.namespace.store).await.unwrap();
        fixture.store.restored.store(true, std::sync::atomic::Ordering::SeqCst);
        let fixture = fixture.restart().await;
        let unknown = v1::InventoryBatch {
            worker_id: fixture.worker_id,
            block_ids: vec![given + 1_000_000],
            ..Default::default()
        };
        assert_eq!(fixture.cluster.take_inventory(&unknown).await.unwrap(), 0);
        for _ in 0..3 {
            assert_eq!(fixture.cluster.reclaim_step().await.unwrap(), 0);
            fixture.idle_heartbeat();
            assert!(fixture.obey().await.is_empty());
        }
        // What was given out after the backup is not given out again.
        assert!(fixture.namespace.ids.next(&*fixture.namespace.store).await.unwrap() > given + 1_000_000);
        assert!(fixture.upload("photos", "cat").await > first + 1_000);
        fixture.cluster.confirm_restore().await.unwrap();
        fixture.namespace.clean_sessions().await.unwrap();
        assert_eq!(fixture.cluster.take_inventory(&unknown).await.unwrap(), 1);
        fixture.drain().await;
        fixture.check(true).await;
        assert_eq!(fixture.rows(Kind::Block).await.len(), 1);
    }

    #[tokio::test]
    async fn copies_race_with_reclaim_and_no_shared_block_goes() {
        for turns in 0..30 {
            let fixture = Fixture::new().await;
            fixture.bucket("photos").await;
            fixture.put_blocks("photos", "cat", &[5; 3]).await;
            let copy = v1::CopyObjectRequest {
                source_bucket: "photos".into(),
                source_key: "cat".into(),
                bucket: "photos".into(),
                key: "dog".into(),
                ..Default::default()
            };
            let deleting = async {
                for _ in 0..turns {
                    tokio::task::yield_now().await;
                }
                fixture.delete("photos", &["cat"]).await;
                fixture.drain().await;
            };
            let (copied, ()) = tokio::join!(fixture.namespace.copy_object(&copy), deleting);
            match copied {
                Ok(_) => assert_eq!(fixture.get("photos", "dog").await.unwrap().extents.len(), 3),
                Err(Error::NoSuchKey { .. }) => {}
                Err(error) => panic!("{error}"),
            }
            fixture.drain().await;
            fixture.check(true).await;
        }
    }

    #[tokio::test]
    async fn large_and_many_contents_are_reclaimed_whole() {
        let fixture = Fixture::new().await;
        fixture.bucket("photos").await;
        fixture.put_blocks("photos", "large", &[5; 3_000]).await;
        for n in 0..450 {
            fixture.put_blocks("photos", &format!("small-{n}"), &[5; 3]).await;
        }
        let names: Vec<String> = (0..450).map(|n| format!("small-{n}")).chain(["large".into()]).collect();
        fixture.delete("photos", &names.iter().map(String::as_str).collect::<Vec<_>>()).await;
        fixture.check(false).await;
        fixture.drain().await;
        fixture.check(true).await;
        assert!(fixture.rows(Kind::Block).await.is_empty());
    }
}
