//! The aws-chunked framing of a body, right or wrong.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html>

use crate::Request;

/// Unsigned chunks with a trailer: what today's SDKs send over TLS and, to servers without it, too.
pub const UNSIGNED_TRAILER: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
/// Signed chunks without a trailer.
pub const SIGNED: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
/// Signed chunks with a signed trailer.
pub const SIGNED_TRAILER: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";

/// Unsigned chunks of `size` bytes each, the last chunk of none, and the trailer's lines.
pub fn unsigned(data: &[u8], size: usize, trailer: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    for chunk in data.chunks(size) {
        out.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"0\r\n");
    for (name, value) in trailer {
        out.extend_from_slice(format!("{name}:{value}\r\n").as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    out
}

/// Chunks that carry a signature each. The signatures are of the right form and of no key.
pub fn signed(data: &[u8], size: usize, trailer: &[(&str, &str)]) -> Vec<u8> {
    let signature = "a".repeat(64);
    let mut out = Vec::new();
    for chunk in data.chunks(size) {
        out.extend_from_slice(format!("{:x};chunk-signature={signature}\r\n", chunk.len()).as_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(format!("0;chunk-signature={signature}\r\n").as_bytes());
    for (name, value) in trailer {
        out.extend_from_slice(format!("{name}:{value}\r\n").as_bytes());
    }
    if !trailer.is_empty() {
        out.extend_from_slice(format!("x-amz-trailer-signature:{signature}\r\n").as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    out
}

/// An Authorization header of the right form, of no key that any server knows.
pub fn authorization() -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential=nobody/20260101/us-east-1/s3/aws4_request, \
         SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature={}",
        "b".repeat(64)
    )
}

impl Request<'_> {
    /// Sends `body`, which is framed already, as aws-chunked of this kind; `length` is what it should decode to.
    pub fn chunked_as(self, kind: &str, length: usize, body: impl Into<Vec<u8>>) -> Self {
        self.header("content-encoding", "aws-chunked")
            .header("x-amz-content-sha256", kind)
            .header("x-amz-decoded-content-length", &length.to_string())
            .body(body)
    }

    /// The headers of a request signed by Signature Version 4.
    pub fn signed_by_nobody(self) -> Self {
        self.header("authorization", &authorization()).header("x-amz-date", "20260101T000000Z")
    }
}
