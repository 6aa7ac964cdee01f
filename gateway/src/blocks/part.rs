//! What of a block is asked for at a time, of its replicas or of its shards.

use super::budget::Grant;
use super::piece::{OpenPiece, Piece};
use super::rows::{OpenRows, Rows};
use super::sources::ReadSources;
use bytes::Bytes;
use weir_proto::Failure;
use weir_proto::v1::Reason;

/// What is asked for at a time.
pub(super) enum Part {
    Piece(Piece),
    Rows(Rows),
}

pub(super) enum OpenPart {
    Piece(Box<OpenPiece>),
    Rows(OpenRows),
}

impl Part {
    pub async fn open(self, grant: Grant, sources: ReadSources) -> Result<OpenPart, Failure> {
        match self {
            Self::Piece(piece) => {
                OpenPiece::open(piece, grant, sources).await.map(|open| OpenPart::Piece(Box::new(open)))
            }
            Self::Rows(rows) => OpenRows::open(rows, grant, sources).await.map(OpenPart::Rows),
        }
    }
}

impl OpenPart {
    /// The next bytes, not empty, of which nothing is taken off yet.
    pub async fn next_frame(&mut self) -> Result<Bytes, Failure> {
        match self {
            Self::Piece(piece) => piece.next_frame().await,
            Self::Rows(rows) => rows.next_frame(),
        }
    }

    pub fn took(&mut self, frame_bytes: u64) -> Grant {
        match self {
            Self::Piece(piece) => piece.took(frame_bytes),
            Self::Rows(rows) => rows.took(frame_bytes),
        }
    }

    /// How long it was, and what is left.
    pub fn asked_and_left_bytes(&self) -> (u64, u64) {
        match self {
            Self::Piece(open) => (open.asked_bytes, open.piece.length_bytes),
            Self::Rows(rows) => (rows.asked_bytes, rows.left_bytes),
        }
    }

    pub fn failure(&self, reason: Reason, message: &str) -> Failure {
        match self {
            Self::Piece(open) => open.piece.failure(reason, message),
            Self::Rows(rows) => rows.failure(reason, message),
        }
    }
}
