//! One request to one worker: a run of bytes of a block that there is memory for.

use super::budget::Grant;
use super::local::LocalBlock;
use super::sources::ReadSources;
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OnceCell;
use tokio::time::{sleep, timeout};
use tonic::Streaming;
use weir_proto::v1::blocks_client::BlocksClient;
use weir_proto::v1::{self, Reason};
use weir_proto::{Failure, MAX_MESSAGE_BYTES};

/// A worker that sends nothing for so long has failed, also where it is the only one.
const LONE_SILENCE: Duration = Duration::from_secs(20);

pub(super) struct Piece {
    pub block_id: u64,
    /// What is still wanted: moves on as bytes come.
    pub offset_bytes: u64,
    pub length_bytes: u64,
    /// The replicas that did not fail yet, the best one first.
    pub replicas: Vec<v1::Worker>,
    /// The block's file, where its first worker is on this machine: shared by the pieces of a block.
    pub local: Option<Arc<OnceCell<Option<Arc<LocalBlock>>>>>,
    /// What is read can be had without any of them.
    pub has_others: bool,
}

/// Where the bytes of a piece come from.
enum Source {
    Worker(Streaming<v1::ReadBlockResponse>),
    /// All of it, until it is taken.
    File(Bytes),
}

/// A piece that a worker sends.
pub(super) struct OpenPiece {
    pub piece: Piece,
    /// How long it was.
    pub asked_bytes: u64,
    silence: Duration,
    source: Source,
    grant: Grant,
}

impl Piece {
    pub fn failure(&self, reason: Reason, message: &str) -> Failure {
        Failure::new(reason, format!("block {}", self.block_id), message)
    }

    /// All of the piece from the block's file, if that is at hand and right.
    async fn read_file(&self, sources: &ReadSources) -> Option<Bytes> {
        let (local, worker) = (self.local.as_ref()?, self.replicas.first()?);
        if !sources.local.may_try(worker) {
            return None;
        }
        let channel = || sources.connector.channel(worker);
        let open = || sources.local.open(self.block_id, worker, channel(), sources.patience.hedge);
        let block = local.get_or_init(open).await.as_ref()?;
        match block.read(self.offset_bytes, self.length_bytes).await {
            Ok(data) => {
                sources.local.bytes.inc_by(data.len() as u64);
                Some(data)
            }
            Err(error) => {
                sources.local.failed(worker.worker_id, &error);
                None
            }
        }
    }

    /// What is wrong with one block says nothing of its worker, which reports it itself.
    fn note(&self, worker: &v1::Worker, failure: &Failure, has_other: bool, sources: &ReadSources) {
        match failure.reason {
            Reason::Damaged => {
                sources.metrics.damaged.inc();
            }
            Reason::NoSuchBlock | Reason::InvalidRange => {}
            _ => sources.health.failed(worker.worker_id),
        }
        if has_other {
            sources.metrics.failovers.inc();
        }
        tracing::warn!(
            block_id = self.block_id, worker_id = worker.worker_id, offset_bytes = self.offset_bytes,
            reason = ?failure.reason, "reading a block failed: {failure}"
        );
    }
}

/// Asks one worker for a piece. It answers when it has the first bytes.
async fn ask(
    request: v1::ReadBlockRequest,
    worker: v1::Worker,
    silence: Duration,
    sources: &ReadSources,
) -> (v1::Worker, Result<Streaming<v1::ReadBlockResponse>, Failure>) {
    let channel = sources.connector.channel(&worker);
    let mut client = BlocksClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES);
    let outcome = match timeout(silence, client.read_block(request)).await {
        Ok(Ok(response)) => Ok(response.into_inner()),
        Ok(Err(status)) => Err(Failure::from_status(&status)),
        Err(_) => Err(Failure::new(Reason::Unavailable, format!("block {}", request.block_id), "the worker is silent")),
    };
    (worker, outcome)
}

impl OpenPiece {
    /// Opens a piece on the first replica that answers: the first one alone for a moment, then the next one beside it,
    /// and so on. What was asked in vain is last among the replicas of what is opened; what failed is not among them.
    pub async fn open(mut piece: Piece, grant: Grant, sources: ReadSources) -> Result<Self, Failure> {
        if let Some(data) = piece.read_file(&sources).await {
            let (asked_bytes, silence, source) = (piece.length_bytes, LONE_SILENCE, Source::File(data));
            return Ok(Self { piece, asked_bytes, silence, source, grant });
        }
        let mut last = piece.failure(Reason::Unavailable, "none of the workers that hold it is known");
        let mut waiting: VecDeque<v1::Worker> = std::mem::take(&mut piece.replicas).into();
        let silence = if waiting.len() > 1 || piece.has_others { sources.patience.silence } else { LONE_SILENCE };
        let (block_id, offset_bytes, length_bytes) = (piece.block_id, piece.offset_bytes, piece.length_bytes);
        let request = v1::ReadBlockRequest { block_id, offset_bytes, length_bytes };
        let mut asked = FuturesUnordered::new();
        let mut late: Vec<v1::Worker> = Vec::new();
        loop {
            if asked.is_empty() {
                let Some(worker) = waiting.pop_front() else { return Err(last) };
                late.push(worker.clone());
                asked.push(ask(request, worker, silence, &sources));
            }
            tokio::select! {
                Some((worker, outcome)) = asked.next() => {
                    late.retain(|other| other.worker_id != worker.worker_id);
                    match outcome {
                        Ok(stream) => {
                            late.iter().for_each(|other| sources.health.was_late(other.worker_id));
                            piece.replicas = [worker].into_iter().chain(waiting).chain(late).collect();
                            let (asked_bytes, source) = (piece.length_bytes, Source::Worker(stream));
                            return Ok(Self { asked_bytes, piece, silence, source, grant });
                        }
                        Err(failure) => {
                            let has_other = !waiting.is_empty() || !late.is_empty() || piece.has_others;
                            piece.note(&worker, &failure, has_other, &sources);
                            last = failure;
                        }
                    }
                }
                () = sleep(sources.patience.hedge), if !waiting.is_empty() => {
                    if let Some(worker) = waiting.pop_front() {
                        sources.metrics.hedges.inc();
                        late.push(worker.clone());
                        asked.push(ask(request, worker, silence, &sources));
                    }
                }
            }
        }
    }

    /// The next bytes, not empty, of which nothing is taken off yet.
    pub async fn next_frame(&mut self) -> Result<Bytes, Failure> {
        let stream = match &mut self.source {
            Source::Worker(stream) => stream,
            Source::File(data) => return Ok(std::mem::take(data)),
        };
        let message = match timeout(self.silence, stream.message()).await {
            Ok(Ok(message)) => message,
            Ok(Err(status)) => return Err(Failure::from_status(&status)),
            Err(_) => return Err(self.piece.failure(Reason::Unavailable, "the worker sends nothing")),
        };
        let Some(v1::ReadBlockResponse { data }) = message else {
            return Err(self.piece.failure(Reason::Unavailable, "the worker sent less than was asked for"));
        };
        if data.is_empty() || data.len() as u64 > self.piece.length_bytes {
            return Err(self.piece.failure(Reason::Unavailable, "the worker sent other than was asked for"));
        }
        Ok(data)
    }

    /// Takes a frame off. Returns the memory that it takes.
    pub fn took(&mut self, frame_bytes: u64) -> Grant {
        self.piece.offset_bytes += frame_bytes;
        self.piece.length_bytes -= frame_bytes;
        self.grant.split(frame_bytes)
    }

    /// The worker has failed: what is still wanted, with the memory for it.
    pub fn give_up(self, failure: &Failure, sources: &ReadSources) -> (Piece, Grant) {
        if let Some(worker) = self.piece.replicas.first() {
            let has_other = self.piece.replicas.len() > 1 || self.piece.has_others;
            self.piece.note(worker, failure, has_other, sources);
        }
        (self.piece, self.grant)
    }
}
