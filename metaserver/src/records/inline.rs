//! The bytes of a small object: bucket id, key → bytes. Apart from the object's record, so that a listing does not read
//! them; under the object's name, so that one read of the store gives both as of one moment.

use super::key::{KeyWriter, Kind};
use super::value::Record;
use bytes::Bytes;

/// The longest content that is stored inline, in bytes.
pub const INLINE_MAX_BYTES: usize = 15_000;

#[derive(Clone, PartialEq, prost::Message)]
pub struct InlineRecord {
    /// The version that the bytes belong to.
    #[prost(uint64, tag = "1")]
    pub object_id: u64,
    #[prost(bytes = "bytes", tag = "2")]
    pub data: Bytes,
}

impl Record for InlineRecord {
    const KIND: Kind = Kind::Inline;
}

pub fn key(bucket_id: u64, key: &[u8]) -> Bytes {
    KeyWriter::new(Kind::Inline).number(bucket_id).last(key)
}

/// The prefix of all inline records.
pub fn all() -> Bytes {
    KeyWriter::new(Kind::Inline).done()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::testing::round_trips;

    #[test]
    fn the_longest_inline_content_fits_the_store() {
        round_trips(&InlineRecord { object_id: u64::MAX, data: vec![0xA5; INLINE_MAX_BYTES].into() });
        assert_ne!(key(1, b"k"), crate::records::object::key(1, b"k"));
    }
}
