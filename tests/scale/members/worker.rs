//! A worker as the metaserver sees one: it registers, heartbeats every second, tells what it holds when asked, and now
//! and then dies and starts again.

use super::blocks::Blocks;
use super::figures::Figures;
use crate::metaserver::Metaserver;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tonic::Status;
use weir_proto::v1::workers_client::WorkersClient;
use weir_proto::v1::{
    CopyResult, InventoryBatch, RegisterWorkerRequest, RegisterWorkerResponse, WorkerHeartbeatRequest,
    WorkerHeartbeatResponse,
};
use weir_service::channel::Channel;

/// How long a worker that died is away: longer than `metaserver.worker_timeout_ms`.
const AWAY: Duration = Duration::from_secs(15);
const RETRY: Duration = Duration::from_millis(500);
const CAPACITY_BYTES: u64 = 16 << 40;
const BATCH_COUNT: usize = 10_000;
const REGISTRATIONS_AT_ONCE: usize = 32;
const ZONES: usize = 3;

/// Registers so many workers, none of which heartbeats yet. Returns the answers.
///
/// # Errors
/// What the metaserver says.
pub async fn register_all(metaserver: &Metaserver, count: usize) -> Result<Vec<RegisterWorkerResponse>, Status> {
    let client = WorkersClient::new(metaserver.channel());
    let registrations = stream::iter(0..count).map(|at| {
        let mut client = client.clone();
        async move { Ok(client.register_worker(registration(at, 0, "", 1)).await?.into_inner()) }
    });
    registrations.buffered(REGISTRATIONS_AT_ONCE).try_collect().await
}

fn registration(at: usize, worker_id: u64, cluster_id: &str, incarnation: u64) -> RegisterWorkerRequest {
    RegisterWorkerRequest {
        worker_id,
        cluster_id: cluster_id.into(),
        address: format!("10.{}.{}.{}:29999", at % ZONES, at >> 8, at & 0xff),
        capacity_bytes: CAPACITY_BYTES,
        free_bytes: CAPACITY_BYTES / 2,
        used_bytes: CAPACITY_BYTES / 2,
        version: "0.1.0".into(),
        zone: format!("zone-{}", at % ZONES),
        incarnation,
        ..Default::default()
    }
}

pub struct Worker {
    client: WorkersClient<Channel>,
    at: usize,
    /// Its id, and the cluster's.
    registered: RegisterWorkerResponse,
    incarnation: u64,
    /// Of a thousand heartbeats, how many are the last before it dies.
    dying: u64,
    beats: u64,
    blocks: Arc<Blocks>,
    figures: Arc<Figures>,
}

impl Worker {
    pub fn new(
        metaserver: &Metaserver,
        at: usize,
        registered: RegisterWorkerResponse,
        dying: u64,
        blocks: Arc<Blocks>,
        figures: Arc<Figures>,
    ) -> Self {
        let client = WorkersClient::new(metaserver.channel());
        Self { client, at, registered, incarnation: 1, dying, beats: 0, blocks, figures }
    }

    pub async fn run(mut self) {
        loop {
            self.incarnation += 1;
            while let Err(status) = self.register().await {
                self.figures.fail(&status);
                tokio::time::sleep(RETRY).await;
            }
            self.figures.arrived();
            self.serve(Duration::from_millis(self.registered.heartbeat_interval_ms)).await;
            self.figures.left();
            tokio::time::sleep(AWAY).await;
        }
    }

    async fn register(&mut self) -> Result<(), Status> {
        let RegisterWorkerResponse { worker_id, cluster_id, .. } = &self.registered;
        let request = registration(self.at, *worker_id, cluster_id, self.incarnation);
        self.registered = self.client.register_worker(request).await?.into_inner();
        Ok(())
    }

    /// Heartbeats until it dies.
    async fn serve(&mut self, interval: Duration) {
        let mut ticks = tokio::time::interval(interval);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        // Not all in step.
        tokio::time::sleep(interval * (self.at % 1000) as u32 / 1000).await;
        let mut results = Vec::new();
        loop {
            ticks.tick().await;
            self.beats += 1;
            if self.dies() {
                return;
            }
            let began = Instant::now();
            match self.heartbeat(std::mem::take(&mut results)).await {
                Ok(answer) => {
                    self.figures.worker_beat(began.elapsed());
                    if answer.register {
                        return;
                    }
                    if answer.send_inventory {
                        self.send_inventory();
                    }
                    // What is ordered of it, it does at once.
                    let done = |order: weir_proto::v1::CopyOrder| CopyResult {
                        order_id: order.order_id,
                        block_id: order.block_id,
                        failure: None,
                    };
                    results = answer.copy_orders.into_iter().map(done).collect();
                }
                Err(status) => self.figures.fail(&status),
            }
        }
    }

    fn dies(&self) -> bool {
        let chance = (self.registered.worker_id ^ self.beats << 20).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        chance % 1000 < self.dying
    }

    async fn heartbeat(&mut self, copy_results: Vec<CopyResult>) -> Result<WorkerHeartbeatResponse, Status> {
        // As one that is written to.
        let used_bytes = CAPACITY_BYTES / 2 + self.beats * (100 << 20);
        let request = WorkerHeartbeatRequest {
            worker_id: self.registered.worker_id,
            capacity_bytes: CAPACITY_BYTES,
            used_bytes,
            free_bytes: CAPACITY_BYTES - used_bytes,
            block_count: 10_000 + self.beats,
            incarnation: self.incarnation,
            copy_results,
            ..Default::default()
        };
        Ok(self.client.worker_heartbeat(request).await?.into_inner())
    }

    /// Beside the heartbeats. The metaserver takes a few at a time; the others wait.
    fn send_inventory(&self) {
        let (mut client, figures) = (self.client.clone(), self.figures.clone());
        let (blocks, at, worker_id, incarnation) =
            (self.blocks.clone(), self.at, self.registered.worker_id, self.incarnation);
        tokio::spawn(async move {
            let ids = blocks.of(at);
            let batches: Vec<InventoryBatch> = ids
                .chunks(BATCH_COUNT)
                .map(|some| InventoryBatch { worker_id, incarnation, block_ids: some.to_vec(), ..Default::default() })
                .collect();
            match client.report_inventory(stream::iter(batches)).await {
                Ok(_) => figures.inventory(ids.len()),
                // Of a start that is over it is refused.
                Err(status) if status.code() == tonic::Code::InvalidArgument => {}
                Err(status) => figures.fail(&status),
            }
        });
    }
}
