//! A multipart upload. While it is open: bucket id, key, upload id → how it was begun. When it is over: upload id → how it
//! ended. Apart, so that listing the open ones costs nothing for those that are over.

use super::acl::AclRecord;
use super::key::{KeyReader, KeyWriter, Kind, successor};
use super::value::{Record, RecordError};
use bytes::Bytes;
use weir_proto::v1;

/// An open upload. Every change to its parts is guarded by this value, which stays as it is until the upload is over.
#[derive(Clone, PartialEq, prost::Message)]
pub struct UploadRecord {
    #[prost(int64, tag = "1")]
    pub initiated_ms: i64,
    #[prost(string, tag = "2")]
    pub owner: String,
    /// As the client asked: none, when it did not.
    #[prost(enumeration = "v1::ChecksumAlgorithm", tag = "3")]
    pub checksum_algorithm: i32,
    #[prost(enumeration = "v1::ChecksumType", tag = "4")]
    pub checksum_type: i32,
    #[prost(message, optional, tag = "5")]
    pub attributes: Option<v1::Attributes>,
    /// Of the object that it becomes. Absent: the owner's alone.
    #[prost(message, optional, tag = "6")]
    pub acl: Option<AclRecord>,
}

impl Record for UploadRecord {
    const KIND: Kind = Kind::Upload;
}

/// How an upload ended; kept for a while, so that a repeated Complete gets the first result.
#[derive(Clone, PartialEq, prost::Message)]
pub struct FinishedUploadRecord {
    #[prost(uint64, tag = "1")]
    pub bucket_id: u64,
    #[prost(bytes = "bytes", tag = "2")]
    pub key: Bytes,
    #[prost(int64, tag = "3")]
    pub finished_ms: i64,
    /// The object that it became; none: aborted.
    #[prost(message, optional, tag = "4")]
    pub object: Option<v1::Object>,
}

impl Record for FinishedUploadRecord {
    const KIND: Kind = Kind::FinishedUpload;
}

pub fn key(bucket_id: u64, key: &[u8], upload_id: u64) -> Bytes {
    KeyWriter::new(Kind::Upload).number(bucket_id).escaped(key).number(upload_id).done()
}

/// Where the uploads of all keys begin that start with `prefix`.
pub fn prefix(bucket_id: u64, prefix: &[u8]) -> Bytes {
    KeyWriter::new(Kind::Upload).number(bucket_id).escaped_prefix(prefix).done()
}

/// Where the uploads of a bucket end.
pub fn end(bucket_id: u64) -> Option<Bytes> {
    successor(&prefix(bucket_id, b""))
}

/// The prefix of all open uploads.
pub fn all() -> Bytes {
    KeyWriter::new(Kind::Upload).done()
}

/// Bucket id, key and upload id.
///
/// # Errors
/// The key is not an upload's.
pub fn name(key: &[u8]) -> Result<(u64, Bytes, u64), RecordError> {
    let mut reader = KeyReader::new(Kind::Upload, key)?;
    Ok((reader.number()?, reader.escaped()?, reader.number()?))
}

pub fn finished_key(upload_id: u64) -> Bytes {
    KeyWriter::new(Kind::FinishedUpload).number(upload_id).done()
}

/// The prefix of all uploads that are over.
pub fn all_finished() -> Bytes {
    KeyWriter::new(Kind::FinishedUpload).done()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::testing::round_trips;
    use proptest::prelude::*;

    #[test]
    fn an_upload_comes_out_as_it_went_in() {
        round_trips(&UploadRecord {
            initiated_ms: 5,
            owner: "weir".into(),
            checksum_algorithm: v1::ChecksumAlgorithm::Crc32c.into(),
            checksum_type: v1::ChecksumType::Composite.into(),
            attributes: Some(v1::Attributes { storage_class: "STANDARD".into(), ..Default::default() }),
            acl: Some((&crate::records::acl::sample(3)).into()),
        });
        round_trips(&FinishedUploadRecord {
            bucket_id: 3,
            key: Bytes::from_static(b"a\0b"),
            finished_ms: 8,
            object: Some(v1::Object { object_id: 9, ..Default::default() }),
        });
    }

    proptest! {
        #[test]
        fn uploads_lie_in_the_order_of_bucket_key_and_id(a: (u64, Vec<u8>, u64), b: (u64, Vec<u8>, u64)) {
            prop_assert_eq!(key(a.0, &a.1, a.2).cmp(&key(b.0, &b.1, b.2)), a.cmp(&b));
            prop_assert_eq!(name(&key(a.0, &a.1, a.2)).unwrap(), (a.0, Bytes::from(a.1.clone()), a.2));
        }
    }
}
