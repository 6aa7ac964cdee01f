//! The end of writing. After a failed fdatasync nobody knows what is on disk: it is never retried, the store takes no
//! more writes until the next start has verified what there is. Without any other store, the process ends.

use super::error::StoreError;
use std::sync::Arc;
use tokio::sync::watch;

/// Set once, never taken back.
pub(crate) struct Fatal {
    reason: watch::Sender<Option<Arc<str>>>,
}

impl Fatal {
    pub fn new() -> Self {
        Self { reason: watch::Sender::new(None) }
    }

    /// Stops the store because of an error, and returns the one for whoever was waiting.
    pub fn set(&self, cause: &StoreError) -> StoreError {
        match cause {
            StoreError::Failed(reason) => self.stop(reason.clone()),
            cause => self.stop(cause.to_string().into()),
        }
    }

    /// Stops the store; the first reason stays.
    fn stop(&self, reason: Arc<str>) -> StoreError {
        self.reason.send_if_modified(|current| {
            let first = current.is_none();
            if first {
                tracing::error!(%reason, "the block store takes no more writes");
                *current = Some(reason.clone());
            }
            first
        });
        StoreError::Failed(reason)
    }

    pub fn check(&self) -> Result<(), StoreError> {
        match &*self.reason.borrow() {
            Some(reason) => Err(StoreError::Failed(reason.clone())),
            None => Ok(()),
        }
    }

    pub fn reason(&self) -> Option<Arc<str>> {
        self.reason.borrow().clone()
    }

    pub fn watch(&self) -> watch::Receiver<Option<Arc<str>>> {
        self.reason.subscribe()
    }
}
