//! Blocks that were committed with fewer copies, or shards, than they want: remembered until the look at all blocks
//! learns of them.

use parking_lot::Mutex;
use std::collections::BTreeSet;

/// More are found by the look itself.
const MAX_BLOCKS: usize = 10_000;

/// The blocks, since they were last taken.
#[derive(Debug, Default)]
pub(crate) struct ShortBlocks(Mutex<BTreeSet<u64>>);

impl ShortBlocks {
    pub fn note(&self, block_ids: impl IntoIterator<Item = u64>) {
        let mut noted = self.0.lock();
        for block_id in block_ids {
            if noted.len() < MAX_BLOCKS {
                noted.insert(block_id);
            }
        }
    }

    pub fn take(&self) -> BTreeSet<u64> {
        std::mem::take(&mut self.0.lock())
    }
}
