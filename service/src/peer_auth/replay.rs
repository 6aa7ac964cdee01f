//! Which calls of which channel were taken: a counter's window for each channel, so that memory depends on the number
//! of peers and not on the number of calls.

use super::CLOCK_DIFFERENCE_MAX_MS;
use parking_lot::Mutex;
use std::collections::HashMap;

/// Calls of one channel may overtake each other by less than so many.
const WINDOW_CALLS: u64 = 4096;
const WORDS: usize = (WINDOW_CALLS / 64) as usize;
/// Channels remembered at a time. Only holders of the secret can add one.
const CHANNEL_MAX_COUNT: usize = 16_384;
/// A proof may be this much ahead of our clock when it is taken, and can be used for as long after that.
const REMEMBER_MS: i64 = 2 * CLOCK_DIFFERENCE_MAX_MS;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fresh {
    Yes,
    No,
    TooManyChannels,
}

#[derive(Debug, Default)]
pub(super) struct ReplayGuard {
    channels: Mutex<HashMap<u128, Window>>,
}

impl ReplayGuard {
    /// Uses up call number `counter` of a channel.
    pub fn take(&self, channel: u128, counter: u64, now_ms: i64) -> Fresh {
        let mut channels = self.channels.lock();
        if let Some(window) = channels.get_mut(&channel) {
            return if window.take(counter, now_ms) { Fresh::Yes } else { Fresh::No };
        }
        if channels.len() >= CHANNEL_MAX_COUNT {
            channels.retain(|_, window| window.last_taken_ms >= now_ms - REMEMBER_MS);
            if channels.len() >= CHANNEL_MAX_COUNT {
                return Fresh::TooManyChannels;
            }
        }
        channels.insert(channel, Window::starting_with(counter, now_ms));
        Fresh::Yes
    }
}

/// The highest counter taken, and a bit for each of the [`WINDOW_CALLS`] up to it.
#[derive(Debug)]
struct Window {
    highest: u64,
    taken: Box<[u64; WORDS]>,
    last_taken_ms: i64,
}

impl Window {
    fn starting_with(counter: u64, now_ms: i64) -> Self {
        let mut window = Self { highest: counter, taken: Box::new([0; WORDS]), last_taken_ms: now_ms };
        window.mark(counter);
        window
    }

    fn take(&mut self, counter: u64, now_ms: i64) -> bool {
        if counter > self.highest {
            self.slide_to(counter);
        } else if self.highest - counter >= WINDOW_CALLS || self.is_marked(counter) {
            return false;
        }
        self.mark(counter);
        self.last_taken_ms = self.last_taken_ms.max(now_ms);
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
        let guard = ReplayGuard::default();
        for (counter, expected) in [
            (10, Fresh::Yes),
            (3, Fresh::Yes),
            (3, Fresh::No),
            (10 + WINDOW_CALLS, Fresh::Yes),
            (10, Fresh::No),
            (11, Fresh::Yes),
            (10 * WINDOW_CALLS, Fresh::Yes),
            (11, Fresh::No),
            (10 * WINDOW_CALLS, Fresh::No),
        ] {
            assert_eq!(guard.take(1, counter, 0), expected, "{counter}");
        }
        assert_eq!(guard.take(2, 10, 0), Fresh::Yes);
    }

    #[test]
    fn channels_are_bounded_and_forgotten_when_their_proofs_are_too_old_to_be_used() {
        let guard = ReplayGuard::default();
        for channel in 0..CHANNEL_MAX_COUNT as u128 {
            assert_eq!(guard.take(channel, 0, 0), Fresh::Yes);
        }
        assert_eq!(guard.take(u128::MAX, 0, REMEMBER_MS), Fresh::TooManyChannels);
        assert_eq!(guard.take(5, 1, REMEMBER_MS), Fresh::Yes);
        assert_eq!(guard.take(u128::MAX, 0, REMEMBER_MS + 1), Fresh::Yes);
        assert_eq!(guard.take(5, 1, REMEMBER_MS + 1), Fresh::No, "it was used since");
    }

    proptest! {
        #[test]
        fn no_counter_is_ever_taken_twice(counters in prop::collection::vec(0..3 * WINDOW_CALLS, 0..500)) {
            let guard = ReplayGuard::default();
            let mut taken = HashSet::new();
            for counter in counters {
                if guard.take(1, counter, 0) == Fresh::Yes {
                    prop_assert!(taken.insert(counter));
                }
            }
        }
    }
}
