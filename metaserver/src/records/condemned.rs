//! An order to delete a block that a worker has not reported as carried out: worker id, block id → since when.

use super::key::{KeyReader, KeyWriter, Kind, successor};
use super::value::{Record, RecordError};
use bytes::Bytes;

#[derive(Clone, PartialEq, prost::Message)]
pub struct CondemnedRecord {
    #[prost(int64, tag = "1")]
    pub since_ms: i64,
}

impl Record for CondemnedRecord {
    const KIND: Kind = Kind::Condemned;
}

pub fn key(worker_id: u64, block_id: u64) -> Bytes {
    KeyWriter::new(Kind::Condemned).number(worker_id).number(block_id).done()
}

/// Where the orders for a worker end.
pub fn end(worker_id: u64) -> Option<Bytes> {
    successor(&KeyWriter::new(Kind::Condemned).number(worker_id).done())
}

/// Worker id and block id.
///
/// # Errors
/// The key is not of this kind.
pub fn name(key: &[u8]) -> Result<(u64, u64), RecordError> {
    let mut reader = KeyReader::new(Kind::Condemned, key)?;
    Ok((reader.number()?, reader.number()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::testing::round_trips;

    #[test]
    fn an_order_comes_out_as_it_went_in() {
        round_trips(&CondemnedRecord { since_ms: 3 });
        assert_eq!(name(&key(3, 500)).unwrap(), (3, 500));
        assert!(key(3, u64::MAX) < end(3).unwrap());
        assert_eq!(end(3).unwrap(), key(4, 0).slice(..9));
    }
}
