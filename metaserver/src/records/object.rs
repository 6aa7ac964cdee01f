//! The current version of an object: bucket id, key → what a GET or a listing needs to know of it.

use super::acl::AclRecord;
use super::content::ChecksumRecord;
use super::key::{KeyReader, KeyWriter, Kind, successor};
use super::manifest::{Manifest, ManifestPart};
use super::value::{Record, RecordError};
use bytes::Bytes;
use weir_proto::v1;

#[derive(Clone, PartialEq, prost::Message)]
pub struct ObjectRecord {
    #[prost(uint64, tag = "1")]
    pub object_id: u64,
    #[prost(uint64, tag = "2")]
    pub size_bytes: u64,
    /// 16 bytes: of the bytes, or of the parts' MD5s when `part_count` is not 0.
    #[prost(bytes = "bytes", tag = "3")]
    pub md5: Bytes,
    #[prost(uint32, tag = "4")]
    pub part_count: u32,
    #[prost(int64, tag = "5")]
    pub modified_ms: i64,
    #[prost(string, tag = "6")]
    pub owner: String,
    #[prost(message, optional, tag = "7")]
    pub checksum: Option<ChecksumRecord>,
    #[prost(string, tag = "8")]
    pub storage_class: String,
    /// Headers, metadata and tags; the storage class lies beside them, for listings, and so does the ACL.
    #[prost(message, optional, tag = "9")]
    pub attributes: Option<v1::Attributes>,
    /// The bytes lie in the inline record of the same name; when there are none, nowhere.
    #[prost(bool, tag = "10")]
    pub inline: bool,
    /// Unless inline: where the blocks are.
    #[prost(message, optional, tag = "11")]
    pub manifest: Option<Manifest>,
    /// Absent: the owner's alone.
    #[prost(message, optional, tag = "12")]
    pub acl: Option<AclRecord>,
}

impl Record for ObjectRecord {
    const KIND: Kind = Kind::Object;
}

/// What a listing shows of an object. It reads the same value as [`ObjectRecord`], and skips the rest of it.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ObjectSummary {
    #[prost(uint64, tag = "2")]
    pub size_bytes: u64,
    #[prost(bytes = "bytes", tag = "3")]
    pub md5: Bytes,
    #[prost(uint32, tag = "4")]
    pub part_count: u32,
    #[prost(int64, tag = "5")]
    pub modified_ms: i64,
    #[prost(string, tag = "6")]
    pub owner: String,
    #[prost(message, optional, tag = "7")]
    pub checksum: Option<ChecksumRecord>,
    #[prost(string, tag = "8")]
    pub storage_class: String,
}

impl Record for ObjectSummary {
    const KIND: Kind = Kind::Object;
}

impl ObjectRecord {
    /// The whole content as one part, for an object that was not made of parts and has its manifest in the record.
    pub fn parts_in_record(&self) -> &[ManifestPart] {
        self.manifest.as_ref().map_or(&[], |manifest| &manifest.parts)
    }
}

pub fn key(bucket_id: u64, key: &[u8]) -> Bytes {
    KeyWriter::new(Kind::Object).number(bucket_id).last(key)
}

/// Where the objects of a bucket end.
pub fn end(bucket_id: u64) -> Option<Bytes> {
    successor(&KeyWriter::new(Kind::Object).number(bucket_id).done())
}

/// Bytes before the object's key.
pub const KEY_OFFSET: usize = 9;

/// The object's key.
///
/// # Errors
/// The store's key is not an object's.
pub fn name(key: &[u8]) -> Result<&[u8], RecordError> {
    let mut reader = KeyReader::new(Kind::Object, key)?;
    reader.number()?;
    Ok(reader.last())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::content::ExtentRecord;
    use crate::records::testing::round_trips;
    use crate::records::{decode, encode};
    use proptest::prelude::*;

    fn record() -> ObjectRecord {
        ObjectRecord {
            object_id: 9,
            size_bytes: 5 << 40,
            md5: Bytes::from_static(&[7; 16]),
            part_count: 2,
            modified_ms: 1_700_000_000_000,
            owner: "weir".into(),
            checksum: Some(ChecksumRecord { algorithm: 3, kind: 1, value: Bytes::from_static(&[1; 8]) }),
            storage_class: "STANDARD".into(),
            attributes: Some(v1::Attributes {
                headers: vec![v1::Header { name: "content-type".into(), value: "text/plain".into() }],
                ..Default::default()
            }),
            inline: false,
            manifest: Some(Manifest {
                parts: vec![ManifestPart {
                    owner: 4,
                    extents: vec![ExtentRecord { block_id: 77, length_bytes: 64 << 20, crc32c: 5 }],
                    ..Default::default()
                }],
                ..Default::default()
            }),
            acl: Some((&crate::records::acl::sample(3)).into()),
        }
    }

    #[test]
    fn an_object_comes_out_as_it_went_in() {
        round_trips(&record());
        round_trips(&ObjectRecord { inline: true, ..Default::default() });
    }

    #[test]
    fn a_listing_reads_its_part_of_the_record() {
        let record = record();
        let summary: ObjectSummary = decode(b"k", encode(&record)).unwrap();
        assert_eq!(summary.size_bytes, record.size_bytes);
        assert_eq!(summary.md5, record.md5);
        assert_eq!(summary.part_count, record.part_count);
        assert_eq!(summary.modified_ms, record.modified_ms);
        assert_eq!(summary.owner, record.owner);
        assert_eq!(summary.checksum, record.checksum);
        assert_eq!(summary.storage_class, record.storage_class);
    }

    proptest! {
        #[test]
        fn objects_lie_in_the_order_of_bucket_and_key(a: u64, b: u64, k: Vec<u8>, l: Vec<u8>) {
            prop_assert_eq!(key(a, &k).cmp(&key(b, &l)), (a, &k).cmp(&(b, &l)));
            let stored = key(a, &k);
            prop_assert_eq!(name(&stored).unwrap(), &k[..]);
            prop_assert_eq!(&stored[KEY_OFFSET..], &k[..]);
            if let Some(end) = end(a) {
                prop_assert!(key(a, &k) < end && end <= key(a + 1, b""));
            }
        }
    }
}
