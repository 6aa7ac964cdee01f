//! How much there is, how much room is left, and what was done: for reports, metrics and admission.

use super::block_file::format;
use super::error::StoreError;
use super::index::Place;
use super::segment::record;
use super::{BlockStore, Shared};
use std::sync::atomic::{AtomicU64, Ordering};

/// The state of a data folder, in bytes and blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// The file system's size.
    pub capacity_bytes: u64,
    /// Block files and segments, dead records that await compaction included.
    pub used_bytes: u64,
    /// What blocks may still take: the reserve is not in it.
    pub free_bytes: u64,
    pub block_count: u64,
}

/// Compaction may use this share of the reserve (2: half of it), since it gives back more than it takes. The rest is for
/// what makes blocks dead: records of deletions, and the metaserver's folder where it lies on the same disk.
const COPIES_RESERVE_SHARE: u64 = 2;

/// What may still be written.
pub struct Room {
    /// By everyone.
    pub above_reserve_bytes: u64,
    /// By compaction.
    pub for_copies_bytes: u64,
}

/// Counted since the start.
#[derive(Default)]
pub(crate) struct Counters {
    /// Now, not since the start.
    pub file_bytes: AtomicU64,
    pub append_batches: AtomicU64,
    pub appended_blocks: AtomicU64,
    pub damaged_blocks: AtomicU64,
    pub compacted_segments: AtomicU64,
    pub scrubbed_bytes: AtomicU64,
    pub scrub_passes: AtomicU64,
    pub scrub_damaged_blocks: AtomicU64,
}

/// [`BlockStore::counters`] at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CounterValues {
    pub append_batches: u64,
    pub appended_blocks: u64,
    pub damaged_blocks: u64,
    pub compacted_segments: u64,
    pub scrubbed_bytes: u64,
    pub scrub_passes: u64,
    pub scrub_damaged_blocks: u64,
    pub segments: u64,
}

impl CounterValues {
    /// Of two stores together.
    pub fn plus(self, other: Self) -> Self {
        Self {
            append_batches: self.append_batches + other.append_batches,
            appended_blocks: self.appended_blocks + other.appended_blocks,
            damaged_blocks: self.damaged_blocks + other.damaged_blocks,
            compacted_segments: self.compacted_segments + other.compacted_segments,
            scrubbed_bytes: self.scrubbed_bytes + other.scrubbed_bytes,
            scrub_passes: self.scrub_passes + other.scrub_passes,
            scrub_damaged_blocks: self.scrub_damaged_blocks + other.scrub_damaged_blocks,
            segments: self.segments + other.segments,
        }
    }
}

impl Usage {
    /// Of two stores together.
    pub fn plus(self, other: Self) -> Self {
        Self {
            capacity_bytes: self.capacity_bytes + other.capacity_bytes,
            used_bytes: self.used_bytes + other.used_bytes,
            free_bytes: self.free_bytes + other.free_bytes,
            block_count: self.block_count + other.block_count,
        }
    }
}

impl BlockStore {
    /// # Errors
    /// [`StoreError::Io`] when the file system does not tell its space.
    pub fn usage(&self) -> Result<Usage, StoreError> {
        let shared = &self.shared;
        let space = shared.space()?;
        Ok(Usage {
            capacity_bytes: space.total_bytes,
            used_bytes: shared.counters.file_bytes.load(Ordering::Relaxed) + shared.segments.length_bytes(),
            free_bytes: space.available_bytes.saturating_sub(shared.options.reserve_bytes),
            block_count: shared.index.len() as u64,
        })
    }

    /// Empty: not known. Blocks the thread.
    pub fn file_system(&self) -> String {
        let shared = &self.shared;
        shared.disk.file_system(&shared.layout.root).unwrap_or_default()
    }

    /// Does not block.
    pub fn counters(&self) -> CounterValues {
        let counters = &self.shared.counters;
        CounterValues {
            append_batches: counters.append_batches.load(Ordering::Relaxed),
            appended_blocks: counters.appended_blocks.load(Ordering::Relaxed),
            damaged_blocks: counters.damaged_blocks.load(Ordering::Relaxed),
            compacted_segments: counters.compacted_segments.load(Ordering::Relaxed),
            scrubbed_bytes: counters.scrubbed_bytes.load(Ordering::Relaxed),
            scrub_passes: counters.scrub_passes.load(Ordering::Relaxed),
            scrub_damaged_blocks: counters.scrub_damaged_blocks.load(Ordering::Relaxed),
            segments: self.shared.segments.count() as u64,
        }
    }
}

impl Shared {
    fn space(&self) -> Result<weir_service::disk::Space, StoreError> {
        self.disk.space(&self.layout.root).map_err(StoreError::io("measure", &self.layout.root))
    }

    /// Bytes that may still be written.
    pub fn room(&self) -> Result<Room, StoreError> {
        let (available_bytes, reserve_bytes) = (self.space()?.available_bytes, self.options.reserve_bytes);
        Ok(Room {
            above_reserve_bytes: available_bytes.saturating_sub(reserve_bytes),
            for_copies_bytes: available_bytes.saturating_sub(reserve_bytes / COPIES_RESERVE_SHARE),
        })
    }

    /// Refuses a new block that would touch the reserve, and any after a failure.
    pub fn admit(&self, bytes: u64) -> Result<(), StoreError> {
        self.fatal.check()?;
        let available_bytes = self.space()?.available_bytes;
        let reserve_bytes = self.options.reserve_bytes;
        if available_bytes < reserve_bytes.saturating_add(bytes) {
            return Err(StoreError::NoSpace { available_bytes, reserve_bytes });
        }
        Ok(())
    }

    /// The error for a disk that said it is full.
    pub fn no_space(&self) -> StoreError {
        let available_bytes = self.space().map_or(0, |space| space.available_bytes);
        StoreError::NoSpace { available_bytes, reserve_bytes: self.options.reserve_bytes }
    }

    /// What the index pointed to no longer counts.
    pub fn unaccount(&self, place: Place) {
        if place.is_file() {
            let bytes = format::file_bytes(u64::from(place.length_bytes));
            self.counters.file_bytes.fetch_sub(bytes, Ordering::Relaxed);
        } else if let Some(segment) = self.segments.get(place.segment) {
            segment.live_bytes.fetch_sub(record::record_bytes(place.length_bytes), Ordering::AcqRel);
        }
    }
}
