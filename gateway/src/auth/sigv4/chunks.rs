//! A request whose signature is verified, and the chain of signatures of its body that hangs on it.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html>,
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html>

use super::key::SigningKey;
use crate::auth::time::RequestTime;
use crate::body::{BodyError, ChunkSeal, ChunkVerifier};
use sha2::{Digest as _, Sha256};

/// The SHA-256 of nothing. (The format has a place for headers of a chunk; there are none.)
const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const CHUNK_ALGORITHM: &str = "AWS4-HMAC-SHA256-PAYLOAD\n";
const TRAILER_ALGORITHM: &str = "AWS4-HMAC-SHA256-TRAILER\n";

/// A request whose signature was verified.
#[derive(Clone, Debug)]
pub struct Signed {
    key: SigningKey,
    /// Time and scope, each with its line end.
    lines: String,
    signature: String,
    time_ms: i64,
}

impl Signed {
    pub(super) fn new(key: SigningKey, time: &RequestTime<'_>, scope: &str, signature: &str) -> Self {
        let lines = format!("{}\n{scope}\n", time.stamp);
        Self { key, lines, signature: signature.to_ascii_lowercase(), time_ms: time.unix_ms }
    }

    /// When it was signed, by the client's clock, in milliseconds since 1970.
    pub fn time_ms(&self) -> i64 {
        self.time_ms
    }

    /// For a body in signed chunks: each chunk's signature covers the one before it, the first the request's.
    pub fn chunk_verifier(&self) -> Box<dyn ChunkVerifier> {
        Box::new(Chain {
            key: self.key.clone(),
            lines: self.lines.clone(),
            previous: self.signature.clone(),
            data: Sha256::new(),
        })
    }
}

struct Chain {
    key: SigningKey,
    lines: String,
    /// The signature before, in lower case.
    previous: String,
    /// Of the current chunk.
    data: Sha256,
}

impl ChunkVerifier for Chain {
    fn data(&mut self, data: &[u8]) {
        self.data.update(data);
    }

    fn seal(&mut self, seal: ChunkSeal<'_>, signature: &str) -> Result<(), BodyError> {
        let (algorithm, headers, hash) = match seal {
            ChunkSeal::Chunk => (CHUNK_ALGORITHM, [EMPTY_SHA256, "\n"], self.data.finalize_reset()),
            ChunkSeal::Trailer(lines) => (TRAILER_ALGORITHM, ["", ""], Sha256::digest(lines)),
        };
        let hash = hex::encode(hash);
        let pieces = [algorithm, &self.lines, &self.previous, "\n", headers[0], headers[1], &hash];
        if !self.key.verifies(&pieces.map(str::as_bytes), signature) {
            return Err(BodyError::ChunkSignatureMismatch);
        }
        self.previous = signature.to_ascii_lowercase();
        Ok(())
    }
}
