//! Why the metaserver refuses or fails, and the one place where that becomes the contract's [`Failure`].

use crate::records::RecordError;
use crate::store::{MAX_BATCH_BYTES, StoreError};
use std::path::PathBuf;
use tonic::Status;
use weir_proto::protocol::Mismatch;
use weir_proto::v1::Reason;
use weir_proto::{Failure, NameError};
use weir_service::sealing::SealError;

/// Why the metaserver could not start.
#[derive(Debug, thiserror::Error)]
pub enum MetaserverError {
    #[error("the store: {0}")]
    Store(#[from] StoreError),
    #[error("{0}")]
    Record(#[from] RecordError),
    #[error("starting on the store: {0}")]
    Start(#[source] Box<Error>),
    #[error(
        "another metaserver, {address}, serves under epoch {epoch}, and this one's is {own}: it was replaced. Start it with \
         --follow {address} to make it a standby of the other"
    )]
    Replaced { address: String, epoch: u64, own: u64 },
    #[error("restoring {backup} into {data}: {source}")]
    Restore { backup: PathBuf, data: PathBuf, source: StoreError },
}

impl From<Error> for MetaserverError {
    fn from(error: Error) -> Self {
        match error {
            Error::Store(error) => Self::Store(error),
            Error::Record(error) => Self::Record(error),
            error => Self::Start(Box::new(error)),
        }
    }
}

/// Why an operation of the namespace or the cluster did not happen.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{what}: {rule}")]
    Invalid { what: String, rule: String },
    #[error("there is no such bucket")]
    NoSuchBucket { bucket: String },
    #[error("the bucket exists already")]
    BucketExists { bucket: String },
    #[error("the bucket is not empty")]
    BucketNotEmpty { bucket: String },
    #[error("there are {allowed} buckets already, as many as are allowed")]
    TooManyBuckets { bucket: String, allowed: u64 },
    #[error("there is no such key")]
    NoSuchKey { resource: String },
    #[error("the object does not meet {condition}")]
    PreconditionFailed { resource: String, condition: &'static str },
    #[error("another writer was faster")]
    Conflict { resource: String },
    #[error("the object that is there is someone else's")]
    NotOwner { resource: String },
    #[error("the key exists already")]
    KeyExists { resource: String },
    #[error("the upload does not exist, or it is completed or aborted")]
    NoSuchUpload { upload_id: u64 },
    #[error("part {part_number}: {detail}")]
    InvalidPart { upload_id: u64, part_number: u32, detail: String },
    #[error("part {part_number} is not in ascending order")]
    InvalidPartOrder { upload_id: u64, part_number: u32 },
    #[error("part {part_number} has {size_bytes} bytes; all but the last have at least {min_bytes}")]
    PartTooSmall { upload_id: u64, part_number: u32, size_bytes: u64, min_bytes: u64 },
    #[error("{what} has {bytes} bytes; {allowed} are allowed")]
    TooLarge { what: String, bytes: u64, allowed: u64 },
    #[error("the range lies outside the object, which has {size_bytes} bytes")]
    InvalidRange { resource: String, size_bytes: u64 },
    #[error("the checksum is {computed}, not {given}")]
    ChecksumMismatch { resource: String, computed: String, given: String },
    #[error("the session is over, or the block ids are not its own: open a new one")]
    SessionOver { session_id: u64 },
    #[error("there is no such block")]
    NoSuchBlock { block_id: u64 },
    #[error("there is no such {kind}")]
    NoSuchEntity { kind: &'static str, name: String },
    #[error("there is no such user or role")]
    NoSuchPrincipal { arn: String },
    #[error("there is such a {kind} already; names differ by more than case")]
    EntityExists { kind: &'static str, name: String },
    #[error("{detail}")]
    DeleteConflict { name: String, detail: &'static str },
    #[error("at most {allowed} {what} are allowed")]
    LimitExceeded { what: &'static str, allowed: usize },
    #[error("the secret of the access key: {0}")]
    Sealed(#[from] SealError),
    #[error("the worker belongs to the cluster {theirs}, this is {ours}")]
    WrongCluster { theirs: String, ours: String },
    #[error("{0}")]
    Incompatible(Mismatch),
    #[error("worker {worker_id} may not register: {why}")]
    WorkerRefused { worker_id: u64, why: &'static str },
    #[error("the metaserver stops: try again")]
    Stopping,
    #[error("too many others change it: try again")]
    Busy { resource: String },
    /// A guard did not hold, or the bucket is about to be deleted: the operation reads again and tries anew.
    #[error("the namespace changed while it was read: try again")]
    Raced,
    #[error("{0}")]
    Record(#[from] RecordError),
    #[error("{0}")]
    Store(#[from] StoreError),
}

impl Error {
    pub fn invalid(what: impl Into<String>, rule: impl Into<String>) -> Self {
        Self::Invalid { what: what.into(), rule: rule.into() }
    }

    pub fn limit(what: &'static str, allowed: usize) -> Self {
        Self::LimitExceeded { what, allowed }
    }

    pub(crate) fn reason(&self) -> Reason {
        match self {
            Self::Invalid { .. } => Reason::InvalidRequest,
            Self::NoSuchBucket { .. } => Reason::NoSuchBucket,
            Self::BucketExists { .. } => Reason::BucketExists,
            Self::BucketNotEmpty { .. } => Reason::BucketNotEmpty,
            Self::TooManyBuckets { .. } => Reason::TooManyBuckets,
            Self::NoSuchKey { .. } => Reason::NoSuchKey,
            Self::PreconditionFailed { .. } => Reason::PreconditionFailed,
            Self::Conflict { .. } => Reason::Conflict,
            Self::NotOwner { .. } => Reason::NotOwner,
            Self::KeyExists { .. } => Reason::KeyExists,
            Self::NoSuchUpload { .. } => Reason::NoSuchUpload,
            Self::InvalidPart { .. } => Reason::InvalidPart,
            Self::InvalidPartOrder { .. } => Reason::InvalidPartOrder,
            Self::PartTooSmall { .. } => Reason::PartTooSmall,
            Self::TooLarge { .. } => Reason::TooLarge,
            Self::InvalidRange { .. } => Reason::InvalidRange,
            Self::ChecksumMismatch { .. } => Reason::ChecksumMismatch,
            Self::SessionOver { .. } => Reason::SessionOver,
            Self::NoSuchBlock { .. } => Reason::NoSuchBlock,
            Self::NoSuchEntity { .. } => Reason::NoSuchEntity,
            Self::NoSuchPrincipal { .. } => Reason::NoSuchPrincipal,
            Self::EntityExists { .. } => Reason::EntityExists,
            Self::DeleteConflict { .. } => Reason::DeleteConflict,
            Self::LimitExceeded { .. } => Reason::LimitExceeded,
            Self::WrongCluster { .. } => Reason::WrongCluster,
            Self::Incompatible(_) => Reason::Incompatible,
            Self::WorkerRefused { .. } => Reason::Conflict,
            Self::Stopping | Self::Busy { .. } | Self::Raced => Reason::Unavailable,
            Self::Record(_) | Self::Sealed(_) => Reason::Damaged,
            Self::Store(error) => match error {
                StoreError::Busy | StoreError::StandbyAway => Reason::Unavailable,
                StoreError::Following { .. } | StoreError::Replaced { .. } => Reason::Unavailable,
                StoreError::Refused { .. } => Reason::InvalidRequest,
                StoreError::Full => Reason::NoSpace,
                StoreError::TooLarge { .. } => Reason::TooLarge,
                StoreError::Damaged { .. } | StoreError::NotACounter { .. } => Reason::Damaged,
                StoreError::Unsupported { .. } | StoreError::NotEmpty { .. } => Reason::InvalidRequest,
                StoreError::Io { .. } | StoreError::Stopped { .. } | StoreError::Newer { .. } => Reason::StoreFailed,
            },
        }
    }

    fn resource(&self) -> String {
        match self {
            Self::Invalid { what, .. } | Self::TooLarge { what, .. } => what.clone(),
            Self::NoSuchBucket { bucket }
            | Self::BucketExists { bucket }
            | Self::BucketNotEmpty { bucket }
            | Self::TooManyBuckets { bucket, .. } => bucket.clone(),
            Self::NoSuchKey { resource }
            | Self::PreconditionFailed { resource, .. }
            | Self::Conflict { resource }
            | Self::NotOwner { resource }
            | Self::KeyExists { resource }
            | Self::ChecksumMismatch { resource, .. }
            | Self::InvalidRange { resource, .. }
            | Self::Busy { resource } => resource.clone(),
            Self::NoSuchUpload { upload_id }
            | Self::InvalidPart { upload_id, .. }
            | Self::InvalidPartOrder { upload_id, .. }
            | Self::PartTooSmall { upload_id, .. } => format!("upload {upload_id}"),
            Self::SessionOver { session_id } => format!("session {session_id}"),
            Self::WorkerRefused { worker_id, .. } => format!("worker {worker_id}"),
            Self::NoSuchBlock { block_id } => format!("block {block_id}"),
            Self::NoSuchEntity { name, .. } | Self::EntityExists { name, .. } | Self::DeleteConflict { name, .. } => {
                name.clone()
            }
            Self::NoSuchPrincipal { arn } => arn.clone(),
            Self::LimitExceeded { what, .. } => (*what).to_owned(),
            Self::Record(error) => error.key.clone(),
            Self::WrongCluster { .. }
            | Self::Incompatible(_)
            | Self::Stopping
            | Self::Raced
            | Self::Sealed(_)
            | Self::Store(_) => String::new(),
        }
    }

    /// The server's own fault, which its operator has to hear of.
    fn is_ours(&self) -> bool {
        matches!(self, Self::Record(_) | Self::Sealed(_))
            || matches!(self, Self::Store(error) if !matches!(error, StoreError::Busy))
    }
}

impl From<NameError> for Error {
    fn from(error: NameError) -> Self {
        Self::invalid("", error.to_string())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        if error.is_ours() {
            tracing::error!(%error, "an operation failed");
        }
        let message = match &error {
            // The resource says what.
            Error::Invalid { rule, .. } => rule.clone(),
            error => error.to_string(),
        };
        Self::new(error.reason(), error.resource(), message)
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        Failure::from(error).into()
    }
}

/// What a batch refuses that a request could ask for although each of its members is in bounds.
pub fn batch_too_large(what: impl Into<String>, bytes: usize) -> Error {
    Error::TooLarge { what: what.into(), bytes: bytes as u64, allowed: MAX_BATCH_BYTES as u64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_its_reason_and_what_it_failed_on() {
        let failure = Failure::from(Error::NoSuchBucket { bucket: "photos".into() });
        assert_eq!((failure.reason, failure.resource.as_str()), (Reason::NoSuchBucket, "photos"));
        let failure = Failure::from(Error::Store(StoreError::Full));
        assert_eq!(failure.reason, Reason::NoSpace);
        let failure = Failure::from(Error::Store(StoreError::Stopped { reason: "fdatasync failed".into() }));
        assert_eq!(failure.reason, Reason::StoreFailed);
        assert!(failure.message.contains("fdatasync"));
        let failure = Failure::from(Error::limit("users", 5_000));
        assert_eq!(
            (failure.reason, failure.message.as_str()),
            (Reason::LimitExceeded, "at most 5000 users are allowed")
        );
        let failure = Failure::from(Error::NoSuchEntity { kind: "user", name: "alice".into() });
        assert_eq!(
            (failure.reason, failure.to_string().as_str()),
            (Reason::NoSuchEntity, "alice: there is no such user")
        );
        let failure = Failure::from(Error::invalid("part_number", "it is from 1 to 10,000"));
        assert_eq!(failure.message, "it is from 1 to 10,000");
    }
}
