//! A bucket: its name → its id, state and owner.

use super::key::{KeyReader, KeyWriter, Kind};
use super::value::{Record, RecordError};
use bytes::Bytes;
use weir_proto::BucketName;

/// Every write to a bucket is guarded by this value, so it changes only when writes have to stop.
#[derive(Clone, PartialEq, prost::Message)]
pub struct BucketRecord {
    /// Never used twice, also not by a bucket of the same name.
    #[prost(uint64, tag = "1")]
    pub bucket_id: u64,
    #[prost(int64, tag = "2")]
    pub created_ms: i64,
    #[prost(string, tag = "3")]
    pub owner: String,
    /// Not 0: someone looks whether the bucket is empty, to delete it. The number is of that one attempt.
    #[prost(uint64, tag = "4")]
    pub deleting: u64,
}

impl Record for BucketRecord {
    const KIND: Kind = Kind::Bucket;
}

pub fn key(name: &BucketName) -> Bytes {
    key_of(name.as_str())
}

/// The key of a name that need not be valid: where a scan starts.
pub fn key_of(name: &str) -> Bytes {
    KeyWriter::new(Kind::Bucket).last(name.as_bytes())
}

/// # Errors
/// The key is not a bucket's.
pub fn name(key: &[u8]) -> Result<String, RecordError> {
    KeyReader::new(Kind::Bucket, key)?.last_text()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::testing::round_trips;

    #[test]
    fn a_bucket_comes_out_as_it_went_in() {
        round_trips(&BucketRecord { bucket_id: u64::MAX, created_ms: -1, owner: "weir".into(), deleting: 3 });
        assert_eq!(name(&key(&BucketName::new("photos").unwrap())).unwrap(), "photos");
        assert!(name(b"\x10photos").is_err());
        assert!(name(b"\x02\xFF").is_err());
    }
}
