//! Deletions that the metaserver ordered: carried out beside the heartbeats, reported with the next one. The
//! metaserver repeats an order until it hears that it was carried out, so nothing here is kept on disk.

use crate::disks::Disks;
use crate::error::off_thread;
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::Notify;
use weir_proto::BlockId;

/// Blocks that are deleted at a time.
const BATCH_COUNT: usize = 1000;

/// Orders to carry out, and those to report.
#[derive(Default)]
pub struct Orders {
    state: Mutex<State>,
    given: Notify,
}

#[derive(Default)]
struct State {
    waiting: BTreeSet<BlockId>,
    done: BTreeSet<BlockId>,
}

impl Orders {
    /// Takes orders; those known already are no new ones.
    pub fn give(&self, ids: impl Iterator<Item = BlockId>) {
        let mut state = self.state.lock();
        for id in ids {
            if !state.done.contains(&id) {
                state.waiting.insert(id);
            }
        }
        if !state.waiting.is_empty() {
            self.given.notify_one();
        }
    }

    /// A block is to be written anew: that it is gone is no longer true. False: it is to be deleted still.
    pub fn revive(&self, id: BlockId) -> bool {
        let mut state = self.state.lock();
        state.done.remove(&id);
        !state.waiting.contains(&id)
    }

    /// Up to `limit` blocks that are gone and not yet reported.
    pub fn done(&self, limit: usize) -> Vec<BlockId> {
        self.state.lock().done.iter().take(limit).copied().collect()
    }

    /// The metaserver knows that these are gone.
    pub fn reported(&self, ids: &[BlockId]) {
        let mut state = self.state.lock();
        for id in ids {
            state.done.remove(id);
        }
    }

    /// Deletes what is ordered, for ever.
    pub async fn carry_out(&self, disks: &Arc<Disks>) {
        loop {
            let batch: Vec<BlockId> = self.state.lock().waiting.iter().take(BATCH_COUNT).copied().collect();
            if batch.is_empty() {
                self.given.notified().await;
                continue;
            }
            let (disks, ids) = (disks.clone(), batch.clone());
            let Ok(gone) = off_thread(move || disks.delete(&ids)).await else { return };
            let mut state = self.state.lock();
            for id in &batch {
                state.waiting.remove(id);
            }
            // What could not be deleted now is ordered again.
            state.done.extend(gone);
        }
    }
}
