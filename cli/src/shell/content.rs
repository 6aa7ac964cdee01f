//! Objects' bytes: in, out, and from one key to another.

use super::error::ShellError;
use super::path::ShellPath;
use super::{OWNER, Shell};
use bytes::{Bytes, BytesMut};
use futures::stream::{self, Stream, TryStreamExt as _};
use http_body::Frame;
use http_body_util::{Full, StreamBody};
use std::io;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use weir_gateway::body::{BodyLimits, BodyPlan, IncomingBody};
use weir_gateway::objects::{CopyObject, GetObject, ObjectsError, OpenedObject, PutObject};
use weir_proto::v1::{self, Reason};
use weir_proto::{BucketName, ObjectKey};

/// The longest object of S3: 5 TiB.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>
const OBJECT_MAX_BYTES: u64 = 5 << 40;
/// A local file, or a pipe, that gives nothing for so long is given up.
const IDLE_TIMEOUT: Duration = Duration::from_secs(3_600);
/// A pipe may be as slow as it likes within that.
const MIN_BYTES_PER_SECOND: u64 = 1;
const READ_BYTES: usize = 1 << 20;

/// May what is at the destination be replaced?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    Replace,
    Keep,
}

impl Existing {
    fn precondition(self) -> Option<v1::Precondition> {
        match self {
            Self::Replace => None,
            Self::Keep => Some(v1::Precondition { if_none_match: vec!["*".into()], ..Default::default() }),
        }
    }
}

/// Did a write find its key taken?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    Done,
    /// With [`Existing::Keep`]: something is there, and stays.
    AlreadyThere,
}

/// The object's content, or a range of it: nothing, where the range lies outside.
///
/// # Errors
/// [`ShellError::Missing`].
pub async fn open(shell: &Shell, path: &ShellPath, range: Option<v1::ByteRange>) -> Result<OpenedObject, ShellError> {
    let (bucket, key) = names(path)?;
    let request = GetObject { bucket, key, range, part_number: 0 };
    shell.objects().await?.get_object(request).await.map_err(|failure| ShellError::Refused(failure).about(path))
}

/// An object without bytes.
pub async fn put_empty(shell: &Shell, path: &ShellPath, existing: Existing) -> Result<Written, ShellError> {
    let body = IncomingBody::new(Full::new(Bytes::new()), BodyPlan::undeclared(Some(0), limits()));
    put(shell, path, body, existing).await
}

/// A stream of `length` bytes; without it, up to where it ends.
pub async fn put_stream<S>(
    shell: &Shell,
    path: &ShellPath,
    length: Option<u64>,
    data: S,
    existing: Existing,
) -> Result<Written, ShellError>
where
    S: Stream<Item = io::Result<Bytes>> + Send + 'static,
{
    let body = StreamBody::new(data.map_ok(Frame::data));
    put(shell, path, IncomingBody::new(body, BodyPlan::undeclared(length, limits())), existing).await
}

async fn put(shell: &Shell, path: &ShellPath, body: IncomingBody, existing: Existing) -> Result<Written, ShellError> {
    let (bucket, key) = names(path)?;
    let keeping = shell.keeping_of(bucket.as_str()).await?;
    let request = PutObject {
        bucket,
        key,
        attributes: v1::Attributes::default(),
        precondition: existing.precondition(),
        owner: OWNER.into(),
        keeping,
    };
    written(shell.objects().await?.put_object(request, body).await, path)
}

/// Copies an object, sharing its blocks where that is possible.
pub async fn copy(shell: &Shell, from: &ShellPath, to: &ShellPath, existing: Existing) -> Result<Written, ShellError> {
    let (source_bucket, source_key) = names(from)?;
    let (bucket, key) = names(to)?;
    let keeping = shell.keeping_of(bucket.as_str()).await?;
    let request = CopyObject {
        source_bucket,
        source_key,
        source_object_id: 0,
        source_precondition: None,
        bucket,
        key,
        precondition: existing.precondition(),
        replace_attributes: None,
        replace_tags: None,
        checksum_algorithm: v1::ChecksumAlgorithm::None,
        owner: OWNER.into(),
        acl: None,
        keeping,
    };
    let copied = shell.objects().await?.copy_object(request).await;
    let missing = match &copied {
        Err(ObjectsError::Failure(failure)) if failure.reason == Reason::NoSuchKey => from,
        _ => to,
    };
    written(copied, missing)
}

fn written(result: Result<v1::Object, ObjectsError>, path: &ShellPath) -> Result<Written, ShellError> {
    match result {
        Ok(_) => Ok(Written::Done),
        Err(ObjectsError::Failure(failure)) if failure.reason == Reason::PreconditionFailed => {
            Ok(Written::AlreadyThere)
        }
        // Another writer took the key at this very moment.
        Err(ObjectsError::Failure(failure)) if failure.reason == Reason::Conflict => Ok(Written::AlreadyThere),
        Err(ObjectsError::Failure(failure)) if failure.reason == Reason::NoSuchBucket => {
            Err(ShellError::Missing(ShellPath::Bucket(path.bucket().unwrap_or_default().to_owned())))
        }
        Err(ObjectsError::Failure(failure)) => Err(ShellError::Refused(failure).about(path)),
        Err(ObjectsError::Body(error)) => Err(ShellError::said(format!("{path}: {error}"))),
    }
}

/// The bytes of a local file from where it stands; `seen` is told of each piece.
pub fn local_stream(
    file: tokio::fs::File,
    seen: impl Fn(u64) + Send + 'static,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    stream::try_unfold((file, seen), |(mut file, seen)| async move {
        let mut piece = BytesMut::with_capacity(READ_BYTES);
        let count = file.read_buf(&mut piece).await?;
        seen(count as u64);
        Ok((count > 0).then(|| (piece.freeze(), (file, seen))))
    })
}

/// The names that the contract wants.
///
/// # Errors
/// What is wrong with them, when they can't be those of an object.
pub fn names(path: &ShellPath) -> Result<(BucketName, ObjectKey), ShellError> {
    let ShellPath::Key(bucket, key) = path else {
        return Err(ShellError::said(format!("{path} is not the path of an object: /bucket/key")));
    };
    let named = BucketName::new(bucket).and_then(|bucket| Ok((bucket, ObjectKey::new(key.clone())?)));
    named.map_err(|error| ShellError::said(error.to_string()))
}

fn limits() -> BodyLimits {
    BodyLimits { max_bytes: OBJECT_MAX_BYTES, idle_timeout: IDLE_TIMEOUT, min_bytes_per_second: MIN_BYTES_PER_SECOND }
}
