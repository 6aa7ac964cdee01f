//! The embedded store: a journal, which is the commit point, with sled under it as its index, and checkpoints.
//!
//! A commit is durable when the journal has it; what readers see is the index, to which each group of commits is applied
//! before it is answered. At start the index is brought up to the journal's end. An index that is lost, damaged or can't
//! be trusted is built anew from the last checkpoint and the journal; so sled is never the only copy of anything.
//! `docs/decisions/0001-journal-over-sled.md` says why.
//!
//! | in the data folder | what |
//! |---|---|
//! | `journal/NUMBER.journal` | segments of the journal |
//! | `checkpoints/SEQUENCE.checkpoint` | checkpoints, by the last commit that each has |
//! | `index/` | sled, and in `values/` the values that are too long for it |
//! | `state` | how the store was stopped |
//! | `restored` | it came from a backup, and no operator has confirmed that yet |
//! | `standby`, `following`, `epoch`, `replaced` | see [`replication`] |
//! | `seed/`, `seeding` | a checkpoint that is to replace all else |
//! | `lock` | held by the process that has the store open |

mod backup;
mod changes;
mod checkpoint;
mod checkpoints;
mod format;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod index;
mod journal;
mod opening;
mod options;
mod queue;
mod recovery;
pub mod replication;
mod shared;
mod state;
mod timings;
mod writer;

#[cfg(test)]
pub(crate) mod crashing;
#[cfg(test)]
mod power_tests;
#[cfg(test)]
mod tests;

pub use backup::restore;
pub use checkpoint::Summary;
pub use index::IndexKind;
pub use options::EmbeddedOptions;

use crate::store::{Backup, Batch, CommitError, Scan, Sequence, Store, StoreError, rules};
use async_trait::async_trait;
use bytes::Bytes;
use checkpoints::Checkpoints;
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use queue::{Pending, Queue, Work};
use replication::Followers;
use shared::Shared;
use state::{FILE as STATE_FILE, State};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;
use tokio::sync::oneshot;
use weir_service::disk::{Disk, DiskLock};
use weir_service::threads::{self, Thread};
use weir_service::trace::{SpanKind, Trace};

const JOURNAL_FOLDER: &str = "journal";
const CHECKPOINT_FOLDER: &str = "checkpoints";
const INDEX_FOLDER: &str = "index";
const LOCK_FILE: &str = "lock";
const RESTORED_FILE: &str = "restored";
/// Lies there while a backup is restored.
const RESTORING_FILE: &str = "restoring";

/// A store in a folder of this machine. Dropping it without [`EmbeddedStore::close`] is as good as a kill: nothing
/// acknowledged is lost.
pub struct EmbeddedStore {
    data: PathBuf,
    disk: Arc<dyn Disk>,
    shared: Arc<Shared>,
    queue: Arc<Queue>,
    checkpoints: Arc<Checkpoints>,
    threads: Mutex<Vec<Thread>>,
    rebuilt: bool,
    followers: Arc<Followers>,
    /// It follows another store, and takes no commits of its own.
    is_following: AtomicBool,
    epoch_min: AtomicU64,
    /// It came from a backup, and nobody has confirmed that what is not in it may be deleted.
    restored: AtomicBool,
    /// Held as long as the store is open; `None`: closed.
    lock: Mutex<Option<Box<dyn DiskLock>>>,
}

impl EmbeddedStore {
    /// Makes a checkpoint now, without waiting for the journal to grow.
    pub async fn checkpoint(&self) -> Result<Summary, StoreError> {
        let checkpoints = Arc::clone(&self.checkpoints);
        blocking(move || checkpoints.make()).await
    }

    /// Resolves with the reason when the store had to stop: its process should end.
    pub async fn stopped(&self) -> String {
        self.shared.wait_stopped().await
    }

    /// Commits what waits, makes the index durable, and notes that it is. The store takes no more.
    pub async fn close(&self) -> Result<(), StoreError> {
        self.shared.begin_closing();
        self.queue.close();
        let threads = std::mem::take(&mut *self.threads.lock());
        for thread in threads {
            // A panic in it has stopped the store already.
            thread.ended().await;
        }
        let shared = Arc::clone(&self.shared);
        let (disk, data) = (Arc::clone(&self.disk), self.data.clone());
        blocking(move || {
            let Some(index) = shared.take_index() else { return Ok(()) };
            shared.check_running()?;
            let sequence = index.applied()?;
            index.close()?;
            State::Clean { sequence }.write(&*disk, &data)
        })
        .await?;
        self.unlock();
        Ok(())
    }

    fn unlock(&self) {
        drop(self.lock.lock().take());
    }
}

#[async_trait]
impl Store for EmbeddedStore {
    async fn get_many(&self, keys: &[Bytes]) -> Result<Vec<Option<Bytes>>, StoreError> {
        self.shared.with_index(|index| keys.iter().map(|key| index.get(key)).collect())
    }

    async fn scan(&self, scan: Scan) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        self.shared.with_index(|index| index.scan(&scan))
    }

    async fn commit(&self, batch: Batch) -> Result<Sequence, CommitError> {
        let bytes = rules::check_limits(&batch)?;
        self.shared.check_running()?;
        self.check_takes_commits()?;
        if self.shared.is_closing() {
            return Err(self.shared.stopped_error().into());
        }
        self.followers.admit()?;
        let (answer, answered) = oneshot::channel();
        let trace = Trace::current().child("commit", SpanKind::Internal);
        self.queue.push(Pending { work: Work::Batch(batch), bytes, queued: Instant::now(), trace, answer })?;
        answered.await.unwrap_or_else(|_| Err(self.shared.stopped_error().into()))
    }

    fn gauges(&self) -> Vec<(&'static str, u64)> {
        let catalog = &self.checkpoints.catalog;
        let index_bytes = self.shared.with_index(|index| Ok(index.size_bytes())).unwrap_or(0);
        let mut gauges = vec![
            ("sequence", self.shared.applied()),
            ("checkpoint_sequence", self.shared.checkpoint_sequence.load(Ordering::Relaxed)),
            ("journal_bytes", catalog.used_bytes()),
            ("journal_segments", catalog.segment_count()),
            ("journal_syncs", self.shared.groups.load(Ordering::Relaxed)),
            ("index_bytes", index_bytes),
            ("index_rebuilds", u64::from(self.rebuilt)),
            ("commits_waiting", self.queue.len() as u64),
            ("disk_low", u64::from(self.shared.disk_low.load(Ordering::Relaxed))),
        ];
        if let Ok(space) = self.disk.space(&self.data) {
            gauges.extend([("disk_free_bytes", space.available_bytes), ("disk_capacity_bytes", space.total_bytes)]);
        }
        gauges
    }

    fn register_metrics(&self, registry: &mut Registry) {
        self.shared.timings.register(registry);
    }

    /// While commits go on: one file, named after the last commit that it has.
    async fn backup(&self, directory: &Path) -> Result<Backup, StoreError> {
        let (checkpoints, folder) = (Arc::clone(&self.checkpoints), directory.to_path_buf());
        let (path, summary) = blocking(move || checkpoints.backup(&folder)).await?;
        Ok(Backup { path, entry_count: summary.entries, sequence: Sequence(summary.sequence) })
    }

    fn epoch_min(&self) -> u64 {
        self.epoch_min.load(Ordering::Acquire)
    }

    fn begin_serving(&self) -> Result<(), StoreError> {
        self.followers.enforce()
    }

    fn awaits_confirmation(&self) -> bool {
        self.restored.load(Ordering::Acquire)
    }

    async fn confirm_restore(&self) -> Result<(), StoreError> {
        let (disk, data) = (Arc::clone(&self.disk), self.data.clone());
        blocking(move || {
            let path = data.join(RESTORED_FILE);
            match disk.remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_error("remove", &path)(error)),
                _ => {}
            }
            disk.sync_dir(&data).map_err(io_error("sync", &data))
        })
        .await?;
        self.restored.store(false, Ordering::Release);
        Ok(())
    }
}

impl Drop for EmbeddedStore {
    fn drop(&mut self) {
        self.shared.begin_closing();
        self.queue.close();
        self.queue.clear();
        for thread in std::mem::take(&mut *self.threads.lock()) {
            thread.end();
        }
        self.unlock();
    }
}

async fn blocking<T: Send + 'static>(
    run: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let ended = |error: tokio::task::JoinError| StoreError::Stopped { reason: error.to_string() };
    threads::spawn_blocking(run).await.map_err(ended)?
}

/// Turns an I/O error into the store's, with what was tried on which path.
fn io_error(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.display().to_string();
    move |source| StoreError::Io { operation, path, source }
}
