//! What clients did and saw.

use std::collections::BTreeMap;

/// What a write wrote, by a number that no other write has.
pub type Value = u64;

/// An instant, in nanoseconds of one clock for all clients.
pub type Instant = u64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// PUT, a copy to this key, or the completion of an upload.
    Put(Value),
    /// PUT with `If-None-Match: *`.
    PutIfAbsent(Value),
    /// PUT with `If-Match`.
    PutIfMatches {
        expected: Value,
        value: Value,
    },
    /// GET, HEAD, or a copy from this key.
    Get,
    Delete,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// The precondition did not hold.
    Refused,
    Found(Option<Value>),
    /// An error or no answer: it happened at any time after its begin, or never.
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    pub client: u32,
    pub action: Action,
    pub outcome: Outcome,
    pub begin: Instant,
    /// Of no meaning when the outcome is not known.
    pub end: Instant,
}

/// All keys with one prefix, as one listing showed them, page by page.
#[derive(Clone, Debug)]
pub struct Listing {
    pub prefix: String,
    pub keys: Vec<String>,
    pub begin: Instant,
    pub end: Instant,
}

#[derive(Clone, Debug, Default)]
pub struct History {
    pub keys: BTreeMap<String, Vec<Event>>,
    pub listings: Vec<Listing>,
}

impl Event {
    /// Tells nothing and changes nothing.
    pub fn is_idle(&self) -> bool {
        self.action == Action::Get && self.outcome == Outcome::Unknown
    }

    pub fn is_known(&self) -> bool {
        self.outcome != Outcome::Unknown
    }

    /// May it have written a value?
    pub fn may_put(&self) -> bool {
        !matches!(self.action, Action::Get | Action::Delete) && self.outcome != Outcome::Refused
    }

    pub fn may_delete(&self) -> bool {
        self.action == Action::Delete
    }

    /// Until when it may take effect.
    pub fn latest(&self) -> Instant {
        if self.is_known() { self.end } else { Instant::MAX }
    }
}

impl History {
    pub fn record(&mut self, key: &str, event: Event) {
        if !event.is_idle() {
            self.keys.entry(key.to_owned()).or_default().push(event);
        }
    }

    pub fn event_count(&self) -> usize {
        self.keys.values().map(Vec::len).sum()
    }

    /// Takes in what another client recorded.
    pub fn merge(&mut self, other: Self) {
        for (key, events) in other.keys {
            self.keys.entry(key).or_default().extend(events);
        }
        self.listings.extend(other.listings);
    }
}
