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
    /// Of them, those that were done before it began.
    earlier: u64,
}

impl Progress {
    /// Of so many seeds, some of which are done.
    pub fn new(seeds: u64, earlier: u64) -> Self {
        Self { began: Instant::now(), drawn: None, is_terminal: std::io::stderr().is_terminal(), seeds, earlier }
    }

    /// Says how far it is, if it is time to.
    pub fn show(&mut self, done: u64, failed: u64, operations: u64) {
        let elapsed = self.began.elapsed();
        let each_s = elapsed.as_secs_f64() / done.saturating_sub(self.earlier).max(1) as f64;
        let left_s = each_s * self.seeds.saturating_sub(done) as f64;
        let text = line(done, self.seeds, failed, operations, elapsed.as_secs(), left_s);
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

fn line(done: u64, seeds: u64, failed: u64, operations: u64, elapsed_s: u64, left_s: f64) -> String {
    let failed = if failed == 0 { String::new() } else { format!(", {failed} failed") };
    let percent = done * 100 / seeds.max(1);
    format!(
        "{percent:>3} %  {done} of {seeds} seeds{failed}, {operations} operations, {elapsed_s} s, about {left_s:.0} s left"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_is_done_and_how_long_the_rest_takes() {
        assert_eq!(
            line(50, 200, 0, 40_000, 30, 90.0),
            " 25 %  50 of 200 seeds, 40000 operations, 30 s, about 90 s left"
        );
        assert!(line(0, 0, 3, 0, 30, 0.0).contains("0 of 0 seeds, 3 failed"));
    }
}
