//! Everything that can be wrong with a body.

use super::md5::Md5Lost;
use std::borrow::Cow;
use std::time::Duration;

/// Why a request's body was refused. Each variant names the S3 error code that it becomes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// `MissingContentLength` (411).
    #[error("the length of the body must be told, in the header {header}")]
    MissingLength { header: &'static str },
    /// `InvalidArgument`.
    #[error("the header {header} does not hold a length: {value:?}")]
    InvalidLength { header: &'static str, value: String },
    /// `InvalidArgument`. Which of the two was meant can't be known.
    #[error("the header {header} was sent more than once, or is not plain text")]
    AmbiguousHeader { header: &'static str },
    /// `EntityTooLarge`; for documents `MaxMessageLengthExceeded` or `MalformedXML`.
    #[error("the body is longer than the {max_bytes} bytes that are allowed")]
    TooLarge { max_bytes: u64 },
    /// `EntityTooSmall`.
    #[error("the body has {received} bytes, which is less than the {min_bytes} that are needed")]
    TooSmall { min_bytes: u64, received: u64 },
    /// `InvalidArgument`.
    #[error(
        "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, \
         STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, STREAMING-UNSIGNED-PAYLOAD-TRAILER or a SHA-256 in hexadecimal, \
         not {value:?}"
    )]
    UnknownPayload { value: String },
    /// `NotImplemented` (501).
    #[error("payloads of the kind {value} are not implemented")]
    PayloadNotImplemented { value: String },
    /// `XAmzContentSHA256Mismatch`.
    #[error("the body's SHA-256 is {computed}, x-amz-content-sha256 says {declared}")]
    PayloadHashMismatch { declared: String, computed: String },
    /// `InvalidDigest`.
    #[error("Content-MD5 does not hold 16 bytes in base64: {value:?}")]
    InvalidContentMd5 { value: String },
    /// `BadDigest`. Both in base64.
    #[error("the body's MD5 is {computed}, Content-MD5 says {declared}")]
    ContentMd5Mismatch { declared: String, computed: String },
    /// `InvalidRequest`.
    #[error("the value of {name} is not a checksum of that kind in base64: {value:?}")]
    InvalidChecksum { name: String, value: String },
    /// `BadDigest`. Both in base64.
    #[error("the {name} that was computed is {computed}, the request says {declared}")]
    ChecksumMismatch { name: &'static str, declared: String, computed: String },
    /// `InvalidRequest`.
    #[error("more than one checksum was sent; one is allowed")]
    SeveralChecksums,
    /// `InvalidRequest`.
    #[error("a checksum was sent as a header and announced as a trailer; one of them is allowed")]
    ChecksumInHeaderAndTrailer,
    /// `InvalidRequest`.
    #[error("the checksum algorithm {value:?} is not known")]
    UnknownChecksumAlgorithm { value: String },
    /// `NotImplemented` (501).
    #[error("the checksum algorithm of {name} is not implemented")]
    ChecksumNotImplemented { name: String },
    /// `InvalidRequest`.
    #[error(
        "x-amz-sdk-checksum-algorithm says {declared}, but there is no x-amz-checksum-* header or x-amz-trailer of it"
    )]
    ChecksumNotSent { declared: String },
    /// `InvalidRequest`.
    #[error("x-amz-trailer names {name:?}; it may name one x-amz-checksum-* header")]
    UnknownTrailer { name: String },
    /// `InvalidRequest`.
    #[error("x-amz-trailer needs a payload of a STREAMING-…-TRAILER kind")]
    TrailerWithoutStreaming,
    /// `MalformedTrailerError`.
    #[error("the trailer of the body is not well-formed: {reason}")]
    MalformedTrailer { reason: &'static str },
    /// `InvalidRequest`.
    #[error("the aws-chunked framing of the body is broken: {reason}")]
    MalformedChunk { reason: &'static str },
    /// `IncompleteBody`.
    #[error("the body ended after {received} bytes; {expected}")]
    Incomplete { received: u64, expected: String },
    /// `IncompleteBody`.
    #[error("the body has more than the {declared} bytes that were declared")]
    LongerThanDeclared { declared: u64 },
    /// `MalformedPOSTRequest`.
    #[error("the form is not well-formed multipart/form-data: {reason}")]
    MalformedForm { reason: Cow<'static, str> },
    /// `IncorrectNumberOfFilesInPostRequest`.
    #[error("the form has more than one file")]
    SeveralFiles,
    /// `SignatureDoesNotMatch` (403).
    #[error("the signature of a chunk of the body does not match")]
    ChunkSignatureMismatch,
    /// `RequestTimeout`.
    #[error("nothing of the body came for {} ms, or too little of it for longer", after.as_millis())]
    Stalled { after: Duration },
    /// `InvalidRequest`. HTTP's own chunked transfer encoding.
    #[error("the transfer encoding of the body is broken: {reason}")]
    MalformedTransfer { reason: String },
    /// No answer reaches anyone: the connection is gone.
    #[error("the client went away in the middle of the body: {reason}")]
    Disconnected { reason: String },
    /// `InternalError` (500).
    #[error(transparent)]
    Md5Lost(#[from] Md5Lost),
}
