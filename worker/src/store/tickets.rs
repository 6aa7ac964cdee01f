//! Who may make or remove a block: one at a time for each id.

use parking_lot::Mutex;
use std::collections::HashSet;
use std::sync::Arc;
use weir_proto::BlockId;

/// Ids that are being written, deleted or quarantined.
#[derive(Clone, Default)]
pub struct Tickets {
    taken: Arc<Mutex<HashSet<u64>>>,
}

/// The right to make or remove one block; given back when dropped.
pub struct WriteTicket {
    tickets: Tickets,
    id: BlockId,
}

impl Tickets {
    /// Runs `decide` while nobody else holds or takes the id's ticket, which goes to the caller when it returns true.
    /// None: someone else has it, or `decide` said no.
    pub fn take_if(&self, id: BlockId, decide: impl FnOnce() -> bool) -> Option<WriteTicket> {
        let mut taken = self.taken.lock();
        if taken.contains(&id.0) || !decide() {
            return None;
        }
        taken.insert(id.0);
        Some(WriteTicket { tickets: self.clone(), id })
    }
}

impl Drop for WriteTicket {
    fn drop(&mut self) {
        self.tickets.taken.lock().remove(&self.id.0);
    }
}
