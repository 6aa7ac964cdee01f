//! Reading every block now and then, so that damage is found while another replica is whole.

use super::error::StoreError;
use super::index::Place;
use super::{BlockStore, Shared};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use weir_proto::BlockId;

/// What is read at a time: the memory of a scrub, and the step of its pace.
const STEP_BYTES: u64 = 1024 * 1024;
const PAGE_COUNT: usize = 1024;

/// What one pass over the blocks found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScrubReport {
    pub checked_blocks: u64,
    pub checked_bytes: u64,
    pub damaged_blocks: u64,
}

/// A pass over all blocks, in steps. The ids behind the starting point come first, then those before it.
pub struct Scrub {
    shared: Arc<Shared>,
    start: BlockId,
    after: Option<BlockId>,
    wrapped: bool,
    page: std::vec::IntoIter<(BlockId, Place)>,
    pub report: ScrubReport,
}

impl BlockStore {
    /// Begins a pass behind a block. A random start lets many short-lived processes reach every block in the end.
    pub fn scrub(&self, start: BlockId) -> Scrub {
        Scrub {
            shared: self.shared.clone(),
            start,
            after: Some(start),
            wrapped: false,
            page: Vec::new().into_iter(),
            report: ScrubReport::default(),
        }
    }

    /// The highest id there is. Does not block.
    pub fn highest_id(&self) -> BlockId {
        self.shared.index.highest().unwrap_or(BlockId(0))
    }
}

impl Scrub {
    /// Verifies blocks until about [`STEP_BYTES`] were read, and returns how many; None: the pass is over. Blocks the
    /// thread.
    pub fn step(&mut self) -> Option<u64> {
        let mut bytes = 0;
        while bytes < STEP_BYTES {
            let Some((id, place)) = self.next() else {
                if bytes == 0 {
                    self.shared.counters.scrub_passes.fetch_add(1, Ordering::Relaxed);
                }
                return (bytes > 0).then_some(bytes);
            };
            bytes += self.verify(id, place).max(1);
        }
        Some(bytes)
    }

    fn next(&mut self) -> Option<(BlockId, Place)> {
        loop {
            if let Some((id, place)) = self.page.next() {
                if self.wrapped && id > self.start {
                    return None;
                }
                self.after = Some(id);
                return Some((id, place));
            }
            let page = self.shared.index.page(self.after, PAGE_COUNT);
            if page.is_empty() && self.wrapped {
                return None;
            }
            if page.is_empty() {
                self.wrapped = true;
                self.after = None;
            }
            self.page = page.into_iter();
        }
    }

    fn verify(&mut self, id: BlockId, place: Place) -> u64 {
        let length = u64::from(place.length_bytes);
        // A look at the header, so that an empty block is verified too.
        let mut result = self.shared.block_crc(id).map(|_| ());
        let mut at = 0;
        while result.is_ok() && at < length {
            let end = length.min(at + STEP_BYTES);
            result = self.shared.read(id, at..end).map(|_| ());
            at = end;
        }
        self.report.checked_bytes += at;
        self.shared.counters.scrubbed_bytes.fetch_add(at, Ordering::Relaxed);
        match result {
            Ok(()) => {
                self.report.checked_blocks += 1;
                self.shared.unreadable.forget(id);
            }
            Err(StoreError::Damaged { .. }) => {
                self.report.checked_blocks += 1;
                self.report.damaged_blocks += 1;
                self.shared.counters.scrub_damaged_blocks.fetch_add(1, Ordering::Relaxed);
            }
            // Deleted meanwhile.
            Err(StoreError::NoSuchBlock(_)) => {}
            Err(error) => tracing::warn!(block = %id, %error, "a block could not be scrubbed"),
        }
        at
    }
}
