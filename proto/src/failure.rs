//! How a refusal crosses gRPC: a status whose code says what a generic client may do with it, and whose details hold
//! a [`v1::Failure`] with the reason.

use crate::v1::{self, Reason};
use prost::Message as _;
use std::fmt;
use tonic::{Code, Status};

/// gRPC carries the text in a header; longer ones are cut (clients refuse headers above 16 KiB).
const MAX_TEXT_BYTES: usize = 1024;

/// Why a request was refused, on what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub reason: Reason,
    /// A bucket, a key, an upload, a block: what it failed on.
    pub resource: String,
    pub message: String,
}

impl Failure {
    pub fn new(reason: Reason, resource: impl Into<String>, message: impl Into<String>) -> Self {
        Self { reason, resource: resource.into(), message: message.into() }
    }

    /// The failure that a status carries. A status made by the transport has none in its details: it becomes
    /// [`Reason::Unavailable`] when trying again may help, else [`Reason::Unspecified`].
    pub fn from_status(status: &Status) -> Self {
        if !status.details().is_empty()
            && let Ok(failure) = v1::Failure::decode(status.details())
        {
            return failure.into();
        }
        let reason = match status.code() {
            Code::Unavailable | Code::Cancelled | Code::DeadlineExceeded | Code::ResourceExhausted | Code::Unknown => {
                Reason::Unavailable
            }
            _ => Reason::Unspecified,
        };
        Self::new(reason, "", status.message())
    }

    fn code(&self) -> Code {
        match self.reason {
            Reason::InvalidRequest
            | Reason::NoSuchPrincipal
            | Reason::InvalidPart
            | Reason::InvalidPartOrder
            | Reason::PartTooSmall
            | Reason::TooLarge
            | Reason::ChecksumMismatch => Code::InvalidArgument,
            Reason::NoSuchBucket
            | Reason::NoSuchKey
            | Reason::NoSuchUpload
            | Reason::NoSuchBlock
            | Reason::NoSuchEntity => Code::NotFound,
            Reason::BucketExists | Reason::KeyExists | Reason::EntityExists => Code::AlreadyExists,
            Reason::BucketNotEmpty
            | Reason::DeleteConflict
            | Reason::PreconditionFailed
            | Reason::NotModified
            | Reason::SessionOver
            | Reason::WrongCluster
            | Reason::NotConfirmed
            | Reason::NotInSync
            | Reason::Incompatible => Code::FailedPrecondition,
            Reason::Conflict => Code::Aborted,
            Reason::NotOwner => Code::PermissionDenied,
            Reason::InvalidRange => Code::OutOfRange,
            Reason::TooManyBuckets | Reason::NoSpace | Reason::LimitExceeded => Code::ResourceExhausted,
            Reason::Damaged => Code::DataLoss,
            Reason::Unavailable | Reason::TooFewWorkers => Code::Unavailable,
            Reason::StoreFailed | Reason::Unspecified => Code::Internal,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.resource.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.resource, self.message)
        }
    }
}

impl std::error::Error for Failure {}

impl From<v1::Failure> for Failure {
    fn from(failure: v1::Failure) -> Self {
        Self { reason: failure.reason(), resource: failure.resource, message: failure.message }
    }
}

impl From<Failure> for v1::Failure {
    fn from(failure: Failure) -> Self {
        Self { reason: failure.reason.into(), resource: failure.resource, message: failure.message }
    }
}

impl From<Failure> for Status {
    fn from(mut failure: Failure) -> Self {
        cut(&mut failure.message);
        cut(&mut failure.resource);
        let code = failure.code();
        let message = failure.message.clone();
        Self::with_details(code, message, v1::Failure::from(failure).encode_to_vec().into())
    }
}

fn cut(text: &mut String) {
    if text.len() > MAX_TEXT_BYTES {
        let end = (0..=MAX_TEXT_BYTES).rev().find(|&i| text.is_char_boundary(i)).unwrap_or(0);
        text.truncate(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_survives_the_way_through_a_status() {
        let failure = Failure::new(Reason::NoSuchBucket, "photos", "there is no such bucket");
        let status = Status::from(failure.clone());
        assert_eq!(status.code(), Code::NotFound);
        assert_eq!(Failure::from_status(&status), failure);
    }

    #[test]
    fn a_status_of_the_transport_says_whether_to_try_again() {
        assert_eq!(Failure::from_status(&Status::unavailable("gone")).reason, Reason::Unavailable);
        assert_eq!(Failure::from_status(&Status::internal("odd")).reason, Reason::Unspecified);
    }

    #[test]
    fn long_texts_are_cut_at_a_character() {
        let status = Status::from(Failure::new(Reason::InvalidRequest, "é".repeat(40_000), "é".repeat(40_000)));
        assert!(status.message().len() <= MAX_TEXT_BYTES);
        assert!(status.details().len() < 3 * MAX_TEXT_BYTES);
    }
}
