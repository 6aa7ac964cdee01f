//! What a bucket holds, and how many buckets there are: counters of the store, to which commits add without conflict.
//! Their values are the store's own: eight bytes, without an envelope.

use super::key::{KeyReader, KeyWriter, Kind};
use super::value::RecordError;
use crate::store::Write;
use bytes::Bytes;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    Buckets,
    /// Objects of a bucket.
    Objects(u64),
    /// Bytes of a bucket's objects.
    Bytes(u64),
}

const BUCKETS: u8 = 0;
const OBJECTS: u8 = 1;
const BYTES: u8 = 2;

pub fn key(usage: Usage) -> Bytes {
    let (id, tag) = match usage {
        Usage::Buckets => (0, BUCKETS),
        Usage::Objects(bucket_id) => (bucket_id, OBJECTS),
        Usage::Bytes(bucket_id) => (bucket_id, BYTES),
    };
    KeyWriter::new(Kind::Usage).number(id).byte(tag).done()
}

/// The prefix of all usage counters.
pub fn all() -> Bytes {
    KeyWriter::new(Kind::Usage).done()
}

/// # Errors
/// The key is not of this kind.
pub fn name(key: &[u8]) -> Result<Usage, RecordError> {
    let mut reader = KeyReader::new(Kind::Usage, key)?;
    match (reader.number()?, reader.byte()?) {
        (_, BUCKETS) => Ok(Usage::Buckets),
        (id, OBJECTS) => Ok(Usage::Objects(id)),
        (id, BYTES) => Ok(Usage::Bytes(id)),
        (_, tag) => Err(RecordError::new(Kind::Usage, key, format!("nothing is counted under tag {tag}"))),
    }
}

/// The write that adds to a counter; none when there is nothing to add.
pub fn add(usage: Usage, amount: i64) -> Option<Write> {
    (amount != 0).then(|| Write::Add { key: key(usage), amount })
}

/// # Errors
/// The value is not a counter's.
pub fn value(key: &[u8], value: Option<&Bytes>) -> Result<i64, RecordError> {
    match value {
        None => Ok(0),
        Some(value) => match <[u8; 8]>::try_from(&value[..]) {
            Ok(bytes) => Ok(i64::from_le_bytes(bytes)),
            Err(_) => Err(RecordError::new(Kind::Usage, key, format!("it has {} bytes", value.len()))),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_usage_counter_is_read_as_the_store_adds() {
        for usage in [Usage::Buckets, Usage::Objects(7), Usage::Bytes(7)] {
            assert_eq!(name(&key(usage)).unwrap(), usage);
        }
        assert_eq!(value(b"k", None).unwrap(), 0);
        assert_eq!(value(b"k", Some(&Bytes::copy_from_slice(&(-3i64).to_le_bytes()))).unwrap(), -3);
        assert!(value(b"k", Some(&Bytes::from_static(b"123"))).is_err());
        assert!(add(Usage::Buckets, 0).is_none());
    }
}
