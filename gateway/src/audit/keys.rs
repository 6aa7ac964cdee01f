//! The keys that one request is about, where its document names them.

use super::shown::shown;
use serde::Serialize;
use std::borrow::Cow;

/// Of the keys and version ids of one line, in bytes: about a thousand keys of 64 bytes. Those beyond are counted.
pub const KEYS_MAX_BYTES: usize = 64 << 10;

/// How many keys there are, and the first of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConcernedKeys {
    count: usize,
    bytes: usize,
    first: Vec<ConcernedKey>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct ConcernedKey {
    key: String,
    version_id: Option<String>,
    error: Option<&'static str>,
}

/// An entry of a line's `keys`.
#[derive(Serialize)]
pub(super) struct ShownKey<'a> {
    key: Cow<'a, str>,
    version_id: Option<Cow<'a, str>>,
    error: Option<&'static str>,
}

impl ConcernedKeys {
    /// Adds one with the error code that it is refused with, if it is.
    pub fn push(&mut self, key: &str, version_id: Option<&str>, error: Option<&'static str>) {
        self.count += 1;
        let bytes = key.len() + version_id.map_or(0, str::len);
        // After one that is left out all are: what is shown is the beginning, without holes.
        if self.first.len() + 1 < self.count || self.bytes + bytes > KEYS_MAX_BYTES {
            return;
        }
        self.bytes += bytes;
        self.first.push(ConcernedKey { key: key.to_owned(), version_id: version_id.map(str::to_owned), error });
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// What those that are shown hold.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn shown(&self, name_max_bytes: usize) -> Vec<ShownKey<'_>> {
        self.first.iter().map(|one| one.shown(name_max_bytes)).collect()
    }
}

impl ConcernedKey {
    fn shown(&self, name_max_bytes: usize) -> ShownKey<'_> {
        ShownKey {
            key: shown(self.key.as_bytes(), name_max_bytes),
            version_id: self.version_id.as_ref().map(|id| shown(id.as_bytes(), name_max_bytes)),
            error: self.error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_keys_are_shown_and_all_are_counted() {
        let mut keys = ConcernedKeys::default();
        for number in 0..1000 {
            keys.push(&format!("{number:0>64}"), None, None);
        }
        assert_eq!((keys.count(), keys.shown(1024).len()), (1000, 1000));
        let mut keys = ConcernedKeys::default();
        for _ in 0..1000 {
            keys.push(&"k".repeat(1024), None, Some("AccessDenied"));
        }
        keys.push("short", None, None);
        assert_eq!((keys.count(), keys.shown(1024).len(), keys.bytes()), (1001, 64, KEYS_MAX_BYTES));
    }

    #[test]
    fn a_key_is_shown_with_its_version_and_its_error() {
        let mut keys = ConcernedKeys::default();
        keys.push("a\nb", Some("null"), Some("NoSuchVersion"));
        assert_eq!(
            serde_json::to_string(&keys.shown(1024)).unwrap(),
            r#"[{"key":"a\\x0Ab","version_id":"null","error":"NoSuchVersion"}]"#
        );
    }
}
