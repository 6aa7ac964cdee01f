//! How a block is coded: its shape, and which of its workers holds which shard. A part of the block's record.

use weir_coding::Layout;
use weir_proto::v1;

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct CodedRecord {
    #[prost(uint32, tag = "1")]
    pub data_shards: u32,
    #[prost(uint32, tag = "2")]
    pub parity_shards: u32,
    #[prost(uint32, tag = "3")]
    pub cell_bytes: u32,
    /// The CRC32C of each shard, in the order of their numbers.
    #[prost(fixed32, repeated, tag = "4")]
    pub shard_crc32c: Vec<u32>,
    /// Each worker once. One that the block's record does not name holds nothing.
    #[prost(message, repeated, tag = "5")]
    pub holders: Vec<ShardHolderRecord>,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct ShardHolderRecord {
    #[prost(uint64, tag = "1")]
    pub worker_id: u64,
    #[prost(uint32, tag = "2")]
    pub shard: u32,
}

impl From<&v1::CodedPlace> for CodedRecord {
    fn from(place: &v1::CodedPlace) -> Self {
        let coding = place.coding.unwrap_or_default();
        let holder = |holder: &v1::ShardHolder| ShardHolderRecord { worker_id: holder.worker_id, shard: holder.shard };
        Self {
            data_shards: coding.data_shards,
            parity_shards: coding.parity_shards,
            cell_bytes: coding.cell_bytes,
            shard_crc32c: place.shard_crc32c.clone(),
            holders: place.holders.iter().map(holder).collect(),
        }
    }
}

impl CodedRecord {
    pub fn coding(&self) -> v1::Coding {
        let Self { data_shards, parity_shards, cell_bytes, .. } = *self;
        v1::Coding { data_shards, parity_shards, cell_bytes }
    }

    /// k: with fewer shards it can't be read.
    pub fn needed(&self) -> usize {
        self.data_shards as usize
    }

    pub fn shard_count(&self) -> usize {
        self.shard_crc32c.len()
    }

    pub fn shard_of(&self, worker_id: u64) -> Option<usize> {
        self.holders.iter().find(|holder| holder.worker_id == worker_id).map(|holder| holder.shard as usize)
    }

    /// A worker has a shard, and no other.
    pub fn set_holder(&mut self, worker_id: u64, shard: usize) {
        self.holders.retain(|holder| holder.worker_id != worker_id);
        self.holders.push(ShardHolderRecord { worker_id, shard: u32::try_from(shard).unwrap_or(u32::MAX) });
    }

    pub(super) fn shard_bytes(&self, block_bytes: u64, shard: usize) -> u64 {
        // What is committed has a shape; of what has none no shard is longer than the block.
        Layout::new(self.data_shards, self.parity_shards, self.cell_bytes.into())
            .map_or(block_bytes, |layout| layout.shard_bytes(block_bytes, shard))
    }

    /// Where those of some workers are that the block's record names.
    pub fn place(&self, worker_ids: &[u64]) -> v1::CodedPlace {
        let there = self.holders.iter().filter(|holder| worker_ids.contains(&holder.worker_id));
        v1::CodedPlace {
            coding: Some(self.coding()),
            holders: there.map(|holder| v1::ShardHolder { worker_id: holder.worker_id, shard: holder.shard }).collect(),
            shard_crc32c: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::block::BlockRecord;
    use crate::records::testing::round_trips;

    fn coded() -> BlockRecord {
        let holders = (1..=6).map(|worker_id| ShardHolderRecord { worker_id, shard: worker_id as u32 - 1 }).collect();
        let shard_crc32c = (10..16).collect();
        let coded = CodedRecord { data_shards: 4, parity_shards: 2, cell_bytes: 65_536, shard_crc32c, holders };
        BlockRecord {
            length_bytes: 600_000,
            crc32c: 1,
            worker_ids: (1..=6).collect(),
            wanted: 6,
            invalid_worker_ids: vec![4],
            coded: Some(coded),
            ..Default::default()
        }
    }

    #[test]
    fn a_coded_block_comes_out_as_it_went_in() {
        round_trips(&coded());
        let mut largest = coded();
        let holders =
            (0..24).map(|shard| ShardHolderRecord { worker_id: u64::MAX - u64::from(shard), shard }).collect();
        largest.coded = Some(CodedRecord { shard_crc32c: vec![u32::MAX; 24], holders, ..largest.coded.unwrap() });
        round_trips(&largest);
    }

    #[test]
    fn a_shard_is_a_block_that_wants_one_copy() {
        let record = coded();
        let part = record.part(Some(3)).unwrap();
        assert_eq!((part.length_bytes, part.crc32c, part.wanted), (131_072 + 18_880, 13, 1));
        assert_eq!((part.worker_ids, part.invalid_worker_ids), (vec![4], vec![4]));
        assert_eq!((record.held_bytes(1), record.held_bytes(9)), (131_072 + 18_944, 600_000));
        assert!(record.part(None).is_none() && record.part(Some(6)).is_none());
        let replicated = BlockRecord { coded: None, ..record };
        assert_eq!((replicated.part(None).as_ref(), replicated.part(Some(0))), (Some(&replicated), None));
    }

    #[test]
    fn a_worker_has_one_shard_and_no_other() {
        let mut record = coded();
        let coded = record.coded.as_mut().unwrap();
        coded.set_holder(6, 0);
        assert_eq!((coded.shard_of(6), coded.holders.len()), (Some(0), 6));
        assert_eq!(record.part(Some(0)).unwrap().worker_ids, [1, 6]);
        assert!(record.part(Some(5)).unwrap().worker_ids.is_empty());
    }
}
