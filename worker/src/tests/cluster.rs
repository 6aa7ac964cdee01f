//! A worker and a metaserver that remembers what it was told and orders what the test wants.

use super::*;
use crate::NoPeers;
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio_stream::StreamExt;
use tonic::service::Routes;
use tonic::{Request, Response, Status, Streaming};
use weir_proto::v1::workers_server::{Workers, WorkersServer};
use weir_proto::v1::{
    CopyOrder, CopyResult, InventoryBatch, LeaveClusterRequest, LeaveClusterResponse, Protocol, Reason,
    RegisterWorkerRequest, RegisterWorkerResponse, ReportInventoryResponse, WorkerHeartbeatRequest,
    WorkerHeartbeatResponse,
};

#[derive(Clone, Default)]
pub struct Metaserver {
    pub state: Arc<Mutex<State>>,
}

#[derive(Default)]
pub struct State {
    cluster: String,
    protocol: Option<Protocol>,
    down: bool,
    forgetful: bool,
    pub orders: BTreeSet<u64>,
    pub copy_orders: Vec<CopyOrder>,
    pub copy_results: Vec<CopyResult>,
    pub questions: Vec<u64>,
    pub missing: Vec<u64>,
    registrations: Vec<RegisterWorkerRequest>,
    heartbeats: u64,
    left: Vec<LeaveClusterRequest>,
    deleted: Vec<u64>,
    pub damaged: Vec<u64>,
    inventories: Vec<Vec<u64>>,
    /// As the last inventory told.
    set_aside: Vec<u64>,
}

#[tonic::async_trait]
impl Workers for Metaserver {
    async fn register_worker(
        &self,
        request: Request<RegisterWorkerRequest>,
    ) -> Result<Response<RegisterWorkerResponse>, Status> {
        let (request, mut state) = (request.into_inner(), self.state.lock());
        if state.down {
            return Err(Status::unavailable("down"));
        }
        if !request.cluster_id.is_empty() && request.cluster_id != state.cluster {
            return Err(Failure::new(Reason::WrongCluster, "", "not ours").into());
        }
        state.registrations.push(request);
        state.forgetful = false;
        let cluster_id = state.cluster.clone();
        let protocol = state.protocol;
        let answer = RegisterWorkerResponse {
            worker_id: 42,
            cluster_id,
            heartbeat_interval_ms: 10,
            protocol,
            ..Default::default()
        };
        Ok(Response::new(answer))
    }

    async fn worker_heartbeat(
        &self,
        request: Request<WorkerHeartbeatRequest>,
    ) -> Result<Response<WorkerHeartbeatResponse>, Status> {
        let (request, mut state) = (request.into_inner(), self.state.lock());
        if state.down {
            return Err(Status::unavailable("down"));
        }
        if state.forgetful {
            return Ok(Response::new(WorkerHeartbeatResponse { register: true, ..Default::default() }));
        }
        let incarnation = state.registrations.last().unwrap().incarnation;
        assert!(request.incarnation == incarnation && incarnation != 0);
        state.heartbeats += 1;
        state.copy_orders.retain(|order| !request.copy_results.iter().any(|done| done.order_id == order.order_id));
        state.copy_results.extend(request.copy_results);
        state.missing.extend(request.missing_block_ids);
        for id in &request.deleted_block_ids {
            state.orders.remove(id);
        }
        state.deleted.extend(request.deleted_block_ids);
        state.damaged.extend(request.damaged_block_ids);
        let delete_block_ids = state.orders.iter().copied().collect();
        Ok(Response::new(WorkerHeartbeatResponse {
            delete_block_ids,
            copy_orders: state.copy_orders.clone(),
            check_block_ids: std::mem::take(&mut state.questions),
            ..Default::default()
        }))
    }

    async fn leave_cluster(
        &self,
        request: Request<LeaveClusterRequest>,
    ) -> Result<Response<LeaveClusterResponse>, Status> {
        self.state.lock().left.push(request.into_inner());
        Ok(Response::new(LeaveClusterResponse {}))
    }

    async fn report_inventory(
        &self,
        request: Request<Streaming<InventoryBatch>>,
    ) -> Result<Response<ReportInventoryResponse>, Status> {
        let (mut stream, mut ids, mut damaged) = (request.into_inner(), Vec::new(), Vec::new());
        while let Some(batch) = stream.next().await {
            let batch = batch?;
            assert_eq!(batch.incarnation, self.state.lock().registrations.last().unwrap().incarnation);
            assert!(batch.worker_id == 42 && batch.block_ids.len() <= 10_000);
            ids.extend(batch.block_ids);
            damaged.extend(batch.damaged_block_ids);
        }
        let mut state = self.state.lock();
        state.inventories.push(ids);
        state.set_aside = damaged;
        drop(state);
        Ok(Response::new(ReportInventoryResponse { condemned_count: 0 }))
    }
}

impl Metaserver {
    pub fn of(cluster: &str) -> Self {
        let metaserver = Self::default();
        metaserver.state.lock().cluster = cluster.into();
        metaserver
    }

    pub fn channel(&self) -> Channel {
        in_process(Routes::new(WorkersServer::new(self.clone())))
    }

    pub async fn until(&self, what: &str, holds: impl Fn(&State) -> bool) {
        for _ in 0..2000 {
            if holds(&self.state.lock()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("it never came to be that {what}");
    }
}

async fn joined(metaserver: &Metaserver, disk: &SimulatedDisk) -> House {
    let house = open(disk).await;
    house.worker.start(metaserver.channel(), Arc::new(NoPeers), &house.shutdown);
    house
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_keeps_the_id_that_it_was_given() {
    let metaserver = Metaserver::of("a");
    let mut disk = SimulatedDisk::default();
    for _ in 0..2 {
        let house = joined(&metaserver, &disk).await;
        let before = metaserver.state.lock().heartbeats;
        metaserver.until("a heartbeat came", |state| state.heartbeats > before).await;
        disk = house.close().await.after_cut(&mut Random(1));
    }
    let state = metaserver.state.lock();
    let seen: Vec<_> =
        state.registrations.iter().map(|request| (request.worker_id, request.cluster_id.as_str())).collect();
    assert_eq!(seen, [(0, ""), (42, "a")]);
    assert_eq!(state.registrations[0].address, "127.0.0.1:29999");
    assert_ne!(state.registrations[0].incarnation, state.registrations[1].incarnation);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_ends_in_order_says_so_after_its_last_heartbeat_and_one_that_never_joined_does_not() {
    let metaserver = Metaserver::of("a");
    let house = joined(&metaserver, &SimulatedDisk::default()).await;
    metaserver.until("a heartbeat came", |state| state.heartbeats > 0).await;
    let disk = house.close().await;
    let (heartbeats, incarnation) = {
        let state = metaserver.state.lock();
        (state.heartbeats, state.registrations[0].incarnation)
    };
    assert_eq!(metaserver.state.lock().left, [LeaveClusterRequest { worker_id: 42, incarnation }]);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(metaserver.state.lock().heartbeats, heartbeats);
    metaserver.state.lock().down = true;
    joined(&metaserver, &disk).await.close().await;
    assert_eq!(metaserver.state.lock().left.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_of_another_cluster_is_refused_and_says_so() {
    let disk = SimulatedDisk::default();
    let first = Metaserver::of("a");
    let house = joined(&first, &disk).await;
    first.until("it registered", |state| state.heartbeats > 0).await;
    let disk = house.close().await;
    let house = joined(&Metaserver::of("b"), &disk).await;
    let reason = tokio::time::timeout(Duration::from_secs(5), house.worker.failed()).await.unwrap();
    assert!(reason.contains("refused"), "{reason}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_are_carried_out_and_reported() {
    let metaserver = Metaserver::of("a");
    let house = joined(&metaserver, &SimulatedDisk::default()).await;
    for id in 1..=20 {
        put(&house, id, if id % 2 == 0 { 100 } else { 400_000 }).await;
    }
    metaserver.state.lock().orders = (1..=10).chain([777]).collect();
    metaserver.until("all orders were reported", |state| state.orders.is_empty()).await;
    assert!((1..=10).all(|id| !has(&house, id)) && (11..=20).all(|id| has(&house, id)));
    let before = metaserver.state.lock().heartbeats;
    metaserver.until("more heartbeats came", |state| state.heartbeats > before + 3).await;
    let mut deleted = metaserver.state.lock().deleted.clone();
    deleted.sort_unstable();
    assert_eq!(deleted, (1..=10).chain([777]).collect::<Vec<_>>(), "each is reported once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_is_reported_with_the_next_heartbeat() {
    let metaserver = Metaserver::of("a");
    let house = joined(&metaserver, &SimulatedDisk::default()).await;
    put(&house, 5, 400_000).await;
    let find = |(path, _): &(std::path::PathBuf, Vec<u8>)| path.to_string_lossy().ends_with(".block");
    let (path, mut content) = house.disk.files().into_iter().find(find).unwrap();
    content[9000] ^= 1;
    house.disk.put(&path, content);
    assert_eq!(house.worker.scrub_now().await.unwrap().damaged_blocks, 1);
    metaserver.until("the damage was reported", |state| state.damaged == [5]).await;
    metaserver.state.lock().forgetful = true;
    metaserver.until("an inventory tells of it again", |state| state.set_aside == [5]).await;
    metaserver.state.lock().orders.insert(5);
    metaserver.until("the damaged block was deleted", |state| state.deleted == [5]).await;
    assert!(!house.disk.files().iter().any(|(path, _)| path.starts_with("/data/quarantine")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_inventory_follows_each_registration_and_ascends() {
    let metaserver = Metaserver::of("a");
    let house = joined(&metaserver, &SimulatedDisk::default()).await;
    metaserver.until("an empty inventory came", |state| state.inventories == [Vec::<u64>::new()]).await;
    let writes = (1..=10_050u64).rev().map(|id| {
        let disks = house.worker.disks().clone();
        async move {
            let bytes = bytes_of((id % 50) as usize);
            let mut writer = disks.begin(BlockId(id * 3), None).unwrap();
            writer.push(bytes.clone()).unwrap();
            writer.commit(bytes.len() as u64, crate::store::crc32c(&bytes)).await.unwrap();
        }
    });
    futures::future::join_all(writes).await;
    metaserver.state.lock().forgetful = true;
    metaserver.until("a second inventory came", |state| state.inventories.len() == 2).await;
    let state = metaserver.state.lock();
    assert_eq!(state.inventories[1], (1..=10_050).map(|id| id * 3).collect::<Vec<u64>>());
    assert_eq!(state.registrations.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_metaserver_that_was_away_is_found_again() {
    let metaserver = Metaserver::of("a");
    metaserver.state.lock().down = true;
    let house = joined(&metaserver, &SimulatedDisk::default()).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    metaserver.state.lock().down = false;
    metaserver.until("heartbeats came", |state| state.heartbeats > 2).await;
    metaserver.state.lock().down = true;
    put(&house, 1, 10).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    {
        let mut state = metaserver.state.lock();
        state.orders.insert(1);
        state.down = false;
    }
    metaserver.until("the order was carried out", |state| state.deleted == [1]).await;
    assert_eq!(metaserver.state.lock().registrations.len(), 1);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_tries_on_while_the_metaserver_is_of_a_build_that_it_does_not_understand() {
    let metaserver = Metaserver::of("c-1");
    metaserver.state.lock().protocol = Some(Protocol { current: 90, oldest: 80 });
    let disk = SimulatedDisk::default();
    let house = joined(&metaserver, &disk).await;
    metaserver.until("it has tried twice", |state| state.registrations.len() >= 2).await;
    assert_eq!(metaserver.state.lock().heartbeats, 0);
    assert_eq!(metaserver.state.lock().registrations[0].protocol, Some(weir_proto::protocol::own()));
    metaserver.state.lock().protocol = None;
    metaserver.until("it serves", |state| state.heartbeats > 0).await;
    drop(house);
}
