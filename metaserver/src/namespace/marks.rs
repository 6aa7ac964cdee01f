//! Read marks: how reclaim knows that no read is left that saw what it is about to take apart.
//!
//! A gateway notes the last mark it has heard before it sends a read. Reclaim looks at its queue, makes a new mark, and
//! waits until no live session has a read in flight with a lower one: all reads since then see the namespace without
//! what was in the queue.

use std::sync::atomic::{AtomicU64, Ordering};

/// Bits of a mark that count within a start.
const COUNTER_BITS: u32 = 40;

/// The marks of one run of the metaserver; those of a later run are higher.
#[derive(Debug)]
pub struct ReadMarks(AtomicU64);

impl ReadMarks {
    pub fn of_start(start: u64) -> Self {
        Self(AtomicU64::new(start << COUNTER_BITS))
    }

    pub fn current(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    /// A new mark, higher than all before.
    pub fn advance(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_rise_within_a_start_and_from_start_to_start() {
        let marks = ReadMarks::of_start(1);
        let first = marks.current();
        assert!(marks.advance() > first);
        assert_eq!(marks.current(), first + 1);
        assert!(ReadMarks::of_start(2).current() > marks.current());
    }
}
