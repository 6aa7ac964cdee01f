//! A part of an open upload: upload id, part number → its digests and where its bytes are.

use super::content::ChecksumRecord;
use super::key::{KeyReader, KeyWriter, Kind, successor};
use super::manifest::Manifest;
use super::value::{Record, RecordError};
use bytes::Bytes;

#[derive(Clone, PartialEq, prost::Message)]
pub struct PartRecord {
    /// Owner of the part's blocks; Complete keeps it.
    #[prost(uint64, tag = "1")]
    pub object_id: u64,
    #[prost(uint64, tag = "2")]
    pub size_bytes: u64,
    #[prost(bytes = "bytes", tag = "3")]
    pub md5: Bytes,
    #[prost(int64, tag = "4")]
    pub modified_ms: i64,
    #[prost(message, optional, tag = "5")]
    pub checksum: Option<ChecksumRecord>,
    #[prost(message, optional, tag = "6")]
    pub manifest: Option<Manifest>,
}

impl Record for PartRecord {
    const KIND: Kind = Kind::Part;
}

pub fn key(upload_id: u64, part_number: u32) -> Bytes {
    KeyWriter::new(Kind::Part).number(upload_id).number(part_number.into()).done()
}

/// Where the parts of an upload end.
pub fn end(upload_id: u64) -> Option<Bytes> {
    successor(&KeyWriter::new(Kind::Part).number(upload_id).done())
}

/// The prefix of all parts.
pub fn all() -> Bytes {
    KeyWriter::new(Kind::Part).done()
}

/// Upload id and part number.
///
/// # Errors
/// The key is not a part's.
pub fn name(key: &[u8]) -> Result<(u64, u32), RecordError> {
    let mut reader = KeyReader::new(Kind::Part, key)?;
    let upload_id = reader.number()?;
    let number = u32::try_from(reader.number()?);
    Ok((upload_id, number.map_err(|_| RecordError::new(Kind::Part, key, "the part number is too large"))?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::testing::round_trips;
    use proptest::prelude::*;

    #[test]
    fn a_part_comes_out_as_it_went_in() {
        round_trips(&PartRecord {
            object_id: 1,
            size_bytes: 5 << 30,
            md5: Bytes::from_static(&[3; 16]),
            modified_ms: 8,
            checksum: Some(ChecksumRecord::default()),
            manifest: Some(Manifest::default()),
        });
    }

    proptest! {
        #[test]
        fn parts_lie_in_the_order_of_upload_and_number(a: (u64, u32), b: (u64, u32)) {
            prop_assert_eq!(key(a.0, a.1).cmp(&key(b.0, b.1)), a.cmp(&b));
            prop_assert_eq!(name(&key(a.0, a.1)).unwrap(), a);
        }
    }
}
