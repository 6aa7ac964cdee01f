//! A role: its name → who it is, and what is attached to it. Its trust policy, inline policies and tags are records of
//! their own.

use super::key::{KeyReader, KeyWriter, Kind};
use super::value::{Record, RecordError};
use bytes::Bytes;

#[derive(Clone, PartialEq, prost::Message)]
pub struct RoleRecord {
    #[prost(string, tag = "1")]
    pub path: String,
    /// `AROA…`, never used twice.
    #[prost(string, tag = "2")]
    pub id: String,
    #[prost(string, tag = "3")]
    pub description: String,
    #[prost(int64, tag = "4")]
    pub created_ms: i64,
    #[prost(uint32, tag = "5")]
    pub max_session_seconds: u32,
    #[prost(string, repeated, tag = "6")]
    pub attached_policies: Vec<String>,
    /// Empty: none.
    #[prost(string, tag = "7")]
    pub boundary_policy: String,
}

impl Record for RoleRecord {
    const KIND: Kind = Kind::Role;
}

pub fn key(name: &str) -> Bytes {
    KeyWriter::new(Kind::Role).last(name.as_bytes())
}

/// # Errors
/// The key is not a role's.
pub fn name(key: &[u8]) -> Result<String, RecordError> {
    KeyReader::new(Kind::Role, key)?.last_text()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::testing::round_trips;

    #[test]
    fn a_role_comes_out_as_it_went_in() {
        round_trips(&RoleRecord {
            path: "/".into(),
            id: "AROA".into(),
            description: "é".repeat(1_000),
            created_ms: 1,
            max_session_seconds: 43_200,
            attached_policies: vec!["p".repeat(128); 10],
            boundary_policy: "b".repeat(128),
        });
        assert_eq!(name(&key("backup")).unwrap(), "backup");
    }
}
