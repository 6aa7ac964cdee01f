//! One session with the metaserver, and what is in flight under it: block ids, requests, reads. Each is registered by
//! a guard that releases it when dropped, so that a heartbeat never says that something is over which is not.

use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use weir_proto::protocol;
use weir_proto::v1;
use weir_service::planted::{Fault, planted};

/// A session from its opening to its end. Block ids belong to the one that they were granted to.
pub(super) struct Term {
    pub session_id: u64,
    pub inline_max_bytes: u64,
    over: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Block ids that are granted and not taken, ascending.
    grants: VecDeque<Range<u64>>,
    /// The end of the last grant: no smaller id comes again when the grants are used up.
    granted_to: u64,
    blocks: BTreeSet<u64>,
    next_sequence: u64,
    requests: BTreeSet<u64>,
    /// The last mark heard.
    read_mark: u64,
    /// Reads in flight by the mark that was known when they began.
    reads: BTreeMap<u64, usize>,
}

impl Term {
    pub fn new(opened: &v1::OpenSessionResponse) -> Self {
        Self {
            session_id: opened.session_id,
            inline_max_bytes: opened.inline_max_bytes,
            over: AtomicBool::new(false),
            state: Mutex::new(State { read_mark: opened.read_mark, next_sequence: 1, ..State::default() }),
        }
    }

    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    pub fn end(&self) {
        self.over.store(true, Ordering::Release);
    }

    pub fn add_grant(&self, first: u64, count: u64) {
        let mut state = self.state.lock();
        let end = first.saturating_add(count);
        state.granted_to = state.granted_to.max(end);
        state.grants.push_back(first..end);
    }

    /// Takes a block id, which is in flight from then on, and tells how many are left; None when there is none.
    pub fn take_block(self: &Arc<Self>) -> Option<(BlockInFlight, u64)> {
        let mut state = self.state.lock();
        let block_id = loop {
            match state.grants.front_mut()?.next() {
                Some(block_id) => break block_id,
                None => state.grants.pop_front(),
            };
        };
        state.blocks.insert(block_id);
        let left = state.grants.iter().map(|grant| grant.end - grant.start).sum();
        Some((BlockInFlight { term: self.clone(), block_id }, left))
    }

    /// Names a change. `is_remembered`: with a sequence, for an answer that may be lost.
    pub fn begin_request(self: &Arc<Self>, is_remembered: bool) -> RequestInFlight {
        let mut sequence = 0;
        if is_remembered {
            let mut state = self.state.lock();
            sequence = state.next_sequence;
            state.next_sequence += 1;
            state.requests.insert(sequence);
        }
        RequestInFlight { term: self.clone(), sequence }
    }

    /// Registers a read. To be called before the metaserver is asked.
    pub fn begin_read(self: &Arc<Self>) -> ReadInFlight {
        let mut state = self.state.lock();
        let mark = state.read_mark;
        if !planted(Fault::ReadNotReported) {
            *state.reads.entry(mark).or_default() += 1;
        }
        ReadInFlight { term: self.clone(), mark }
    }

    pub fn heard_mark(&self, mark: u64) {
        let mut state = self.state.lock();
        state.read_mark = state.read_mark.max(mark);
    }

    /// What the next heartbeat tells of this session.
    pub fn heartbeat(&self) -> v1::HeartbeatRequest {
        let state = self.state.lock();
        let next_block = state.grants.iter().find(|grant| !grant.is_empty()).map_or(state.granted_to, |g| g.start);
        v1::HeartbeatRequest {
            session_id: self.session_id,
            lowest_block_in_flight: state.blocks.first().copied().unwrap_or(next_block),
            oldest_read_mark: state.reads.first_key_value().map_or(state.read_mark, |(mark, _)| *mark),
            lowest_request_in_flight: state.requests.first().copied().unwrap_or(state.next_sequence),
            workers_version: None,
            protocol: Some(protocol::own()),
        }
    }

    /// Is nothing in flight?
    pub fn is_idle(&self) -> bool {
        let state = self.state.lock();
        state.blocks.is_empty() && state.requests.is_empty() && state.reads.is_empty()
    }
}

/// A block id that may still be committed.
pub(super) struct BlockInFlight {
    term: Arc<Term>,
    pub block_id: u64,
}

impl BlockInFlight {
    pub fn term(&self) -> &Arc<Term> {
        &self.term
    }
}

impl Drop for BlockInFlight {
    fn drop(&mut self) {
        self.term.state.lock().blocks.remove(&self.block_id);
    }
}

/// A request that may be sent again.
pub(super) struct RequestInFlight {
    term: Arc<Term>,
    sequence: u64,
}

impl RequestInFlight {
    pub fn id(&self) -> v1::RequestId {
        v1::RequestId { session_id: self.term.session_id, sequence: self.sequence }
    }
}

impl Drop for RequestInFlight {
    fn drop(&mut self) {
        if self.sequence != 0 {
            self.term.state.lock().requests.remove(&self.sequence);
        }
    }
}

/// A read whose blocks must not go.
pub(super) struct ReadInFlight {
    term: Arc<Term>,
    mark: u64,
}

impl ReadInFlight {
    pub fn heard_mark(&self, mark: u64) {
        self.term.heard_mark(mark);
    }
}

impl Drop for ReadInFlight {
    fn drop(&mut self) {
        let mut state = self.term.state.lock();
        if let Some(count) = state.reads.get_mut(&self.mark) {
            *count -= 1;
            if *count == 0 {
                state.reads.remove(&self.mark);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn term() -> Arc<Term> {
        Arc::new(Term::new(&v1::OpenSessionResponse { session_id: 7, read_mark: 40, ..Default::default() }))
    }

    #[test]
    fn the_lowest_block_in_flight_rises_only_past_what_was_released() {
        let term = term();
        assert!(term.take_block().is_none());
        assert_eq!(term.heartbeat().lowest_block_in_flight, 0);
        term.add_grant(100, 2);
        term.add_grant(200, 1);
        assert_eq!(term.heartbeat().lowest_block_in_flight, 100);
        let (first, left) = term.take_block().unwrap();
        assert_eq!((first.block_id, left), (100, 2));
        let (second, _) = term.take_block().unwrap();
        drop(second);
        assert_eq!(term.heartbeat().lowest_block_in_flight, 100);
        drop(first);
        assert_eq!(term.heartbeat().lowest_block_in_flight, 200);
        let (third, left) = term.take_block().unwrap();
        assert_eq!((third.block_id, left), (200, 0));
        assert!(term.take_block().is_none());
        drop(third);
        assert_eq!(term.heartbeat().lowest_block_in_flight, 201);
    }

    #[test]
    fn the_oldest_read_mark_is_that_of_the_oldest_read_in_flight() {
        let term = term();
        let first = term.begin_read();
        let second = term.begin_read();
        term.heard_mark(50);
        let third = term.begin_read();
        term.heard_mark(45);
        assert_eq!(term.heartbeat().oldest_read_mark, 40);
        drop(first);
        assert_eq!(term.heartbeat().oldest_read_mark, 40);
        drop(second);
        assert_eq!(term.heartbeat().oldest_read_mark, 50);
        term.heard_mark(60);
        drop(third);
        assert_eq!(term.heartbeat().oldest_read_mark, 60);
        assert!(term.is_idle());
    }

    #[test]
    fn the_lowest_request_in_flight_is_the_oldest_that_may_be_sent_again() {
        let term = term();
        assert_eq!(term.begin_request(false).id().sequence, 0);
        let first = term.begin_request(true);
        let second = term.begin_request(true);
        assert_eq!((first.id().sequence, second.id().sequence), (1, 2));
        drop(second);
        assert_eq!(term.heartbeat().lowest_request_in_flight, 1);
        drop(first);
        assert_eq!(term.heartbeat().lowest_request_in_flight, 3);
    }
}
