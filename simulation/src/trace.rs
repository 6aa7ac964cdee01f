//! What happened in a run, line by line: the time, the machine, the event. Two runs of a seed have the same trace.

use std::fmt::Display;
use std::sync::Mutex;
use std::time::Duration;
use weir_service::simulation::Random;

/// Most runs only want to know whether two traces are the same.
#[derive(Debug, Default)]
pub struct Trace(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    elapsed: Duration,
    lines: u64,
    digest: u64,
    prints: bool,
}

impl Trace {
    /// One that is printed as it comes.
    pub fn printed() -> Self {
        Self(Mutex::new(State { prints: true, ..State::default() }))
    }

    /// The time of what comes next.
    pub fn set_elapsed(&self, elapsed: Duration) {
        self.state().elapsed = elapsed;
    }

    pub fn note(&self, host: &str, event: impl Display) {
        let mut state = self.state();
        let line = format!("{:>9.3} {host:<12} {event}", state.elapsed.as_secs_f64());
        state.lines += 1;
        let crc = crc_fast::crc32_iscsi(line.as_bytes());
        state.digest = Random(state.digest ^ u64::from(crc)).next();
        if state.prints {
            println!("{line}");
        }
    }

    /// How many lines there are, and a number that only the same lines give.
    pub fn digest(&self) -> (u64, u64) {
        let state = self.state();
        (state.lines, state.digest)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
