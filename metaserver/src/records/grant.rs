//! A range of block ids that a session may use: first block id → session and count.

use super::key::{KeyReader, KeyWriter, Kind};
use super::value::{Record, RecordError};
use bytes::Bytes;

#[derive(Clone, PartialEq, prost::Message)]
pub struct GrantRecord {
    #[prost(uint64, tag = "1")]
    pub session_id: u64,
    #[prost(uint64, tag = "2")]
    pub count: u64,
}

impl Record for GrantRecord {
    const KIND: Kind = Kind::Grant;
}

pub fn key(first_block_id: u64) -> Bytes {
    KeyWriter::new(Kind::Grant).number(first_block_id).done()
}

/// The prefix of all grants.
pub fn all() -> Bytes {
    KeyWriter::new(Kind::Grant).done()
}

/// The first block id.
///
/// # Errors
/// The key is not a grant's.
pub fn name(key: &[u8]) -> Result<u64, RecordError> {
    KeyReader::new(Kind::Grant, key)?.number()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::testing::round_trips;

    #[test]
    fn a_grant_comes_out_as_it_went_in() {
        round_trips(&GrantRecord { session_id: 3, count: 4096 });
        assert_eq!(name(&key(1 << 40)).unwrap(), 1 << 40);
    }
}
