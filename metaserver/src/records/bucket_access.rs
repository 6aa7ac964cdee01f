//! What a bucket says about access and about its blocks: its name → whose the settings are, and those that fit a record.
//! Its policy is a record of its own. The bucket's own record, which guards all writes, stays as it is when these change.

use super::acl::AclRecord;
use super::key::{KeyReader, KeyWriter, Kind};
use super::value::{Record, RecordError};
use bytes::Bytes;
use weir_proto::v1;

#[derive(Clone, PartialEq, prost::Message)]
pub struct BucketAccessRecord {
    /// A bucket of the same name with another id has nothing of this.
    #[prost(uint64, tag = "1")]
    pub bucket_id: u64,
    #[prost(message, optional, tag = "2")]
    pub public_access_block: Option<v1::PublicAccessBlock>,
    #[prost(enumeration = "v1::ObjectOwnership", tag = "3")]
    pub ownership: i32,
    #[prost(message, optional, tag = "4")]
    pub acl: Option<AclRecord>,
    /// How many workers each new block of its objects is written to; 0: not said.
    #[prost(uint32, tag = "5")]
    pub replication: u32,
    /// Its new blocks are coded.
    #[prost(message, optional, tag = "6")]
    pub coding: Option<v1::CodingScheme>,
}

impl Record for BucketAccessRecord {
    const KIND: Kind = Kind::BucketAccess;
}

pub fn key(bucket: &str) -> Bytes {
    KeyWriter::new(Kind::BucketAccess).last(bucket.as_bytes())
}

/// The bucket's name.
///
/// # Errors
/// The key is not of this kind.
pub fn name(key: &[u8]) -> Result<String, RecordError> {
    KeyReader::new(Kind::BucketAccess, key)?.last_text()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::acl::sample;
    use crate::records::testing::round_trips;

    #[test]
    fn what_a_bucket_says_about_access_comes_out_as_it_went_in() {
        round_trips(&BucketAccessRecord {
            bucket_id: u64::MAX,
            public_access_block: Some(v1::PublicAccessBlock { block_public_acls: true, ..Default::default() }),
            ownership: v1::ObjectOwnership::ObjectWriter.into(),
            acl: Some((&sample(100)).into()),
            replication: 16,
            coding: Some(v1::CodingScheme { data_shards: 16, parity_shards: 8 }),
        });
        assert_eq!(name(&key("photos")).unwrap(), "photos");
    }
}
