//! Everything that can be wrong with a form before its file.

use crate::body::BodyError;
use std::borrow::Cow;

/// Why a form was refused. Each variant names the S3 error code that it becomes.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// `RequestIsNotMultiPartContent`.
    #[error("the Content-Type of a form is multipart/form-data")]
    NotMultipart,
    /// `MaxPostPreDataLengthExceededError`.
    #[error("the form has more than {max_bytes} bytes before its file")]
    FieldsTooLarge { max_bytes: usize },
    /// `IncorrectNumberOfFilesInPostRequest`.
    #[error("the form has no file")]
    NoFile,
    /// `MalformedPOSTRequest`, or what else is wrong with a body.
    #[error(transparent)]
    Body(#[from] BodyError),
}

/// `MalformedPOSTRequest`, with the reason.
pub(super) fn malformed(reason: impl Into<Cow<'static, str>>) -> BodyError {
    BodyError::MalformedForm { reason: reason.into() }
}
