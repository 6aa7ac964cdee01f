//! A part of a coded block: within one row, or several rows whole. Each shard's share of it is one run of bytes. Those
//! that are wanted are asked for; when one fails or keeps the read waiting, others of the same rows, until there are
//! enough to compute it.

use super::budget::Grant;
use super::coded_block::{CodedBlock, Share};
use super::shard_search::Search;
use super::sources::ReadSources;
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::Arc;
use weir_coding::LINE_BYTES;
use weir_proto::Failure;
use weir_proto::v1::Reason;

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
