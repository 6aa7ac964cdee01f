//! The contract between Weir's roles: messages and services, and the types of names and ids that they carry.
//!
//! The gateway, the metaserver and the workers know each other through this crate alone. The `.proto` files under
//! `proto/` are the reference; [`v1`] is what they compile to. Fields of type `bytes` are [`bytes::Bytes`].

pub mod account;
pub mod failure;
pub mod ids;
pub mod names;
pub mod protocol;
mod worker;

/// Generated from `proto/weir/v1/*.proto`.
pub mod v1 {
    #![allow(clippy::all, missing_docs)]
    tonic::include_proto!("weir.v1");
}

pub use failure::Failure;
pub use ids::{BlockId, ObjectId, SessionId, UploadId, WorkerId};
pub use names::{BucketName, NameError, ObjectKey};

/// How the shell's sessions are called among those of gateways.
pub const SHELL_ADDRESS: &str = "shell";

/// The largest frame of data in a block stream, in bytes.
pub const MAX_FRAME_BYTES: usize = 1 << 20;

/// The largest single gRPC message that a role accepts, in bytes: a manifest of a 5 TiB object fits.
pub const MAX_MESSAGE_BYTES: usize = 16 << 20;
