//! As many shards of each coded block as there are, before anything refers to it: as [`copies`](super::copies) sees to
//! copies.

use super::Inner;
use super::copies::{ROUNDS_MAX, failed_ids};
use super::leases::BlockLease;
use crate::blocks::{CodedWriter, Copies, ExtentReader, WrittenCoded, ids};
use bytes::BytesMut;
use weir_coding::{Layout, Scheme};
use weir_proto::Failure;
use weir_proto::v1;

/// The size of a cell: what one checksum of a worker covers.
const CELL_BYTES: u64 = 64 << 10;

/// How the blocks of an upload are coded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shards {
    pub layout: Layout,
    /// With fewer shards no write is acknowledged.
    pub min: usize,
}

impl Shards {
    /// `copies`: those of a block that is too short to be coded.
    pub fn new(scheme: Scheme, copies: Copies) -> Option<Self> {
        let layout = Layout::of(scheme, CELL_BYTES).ok()?;
        Some(Self { layout, min: scheme.min_shards(copies.min) })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.layout.scheme().shards()
    }

    /// How many of them a block is to have, each on a worker of its own.
    pub fn copies(&self) -> Copies {
        Copies { wanted: self.count(), min: self.min }
    }

    /// With fewer shards nothing can be read.
    pub fn needed(&self) -> usize {
        self.layout.scheme().data()
    }

    /// The memory that a row takes with its parity, when so many bytes come at most.
    pub fn row_memory_bytes(&self, left_bytes: Option<u64>) -> usize {
        let row_bytes = left_bytes.unwrap_or(u64::MAX).min(self.layout.row_bytes());
        self.layout.cell_bytes_of(row_bytes) as usize * self.count()
    }

    /// Whole rows of a block, at least one, in bytes.
    pub fn block_bytes(&self, block_max_bytes: u64) -> u64 {
        (block_max_bytes / self.layout.row_bytes()).max(1) * self.layout.row_bytes()
    }
}

impl Inner {
    /// Makes the shards that a written block lacks, as long as there are healthy workers for them: of its window, or
    /// computed from the others.
    ///
    /// # Errors
    /// `NO_SPACE`, `UNAVAILABLE`, or what the workers said, when it has fewer than it must have.
    pub async fn complete_shards(
        &self,
        mut block: WrittenCoded,
        lease: &BlockLease,
        shards: &Shards,
    ) -> Result<v1::WrittenExtent, Failure> {
        let block_id = block.extent.block_id;
        block.holder_ids().iter().for_each(|worker_id| self.health.succeeded(*worker_id));
        for _ in 0..ROUNDS_MAX {
            let (holders, excluded) = (block.holder_ids(), failed_ids(&block.failed));
            let part_bytes = block.shards.iter().map(|shard| shard.length_bytes).max().unwrap_or(0);
            let workers = self.choose(&shards.copies().lacking(&holders, &excluded, part_bytes));
            if workers.is_empty() {
                break;
            }
            lease.add_workers(&ids(&workers));
            let placed: Vec<(usize, v1::Worker)> = block.missing().into_iter().zip(workers).collect();
            let Some(made) = self.write_shards_again(&mut block, &placed).await else { break };
            self.note_failed(block_id, &made.failed);
            self.metrics.copies_made.inc_by(made.holder_ids().len() as u64);
            for (shard, holder) in made.holders.into_iter().enumerate() {
                block.holders[shard] = block.holders[shard].or(holder);
            }
            block.failed.extend(made.failed);
        }
        let count = block.holder_ids().len();
        if count < shards.min {
            return Err(block.shortage(shards.min));
        }
        if count < shards.count() {
            self.metrics.blocks_short.inc();
        }
        Ok(v1::WrittenExtent { extent: Some(block.extent), coded: Some(block.place()), ..Default::default() })
    }

    /// Writes some shards of a block; None when it can't be had from anywhere.
    async fn write_shards_again(
        &self,
        block: &mut WrittenCoded,
        workers: &[(usize, v1::Worker)],
    ) -> Option<WrittenCoded> {
        let mut writer = block.again(workers, self.patience(), &self.connector);
        if let Some(rows) = block.take_window() {
            for (data, permit) in rows {
                writer.write(data, permit).await.ok()?;
            }
            return Some(writer.finish().await.answered().await);
        }
        match self.copy_rows(block, &mut writer).await {
            Ok(()) => Some(writer.finish().await.answered().await),
            Err(failure) => {
                let block_id = block.extent.block_id;
                tracing::warn!(block_id, "a block could not be read for its missing shards: {failure}");
                None
            }
        }
    }

    /// Reads a block from those that have it, a row at a time.
    async fn copy_rows(&self, block: &WrittenCoded, writer: &mut CodedWriter) -> Result<(), Failure> {
        let located =
            v1::LocatedExtent { extent: Some(block.extent), coded: Some(block.place()), ..Default::default() };
        let mut reader = ExtentReader::new(vec![located], 0, block.extent.length_bytes, self.read_sources())?;
        let row_bytes = block.layout.row_bytes() as usize;
        let mut row = BytesMut::with_capacity(row_bytes);
        while let Some(frame) = reader.next().await? {
            let mut data = frame.data;
            while !data.is_empty() {
                row.extend_from_slice(&data.split_to(data.len().min(row_bytes - row.len())));
                if row.len() == row_bytes {
                    writer.write(row.split().freeze(), None).await?;
                }
            }
        }
        match row.is_empty() {
            true => Ok(()),
            false => writer.write(row.freeze(), None).await,
        }
    }
}

#[cfg(test)]
#[path = "shards_tests.rs"]
mod tests;
