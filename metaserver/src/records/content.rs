//! What several records are made of: extents and checksums. Smaller on disk than the contract's messages.

use bytes::Bytes;
use weir_proto::v1;

/// One block of an object or part, as a whole.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct ExtentRecord {
    #[prost(uint64, tag = "1")]
    pub block_id: u64,
    #[prost(uint64, tag = "2")]
    pub length_bytes: u64,
    #[prost(fixed32, tag = "3")]
    pub crc32c: u32,
}

impl From<&ExtentRecord> for v1::Extent {
    fn from(extent: &ExtentRecord) -> Self {
        Self { block_id: extent.block_id, length_bytes: extent.length_bytes, crc32c: extent.crc32c }
    }
}

impl From<&v1::Extent> for ExtentRecord {
    fn from(extent: &v1::Extent) -> Self {
        Self { block_id: extent.block_id, length_bytes: extent.length_bytes, crc32c: extent.crc32c }
    }
}

/// A checksum that S3 knows; algorithm and kind are numbers of the contract's enums.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ChecksumRecord {
    #[prost(int32, tag = "1")]
    pub algorithm: i32,
    #[prost(int32, tag = "2")]
    pub kind: i32,
    #[prost(bytes = "bytes", tag = "3")]
    pub value: Bytes,
}

impl From<ChecksumRecord> for v1::Checksum {
    fn from(checksum: ChecksumRecord) -> Self {
        Self { algorithm: checksum.algorithm, r#type: checksum.kind, value: checksum.value }
    }
}

impl From<v1::Checksum> for ChecksumRecord {
    fn from(checksum: v1::Checksum) -> Self {
        Self { algorithm: checksum.algorithm, kind: checksum.r#type, value: checksum.value }
    }
}

/// An entity tag without quotes: 32 hexadecimal digits, and `-N` for an object of N parts.
pub fn etag(md5: &[u8], part_count: u32) -> String {
    let mut etag = hex::encode(md5);
    if part_count > 0 {
        etag.push_str(&format!("-{part_count}"));
    }
    etag
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_etag_of_parts_ends_with_their_number() {
        assert_eq!(etag(&[0xAB; 16], 0), "ab".repeat(16));
        assert_eq!(etag(&[0xAB; 16], 10_000), format!("{}-10000", "ab".repeat(16)));
    }
}
