//! What nothing shows any more and has to be taken apart in the background: kind, id → content, upload or bucket.

use super::key::{KeyReader, KeyWriter, Kind};
use super::manifest::Manifest;
use super::value::{Record, RecordError};
use bytes::Bytes;

#[derive(Clone, PartialEq, prost::Message)]
pub struct ReclaimRecord {
    #[prost(int64, tag = "1")]
    pub since_ms: i64,
    /// Of content: what it was made of.
    #[prost(message, optional, tag = "2")]
    pub manifest: Option<Manifest>,
}

impl Record for ReclaimRecord {
    const KIND: Kind = Kind::Reclaim;
}

/// What a reclaim entry is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Garbage {
    /// A version or part, by its object id: its references to blocks.
    Content(u64),
    /// An upload that is over: the parts that it left.
    Upload(u64),
    /// A deleted bucket: its open uploads and usage.
    Bucket(u64),
}

const CONTENT: u8 = 1;
const UPLOAD: u8 = 2;
const BUCKET: u8 = 3;

pub fn key(garbage: Garbage) -> Bytes {
    let (tag, id) = match garbage {
        Garbage::Content(id) => (CONTENT, id),
        Garbage::Upload(id) => (UPLOAD, id),
        Garbage::Bucket(id) => (BUCKET, id),
    };
    KeyWriter::new(Kind::Reclaim).byte(tag).number(id).done()
}

/// The prefix of all entries.
pub fn all() -> Bytes {
    KeyWriter::new(Kind::Reclaim).done()
}

/// # Errors
/// The key is not of this kind.
pub fn name(key: &[u8]) -> Result<Garbage, RecordError> {
    let mut reader = KeyReader::new(Kind::Reclaim, key)?;
    match (reader.byte()?, reader.number()?) {
        (CONTENT, id) => Ok(Garbage::Content(id)),
        (UPLOAD, id) => Ok(Garbage::Upload(id)),
        (BUCKET, id) => Ok(Garbage::Bucket(id)),
        (tag, _) => Err(RecordError::new(Kind::Reclaim, key, format!("there is no garbage with tag {tag}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::testing::round_trips;

    #[test]
    fn an_entry_comes_out_as_it_went_in() {
        round_trips(&ReclaimRecord { since_ms: 4, manifest: Some(Manifest { chunk_count: 3, ..Default::default() }) });
        for garbage in [Garbage::Content(7), Garbage::Upload(7), Garbage::Bucket(u64::MAX)] {
            assert_eq!(name(&key(garbage)).unwrap(), garbage);
        }
        assert!(name(b"\x32\x09\0\0\0\0\0\0\0\x01").is_err());
    }
}
