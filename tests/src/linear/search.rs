//! The search for an order: depth first over the operations that may come next, remembering which sets of operations
//! have led to which value already.

use super::history::{Action, Event, Outcome, Value};
use std::collections::HashSet;

/// What became of a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Linearizable,
    /// No order explains the history. The longest beginning of one that was found, by the events' places.
    Violated {
        longest: Vec<usize>,
    },
    /// Given up after so many steps.
    TooHard {
        steps: u64,
    },
}

/// Steps that one key's history may take.
pub const STEPS_MAX: u64 = 20_000_000;

/// Looks for an order of one key's events that explains them all, from a key that does not exist.
pub fn check(events: &[Event]) -> Verdict {
    check_within(events, STEPS_MAX)
}

pub fn check_within(events: &[Event], steps_max: u64) -> Verdict {
    Search::new(events).run(steps_max)
}

/// What the register holds after an event, if the event could have happened with what it held before.
pub fn apply(before: Option<Value>, action: Action, outcome: Outcome) -> Option<Option<Value>> {
    let holds = match action {
        Action::Put(_) | Action::Delete => true,
        Action::PutIfAbsent(_) => before.is_none(),
        Action::PutIfMatches { expected, .. } => before == Some(expected),
        Action::Get => return (outcome == Outcome::Found(before)).then_some(before),
    };
    let after = match action {
        Action::Put(value) | Action::PutIfAbsent(value) | Action::PutIfMatches { value, .. } => Some(value),
        Action::Delete | Action::Get => None,
    };
    match outcome {
        Outcome::Done => holds.then_some(after),
        Outcome::Refused => (!holds).then_some(before),
        // Where the condition does not hold it changes nothing, and then it need not be in the order at all.
        Outcome::Unknown => holds.then_some(after),
        Outcome::Found(_) => None,
    }
}

/// Before the first point, and after the last one.
const EDGE: usize = 0;

struct Search<'a> {
    events: &'a [Event],
    /// In the order of time, from 1 on: the event that begins there; none: one ends.
    points: Vec<Option<usize>>,
    /// A list over the points that are not in the order yet.
    next: Vec<usize>,
    previous: Vec<usize>,
    begins_at: Vec<usize>,
    ends_at: Vec<usize>,
    /// Events with a known outcome that are not in the order yet.
    left: usize,
    ordered: Vec<u64>,
}

impl<'a> Search<'a> {
    fn new(events: &'a [Event]) -> Self {
        // An end comes before a begin of the same instant: then the two are in order, which is the stricter reading.
        let mut times: Vec<(u64, bool, usize)> = Vec::with_capacity(2 * events.len());
        for (index, event) in events.iter().enumerate() {
            times.push((event.begin, true, index));
            if event.is_known() {
                times.push((event.end.max(event.begin + 1), false, index));
            }
        }
        times.sort_unstable();
        let mut points = vec![None];
        let (mut begins_at, mut ends_at) = (vec![EDGE; events.len()], vec![EDGE; events.len()]);
        for (_, is_begin, index) in times {
            let at = points.len();
            if is_begin {
                begins_at[index] = at;
                points.push(Some(index));
            } else {
                ends_at[index] = at;
                points.push(None);
            }
        }
        let count = points.len();
        let next = (0..count).map(|at| (at + 1) % count).collect();
        let previous = (0..count).map(|at| (at + count - 1) % count).collect();
        let left = events.iter().filter(|event| event.is_known()).count();
        let ordered = vec![0; events.len().div_ceil(64)];
        Self { events, points, next, previous, begins_at, ends_at, left, ordered }
    }

    fn run(mut self, steps_max: u64) -> Verdict {
        let mut seen: HashSet<(Vec<u64>, Option<Value>)> = HashSet::new();
        let mut order: Vec<(usize, Option<Value>)> = Vec::new();
        let mut longest = Vec::new();
        let mut value = None;
        let mut at = self.next[EDGE];
        for _ in 0..steps_max {
            if self.left == 0 {
                return Verdict::Linearizable;
            }
            if let Some(index) = self.points[at] {
                let event = &self.events[index];
                self.ordered[index / 64] ^= 1 << (index % 64);
                match apply(value, event.action, event.outcome) {
                    Some(after) if seen.insert((self.ordered.clone(), after)) => {
                        order.push((index, value));
                        value = after;
                        self.take_out(index);
                        at = self.next[EDGE];
                    }
                    _ => {
                        self.ordered[index / 64] ^= 1 << (index % 64);
                        at = self.next[at];
                    }
                }
                continue;
            }
            // Something has ended before anything else could be next: what was put last in the order was wrong.
            if order.len() > longest.len() {
                longest = order.iter().map(|(index, _)| *index).collect();
            }
            let Some((index, before)) = order.pop() else { return Verdict::Violated { longest } };
            value = before;
            self.ordered[index / 64] ^= 1 << (index % 64);
            self.put_back(index);
            at = self.next[self.begins_at[index]];
        }
        Verdict::TooHard { steps: steps_max }
    }

    fn take_out(&mut self, index: usize) {
        self.unlink(self.begins_at[index]);
        if self.ends_at[index] != EDGE {
            self.unlink(self.ends_at[index]);
            self.left -= 1;
        }
    }

    fn put_back(&mut self, index: usize) {
        if self.ends_at[index] != EDGE {
            self.link(self.ends_at[index]);
            self.left += 1;
        }
        self.link(self.begins_at[index]);
    }

    fn unlink(&mut self, at: usize) {
        self.next[self.previous[at]] = self.next[at];
        self.previous[self.next[at]] = self.previous[at];
    }

    /// Undoes the last [`Search::unlink`] that is not undone yet.
    fn link(&mut self, at: usize) {
        self.next[self.previous[at]] = at;
        self.previous[self.next[at]] = at;
    }
}

#[cfg(test)]
#[path = "search_tests.rs"]
mod tests;
