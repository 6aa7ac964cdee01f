//! Orders to have a verified copy of a block: what lies here is read whole and compared; what does not is pulled from
//! another worker, or computed where it is a shard that nobody has. Carried out beside the heartbeats, reported with the
//! next one. The metaserver repeats an order until it hears of it, so nothing here is kept on disk.

use super::orders::Orders;
use super::peers::Peers;
use crate::disks::{DiskWriter, Disks};
use crate::error::{WorkerError, failure, off_thread};
use crate::metrics::Metrics;
use crate::receiving::take;
use crate::store::{Checksummer, StoreError};
use futures::stream::{FuturesUnordered, StreamExt};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tonic::{Status, Streaming};
use weir_proto::v1::blocks_client::BlocksClient;
use weir_proto::v1::{CopyOrder, CopyResult, CopySource, ReadBlockRequest, ReadBlockResponse, Reason};
use weir_proto::{BlockId, Failure, MAX_MESSAGE_BYTES};
use weir_service::pace::Pace;

/// Orders that are carried out at the same time.
const CONCURRENCY: usize = 4;

/// Read at a time to verify what lies here.
const STEP_BYTES: u64 = 1 << 20;

/// A source that sends nothing for so long is given up.
const SOURCE_TIMEOUT: Duration = Duration::from_secs(20);

/// Orders, and what came of them.
pub struct Copies {
    pub(super) disks: Arc<Disks>,
    deletions: Arc<Orders>,
    pub(super) metrics: Arc<Metrics>,
    peers: Arc<dyn Peers>,
    pub(super) pace: Pace,
    state: Mutex<State>,
    given: Notify,
    done: Notify,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<CopyOrder>,
    active: BTreeSet<u64>,
    /// By order; not reported yet.
    results: BTreeMap<u64, CopyResult>,
}

impl Copies {
    pub fn new(
        disks: Arc<Disks>,
        deletions: Arc<Orders>,
        metrics: Arc<Metrics>,
        peers: Arc<dyn Peers>,
        bytes_per_second: u64,
    ) -> Self {
        let (state, given, done) = (Mutex::default(), Notify::new(), Notify::new());
        Self { disks, deletions, metrics, peers, pace: Pace::new(bytes_per_second), state, given, done }
    }

    /// Takes all orders that stand. One that is not among them any more, and was not begun, is not carried out.
    pub fn give(&self, orders: Vec<CopyOrder>) {
        let mut state = self.state.lock();
        let is_new =
            |order: &CopyOrder| !state.active.contains(&order.order_id) && !state.results.contains_key(&order.order_id);
        state.waiting = orders.into_iter().filter(is_new).collect();
        if !state.waiting.is_empty() {
            self.given.notify_one();
        }
    }

    /// Up to `limit` results that were not reported. A block that was found damaged since is no good copy.
    pub fn results(&self, limit: usize, damaged: &[BlockId]) -> Vec<CopyResult> {
        let state = self.state.lock();
        let results = state.results.values().take(limit).cloned();
        let told = |mut result: CopyResult| {
            let id = BlockId(result.block_id);
            if result.failure.is_none() && damaged.contains(&id) {
                result.failure =
                    Some(Failure::new(Reason::Damaged, format!("block {id}"), "it was found damaged since").into());
            }
            result
        };
        results.map(told).collect()
    }

    /// The metaserver has heard of these orders.
    pub fn reported(&self, order_ids: &[u64]) {
        let mut state = self.state.lock();
        for order_id in order_ids {
            state.results.remove(order_id);
        }
    }

    /// Resolves when the last of the orders was carried out.
    pub async fn are_done(&self) {
        self.done.notified().await;
    }

    /// Carries out what is ordered, for ever.
    pub async fn carry_out(&self) {
        // What was under way when this was last dropped has not come to an end.
        self.state.lock().active.clear();
        let mut under_way = FuturesUnordered::new();
        loop {
            while under_way.len() < CONCURRENCY {
                let Some(order) = self.take_waiting() else { break };
                under_way.push(self.fulfil(order));
            }
            let ended = async {
                match under_way.next().await {
                    Some(result) => result,
                    None => pending().await,
                }
            };
            tokio::select! {
                result = ended => self.end(result),
                () = self.given.notified() => {}
            }
        }
    }

    fn take_waiting(&self) -> Option<CopyOrder> {
        let mut state = self.state.lock();
        let order = state.waiting.pop_front()?;
        state.active.insert(order.order_id);
        Some(order)
    }

    fn end(&self, result: CopyResult) {
        let mut state = self.state.lock();
        state.active.remove(&result.order_id);
        state.results.insert(result.order_id, result);
        if state.active.is_empty() && state.waiting.is_empty() {
            self.done.notify_one();
        }
    }

    async fn fulfil(&self, order: CopyOrder) -> CopyResult {
        let id = BlockId(order.block_id);
        let failure = match self.have(&order).await {
            Ok(()) => None,
            Err(failure) => {
                self.metrics.failed_copies.inc();
                tracing::warn!(block = %id, %failure, "an ordered copy could not be made or verified");
                Some(failure.into())
            }
        };
        CopyResult { order_id: order.order_id, block_id: order.block_id, failure }
    }

    /// Sees to it that a verified copy is on disk.
    async fn have(&self, order: &CopyOrder) -> Result<(), Failure> {
        let id = BlockId(order.block_id);
        if !self.deletions.revive(id) {
            return Err(Failure::new(Reason::Unavailable, format!("block {id}"), "it is to be deleted first"));
        }
        let mut why = match self.verify(order).await {
            Ok(()) => {
                self.forget_damage(id).await;
                return Ok(());
            }
            Err(WorkerError::Store(StoreError::NoSuchBlock(_) | StoreError::Damaged { .. })) => {
                Failure::new(Reason::NoSuchBlock, format!("block {id}"), "no worker has it")
            }
            Err(error @ WorkerError::Store(StoreError::Unreadable { .. })) => failure(id, &error),
            Err(error) => return Err(failure(id, &error)),
        };
        for source in &order.sources {
            match self.pull(order, source).await {
                Ok(()) => {
                    self.copied(order).await;
                    return Ok(());
                }
                Err(failure) => {
                    tracing::warn!(block = %id, source = source.worker_id, %failure, "a block could not be copied");
                    why = failure;
                }
            }
        }
        let Some(rebuild) = &order.rebuild else { return Err(why) };
        self.rebuild(order, rebuild).await?;
        self.copied(order).await;
        Ok(())
    }

    async fn copied(&self, order: &CopyOrder) {
        self.metrics.copied_blocks.inc();
        self.metrics.copied_bytes.inc_by(order.length_bytes);
        self.forget_damage(BlockId(order.block_id)).await;
    }

    /// The block is whole: what was set aside of it goes.
    async fn forget_damage(&self, id: BlockId) {
        let disks = self.disks.clone();
        if let Ok(Err(error)) = off_thread(move || disks.forget_damage(id)).await {
            tracing::warn!(block = %id, %error, "what was set aside of a block that is whole again stays");
        }
    }

    /// Reads what lies here whole and compares it with what is ordered. Damage is set aside.
    async fn verify(&self, order: &CopyOrder) -> Result<(), WorkerError> {
        let id = BlockId(order.block_id);
        let kept = self.disks.keeping(id)?;
        let length_bytes = kept.length_bytes(id)?;
        let (mut summer, mut at) = (Checksummer::new(), 0);
        while at < length_bytes {
            let range = at..length_bytes.min(at + STEP_BYTES);
            at = range.end;
            self.pace.wait_for(range.end - range.start).await;
            let store = kept.clone();
            summer.update(&off_thread(move || store.read(id, range)).await??);
        }
        self.metrics.verified_bytes.inc_by(length_bytes);
        let (announced, received) = (order.crc32c, summer.finish().block_crc);
        if length_bytes != order.length_bytes {
            let (announced_bytes, received_bytes) = (order.length_bytes, length_bytes);
            return Err(StoreError::Length { id, announced_bytes, received_bytes }.into());
        }
        if announced != received {
            return Err(StoreError::Checksum { id, announced, received }.into());
        }
        Ok(())
    }

    /// Takes the block from another worker.
    async fn pull(&self, order: &CopyOrder, source: &CopySource) -> Result<(), Failure> {
        let id = BlockId(order.block_id);
        let refuse = |error: WorkerError| failure(id, &error);
        let request = ReadBlockRequest { block_id: order.block_id, offset_bytes: 0, length_bytes: 0 };
        let mut frames = self.frames(&source.address, request).await?;
        let mut next = in_time(frames.message()).await?;
        let mut writer = self.begin(order).await?;
        while let Some(frame) = next {
            self.pace.wait_for(frame.data.len() as u64).await;
            writer = take(writer, frame.data).await.map_err(refuse)?;
            next = in_time(frames.message()).await?;
        }
        writer.commit(order.length_bytes, order.crc32c).await.map_err(refuse)
    }

    /// Begins what is ordered, once bytes of it have come: what can't be read here makes way then, and not before.
    pub(super) async fn begin(&self, order: &CopyOrder) -> Result<DiskWriter, Failure> {
        let id = BlockId(order.block_id);
        let disks = self.disks.clone();
        off_thread(move || disks.make_way(id)).await.map_err(|error| failure(id, &error))?;
        self.disks.begin(id, Some(order.length_bytes)).map_err(|error| failure(id, &error.into()))
    }

    /// What another worker has of a block; each of the frames comes [`in_time`].
    pub(super) async fn frames(
        &self,
        address: &str,
        request: ReadBlockRequest,
    ) -> Result<Streaming<ReadBlockResponse>, Failure> {
        let channel = self.peers.channel(address).ok_or_else(|| {
            Failure::new(Reason::Unavailable, format!("block {}", request.block_id), "there is no way to other workers")
        })?;
        let mut client = BlocksClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES);
        Ok(in_time(client.read_block(request)).await?.into_inner())
    }
}

pub(super) async fn in_time<T>(step: impl Future<Output = Result<T, Status>>) -> Result<T, Failure> {
    match tokio::time::timeout(SOURCE_TIMEOUT, step).await {
        Ok(result) => result.map_err(|status| Failure::from_status(&status)),
        Err(_) => Err(Failure::new(Reason::Unavailable, "", "the other worker took too long")),
    }
}
