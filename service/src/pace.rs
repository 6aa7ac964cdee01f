//! So many a second, bytes or whatever is counted, and not more, whoever asks.

use parking_lot::Mutex;
use std::time::Duration;
use tokio::time::Instant;

/// A limit that several share.
pub struct Pace {
    per_second: u64,
    /// When all that were asked for have had their time.
    paid: Mutex<Option<Instant>>,
}

impl Pace {
    pub fn new(per_second: u64) -> Self {
        Self { per_second: per_second.max(1), paid: Mutex::new(None) }
    }

    /// Waits until those before these have had their time.
    pub async fn wait_for(&self, count: u64) {
        let begin = {
            let mut paid = self.paid.lock();
            let now = Instant::now();
            let begin = paid.map_or(now, |paid| paid.max(now));
            *paid = Some(begin + Duration::from_secs_f64(count as f64 / self.per_second as f64));
            begin
        };
        tokio::time::sleep_until(begin).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn all_wait_for_those_before_them() {
        let (pace, begun) = (Pace::new(10_000), Instant::now());
        pace.wait_for(500).await;
        assert!(begun.elapsed() < Duration::from_millis(50), "the first wait for nobody");
        for waited_ms in [50, 100, 150] {
            pace.wait_for(500).await;
            assert!(begun.elapsed() >= Duration::from_millis(waited_ms));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        let idle = Instant::now();
        pace.wait_for(1_000).await;
        pace.wait_for(1).await;
        assert!(idle.elapsed() >= Duration::from_millis(100), "time that nobody used is not saved up");
    }
}
