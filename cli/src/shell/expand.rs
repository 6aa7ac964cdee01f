//! What a path with `*` stands for.

use super::error::ShellError;
use super::glob;
use super::path::ShellPath;
use super::tree::{Entries, Tree, none_if_missing};
use bytes::Bytes;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use weir_proto::v1::list_entry::Entry;

impl Tree {
    /// The paths that `path` stands for: itself, or, when it has a `*` and is not there as it is written, what matches.
    /// What is not there is not left out: the command says so.
    pub async fn expand(&self, path: ShellPath) -> Result<Entries<ShellPath>, ShellError> {
        if !path.has_wildcard() {
            return Ok(stream::iter([Ok(path)]).boxed());
        }
        if !self.look(&path).await?.is_nothing() {
            return Ok(stream::iter([Ok(path)]).boxed());
        }
        let mut matching = match &path {
            ShellPath::Root => stream::empty().boxed(),
            ShellPath::Bucket(bucket) => self.matching_buckets(bucket, Bytes::new()),
            ShellPath::Key(bucket, key) => self.matching_buckets(bucket, key.clone()),
        };
        match matching.next().await {
            None => Err(ShellError::Missing(path)),
            Some(first) => Ok(stream::iter([first]).chain(matching).boxed()),
        }
    }

    fn matching_buckets(&self, pattern: &str, key_pattern: Bytes) -> Entries<ShellPath> {
        let tree = self.clone();
        if !pattern.contains('*') {
            return tree.matching(pattern.to_owned(), Bytes::new(), key_pattern);
        }
        let pattern = pattern.to_owned();
        self.buckets()
            .try_filter_map(move |bucket| {
                let matches = glob::matches(pattern.as_bytes(), bucket.name.as_bytes());
                async move { Ok(matches.then_some(bucket.name)) }
            })
            .map_ok(move |bucket| tree.matching(bucket, Bytes::new(), key_pattern.clone()))
            .try_flatten()
            .boxed()
    }

    /// What matches `pattern` under the directory `prefix`.
    fn matching(&self, bucket: String, prefix: Bytes, pattern: Bytes) -> Entries<ShellPath> {
        let tree = self.clone();
        if !pattern.contains(&b'*') {
            let path = ShellPath::directory(&bucket, [&prefix[..], &pattern[..]].concat().into());
            return stream::once(async move {
                let found = tree.look(&path).await?;
                Ok((!found.is_nothing()).then_some(path))
            })
            .try_filter_map(|path| async move { Ok(path) })
            .boxed();
        }
        let (segment, rest) = match pattern.iter().position(|&b| b == b'/') {
            Some(slash) => (pattern.slice(..slash), Some(pattern.slice(slash + 1..))),
            None => (pattern, None),
        };
        let listed: Bytes = [&prefix[..], glob::literal_start(&segment)].concat().into();
        self.entries(&bucket, listed, b"/", None)
            .map(|entry| match entry {
                Err(error) => none_if_missing(error),
                Ok(entry) => Ok(entry.entry),
            })
            .try_filter_map(move |entry| {
                let path = entry.and_then(|entry| match_of(&bucket, &prefix, &segment, rest.is_some(), entry));
                let rest = rest.clone().unwrap_or_default();
                async move { Ok(path.map(|path| (path, rest))) }
            })
            .map_ok(move |(path, rest)| match &path {
                ShellPath::Key(bucket, key) if !rest.is_empty() => tree.matching(bucket.clone(), key.clone(), rest),
                _ => stream::iter([Ok(path)]).boxed(),
            })
            .try_flatten()
            .boxed()
    }
}

/// The path of an entry under `prefix` whose last segment is as `segment` says. Directories keep the slash at their end.
fn match_of(bucket: &str, prefix: &Bytes, segment: &Bytes, directories_only: bool, entry: Entry) -> Option<ShellPath> {
    let (key, is_directory) = match entry {
        Entry::Object(object) => (object.key, false),
        Entry::CommonPrefix(common) => (common, true),
    };
    let name = key.strip_prefix(&prefix[..])?;
    let name = if is_directory { name.strip_suffix(b"/").unwrap_or(name) } else { name };
    let wanted = key != *prefix && (is_directory || !directories_only) && glob::matches(segment, name);
    wanted.then(|| ShellPath::directory(bucket, key))
}
