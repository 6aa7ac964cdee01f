//! Many seeds: each in a process of its own, as many at a time as there are processors. What libraries keep for a
//! process (counters, caches) is new for each run, and a run that hangs harms no other.

use crate::run::Verdict;
use std::env;
use std::io;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::Duration;

/// A run that takes longer, in real time, hangs.
const RUN_TIMEOUT_S: u32 = 300;

/// How seeds are run.
#[derive(Clone, Debug)]
pub struct Runner {
    /// Processes at a time.
    pub jobs: usize,
    /// Variables of their environment.
    pub environment: Vec<(String, String)>,
}

impl Runner {
    /// Runs seeds until all are done or `see` says stop. It sees each verdict as it comes.
    pub fn run(&self, seeds: impl Iterator<Item = u64> + Send, see: impl FnMut(Verdict) -> bool + Send) {
        let (seeds, stopped, see) = (Mutex::new(seeds), AtomicBool::new(false), Mutex::new(see));
        std::thread::scope(|scope| {
            for _ in 0..self.jobs {
                scope.spawn(|| {
                    loop {
                        let seed = seeds.lock().unwrap_or_else(PoisonError::into_inner).next();
                        let Some(seed) = seed.filter(|_| !stopped.load(Relaxed)) else { return };
                        let verdict = self.run_one(seed);
                        let mut see = see.lock().unwrap_or_else(PoisonError::into_inner);
                        if !stopped.load(Relaxed) && !see(verdict) {
                            stopped.store(true, Relaxed);
                        }
                    }
                });
            }
        });
    }

    fn run_one(&self, seed: u64) -> Verdict {
        self.try_run(seed).unwrap_or_else(|error| {
            let violations = vec![format!("the run itself failed: {error}")];
            Verdict { seed, violations, ..Verdict::default() }
        })
    }

    fn try_run(&self, seed: u64) -> io::Result<Verdict> {
        let mut child = Command::new(env::current_exe()?)
            .args(["--one", &seed.to_string()])
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let Some(out) = child.stdout.take() else { return Err(io::Error::other("it has no output")) };
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || sender.send(io::read_to_string(out)));
        // Its output ends with the process.
        // Second by second: a machine, or a run, that stands still for hours and goes on then is not a run that hangs.
        let second = |_| receiver.recv_timeout(Duration::from_secs(1)).ok();
        let Some(out) = (0..RUN_TIMEOUT_S).find_map(second) else {
            child.kill()?;
            child.wait()?;
            return Err(io::Error::other(format!("it did not end within {RUN_TIMEOUT_S} s")));
        };
        let (out, status) = (out?, child.wait()?);
        let last = out.lines().next_back().unwrap_or_default();
        serde_json::from_str(last).map_err(|_| io::Error::other(format!("it ended with {status}: {last}")))
    }
}
