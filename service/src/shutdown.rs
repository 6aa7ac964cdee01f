//! An orderly end: everyone is told to stop taking work, and whoever has some is waited for.

use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Shared by all tasks of a process. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    token: CancellationToken,
    tasks: TaskTracker,
    failure: Arc<OnceLock<String>>,
}

impl Shutdown {
    pub fn new() -> Self {
        Self::default()
    }

    /// Something that can't be gone on without has failed, such as an fsync: the process is to end, and to say so with
    /// its exit code. The first failure counts.
    pub fn fail(&self, reason: impl Into<String>) {
        let reason = reason.into();
        tracing::error!(reason, "stopping");
        let _ = self.failure.set(reason);
        self.begin();
    }

    /// Why the process must end, if something failed.
    pub fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }

    /// Tells everyone to stop.
    pub fn begin(&self) {
        self.token.cancel();
    }

    pub fn has_begun(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Resolves when [`Shutdown::begin`] was called.
    pub async fn begun(&self) {
        self.token.cancelled().await;
    }

    /// Runs a task that shutdown waits for; it watches [`Shutdown::begun`] itself.
    pub fn spawn<F>(&self, task: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.tasks.spawn(task)
    }

    /// Begins, and waits for the tasks. Returns false when some were still running after `at_most`.
    pub async fn finish(&self, at_most: Duration) -> bool {
        self.begin();
        self.tasks.close();
        tokio::time::timeout(at_most, self.tasks.wait()).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn tasks_are_told_and_waited_for() {
        let shutdown = Shutdown::new();
        let own = shutdown.clone();
        shutdown.spawn(async move { own.begun().await });
        assert!(shutdown.finish(Duration::from_secs(5)).await);
        assert_eq!(shutdown.failure(), None);
    }

    #[tokio::test]
    async fn a_task_that_does_not_end_is_given_up() {
        let shutdown = Shutdown::new();
        shutdown.spawn(std::future::pending::<()>());
        assert!(!shutdown.finish(Duration::from_millis(20)).await);
    }

    #[tokio::test]
    async fn a_failure_begins_shutdown_and_the_first_one_is_kept() {
        let shutdown = Shutdown::new();
        shutdown.clone().fail("the journal can't be synced");
        shutdown.fail("the rest follows");
        shutdown.begun().await;
        assert_eq!(shutdown.failure(), Some("the journal can't be synced"));
    }
}
