//! What callers ask of [`super::Objects`], and what they get.

use super::ContentStream;
use crate::blocks::{Nearness, ReadPatience};
use crate::body::BodyError;
use std::time::Duration;
use weir_coding::Scheme;
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
    /// A worker that takes or answers nothing for so long is replaced, if there is another.
    pub worker_silence: Duration,
    /// Where this gateway runs, and how long a worker may keep its reads waiting.
    pub nearness: Nearness,
    /// Blocks of workers on this machine are read from their files, where these can be opened.
    pub local_reads: bool,
    pub read_patience: ReadPatience,
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
            worker_silence: Duration::from_millis(settings.worker_silence_ms),
            nearness: Nearness { zone: settings.zone.clone(), host: settings.host.clone() },
            local_reads: settings.local_reads,
            read_patience: ReadPatience {
                hedge: Duration::from_millis(settings.read_hedge_ms),
                silence: Duration::from_millis(settings.read_silence_ms),
            },
            block_grant_count: settings.block_grant_count,
            remember_requests: true,
            open_timeout: None,
        }
    }
}

/// How a bucket wants its new blocks kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keeping {
    /// Copies of each; 0: the bucket asks for none, and the cluster's setting holds.
    pub replication: u32,
    /// They are coded instead.
    pub coding: Option<Scheme>,
}

impl Keeping {
    /// What a bucket's settings say; none: nothing.
    pub fn of(access: Option<&v1::BucketAccess>) -> Self {
        let Some(access) = access else { return Self::default() };
        // The metaserver takes no scheme that makes no sense.
        let coding = access.coding.and_then(|coding| Scheme::new(coding.data_shards, coding.parity_shards).ok());
        Self { replication: access.replication, coding }
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
    pub keeping: Keeping,
}

/// UploadPart.
#[derive(Clone, Debug)]
pub struct PutPart {
    pub bucket: BucketName,
    pub key: ObjectKey,
    pub upload_id: u64,
    /// 1 to 10,000.
    pub part_number: u32,
    pub keeping: Keeping,
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
    pub keeping: Keeping,
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
    pub keeping: Keeping,
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
