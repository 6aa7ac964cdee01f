//! One request to one worker: a run of bytes of a block that there is memory for.

use super::budget::Grant;
use super::reader::{ReadMetrics, ReadSources};
use bytes::Bytes;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::timeout;
use tonic::Streaming;
use weir_proto::v1::blocks_client::BlocksClient;
use weir_proto::v1::{self, Reason};
use weir_proto::{Failure, MAX_MESSAGE_BYTES};

/// A worker that sends nothing for so long has failed.
const STALL_TIMEOUT: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub(super) struct Piece {
    pub block_id: u64,
    /// What is still wanted: moves on as bytes come.
    pub offset_bytes: u64,
    pub length_bytes: u64,
    /// The replicas that did not fail yet, the best one first.
    pub replicas: VecDeque<v1::Worker>,
}

/// A piece that a worker sends.
pub(super) struct OpenPiece {
    pub piece: Piece,
    /// How long it was.
    pub asked_bytes: u64,
    stream: Streaming<v1::ReadBlockResponse>,
    grant: Grant,
}

impl Piece {
    pub fn failure(&self, reason: Reason, message: &str) -> Failure {
        Failure::new(reason, format!("block {}", self.block_id), message)
    }

    fn note(&self, failure: &Failure, metrics: &ReadMetrics) {
        let worker_id = self.replicas.front().map_or(0, |worker| worker.worker_id);
        if failure.reason == Reason::Damaged {
            metrics.damaged.inc();
        }
        if self.replicas.len() > 1 {
            metrics.failovers.inc();
        }
        tracing::warn!(
            block_id = self.block_id, worker_id, offset_bytes = self.offset_bytes, reason = ?failure.reason,
            "reading a block failed: {failure}"
        );
    }
}

impl OpenPiece {
    /// Opens a piece on the first replica that answers.
    pub async fn open(mut piece: Piece, grant: Grant, sources: ReadSources) -> Result<Self, Failure> {
        let mut last = piece.failure(Reason::Unavailable, "none of the workers that hold it is known");
        while let Some(worker) = piece.replicas.front() {
            let mut client =
                BlocksClient::new(sources.connector.channel(worker)).max_decoding_message_size(MAX_MESSAGE_BYTES);
            let request = v1::ReadBlockRequest {
                block_id: piece.block_id,
                offset_bytes: piece.offset_bytes,
                length_bytes: piece.length_bytes,
            };
            last = match timeout(STALL_TIMEOUT, client.read_block(request)).await {
                Ok(Ok(response)) => {
                    let asked_bytes = piece.length_bytes;
                    return Ok(Self { piece, asked_bytes, stream: response.into_inner(), grant });
                }
                Ok(Err(status)) => Failure::from_status(&status),
                Err(_) => piece.failure(Reason::Unavailable, "the worker is silent"),
            };
            piece.note(&last, &sources.metrics);
            piece.replicas.pop_front();
        }
        Err(last)
    }

    /// The next bytes, not empty, of which nothing is taken off yet.
    pub async fn next_frame(&mut self) -> Result<Bytes, Failure> {
        let message = match timeout(STALL_TIMEOUT, self.stream.message()).await {
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
    pub fn give_up(self, failure: &Failure, metrics: &ReadMetrics) -> (Piece, Grant) {
        self.piece.note(failure, metrics);
        (self.piece, self.grant)
    }
}
