//! Which workers hold a block, after its first commit: copies that are made, found damaged, and dropped. Each change is
//! guarded by the block's record, so that a block that was deleted meanwhile stays deleted, and by the absence of an
//! order to delete the copy that is added.

use super::Namespace;
use super::transaction::{Attempts, Transaction};
use crate::error::Error;
use crate::records::block::{self, BlockRecord};
use crate::records::{condemned, decode};
use bytes::Bytes;

/// A change of who holds a block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReplicaChange {
    pub block_id: u64,
    /// Of a coded block: which of its shards this is about.
    pub shard: Option<usize>,
    /// It has a verified copy now.
    pub add: Option<u64>,
    /// Their copies go.
    pub remove: Vec<u64>,
    /// Their copies have been verified, and stay: with the added one as many as are wanted, if any go.
    pub keepers: Vec<u64>,
}

/// What came of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Changed {
    Done,
    /// Nothing refers to the block any more: the added copy is ordered to go, too.
    Gone,
    /// The record is not what the change was made for, or the copy that it adds is ordered to go: nothing was done.
    Refused,
}

impl ReplicaChange {
    /// The record as the change leaves it; none: it does not fit.
    fn apply(&self, mut record: BlockRecord, cluster_replication: u32) -> Option<BlockRecord> {
        let part = record.part(self.shard)?;
        let wanted = part.wanted_count(cluster_replication);
        if record.coded.is_none() {
            record.wanted = u32::try_from(wanted).unwrap_or(u32::MAX);
        }
        let is_kept = |id: &u64| {
            part.worker_ids.contains(id) && !part.invalid_worker_ids.contains(id) && !self.remove.contains(id)
        };
        if !self.keepers.iter().all(is_kept) || !self.remove.iter().all(|id| part.worker_ids.contains(id)) {
            return None;
        }
        if self.add.is_some_and(|id| record.worker_ids.contains(&id) && !part.worker_ids.contains(&id)) {
            // It holds another shard under the block's id, or may.
            return None;
        }
        let added = self.add.filter(|id| !self.keepers.contains(id) && !self.remove.contains(id));
        if !self.remove.is_empty() && self.keepers.len() + usize::from(added.is_some()) < wanted {
            return None;
        }
        record.worker_ids.retain(|id| !self.remove.contains(id));
        record.invalid_worker_ids.retain(|id| !self.remove.contains(id) && Some(*id) != self.add);
        if let Some(added) = self.add.filter(|id| !record.worker_ids.contains(id)) {
            record.worker_ids.push(added);
        }
        if let Some(coded) = &mut record.coded {
            coded.holders.retain(|holder| record.worker_ids.contains(&holder.worker_id));
            if let (Some(added), Some(shard)) = (self.add, self.shard) {
                coded.set_holder(added, shard);
            }
        }
        Some(record)
    }
}

impl Namespace {
    /// Changes who holds some different blocks, in one commit. Returns what came of each.
    pub(crate) async fn change_replicas(&self, changes: &[ReplicaChange]) -> Result<Vec<Changed>, Error> {
        let mut attempts = Attempts::default();
        let changed = loop {
            match self.try_change_replicas(changes).await {
                Err(Error::Raced) => attempts.again(self, || "copies of blocks".to_owned()).await?,
                done => break done?,
            }
        };
        let gone: Vec<(u64, Vec<u64>)> = changes
            .iter()
            .zip(&changed)
            .filter(|(_, changed)| **changed == Changed::Gone)
            .filter_map(|(change, _)| Some((change.block_id, vec![change.add?])))
            .collect();
        self.condemn_unwritten(&gone).await?;
        Ok(changed)
    }

    async fn try_change_replicas(&self, changes: &[ReplicaChange]) -> Result<Vec<Changed>, Error> {
        let blocks: Vec<Bytes> = changes.iter().map(|change| block::key(change.block_id)).collect();
        // An order to a worker that has no id stands for none.
        let orders = changes.iter().map(|change| condemned::key(change.add.unwrap_or(0), change.block_id));
        let keys: Vec<Bytes> = blocks.iter().cloned().chain(orders).collect();
        let mut values = self.store.get_many(&keys).await?;
        let orders = values.split_off(changes.len());
        let mut transaction = Transaction::urgent();
        let mut changed = Vec::with_capacity(changes.len());
        for (at, (change, (value, order))) in changes.iter().zip(values.into_iter().zip(orders)).enumerate() {
            let key = &keys[at];
            let record: Option<BlockRecord> = value.clone().map(|value| decode(key, value)).transpose()?;
            let Some(record) = record.filter(|record| !record.condemned) else {
                changed.push(Changed::Gone);
                continue;
            };
            let next = if order.is_some() { None } else { change.apply(record, self.settings.replication) };
            let Some(record) = next else {
                changed.push(Changed::Refused);
                continue;
            };
            transaction.unchanged(key.clone(), value);
            transaction.unchanged(keys[changes.len() + at].clone(), None);
            transaction.put(key.clone(), &record);
            self.order_deletion(&mut transaction, change.block_id, &change.remove);
            changed.push(Changed::Done);
        }
        if !transaction.is_empty() {
            self.commit(transaction).await?;
        }
        Ok(changed)
    }

    /// A worker's copies of some blocks are damaged, or not where they should be: they no longer count. Returns the
    /// blocks of which that is news.
    pub(crate) async fn invalidate_copies(&self, worker_id: u64, block_ids: &[u64]) -> Result<Vec<u64>, Error> {
        let mut attempts = Attempts::default();
        loop {
            match self.try_invalidate_copies(worker_id, block_ids).await {
                Err(Error::Raced) => attempts.again(self, || format!("worker {worker_id}")).await?,
                done => return done,
            }
        }
    }

    async fn try_invalidate_copies(&self, worker_id: u64, block_ids: &[u64]) -> Result<Vec<u64>, Error> {
        let keys: Vec<Bytes> = block_ids.iter().map(|&id| block::key(id)).collect();
        let values = self.store.get_many(&keys).await?;
        let mut transaction = Transaction::urgent();
        let mut news = Vec::new();
        for ((&block_id, key), value) in block_ids.iter().zip(keys).zip(values) {
            let Some(value) = value else { continue };
            let mut record: BlockRecord = decode(&key, value.clone())?;
            let is_valid = record.valid_worker_ids().any(|id| id == worker_id);
            if record.condemned || !is_valid || news.contains(&block_id) {
                continue;
            }
            let wanted = record.wanted_count(self.settings.replication);
            record.wanted = u32::try_from(wanted).unwrap_or(u32::MAX);
            record.invalid_worker_ids.push(worker_id);
            transaction.unchanged(key.clone(), Some(value));
            transaction.put(key, &record);
            news.push(block_id);
        }
        if !transaction.is_empty() {
            self.commit(transaction).await?;
        }
        Ok(news)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fixture;

    /// A block on the fixture's worker, and as many more copies as there are other workers.
    async fn block_on(fixture: &Fixture, others: &[u64], wanted: u32) -> u64 {
        fixture.bucket("photos").await;
        let worker_ids = [&[fixture.worker_id], others].concat();
        fixture.put_on("photos", "cat", &worker_ids, wanted).await
    }

    async fn change(fixture: &Fixture, change: ReplicaChange) -> Changed {
        fixture.namespace.change_replicas(&[change]).await.unwrap().remove(0)
    }

    #[tokio::test]
    async fn a_copy_is_added_and_another_goes_only_when_as_many_as_are_wanted_stay() {
        let fixture = Fixture::new().await;
        let (first, [second, third]) = (fixture.worker_id, [1_001, 1_002]);
        let block_id = block_on(&fixture, &[second], 2).await;
        let add = |add| ReplicaChange { block_id, add: Some(add), ..Default::default() };
        let drop = |remove, keepers: &[u64]| {
            let keepers = keepers.to_vec();
            ReplicaChange { block_id, remove: vec![remove], keepers, ..Default::default() }
        };
        assert_eq!(change(&fixture, drop(first, &[second])).await, Changed::Refused, "one is too few");
        assert_eq!(change(&fixture, add(third)).await, Changed::Done);
        assert_eq!(change(&fixture, drop(first, &[first, third])).await, Changed::Refused);
        assert_eq!(change(&fixture, drop(1_003, &[first, third])).await, Changed::Refused, "it has none");
        fixture.namespace.invalidate_copies(second, &[block_id]).await.unwrap();
        assert_eq!(change(&fixture, drop(first, &[second, third])).await, Changed::Refused, "one of them is damaged");
        assert_eq!(change(&fixture, drop(second, &[first, third])).await, Changed::Done);
        let record = fixture.namespace.block(block_id).await.unwrap();
        assert_eq!((record.worker_ids, record.invalid_worker_ids), (vec![first, third], vec![]));
        fixture.check(false).await;
        assert_eq!(change(&fixture, add(second)).await, Changed::Refused, "it is to delete what it has");
        let moved = ReplicaChange { add: Some(1_004), remove: vec![first], keepers: vec![third], ..add(1_004) };
        assert_eq!(change(&fixture, moved).await, Changed::Done);
        assert_eq!(fixture.namespace.block(block_id).await.unwrap().worker_ids, [third, 1_004]);
    }

    #[tokio::test]
    async fn a_block_that_was_deleted_meanwhile_stays_deleted_and_its_copy_goes() {
        let fixture = Fixture::new().await;
        let block_id = block_on(&fixture, &[], 2).await;
        let other = fixture.worker("", "").await;
        let add = ReplicaChange { block_id, add: Some(other), ..Default::default() };
        fixture.delete("photos", &["cat"]).await;
        fixture.drain().await;
        assert_eq!(change(&fixture, add.clone()).await, Changed::Gone);
        let record = fixture.namespace.block(block_id).await.unwrap();
        assert_eq!((record.condemned, record.worker_ids), (true, vec![other]));
        fixture.check(true).await;
        assert_eq!(change(&fixture, add).await, Changed::Gone, "and again when it is condemned already");
        assert_eq!(fixture.obey_as(other).await, [block_id]);
        assert!(fixture.namespace.block(block_id).await.is_err());
    }

    #[tokio::test]
    async fn a_damaged_copy_is_named_but_does_not_count_and_is_made_good_in_its_place() {
        let fixture = Fixture::new().await;
        let first = fixture.worker_id;
        let block_id = block_on(&fixture, &[1_001], 2).await;
        let invalidate = async |worker_id, ids: &[u64]| fixture.namespace.invalidate_copies(worker_id, ids).await;
        assert_eq!(invalidate(first, &[block_id, block_id, 77]).await.unwrap(), [block_id]);
        assert!(invalidate(first, &[block_id]).await.unwrap().is_empty(), "it is known");
        assert!(invalidate(1_002, &[block_id]).await.unwrap().is_empty(), "it has none");
        let read = async || fixture.get("photos", "cat").await.unwrap().extents[0].worker_ids.clone();
        assert_eq!(read().await, [1_001]);
        let again = ReplicaChange { block_id, add: Some(first), ..Default::default() };
        assert_eq!(change(&fixture, again).await, Changed::Done);
        assert_eq!(read().await, [first, 1_001]);
        invalidate(first, &[block_id]).await.unwrap();
        invalidate(1_001, &[block_id]).await.unwrap();
        assert_eq!(read().await, [first, 1_001], "without a valid one all are asked");
        fixture.check(true).await;
    }
}
