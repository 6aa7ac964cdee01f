//! The seam to threads, so that a whole cluster can run in one.
//!
//! What blocks for a moment goes through [`spawn_blocking`]. A thread that lives as long as its owner is an asynchronous
//! function, which [`start`] runs: in reality on a thread of its own that does nothing else, so it may block, and waits
//! as threads do. Where threads are simulated ([`crate::simulation::enter`]), it is a task of the runtime that it was
//! started in, and each wait lets the other tasks run: so it waits by what is here alone ([`Condition`], [`channel`],
//! [`pause`], or a channel of tokio's), and holds no lock while it does.

mod channel;
mod condition;
#[cfg(test)]
mod tests;

pub use channel::{Receiver, RecvError, Sender, channel};
pub use condition::Condition;

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;
use tokio::task::JoinHandle;

#[cfg(any(test, feature = "simulation"))]
thread_local! {
    /// What is started on this thread stays on it.
    pub(crate) static SIMULATED: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Whether this thread is all that there is.
pub fn are_simulated() -> bool {
    #[cfg(any(test, feature = "simulation"))]
    return SIMULATED.get();
    #[cfg(not(any(test, feature = "simulation")))]
    return false;
}

/// What a simulated thread waits for its disk, before it does something that blocks.
async fn simulated_delay() {
    #[cfg(any(test, feature = "simulation"))]
    crate::simulation::delay().await;
}

/// Runs something that blocks on a thread for that. To be called within a runtime.
pub fn spawn_blocking<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    match are_simulated() {
        true => tokio::spawn(async {
            simulated_delay().await;
            act()
        }),
        false => tokio::task::spawn_blocking(act),
    }
}

/// Runs something that blocks, and waits for what other threads do, on a thread for that. To be called within a runtime.
pub fn spawn_waiting<T: Send + 'static>(act: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    match are_simulated() {
        true => tokio::spawn(async {
            simulated_delay().await;
            act.await
        }),
        false => tokio::task::spawn_blocking(|| block_on(act)),
    }
}

/// A thread that was started. Dropped, it goes on by itself.
#[derive(Debug)]
pub struct Thread(Kind);

#[derive(Debug)]
enum Kind {
    Real(std::thread::JoinHandle<()>),
    Simulated(JoinHandle<()>),
}

/// Starts a thread. Where threads are simulated, to be called within a runtime.
///
/// # Errors
/// The system has no more threads.
pub fn start<F>(name: &str, run: impl FnOnce() -> F + Send + 'static) -> io::Result<Thread>
where
    F: Future<Output = ()> + Send + 'static,
{
    if are_simulated() {
        return Ok(Thread(Kind::Simulated(tokio::spawn(run()))));
    }
    let thread = std::thread::Builder::new().name(name.into()).spawn(|| block_on(run()))?;
    Ok(Thread(Kind::Real(thread)))
}

impl Thread {
    /// Waits until it has ended. False: it panicked.
    pub async fn ended(self) -> bool {
        match self.0 {
            Kind::Real(thread) => tokio::task::spawn_blocking(|| thread.join().is_ok()).await.unwrap_or(false),
            Kind::Simulated(task) => task.await.is_ok(),
        }
    }

    /// For destructors, which can't let others run: blocks until it has ended. One that is simulated ends where it
    /// waits, as if it had been killed there. False: it panicked.
    pub fn end(self) -> bool {
        match self.0 {
            Kind::Real(thread) => thread.join().is_ok(),
            Kind::Simulated(task) => {
                task.abort();
                true
            }
        }
    }
}

/// Something that is made while its owner does other things.
#[derive(Debug)]
pub enum Beside<T> {
    Thread(std::thread::JoinHandle<T>),
    Made(T),
}

impl<T: Send + 'static> Beside<T> {
    /// Has it made on a thread. Where threads are simulated, at once.
    ///
    /// # Errors
    /// The system has no more threads.
    pub fn start(name: &str, make: impl FnOnce() -> T + Send + 'static) -> io::Result<Self> {
        match are_simulated() {
            true => Ok(Self::Made(make())),
            false => Ok(Self::Thread(std::thread::Builder::new().name(name.into()).spawn(make)?)),
        }
    }

    /// Blocks until it is made. `None`: that panicked.
    pub fn take(self) -> Option<T> {
        match self {
            Self::Thread(thread) => thread.join().ok(),
            Self::Made(made) => Some(made),
        }
    }
}

/// Does several things, each on a thread, and returns what they returned in their order. Where threads are simulated, one
/// after the other.
///
/// # Panics
/// As they do.
pub fn side_by_side<T: Send>(acts: Vec<impl FnOnce() -> T + Send>) -> Vec<T> {
    if are_simulated() {
        return acts.into_iter().map(|act| act()).collect();
    }
    std::thread::scope(|scope| {
        let threads: Vec<_> = acts.into_iter().map(|act| scope.spawn(act)).collect();
        let joined = threads.into_iter().map(|thread| thread.join());
        joined.map(|result| result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    })
}

/// For a thread of [`start`]: does nothing for so long.
pub async fn pause(duration: Duration) {
    match are_simulated() {
        true => tokio::time::sleep(duration).await,
        false => std::thread::sleep(duration),
    }
}

/// Runs a future on this thread, which has nothing else to do.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(std::thread::Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let (mut context, mut future) = (Context::from_waker(&waker), pin!(future));
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}
