//! What a worker's standing means to whoever counts workers.

use crate::v1::{Worker, WorkerState};

impl Worker {
    /// It is lost, and that matters: one that was emptied may go.
    pub fn is_missed(&self) -> bool {
        !self.live && self.state() != WorkerState::Drained
    }
}
