//! A worker that has registered: worker id → where it is, and what operators have decided about it. What it reports with
//! its heartbeats is kept in memory alone.

use super::key::{KeyReader, KeyWriter, Kind};
use super::value::{Record, RecordError};
use bytes::Bytes;

#[derive(Clone, PartialEq, prost::Message)]
pub struct WorkerRecord {
    #[prost(string, tag = "1")]
    pub address: String,
    #[prost(int64, tag = "2")]
    pub registered_ms: i64,
    /// Labels by which copies are spread.
    #[prost(string, tag = "3")]
    pub zone: String,
    #[prost(string, tag = "4")]
    pub host: String,
    #[prost(enumeration = "Duty", tag = "5")]
    pub duty: i32,
    /// Once it is drained, it may not register.
    #[prost(bool, tag = "6")]
    pub disabled: bool,
}

/// What operators want of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum Duty {
    Serving = 0,
    /// It is emptied.
    Draining = 1,
    /// It was emptied.
    Drained = 2,
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
        round_trips(&WorkerRecord {
            address: "127.0.0.1:29999".into(),
            registered_ms: 1,
            zone: "a".into(),
            host: "rack-7".into(),
            duty: Duty::Drained.into(),
            disabled: true,
        });
        assert_eq!(name(&key(8)).unwrap(), 8);
    }
}
