//! A request's body on its way in: what the headers say of it ([`BodyPlan`]), the stream that decodes aws-chunked,
//! computes every digest and verifies what was declared ([`IncomingBody`]), and documents read as a whole
//! ([`collect`]).
//!
//! Nothing here knows of buckets or blocks. A body's data is handed on before all of it is verified: whoever stores it
//! must not commit before [`Step::End`] came.

mod chunked;
mod digests;
mod document;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod incoming;
mod md5;
mod plan;

pub use chunked::{ChunkSeal, ChunkVerifier};
pub use digests::{ChecksumHasher, Verified};
pub use document::collect;
pub use error::BodyError;
pub use incoming::{IncomingBody, PIECE_MAX_BYTES, Step, broken_source};
pub use md5::{Md5, Md5Lost};
pub use plan::{
    BodyKind, BodyLength, BodyLimits, BodyPlan, DeclaredChecksum, Payload, StreamingKind, check_declared_payload,
    checksum_header,
};
