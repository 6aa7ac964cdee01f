//! A block: block id → its length and checksum, the workers that hold it, and what refers to it.

use super::coded::CodedRecord;
use super::key::{KeyReader, KeyWriter, Kind};
use super::value::{Record, RecordError};
use bytes::Bytes;
use std::collections::BTreeSet;

#[derive(Clone, PartialEq, prost::Message)]
pub struct BlockRecord {
    #[prost(uint64, tag = "1")]
    pub length_bytes: u64,
    #[prost(fixed32, tag = "2")]
    pub crc32c: u32,
    /// Those that hold it; of a condemned block, those that have not reported its deletion yet.
    #[prost(uint64, repeated, tag = "3")]
    pub worker_ids: Vec<u64>,
    /// A set by owner. A block without any is condemned.
    #[prost(message, repeated, tag = "4")]
    pub references: Vec<Reference>,
    /// Nothing refers to it, nothing ever will, and the workers are ordered to delete it.
    #[prost(bool, tag = "5")]
    pub condemned: bool,
    /// How many copies it should have; of a coded block, how many shards there are. 0 in old records: see [`BlockRecord::wanted_count`].
    #[prost(uint32, tag = "6")]
    pub wanted: u32,
    /// Those of the workers whose copy is damaged, or was not found: it does not count, and is not read. They are named
    /// until the block has its copies again, and then ordered to delete what they have of it.
    #[prost(uint64, repeated, tag = "7")]
    pub invalid_worker_ids: Vec<u64>,
    /// Each of the workers holds one shard of it. Absent: each holds all of it, as in all records from before.
    #[prost(message, optional, tag = "8")]
    pub coded: Option<CodedRecord>,
}

impl BlockRecord {
    /// Workers with a copy that counts.
    pub fn valid_worker_ids(&self) -> impl Iterator<Item = u64> + '_ {
        self.worker_ids.iter().copied().filter(|id| !self.invalid_worker_ids.contains(id))
    }

    /// Whom to ask for its bytes: the valid ones. Where they are too few, all: what each of them says is the truth.
    pub fn readable_worker_ids(&self) -> Vec<u64> {
        let valid: Vec<u64> = self.valid_worker_ids().collect();
        let parts: BTreeSet<Option<usize>> = valid.iter().map(|id| self.shard_of(*id)).collect();
        if parts.len() < self.needed_count() { self.worker_ids.clone() } else { valid }
    }

    /// How many copies it should have; an old record does not say: as many as the cluster wants of a new block, and not
    /// fewer than it names.
    pub fn wanted_count(&self, cluster: u32) -> usize {
        match self.wanted {
            0 => self.worker_ids.len().max(cluster as usize),
            wanted => wanted as usize,
        }
    }
}

/// Content that uses a block. The owner decides; the rest is for operators, as it was when the reference was made.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Reference {
    /// A version's or part's id.
    #[prost(uint64, tag = "1")]
    pub owner: u64,
    #[prost(string, tag = "2")]
    pub bucket: String,
    #[prost(bytes = "bytes", tag = "3")]
    pub key: Bytes,
    /// Not 0: it came as a part of this upload.
    #[prost(uint64, tag = "4")]
    pub upload_id: u64,
}

impl Record for BlockRecord {
    const KIND: Kind = Kind::Block;
}

pub fn key(block_id: u64) -> Bytes {
    KeyWriter::new(Kind::Block).number(block_id).done()
}

/// The prefix of all blocks.
pub fn all() -> Bytes {
    KeyWriter::new(Kind::Block).done()
}

/// The block's id.
///
/// # Errors
/// The key is not a block's.
pub fn name(key: &[u8]) -> Result<u64, RecordError> {
    KeyReader::new(Kind::Block, key)?.number()
}

impl BlockRecord {
    /// One shard of a coded block as if it were a block that wants one copy; of a replicated block, which has no shards,
    /// all of it. None: there is no such shard.
    pub fn part(&self, shard: Option<usize>) -> Option<Self> {
        match (&self.coded, shard) {
            (None, None) => Some(self.clone()),
            (Some(coded), Some(shard)) => {
                let holds = |id: &u64| coded.shard_of(*id) == Some(shard);
                Some(Self {
                    length_bytes: coded.shard_bytes(self.length_bytes, shard),
                    crc32c: *coded.shard_crc32c.get(shard)?,
                    worker_ids: self.worker_ids.iter().copied().filter(holds).collect(),
                    invalid_worker_ids: self.invalid_worker_ids.iter().copied().filter(holds).collect(),
                    condemned: self.condemned,
                    wanted: 1,
                    ..Self::default()
                })
            }
            _ => None,
        }
    }

    /// Which part of the block a worker holds, or could: see [`BlockRecord::part`].
    pub fn shard_of(&self, worker_id: u64) -> Option<usize> {
        self.coded.as_ref()?.shard_of(worker_id)
    }

    /// What a worker that holds a part of the block holds, in bytes.
    pub fn held_bytes(&self, worker_id: u64) -> u64 {
        match (&self.coded, self.shard_of(worker_id)) {
            (Some(coded), Some(shard)) => coded.shard_bytes(self.length_bytes, shard),
            _ => self.length_bytes,
        }
    }

    /// So many different live parts are needed to read it.
    pub fn needed_count(&self) -> usize {
        self.coded.as_ref().map_or(1, CodedRecord::needed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::testing::round_trips;

    #[test]
    fn a_block_comes_out_as_it_went_in() {
        round_trips(&BlockRecord {
            length_bytes: 64 << 20,
            crc32c: 1,
            worker_ids: vec![1, u64::MAX],
            references: vec![Reference {
                owner: 5,
                bucket: "photos".into(),
                key: Bytes::from_static(b"k"),
                upload_id: 2,
            }],
            condemned: false,
            wanted: 3,
            invalid_worker_ids: vec![u64::MAX],
            coded: None,
        });
        assert_eq!(name(&key(300)).unwrap(), 300);
        assert!(key(255) < key(256));
    }

    #[test]
    fn an_invalid_copy_does_not_count_and_is_read_only_when_there_is_no_other() {
        let mut record = BlockRecord { worker_ids: vec![1, 2], invalid_worker_ids: vec![1], ..Default::default() };
        assert_eq!(record.readable_worker_ids(), [2]);
        assert_eq!((record.wanted_count(1), record.wanted_count(3)), (2, 3), "an old record names at least as many");
        record.wanted = 1;
        assert_eq!(record.wanted_count(3), 1);
        record.invalid_worker_ids.push(2);
        assert_eq!(record.valid_worker_ids().count(), 0);
        assert_eq!(record.readable_worker_ids(), [1, 2]);
    }
}
