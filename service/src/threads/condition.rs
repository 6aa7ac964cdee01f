//! Waiting until something behind a lock has changed.

use super::{are_simulated, simulated_delay};
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::pin::pin;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// What one thread of [`super::start`] waits for, and others bring about. One waits at a time.
#[derive(Debug)]
pub struct Condition(Kind);

#[derive(Debug)]
enum Kind {
    Real(Condvar),
    Simulated(Notify),
}

impl Default for Condition {
    fn default() -> Self {
        Self(if are_simulated() { Kind::Simulated(Notify::new()) } else { Kind::Real(Condvar::new()) })
    }
}

impl Condition {
    /// Has whoever waits look again.
    pub fn notify(&self) {
        match &self.0 {
            Kind::Real(condvar) => drop(condvar.notify_one()),
            Kind::Simulated(notify) => notify.notify_one(),
        }
    }

    /// Waits until `look` finds what is wanted. It looks at once, and whenever it was notified.
    pub async fn wait_for<S, T>(&self, state: &Mutex<S>, mut look: impl FnMut(&mut S) -> Option<T>) -> T {
        match &self.0 {
            Kind::Real(condvar) => wait(state, look, |guard| condvar.wait(guard)),
            // What is found was still there, and others could add to it, while the disk was slow.
            Kind::Simulated(notify) => loop {
                simulated_delay().await;
                if let Some(found) = look(&mut state.lock()) {
                    return found;
                }
                notify.notified().await;
            },
        }
    }

    /// The same; `look` is also called after so long without a notice, again and again.
    pub async fn wait_with_looks<S, T>(
        &self,
        interval: Duration,
        state: &Mutex<S>,
        mut look: impl FnMut(&mut S) -> Option<T>,
    ) -> T {
        match &self.0 {
            Kind::Real(condvar) => wait(state, look, |guard| {
                condvar.wait_for(guard, interval);
            }),
            Kind::Simulated(notify) => loop {
                simulated_delay().await;
                if let Some(found) = look(&mut state.lock()) {
                    return found;
                }
                let _ = timeout_at(Instant::now() + interval, pin!(notify.notified())).await;
            },
        }
    }
}

fn wait<S, T>(
    state: &Mutex<S>,
    mut look: impl FnMut(&mut S) -> Option<T>,
    mut wait: impl FnMut(&mut MutexGuard<'_, S>),
) -> T {
    let mut guard = state.lock();
    loop {
        if let Some(found) = look(&mut guard) {
            return found;
        }
        wait(&mut guard);
    }
}
