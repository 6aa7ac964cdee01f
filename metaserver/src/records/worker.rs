//! A worker that has registered: worker id → where it is. What it reports with its heartbeats is kept in memory alone.

use super::key::{KeyReader, KeyWriter, Kind};
use super::value::{Record, RecordError};
use bytes::Bytes;

#[derive(Clone, PartialEq, prost::Message)]
pub struct WorkerRecord {
    #[prost(string, tag = "1")]
    pub address: String,
    #[prost(int64, tag = "2")]
    pub registered_ms: i64,
}

impl Record for WorkerRecord {
    const KIND: Kind = Kind::Worker;
}

pub fn key(worker_id: u64) -> Bytes {
    KeyWriter::new(Kind::Worker).number(worker_id).done()
}

/// The prefix of all workers.
pub fn all() -> Bytes {
    KeyWriter::new(Kind::Worker).done()
}

/// The worker's id.
///
/// # Errors
/// The key is not a worker's.
pub fn name(key: &[u8]) -> Result<u64, RecordError> {
    KeyReader::new(Kind::Worker, key)?.number()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::testing::round_trips;

    #[test]
    fn a_worker_comes_out_as_it_went_in() {
        round_trips(&WorkerRecord { address: "127.0.0.1:29999".into(), registered_ms: 1 });
        assert_eq!(name(&key(8)).unwrap(), 8);
    }
}
