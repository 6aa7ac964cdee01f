//! Documents: bodies that are read as a whole, with the same verification.

use super::error::BodyError;
use super::incoming::{IncomingBody, Step};
use bytes::{Bytes, BytesMut};

/// Reads a body that fits in memory. Its plan's limits say how long it may be; memory grows with what comes, never
/// with what is declared.
///
/// # Errors
/// Whatever is wrong with the body.
pub async fn collect(mut body: IncomingBody) -> Result<Bytes, BodyError> {
    let mut document = BytesMut::new();
    loop {
        match body.next().await? {
            Step::Data(data) => document.extend_from_slice(&data),
            Step::End(_) => return Ok(document.freeze()),
        }
    }
}
