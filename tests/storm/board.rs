//! What all clients share: when to end, which keys to use, and what was counted under each fault.

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
    pub slowest_read: Duration,
}

pub struct Board {
    began: Instant,
    stopped: AtomicBool,
    tally: Mutex<Tally>,
    /// When a write was last acknowledged, in nanoseconds since the beginning.
    last_write: AtomicU64,
    /// Answers that no order of operations explains, by themselves.
    wrong: Mutex<Vec<String>>,
}

impl Board {
    pub fn new() -> Self {
        Self {
            began: Instant::now(),
            stopped: AtomicBool::new(false),
            tally: Mutex::default(),
            last_write: AtomicU64::new(0),
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
        let now = self.now();
        let silence = Duration::from_nanos(now.saturating_sub(self.last_write.fetch_max(now, Relaxed)));
        self.count(|tally| {
            tally.writes += 1;
            tally.longest_silence = tally.longest_silence.max(silence);
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
        let silence = Duration::from_nanos(self.now().saturating_sub(self.last_write.load(Relaxed)));
        let mut tally = std::mem::take(&mut *lock(&self.tally));
        tally.longest_silence = tally.longest_silence.max(silence);
        tally
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
