//! What the writer, the readers and the checkpoints of one store share.

use super::index::Index;
use super::replication::FrameId;
use super::state::State;
use super::timings::Timings;
use crate::store::StoreError;
use parking_lot::{Mutex, RwLock};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::sync::watch;
use weir_service::disk::Disk;

pub(super) struct Shared {
    disk: Arc<dyn Disk>,
    data: PathBuf,
    /// Locked for writing while a group of batches is applied, so that readers see whole batches. `None`: closed.
    index: RwLock<Option<Box<dyn Index>>>,
    /// The last commit that readers see. Changed under the lock for writing.
    applied: AtomicU64,
    closing: AtomicBool,
    halted: AtomicBool,
    /// Why the store stopped, when it did.
    stopped: watch::Sender<Option<String>>,
    /// Bytes appended to the journal since the last checkpoint.
    pub growth_bytes: AtomicU64,
    pub checkpoint_sequence: AtomicU64,
    /// The length of the last checkpoint.
    pub checkpoint_bytes: AtomicU64,
    /// What is written of the one that is being made.
    pub making_bytes: Arc<AtomicU64>,
    /// Free space is below the reserve and what the next checkpoint takes.
    pub disk_low: AtomicBool,
    /// It will be soon: checkpoints are made earlier, so that less is needed for the next one.
    pub disk_tight: AtomicBool,
    /// The frame that the journal ended with when it was opened, or the last one that was followed.
    pub last_frame: Mutex<Option<FrameId>>,
    /// Groups of commits written: one fdatasync each.
    pub groups: AtomicU64,
    pub timings: Timings,
}

impl Shared {
    pub fn new(disk: Arc<dyn Disk>, data: PathBuf, index: Box<dyn Index>, applied: u64) -> Self {
        Self {
            disk,
            data,
            index: RwLock::new(Some(index)),
            applied: AtomicU64::new(applied),
            closing: AtomicBool::new(false),
            halted: AtomicBool::new(false),
            stopped: watch::Sender::new(None),
            growth_bytes: AtomicU64::new(0),
            checkpoint_sequence: AtomicU64::new(0),
            checkpoint_bytes: AtomicU64::new(0),
            making_bytes: Arc::default(),
            disk_low: AtomicBool::new(false),
            disk_tight: AtomicBool::new(false),
            last_frame: Mutex::default(),
            groups: AtomicU64::new(0),
            timings: Timings::default(),
        }
    }

    /// Reads the index as of one moment. If it can't be read, the store stops, and the next start builds it anew.
    pub fn with_index<T>(&self, read: impl FnOnce(&dyn Index) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.check_running()?;
        let index = self.index.read();
        let index = index.as_deref().ok_or_else(|| self.stopped_error())?;
        let result = read(index);
        if let Err(error) = &result {
            self.index_failed(error);
        }
        result
    }

    /// Changes the index; readers see all of it or nothing.
    pub fn apply(
        &self,
        sequence: u64,
        change: impl FnOnce(&dyn Index) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let index = self.index.write();
        let index = index.as_deref().ok_or_else(|| self.stopped_error())?;
        change(index).inspect_err(|error| self.index_failed(error))?;
        self.applied.store(sequence, Ordering::Release);
        Ok(())
    }

    /// What the index can't do, it must not hide.
    fn index_failed(&self, error: &StoreError) {
        if let Err(error) = State::Unknown.write(&*self.disk, &self.data) {
            tracing::error!(%error, "that the index is damaged could not be noted");
        }
        self.stop(error.to_string());
    }

    /// What the next checkpoint takes at most, after so much journal: what comes while it is made may be in it twice.
    pub fn next_checkpoint_bytes(&self, journal_bytes: u64) -> u64 {
        self.checkpoint_bytes.load(Ordering::Relaxed).saturating_add(journal_bytes.saturating_mul(2))
    }

    /// Takes the index away from readers.
    pub fn take_index(&self) -> Option<Box<dyn Index>> {
        self.index.write().take()
    }

    pub fn applied(&self) -> u64 {
        self.applied.load(Ordering::Acquire)
    }

    pub fn begin_closing(&self) {
        self.closing.store(true, Ordering::Release);
    }

    pub fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// Stops the store for good. The first reason stays.
    pub fn stop(&self, reason: String) {
        self.halted.store(true, Ordering::Release);
        self.stopped.send_if_modified(|stopped| {
            if stopped.is_some() {
                return false;
            }
            tracing::error!(reason, "the store stops");
            *stopped = Some(reason);
            true
        });
    }

    pub fn has_stopped(&self) -> bool {
        self.halted.load(Ordering::Acquire)
    }

    pub fn check_running(&self) -> Result<(), StoreError> {
        if self.has_stopped() { Err(self.stopped_error()) } else { Ok(()) }
    }

    pub fn stopped_error(&self) -> StoreError {
        let reason = self.stopped.borrow().clone();
        StoreError::Stopped { reason: reason.unwrap_or_else(|| "it is closed".into()) }
    }

    /// Resolves with the reason when the store has stopped by itself.
    pub async fn wait_stopped(&self) -> String {
        let mut stopped = self.stopped.subscribe();
        let reason = stopped.wait_for(Option::is_some).await.ok().and_then(|reason| reason.clone());
        match reason {
            Some(reason) => reason,
            // The sender lives in self.
            None => std::future::pending().await,
        }
    }
}
