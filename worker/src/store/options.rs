//! The settings of a store, checked.

use super::error::StoreError;
use super::write::MAX_BLOCK_BYTES;
use std::path::{Path, PathBuf};
use weir_service::config::WorkerSettings;

/// Offsets in segments are 32 bits.
const MAX_SEGMENT_BYTES: u64 = 2 << 30;
/// Small blocks are held in memory while they are received.
const MAX_SEGMENT_BLOCK_BYTES: u64 = 4 << 20;
/// Block files that all stores of a worker keep open, with their checksums; each keeps some.
const OPEN_FILES: usize = 256;
const OPEN_FILES_MIN: usize = 16;

/// How a store keeps its blocks. Units and meanings: [`WorkerSettings`].
#[derive(Clone, Debug)]
pub struct StoreOptions {
    pub data: PathBuf,
    pub segment_block_max_bytes: u64,
    pub segment_bytes: u64,
    pub compaction_live_percent: u8,
    pub reserve_bytes: u64,
    pub append_queue_max_bytes: u64,
    pub receive_buffer_max_bytes: u64,
    pub open_file_max_count: usize,
}

impl StoreOptions {
    /// Of the store in one of the worker's folders: it has its share of what they hold in memory together.
    ///
    /// # Errors
    /// [`StoreError::Setting`].
    pub fn new(settings: &WorkerSettings, data: &Path) -> Result<Self, StoreError> {
        let check = |name, value, fits: bool, rule| match fits {
            true => Ok(()),
            false => Err(StoreError::Setting { name, value, rule }),
        };
        let (block, segment) = (settings.segment_block_max_bytes, settings.segment_bytes);
        const { assert!(MAX_SEGMENT_BLOCK_BYTES < MAX_BLOCK_BYTES) };
        check("segment_block_max_bytes", block, block <= MAX_SEGMENT_BLOCK_BYTES, "at most 4 MiB")?;
        check("segment_bytes", segment, segment <= MAX_SEGMENT_BYTES, "at most 2 GiB")?;
        check("segment_bytes", segment, segment >= 2 * block + 4096, "twice segment_block_max_bytes and 4 KiB")?;
        let percent = settings.compaction_live_percent;
        check("compaction_live_percent", percent.into(), percent <= 90, "at most 90")?;
        let queue = settings.append_queue_max_bytes;
        let queue_min = 2 * block + 4096;
        check("append_queue_max_bytes", queue, queue >= queue_min, "twice segment_block_max_bytes and 4 KiB")?;
        let store_count = settings.data.len().max(1);
        Ok(Self {
            data: data.to_owned(),
            segment_block_max_bytes: block,
            segment_bytes: segment,
            compaction_live_percent: percent,
            reserve_bytes: settings.reserve_bytes,
            append_queue_max_bytes: (queue / store_count as u64).max(queue_min),
            receive_buffer_max_bytes: settings.receive_buffer_max_bytes,
            open_file_max_count: (OPEN_FILES / store_count).max(OPEN_FILES_MIN),
        })
    }
}
