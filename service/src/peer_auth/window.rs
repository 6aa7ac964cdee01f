//! Which calls of a connection were taken: a counter's window, so that memory does not depend on the number of calls.

/// Calls may overtake each other by less than so many: as many as a connection has in flight at most.
const WINDOW_CALLS: u64 = 4096;
const WORDS: usize = (WINDOW_CALLS / 64) as usize;

/// The highest counter taken, and a bit for each of the [`WINDOW_CALLS`] up to it.
#[derive(Debug)]
pub(super) struct Window {
    highest: u64,
    taken: [u64; WORDS],
}

impl Default for Window {
    fn default() -> Self {
        Self { highest: 0, taken: [0; WORDS] }
    }
}

impl Window {
    /// Uses up call number `counter`; false: it is used up, or too old to tell.
    pub fn take(&mut self, counter: u64) -> bool {
        if counter > self.highest {
            self.slide_to(counter);
        } else if self.highest - counter >= WINDOW_CALLS || self.is_marked(counter) {
            return false;
        }
        self.mark(counter);
        true
    }

    fn slide_to(&mut self, counter: u64) {
        if counter - self.highest >= WINDOW_CALLS {
            self.taken.fill(0);
        } else {
            for passed in self.highest + 1..=counter {
                let (word, bit) = place(passed);
                self.taken[word] &= !bit;
            }
        }
        self.highest = counter;
    }

    fn mark(&mut self, counter: u64) {
        let (word, bit) = place(counter);
        self.taken[word] |= bit;
    }

    fn is_marked(&self, counter: u64) -> bool {
        let (word, bit) = place(counter);
        self.taken[word] & bit != 0
    }
}

fn place(counter: u64) -> (usize, u64) {
    let index = counter % WINDOW_CALLS;
    ((index / 64) as usize, 1 << (index % 64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    #[test]
    fn calls_may_overtake_each_other_within_the_window() {
        let mut window = Window::default();
        for (counter, expected) in [
            (0, true),
            (0, false),
            (10, true),
            (3, true),
            (3, false),
            (10 + WINDOW_CALLS, true),
            (10, false),
            (11, true),
            (10 * WINDOW_CALLS, true),
            (11, false),
            (10 * WINDOW_CALLS, false),
            (u64::MAX, true),
            (u64::MAX, false),
        ] {
            assert_eq!(window.take(counter), expected, "{counter}");
        }
    }

    proptest! {
        #[test]
        fn no_counter_is_ever_taken_twice(counters in prop::collection::vec(0..3 * WINDOW_CALLS, 0..500)) {
            let mut window = Window::default();
            let mut taken = HashSet::new();
            for counter in counters {
                if window.take(counter) {
                    prop_assert!(taken.insert(counter));
                }
            }
        }
    }
}
