//! Inventories: what a worker really holds, compared with what the namespace knows. The backstop that finds what was
//! written and never committed.

use super::Cluster;
use super::members::Members;
use super::plan::{Need, look};
use super::repair::queue::Entry;
use crate::error::Error;
use crate::namespace::transaction::{Attempts, Transaction};
use crate::records::block::{self, BlockRecord};
use crate::records::{condemned, decode};
use bytes::Bytes;
use std::cell::LazyCell;
use weir_proto::v1::InventoryBatch;
use weir_service::planted::{Fault, planted};

/// Workers whose inventories are compared at the same time.
pub(super) const MAX_AT_ONCE: usize = 4;

/// Blocks compared at a time.
const COMPARE_BATCH: usize = 1_000;

impl Cluster {
    /// Compares some of a worker's inventory. Returns how many of its blocks were newly ordered to go.
    ///
    /// # Errors
    /// [`Error::Invalid`]: the worker has not registered.
    pub async fn take_inventory(&self, batch: &InventoryBatch) -> Result<u64, Error> {
        let worker_id = batch.worker_id;
        let is_this = |incarnation| incarnation == batch.incarnation || planted(Fault::OldInventoryTrusted);
        if !self.workers.with(worker_id, |state| is_this(state.worker.incarnation)).unwrap_or(false) {
            return Err(Error::invalid("worker_id", format!("worker {worker_id} has not registered, or started anew")));
        }
        if self.namespace.awaits_confirmation() {
            return Ok(0);
        }
        let mut ordered = 0;
        for some in batch.block_ids.chunks(COMPARE_BATCH) {
            ordered += self.compare(worker_id, some, true).await?;
        }
        for some in batch.damaged_block_ids.chunks(COMPARE_BATCH) {
            self.invalidate(worker_id, some).await?;
            ordered += self.compare(worker_id, some, false).await?;
        }
        Ok(ordered)
    }

    /// Compares some of the blocks that a worker has. Returns how many were newly ordered to go.
    pub(super) async fn compare(&self, worker_id: u64, block_ids: &[u64], are_whole: bool) -> Result<u64, Error> {
        self.inventory_pace.wait_for(block_ids.len() as u64).await;
        let mut attempts = Attempts::default();
        loop {
            match self.try_compare(worker_id, block_ids, are_whole).await {
                Err(Error::Raced) => attempts.again(&self.namespace, || format!("worker {worker_id}")).await?,
                done => return done,
            }
        }
    }

    pub fn finish_inventory(&self, worker_id: u64, ordered: u64) {
        self.workers.inventory_came(worker_id, self.namespace.clock.now_ms());
        if ordered > 0 {
            tracing::info!(worker_id, blocks = ordered, "an inventory showed blocks that nothing refers to");
        }
    }

    /// A copy that the record does not name, or that was thought to be damaged or gone, counts when the block needs it:
    /// once the worker has verified it. Of a coded block nobody knows which shard it is that the record does not name: one
    /// that can be made of the others is not asked for.
    fn adopts(&self, block_id: u64, record: &BlockRecord, worker_id: u64, members: &Members) -> bool {
        let look = look(record, members, self.namespace.settings.replication);
        let is_known = record.coded.is_none() || record.worker_ids.contains(&worker_id);
        let adopts = matches!(look.need, Need::Copy { .. }) && members.serves(worker_id) && is_known;
        // Without a source nobody can be ordered to copy: what the worker has may be the only one there is.
        let is_last = look.live < look.needed;
        if adopts || is_last {
            self.repair.push(Entry { block_id, preferred: Some(worker_id), ..Entry::default() });
        }
        adopts || is_last
    }

    async fn try_compare(&self, worker_id: u64, block_ids: &[u64], are_whole: bool) -> Result<u64, Error> {
        // Looked at before the records are read: what is left behind by then has its record already, or never will.
        let left_behind: Vec<bool> = block_ids.iter().map(|&id| self.namespace.sessions.is_left_behind(id)).collect();
        let keys: Vec<Bytes> = block_ids.iter().map(|&id| block::key(id)).collect();
        let values = self.namespace.store.get_many(&keys).await?;
        let mut unwritten = Vec::new();
        let mut surplus = Vec::new();
        // Of a thousand workers it is made once, and mostly not at all.
        let members = LazyCell::new(|| self.workers.members(&self.namespace));
        for (((&block_id, left_behind), key), value) in block_ids.iter().zip(left_behind).zip(&keys).zip(values) {
            match value {
                None if left_behind => unwritten.push((block_id, vec![worker_id])),
                None => {}
                Some(value) => {
                    let record: BlockRecord = decode(key, value.clone())?;
                    if record.condemned {
                        unwritten.push((block_id, vec![worker_id]));
                    } else if record.valid_worker_ids().any(|id| id == worker_id)
                        || self.repair.is_target(block_id, worker_id)
                        || are_whole && self.adopts(block_id, &record, worker_id, &members)
                    {
                        // It counts, or will.
                    } else if !record.worker_ids.contains(&worker_id) {
                        surplus.push((block_id, key.clone(), value));
                    }
                }
            }
        }
        let condemned = self.namespace.condemn_unwritten(&unwritten).await?;
        Ok(condemned + self.order_surplus(worker_id, surplus).await?)
    }

    /// Orders copies to go that their blocks' records do not name: a gateway wrote them and was not answered.
    async fn order_surplus(&self, worker_id: u64, surplus: Vec<(u64, Bytes, Bytes)>) -> Result<u64, Error> {
        let namespace = &*self.namespace;
        let orders: Vec<Bytes> = surplus.iter().map(|(id, ..)| condemned::key(worker_id, *id)).collect();
        let known = namespace.store.get_many(&orders).await?;
        let mut transaction = Transaction::urgent();
        let mut ordered = 0;
        for ((block_id, key, value), known) in surplus.into_iter().zip(known) {
            if known.is_none() {
                transaction.unchanged(key, Some(value));
                namespace.order_deletion(&mut transaction, block_id, &[worker_id]);
                ordered += 1;
            }
        }
        if ordered > 0 {
            namespace.commit(transaction).await?;
        }
        Ok(ordered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::key::Kind;
    use crate::testing::Fixture;
    use weir_proto::v1::{HeartbeatRequest, RegisterWorkerRequest};

    fn ids(fixture: &Fixture, count: usize) -> Vec<u64> {
        fixture.extents(&vec![5; count]).iter().map(|written| written.extent.unwrap().block_id).collect()
    }

    async fn report(fixture: &Fixture, worker_id: u64, block_ids: &[u64]) -> u64 {
        let batch = InventoryBatch { worker_id, block_ids: block_ids.to_vec(), ..Default::default() };
        fixture.cluster.take_inventory(&batch).await.unwrap()
    }

    #[tokio::test]
    async fn blocks_in_flight_stay_and_what_was_left_behind_goes() {
        let fixture = Fixture::new().await;
        fixture.bucket("photos").await;
        fixture.put_blocks("photos", "cat", &[5]).await;
        let committed = fixture.get("photos", "cat").await.unwrap().extents[0].extent.unwrap().block_id;
        let written = ids(&fixture, 3);
        let all: Vec<u64> = [committed].iter().chain(&written).copied().collect();
        assert_eq!(report(&fixture, fixture.worker_id, &all).await, 0, "the session may still commit them");
        let heartbeat = HeartbeatRequest {
            session_id: fixture.session_id,
            lowest_block_in_flight: written[2],
            ..Default::default()
        };
        fixture.namespace.heartbeat(&heartbeat).unwrap();
        assert_eq!(report(&fixture, fixture.worker_id, &all).await, 2, "the session has moved past two");
        assert_eq!(report(&fixture, fixture.worker_id, &all).await, 0, "they are ordered to go already");
        fixture.namespace.close_session(fixture.session_id).await.unwrap();
        assert_eq!(report(&fixture, fixture.worker_id, &all).await, 0, "a start would find the session alive");
        fixture.cluster.sweep_sessions().await.unwrap();
        assert_eq!(report(&fixture, fixture.worker_id, &all).await, 1, "the session is over for good");
        assert_eq!(fixture.obey().await, written);
        fixture.check(true).await;
        assert!(fixture.rows(Kind::Grant).await.is_empty());
        assert!(fixture.rows(Kind::Session).await.is_empty());
    }

    #[tokio::test]
    async fn a_commit_under_way_protects_its_blocks() {
        let fixture = Fixture::new().await;
        let written = ids(&fixture, 2);
        let ticket = fixture.namespace.sessions.begin_commit(fixture.session_id, written.clone()).unwrap();
        let heartbeat = HeartbeatRequest {
            session_id: fixture.session_id,
            lowest_block_in_flight: written[1] + 1,
            ..Default::default()
        };
        fixture.namespace.heartbeat(&heartbeat).unwrap();
        assert_eq!(report(&fixture, fixture.worker_id, &written).await, 0);
        fixture.namespace.close_session(fixture.session_id).await.unwrap();
        fixture.namespace.clean_sessions().await.unwrap();
        assert_eq!(report(&fixture, fixture.worker_id, &written).await, 0);
        drop(ticket);
        fixture.namespace.clean_sessions().await.unwrap();
        assert_eq!(report(&fixture, fixture.worker_id, &written).await, 2);
    }

    #[tokio::test]
    async fn a_copy_that_the_record_does_not_name_is_surplus() {
        let fixture = Fixture::new().await;
        fixture.bucket("photos").await;
        fixture.put_blocks("photos", "cat", &[5]).await;
        let block_id = fixture.get("photos", "cat").await.unwrap().extents[0].extent.unwrap().block_id;
        let other = fixture.cluster.register_worker(&RegisterWorkerRequest::default()).await.unwrap().worker_id;
        assert_eq!(report(&fixture, other, &[block_id]).await, 1);
        assert_eq!(report(&fixture, other, &[block_id]).await, 0);
        let heartbeat = |deleted| weir_proto::v1::WorkerHeartbeatRequest {
            worker_id: other,
            deleted_block_ids: deleted,
            ..Default::default()
        };
        let orders = fixture.cluster.worker_heartbeat(&heartbeat(vec![])).await.unwrap().delete_block_ids;
        assert_eq!(orders, [block_id]);
        assert!(fixture.obey().await.is_empty(), "the copy that the record names stays");
        fixture.cluster.worker_heartbeat(&heartbeat(orders)).await.unwrap();
        fixture.check(true).await;
    }

    #[tokio::test]
    async fn an_inventory_of_a_former_start_is_not_taken_for_what_the_worker_has_now() {
        let fixture = Fixture::new().await;
        let (worker_id, cluster_id) = (fixture.worker_id, fixture.namespace.ids.cluster_id.clone());
        let register = async |incarnation| {
            let request =
                RegisterWorkerRequest { worker_id, cluster_id: cluster_id.clone(), incarnation, ..Default::default() };
            fixture.cluster.register_worker(&request).await.unwrap();
        };
        register(7).await;
        let former = InventoryBatch { worker_id, block_ids: vec![1], incarnation: 7, ..Default::default() };
        fixture.cluster.take_inventory(&former).await.unwrap();
        register(8).await;
        assert!(matches!(fixture.cluster.take_inventory(&former).await, Err(Error::Invalid { .. })));
        fixture.cluster.take_inventory(&InventoryBatch { incarnation: 8, ..former }).await.unwrap();
    }

    #[tokio::test]
    async fn inventories_are_compared_at_a_pace_that_all_workers_share() {
        let fixture = Fixture::with(|settings| settings.inventory_blocks_per_second = 10_000).await;
        let block_ids: Vec<u64> = (1..=1_500).collect();
        let batch = InventoryBatch { worker_id: fixture.worker_id, block_ids, ..Default::default() };
        let begun = tokio::time::Instant::now();
        fixture.cluster.take_inventory(&batch).await.unwrap();
        fixture.cluster.take_inventory(&batch).await.unwrap();
        assert!(begun.elapsed() >= std::time::Duration::from_millis(250), "{:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn an_unknown_worker_has_no_inventory() {
        let fixture = Fixture::new().await;
        let batch = InventoryBatch { worker_id: 99, block_ids: vec![1], ..Default::default() };
        assert!(matches!(fixture.cluster.take_inventory(&batch).await, Err(Error::Invalid { .. })));
    }
}
