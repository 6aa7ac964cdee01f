//! What is wrong with a record.

use super::kind::Kind;

/// A value that is not what was stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {kind} record under key {key} is damaged: {detail}")]
pub struct RecordError {
    pub kind: Kind,
    /// The key, with bytes that are not printable escaped.
    pub key: String,
    pub detail: String,
}

impl RecordError {
    pub fn new(kind: Kind, key: &[u8], detail: impl Into<String>) -> Self {
        Self { kind, key: key.escape_ascii().to_string(), detail: detail.into() }
    }
}
