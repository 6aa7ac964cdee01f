//! A coded block that is read: its shards, and into which parts it is cut.

use super::local::LocalBlock;
use super::sources::ReadSources;
use parking_lot::Mutex;
use std::collections::BTreeSet;
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
