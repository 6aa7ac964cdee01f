//! The queue of commits that wait for the writer. Bounded: who finds it full is told to come back.

use super::replication::Frame;
use crate::store::{Batch, CommitError, Sequence, StoreError};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::time::Instant;
use tokio::sync::oneshot;
use weir_service::threads::Condition;
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
    wake: Condition,
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
        Self { state: Mutex::default(), wake: Condition::default(), max_count: max_count.max(1) }
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
        self.wake.notify();
        Ok(())
    }

    /// Waits for commits and takes as many as go in one group, at least one. `None`: the queue is closed and empty.
    pub async fn take(&self) -> Option<Vec<Pending>> {
        self.state.lock().busy = false;
        self.wake.wait_for(&self.state, State::take).await
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
        self.wake.notify();
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

impl State {
    /// A group; `Some(None)`: none will come. `None`: none is there.
    fn take(&mut self) -> Option<Option<Vec<Pending>>> {
        if self.pending.is_empty() {
            return self.closed.then_some(None);
        }
        let (mut count, mut bytes) = (0, 0);
        for pending in self.pending.iter().take(GROUP_MAX_COUNT) {
            bytes += pending.bytes;
            if count > 0 && bytes > GROUP_MAX_BYTES {
                break;
            }
            count += 1;
        }
        self.busy = true;
        Some(Some(self.pending.drain(..count).collect()))
    }
}
