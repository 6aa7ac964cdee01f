//! A clock that goes with the time of the runtime.

use super::Random;
use crate::clock::Clock;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// The wall clock of a simulated machine, and its random bytes: they are not secret, and repeat.
pub struct SimulatedClock {
    start_ms: i64,
    elapsed: Box<dyn Fn() -> Duration + Send + Sync>,
    ahead_ms: AtomicI64,
    random: Mutex<Random>,
}

impl SimulatedClock {
    /// `elapsed` tells how long the simulation has run, in its own time.
    pub fn new(start_ms: i64, elapsed: impl Fn() -> Duration + Send + Sync + 'static, random: Random) -> Self {
        Self { start_ms, elapsed: Box::new(elapsed), ahead_ms: AtomicI64::new(0), random: Mutex::new(random) }
    }

    /// Someone sets the machine's clock: forward, or back.
    pub fn set_ahead(&self, by_ms: i64) {
        self.ahead_ms.store(by_ms, Ordering::Relaxed);
    }
}

impl Clock for SimulatedClock {
    fn now_ms(&self) -> i64 {
        let elapsed_ms = i64::try_from((self.elapsed)().as_millis()).unwrap_or(i64::MAX);
        self.start_ms.saturating_add(elapsed_ms).saturating_add(self.ahead_ms.load(Ordering::Relaxed))
    }

    fn random(&self, bytes: &mut [u8]) {
        self.random.lock().fill(bytes);
    }
}
