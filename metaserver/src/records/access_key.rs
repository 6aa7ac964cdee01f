//! An access key: its id → whose it is, and its secret, sealed.

use super::key::{KeyReader, KeyWriter, Kind};
use super::value::{Record, RecordError};
use bytes::Bytes;

#[derive(Clone, PartialEq, prost::Message)]
pub struct AccessKeyRecord {
    #[prost(string, tag = "1")]
    pub user_name: String,
    /// Under the cluster's secret, for this id.
    #[prost(bytes = "bytes", tag = "2")]
    pub sealed_secret: Bytes,
    #[prost(bool, tag = "3")]
    pub active: bool,
    #[prost(int64, tag = "4")]
    pub created_ms: i64,
}

impl Record for AccessKeyRecord {
    const KIND: Kind = Kind::AccessKey;
}

pub fn key(access_key_id: &str) -> Bytes {
    KeyWriter::new(Kind::AccessKey).last(access_key_id.as_bytes())
}

/// The access key's id.
///
/// # Errors
/// The key is not an access key's.
pub fn name(key: &[u8]) -> Result<String, RecordError> {
    KeyReader::new(Kind::AccessKey, key)?.last_text()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::testing::round_trips;

    #[test]
    fn an_access_key_comes_out_as_it_went_in() {
        round_trips(&AccessKeyRecord {
            user_name: "alice".into(),
            sealed_secret: vec![0xA5; 12 + 128 + 16].into(),
            active: true,
            created_ms: 7,
        });
        assert_eq!(name(&key("AKIAEXAMPLE")).unwrap(), "AKIAEXAMPLE");
    }
}
