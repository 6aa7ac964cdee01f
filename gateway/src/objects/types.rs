//! What callers ask of [`super::Objects`], and what they get.

use super::ContentStream;
use crate::body::BodyError;
use std::time::Duration;
use weir_proto::v1;
use weir_proto::v1::Reason;
use weir_proto::{BucketName, Failure, ObjectKey};
use weir_service::config::settings::GatewaySettings;

/// How [`super::Objects`] works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectsOptions {
    /// Where this gateway serves S3, for operators to read.
    pub address: String,
    /// Bodies up to this size are stored with the metadata, if the metaserver allows as much.
    pub inline_max_bytes: u64,
    /// The longest block.
    pub block_max_bytes: u64,
    /// Bytes of object data that all uploads together may hold in memory.
    pub buffer_max_bytes: u64,
    /// Bytes of object data that are read ahead of all clients together, besides a little for each.
    pub read_buffer_max_bytes: u64,
    /// Block ids asked of the metaserver at a time.
    pub block_grant_count: u32,
    /// The metaserver is reached over a network, where an answer can be lost: changes carry a request id that the
    /// metaserver remembers, and are sent again when in doubt. Always off when all roles are in one process.
    pub remember_requests: bool,
    /// How long opening tries to reach the metaserver; absent: until shutdown.
    pub open_timeout: Option<Duration>,
}

impl From<&GatewaySettings> for ObjectsOptions {
    /// For a metaserver over a network.
    fn from(settings: &GatewaySettings) -> Self {
        Self {
            address: settings.listen.clone(),
            inline_max_bytes: settings.inline_max_bytes,
            block_max_bytes: settings.block_max_bytes,
            buffer_max_bytes: settings.buffer_max_bytes,
            read_buffer_max_bytes: settings.read_buffer_max_bytes,
            block_grant_count: settings.block_grant_count,
            remember_requests: true,
            open_timeout: None,
        }
    }
}

/// PutObject.
#[derive(Clone, Debug)]
pub struct PutObject {
    pub bucket: BucketName,
    pub key: ObjectKey,
    pub attributes: v1::Attributes,
    pub precondition: Option<v1::Precondition>,
    pub owner: String,
}

/// UploadPart.
#[derive(Clone, Debug)]
pub struct PutPart {
    pub bucket: BucketName,
    pub key: ObjectKey,
    pub upload_id: u64,
    /// 1 to 10,000.
    pub part_number: u32,
}

/// GetObject.
#[derive(Clone, Debug)]
pub struct GetObject {
    pub bucket: BucketName,
    pub key: ObjectKey,
    /// Not together with `part_number`.
    pub range: Option<v1::ByteRange>,
    /// 1 to 10,000; 0: the whole object.
    pub part_number: u32,
}

/// An object's head and the content that was asked for.
#[derive(Debug)]
pub struct OpenedObject {
    pub object: v1::Object,
    /// Where the content begins in the object.
    pub offset_bytes: u64,
    pub length_bytes: u64,
    /// The range lies outside the object, or the part does not exist; the content is empty.
    pub unsatisfiable: bool,
    /// With a part number on a multipart object: the part.
    pub part: Option<v1::Part>,
    /// Nothing of it is fetched before it is started or polled.
    pub content: ContentStream,
}

/// CopyObject.
#[derive(Clone, Debug)]
pub struct CopyObject {
    pub source_bucket: BucketName,
    pub source_key: ObjectKey,
    /// The version that is to be copied, else `CONFLICT`; 0: whichever it is.
    pub source_object_id: u64,
    pub source_precondition: Option<v1::Precondition>,
    pub bucket: BucketName,
    pub key: ObjectKey,
    pub precondition: Option<v1::Precondition>,
    /// Absent: the source's headers and metadata are kept. Its tags are ignored: see `replace_tags`.
    pub replace_attributes: Option<v1::Attributes>,
    /// Absent: the source's tags are kept.
    pub replace_tags: Option<Vec<v1::Tag>>,
    /// x-amz-checksum-algorithm; NONE: the source's checksum is kept.
    pub checksum_algorithm: v1::ChecksumAlgorithm,
    pub owner: String,
    /// Absent: the owner's alone. The source's is never taken.
    pub acl: Option<v1::Acl>,
}

/// UploadPartCopy.
#[derive(Clone, Debug)]
pub struct CopyPart {
    pub source_bucket: BucketName,
    pub source_key: ObjectKey,
    /// The version that is to be copied, else `CONFLICT`; 0: whichever it is.
    pub source_object_id: u64,
    pub source_precondition: Option<v1::Precondition>,
    /// `FromTo` alone; absent: the whole source.
    pub range: Option<v1::ByteRange>,
    pub bucket: BucketName,
    pub key: ObjectKey,
    pub upload_id: u64,
    pub part_number: u32,
}

/// Why something about an object did not work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ObjectsError {
    /// The body that the client sent is at fault.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The metaserver or a worker refused, or could not be reached.
    #[error(transparent)]
    Failure(#[from] Failure),
}

impl ObjectsError {
    /// What the metaserver or a worker said, if it was one of them.
    pub fn reason(&self) -> Option<Reason> {
        match self {
            Self::Failure(failure) => Some(failure.reason),
            Self::Body(_) => None,
        }
    }
}
