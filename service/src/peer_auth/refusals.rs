//! Refused calls in the log: strangers can make any number of them, and must not fill the disk.

use parking_lot::Mutex;
use std::time::{Duration, Instant};

/// One line in so long.
const PAUSE: Duration = Duration::from_secs(1);

/// What was said of refused calls, and what was not.
#[derive(Debug)]
pub(super) struct Refusals(Mutex<Told>);

#[derive(Debug)]
struct Told {
    last: Option<Instant>,
    /// Since then.
    unsaid_count: u64,
}

impl Refusals {
    pub const fn new() -> Self {
        Self(Mutex::new(Told { last: None, unsaid_count: 0 }))
    }

    /// Whether to tell of a call that was refused at `now`: then, of how many since the last line nothing was said.
    pub fn tell(&self, now: Instant) -> Option<u64> {
        let mut told = self.0.lock();
        if told.last.is_some_and(|last| now.saturating_duration_since(last) < PAUSE) {
            told.unsaid_count = told.unsaid_count.saturating_add(1);
            return None;
        }
        told.last = Some(now);
        Some(std::mem::take(&mut told.unsaid_count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_refusals_one_a_second_is_told_with_the_number_of_the_others() {
        let refusals = Refusals::new();
        let begin = Instant::now();
        let after = |ms| begin + Duration::from_millis(ms);
        let told: Vec<_> = [0, 1, 500, 999, 1_000, 1_001, 5_000].map(|ms| refusals.tell(after(ms))).into();
        assert_eq!(told, [Some(0), None, None, None, Some(3), None, Some(1)]);
    }
}
