//! A gateway's session: session id → who it is. What it reports with its heartbeats is kept in memory alone.

use super::key::{KeyReader, KeyWriter, Kind};
use super::value::{Record, RecordError};
use bytes::Bytes;

#[derive(Clone, PartialEq, prost::Message)]
pub struct SessionRecord {
    #[prost(string, tag = "1")]
    pub address: String,
    #[prost(string, tag = "2")]
    pub version: String,
    #[prost(int64, tag = "3")]
    pub started_ms: i64,
}

impl Record for SessionRecord {
    const KIND: Kind = Kind::Session;
}

pub fn key(session_id: u64) -> Bytes {
    KeyWriter::new(Kind::Session).number(session_id).done()
}

/// The prefix of all sessions.
pub fn all() -> Bytes {
    KeyWriter::new(Kind::Session).done()
}

/// The session's id.
///
/// # Errors
/// The key is not a session's.
pub fn name(key: &[u8]) -> Result<u64, RecordError> {
    KeyReader::new(Kind::Session, key)?.number()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::testing::round_trips;

    #[test]
    fn a_session_comes_out_as_it_went_in() {
        round_trips(&SessionRecord { address: "127.0.0.1:39999".into(), version: "0.1.0".into(), started_ms: 1 });
        assert_eq!(name(&key(8)).unwrap(), 8);
    }
}
