//! Ids that are never used twice: leased from a durable counter in ranges, so that a commit needs no counter write.

use crate::error::Error;
use crate::records::counter::{self, Counter, CounterRecord};
use crate::records::{decode, encode};
use crate::store::{Batch, CommitError, Guard, Store, Write};
use bytes::Bytes;
use std::ops::Range;

/// Ids taken from the durable counter at a time. What is left of a range at a restart is never used.
const LEASE_COUNT: u64 = 10_000;

/// The first upload id of a fresh store, as in the walk-through of the source document.
const FIRST_UPLOAD_ID: u64 = 2;

/// The version of the directory of access in a fresh store: gateways that know nothing say 0.
const FIRST_ACCESS_VERSION: u64 = 1;

/// What a restored store jumps ahead by: the ids that were given out after the backup are on workers' disks and in
/// clients' hands.
const RESTORE_JUMP: u64 = 1 << 40;
const RESTORE_UPLOAD_JUMP: u64 = 1 << 20;

/// Ids of versions, parts, blocks, sessions, workers and buckets, from one counter.
pub struct Ids {
    lease: tokio::sync::Mutex<Range<u64>>,
    pub cluster_id: String,
    /// Under which this store is served; 1 until a standby is promoted.
    pub epoch: u64,
}

impl Ids {
    /// Starts, and says the how manieth start it is. On a store that was promoted, the first commit is the new epoch.
    pub async fn open(store: &dyn Store) -> Result<(Self, u64), Error> {
        let restored = store.awaits_confirmation();
        let epoch_min = store.epoch_min();
        let epoch = change(store, Counter::Epoch, |record| record.value = record.value.max(epoch_min)).await?.value;
        let starts = change(store, Counter::Starts, |record| record.value += 1).await?.value;
        if restored {
            change(store, Counter::Ids, |record| record.value += RESTORE_JUMP).await?;
            change(store, Counter::UploadIds, |record| {
                record.value = record.value.max(FIRST_UPLOAD_ID) + RESTORE_UPLOAD_JUMP;
            })
            .await?;
        }
        // A version that was given out after the backup must not come again for another directory.
        let jump = if restored { RESTORE_JUMP } else { 0 };
        change(store, Counter::AccessVersion, |record| record.value = record.value.max(FIRST_ACCESS_VERSION) + jump)
            .await?;
        let cluster = read(store, Counter::Cluster).await?.0;
        Ok((Self { lease: tokio::sync::Mutex::new(0..0), cluster_id: cluster.text, epoch }, starts))
    }

    /// One new id.
    pub async fn next(&self, store: &dyn Store) -> Result<u64, Error> {
        Ok(self.take(store, 1).await?.start)
    }

    /// `count` ids in a row.
    pub async fn take(&self, store: &dyn Store, count: u64) -> Result<Range<u64>, Error> {
        let mut lease = self.lease.lock().await;
        if lease.end - lease.start < count {
            let wanted = count.max(LEASE_COUNT);
            let end = change(store, Counter::Ids, |record| record.value = record.value.max(1) + wanted).await?.value;
            *lease = end - wanted..end;
        }
        let taken = lease.start..lease.start + count;
        lease.start = taken.end;
        Ok(taken)
    }
}

/// Makes the cluster's id, unless there is one.
pub async fn name_cluster(store: &dyn Store, random: [u8; 16]) -> Result<(), Error> {
    change(store, Counter::Cluster, |record| {
        if record.text.is_empty() {
            record.text = hex::encode(random);
        }
    })
    .await?;
    Ok(())
}

/// The epoch under which a store was served last, and its cluster's id, without changing anything; 1 and empty for a
/// fresh one.
pub async fn epoch_and_cluster(store: &dyn Store) -> Result<(u64, String), Error> {
    let epoch = read(store, Counter::Epoch).await?.0.value.max(store.epoch_min());
    Ok((epoch, read(store, Counter::Cluster).await?.0.text))
}

/// The next upload id, and the guard and write that take it.
pub async fn next_upload_id(store: &dyn Store) -> Result<(u64, Guard, Write), Error> {
    let (record, guard) = read(store, Counter::UploadIds).await?;
    let upload_id = record.value.max(FIRST_UPLOAD_ID);
    let value = encode(&CounterRecord { value: upload_id + 1, ..record });
    Ok((upload_id, guard, Write::Put { key: counter::key(Counter::UploadIds), value }))
}

/// The id below which ids may have been given out.
pub async fn end_of_given(store: &dyn Store) -> Result<u64, Error> {
    Ok(read(store, Counter::Ids).await?.0.value)
}

async fn read(store: &dyn Store, counter: Counter) -> Result<(CounterRecord, Guard), Error> {
    let key = counter::key(counter);
    Ok(match store.get(&key).await? {
        None => (CounterRecord::default(), Guard::Absent { key }),
        Some(value) => (decode(&key, Bytes::clone(&value))?, Guard::Equals { key, value }),
    })
}

async fn change(
    store: &dyn Store,
    counter: Counter,
    apply: impl Fn(&mut CounterRecord),
) -> Result<CounterRecord, Error> {
    loop {
        let (mut record, guard) = read(store, counter).await?;
        let before = record.clone();
        apply(&mut record);
        if record == before {
            return Ok(record);
        }
        let write = Write::Put { key: counter::key(counter), value: encode(&record) };
        // Ids are needed to delete, too.
        match store.commit(Batch { guards: vec![guard], writes: vec![write], urgent: true }).await {
            Ok(_) => return Ok(record),
            Err(CommitError::GuardFailed { .. }) => {}
            Err(CommitError::Store(error)) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::MemoryStore;

    #[tokio::test]
    async fn ids_are_never_given_twice_also_over_restarts() {
        let store = MemoryStore::new();
        let mut last = 0;
        for start in 1..4 {
            let (ids, starts) = Ids::open(&store).await.unwrap();
            assert_eq!((starts, ids.epoch), (start, 1));
            for count in [1, 5_000, 5_000, 25_000, 1] {
                let range = ids.take(&store, count).await.unwrap();
                assert!(range.start > last, "{range:?} after {last}");
                assert_eq!(range.end - range.start, count);
                last = range.end - 1;
            }
            assert!(last < end_of_given(&store).await.unwrap());
        }
    }

    #[tokio::test]
    async fn a_cluster_keeps_its_id() {
        let store = MemoryStore::new();
        name_cluster(&store, [1; 16]).await.unwrap();
        name_cluster(&store, [2; 16]).await.unwrap();
        assert_eq!(Ids::open(&store).await.unwrap().0.cluster_id, "01".repeat(16));
    }
}
