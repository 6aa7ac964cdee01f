//! How a worker joins: it keeps its id, belongs to one cluster, and of several starts the latest counts.

use super::Cluster;
use super::workers::State;
use crate::error::Error;
use crate::namespace::handshake::WORKER;
use crate::namespace::transaction::{Attempts, Transaction};
use crate::namespace::{Namespace, ids, validate};
use crate::records::decode;
use crate::records::worker::{self, Duty, WorkerRecord};
use weir_proto::protocol;
use weir_proto::v1::{LeaveClusterRequest, RegisterWorkerRequest, RegisterWorkerResponse, Worker, WorkerState};

impl Cluster {
    /// # Errors
    /// [`Error::WrongCluster`], [`Error::Incompatible`], [`Error::Invalid`]; [`Error::WorkerRefused`]: a later start of the
    /// worker is live, or it was drained and disabled.
    pub async fn register_worker(&self, request: &RegisterWorkerRequest) -> Result<RegisterWorkerResponse, Error> {
        let namespace = &*self.namespace;
        let worker_id = self.identify(request).await?;
        let now_ms = namespace.clock.now_ms();
        let record = namespace.save_worker(worker_id, request, now_ms).await?;
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
            disks: Vec::new(),
            protocol: request.protocol,
        };
        let mut retired = self.workers.with(worker_id, |state| {
            state.retire(request.incarnation);
            std::mem::take(&mut state.retired)
        });
        let state = State {
            duty: record.duty(),
            disabled: record.disabled,
            has_reported: true,
            heard_ms: now_ms,
            inventory_wanted: true,
            last_inventory_ms: now_ms,
            retired: retired.take().unwrap_or_default(),
            check_wanted: true,
            ..State::of(worker)
        };
        self.workers.insert(namespace, worker_id, state);
        // What was ordered of an earlier start is not carried out any more.
        self.repair.abandon_of(worker_id);
        self.sweep.want();
        Ok(RegisterWorkerResponse {
            worker_id,
            cluster_id: namespace.ids.cluster_id.clone(),
            heartbeat_interval_ms: namespace.settings.heartbeat_interval_ms,
            protocol: Some(protocol::own()),
            version: protocol::VERSION.to_owned(),
        })
    }

    /// A worker ends in order.
    pub fn worker_leaves(&self, request: &LeaveClusterRequest) {
        let &LeaveClusterRequest { worker_id, incarnation } = request;
        if self.workers.leave(worker_id, incarnation, self.namespace.clock.now_ms()) {
            tracing::info!(worker_id, "a worker has left in order");
            self.repair.abandon_of(worker_id);
            self.sweep.want();
        }
    }

    /// The id of the worker that registers.
    async fn identify(&self, request: &RegisterWorkerRequest) -> Result<u64, Error> {
        for (what, name) in [
            ("address", &request.address),
            ("version", &request.version),
            ("zone", &request.zone),
            ("host", &request.host),
        ] {
            validate::name(what, name)?;
        }
        let namespace = &*self.namespace;
        namespace.admit(WORKER, &request.address, request.protocol.as_ref(), &request.version)?;
        let ours = &namespace.ids.cluster_id;
        if !request.cluster_id.is_empty() && request.cluster_id != *ours {
            return Err(Error::WrongCluster { theirs: request.cluster_id.clone(), ours: ours.clone() });
        }
        if request.worker_id != 0 && request.cluster_id.is_empty() {
            return Err(Error::invalid("cluster_id", "a worker that has an id knows its cluster"));
        }
        match request.worker_id {
            0 => namespace.ids.next(&*namespace.store).await,
            id if self.workers.is_known(id) => {
                self.refuse_former(request)?;
                Ok(id)
            }
            // A store restored from a backup may have forgotten it; an id that was never given is not one of ours.
            id if id < ids::end_of_given(&*namespace.store).await? => Ok(id),
            id => Err(Error::invalid("worker_id", format!("{id} was never given to a worker"))),
        }
    }

    fn refuse_former(&self, request: &RegisterWorkerRequest) -> Result<(), Error> {
        let worker_id = request.worker_id;
        let is_present = self.workers.members(&self.namespace).is_present(worker_id);
        let refused = self.workers.with(worker_id, |state| match state {
            State { disabled: true, duty: Duty::Drained, .. } => Some("it was emptied, and is not enabled"),
            state if is_present && state.retired.contains(&request.incarnation) => {
                Some("it has started again since, maybe over a copy of its folder")
            }
            _ => None,
        });
        match refused.flatten() {
            Some(why) => Err(Error::WorkerRefused { worker_id, why }),
            None => Ok(()),
        }
    }
}

impl Namespace {
    /// Writes a worker's record anew; what operators have decided about it stays.
    async fn save_worker(
        &self,
        worker_id: u64,
        request: &RegisterWorkerRequest,
        now_ms: i64,
    ) -> Result<WorkerRecord, Error> {
        let mut record = WorkerRecord::default();
        self.change_worker(worker_id, |known| {
            *known = WorkerRecord {
                address: request.address.clone(),
                registered_ms: now_ms,
                zone: request.zone.clone(),
                host: request.host.clone(),
                duty: known.duty,
                disabled: known.disabled,
            };
            record = known.clone();
        })
        .await?;
        Ok(record)
    }

    /// Changes a worker's record, which is made if there is none.
    pub(super) async fn change_worker(
        &self,
        worker_id: u64,
        mut change: impl FnMut(&mut WorkerRecord),
    ) -> Result<(), Error> {
        let key = worker::key(worker_id);
        let mut attempts = Attempts::default();
        loop {
            let value = self.store.get(&key).await?;
            let mut record: WorkerRecord = match &value {
                Some(value) => decode(&key, value.clone())?,
                None => WorkerRecord::default(),
            };
            change(&mut record);
            let mut transaction = Transaction::urgent();
            transaction.unchanged(key.clone(), value);
            transaction.put(key.clone(), &record);
            match self.commit(transaction).await {
                Err(Error::Raced) => attempts.again(self, || format!("worker {worker_id}")).await?,
                done => return done,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fixture;
    use weir_proto::v1::{Protocol, WorkerHeartbeatRequest};

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
    async fn of_two_starts_of_a_worker_the_later_one_counts() {
        let fixture = Fixture::new().await;
        let cluster_id = fixture.namespace.ids.cluster_id.clone();
        let register = async |incarnation| {
            let worker_id = fixture.worker_id;
            let request =
                RegisterWorkerRequest { worker_id, cluster_id: cluster_id.clone(), incarnation, ..Default::default() };
            fixture.cluster.register_worker(&request).await
        };
        let beat = async |incarnation, used_bytes| {
            let request = WorkerHeartbeatRequest { incarnation, used_bytes, ..heartbeat(fixture.worker_id) };
            fixture.cluster.worker_heartbeat(&request).await.unwrap().register
        };
        register(7).await.unwrap();
        assert!(!beat(7, 70).await);
        register(8).await.unwrap();
        assert!(!beat(8, 80).await);
        assert!(beat(7, 70).await, "the former one is told to register");
        let used = || fixture.cluster.workers.list(&fixture.namespace)[0].used_bytes;
        assert_eq!(used(), 80, "and what it says is not taken");
        assert!(matches!(register(7).await, Err(Error::WorkerRefused { .. })), "nor may it come back");
        assert!(!beat(8, 81).await);
        fixture.clock.advance(10_001);
        register(7).await.unwrap();
        assert!(!beat(7, 70).await, "unless the later one is gone");
        assert!(beat(8, 80).await);
    }

    #[tokio::test]
    async fn a_worker_that_ends_in_order_is_away_at_once_and_waited_for_as_a_lost_one() {
        let fixture = Fixture::new().await;
        let (cluster, worker_id) = (&fixture.cluster, fixture.worker_id);
        let is_live = || cluster.workers.list(&fixture.namespace)[0].live;
        let members = || cluster.workers.members(&fixture.namespace);
        cluster.worker_leaves(&LeaveClusterRequest { worker_id, incarnation: 99 });
        assert!(is_live(), "what another start says is not about this one");
        cluster.worker_leaves(&LeaveClusterRequest { worker_id, incarnation: 0 });
        assert!(!is_live());
        assert_eq!(cluster.workers.list(&fixture.namespace)[0].state(), WorkerState::Lost);
        assert!(!members().serves(worker_id) && !members().is_live(worker_id) && !members().is_draining(worker_id));
        assert!(members().is_awaited(worker_id), "its blocks get no other copies yet");
        assert!(cluster.worker_heartbeat(&heartbeat(worker_id)).await.unwrap().register, "it has to join anew");
        fixture.clock.advance(70_000);
        assert!(members().is_awaited(worker_id));
        fixture.clock.advance(1);
        assert!(!members().is_awaited(worker_id), "after the time-out and the delay of repair");
        let cluster_id = fixture.namespace.ids.cluster_id.clone();
        let back = RegisterWorkerRequest { worker_id, cluster_id, incarnation: 1, ..Default::default() };
        cluster.register_worker(&back).await.unwrap();
        assert!(is_live() && members().serves(worker_id));
    }

    #[tokio::test]
    async fn a_worker_that_was_emptied_and_ended_does_not_count_as_lost() {
        let fixture = Fixture::new().await;
        let (cluster, metrics) = (&fixture.cluster, &fixture.namespace.metrics);
        let lost = || {
            cluster.workers.list(&fixture.namespace);
            (metrics.workers.get(), metrics.live_workers.get(), metrics.lost_workers.get())
        };
        fixture.clock.advance(10_001);
        assert_eq!(lost(), (1, 0, 1));
        cluster.workers.with(fixture.worker_id, |state| state.duty = Duty::Draining);
        assert_eq!(lost(), (1, 0, 1), "one that is to be emptied is missed");
        cluster.workers.with(fixture.worker_id, |state| state.duty = Duty::Drained);
        assert_eq!(lost(), (1, 0, 0));
    }

    #[tokio::test]
    async fn a_worker_without_a_protocol_in_common_is_refused_and_one_from_before_numbers_is_taken() {
        let fixture = Fixture::new().await;
        let register = async |protocol| {
            let request = RegisterWorkerRequest { address: "host:1".into(), protocol, ..Default::default() };
            fixture.cluster.register_worker(&request).await
        };
        let before = fixture.cluster.workers.list(&fixture.namespace).len();
        let too_new = Protocol { current: protocol::CURRENT + 2, oldest: protocol::CURRENT + 1 };
        let error = register(Some(too_new)).await.unwrap_err();
        assert!(matches!(error, Error::Incompatible(_)), "{error}");
        assert!(error.to_string().ends_with("upgrade the metaserver first"), "{error}");
        assert_eq!(fixture.cluster.workers.list(&fixture.namespace).len(), before, "nothing is known of it");
        register(None).await.unwrap();
        let next = Protocol { current: protocol::CURRENT + 1, oldest: protocol::CURRENT };
        let answer = register(Some(next)).await.unwrap();
        assert_eq!(answer.protocol, Some(protocol::own()));
        let told = fixture.cluster.workers.list(&fixture.namespace).pop().unwrap().protocol;
        assert_eq!(told, Some(next));
    }
}
