//! One copy of a block being written: the stream to its worker, and the time that the worker is given.

use futures::StreamExt as _;
use std::any::Any;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::Instrument as _;
use weir_proto::Failure;
use weir_proto::v1::blocks_client::BlocksClient;
use weir_proto::v1::write_block_request::Step;
use weir_proto::v1::{self, Reason};
use weir_service::channel::Channel;
use weir_service::planted::{Fault, planted};
use weir_service::trace::Current;

/// Kept while a worker may still be at work on the block.
pub type Hold = Arc<dyn Any + Send + Sync>;

/// Messages on their way to one worker: one being sent, one waiting.
const QUEUE_DEPTH: usize = 1;

/// Memory that data takes until the transport has it.
pub type Permit = Arc<OwnedSemaphorePermit>;

/// How long a worker is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// One that takes nothing for so long has failed.
    stall: Duration,
    /// One that does not answer so long after the last byte has failed.
    answer: Duration,
}

impl Patience {
    /// There is no other worker: a slow disk is better than none.
    pub const LONG: Self = Self { stall: Duration::from_secs(30), answer: Duration::from_secs(60) };

    /// Another worker can take over from one that is silent for so long.
    pub fn short(silence: Duration) -> Self {
        Self { stall: silence, answer: silence }
    }
}

struct Message {
    step: Step,
    _permit: Option<Permit>,
}

/// The stream to one worker. Dropped before the block's end is sent, it leaves nothing there.
pub(super) struct Replica {
    pub worker_id: u64,
    patience: Patience,
    queue: mpsc::Sender<Message>,
    answer: JoinHandle<Result<v1::WriteBlockResponse, Failure>>,
    /// When dropped, the time begins in which the worker must answer.
    _at_end: DropGuard,
}

impl Replica {
    pub fn open(
        header: v1::WriteBlockHeader,
        worker_id: u64,
        channel: Channel,
        patience: Patience,
        hold: Hold,
    ) -> Self {
        // One more than the depth: the header is in the queue at once.
        let (queue, messages) = mpsc::channel(QUEUE_DEPTH + 1);
        let ended = CancellationToken::new();
        let at_end = ended.clone().drop_guard();
        // The queue is empty and its other end is at hand: there is room.
        let _ = queue.try_send(Message { step: Step::Header(header), _permit: None });
        let sent = async move {
            let stream = ReceiverStream::new(messages)
                .map(|message: Message| v1::WriteBlockRequest { step: Some(message.step) });
            let mut client = BlocksClient::new(channel);
            let answer = tokio::select! {
                answer = client.write_block(stream) => match answer {
                    Ok(response) => Ok(response.into_inner()),
                    Err(status) => Err(Failure::from_status(&status)),
                },
                () = async { ended.cancelled().await; tokio::time::sleep(patience.answer).await } => {
                    Err(silent(worker_id))
                }
            };
            drop(hold);
            answer
        };
        let answer = tokio::spawn(Current::get().carry(sent).in_current_span());
        Self { worker_id, patience, queue, answer, _at_end: at_end }
    }

    /// Waits while the worker is behind.
    pub async fn send(&mut self, step: Step, permit: Option<Permit>) -> Result<(), Failure> {
        match timeout(self.patience.stall, self.queue.send(Message { step, _permit: permit })).await {
            Ok(Ok(())) => Ok(()),
            Err(_) => {
                // What waits for it is let go at once.
                self.answer.abort();
                Err(silent(self.worker_id))
            }
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

    /// Nothing more will be sent; the worker's answer is what remains.
    pub fn into_answer(self) -> Answer {
        Answer { worker_id: self.worker_id, answer: self.answer }
    }
}

/// What a worker will say of a block of which it has got the last byte.
pub(super) struct Answer {
    pub worker_id: u64,
    answer: JoinHandle<Result<v1::WriteBlockResponse, Failure>>,
}

impl Answer {
    /// Waits until the worker has the block on disk.
    pub async fn acknowledged(self, sent: &v1::Extent) -> Result<(), Failure> {
        if planted(Fault::ReplicaCountedEarly) {
            return Ok(());
        }
        let answer = joined(self.answer.await)?;
        if answer.length_bytes != sent.length_bytes || answer.crc32c != sent.crc32c {
            let message = format!("worker {} acknowledged other bytes than were sent", self.worker_id);
            return Err(Failure::new(Reason::ChecksumMismatch, "", message));
        }
        Ok(())
    }
}

fn joined<T>(answer: Result<Result<T, Failure>, tokio::task::JoinError>) -> Result<T, Failure> {
    answer
        .unwrap_or_else(|error| Err(Failure::new(Reason::Unavailable, "", format!("the write was given up: {error}"))))
}

fn silent(worker_id: u64) -> Failure {
    Failure::new(Reason::Unavailable, "", format!("worker {worker_id} does not take or answer a block"))
}
