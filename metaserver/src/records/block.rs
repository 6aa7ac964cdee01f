//! A block: block id → its length and checksum, the workers that hold it, and what refers to it.

use super::key::{KeyReader, KeyWriter, Kind};
use super::value::{Record, RecordError};
use bytes::Bytes;

#[derive(Clone, PartialEq, prost::Message)]
pub struct BlockRecord {
    #[prost(uint64, tag = "1")]
    pub length_bytes: u64,
    #[prost(fixed32, tag = "2")]
    pub crc32c: u32,
    /// Those that hold it; of a condemned block, those that have not reported its deletion yet.
    #[prost(uint64, repeated, tag = "3")]
    pub worker_ids: Vec<u64>,
    /// A set by owner. A block without any is condemned.
    #[prost(message, repeated, tag = "4")]
    pub references: Vec<Reference>,
    /// Nothing refers to it, nothing ever will, and the workers are ordered to delete it.
    #[prost(bool, tag = "5")]
    pub condemned: bool,
}

/// Content that uses a block. The owner decides; the rest is for operators, as it was when the reference was made.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Reference {
    /// A version's or part's id.
    #[prost(uint64, tag = "1")]
    pub owner: u64,
    #[prost(string, tag = "2")]
    pub bucket: String,
    #[prost(bytes = "bytes", tag = "3")]
    pub key: Bytes,
    /// Not 0: it came as a part of this upload.
    #[prost(uint64, tag = "4")]
    pub upload_id: u64,
}

impl Record for BlockRecord {
    const KIND: Kind = Kind::Block;
}

pub fn key(block_id: u64) -> Bytes {
    KeyWriter::new(Kind::Block).number(block_id).done()
}

/// The prefix of all blocks.
pub fn all() -> Bytes {
    KeyWriter::new(Kind::Block).done()
}

/// The block's id.
///
/// # Errors
/// The key is not a block's.
pub fn name(key: &[u8]) -> Result<u64, RecordError> {
    KeyReader::new(Kind::Block, key)?.number()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::testing::round_trips;

    #[test]
    fn a_block_comes_out_as_it_went_in() {
        round_trips(&BlockRecord {
            length_bytes: 64 << 20,
            crc32c: 1,
            worker_ids: vec![1, u64::MAX],
            references: vec![Reference {
                owner: 5,
                bucket: "photos".into(),
                key: Bytes::from_static(b"k"),
                upload_id: 2,
            }],
            condemned: false,
        });
        assert_eq!(name(&key(300)).unwrap(), 300);
        assert!(key(255) < key(256));
    }
}
