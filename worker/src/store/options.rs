//! The settings of a store, checked.

use super::error::StoreError;
use super::write::MAX_BLOCK_BYTES;
use std::path::PathBuf;
use weir_service::config::WorkerSettings;

/// Offsets in segments are 32 bits.
const MAX_SEGMENT_BYTES: u64 = 2 << 30;
/// Small blocks are held in memory while they are received.
const MAX_SEGMENT_BLOCK_BYTES: u64 = 4 << 20;

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
}

impl StoreOptions {
    /// # Errors
    /// [`StoreError::Setting`].
    pub fn new(settings: &WorkerSettings) -> Result<Self, StoreError> {
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
        check("append_queue_max_bytes", queue, queue >= 2 * block + 4096, "twice segment_block_max_bytes and 4 KiB")?;
        Ok(Self {
            data: settings.data.clone(),
            segment_block_max_bytes: block,
            segment_bytes: segment,
            compaction_live_percent: percent,
            reserve_bytes: settings.reserve_bytes,
            append_queue_max_bytes: queue,
            receive_buffer_max_bytes: settings.receive_buffer_max_bytes,
        })
    }
}
