//! What becomes of a block that was begun: committed, or abandoned in the background once no worker is at work on it.

use super::term::{BlockInFlight, Term};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use tokio::sync::mpsc;
use weir_proto::v1;
use weir_proto::v1::sessions_client::SessionsClient;
use weir_service::channel::Channel;

/// Blocks in one call of AbandonBlocks.
const ABANDON_MAX_COUNT: usize = 1_000;

/// The block's stream has not ended: if it is cut off, it leaves nothing behind.
const STREAMING: u8 = 0;
/// A worker may have it on disk, and nothing refers to it.
const WRITTEN: u8 = 1;
/// A commit was sent that refers to it. What becomes of it is the metaserver's to know.
const COMMITTED: u8 = 2;

/// A block from the moment that its id is taken. Shared by the upload and by whoever still writes to a worker; the
/// last of them to let go decides its fate.
pub(super) struct BlockLease {
    block: Option<BlockInFlight>,
    /// Every worker that may have it.
    worker_ids: Mutex<Vec<u64>>,
    state: AtomicU8,
    abandoned: mpsc::UnboundedSender<AbandonedBlock>,
}

/// A block that was written and will never be committed. In flight until the metaserver knows.
pub(super) struct AbandonedBlock {
    block: BlockInFlight,
    worker_ids: Vec<u64>,
}

impl BlockLease {
    pub fn new(block: BlockInFlight, worker_ids: Vec<u64>, abandoned: mpsc::UnboundedSender<AbandonedBlock>) -> Self {
        let worker_ids = Mutex::new(worker_ids);
        Self { block: Some(block), worker_ids, state: AtomicU8::new(STREAMING), abandoned }
    }

    /// The block is about to be sent to more workers.
    pub fn add_workers(&self, worker_ids: &[u64]) {
        self.worker_ids.lock().extend_from_slice(worker_ids);
    }

    /// The last byte is about to be sent.
    pub fn set_written(&self) {
        self.state.store(WRITTEN, Ordering::Release);
    }

    /// A commit is about to be sent that refers to it.
    pub fn set_committed(&self) {
        self.state.store(COMMITTED, Ordering::Release);
    }
}

impl Drop for BlockLease {
    fn drop(&mut self) {
        if *self.state.get_mut() == WRITTEN
            && let Some(block) = self.block.take()
        {
            let worker_ids = std::mem::take(self.worker_ids.get_mut());
            // Nobody listens any more when the gateway has stopped: its session is over then, and all is reclaimed.
            let _ = self.abandoned.send(AbandonedBlock { block, worker_ids });
        }
    }
}

/// Tells the metaserver of abandoned blocks until no lease can come any more.
pub(super) async fn abandon(
    client: SessionsClient<Channel>,
    mut blocks: mpsc::UnboundedReceiver<AbandonedBlock>,
    count: prometheus_client::metrics::counter::Counter,
) {
    let mut batch = Vec::new();
    while blocks.recv_many(&mut batch, ABANDON_MAX_COUNT).await > 0 {
        count.inc_by(batch.len() as u64);
        let mut by_term: BTreeMap<u64, (Arc<Term>, Vec<AbandonedBlock>)> = BTreeMap::new();
        for block in batch.drain(..) {
            let term = block.block.term().clone();
            by_term.entry(term.session_id).or_insert_with(|| (term, Vec::new())).1.push(block);
        }
        for (term, blocks) in by_term.into_values() {
            abandon_of(&client, &term, &blocks).await;
        }
    }
}

async fn abandon_of(client: &SessionsClient<Channel>, term: &Term, blocks: &[AbandonedBlock]) {
    if term.is_over() {
        return;
    }
    let request = v1::AbandonBlocksRequest {
        session_id: term.session_id,
        blocks: blocks
            .iter()
            .map(|block| v1::AbandonedBlock { block_id: block.block.block_id, worker_ids: block.worker_ids.clone() })
            .collect(),
    };
    // If it fails: once released, the ids are below the session's lowest block in flight, and reclaimed for that.
    if let Err(status) = client.clone().abandon_blocks(request).await {
        tracing::warn!(count = blocks.len(), "abandoning blocks failed, they will be found by their ids: {status}");
    }
}
