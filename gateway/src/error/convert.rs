//! What other roles, the body and names say, in S3's words. The one place where they are translated.

use super::{ErrorCode, S3Error};
use crate::audit::AuditError;
use crate::auth::token::TokenError;
use crate::body::BodyError;
use crate::objects::ObjectsError;
use crate::post::{FormError, PolicyError};
use crate::rate::RetryAfter;
use crate::xml::MalformedXml;
use http::HeaderValue;
use http::header::RETRY_AFTER;
use weir_proto::v1::Reason;
use weir_proto::{Failure, NameError};

/// Which ones there are is nobody's business; that waiting may be in vain is.
const TOO_FEW_WORKERS: &str =
    "Service is unable to handle request: fewer workers take new data than the copies that this bucket wants need.";

impl From<Failure> for S3Error {
    fn from(failure: Failure) -> Self {
        let Failure { reason, resource, message } = failure;
        let text = || if message.is_empty() { resource.clone() } else { format!("{resource}: {message}") };
        let told = |code: ErrorCode| Self::with_message(code, message.clone());
        match reason {
            Reason::InvalidRequest if message.is_empty() => Self::new(ErrorCode::InvalidRequest),
            Reason::InvalidRequest => told(ErrorCode::InvalidRequest),
            Reason::NoSuchBucket => Self::new(ErrorCode::NoSuchBucket).element("BucketName", resource),
            Reason::BucketExists => Self::new(ErrorCode::BucketAlreadyExists).element("BucketName", resource),
            Reason::BucketNotEmpty => Self::new(ErrorCode::BucketNotEmpty).element("BucketName", resource),
            Reason::TooManyBuckets => Self::new(ErrorCode::TooManyBuckets),
            Reason::NoSuchKey => Self::new(ErrorCode::NoSuchKey).cause(text()),
            Reason::PreconditionFailed => Self::new(ErrorCode::PreconditionFailed),
            Reason::NotModified => Self::new(ErrorCode::NotModified),
            Reason::Conflict => Self::new(ErrorCode::ConditionalRequestConflict).cause(text()),
            Reason::NoSuchUpload => Self::new(ErrorCode::NoSuchUpload).cause(text()),
            Reason::InvalidPart => Self::new(ErrorCode::InvalidPart).cause(text()),
            Reason::InvalidPartOrder => Self::new(ErrorCode::InvalidPartOrder),
            Reason::PartTooSmall => Self::new(ErrorCode::EntityTooSmall).cause(text()),
            Reason::TooLarge => Self::new(ErrorCode::EntityTooLarge).cause(text()),
            Reason::InvalidRange => Self::new(ErrorCode::InvalidRange),
            Reason::ChecksumMismatch if message.is_empty() => Self::new(ErrorCode::BadDigest),
            Reason::ChecksumMismatch => told(ErrorCode::BadDigest),
            Reason::KeyExists => Self::new(ErrorCode::PreconditionFailed).cause(text()),
            Reason::NotOwner => Self::new(ErrorCode::AccessDenied).cause(text()),
            Reason::NoSpace => Self::new(ErrorCode::InsufficientStorage).cause(text()),
            Reason::SessionOver
            | Reason::Unavailable
            | Reason::NotConfirmed
            | Reason::NotInSync
            | Reason::Incompatible => {
                Self::new(ErrorCode::ServiceUnavailable).cause(text())
            }
            Reason::TooFewWorkers => Self::with_message(ErrorCode::ServiceUnavailable, TOO_FEW_WORKERS).cause(text()),
            Reason::NoSuchPrincipal => {
                Self::with_message(ErrorCode::MalformedPolicy, "Invalid principal in policy").element("Detail", resource)
            }
            Reason::NoSuchBlock
            | Reason::Damaged
            | Reason::StoreFailed
            | Reason::WrongCluster
            // Answers to IAM's own operations, which have codes of their own.
            | Reason::NoSuchEntity
            | Reason::EntityExists
            | Reason::DeleteConflict
            | Reason::LimitExceeded
            | Reason::Unspecified => Self::new(ErrorCode::InternalError).cause(text()),
        }
    }
}

impl From<ObjectsError> for S3Error {
    fn from(error: ObjectsError) -> Self {
        match error {
            ObjectsError::Body(error) => error.into(),
            ObjectsError::Failure(failure) => failure.into(),
        }
    }
}

impl From<BodyError> for S3Error {
    fn from(error: BodyError) -> Self {
        let code = match &error {
            BodyError::MissingLength { .. } => ErrorCode::MissingContentLength,
            BodyError::InvalidLength { .. } | BodyError::AmbiguousHeader { .. } | BodyError::UnknownPayload { .. } => {
                ErrorCode::InvalidArgument
            }
            BodyError::TooLarge { .. } => ErrorCode::EntityTooLarge,
            BodyError::TooSmall { .. } => ErrorCode::EntityTooSmall,
            BodyError::MalformedForm { .. } => ErrorCode::MalformedPOSTRequest,
            BodyError::SeveralFiles => ErrorCode::IncorrectNumberOfFilesInPostRequest,
            BodyError::PayloadNotImplemented { .. } | BodyError::ChecksumNotImplemented { .. } => {
                ErrorCode::NotImplemented
            }
            BodyError::PayloadHashMismatch { .. } => ErrorCode::XAmzContentSHA256Mismatch,
            BodyError::InvalidContentMd5 { .. } => ErrorCode::InvalidDigest,
            BodyError::ContentMd5Mismatch { .. } | BodyError::ChecksumMismatch { .. } => ErrorCode::BadDigest,
            BodyError::InvalidChecksum { .. }
            | BodyError::SeveralChecksums
            | BodyError::ChecksumInHeaderAndTrailer
            | BodyError::UnknownChecksumAlgorithm { .. }
            | BodyError::ChecksumNotSent { .. }
            | BodyError::UnknownTrailer { .. }
            | BodyError::TrailerWithoutStreaming
            | BodyError::MalformedChunk { .. }
            | BodyError::MalformedTransfer { .. } => ErrorCode::InvalidRequest,
            BodyError::MalformedTrailer { .. } => ErrorCode::MalformedTrailerError,
            BodyError::Incomplete { .. } | BodyError::LongerThanDeclared { .. } | BodyError::Disconnected { .. } => {
                ErrorCode::IncompleteBody
            }
            BodyError::ChunkSignatureMismatch => ErrorCode::SignatureDoesNotMatch,
            BodyError::Stalled { .. } => ErrorCode::RequestTimeout,
            BodyError::Md5Lost(_) => ErrorCode::InternalError,
        };
        let converted = Self::with_message(code, error.to_string());
        match error {
            BodyError::TooLarge { max_bytes } => converted.element("MaxSizeAllowed", max_bytes.to_string()),
            BodyError::TooSmall { min_bytes, received } => {
                converted.element("ProposedSize", received.to_string()).element("MinSizeAllowed", min_bytes.to_string())
            }
            _ => converted,
        }
    }
}

impl From<AuditError> for S3Error {
    fn from(error: AuditError) -> Self {
        let code = match &error {
            AuditError::Behind => ErrorCode::ServiceUnavailable,
            AuditError::Open { .. } | AuditError::Thread(_) => ErrorCode::InternalError,
        };
        Self::new(code).cause(error.to_string())
    }
}

impl From<FormError> for S3Error {
    fn from(error: FormError) -> Self {
        match error {
            FormError::NotMultipart => Self::new(ErrorCode::RequestIsNotMultiPartContent),
            FormError::FieldsTooLarge { max_bytes } => Self::new(ErrorCode::MaxPostPreDataLengthExceededError)
                .element("MaxPostPreDataLengthBytes", max_bytes.to_string()),
            FormError::NoFile => Self::new(ErrorCode::IncorrectNumberOfFilesInPostRequest),
            FormError::Body(error) => error.into(),
        }
    }
}

impl From<PolicyError> for S3Error {
    fn from(error: PolicyError) -> Self {
        let code = match &error {
            PolicyError::NotBase64 | PolicyError::Malformed { .. } => ErrorCode::InvalidPolicyDocument,
            PolicyError::Expired | PolicyError::ConditionFailed { .. } | PolicyError::ExtraField { .. } => {
                ErrorCode::AccessDenied
            }
        };
        Self::with_message(code, error.to_string())
    }
}

impl From<NameError> for S3Error {
    fn from(error: NameError) -> Self {
        match error {
            NameError::Bucket { ref name, .. } => {
                let name = name.clone();
                Self::with_message(ErrorCode::InvalidBucketName, error.to_string()).element("BucketName", name)
            }
            NameError::KeyEmpty => Self::with_message(ErrorCode::UserKeyMustBeSpecified, error.to_string()),
            NameError::KeyTooLong { length } => Self::new(ErrorCode::KeyTooLongError)
                .element("Size", length.to_string())
                .element("MaxSizeAllowed", weir_proto::names::MAX_KEY_BYTES.to_string()),
        }
    }
}

impl From<RetryAfter> for S3Error {
    fn from(wait: RetryAfter) -> Self {
        Self::new(ErrorCode::SlowDown).header(RETRY_AFTER, HeaderValue::from(wait.seconds()))
    }
}

impl From<TokenError> for S3Error {
    fn from(error: TokenError) -> Self {
        let code = match error {
            TokenError::Missing | TokenError::HolderGone => ErrorCode::InvalidAccessKeyId,
            TokenError::NotTemporary | TokenError::Invalid => ErrorCode::InvalidToken,
            TokenError::Expired => ErrorCode::ExpiredToken,
        };
        Self::new(code).cause(error.to_string())
    }
}

impl From<MalformedXml> for S3Error {
    fn from(error: MalformedXml) -> Self {
        Self::new(ErrorCode::MalformedXML).cause(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn each_failure_has_its_code() {
        for (reason, code) in [
            (Reason::NoSuchBucket, ErrorCode::NoSuchBucket),
            (Reason::NoSuchKey, ErrorCode::NoSuchKey),
            (Reason::NoSuchUpload, ErrorCode::NoSuchUpload),
            (Reason::BucketNotEmpty, ErrorCode::BucketNotEmpty),
            (Reason::PreconditionFailed, ErrorCode::PreconditionFailed),
            (Reason::Conflict, ErrorCode::ConditionalRequestConflict),
            (Reason::InvalidPart, ErrorCode::InvalidPart),
            (Reason::PartTooSmall, ErrorCode::EntityTooSmall),
            (Reason::ChecksumMismatch, ErrorCode::BadDigest),
            (Reason::Damaged, ErrorCode::InternalError),
            (Reason::Unavailable, ErrorCode::ServiceUnavailable),
            (Reason::SessionOver, ErrorCode::ServiceUnavailable),
            (Reason::TooFewWorkers, ErrorCode::ServiceUnavailable),
            (Reason::NoSpace, ErrorCode::InsufficientStorage),
            (Reason::NotOwner, ErrorCode::AccessDenied),
            (Reason::Unspecified, ErrorCode::InternalError),
        ] {
            assert_eq!(S3Error::from(Failure::new(reason, "x", "y")).code(), code, "{reason:?}");
        }
    }

    #[test]
    fn an_internal_failure_tells_the_client_nothing_about_the_inside() {
        let error = S3Error::from(Failure::new(Reason::StoreFailed, "journal", "/data/meta/journal: no space"));
        assert_eq!(error.message(), ErrorCode::InternalError.message());
        assert!(error.cause_text().contains("/data/meta"));
    }

    #[test]
    fn a_write_for_which_there_are_too_few_workers_says_so_and_not_how_many() {
        let error = S3Error::from(Failure::new(Reason::TooFewWorkers, "", "5 live workers are needed, there are 4"));
        assert!(error.message().contains("fewer workers"), "{}", error.message());
        assert!(!error.message().contains('4') && error.cause_text().contains("there are 4"));
    }

    #[test]
    fn each_fault_of_a_body_has_its_code() {
        let declared = String::new;
        for (error, code) in [
            (BodyError::MissingLength { header: "x" }, ErrorCode::MissingContentLength),
            (BodyError::TooLarge { max_bytes: 1 }, ErrorCode::EntityTooLarge),
            (BodyError::TooSmall { min_bytes: 2, received: 1 }, ErrorCode::EntityTooSmall),
            (BodyError::MalformedForm { reason: "x".into() }, ErrorCode::MalformedPOSTRequest),
            (BodyError::SeveralFiles, ErrorCode::IncorrectNumberOfFilesInPostRequest),
            (BodyError::UnknownPayload { value: "x".into() }, ErrorCode::InvalidArgument),
            (BodyError::PayloadNotImplemented { value: "x".into() }, ErrorCode::NotImplemented),
            (
                BodyError::PayloadHashMismatch { declared: declared(), computed: declared() },
                ErrorCode::XAmzContentSHA256Mismatch,
            ),
            (BodyError::InvalidContentMd5 { value: "x".into() }, ErrorCode::InvalidDigest),
            (BodyError::ContentMd5Mismatch { declared: declared(), computed: declared() }, ErrorCode::BadDigest),
            (BodyError::SeveralChecksums, ErrorCode::InvalidRequest),
            (BodyError::MalformedTrailer { reason: "x" }, ErrorCode::MalformedTrailerError),
            (BodyError::Incomplete { received: 1, expected: "2".into() }, ErrorCode::IncompleteBody),
            (BodyError::ChunkSignatureMismatch, ErrorCode::SignatureDoesNotMatch),
            (BodyError::Stalled { after: Duration::from_secs(1) }, ErrorCode::RequestTimeout),
        ] {
            assert_eq!(S3Error::from(error).code(), code);
        }
    }

    #[test]
    fn each_fault_of_a_form_and_its_policy_has_its_code() {
        for (error, code) in [
            (S3Error::from(FormError::NotMultipart), ErrorCode::RequestIsNotMultiPartContent),
            (FormError::FieldsTooLarge { max_bytes: 1 }.into(), ErrorCode::MaxPostPreDataLengthExceededError),
            (FormError::NoFile.into(), ErrorCode::IncorrectNumberOfFilesInPostRequest),
            (FormError::Body(BodyError::SeveralFiles).into(), ErrorCode::IncorrectNumberOfFilesInPostRequest),
            (PolicyError::NotBase64.into(), ErrorCode::InvalidPolicyDocument),
            (PolicyError::Malformed { reason: "x".into() }.into(), ErrorCode::InvalidPolicyDocument),
            (PolicyError::Expired.into(), ErrorCode::AccessDenied),
            (PolicyError::ConditionFailed { condition: "x".into() }.into(), ErrorCode::AccessDenied),
            (PolicyError::ExtraField { name: "x".into() }.into(), ErrorCode::AccessDenied),
        ] {
            assert_eq!(error.code(), code, "{error}");
        }
    }

    #[test]
    fn names_that_are_refused_say_why() {
        let error = S3Error::from(weir_proto::BucketName::new("Abc").unwrap_err());
        assert_eq!(error.code(), ErrorCode::InvalidBucketName);
        assert!(error.message().contains("lower-case"), "{}", error.message());
        let error = S3Error::from(weir_proto::ObjectKey::new(vec![b'k'; 1025]).unwrap_err());
        assert_eq!(error.code(), ErrorCode::KeyTooLongError);
    }
}
