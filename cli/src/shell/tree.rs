//! The namespace as a tree: buckets, and what is at a path. A directory is a prefix that ends in `/` and has keys under
//! it, or a key that ends in `/` (its marker). Both the object `a` and the directory `a/` may exist.
//!
//! Everything is streamed: of a listing, one page is held at a time.

use super::error::ShellError;
use super::path::ShellPath;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use weir_proto::MAX_MESSAGE_BYTES;
use weir_proto::v1;
use weir_proto::v1::list_entry::Entry;
use weir_proto::v1::list_objects_request::Start;
use weir_proto::v1::namespace_client::NamespaceClient;
use weir_service::channel::Channel;

/// Keys or buckets asked for at a time; the metaserver gives no more.
pub const PAGE_COUNT: u32 = 1_000;

pub type Entries<T> = BoxStream<'static, Result<T, ShellError>>;
pub type Namespace = NamespaceClient<Channel>;

/// The namespace as a tree. Cheap to clone.
#[derive(Clone)]
pub struct Tree {
    namespace: Namespace,
}

/// An object, as a listing tells of it.
#[derive(Clone, Debug)]
pub struct File {
    pub path: ShellPath,
    pub size_bytes: u64,
    pub modified_ms: i64,
    pub owner: String,
}

/// What is at a path: both may be there.
#[derive(Debug, Default)]
pub struct Found {
    pub file: Option<v1::Object>,
    /// The directory's path, if it exists.
    pub directory: Option<ShellPath>,
}

/// Of a listing, as much as one call gives.
#[derive(Clone, Debug, Default)]
pub struct Page {
    pub entries: Vec<v1::ListEntry>,
    /// Where the next page starts.
    pub next: Option<Bytes>,
}

impl Tree {
    pub fn new(channel: Channel) -> Self {
        let namespace = NamespaceClient::new(channel)
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES);
        Self { namespace }
    }

    pub fn namespace(&self) -> Namespace {
        self.namespace.clone()
    }

    /// The object or directory that `path` names: the object when both exist, unless the path ends in a slash.
    ///
    /// # Errors
    /// [`ShellError::Missing`] when there is neither.
    pub async fn find(&self, path: &ShellPath) -> Result<Found, ShellError> {
        let found = self.look(path).await?;
        if found.is_nothing() { Err(ShellError::Missing(path.clone())) } else { Ok(found) }
    }

    /// As [`Tree::find`]; nothing found is no error.
    pub async fn look(&self, path: &ShellPath) -> Result<Found, ShellError> {
        match path {
            ShellPath::Root => Ok(Found { file: None, directory: Some(ShellPath::Root) }),
            ShellPath::Bucket(name) => {
                let there = self.bucket(name).await?.is_some();
                Ok(Found { file: None, directory: there.then(|| path.clone()) })
            }
            ShellPath::Key(bucket, key) => {
                let prefix = path.prefix();
                let (file, is_directory) = futures::try_join!(self.object(path), self.has_keys(bucket, &prefix))?;
                let file = file.filter(|_| !key.ends_with(b"/"));
                Ok(Found { file, directory: is_directory.then(|| ShellPath::directory(bucket, prefix)) })
            }
        }
    }

    /// The bucket of this name, if there is one.
    pub async fn bucket(&self, name: &str) -> Result<Option<v1::GetBucketResponse>, ShellError> {
        match self.namespace().get_bucket(v1::GetBucketRequest { name: name.to_owned() }).await {
            Ok(answer) => Ok(Some(answer.into_inner())),
            Err(status) => none_if_missing(status.into()),
        }
    }

    /// The object of exactly this key, if there is one; a marker when the path ends in a slash.
    pub async fn object(&self, path: &ShellPath) -> Result<Option<v1::Object>, ShellError> {
        let ShellPath::Key(bucket, key) = path else { return Ok(None) };
        let request = v1::GetObjectRequest { bucket: bucket.clone(), key: key.clone(), ..Default::default() };
        match self.namespace().get_object(request).await {
            Ok(answer) => Ok(answer.into_inner().object),
            Err(status) => none_if_missing(status.into()),
        }
    }

    async fn has_keys(&self, bucket: &str, prefix: &Bytes) -> Result<bool, ShellError> {
        Ok(self.first_key(bucket, prefix).await?.is_some())
    }

    /// The first key under the prefix, if there is one.
    pub async fn first_key(&self, bucket: &str, prefix: &Bytes) -> Result<Option<v1::ListedObject>, ShellError> {
        match self.page(bucket, prefix, b"", None, 1).await {
            Ok(page) => Ok(page.entries.into_iter().find_map(|entry| match entry.entry {
                Some(Entry::Object(object)) => Some(object),
                _ => None,
            })),
            Err(error) => none_if_missing(error),
        }
    }

    /// Every object under a directory or, for the root, in all buckets; markers are no objects.
    pub fn files(&self, directory: &ShellPath) -> Entries<File> {
        let tree = self.clone();
        let Some(bucket) = directory.bucket() else {
            return self
                .buckets()
                .map_ok(move |bucket| tree.files(&ShellPath::Bucket(bucket.name)))
                .try_flatten()
                .boxed();
        };
        let bucket = bucket.to_owned();
        self.keys(&bucket, directory.prefix())
            .try_filter_map(move |object| {
                let file = (!object.key.ends_with(b"/")).then(|| File::listed(&bucket, object));
                async move { Ok(file) }
            })
            .boxed()
    }

    /// The id of a bucket, or of a directory's marker; 0 of what is only implied.
    pub async fn id(&self, directory: &ShellPath) -> Result<u64, ShellError> {
        Ok(match directory {
            ShellPath::Root => 0,
            ShellPath::Bucket(name) => {
                let bucket = self.bucket(name).await?.and_then(|answer| answer.bucket);
                bucket.map_or(0, |bucket| bucket.bucket_id)
            }
            ShellPath::Key(bucket, _) => {
                let marker = self.object(&ShellPath::directory(bucket, directory.prefix())).await?;
                marker.map_or(0, |marker| marker.object_id)
            }
        })
    }

    /// Whether the directory, which is known to exist, holds anything.
    pub async fn holds_something(&self, directory: &ShellPath) -> Result<bool, ShellError> {
        let Some(bucket) = directory.bucket() else {
            return Ok(self.buckets().try_next().await?.is_some());
        };
        let prefix = directory.prefix();
        // Two: one may be its marker.
        let page = self.page(bucket, &prefix, b"/", None, 2).await?;
        Ok(page.entries.into_iter().filter_map(|entry| entry.entry).any(|entry| !is_marker(&entry, &prefix)))
    }

    /// Every key under the prefix, in byte order, markers too.
    pub fn keys(&self, bucket: &str, prefix: Bytes) -> Entries<v1::ListedObject> {
        self.entries(bucket, prefix, b"", None)
            .try_filter_map(|entry| async move {
                Ok(match entry.entry {
                    Some(Entry::Object(object)) => Some(object),
                    _ => None,
                })
            })
            .boxed()
    }

    /// All buckets by name.
    pub fn buckets(&self) -> Entries<v1::Bucket> {
        let tree = self.clone();
        stream::try_unfold(Some(String::new()), move |after| {
            let tree = tree.clone();
            async move {
                let Some(after) = after else { return Ok::<_, ShellError>(None) };
                let request = v1::ListBucketsRequest { after, max_buckets: PAGE_COUNT, ..Default::default() };
                let answer = tree.namespace().list_buckets(request).await?.into_inner();
                let last = answer.buckets.last().map(|bucket| bucket.name.clone());
                Ok(Some((answer.buckets, last.filter(|_| answer.truncated))))
            }
        })
        .map_ok(|buckets| stream::iter(buckets).map(Ok))
        .try_flatten()
        .boxed()
    }
    /// What lies under the prefix, page by page, from `start` on.
    pub fn entries(
        &self,
        bucket: &str,
        prefix: Bytes,
        delimiter: &'static [u8],
        start: Option<Bytes>,
    ) -> Entries<v1::ListEntry> {
        let tree = self.clone();
        let bucket = bucket.to_owned();
        stream::try_unfold(Some(start), move |start| {
            let (tree, bucket, prefix) = (tree.clone(), bucket.clone(), prefix.clone());
            async move {
                let Some(start) = start else { return Ok::<_, ShellError>(None) };
                let page = tree.page(&bucket, &prefix, delimiter, start, PAGE_COUNT).await?;
                Ok(Some((page.entries, page.next.map(Some))))
            }
        })
        .map_ok(|entries| stream::iter(entries).map(Ok))
        .try_flatten()
        .boxed()
    }
    /// One page of what lies under the prefix.
    pub async fn page(
        &self,
        bucket: &str,
        prefix: &Bytes,
        delimiter: &'static [u8],
        start: Option<Bytes>,
        max_entries: u32,
    ) -> Result<Page, ShellError> {
        let request = v1::ListObjectsRequest {
            bucket: bucket.to_owned(),
            prefix: prefix.clone(),
            delimiter: Bytes::from_static(delimiter),
            start: start.map(Start::At),
            max_entries,
        };
        let answer = self.namespace().list_objects(request).await?.into_inner();
        Ok(Page { entries: answer.entries, next: answer.truncated.then_some(answer.next) })
    }
}
impl Found {
    pub fn is_nothing(&self) -> bool {
        self.file.is_none() && self.directory.is_none()
    }
}

impl File {
    pub fn listed(bucket: &str, object: v1::ListedObject) -> Self {
        Self {
            path: ShellPath::Key(bucket.to_owned(), object.key),
            size_bytes: object.size_bytes,
            modified_ms: object.modified_ms,
            owner: object.owner,
        }
    }

    pub fn of(path: ShellPath, object: v1::Object) -> Self {
        Self { path, size_bytes: object.size_bytes, modified_ms: object.modified_ms, owner: object.owner }
    }
}
/// Nothing, where the error says that there is no such thing.
pub fn none_if_missing<T>(error: ShellError) -> Result<Option<T>, ShellError> {
    use weir_proto::v1::Reason::{InvalidRequest, NoSuchBucket, NoSuchKey};
    match error.reason() {
        // A name that can't be a bucket's names nothing, as much as one that isn't.
        Some(NoSuchBucket | NoSuchKey | InvalidRequest) => Ok(None),
        _ => Err(error),
    }
}

/// The key that stands for the directory itself.
pub fn is_marker(entry: &Entry, prefix: &Bytes) -> bool {
    matches!(entry, Entry::Object(object) if object.key == *prefix)
}
