//! A managed policy: its name → who it is, and which versions there are. Their documents are records of their own.

use super::key::{KeyReader, KeyWriter, Kind};
use super::value::{Record, RecordError};
use bytes::Bytes;

#[derive(Clone, PartialEq, prost::Message)]
pub struct ManagedPolicyRecord {
    #[prost(string, tag = "1")]
    pub path: String,
    /// `ANPA…`, never used twice.
    #[prost(string, tag = "2")]
    pub id: String,
    #[prost(string, tag = "3")]
    pub description: String,
    #[prost(int64, tag = "4")]
    pub created_ms: i64,
    #[prost(int64, tag = "5")]
    pub updated_ms: i64,
    /// By falling number.
    #[prost(message, repeated, tag = "6")]
    pub versions: Vec<VersionRecord>,
    /// The number of the one that holds.
    #[prost(uint32, tag = "7")]
    pub default_version: u32,
    /// The highest number that was ever given.
    #[prost(uint32, tag = "8")]
    pub last_version: u32,
}

/// A version of the policy.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct VersionRecord {
    #[prost(uint32, tag = "1")]
    pub number: u32,
    #[prost(int64, tag = "2")]
    pub created_ms: i64,
}

impl Record for ManagedPolicyRecord {
    const KIND: Kind = Kind::ManagedPolicy;
}

pub fn key(name: &str) -> Bytes {
    KeyWriter::new(Kind::ManagedPolicy).last(name.as_bytes())
}

/// # Errors
/// The key is not a managed policy's.
pub fn name(key: &[u8]) -> Result<String, RecordError> {
    KeyReader::new(Kind::ManagedPolicy, key)?.last_text()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::testing::round_trips;

    #[test]
    fn a_managed_policy_comes_out_as_it_went_in() {
        round_trips(&ManagedPolicyRecord {
            path: "/".into(),
            id: "ANPA".into(),
            description: "é".repeat(1_000),
            created_ms: 1,
            updated_ms: 2,
            versions: (1..=5).rev().map(|number| VersionRecord { number, created_ms: 3 }).collect(),
            default_version: 4,
            last_version: 9,
        });
        assert_eq!(name(&key("readers")).unwrap(), "readers");
    }
}
