//! A user: its name → who it is, and what it holds by name. Its inline policies and tags are records of their own.

use super::key::{KeyReader, KeyWriter, Kind};
use super::value::{Record, RecordError};
use bytes::Bytes;

#[derive(Clone, PartialEq, prost::Message)]
pub struct UserRecord {
    #[prost(string, tag = "1")]
    pub path: String,
    /// `AIDA…`, never used twice.
    #[prost(string, tag = "2")]
    pub id: String,
    #[prost(int64, tag = "3")]
    pub created_ms: i64,
    #[prost(string, repeated, tag = "4")]
    pub attached_policies: Vec<String>,
    /// Empty: none.
    #[prost(string, tag = "5")]
    pub boundary_policy: String,
    #[prost(string, repeated, tag = "6")]
    pub groups: Vec<String>,
}

impl Record for UserRecord {
    const KIND: Kind = Kind::User;
}

pub fn key(name: &str) -> Bytes {
    KeyWriter::new(Kind::User).last(name.as_bytes())
}

/// # Errors
/// The key is not a user's.
pub fn name(key: &[u8]) -> Result<String, RecordError> {
    KeyReader::new(Kind::User, key)?.last_text()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::testing::round_trips;

    #[test]
    fn a_user_with_all_that_it_may_hold_comes_out_as_it_went_in() {
        round_trips(&UserRecord {
            path: "/p".repeat(256),
            id: "AIDA".into(),
            created_ms: -1,
            attached_policies: vec!["p".repeat(128); 10],
            boundary_policy: "b".repeat(128),
            groups: vec!["g".repeat(128); 10],
        });
        assert_eq!(name(&key("alice")).unwrap(), "alice");
        assert!(name(b"\x61alice").is_err());
    }
}
