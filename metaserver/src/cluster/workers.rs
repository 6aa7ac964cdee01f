//! Workers: their registration, their heartbeats, and the orders that the answers carry.

use super::Cluster;
use crate::error::Error;
use crate::namespace::transaction::{Attempts, Transaction};
use crate::namespace::{Namespace, ids, validate};
use crate::records::block::{self, BlockRecord};
use crate::records::condemned;
use crate::records::decode;
use crate::records::key::successor;
use crate::records::worker::{self, WorkerRecord};
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use weir_proto::v1::{
    RegisterWorkerRequest, RegisterWorkerResponse, Worker, WorkerHeartbeatRequest, WorkerHeartbeatResponse, WorkerState,
};

/// Orders to delete that one answer carries.
const MAX_ORDERS: usize = 10_000;

/// Blocks that one heartbeat reports.
const MAX_REPORTED: usize = 1_000_000;

/// Reported deletions settled in one commit.
const SETTLE_BATCH: usize = 500;

/// All workers that have registered, by id.
#[derive(Default)]
pub(crate) struct Workers(Mutex<BTreeMap<u64, State>>);

#[derive(Default)]
struct State {
    worker: Worker,
    /// Since the metaserver started.
    has_reported: bool,
    inventory_wanted: bool,
    last_inventory_ms: i64,
}

impl Workers {
    pub async fn load(namespace: &Namespace) -> Result<Self, Error> {
        let prefix = worker::all();
        let end = successor(&prefix);
        let mut workers = BTreeMap::new();
        namespace
            .scan_all(prefix, end, |key, value| {
                let record: WorkerRecord = decode(&key, value)?;
                let worker_id = worker::name(&key)?;
                let worker = Worker { worker_id, address: record.address, ..Default::default() };
                workers.insert(worker_id, State { worker, ..Default::default() });
                Ok(())
            })
            .await?;
        namespace.metrics.workers.set(i64::try_from(workers.len()).unwrap_or(i64::MAX));
        Ok(Self(Mutex::new(workers)))
    }

    pub fn is_known(&self, worker_id: u64) -> bool {
        self.0.lock().contains_key(&worker_id)
    }

    /// All workers, live or not.
    pub fn list(&self, namespace: &Namespace) -> Vec<Worker> {
        let now_ms = namespace.clock.now_ms();
        let timeout_ms = i64::try_from(namespace.settings.worker_timeout_ms).unwrap_or(i64::MAX);
        let workers: Vec<Worker> = self
            .0
            .lock()
            .values()
            .map(|state| Worker {
                live: state.has_reported && now_ms.saturating_sub(state.worker.last_heartbeat_ms) <= timeout_ms,
                ..state.worker.clone()
            })
            .collect();
        let live = workers.iter().filter(|worker| worker.live).count();
        namespace.metrics.live_workers.set(i64::try_from(live).unwrap_or(i64::MAX));
        workers
    }

    /// Some of all workers, by id; one that is not known has nothing but its id.
    pub fn by_ids(&self, namespace: &Namespace, ids: &[u64]) -> Vec<Worker> {
        let all = self.list(namespace);
        ids.iter()
            .map(|id| {
                let known = all.iter().find(|worker| worker.worker_id == *id).cloned();
                known.unwrap_or(Worker { worker_id: *id, ..Default::default() })
            })
            .collect()
    }

    /// Asks every worker for an inventory: something may have been left behind.
    pub fn want_inventories(&self) {
        self.0.lock().values_mut().for_each(|state| state.inventory_wanted = true);
    }

    pub fn inventory_came(&self, worker_id: u64, now_ms: i64) {
        if let Some(state) = self.0.lock().get_mut(&worker_id) {
            state.last_inventory_ms = now_ms;
        }
    }

    /// Takes a heartbeat's figures. Returns whether an inventory is wanted; none: the worker has to register.
    fn note(&self, request: &WorkerHeartbeatRequest, now_ms: i64, inventory_interval_ms: i64) -> Option<bool> {
        let mut workers = self.0.lock();
        let state = workers.get_mut(&request.worker_id).filter(|state| state.has_reported)?;
        state.worker.capacity_bytes = request.capacity_bytes;
        state.worker.used_bytes = request.used_bytes;
        state.worker.free_bytes = request.free_bytes;
        state.worker.block_count = request.block_count;
        state.worker.last_heartbeat_ms = now_ms;
        let due = now_ms.saturating_sub(state.last_inventory_ms) >= inventory_interval_ms;
        if due {
            // Asked for once an interval, whether it comes or not.
            state.last_inventory_ms = now_ms;
        }
        Some(std::mem::take(&mut state.inventory_wanted) || due)
    }
}

impl Cluster {
    /// # Errors
    /// [`Error::WrongCluster`], [`Error::Invalid`].
    pub async fn register_worker(&self, request: &RegisterWorkerRequest) -> Result<RegisterWorkerResponse, Error> {
        validate::name("address", &request.address)?;
        validate::name("version", &request.version)?;
        let namespace = &*self.namespace;
        let ours = &namespace.ids.cluster_id;
        if !request.cluster_id.is_empty() && request.cluster_id != *ours {
            return Err(Error::WrongCluster { theirs: request.cluster_id.clone(), ours: ours.clone() });
        }
        if request.worker_id != 0 && request.cluster_id.is_empty() {
            return Err(Error::invalid("cluster_id", "a worker that has an id knows its cluster"));
        }
        let worker_id = match request.worker_id {
            0 => namespace.ids.next(&*namespace.store).await?,
            id if self.workers.is_known(id) => id,
            // A store restored from a backup may have forgotten it; an id that was never given is not one of ours.
            id if id < ids::end_of_given(&*namespace.store).await? => id,
            id => return Err(Error::invalid("worker_id", format!("{id} was never given to a worker"))),
        };
        let now_ms = namespace.clock.now_ms();
        let mut transaction = Transaction::urgent();
        let record = WorkerRecord { address: request.address.clone(), registered_ms: now_ms };
        transaction.put(worker::key(worker_id), &record);
        namespace.commit(transaction).await?;
        tracing::info!(worker_id, address = %request.address, "a worker registered");
        let worker = Worker {
            worker_id,
            address: request.address.clone(),
            capacity_bytes: request.capacity_bytes,
            used_bytes: request.used_bytes,
            free_bytes: request.free_bytes,
            live: true,
            last_heartbeat_ms: now_ms,
            started_ms: now_ms,
            block_count: request.block_count,
            version: request.version.clone(),
            zone: request.zone.clone(),
            host: request.host.clone(),
            state: WorkerState::Live.into(),
            incarnation: request.incarnation,
        };
        let state = State { worker, has_reported: true, inventory_wanted: true, last_inventory_ms: now_ms };
        let mut workers = self.workers.0.lock();
        workers.insert(worker_id, state);
        namespace.metrics.workers.set(i64::try_from(workers.len()).unwrap_or(i64::MAX));
        Ok(RegisterWorkerResponse {
            worker_id,
            cluster_id: ours.clone(),
            heartbeat_interval_ms: namespace.settings.heartbeat_interval_ms,
        })
    }

    /// # Errors
    /// [`Error::Invalid`], or the store's.
    pub async fn worker_heartbeat(&self, request: &WorkerHeartbeatRequest) -> Result<WorkerHeartbeatResponse, Error> {
        let namespace = &*self.namespace;
        if request.deleted_block_ids.len() > MAX_REPORTED || request.damaged_block_ids.len() > MAX_REPORTED {
            return Err(Error::invalid("deleted_block_ids", format!("at most {MAX_REPORTED} are reported at a time")));
        }
        let interval_ms = i64::try_from(namespace.settings.inventory_interval_ms).unwrap_or(i64::MAX);
        let Some(send_inventory) = self.workers.note(request, namespace.clock.now_ms(), interval_ms) else {
            return Ok(WorkerHeartbeatResponse { register: true, ..Default::default() });
        };
        let worker_id = request.worker_id;
        for &block_id in &request.damaged_block_ids {
            namespace.metrics.damaged_blocks.inc();
            tracing::error!(worker_id, block_id, "a worker found a damaged copy of a block and set it aside");
        }
        for some in request.deleted_block_ids.chunks(SETTLE_BATCH) {
            self.settle_deletions(worker_id, some).await?;
        }
        Ok(WorkerHeartbeatResponse { register: false, delete_block_ids: self.orders(worker_id).await?, send_inventory })
    }

    /// What a worker has to delete. Nothing, while a restored store is not confirmed: the blocks may be of commits that
    /// the backup does not have.
    async fn orders(&self, worker_id: u64) -> Result<Vec<u64>, Error> {
        if self.namespace.awaits_confirmation() {
            return Ok(Vec::new());
        }
        let rows = self.namespace.scan(condemned::key(worker_id, 0), condemned::end(worker_id), MAX_ORDERS).await?;
        let ids: Result<Vec<u64>, _> = rows.iter().map(|(key, _)| Ok(condemned::name(key)?.1)).collect();
        ids
    }

    async fn settle_deletions(&self, worker_id: u64, block_ids: &[u64]) -> Result<(), Error> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::key::Kind;
    use crate::testing::Fixture;

    fn heartbeat(worker_id: u64) -> WorkerHeartbeatRequest {
        WorkerHeartbeatRequest { worker_id, ..Default::default() }
    }

    #[tokio::test]
    async fn a_worker_keeps_its_id_and_belongs_to_one_cluster() {
        let fixture = Fixture::new().await;
        let register = |worker_id, cluster_id: &str| RegisterWorkerRequest {
            worker_id,
            cluster_id: cluster_id.into(),
            address: "host:1".into(),
            ..Default::default()
        };
        let first = fixture.cluster.register_worker(&register(0, "")).await.unwrap();
        let again = fixture.cluster.register_worker(&register(first.worker_id, &first.cluster_id)).await.unwrap();
        assert_eq!(again.worker_id, first.worker_id);
        let foreign = fixture.cluster.register_worker(&register(first.worker_id, "another")).await;
        assert!(matches!(foreign, Err(Error::WrongCluster { .. })));
        let nameless = fixture.cluster.register_worker(&register(first.worker_id, "")).await;
        assert!(matches!(nameless, Err(Error::Invalid { .. })));
        let made_up = fixture.cluster.register_worker(&register(u64::MAX, &first.cluster_id)).await;
        assert!(matches!(made_up, Err(Error::Invalid { .. })));
        let cluster_id = first.cluster_id.clone();
        let fixture = fixture.restart().await;
        assert_eq!(fixture.namespace.ids.cluster_id, cluster_id);
        let answer = fixture.cluster.worker_heartbeat(&heartbeat(first.worker_id)).await.unwrap();
        assert!(answer.register, "after a restart its version and space are asked for anew");
        let listed = fixture.cluster.workers.by_ids(&fixture.namespace, &[first.worker_id]).remove(0);
        assert_eq!((listed.address.as_str(), listed.live), ("host:1", false));
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
        assert_eq!(fixture.get("photos", "cat").await.unwrap().extents[0].worker_ids, [fixture.worker_id]);
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
