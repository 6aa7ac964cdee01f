//! A group of users: its name → who it is, and which policies are attached to it. Users name their groups.

use super::key::{KeyReader, KeyWriter, Kind};
use super::value::{Record, RecordError};
use bytes::Bytes;

#[derive(Clone, PartialEq, prost::Message)]
pub struct GroupRecord {
    #[prost(string, tag = "1")]
    pub path: String,
    /// `AGPA…`, never used twice.
    #[prost(string, tag = "2")]
    pub id: String,
    #[prost(int64, tag = "3")]
    pub created_ms: i64,
    #[prost(string, repeated, tag = "4")]
    pub attached_policies: Vec<String>,
}

impl Record for GroupRecord {
    const KIND: Kind = Kind::Group;
}

pub fn key(name: &str) -> Bytes {
    KeyWriter::new(Kind::Group).last(name.as_bytes())
}

/// # Errors
/// The key is not a group's.
pub fn name(key: &[u8]) -> Result<String, RecordError> {
    KeyReader::new(Kind::Group, key)?.last_text()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::testing::round_trips;

    #[test]
    fn a_group_comes_out_as_it_went_in() {
        round_trips(&GroupRecord {
            path: "/".into(),
            id: "AGPA".into(),
            created_ms: 1,
            attached_policies: vec!["p".repeat(128); 10],
        });
        assert_eq!(name(&key("admins")).unwrap(), "admins");
    }
}
