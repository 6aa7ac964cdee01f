//! The queue of commits that wait for the writer. Bounded: who finds it full is told to come back.

use super::replication::Frame;
use crate::store::{Batch, CommitError, Sequence, StoreError};
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::time::Instant;
use tokio::sync::oneshot;
use weir_service::trace::Trace;

/// The most commits written together.
const GROUP_MAX_COUNT: usize = 1_024;
/// Commits are written together up to about so many bytes.
const GROUP_MAX_BYTES: usize = 4 << 20;

/// What is to be written.
pub(super) enum Work {
    /// A commit.
    Batch(Batch),
    /// Commits that another store has made, which this one follows.
    Frame(Frame),
}

/// Work that waits.
pub(super) struct Pending {
    pub work: Work,
    /// Its keys and values together.
    pub bytes: usize,
    pub queued: Instant,
    pub trace: Trace,
    pub answer: oneshot::Sender<Result<Sequence, CommitError>>,
}

pub(super) struct Queue {
    state: Mutex<State>,
    wake: Condvar,
    max_count: usize,
}

#[derive(Default)]
struct State {
    pending: VecDeque<Pending>,
    /// The writer works on a group.
    busy: bool,
    closed: bool,
    /// Another store takes the commits, under this epoch: the folder of this one, and the epoch.
    replaced: Option<(String, u64)>,
}

impl Queue {
    pub fn new(max_count: usize) -> Self {
        Self { state: Mutex::default(), wake: Condvar::new(), max_count: max_count.max(1) }
    }

    /// # Errors
    /// [`StoreError::Busy`]: too many wait. [`StoreError::Stopped`]: the queue is closed. [`StoreError::Replaced`].
    pub fn push(&self, pending: Pending) -> Result<(), StoreError> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(StoreError::Stopped { reason: "it is closed".into() });
        }
        if let Some((data, epoch)) = state.replaced.clone() {
            return Err(StoreError::Replaced { data, epoch });
        }
        if state.pending.len() >= self.max_count {
            return Err(StoreError::Busy);
        }
        state.pending.push_back(pending);
        drop(state);
        self.wake.notify_one();
        Ok(())
    }

    /// Waits for commits and takes as many as go in one group, at least one. `None`: the queue is closed and empty.
    pub fn take(&self) -> Option<Vec<Pending>> {
        let mut state = self.state.lock();
        state.busy = false;
        while state.pending.is_empty() {
            if state.closed {
                return None;
            }
            self.wake.wait(&mut state);
        }
        let (mut count, mut bytes) = (0, 0);
        for pending in state.pending.iter().take(GROUP_MAX_COUNT) {
            bytes += pending.bytes;
            if count > 0 && bytes > GROUP_MAX_BYTES {
                break;
            }
            count += 1;
        }
        state.busy = true;
        Some(state.pending.drain(..count).collect())
    }

    /// Takes no more, for good: another store does. What waits is still taken.
    pub fn hand_over(&self, data: String, epoch: u64) {
        self.state.lock().replaced = Some((data, epoch));
    }

    /// Nothing waits, and the writer has nothing in hand.
    pub fn is_idle(&self) -> bool {
        let state = self.state.lock();
        state.pending.is_empty() && !state.busy
    }

    /// Takes no more. What waits is still taken.
    pub fn close(&self) {
        self.state.lock().closed = true;
        self.wake.notify_all();
    }

    /// Drops what waits, so that whoever waits is told.
    pub fn clear(&self) {
        let pending = std::mem::take(&mut self.state.lock().pending);
        drop(pending);
    }

    pub fn len(&self) -> usize {
        self.state.lock().pending.len()
    }
}
