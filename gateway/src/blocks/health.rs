//! Which workers failed this gateway of late, so that one that is dead costs a time-out, and not one for each block.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use weir_service::clock::Clock;

/// After its first failure a worker is left alone for so long, and twice as long after each one that follows.
const AVOID_MS: i64 = 5_000;
const AVOID_MAX_MS: i64 = 60_000;
/// One failure is forgotten after each so long.
const DECAY_MS: i64 = 60_000;
/// More of them tell nothing more.
const COUNT_MAX: u32 = 8;

/// What this gateway saw of its workers. Shared by all uploads and reads.
pub struct WorkerHealth {
    clock: Arc<dyn Clock>,
    by_worker: Mutex<HashMap<u64, Failures>>,
    /// When another replica last answered a read first, in place of this one.
    late_ms: Mutex<HashMap<u64, i64>>,
}

#[derive(Clone, Copy)]
struct Failures {
    count: u32,
    last_ms: i64,
}

impl WorkerHealth {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, by_worker: Mutex::default(), late_ms: Mutex::default() }
    }

    /// A worker did not do what it should. Blocks that were under way on it fail together: they count once.
    pub fn failed(&self, worker_id: u64) {
        let now_ms = self.clock.now_ms();
        let mut by_worker = self.by_worker.lock();
        by_worker.retain(|_, failures| failures.count_at(now_ms) > 0);
        let failures = by_worker.entry(worker_id).or_insert(Failures { count: 0, last_ms: now_ms });
        if failures.count == 0 || !failures.is_avoided_at(now_ms) {
            let count = (failures.count_at(now_ms) + 1).min(COUNT_MAX);
            *failures = Failures { count, last_ms: now_ms };
        }
    }

    /// A worker did what it should.
    pub fn succeeded(&self, worker_id: u64) {
        let mut by_worker = self.by_worker.lock();
        if !by_worker.is_empty() {
            by_worker.remove(&worker_id);
        }
    }

    /// Another one answered a read before it, which was asked later: it may only be busy, and is not left out of writes.
    pub fn was_late(&self, worker_id: u64) {
        let now_ms = self.clock.now_ms();
        let mut late_ms = self.late_ms.lock();
        late_ms.retain(|_, at_ms| is_within(AVOID_MS, *at_ms, now_ms));
        late_ms.insert(worker_id, now_ms);
    }

    /// Was it late so lately that others are asked first?
    pub fn is_late(&self, worker_id: u64) -> bool {
        let late_ms = self.late_ms.lock();
        late_ms.get(&worker_id).is_some_and(|at_ms| is_within(AVOID_MS, *at_ms, self.clock.now_ms()))
    }

    /// Did it fail so lately that others come first?
    pub fn is_avoided(&self, worker_id: u64) -> bool {
        let now_ms = self.clock.now_ms();
        self.by_worker.lock().get(&worker_id).is_some_and(|failures| failures.is_avoided_at(now_ms))
    }

    /// Failures that are not forgotten yet.
    pub fn failure_count(&self, worker_id: u64) -> u32 {
        let now_ms = self.clock.now_ms();
        self.by_worker.lock().get(&worker_id).map_or(0, |failures| failures.count_at(now_ms))
    }
}

impl Failures {
    fn is_avoided_at(&self, now_ms: i64) -> bool {
        let avoid_ms = (AVOID_MS << self.count.saturating_sub(1)).min(AVOID_MAX_MS);
        is_within(avoid_ms, self.last_ms, now_ms)
    }

    fn count_at(&self, now_ms: i64) -> u32 {
        let forgotten = u32::try_from((now_ms - self.last_ms) / DECAY_MS).unwrap_or(u32::MAX);
        self.count.saturating_sub(forgotten)
    }
}

/// A clock that was set back makes no one wait.
fn is_within(for_ms: i64, since_ms: i64, now_ms: i64) -> bool {
    (0..for_ms).contains(&(now_ms - since_ms))
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_service::clock::ManualClock;

    fn health() -> (Arc<ManualClock>, WorkerHealth) {
        let clock = Arc::new(ManualClock::at(1_000_000));
        (clock.clone(), WorkerHealth::new(clock))
    }

    #[test]
    fn a_worker_that_failed_is_avoided_for_a_while_and_longer_each_time() {
        let (clock, health) = health();
        for avoid_ms in [5_000, 10_000, 20_000, 40_000, 60_000] {
            health.failed(1);
            health.failed(1);
            clock.advance(avoid_ms - 1);
            assert!(health.is_avoided(1), "{avoid_ms}");
            clock.advance(1);
            assert!(!health.is_avoided(1), "{avoid_ms}");
        }
        assert!(!health.is_avoided(2));
    }

    #[test]
    fn failures_are_forgotten_with_time_and_at_the_first_success() {
        let (clock, health) = health();
        health.failed(1);
        clock.advance(5_000);
        health.failed(1);
        assert_eq!(health.failure_count(1), 2);
        clock.advance(60_000);
        assert_eq!(health.failure_count(1), 1);
        clock.advance(60_000);
        assert_eq!(health.failure_count(1), 0);
        health.failed(1);
        health.succeeded(1);
        assert!(!health.is_avoided(1));
        assert_eq!(health.failure_count(1), 0);
    }

    #[test]
    fn a_clock_that_is_set_back_makes_no_one_wait() {
        let (clock, health) = health();
        health.failed(1);
        clock.advance(-500_000);
        assert!(!health.is_avoided(1));
        health.failed(1);
        assert!(health.is_avoided(1));
    }
}
