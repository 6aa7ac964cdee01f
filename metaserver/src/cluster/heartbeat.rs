//! What a worker reports with its heartbeats, and the orders that the answers carry.

use super::Cluster;
use crate::error::Error;
use crate::namespace::transaction::{Attempts, Transaction};
use crate::records::block::{self, BlockRecord};
use crate::records::{condemned, decode};
use bytes::Bytes;
use std::collections::BTreeSet;
use weir_proto::v1::{WorkerDisk, WorkerHeartbeatRequest, WorkerHeartbeatResponse};
use weir_service::config::FOLDER_MAX_COUNT;

/// Orders to delete that one answer carries.
const MAX_ORDERS: usize = 10_000;

/// Blocks that one heartbeat reports, of each kind.
const MAX_REPORTED: usize = 1_000_000;

/// Bytes of each text about a disk.
const DISK_TEXT_MAX_BYTES: usize = 1024;

/// Reported blocks settled in one commit.
const SETTLE_BATCH: usize = 500;

impl Cluster {
    /// # Errors
    /// [`Error::Invalid`], or the store's.
    pub async fn worker_heartbeat(&self, request: &WorkerHeartbeatRequest) -> Result<WorkerHeartbeatResponse, Error> {
        let reported = [
            ("deleted_block_ids", request.deleted_block_ids.len()),
            ("damaged_block_ids", request.damaged_block_ids.len()),
            ("missing_block_ids", request.missing_block_ids.len()),
            ("copy_results", request.copy_results.len()),
        ];
        if let Some((what, _)) = reported.into_iter().find(|(_, count)| *count > MAX_REPORTED) {
            return Err(Error::invalid(what, format!("at most {MAX_REPORTED} are reported at a time")));
        }
        check_disks(&request.disks)?;
        let Some(noted) = self.workers.note(request, &self.namespace) else {
            return Ok(WorkerHeartbeatResponse { register: true, ..Default::default() });
        };
        let worker_id = request.worker_id;
        self.settle_faults(request).await?;
        self.settle_copies(worker_id, &request.copy_results).await?;
        for some in request.deleted_block_ids.chunks(SETTLE_BATCH) {
            self.settle_deletions(worker_id, some).await?;
        }
        // A thousand workers' heartbeats need not look a thousand times a second at what has to wait.
        if self.repair.may_go_on() {
            self.give_copy_orders().await?;
        }
        Ok(WorkerHeartbeatResponse {
            register: false,
            delete_block_ids: self.deletions(worker_id).await?,
            send_inventory: noted.send_inventory,
            copy_orders: self.copy_orders(worker_id),
            check_block_ids: noted.check_block_ids,
        })
    }

    /// Copies are damaged: they do not count any more, and their blocks are looked at anew.
    pub(super) async fn invalidate(&self, worker_id: u64, block_ids: &[u64]) -> Result<(), Error> {
        for block_id in self.namespace.invalidate_copies(worker_id, block_ids).await? {
            self.repair.look_at(block_id);
            self.sweep.outdate();
        }
        Ok(())
    }

    /// Copies that are damaged, and those that are not where they should be.
    async fn settle_faults(&self, request: &WorkerHeartbeatRequest) -> Result<(), Error> {
        let worker_id = request.worker_id;
        for &block_id in &request.damaged_block_ids {
            self.namespace.metrics.damaged_blocks.inc();
            tracing::error!(worker_id, block_id, "a worker found a damaged copy of a block and set it aside");
        }
        for some in request.damaged_block_ids.chunks(SETTLE_BATCH) {
            self.invalidate(worker_id, some).await?;
        }
        for some in request.missing_block_ids.chunks(SETTLE_BATCH) {
            for block_id in self.namespace.invalidate_copies(worker_id, some).await? {
                self.namespace.metrics.missing_copies.inc();
                tracing::error!(worker_id, block_id, "a worker does not have the copy of a block that it should have");
                self.repair.look_at(block_id);
                self.sweep.outdate();
            }
        }
        Ok(())
    }

    /// What a worker has to delete. Nothing, while a restored store is not confirmed: the blocks may be of commits that
    /// the backup does not have.
    async fn deletions(&self, worker_id: u64) -> Result<Vec<u64>, Error> {
        if self.namespace.awaits_confirmation() {
            return Ok(Vec::new());
        }
        let rows = self.namespace.scan(condemned::key(worker_id, 0), condemned::end(worker_id), MAX_ORDERS).await?;
        let ids: Result<Vec<u64>, _> = rows.iter().map(|(key, _)| Ok(condemned::name(key)?.1)).collect();
        ids
    }

    pub(super) async fn settle_deletions(&self, worker_id: u64, block_ids: &[u64]) -> Result<(), Error> {
        let distinct: BTreeSet<u64> = block_ids.iter().copied().collect();
        let mut attempts = Attempts::default();
        loop {
            match self.try_settle_deletions(worker_id, &distinct).await {
                Err(Error::Raced) => attempts.again(&self.namespace, || format!("worker {worker_id}")).await?,
                done => return done,
            }
        }
    }

    /// A worker has carried orders out: it no longer holds the blocks; with the last holder a block's record goes. What
    /// was not ordered is not believed.
    async fn try_settle_deletions(&self, worker_id: u64, block_ids: &BTreeSet<u64>) -> Result<(), Error> {
        let namespace = &*self.namespace;
        let keys: Vec<Bytes> =
            block_ids.iter().flat_map(|&id| [condemned::key(worker_id, id), block::key(id)]).collect();
        let values = namespace.store.get_many(&keys).await?;
        let mut transaction = Transaction::urgent();
        let mut deleted = 0;
        for (keys, values) in keys.chunks(2).zip(values.chunks(2)) {
            let ([order_key, block_key], [Some(order), block]) = (keys, values) else { continue };
            transaction.unchanged(order_key.clone(), Some(order.clone()));
            transaction.delete(order_key.clone());
            deleted += 1;
            let Some(value) = block else { continue };
            let mut record: BlockRecord = decode(block_key, value.clone())?;
            let before = record.worker_ids.len();
            record.worker_ids.retain(|id| *id != worker_id);
            record.invalid_worker_ids.retain(|id| *id != worker_id);
            if record.worker_ids.len() == before {
                continue;
            }
            transaction.unchanged(block_key.clone(), Some(value.clone()));
            if record.condemned && record.worker_ids.is_empty() {
                transaction.delete(block_key.clone());
            } else {
                transaction.put(block_key.clone(), &record);
            }
        }
        if !transaction.is_empty() {
            namespace.commit(transaction).await?;
            namespace.metrics.deleted_blocks.inc_by(deleted);
        }
        Ok(())
    }
}

/// What is kept of a worker has an end.
fn check_disks(disks: &[WorkerDisk]) -> Result<(), Error> {
    if disks.len() > FOLDER_MAX_COUNT {
        return Err(Error::invalid("disks", format!("a worker has at most {FOLDER_MAX_COUNT}")));
    }
    let texts = disks.iter().flat_map(|disk| [&disk.disk_id, &disk.folder, &disk.failure, &disk.file_system]);
    match texts.map(String::len).max() {
        Some(bytes) if bytes > DISK_TEXT_MAX_BYTES => {
            Err(Error::invalid("disks", format!("a text about a disk has at most {DISK_TEXT_MAX_BYTES} bytes")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::key::Kind;
    use crate::testing::Fixture;

    fn heartbeat(worker_id: u64) -> WorkerHeartbeatRequest {
        WorkerHeartbeatRequest { worker_id, ..Default::default() }
    }

    #[tokio::test]
    async fn a_worker_is_live_as_long_as_its_heartbeats_come() {
        let fixture = Fixture::new().await;
        let is_live = || fixture.cluster.workers.list(&fixture.namespace)[0].live;
        assert!(is_live());
        fixture.clock.advance(10_001);
        assert!(!is_live());
        fixture.cluster.worker_heartbeat(&heartbeat(fixture.worker_id)).await.unwrap();
        assert!(is_live());
        assert!(fixture.cluster.worker_heartbeat(&heartbeat(99)).await.unwrap().register);
    }

    #[tokio::test]
    async fn disks_show_in_reports_alone_and_are_bounded() {
        let fixture = Fixture::new().await;
        let disk = |folder: &str| WorkerDisk { folder: folder.into(), free_bytes: 5, ..Default::default() };
        let beat = async |disks| {
            fixture.cluster.worker_heartbeat(&WorkerHeartbeatRequest { disks, ..heartbeat(fixture.worker_id) }).await
        };
        beat(vec![disk("/a"), disk("/b")]).await.unwrap();
        let workers = &fixture.cluster.workers;
        assert_eq!(workers.with_disks(&fixture.namespace)[0].disks, [disk("/a"), disk("/b")]);
        assert!(workers.list(&fixture.namespace)[0].disks.is_empty());
        assert!(matches!(beat(vec![disk("/a"); 65]).await, Err(Error::Invalid { .. })));
        assert!(matches!(beat(vec![disk(&"a".repeat(2000))]).await, Err(Error::Invalid { .. })));
        assert_eq!(workers.with_disks(&fixture.namespace)[0].disks.len(), 2, "what was refused changed nothing");
    }

    #[tokio::test]
    async fn inventories_are_asked_for_at_the_registration_and_now_and_then() {
        let fixture = Fixture::new().await;
        let asked =
            async || fixture.cluster.worker_heartbeat(&heartbeat(fixture.worker_id)).await.unwrap().send_inventory;
        assert!(asked().await, "at the registration");
        assert!(!asked().await);
        fixture.clock.advance(600_000);
        assert!(asked().await, "after the interval");
        assert!(!asked().await);
        fixture.namespace.close_session(fixture.session_id).await.unwrap();
        fixture.cluster.sweep_sessions().await.unwrap();
        assert!(asked().await, "when a session has ended");
    }

    #[tokio::test]
    async fn a_deletion_that_was_not_ordered_is_not_believed() {
        let fixture = Fixture::new().await;
        fixture.bucket("photos").await;
        fixture.put_blocks("photos", "cat", &[5]).await;
        let block_id = fixture.get("photos", "cat").await.unwrap().extents[0].extent.unwrap().block_id;
        let request = WorkerHeartbeatRequest {
            deleted_block_ids: vec![block_id, 12_345_678],
            damaged_block_ids: vec![block_id],
            ..heartbeat(fixture.worker_id)
        };
        fixture.cluster.worker_heartbeat(&request).await.unwrap();
        assert_eq!(fixture.namespace.metrics.damaged_blocks.get(), 1);
        let record = fixture.namespace.block(block_id).await.unwrap();
        assert_eq!(record.worker_ids, [fixture.worker_id], "it is named still");
        assert_eq!(record.invalid_worker_ids, [fixture.worker_id], "but its copy is known to be damaged");
        fixture.check(true).await;
    }

    #[tokio::test]
    async fn an_order_stands_until_it_is_reported_as_carried_out() {
        let fixture = Fixture::new().await;
        fixture.bucket("photos").await;
        fixture.put_blocks("photos", "cat", &[5]).await;
        fixture.delete("photos", &["cat"]).await;
        fixture.cluster.reclaim_step().await.unwrap();
        fixture.idle_heartbeat();
        fixture.cluster.reclaim_step().await.unwrap();
        let order = fixture.cluster.worker_heartbeat(&heartbeat(fixture.worker_id)).await.unwrap().delete_block_ids;
        assert_eq!(order.len(), 1);
        let again = fixture.cluster.worker_heartbeat(&heartbeat(fixture.worker_id)).await.unwrap().delete_block_ids;
        assert_eq!(again, order);
        assert!(fixture.cluster.block_info(order[0]).await.unwrap().condemned);
        let done = WorkerHeartbeatRequest { deleted_block_ids: order.clone(), ..heartbeat(fixture.worker_id) };
        assert!(fixture.cluster.worker_heartbeat(&done).await.unwrap().delete_block_ids.is_empty());
        assert!(matches!(fixture.cluster.block_info(order[0]).await, Err(Error::NoSuchBlock { .. })));
        assert!(fixture.rows(Kind::Condemned).await.is_empty());
    }
}
