//! A part of a coded block: within one row, or several rows whole. Each shard's share of it is one run of bytes. Those
//! that are wanted are asked for; when one fails or keeps the read waiting, others of the same rows, until there are
//! enough to compute it.

use super::budget::Grant;
use super::local::LocalBlock;
use super::reader::ReadSources;
use super::shard_search::Search;
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::{BTreeSet, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use tokio::sync::OnceCell;
use weir_coding::{LINE_BYTES, Layout};
use weir_proto::v1::{self, Reason};
use weir_proto::{Failure, WorkerId};

/// Shared by the parts of a block.
pub(super) struct CodedBlock {
    pub block_id: u64,
    pub layout: Layout,
    pub length_bytes: u64,
    pub shards: Vec<ShardPlace>,
    /// Shards that failed, or came too late: not asked for again while there are others.
    pub poor: Mutex<BTreeSet<usize>>,
}

pub(super) struct ShardPlace {
    /// Those that hold it.
    pub workers: Vec<v1::Worker>,
    pub local: Arc<OnceCell<Option<Arc<LocalBlock>>>>,
}

/// A part that there is memory for.
pub(super) struct Rows {
    pub block: Arc<CodedBlock>,
    pub offset_bytes: u64,
    pub length_bytes: u64,
}

/// A part that is all there.
pub(super) struct OpenRows {
    block: Arc<CodedBlock>,
    pub asked_bytes: u64,
    pub left_bytes: u64,
    frames: VecDeque<Bytes>,
    grant: Grant,
}

/// What a part needs of the shards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Share {
    pub wanted: Range<usize>,
    /// Of each shard, in whole lines: some shards may end before it does.
    pub run: Range<u64>,
}

impl CodedBlock {
    /// # Errors
    /// `STORE_FAILED`: the record makes no sense.
    pub fn new(extent: v1::Extent, place: &v1::CodedPlace, sources: &ReadSources) -> Result<Self, Failure> {
        let coding = place.coding.unwrap_or_default();
        let layout = Layout::new(coding.data_shards, coding.parity_shards, coding.cell_bytes.into());
        let layout = layout.map_err(|error| {
            Failure::new(Reason::StoreFailed, format!("block {}", extent.block_id), error.to_string())
        })?;
        let workers = |shard: usize| {
            let holders = place.holders.iter().filter(|holder| holder.shard as usize == shard);
            holders.filter_map(|holder| sources.workers.get(&WorkerId(holder.worker_id)).cloned()).collect()
        };
        let place = |shard| ShardPlace { workers: workers(shard), local: Arc::default() };
        Ok(Self {
            block_id: extent.block_id,
            layout,
            length_bytes: extent.length_bytes,
            shards: (0..layout.scheme().shards()).map(place).collect(),
            poor: Mutex::default(),
        })
    }

    /// How many bytes from `offset_bytes` on make a part when so many are wanted and there is memory for so many; and
    /// the memory that it takes. What has to be computed takes k shards: a block that is known to lack some is read in
    /// smaller parts.
    pub fn part(&self, offset_bytes: u64, wanted_bytes: u64, granted_bytes: u64) -> (u64, u64) {
        let row = self.layout.row_of(self.length_bytes, offset_bytes);
        let row_bytes = self.layout.row_bytes();
        let whole_rows = (wanted_bytes / row_bytes).min(granted_bytes / row_bytes);
        if offset_bytes == row.offset_bytes && whole_rows > 0 {
            return (whole_rows * row_bytes, whole_rows * row_bytes);
        }
        let begin = offset_bytes - row.offset_bytes;
        let end = begin + wanted_bytes.min(row.length_bytes - begin);
        let (first_cell, cell_count) =
            (begin / row.cell_bytes, (end - 1) / row.cell_bytes - begin / row.cell_bytes + 1);
        let k = self.layout.scheme().data() as u64;
        // Of a row that lacks shards, k cells are held to compute one.
        let width = if self.poor.lock().is_empty() { 1 } else { k };
        let fitting = granted_bytes / (row.cell_bytes * width);
        if cell_count > 1 && (fitting > 1 || fitting == 1 && width > 1) {
            let count = if width > 1 { cell_count } else { cell_count.min(fitting) };
            let end = end.min((first_cell + count) * row.cell_bytes);
            return (end - begin, if width > 1 { k * row.cell_bytes } else { count * row.cell_bytes });
        }
        let most = (granted_bytes / width).max(LINE_BYTES);
        let cut = end.min((first_cell + 1) * row.cell_bytes).min(begin + most);
        // In whole lines, so that none is read twice.
        let aligned = cut - cut % LINE_BYTES;
        let length_bytes = if cut == end || aligned <= begin { cut - begin } else { aligned - begin };
        (length_bytes, (length_bytes * width).min(granted_bytes))
    }
}

impl Rows {
    fn share(&self) -> Share {
        let CodedBlock { layout, length_bytes: block_bytes, .. } = *self.block;
        let first = layout.row_of(block_bytes, self.offset_bytes);
        let last_byte = self.offset_bytes + self.length_bytes.max(1) - 1;
        let last = layout.row_of(block_bytes, last_byte);
        if first.offset_bytes != last.offset_bytes {
            let run = first.shard_offset_bytes..last.shard_offset_bytes + last.cell_bytes;
            return Share { wanted: 0..layout.scheme().data(), run };
        }
        let (begin, end) = (self.offset_bytes - first.offset_bytes, last_byte - first.offset_bytes);
        let (begin_cell, end_cell) = (begin / first.cell_bytes, end / first.cell_bytes);
        let lines = match begin_cell == end_cell {
            true => {
                let end = end % first.cell_bytes + 1;
                begin % first.cell_bytes / LINE_BYTES * LINE_BYTES..end.next_multiple_of(LINE_BYTES)
            }
            false => 0..first.cell_bytes,
        };
        let at = first.shard_offset_bytes;
        Share { wanted: begin_cell as usize..end_cell as usize + 1, run: at + lines.start..at + lines.end }
    }

    /// Cuts what was read into frames, in the order of the object's bytes.
    fn frames(&self, share: &Share, runs: &[Option<Bytes>]) -> VecDeque<Bytes> {
        let CodedBlock { layout, length_bytes: block_bytes, .. } = *self.block;
        let mut frames = VecDeque::new();
        let (mut at, end) = (self.offset_bytes, self.offset_bytes + self.length_bytes);
        while at < end {
            let row = layout.row_of(block_bytes, at);
            let within = at - row.offset_bytes;
            let place = layout.place_of(block_bytes, at);
            let cell_end = row.offset_bytes + (within / row.cell_bytes + 1) * row.cell_bytes;
            let length = (cell_end.min(row.offset_bytes + row.length_bytes).min(end) - at) as usize;
            let from = (place.offset_bytes - share.run.start) as usize;
            if let Some(run) = runs.get(place.shard).and_then(Option::as_ref).filter(|run| run.len() >= from + length) {
                frames.push_back(run.slice(from..from + length));
            }
            at += length as u64;
        }
        frames
    }
}

impl OpenRows {
    /// # Errors
    /// What the last worker said, when fewer than k shards can be had.
    pub async fn open(rows: Rows, mut grant: Grant, sources: ReadSources) -> Result<Self, Failure> {
        let share = rows.share();
        let runs = Search::new(&rows.block, share.clone(), grant.split(0), &sources).run().await?;
        let frames = rows.frames(&share, &runs);
        if frames.iter().map(|frame| frame.len() as u64).sum::<u64>() != rows.length_bytes {
            return Err(Failure::new(
                Reason::StoreFailed,
                format!("block {}", rows.block.block_id),
                "a shard is short",
            ));
        }
        let (asked_bytes, left_bytes) = (rows.length_bytes, rows.length_bytes);
        Ok(Self { block: rows.block, asked_bytes, left_bytes, frames, grant })
    }

    /// The next bytes, not empty, of which nothing is taken off yet.
    pub fn next_frame(&mut self) -> Result<Bytes, Failure> {
        self.frames.pop_front().ok_or_else(|| self.failure(Reason::StoreFailed, "more was read than was asked for"))
    }

    /// Takes a frame off. Returns the memory that it takes.
    pub fn took(&mut self, frame_bytes: u64) -> Grant {
        self.left_bytes -= frame_bytes;
        self.grant.split(frame_bytes)
    }

    pub fn failure(&self, reason: Reason, message: &str) -> Failure {
        Failure::new(reason, format!("block {}", self.block.block_id), message)
    }
}

#[cfg(test)]
#[path = "rows_tests.rs"]
mod tests;
