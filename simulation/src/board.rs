//! What all clients of a run share: when to stop, what was counted, what was seen.

use crate::trace::Trace;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use weir_tests::linear::{Event, History, Listing, Value};

/// Keys in use at a time. Few enough for clients to meet, many enough for histories to stay short.
pub const KEYS: u64 = 10;
/// The keys change so often.
const EPOCH: Duration = Duration::from_secs(4);

/// What was counted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub reads: u64,
    pub writes: u64,
    /// Writes that were answered as done.
    pub acknowledged: u64,
    pub listings: u64,
    /// Requests that were answered with an error of the server's, or not at all.
    pub unanswered: u64,
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Board {
    shared: Rc<Shared>,
    pub trace: Arc<Trace>,
}

#[derive(Default)]
struct Shared {
    stopped: Cell<bool>,
    tally: Cell<Tally>,
    last_instant: Cell<u64>,
    history: RefCell<History>,
    violations: RefCell<Vec<String>>,
    etags: RefCell<BTreeMap<Value, ETags>>,
}

/// Those that the object of a value may have.
#[derive(Clone, Debug)]
pub struct ETags {
    /// It was written at once.
    pub whole: String,
    /// It was uploaded in parts.
    pub in_parts: String,
}

impl Board {
    pub fn new(trace: &Arc<Trace>) -> Self {
        Self { shared: Rc::default(), trace: trace.clone() }
    }

    /// The clock of the history, in nanoseconds. No two calls get the same.
    pub fn now(&self) -> u64 {
        let elapsed = turmoil::sim_elapsed().unwrap_or_default();
        let now = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX).max(self.shared.last_instant.get() + 1);
        self.shared.last_instant.set(now);
        now
    }

    pub fn epoch(&self) -> u64 {
        let elapsed = turmoil::sim_elapsed().unwrap_or_default();
        (elapsed.as_millis() / EPOCH.as_millis()) as u64
    }

    /// The faults are over: clients finish what they are at.
    pub fn stop(&self) {
        self.shared.stopped.set(true);
    }

    pub fn is_stopped(&self) -> bool {
        self.shared.stopped.get()
    }

    pub fn count(&self, change: impl FnOnce(&mut Tally)) {
        let mut tally = self.shared.tally.get();
        change(&mut tally);
        self.shared.tally.set(tally);
    }

    pub fn tally(&self) -> Tally {
        self.shared.tally.get()
    }

    pub fn record(&self, key: &str, event: Event) {
        self.shared.history.borrow_mut().record(key, event);
    }

    pub fn record_listing(&self, listing: Listing) {
        self.shared.history.borrow_mut().listings.push(listing);
    }

    pub fn history(&self) -> History {
        self.shared.history.borrow().clone()
    }

    /// Of a value: made once, as it is read again and again.
    pub fn etags(&self, value: Value, make: impl FnOnce() -> ETags) -> ETags {
        self.shared.etags.borrow_mut().entry(value).or_insert_with(make).clone()
    }

    /// Something that must not be.
    pub fn is_wrong(&self, violation: String) {
        self.trace.note("check", format_args!("VIOLATED {violation}"));
        self.shared.violations.borrow_mut().push(violation);
    }

    pub fn violations(&self) -> Vec<String> {
        self.shared.violations.borrow().clone()
    }
}
