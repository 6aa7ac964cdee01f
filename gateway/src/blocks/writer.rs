//! Writes one block to all its replicas at the same time.

use super::WorkerConnector;
use bytes::Bytes;
use crc_fast::{CrcAlgorithm, Digest as CrcDigest};
use futures::StreamExt as _;
use std::any::Any;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::{CancellationToken, DropGuard};
use weir_proto::v1::blocks_client::BlocksClient;
use weir_proto::v1::write_block_request::Step;
use weir_proto::v1::{self, Reason};
use weir_proto::{BlockId, Failure};
use weir_service::channel::Channel;

/// Messages on their way to one worker: one being sent, one waiting.
const QUEUE_DEPTH: usize = 1;
/// A worker that takes nothing for so long has failed.
const STALL_TIMEOUT: Duration = Duration::from_secs(30);
/// A worker that does not answer so long after the last byte has failed.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// Kept while a worker may still be at work on the block.
pub type Hold = Arc<dyn Any + Send + Sync>;

/// Memory that data takes until the transport has it.
pub type Permit = Arc<OwnedSemaphorePermit>;

struct Message {
    step: Step,
    _permit: Option<Permit>,
}

struct Replica {
    worker_id: u64,
    queue: mpsc::Sender<Message>,
    answer: JoinHandle<Result<v1::WriteBlockResponse, Failure>>,
    /// When dropped, the time begins in which the worker must answer.
    _at_end: DropGuard,
}

/// A block being written. Dropping it before [`BlockWriter::finish`] leaves nothing on any worker.
pub struct BlockWriter {
    block_id: BlockId,
    replicas: Vec<Replica>,
    crc32c: CrcDigest,
    length_bytes: u64,
}

impl BlockWriter {
    /// Opens a stream to each worker. `expected_bytes`: 0 when it is not known. `hold` is let go when no worker is at
    /// work on the block any more, whether or not this writer is still there.
    pub fn begin(
        block_id: BlockId,
        expected_bytes: u64,
        workers: &[v1::Worker],
        connector: &dyn WorkerConnector,
        hold: &Hold,
    ) -> Self {
        let header = v1::WriteBlockHeader { block_id: block_id.0, length_bytes: expected_bytes };
        let replicas = workers
            .iter()
            .map(|worker| Replica::open(header, worker.worker_id, connector.channel(worker), hold.clone()))
            .collect();
        Self { block_id, replicas, crc32c: CrcDigest::new(CrcAlgorithm::Crc32Iscsi), length_bytes: 0 }
    }

    pub fn block_id(&self) -> BlockId {
        self.block_id
    }

    pub fn length_bytes(&self) -> u64 {
        self.length_bytes
    }

    /// Sends data to all workers; waits while the slowest of them is behind.
    ///
    /// # Errors
    /// What the first worker that failed said. The block can't be finished then.
    pub async fn write(&mut self, data: Bytes, permit: Option<Permit>) -> Result<(), Failure> {
        self.crc32c.update(&data);
        self.length_bytes += data.len() as u64;
        for replica in &mut self.replicas {
            replica.send(Step::Data(data.clone()), permit.clone()).await?;
        }
        Ok(())
    }

    /// Tells all workers that this was all; their acknowledgement is waited for apart, so that the next block can
    /// begin meanwhile.
    ///
    /// # Errors
    /// As [`BlockWriter::write`].
    pub async fn finish(mut self) -> Result<FinishingBlock, Failure> {
        let crc32c = low_half(self.crc32c.finalize());
        let finish = v1::WriteBlockFinish { length_bytes: self.length_bytes, crc32c };
        for replica in &mut self.replicas {
            replica.send(Step::Finish(finish), None).await?;
        }
        let worker_ids = self.replicas.iter().map(|replica| replica.worker_id).collect();
        let extent = v1::Extent { block_id: self.block_id.0, length_bytes: self.length_bytes, crc32c };
        let answers = self.replicas.into_iter().map(|replica| (replica.worker_id, replica.answer)).collect();
        Ok(FinishingBlock {
            written: v1::WrittenExtent { extent: Some(extent), worker_ids, replication: 0 },
            answers,
            finish,
        })
    }
}

/// A 32 bit CRC, which the library gives in 64 bits.
pub(super) fn low_half(crc: u64) -> u32 {
    (crc & u64::from(u32::MAX)) as u32
}

/// A block of which the last byte is sent.
pub struct FinishingBlock {
    written: v1::WrittenExtent,
    answers: Vec<(u64, JoinHandle<Result<v1::WriteBlockResponse, Failure>>)>,
    finish: v1::WriteBlockFinish,
}

impl FinishingBlock {
    /// Waits until all workers have the block on disk.
    ///
    /// # Errors
    /// What the first worker that failed said: a block is acknowledged by all or not at all.
    pub async fn acknowledged(self) -> Result<v1::WrittenExtent, Failure> {
        for (worker_id, answer) in self.answers {
            let answer = joined(answer.await)?;
            if answer.length_bytes != self.finish.length_bytes || answer.crc32c != self.finish.crc32c {
                let message = format!("worker {worker_id} acknowledged other bytes than were sent");
                return Err(Failure::new(Reason::ChecksumMismatch, "", message));
            }
        }
        Ok(self.written)
    }
}

impl Replica {
    fn open(header: v1::WriteBlockHeader, worker_id: u64, channel: Channel, hold: Hold) -> Self {
        // One more than the depth: the header is in the queue at once.
        let (queue, messages) = mpsc::channel(QUEUE_DEPTH + 1);
        let ended = CancellationToken::new();
        let at_end = ended.clone().drop_guard();
        // The queue is empty and its other end is at hand: there is room.
        let _ = queue.try_send(Message { step: Step::Header(header), _permit: None });
        let answer = tokio::spawn(async move {
            let stream = ReceiverStream::new(messages)
                .map(|message: Message| v1::WriteBlockRequest { step: Some(message.step) });
            let mut client = BlocksClient::new(channel);
            let answer = tokio::select! {
                answer = client.write_block(stream) => match answer {
                    Ok(response) => Ok(response.into_inner()),
                    Err(status) => Err(Failure::from_status(&status)),
                },
                () = async { ended.cancelled().await; tokio::time::sleep(ANSWER_TIMEOUT).await } => {
                    Err(silent(worker_id))
                }
            };
            drop(hold);
            answer
        });
        Self { worker_id, queue, answer, _at_end: at_end }
    }

    async fn send(&mut self, step: Step, permit: Option<Permit>) -> Result<(), Failure> {
        match timeout(STALL_TIMEOUT, self.queue.send(Message { step, _permit: permit })).await {
            Ok(Ok(())) => Ok(()),
            Err(_) => Err(silent(self.worker_id)),
            // The worker ended the call before its time: its answer says why.
            Ok(Err(_)) => match joined((&mut self.answer).await) {
                Err(failure) => Err(failure),
                Ok(_) => {
                    let message = format!("worker {} answered before it had the block", self.worker_id);
                    Err(Failure::new(Reason::Unavailable, "", message))
                }
            },
        }
    }
}

fn joined<T>(answer: Result<Result<T, Failure>, tokio::task::JoinError>) -> Result<T, Failure> {
    answer
        .unwrap_or_else(|error| Err(Failure::new(Reason::Unavailable, "", format!("the write was given up: {error}"))))
}

fn silent(worker_id: u64) -> Failure {
    Failure::new(Reason::Unavailable, "", format!("worker {worker_id} does not take or answer a block"))
}
