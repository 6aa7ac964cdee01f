//! What all clients of a bucket share: when to end, which keys to use, and what was counted under each fault.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Keys in use at a time. Few enough for clients to meet, many enough for histories to stay short.
pub const KEYS: u64 = 24;
/// The keys change so often.
const EPOCH: Duration = Duration::from_secs(5);

/// What was counted while one fault was there, and while the cluster recovered from it.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    pub reads: u64,
    pub writes: u64,
    pub listings: u64,
    /// Reads that were answered with an error, or not at all, and were taken again.
    pub reads_repeated: u64,
    /// Reads that had no answer however often they were taken again.
    pub reads_failed: u64,
    /// Writes that were answered with an error, or not at all.
    pub writes_unknown: u64,
    /// The longest time without an acknowledged write, all clients together.
    pub longest_silence: Duration,
    /// The same, without what [`Board::excuse`] excused.
    pub unexcused_silence: Duration,
    pub slowest_read: Duration,
}

pub struct Board {
    began: Instant,
    stopped: AtomicBool,
    tally: Mutex<Tally>,
    /// When a write was last acknowledged, in nanoseconds since the beginning.
    last_write: AtomicU64,
    /// Until when no write was to be expected, in the same.
    excused: AtomicU64,
    /// Faults so far.
    turn: AtomicU64,
    /// Answers that no order of operations explains, by themselves.
    wrong: Mutex<Vec<String>>,
}

impl Board {
    /// Boards of one beginning have one clock.
    pub fn new(began: Instant) -> Self {
        Self {
            began,
            stopped: AtomicBool::new(false),
            tally: Mutex::default(),
            last_write: AtomicU64::new(0),
            excused: AtomicU64::new(0),
            turn: AtomicU64::new(0),
            wrong: Mutex::default(),
        }
    }

    /// Nanoseconds since the beginning: the clock of the history.
    pub fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    pub fn epoch(&self) -> u64 {
        (self.began.elapsed().as_millis() / EPOCH.as_millis()) as u64
    }

    pub fn stop(&self) {
        self.stopped.store(true, Relaxed);
    }

    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Relaxed)
    }

    pub fn count(&self, change: impl FnOnce(&mut Tally)) {
        change(&mut lock(&self.tally));
    }

    pub fn write_acknowledged(&self) {
        let last = self.last_write.fetch_max(self.now(), Relaxed);
        self.count(|tally| tally.writes += 1);
        self.note_silence_since(last);
    }

    /// No write was to be expected until now.
    pub fn excuse(&self) {
        self.excused.store(self.now(), Relaxed);
        self.count(|tally| tally.unexcused_silence = Duration::ZERO);
    }

    fn note_silence_since(&self, last_write: u64) {
        let now = self.now();
        let since = |instant: u64| Duration::from_nanos(now.saturating_sub(instant));
        let unexcused = since(last_write.max(self.excused.load(Relaxed)));
        self.count(|tally| {
            tally.longest_silence = tally.longest_silence.max(since(last_write));
            tally.unexcused_silence = tally.unexcused_silence.max(unexcused);
        });
    }

    pub fn is_wrong(&self, what: String) {
        eprintln!("WRONG: {what}");
        lock(&self.wrong).push(what);
    }

    pub fn wrong(&self) -> Vec<String> {
        lock(&self.wrong).clone()
    }

    /// Begins to count anew; returns what was counted. A silence that lasts still counts for both.
    pub fn turn_over(&self) -> Tally {
        self.note_silence_since(self.last_write.load(Relaxed));
        self.turn.fetch_add(1, Relaxed);
        std::mem::take(&mut *lock(&self.tally))
    }

    /// Changes with each fault.
    pub fn turn(&self) -> u64 {
        self.turn.load(Relaxed)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SILENCE: Duration = Duration::from_millis(20);

    #[test]
    fn a_silence_that_was_excused_is_told_and_not_held_against_anybody() {
        let board = Board::new(Instant::now());
        std::thread::sleep(SILENCE);
        board.excuse();
        board.write_acknowledged();
        let tally = board.turn_over();
        assert!(tally.longest_silence >= SILENCE && tally.unexcused_silence < tally.longest_silence);
    }

    #[test]
    fn a_silence_that_lasts_counts_before_and_after_a_fault() {
        let board = Board::new(Instant::now());
        std::thread::sleep(SILENCE);
        assert!(board.turn_over().unexcused_silence >= SILENCE);
        board.write_acknowledged();
        assert!(board.turn_over().unexcused_silence >= SILENCE);
    }
}
