//! What a request's headers say of its body: how long it is, how it is framed, and what must be true of it.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-auth-using-authorization-header.html>,
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html>

use super::error::BodyError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::HeaderMap;
use http::header::{EXPECT, TRANSFER_ENCODING};
use std::time::Duration;
use weir_proto::v1::ChecksumAlgorithm;

const CONTENT_LENGTH: &str = "content-length";
const CONTENT_MD5: &str = "content-md5";
const CONTENT_SHA256: &str = "x-amz-content-sha256";
const DECODED_LENGTH: &str = "x-amz-decoded-content-length";
const SDK_ALGORITHM: &str = "x-amz-sdk-checksum-algorithm";
const TRAILER: &str = "x-amz-trailer";
const CHECKSUM_PREFIX: &str = "x-amz-checksum-";

/// Headers that begin like a checksum and are none.
const NO_CHECKSUMS: [&str; 3] = ["x-amz-checksum-algorithm", "x-amz-checksum-type", "x-amz-checksum-mode"];

/// Algorithms that S3 has since 2026 and Weir has not.
const LATER_ALGORITHMS: [&str; 5] = ["md5", "sha512", "xxhash3", "xxhash64", "xxhash128"];

/// What the body is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyKind {
    /// PutObject.
    Put,
    /// UploadPart.
    Part,
    /// An XML document. Its checksum headers speak of the document.
    Document,
    /// The document of CompleteMultipartUpload. Its checksum headers speak of the object, so they are left alone; its
    /// trailer is the document's.
    Completion,
}

/// What bounds a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyLimits {
    /// The longest decoded body.
    pub max_bytes: u64,
    /// A body that sends nothing for so long is given up.
    pub idle_timeout: Duration,
    /// A client that keeps the gateway waiting may do so for `idle_timeout`, and for as much longer as its body takes at
    /// this rate: a byte now and then does not hold a connection for ever. At least 1.
    pub min_bytes_per_second: u64,
}

/// How many bytes the decoded body has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyLength {
    /// Declared by Content-Length or x-amz-decoded-content-length.
    Known(u64),
    /// No length and no chunked transfer encoding: there is no body.
    Absent,
    /// Chunked transfer encoding without a length: the body ends where it ends.
    Unknown,
}

impl BodyLength {
    /// The number of bytes, where it is known.
    pub fn known(self) -> Option<u64> {
        match self {
            Self::Known(length) => Some(length),
            Self::Absent => Some(0),
            Self::Unknown => None,
        }
    }
}

/// What x-amz-content-sha256 says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// The header is absent or empty: Signature Version 2, no credentials, presigned URLs.
    Undeclared,
    /// `UNSIGNED-PAYLOAD`.
    Unsigned,
    /// The SHA-256 of the body.
    Sha256([u8; 32]),
    /// aws-chunked framing.
    Streaming(StreamingKind),
}

/// The kinds of aws-chunked framing.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamingKind {
    /// `STREAMING-AWS4-HMAC-SHA256-PAYLOAD`: each chunk has a signature.
    Signed,
    /// `STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER`: each chunk and the trailer have one.
    SignedTrailer,
    /// `STREAMING-UNSIGNED-PAYLOAD-TRAILER`: no signatures, a trailer.
    UnsignedTrailer,
}

impl StreamingKind {
    /// Do its chunks carry signatures?
    pub fn is_signed(self) -> bool {
        match self {
            Self::Signed | Self::SignedTrailer => true,
            Self::UnsignedTrailer => false,
        }
    }

    /// May a trailer follow the last chunk?
    pub fn has_trailer(self) -> bool {
        match self {
            Self::Signed => false,
            Self::SignedTrailer | Self::UnsignedTrailer => true,
        }
    }
}

/// The checksum that the client sent or will send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeclaredChecksum {
    /// In the header: its value, of the algorithm's length.
    Header { algorithm: ChecksumAlgorithm, value: Vec<u8> },
    /// In the trailer.
    Trailer { algorithm: ChecksumAlgorithm },
}

impl DeclaredChecksum {
    pub fn algorithm(&self) -> ChecksumAlgorithm {
        match self {
            Self::Header { algorithm, .. } | Self::Trailer { algorithm } => *algorithm,
        }
    }
}

/// How to read a body, and what must be true of it at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BodyPlan {
    pub kind: BodyKind,
    pub length: BodyLength,
    pub payload: Payload,
    pub content_md5: Option<[u8; 16]>,
    pub declared: Option<DeclaredChecksum>,
    /// The algorithm of the checksum that is stored with the data, whatever was declared; NONE: the declared one, or
    /// S3's default, CRC64NVME.
    pub stored_algorithm: ChecksumAlgorithm,
    /// The shortest decoded body.
    pub min_bytes: u64,
    pub limits: BodyLimits,
    /// The client sends the body only after `100 Continue`, so refusing early is worth a call.
    pub expects_continue: bool,
}

impl BodyPlan {
    /// Reads the headers.
    ///
    /// # Errors
    /// Everything that can be known to be wrong before the first byte of the body.
    pub fn from_headers(headers: &HeaderMap, kind: BodyKind, limits: BodyLimits) -> Result<Self, BodyError> {
        let payload = payload(headers)?;
        let length = length(headers, payload)?;
        if length.known().is_some_and(|length| length > limits.max_bytes) {
            return Err(BodyError::TooLarge { max_bytes: limits.max_bytes });
        }
        let declared = match kind {
            BodyKind::Put | BodyKind::Part | BodyKind::Document => declared_checksum(headers, payload)?,
            // A trailer can speak of nothing but the body that it ends.
            BodyKind::Completion => checksum_in_trailer(headers, payload)?,
        };
        Ok(Self {
            kind,
            length,
            payload,
            content_md5: content_md5(headers)?,
            declared,
            stored_algorithm: ChecksumAlgorithm::None,
            min_bytes: 0,
            limits,
            expects_continue: headers.get(EXPECT).is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"100-continue")),
        })
    }

    /// A body that comes without headers, from a file of the shell for instance, of which nothing is declared but, if
    /// known, its length.
    pub fn undeclared(length: Option<u64>, limits: BodyLimits) -> Self {
        Self {
            kind: BodyKind::Put,
            length: length.map_or(BodyLength::Unknown, BodyLength::Known),
            payload: Payload::Undeclared,
            content_md5: None,
            declared: None,
            stored_algorithm: ChecksumAlgorithm::None,
            min_bytes: 0,
            limits,
            expects_continue: false,
        }
    }

    /// The file of a form. What is declared of it stands in fields of the form that are named as a PUT's headers are:
    /// Content-MD5, x-amz-checksum-* and x-amz-sdk-checksum-algorithm. It ends where the form says.
    ///
    /// # Errors
    /// Everything that can be known to be wrong before the first byte of the file.
    pub fn of_form_file(fields: &HeaderMap, min_bytes: u64, limits: BodyLimits) -> Result<Self, BodyError> {
        Ok(Self {
            content_md5: content_md5(fields)?,
            declared: declared_checksum(fields, Payload::Undeclared)?,
            min_bytes,
            ..Self::undeclared(None, limits)
        })
    }
}

/// The header that carries a checksum of this algorithm.
pub fn checksum_header(algorithm: ChecksumAlgorithm) -> Option<&'static str> {
    match algorithm {
        ChecksumAlgorithm::None => None,
        ChecksumAlgorithm::Crc32 => Some("x-amz-checksum-crc32"),
        ChecksumAlgorithm::Crc32c => Some("x-amz-checksum-crc32c"),
        ChecksumAlgorithm::Crc64nvme => Some("x-amz-checksum-crc64nvme"),
        ChecksumAlgorithm::Sha1 => Some("x-amz-checksum-sha1"),
        ChecksumAlgorithm::Sha256 => Some("x-amz-checksum-sha256"),
    }
}

/// The bytes that a checksum of this algorithm has.
fn checksum_bytes(algorithm: ChecksumAlgorithm) -> usize {
    match algorithm {
        ChecksumAlgorithm::None => 0,
        ChecksumAlgorithm::Crc32 | ChecksumAlgorithm::Crc32c => 4,
        ChecksumAlgorithm::Crc64nvme => 8,
        ChecksumAlgorithm::Sha1 => 20,
        ChecksumAlgorithm::Sha256 => 32,
    }
}

/// The algorithm by the name that ends its header or that x-amz-sdk-checksum-algorithm holds, in any case.
fn algorithm_by_name(name: &str) -> Option<ChecksumAlgorithm> {
    Some(match name.to_ascii_lowercase().as_str() {
        "crc32" => ChecksumAlgorithm::Crc32,
        "crc32c" => ChecksumAlgorithm::Crc32c,
        "crc64nvme" => ChecksumAlgorithm::Crc64nvme,
        "sha1" => ChecksumAlgorithm::Sha1,
        "sha256" => ChecksumAlgorithm::Sha256,
        _ => return None,
    })
}

/// The value of a header that may come once.
fn single<'a>(headers: &'a HeaderMap, header: &'static str) -> Result<Option<&'a str>, BodyError> {
    let mut values = headers.get_all(header).iter();
    let Some(first) = values.next() else { return Ok(None) };
    match (first.to_str(), values.next()) {
        (Ok(value), None) => Ok(Some(value.trim())),
        _ => Err(BodyError::AmbiguousHeader { header }),
    }
}

/// Is what x-amz-content-sha256 says a payload at all? To be asked of requests whose body is not read, too: what their
/// sender meant by another one can't be known.
///
/// # Errors
/// [`BodyError::UnknownPayload`], [`BodyError::PayloadNotImplemented`], [`BodyError::AmbiguousHeader`].
pub fn check_declared_payload(headers: &HeaderMap) -> Result<(), BodyError> {
    payload(headers).map(|_| ())
}

fn payload(headers: &HeaderMap) -> Result<Payload, BodyError> {
    let Some(value) = single(headers, CONTENT_SHA256)? else { return Ok(Payload::Undeclared) };
    Ok(match value {
        "" => Payload::Undeclared,
        "UNSIGNED-PAYLOAD" => Payload::Unsigned,
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" => Payload::Streaming(StreamingKind::Signed),
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" => Payload::Streaming(StreamingKind::SignedTrailer),
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER" => Payload::Streaming(StreamingKind::UnsignedTrailer),
        "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD" | "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER" => {
            return Err(BodyError::PayloadNotImplemented { value: value.to_owned() });
        }
        other => {
            let mut hash = [0; 32];
            match hex::decode_to_slice(other, &mut hash) {
                Ok(()) => Payload::Sha256(hash),
                Err(_) => return Err(BodyError::UnknownPayload { value: other.to_owned() }),
            }
        }
    })
}

fn length(headers: &HeaderMap, payload: Payload) -> Result<BodyLength, BodyError> {
    let content_length = parsed_length(headers, CONTENT_LENGTH)?;
    match payload {
        Payload::Streaming(_) => match parsed_length(headers, DECODED_LENGTH)? {
            Some(length) => Ok(BodyLength::Known(length)),
            None => Err(BodyError::MissingLength { header: DECODED_LENGTH }),
        },
        Payload::Undeclared | Payload::Unsigned | Payload::Sha256(_) => Ok(match content_length {
            Some(length) => BodyLength::Known(length),
            None if headers.contains_key(TRANSFER_ENCODING) => BodyLength::Unknown,
            None => BodyLength::Absent,
        }),
    }
}

fn parsed_length(headers: &HeaderMap, header: &'static str) -> Result<Option<u64>, BodyError> {
    let Some(value) = single(headers, header)? else { return Ok(None) };
    let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
    match value.parse() {
        Ok(length) if digits => Ok(Some(length)),
        _ => Err(BodyError::InvalidLength { header, value: value.to_owned() }),
    }
}

fn content_md5(headers: &HeaderMap) -> Result<Option<[u8; 16]>, BodyError> {
    let Some(value) = single(headers, CONTENT_MD5)? else { return Ok(None) };
    let bytes = BASE64.decode(value).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.map(Some).ok_or_else(|| BodyError::InvalidContentMd5 { value: value.to_owned() })
}

fn declared_checksum(headers: &HeaderMap, payload: Payload) -> Result<Option<DeclaredChecksum>, BodyError> {
    let header = checksum_in_headers(headers)?;
    let trailer = checksum_in_trailer(headers, payload)?;
    let declared = match (header, trailer) {
        (Some(_), Some(_)) => return Err(BodyError::ChecksumInHeaderAndTrailer),
        (Some(header), None) => Some(header),
        (None, trailer) => trailer,
    };
    if let Some(value) = single(headers, SDK_ALGORITHM)? {
        let algorithm = algorithm_by_name(value).ok_or_else(|| unknown_algorithm(value))?;
        if declared.as_ref().map(DeclaredChecksum::algorithm) != Some(algorithm) {
            return Err(BodyError::ChecksumNotSent { declared: value.to_owned() });
        }
    }
    Ok(declared)
}

fn unknown_algorithm(name: &str) -> BodyError {
    if LATER_ALGORITHMS.iter().any(|later| later.eq_ignore_ascii_case(name)) {
        BodyError::ChecksumNotImplemented { name: name.to_owned() }
    } else {
        BodyError::UnknownChecksumAlgorithm { value: name.to_owned() }
    }
}

fn checksum_in_headers(headers: &HeaderMap) -> Result<Option<DeclaredChecksum>, BodyError> {
    let mut found = None;
    for (name, value) in headers {
        let name = name.as_str();
        let Some(short) = name.strip_prefix(CHECKSUM_PREFIX) else { continue };
        if NO_CHECKSUMS.contains(&name) {
            continue;
        }
        let algorithm = algorithm_by_name(short).ok_or_else(|| unknown_algorithm(short))?;
        let text = String::from_utf8_lossy(value.as_bytes());
        let value = decode_checksum(algorithm, text.trim())?;
        if found.replace(DeclaredChecksum::Header { algorithm, value }).is_some() {
            return Err(BodyError::SeveralChecksums);
        }
    }
    Ok(found)
}

/// The bytes of a checksum as headers and trailers write it: base64.
///
/// # Errors
/// [`BodyError::InvalidChecksum`].
pub(super) fn decode_checksum(algorithm: ChecksumAlgorithm, text: &str) -> Result<Vec<u8>, BodyError> {
    match BASE64.decode(text) {
        Ok(value) if value.len() == checksum_bytes(algorithm) => Ok(value),
        _ => Err(BodyError::InvalidChecksum {
            name: checksum_header(algorithm).unwrap_or(CHECKSUM_PREFIX).to_owned(),
            value: text.to_owned(),
        }),
    }
}

fn checksum_in_trailer(headers: &HeaderMap, payload: Payload) -> Result<Option<DeclaredChecksum>, BodyError> {
    let takes_trailer = match payload {
        Payload::Streaming(kind) => kind.has_trailer(),
        Payload::Undeclared | Payload::Unsigned | Payload::Sha256(_) => false,
    };
    let mut values = headers.get_all(TRAILER).iter();
    match (values.next(), takes_trailer) {
        (None, _) => return Ok(None),
        (Some(_), false) => return Err(BodyError::TrailerWithoutStreaming),
        (Some(_), true) => {}
    }
    if values.next().is_some() {
        return Err(BodyError::SeveralChecksums);
    }
    let name = single(headers, TRAILER)?.unwrap_or_default().to_ascii_lowercase();
    if name.contains(',') {
        return Err(BodyError::SeveralChecksums);
    }
    let Some(short) = name.strip_prefix(CHECKSUM_PREFIX) else { return Err(BodyError::UnknownTrailer { name }) };
    let algorithm = algorithm_by_name(short).ok_or_else(|| unknown_algorithm(short))?;
    Ok(Some(DeclaredChecksum::Trailer { algorithm }))
}
