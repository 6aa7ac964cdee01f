//! Directories as listings show them: with their children counted, and what they hold.

use super::error::ShellError;
use super::path::ShellPath;
use super::tree::{Entries, File, PAGE_COUNT, Page, Tree, is_marker, none_if_missing};
use bytes::Bytes;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use weir_proto::v1;
use weir_proto::v1::list_entry::Entry;

/// Directories whose children are counted ahead of the one that is printed.
const LOOKAHEAD_COUNT: usize = 8;

/// A directory whose children were counted.
#[derive(Clone, Debug)]
pub struct Directory {
    pub path: ShellPath,
    /// Objects and directories right under it.
    pub child_count: u64,
    /// Of its marker and the objects right under it, the newest; for the bucket also its creation.
    pub modified_ms: i64,
    pub owner: String,
    /// A bucket, or a marker lies there: not just implied by the keys under it.
    pub is_made: bool,
    /// Object id of the marker or id of the bucket; 0: neither.
    pub id: u64,
    first_page: Page,
}

/// What is at a path.
#[derive(Clone, Debug)]
pub enum Node {
    File(File),
    Directory(Directory),
}
impl Tree {
    /// The directory at `path`, which is known to exist, with its children counted. Costs a call for each 1,000
    /// children.
    pub async fn open(&self, path: ShellPath) -> Result<Directory, ShellError> {
        match &path {
            ShellPath::Root => self.open_root().await,
            ShellPath::Bucket(name) => {
                let bucket = self.bucket(name).await?.and_then(|answer| answer.bucket);
                self.open_bucket(bucket.ok_or_else(|| ShellError::Missing(path.clone()))?).await
            }
            ShellPath::Key(bucket, _) => {
                let mut directory = self.count(bucket, path.prefix()).await?;
                if directory.is_made {
                    directory.id = self.id(&path).await?;
                }
                Ok(directory)
            }
        }
    }

    async fn open_root(&self) -> Result<Directory, ShellError> {
        let mut root = Directory::empty(ShellPath::Root);
        root.is_made = true;
        let mut buckets = self.buckets();
        while let Some(bucket) = buckets.try_next().await? {
            root.child_count += 1;
            root.modified_ms = root.modified_ms.max(bucket.created_ms);
        }
        Ok(root)
    }

    async fn open_bucket(&self, bucket: v1::Bucket) -> Result<Directory, ShellError> {
        let mut directory = self.count(&bucket.name, Bytes::new()).await?;
        directory.modified_ms = directory.modified_ms.max(bucket.created_ms);
        directory.owner = bucket.owner;
        directory.is_made = true;
        directory.id = bucket.bucket_id;
        Ok(directory)
    }

    /// Counts what lies right under the prefix; keeps the first page, so that a small directory is listed once.
    async fn count(&self, bucket: &str, prefix: Bytes) -> Result<Directory, ShellError> {
        let mut directory = Directory::empty(ShellPath::directory(bucket, prefix.clone()));
        directory.first_page = self.page(bucket, &prefix, b"/", None, PAGE_COUNT).await?;
        let mut rest = match directory.first_page.next.clone() {
            Some(next) => self.entries(bucket, prefix.clone(), b"/", Some(next)),
            None => stream::empty().boxed(),
        };
        let first = std::mem::take(&mut directory.first_page.entries);
        for entry in &first {
            directory.add(entry, &prefix);
        }
        while let Some(entry) = rest.try_next().await? {
            directory.add(&entry, &prefix);
        }
        if directory.modified_ms == 0
            && let Some(key) = self.first_key(bucket, &prefix).await?
        {
            // Only directories lie right under it: dated by the first object further down.
            directory.modified_ms = key.modified_ms;
            directory.owner = key.owner;
        }
        directory.first_page.entries = first;
        Ok(directory)
    }

    /// What lies right under the directory, in order, directories with their children counted.
    pub fn children(&self, directory: Directory) -> Entries<Node> {
        let tree = self.clone();
        match directory.path.bucket() {
            None => self
                .buckets()
                .map_ok(move |bucket| {
                    let tree = tree.clone();
                    // One that is deleted meanwhile is left out.
                    async move { tree.open_bucket(bucket).await.map(Some).or_else(none_if_missing) }
                })
                .try_buffered(LOOKAHEAD_COUNT)
                .try_filter_map(|bucket| async move { Ok(bucket.map(Node::Directory)) })
                .boxed(),
            Some(bucket) => {
                let prefix = directory.path.prefix();
                let rest = match directory.first_page.next {
                    Some(next) => self.entries(bucket, prefix.clone(), b"/", Some(next)),
                    None => stream::empty().boxed(),
                };
                let bucket = bucket.to_owned();
                stream::iter(directory.first_page.entries)
                    .map(Ok)
                    .chain(rest)
                    .try_filter_map(move |entry| {
                        let entry = entry.entry.filter(|entry| !is_marker(entry, &prefix));
                        async move { Ok(entry) }
                    })
                    .map_ok(move |entry| tree.clone().node(bucket.clone(), entry))
                    .try_buffered(LOOKAHEAD_COUNT)
                    .boxed()
            }
        }
    }

    async fn node(self, bucket: String, entry: Entry) -> Result<Node, ShellError> {
        match entry {
            Entry::Object(object) => Ok(Node::File(File::listed(&bucket, object))),
            Entry::CommonPrefix(prefix) => Ok(Node::Directory(self.count(&bucket, prefix).await?)),
        }
    }
}

impl Directory {
    fn empty(path: ShellPath) -> Self {
        let first_page = Page::default();
        Self { path, child_count: 0, modified_ms: 0, owner: String::new(), is_made: false, id: 0, first_page }
    }

    /// The same for showing it: its listing is not held twice.
    pub fn head(&self) -> Self {
        let mut head = Self::empty(self.path.clone());
        (head.child_count, head.modified_ms, head.is_made, head.id) =
            (self.child_count, self.modified_ms, self.is_made, self.id);
        head.owner.clone_from(&self.owner);
        head
    }

    fn add(&mut self, entry: &v1::ListEntry, prefix: &Bytes) {
        let Some(entry) = &entry.entry else { return };
        if is_marker(entry, prefix) {
            self.is_made = true;
        } else {
            self.child_count += 1;
        }
        if let Entry::Object(object) = entry {
            self.modified_ms = self.modified_ms.max(object.modified_ms);
            if self.owner.is_empty() {
                self.owner.clone_from(&object.owner);
            }
        }
    }
}
