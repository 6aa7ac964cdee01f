//! The chain of signatures of an aws-chunked body: each covers the one before it.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html>,
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html>

use super::key::{Signed, matches};
use crate::body::{BodyError, ChunkSeal, ChunkVerifier};
use sha2::{Digest as _, Sha256};

pub(super) struct ChunkChain {
    signed: Signed,
    /// Of the current chunk's data.
    hash: Sha256,
}

impl ChunkChain {
    pub fn new(signed: Signed) -> Self {
        Self { signed, hash: Sha256::new() }
    }

    fn text(&mut self, seal: ChunkSeal<'_>) -> String {
        let Signed { time, scope, signature, .. } = &self.signed;
        match seal {
            ChunkSeal::Chunk => {
                let (nothing, data) = (Sha256::digest([]), self.hash.finalize_reset());
                let (nothing, data) = (hex::encode(nothing), hex::encode(data));
                format!("AWS4-HMAC-SHA256-PAYLOAD\n{time}\n{scope}\n{signature}\n{nothing}\n{data}")
            }
            ChunkSeal::Trailer(lines) => {
                let lines = hex::encode(Sha256::digest(lines));
                format!("AWS4-HMAC-SHA256-TRAILER\n{time}\n{scope}\n{signature}\n{lines}")
            }
        }
    }
}

impl ChunkVerifier for ChunkChain {
    fn data(&mut self, data: &[u8]) {
        self.hash.update(data);
    }

    fn seal(&mut self, seal: ChunkSeal<'_>, signature: &str) -> Result<(), BodyError> {
        let text = self.text(seal);
        if !matches(&self.signed.key, &text, signature) {
            return Err(BodyError::ChunkSignatureMismatch);
        }
        // Hexadecimal digits of either case match; the next signature covers them in lower case.
        self.signed.signature = signature.to_ascii_lowercase();
        Ok(())
    }
}
