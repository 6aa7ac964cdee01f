//! The worker in its cluster: it registers, heartbeats, obeys, and tells what it holds. It calls the metaserver; the
//! metaserver never calls it.

mod copies;
mod epoch;
mod inventory;
mod lost;
mod orders;
pub mod peers;
mod rebuild;

use crate::disks::identity::Identity;
use crate::disks::{DiskReport, Disks};
use crate::error::{WorkerError, off_thread};
use crate::metrics::Metrics;
use crate::store::Usage;
use copies::Copies;
pub use epoch::KeptEpoch;
use lost::Lost;
use orders::Orders;
use peers::Peers;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tonic::Status;
use weir_proto::v1::workers_client::WorkersClient;
use weir_proto::v1::{
    LeaveClusterRequest, Reason, RegisterWorkerRequest, WorkerDisk, WorkerHeartbeatRequest, WorkerHeartbeatResponse,
};
use weir_proto::{BlockId, Failure, MAX_MESSAGE_BYTES, WorkerId, protocol};
use weir_service::channel::Channel;
use weir_service::clock::Clock;
use weir_service::config::WorkerSettings;
use weir_service::shutdown::Shutdown;

const FIRST_RETRY: Duration = Duration::from_millis(100);
const LAST_RETRY: Duration = Duration::from_secs(5);
/// A call that takes longer has failed.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// An orderly end waits so long for the metaserver to hear of it.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(1);
const HEARTBEAT_MIN: Duration = Duration::from_millis(10);
/// Of a folder's name, and of why it failed.
const TOLD_MAX_CHARS: usize = 256;
/// Ids that one heartbeat reports at most, of each kind.
const REPORT_MAX_COUNT: usize = 10_000;

/// The line to the metaserver.
pub struct Membership {
    disks: Arc<Disks>,
    clock: Arc<dyn Clock>,
    client: WorkersClient<Channel>,
    /// Where gateways find this worker; empty: in this very process.
    address: String,
    zone: String,
    host: String,
    /// Of this start of the process.
    incarnation: u64,
    /// As which it has registered.
    registered_as: Option<WorkerId>,
    orders: Arc<Orders>,
    copies: Arc<Copies>,
    /// Blocks that the metaserver asked for, or that a failed disk had, and that are not here.
    missing: Vec<u64>,
    lost: Lost,
    inventory_under_way: Arc<AtomicBool>,
    epoch: KeptEpoch,
}

/// What a registration gave.
#[derive(Clone, Debug)]
pub struct Registered {
    pub identity: Identity,
    pub heartbeat_interval: Duration,
}

impl Membership {
    pub fn new(
        settings: &WorkerSettings,
        disks: Arc<Disks>,
        metrics: Arc<Metrics>,
        clock: Arc<dyn Clock>,
        metaserver: Channel,
        peers: Arc<dyn Peers>,
        epoch: KeptEpoch,
    ) -> Self {
        let client = WorkersClient::new(metaserver)
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES);
        let address = if settings.address.is_empty() { &settings.listen } else { &settings.address };
        let orders = Arc::new(Orders::default());
        let bytes_per_second = settings.repair_bytes_per_second;
        let copies = Arc::new(Copies::new(disks.clone(), orders.clone(), metrics, peers, bytes_per_second));
        Self {
            disks,
            client,
            address: address.clone(),
            zone: settings.zone.clone(),
            host: settings.host.clone(),
            incarnation: clock.random_u64(),
            registered_as: None,
            clock,
            orders,
            copies,
            missing: Vec::new(),
            lost: Lost::default(),
            inventory_under_way: Arc::default(),
            epoch,
        }
    }

    /// Registers, again and again until the metaserver answers.
    ///
    /// # Errors
    /// [`WorkerError::WrongCluster`]: the data folder belongs to another cluster.
    pub async fn register(&mut self, identity: &Identity) -> Result<Registered, WorkerError> {
        let mut wait = FIRST_RETRY;
        loop {
            match self.register_once(identity).await {
                Err(WorkerError::Store(error)) => {
                    tracing::warn!(%error, "the space of the data folder is not known");
                }
                Ok(Err(failure)) if failure.reason == Reason::WrongCluster => {
                    return Err(WorkerError::WrongCluster(failure.to_string().into()));
                }
                Ok(Err(failure)) => tracing::warn!(%failure, "the metaserver can't be registered with, trying on"),
                Ok(Ok(registered)) => return Ok(registered),
                Err(error) => return Err(error),
            }
            self.pause(&mut wait).await;
        }
    }

    async fn register_once(&mut self, identity: &Identity) -> Result<Result<Registered, Failure>, WorkerError> {
        let usage = self.usage().await?;
        let request = RegisterWorkerRequest {
            worker_id: identity.worker_id.0,
            cluster_id: identity.cluster_id.clone(),
            address: self.address.clone(),
            capacity_bytes: usage.capacity_bytes,
            used_bytes: usage.used_bytes,
            free_bytes: usage.free_bytes,
            block_count: usage.block_count,
            version: protocol::VERSION.into(),
            zone: self.zone.clone(),
            host: self.host.clone(),
            incarnation: self.incarnation,
            protocol: Some(protocol::own()),
        };
        let answer = match in_time(self.client.register_worker(request)).await {
            Ok(answer) => answer.into_inner(),
            Err(status) => return Ok(Err(Failure::from_status(&status))),
        };
        if let Err(mismatch) = protocol::check("worker", "metaserver", answer.protocol.as_ref(), &answer.version) {
            return Ok(Err(Failure::new(Reason::Incompatible, "", mismatch.to_string())));
        }
        if !identity.cluster_id.is_empty() && identity.cluster_id != answer.cluster_id {
            let fault =
                format!("this folder is of cluster {}, the metaserver of {}", identity.cluster_id, answer.cluster_id);
            return Err(WorkerError::WrongCluster(fault.into()));
        }
        self.registered_as = Some(WorkerId(answer.worker_id));
        let epoch = self.epoch.seen().get();
        let identity = Identity { worker_id: WorkerId(answer.worker_id), cluster_id: answer.cluster_id, epoch };
        let heartbeat_interval = Duration::from_millis(answer.heartbeat_interval_ms).max(HEARTBEAT_MIN);
        Ok(Ok(Registered { identity, heartbeat_interval }))
    }

    /// Says that this worker ends, so that nobody has to wait until its silence is noticed. If that is not heard, it is.
    pub async fn leave(&mut self) {
        let Some(worker) = self.registered_as else { return };
        let request = LeaveClusterRequest { worker_id: worker.0, incarnation: self.incarnation };
        match tokio::time::timeout(LEAVE_TIMEOUT, self.client.leave_cluster(request)).await {
            Ok(Ok(_)) => tracing::info!("left the cluster in order"),
            Ok(Err(status)) => tracing::debug!(failure = %Failure::from_status(&status), "the end was not taken"),
            Err(_) => tracing::debug!("the metaserver did not hear of the end"),
        }
    }

    async fn usage(&self) -> Result<Usage, WorkerError> {
        let disks = self.disks.clone();
        Ok(off_thread(move || disks.usage()).await??)
    }

    /// Waits, longer each time, and never in step with others.
    async fn pause(&self, wait: &mut Duration) {
        let jitter = self.clock.random_u64() % 1000;
        tokio::time::sleep(wait.mul_f64(0.5 + jitter as f64 / 2000.0)).await;
        *wait = (*wait * 2).min(LAST_RETRY);
    }

    async fn heartbeat(&mut self, worker: WorkerId) -> Result<WorkerHeartbeatResponse, Status> {
        let reported = self.disks.clone();
        let looked_at = off_thread(move || (reported.usage(), reported.reports())).await;
        let (usage, disks) = looked_at.map_err(|error| Status::internal(error.to_string()))?;
        let usage = usage.map_err(|error| Status::internal(error.to_string()))?;
        let room = REPORT_MAX_COUNT.saturating_sub(self.missing.len());
        self.missing.extend(self.lost.next(&self.disks, room).iter().map(|id| id.0));
        let deleted = self.orders.done(REPORT_MAX_COUNT);
        let mut damaged = self.disks.damaged_unreported();
        let copy_results = self.copies.results(REPORT_MAX_COUNT, &damaged);
        damaged.truncate(REPORT_MAX_COUNT);
        let settled: Vec<u64> = copy_results.iter().map(|result| result.order_id).collect();
        let request = WorkerHeartbeatRequest {
            worker_id: worker.0,
            capacity_bytes: usage.capacity_bytes,
            used_bytes: usage.used_bytes,
            free_bytes: usage.free_bytes,
            block_count: usage.block_count,
            deleted_block_ids: deleted.iter().map(|id| id.0).collect(),
            damaged_block_ids: damaged.iter().map(|id| id.0).collect(),
            incarnation: self.incarnation,
            copy_results,
            missing_block_ids: self.missing.clone(),
            disks: disks.iter().map(told).collect(),
        };
        let answer = in_time(self.client.worker_heartbeat(request)).await?.into_inner();
        // Unknown there: what was reported was not heard either.
        if !answer.register {
            self.orders.reported(&deleted);
            self.disks.reported(&damaged);
            self.copies.reported(&settled);
            self.missing.clear();
        }
        Ok(answer)
    }

    /// Looks whether blocks are here. Those that are damaged were reported, or will be.
    fn check(&mut self, block_ids: &[u64]) {
        let is_missing = |id: &u64| self.disks.keeping(BlockId(*id)).is_err();
        self.missing.extend(block_ids.iter().copied().filter(is_missing));
    }
}

/// Heartbeats and obeys until the metaserver wants a new registration.
pub async fn serve(membership: &mut Membership, registered: &Registered, shutdown: &Shutdown) {
    let worker = registered.identity.worker_id;
    let (orders, copies) = (membership.orders.clone(), membership.copies.clone());
    let disks = membership.disks.clone();
    membership.send_inventory(worker, shutdown);
    tokio::select! {
        () = orders.carry_out(&disks) => {}
        () = copies.carry_out() => {}
        () = heartbeats(membership, registered, shutdown) => {}
    }
}

async fn heartbeats(membership: &mut Membership, registered: &Registered, shutdown: &Shutdown) {
    let worker = registered.identity.worker_id;
    let mut wait = FIRST_RETRY;
    let mut lost = false;
    loop {
        let answer = match membership.heartbeat(worker).await {
            // Before anything is obeyed.
            Ok(answer) => membership.epoch.keep(&registered.identity).await.map(|()| answer),
            Err(status) => Err(status),
        };
        match answer {
            Ok(answer) => {
                if lost {
                    tracing::info!("the metaserver answers again");
                }
                (wait, lost) = (FIRST_RETRY, false);
                if answer.register {
                    return;
                }
                membership.orders.give(answer.delete_block_ids.into_iter().map(BlockId));
                membership.copies.give(answer.copy_orders);
                membership.check(&answer.check_block_ids);
                if answer.send_inventory {
                    membership.send_inventory(worker, shutdown);
                }
                tokio::select! {
                    () = tokio::time::sleep(registered.heartbeat_interval) => {}
                    // Whoever has nothing left to do asks for more.
                    () = membership.copies.are_done() => tokio::time::sleep(HEARTBEAT_MIN).await,
                }
            }
            Err(status) => {
                if !lost {
                    tracing::warn!(failure = %Failure::from_status(&status), "the metaserver does not answer, trying on");
                }
                lost = true;
                membership.pause(&mut wait).await;
            }
        }
    }
}

/// A disk as the metaserver is told of it.
fn told(report: &DiskReport) -> WorkerDisk {
    let usage = report.usage.unwrap_or_default();
    WorkerDisk {
        disk_id: report.id.to_string(),
        folder: cut(&report.folder.to_string_lossy()),
        capacity_bytes: usage.capacity_bytes,
        used_bytes: usage.used_bytes,
        free_bytes: usage.free_bytes,
        block_count: usage.block_count,
        file_system: report.file_system.clone(),
        failure: report.failure.as_deref().map(cut).unwrap_or_default(),
    }
}

/// The beginning of a text.
fn cut(text: &str) -> String {
    text.chars().take(TOLD_MAX_CHARS).collect()
}

async fn in_time<T>(call: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    match tokio::time::timeout(CALL_TIMEOUT, call).await {
        Ok(result) => result,
        Err(_) => Err(Status::deadline_exceeded("the metaserver took too long")),
    }
}
