//! Writes one block to all its replicas at the same time. A worker that fails is left behind: the others go on, and
//! whoever writes decides whether another one takes over.

use super::WorkerConnector;
use super::replica::{Answer, Hold, Patience, Permit, Replica};
use bytes::Bytes;
use crc_fast::{CrcAlgorithm, Digest as CrcDigest};
use futures::future::join_all;
use std::sync::Arc;
use weir_proto::v1::write_block_request::Step;
use weir_proto::v1::{self, Reason};
use weir_proto::{BlockId, Failure};

/// So much of a block's beginning is kept, within the budget of its upload, so that another worker can take over as if
/// it had been there from the start.
pub(super) const WINDOW_BYTES: u64 = 1 << 20;
/// Pieces below this size are copied, since each keeps the buffer of a connection that it is a part of; of a body that
/// comes in more of them than so many nothing is kept.
const SMALL_PIECE_BYTES: usize = 8 << 10;
const SMALL_PIECE_MAX_COUNT: usize = 32;

/// A worker that did not take a block, and why.
#[derive(Debug)]
pub struct FailedReplica {
    pub worker_id: u64,
    pub failure: Failure,
}

/// A block that is about to be written.
pub struct NewBlock {
    pub block_id: BlockId,
    /// The most that will come; 0: not known.
    pub expected_bytes: u64,
    pub patience: Patience,
    /// There are other workers that could take over.
    pub is_replaceable: bool,
    /// Let go when no worker is at work on the block any more, whether or not the writer is still there.
    pub hold: Hold,
}

/// All of a block so far, with the memory that it takes; none: it is not kept.
struct Window(Option<Vec<Kept>>);

pub type Kept = (Bytes, Option<Permit>);

/// A block being written, as whoever looks for other workers sees it.
pub trait Mendable {
    fn block_id(&self) -> u64;

    /// Workers that have taken all that they should so far.
    fn holder_ids(&self) -> Vec<u64>;

    /// How much a worker has to take, so far.
    fn part_bytes(&self) -> u64;

    /// Workers that have failed, in the order in which they did.
    fn failed(&self) -> &[FailedReplica];

    /// Can other workers be given what they should have from its beginning?
    fn has_window(&self) -> bool;

    /// Lets other workers take over: they get what the window has. Without a window nothing is done.
    fn add(&mut self, workers: &[v1::Worker]) -> impl Future<Output = ()> + Send;
}

/// A block being written. Dropping it before [`BlockWriter::finish`] leaves nothing on any worker.
pub struct BlockWriter {
    block: NewBlock,
    connector: Arc<dyn WorkerConnector>,
    replicas: Vec<Replica>,
    failed: Vec<FailedReplica>,
    window: Window,
    crc32c: CrcDigest,
    length_bytes: u64,
}

impl BlockWriter {
    /// Opens a stream to each worker.
    pub fn begin(block: NewBlock, workers: &[v1::Worker], connector: &Arc<dyn WorkerConnector>) -> Self {
        let window = Window(block.is_replaceable.then(Vec::new));
        let mut writer = Self {
            block,
            connector: connector.clone(),
            replicas: Vec::with_capacity(workers.len()),
            failed: Vec::new(),
            window,
            crc32c: CrcDigest::new(CrcAlgorithm::Crc32Iscsi),
            length_bytes: 0,
        };
        writer.replicas = workers.iter().map(|worker| writer.open(worker)).collect();
        writer
    }

    fn open(&self, worker: &v1::Worker) -> Replica {
        let NewBlock { block_id, expected_bytes, patience, hold, .. } = &self.block;
        let header = v1::WriteBlockHeader { block_id: block_id.0, length_bytes: *expected_bytes };
        Replica::open(header, worker.worker_id, self.connector.channel(worker), *patience, hold.clone())
    }

    pub fn length_bytes(&self) -> u64 {
        self.length_bytes
    }

    /// Sends data to all workers; waits while the slowest of them is behind. One that fails is out.
    pub async fn write(&mut self, data: Bytes, permit: Option<Permit>) {
        self.crc32c.update(&data);
        self.length_bytes += data.len() as u64;
        if self.length_bytes > WINDOW_BYTES {
            self.window.forget();
        }
        self.send(&Step::Data(data.clone()), permit.as_ref()).await;
        self.window.keep(data, permit);
    }

    async fn send(&mut self, step: &Step, permit: Option<&Permit>) {
        let sends = self.replicas.iter_mut().map(|replica| replica.send(step.clone(), permit.cloned()));
        let outcomes = join_all(sends).await;
        if outcomes.iter().all(Result::is_ok) {
            return;
        }
        let replicas = std::mem::take(&mut self.replicas);
        for (replica, outcome) in replicas.into_iter().zip(outcomes) {
            match outcome {
                Ok(()) => self.replicas.push(replica),
                Err(failure) => self.failed.push(FailedReplica { worker_id: replica.worker_id, failure }),
            }
        }
    }

    /// Gives up the memory of the window: what others wait for.
    pub fn forget_window(&mut self) {
        self.window.forget();
    }

    /// Lets another worker take over: it gets what the window has. Without a window nothing is done.
    async fn take_over(&mut self, worker: &v1::Worker) {
        let Some(pieces) = &self.window.0 else { return };
        let mut replica = self.open(worker);
        for (data, permit) in pieces {
            if let Err(failure) = replica.send(Step::Data(data.clone()), permit.clone()).await {
                self.failed.push(FailedReplica { worker_id: worker.worker_id, failure });
                return;
            }
        }
        self.replicas.push(replica);
    }

    /// Tells all workers that this was all; their acknowledgement is waited for apart, so that the next block can
    /// begin meanwhile.
    pub async fn finish(mut self) -> FinishingBlock {
        let crc32c = low_half(self.crc32c.finalize());
        let finish = v1::WriteBlockFinish { length_bytes: self.length_bytes, crc32c };
        self.send(&Step::Finish(finish), None).await;
        let extent = v1::Extent { block_id: self.block.block_id.0, length_bytes: self.length_bytes, crc32c };
        let answers = self.replicas.into_iter().map(Replica::into_answer).collect();
        FinishingBlock { extent, hold: self.block.hold, answers, failed: self.failed, window: self.window }
    }
}

impl Mendable for BlockWriter {
    fn block_id(&self) -> u64 {
        self.block.block_id.0
    }

    fn holder_ids(&self) -> Vec<u64> {
        self.replicas.iter().map(|replica| replica.worker_id).collect()
    }

    fn part_bytes(&self) -> u64 {
        self.length_bytes
    }

    fn failed(&self) -> &[FailedReplica] {
        &self.failed
    }

    fn has_window(&self) -> bool {
        self.window.0.is_some()
    }

    async fn add(&mut self, workers: &[v1::Worker]) {
        for worker in workers {
            self.take_over(worker).await;
        }
    }
}

impl Window {
    fn keep(&mut self, data: Bytes, permit: Option<Permit>) {
        let Some(pieces) = &mut self.0 else { return };
        if data.len() >= SMALL_PIECE_BYTES {
            pieces.push((data, permit));
        } else if pieces.iter().filter(|(kept, _)| kept.len() < SMALL_PIECE_BYTES).count() < SMALL_PIECE_MAX_COUNT {
            pieces.push((Bytes::copy_from_slice(&data), permit));
        } else {
            self.forget();
        }
    }

    fn forget(&mut self) {
        self.0 = None;
    }
}

/// Why a block has too few copies, or shards: what the workers said, if they agree, else that they can't be had now.
pub(super) fn shortage_of(failed: &[FailedReplica], count: usize, min: usize, parts: &str) -> Failure {
    let first = failed.first().map(|failed| &failed.failure);
    let is_full = failed.iter().all(|failed| failed.failure.reason == Reason::NoSpace);
    match first {
        Some(first) if is_full || count == 0 => first.clone(),
        _ => {
            let why = first.map_or_else(String::new, |first| format!(": {first}"));
            let message = format!("a block has {count} of the {min} {parts} that it needs{why}");
            Failure::new(Reason::Unavailable, "", message)
        }
    }
}

/// A 32 bit CRC, which the library gives in 64 bits.
pub(super) fn low_half(crc: u64) -> u32 {
    (crc & u64::from(u32::MAX)) as u32
}

/// A block of which the last byte is sent.
pub struct FinishingBlock {
    extent: v1::Extent,
    hold: Hold,
    answers: Vec<Answer>,
    failed: Vec<FailedReplica>,
    window: Window,
}

impl FinishingBlock {
    pub fn block_id(&self) -> u64 {
        self.extent.block_id
    }

    /// Workers that have failed so far.
    pub fn failed(&self) -> &[FailedReplica] {
        &self.failed
    }

    /// As [`BlockWriter::forget_window`].
    pub fn forget_window(&mut self) {
        self.window.forget();
    }

    /// Waits until each worker has the block on disk or has failed.
    pub async fn answered(self) -> WrittenBlock {
        let Self { extent, hold, answers, mut failed, window } = self;
        let mut holders = Vec::with_capacity(answers.len());
        for answer in answers {
            let worker_id = answer.worker_id;
            match answer.acknowledged(&extent).await {
                Ok(()) => holders.push(worker_id),
                Err(failure) => failed.push(FailedReplica { worker_id, failure }),
            }
        }
        WrittenBlock { extent, holders, failed, hold, window }
    }
}

/// A block that each of its workers has on disk or has failed to take.
pub struct WrittenBlock {
    pub extent: v1::Extent,
    /// Workers that have it on disk.
    pub holders: Vec<u64>,
    pub failed: Vec<FailedReplica>,
    hold: Hold,
    window: Window,
}

impl WrittenBlock {
    /// See [`shortage_of`].
    pub fn shortage(&self, min: usize) -> Failure {
        shortage_of(&self.failed, self.holders.len(), min, "copies")
    }

    /// A writer of the same block for other workers.
    pub fn again(
        &self,
        workers: &[v1::Worker],
        patience: Patience,
        connector: &Arc<dyn WorkerConnector>,
    ) -> BlockWriter {
        let block = NewBlock {
            block_id: BlockId(self.extent.block_id),
            expected_bytes: self.extent.length_bytes,
            patience,
            // Who has it whole keeps no window.
            is_replaceable: false,
            hold: self.hold.clone(),
        };
        BlockWriter::begin(block, workers, connector)
    }

    /// All of the block, if it is still kept.
    pub fn take_window(&mut self) -> Option<Vec<Kept>> {
        self.window.0.take()
    }
}
