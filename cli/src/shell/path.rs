//! Paths of the shell: `/`, `/bucket`, `/bucket/key`. Keys are opaque bytes; nothing in them is normalised.

use super::format::printable;
use bytes::Bytes;
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;

/// Why a text is not a path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Path \"{0}\" must begin with \"/\", as in /bucket/key")]
pub struct PathError(String);

/// A place in the namespace as the shell names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShellPath {
    /// The folder of all buckets.
    Root,
    Bucket(String),
    /// What follows the bucket's slash, byte for byte, at least one. With a `/` at its end it names a directory, else
    /// an object, or the directory if there is no such object.
    Key(String, Bytes),
}

impl ShellPath {
    /// # Errors
    /// [`PathError`] on a text that does not begin with a slash.
    pub fn parse(text: &OsStr) -> Result<Self, PathError> {
        let Some(rest) = text.as_bytes().strip_prefix(b"/") else {
            return Err(PathError(printable(text.as_bytes()).into_owned()));
        };
        let (bucket, key) = match rest.iter().position(|&b| b == b'/') {
            Some(slash) => (&rest[..slash], &rest[slash + 1..]),
            None => (rest, &[][..]),
        };
        // A bucket's name is ASCII: one that is not stays one that does not exist.
        let bucket = String::from_utf8_lossy(bucket).into_owned();
        Ok(match (bucket.is_empty(), key.is_empty()) {
            (true, true) => Self::Root,
            (_, true) => Self::Bucket(bucket),
            _ => Self::Key(bucket, Bytes::copy_from_slice(key)),
        })
    }

    /// The directory `prefix` of `bucket`: the bucket itself when it is empty.
    pub fn directory(bucket: &str, prefix: Bytes) -> Self {
        if prefix.is_empty() { Self::Bucket(bucket.to_owned()) } else { Self::Key(bucket.to_owned(), prefix) }
    }

    /// The bucket, unless this is the root.
    pub fn bucket(&self) -> Option<&str> {
        match self {
            Self::Root => None,
            Self::Bucket(bucket) | Self::Key(bucket, _) => Some(bucket),
        }
    }

    /// The prefix that the keys of this directory share: empty, or with a slash at its end.
    pub fn prefix(&self) -> Bytes {
        match self {
            Self::Root | Self::Bucket(_) => Bytes::new(),
            Self::Key(_, key) if key.ends_with(b"/") => key.clone(),
            Self::Key(_, key) => [key, &b"/"[..]].concat().into(),
        }
    }

    /// The last segment; empty for the root.
    pub fn name(&self) -> Bytes {
        match self {
            Self::Root => Bytes::new(),
            Self::Bucket(bucket) => Bytes::copy_from_slice(bucket.as_bytes()),
            Self::Key(_, key) => {
                let key = key.strip_suffix(b"/").unwrap_or(key);
                let start = key.iter().rposition(|&b| b == b'/').map_or(0, |slash| slash + 1);
                Bytes::copy_from_slice(&key[start..])
            }
        }
    }

    /// What lies under this directory by this name, which may be several segments.
    pub fn join(&self, name: &[u8]) -> Self {
        match self.bucket() {
            Some(bucket) => Self::directory(bucket, [&self.prefix()[..], name].concat().into()),
            None => Self::Bucket(String::from_utf8_lossy(name).into_owned()),
        }
    }

    /// The same without the slash that says that it is a directory.
    pub fn as_file(&self) -> Self {
        match self {
            Self::Key(bucket, key) => {
                let bare = if key.len() > 1 { key.strip_suffix(b"/").unwrap_or(key) } else { key };
                Self::Key(bucket.clone(), key.slice_ref(bare))
            }
            other => other.clone(),
        }
    }

    /// Whether it can name a directory only.
    pub fn names_directory(&self) -> bool {
        match self {
            Self::Root | Self::Bucket(_) => true,
            Self::Key(_, key) => key.ends_with(b"/"),
        }
    }

    pub fn has_wildcard(&self) -> bool {
        match self {
            Self::Root => false,
            Self::Bucket(bucket) => bucket.contains('*'),
            Self::Key(bucket, key) => bucket.contains('*') || key.contains(&b'*'),
        }
    }
}

/// As the shell prints it: a directory without the slash at its end, unless its own name is empty (`a//`), when the
/// path without it would name another.
impl fmt::Display for ShellPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("/"),
            Self::Bucket(bucket) => write!(f, "/{}", printable(bucket.as_bytes())),
            Self::Key(bucket, key) => {
                let bare = match key.strip_suffix(b"/") {
                    Some(bare) if !bare.is_empty() && !bare.ends_with(b"/") => bare,
                    _ => key,
                };
                write!(f, "/{}/{}", printable(bucket.as_bytes()), printable(bare))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> ShellPath {
        ShellPath::parse(OsStr::new(text)).unwrap()
    }

    #[test]
    fn a_path_is_a_bucket_and_the_bytes_of_a_key() {
        assert_eq!(path("/"), ShellPath::Root);
        assert_eq!(path("/b"), ShellPath::Bucket("b".into()));
        assert_eq!(path("/b/"), ShellPath::Bucket("b".into()));
        assert_eq!(path("/b//../a"), ShellPath::Key("b".into(), Bytes::from_static(b"/../a")));
        let raw = ShellPath::parse(OsStr::from_bytes(b"/b/\xff")).unwrap();
        assert_eq!(raw, ShellPath::Key("b".into(), Bytes::from_static(b"\xff")));
        assert_eq!(
            ShellPath::parse(OsStr::new("b/k")).unwrap_err().to_string(),
            "Path \"b/k\" must begin with \"/\", as in /bucket/key"
        );
    }

    #[test]
    fn a_directory_prints_without_its_slash_unless_its_name_is_empty() {
        for (text, printed) in
            [("/b/d/", "/b/d"), ("/b/d//", "/b/d//"), ("/b//", "/b//"), ("/b/k", "/b/k"), ("/b/", "/b"), ("/", "/")]
        {
            assert_eq!(path(text).to_string(), printed);
            assert_eq!(path(printed).prefix(), path(text).prefix(), "{text} is found again by what is printed");
        }
    }

    #[test]
    fn names_and_children_are_segments() {
        assert_eq!(path("/b/d/e/").name(), "e");
        assert_eq!(path("/b/d/e").name(), "e");
        assert_eq!(path("/b").name(), "b");
        assert_eq!(path("/b/d").join(b"e"), path("/b/d/e"));
        assert_eq!(path("/b/d/").join(b"e"), path("/b/d/e"));
        assert_eq!(path("/b").join(b"e/f"), path("/b/e/f"));
        assert_eq!(path("/").join(b"b"), path("/b"));
        assert_eq!(path("/b/d/").as_file(), path("/b/d"));
        assert_eq!(path("/b//").as_file(), path("/b//"));
    }
}
