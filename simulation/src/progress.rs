//! How far a run of many seeds is: one line that is written anew in place on a terminal, and a line now and then elsewhere.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

/// Between two states of the line on a terminal.
const REDRAW: Duration = Duration::from_millis(200);
/// Elsewhere there are so many lines at most.
const LINES_MAX: u64 = 40;

pub struct Progress {
    began: Instant,
    drawn: Option<Instant>,
    is_terminal: bool,
    seeds: u64,
}

impl Progress {
    /// Of so many seeds.
    pub fn new(seeds: u64) -> Self {
        Self { began: Instant::now(), drawn: None, is_terminal: std::io::stderr().is_terminal(), seeds }
    }

    /// Says how far it is, if it is time to.
    pub fn show(&mut self, done: u64, failed: u64, operations: u64) {
        let text = line(done, self.seeds, failed, operations, self.began.elapsed());
        if !self.is_terminal {
            if done.is_multiple_of(self.seeds.div_ceil(LINES_MAX).max(1)) {
                eprintln!("{text}");
            }
        } else if self.drawn.is_none_or(|drawn| drawn.elapsed() >= REDRAW) {
            self.drawn = Some(Instant::now());
            eprint!("\r\x1b[K{text}");
            let _ = std::io::stderr().flush();
        }
    }

    /// Takes the line away: something else is to be printed.
    pub fn clear(&mut self) {
        if self.drawn.take().is_some() {
            eprint!("\r\x1b[K");
        }
    }

    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }
}

fn line(done: u64, seeds: u64, failed: u64, operations: u64, elapsed: Duration) -> String {
    let left = elapsed.as_secs_f64() / done.max(1) as f64 * seeds.saturating_sub(done) as f64;
    let failed = if failed == 0 { String::new() } else { format!(", {failed} failed") };
    let percent = done * 100 / seeds.max(1);
    format!(
        "{percent:>3} %  {done} of {seeds} seeds{failed}, {operations} operations, {} s, about {left:.0} s left",
        elapsed.as_secs()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_is_done_and_how_long_the_rest_takes() {
        let second = Duration::from_secs(30);
        assert_eq!(line(50, 200, 0, 40_000, second), " 25 %  50 of 200 seeds, 40000 operations, 30 s, about 90 s left");
        assert!(line(0, 0, 3, 0, second).contains("0 of 0 seeds, 3 failed"));
    }
}
