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

use crate::store::{Backup, Batch, CommitError, Scan, Sequence, Store, StoreError, rules};
use async_trait::async_trait;
use bytes::Bytes;
use checkpoints::Checkpoints;
use futures::FutureExt;
use index::IndexFolder;
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use queue::{Pending, Queue, Work};
use recovery::{Recovered, Recovery};
use replication::{Followers, StandbyOptions};
use shared::Shared;
use state::{FILE as STATE_FILE, State};
use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;
use tokio::sync::{mpsc, oneshot};
use weir_service::clock::Clock;
use weir_service::config::MetaserverSettings;
use weir_service::disk::{Disk, DiskLock};
use weir_service::threads::{self, Thread};
use weir_service::trace::{SpanKind, Trace};
use writer::{Reserve, Writer};

const JOURNAL_FOLDER: &str = "journal";
const CHECKPOINT_FOLDER: &str = "checkpoints";
const INDEX_FOLDER: &str = "index";
const LOCK_FILE: &str = "lock";
const RESTORED_FILE: &str = "restored";
/// Lies there while a backup is restored.
const RESTORING_FILE: &str = "restoring";

/// What can be set about an embedded store: see [`MetaserverSettings`].
#[derive(Clone, Copy, Debug)]
pub struct EmbeddedOptions {
    pub journal_segment_bytes: u64,
    pub checkpoint_journal_bytes: u64,
    pub index: IndexKind,
    pub commit_queue_max_count: usize,
    pub reserve_bytes: u64,
    pub standby: StandbyOptions,
}

impl From<&MetaserverSettings> for EmbeddedOptions {
    fn from(settings: &MetaserverSettings) -> Self {
        Self {
            journal_segment_bytes: settings.journal_segment_bytes,
            checkpoint_journal_bytes: settings.checkpoint_journal_bytes,
            index: index_kind(settings),
            commit_queue_max_count: settings.commit_queue_max_count,
            reserve_bytes: settings.reserve_bytes,
            standby: StandbyOptions::from(settings),
        }
    }
}

impl EmbeddedOptions {
    fn index_folder(&self, data: &Path) -> IndexFolder {
        IndexFolder { path: data.join(INDEX_FOLDER), kind: self.index }
    }
}

fn index_kind(settings: &MetaserverSettings) -> IndexKind {
    #[cfg(any(test, feature = "simulation"))]
    if threads::are_simulated() {
        return IndexKind::Memory;
    }
    IndexKind::Sled { cache_bytes: settings.index_cache_bytes }
}

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
    /// Opens the store in a folder, or makes one. Blocks while it recovers.
    ///
    /// # Errors
    /// [`StoreError::Damaged`]: acknowledged commits are not readable, or a restore was not finished.
    /// [`StoreError::Following`], [`StoreError::Replaced`]: it may not take commits. [`StoreError::Io`]: among others,
    /// another process has it open.
    pub fn open(
        data: &Path,
        options: EmbeddedOptions,
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        replication::check_may_serve(&*disk, data)?;
        Self::open_as(data, options, disk, clock, false)
    }

    fn open_as(
        data: &Path,
        options: EmbeddedOptions,
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        is_following: bool,
    ) -> Result<Self, StoreError> {
        let (journal, checkpoints) = (data.join(JOURNAL_FOLDER), data.join(CHECKPOINT_FOLDER));
        for folder in [data, &journal, &checkpoints] {
            disk.create_dir_all(folder).map_err(io_error("make", folder))?;
        }
        let lock = data.join(LOCK_FILE);
        let lock = disk.lock(&lock).map_err(io_error("lock", &lock))?;
        if disk.exists(&data.join(RESTORING_FILE)).map_err(io_error("look into", data))? {
            let what = format!("the store in {}", data.display());
            return Err(StoreError::Damaged {
                what,
                detail: "a restore was not finished; remove the folder and restore again".into(),
            });
        }
        let recovery =
            Recovery { data, disk: &disk, checkpoints: checkpoints.clone(), index: options.index_folder(data) };
        let folder = journal::Folder {
            path: journal,
            segment_bytes: options.journal_segment_bytes,
            disk: Arc::clone(&disk),
            clock: clock.clone(),
        };
        let recovered = recovery.run(folder)?;
        let (owner, followed) = (Arc::clone(&disk), recovered.journal.last());
        let followers = Followers::open(options.standby, owner, data.to_path_buf(), clock, followed)?;
        let store = Self::start(data, options, disk, recovered, Arc::new(followers), lock)?;
        store.is_following.store(is_following, Ordering::Release);
        Ok(store)
    }

    fn start(
        data: &Path,
        options: EmbeddedOptions,
        disk: Arc<dyn Disk>,
        recovered: Recovered,
        followers: Arc<Followers>,
        lock: Box<dyn DiskLock>,
    ) -> Result<Self, StoreError> {
        let Recovered { index, journal, checkpoint_sequence, checkpoint_bytes, rebuilt } = recovered;
        let catalog = journal.catalog().clone();
        let shared = Shared::new(Arc::clone(&disk), data.to_path_buf(), index, journal.last());
        shared.checkpoint_sequence.store(checkpoint_sequence, Ordering::Relaxed);
        shared.checkpoint_bytes.store(checkpoint_bytes, Ordering::Relaxed);
        shared.growth_bytes.store(catalog.used_bytes_after(checkpoint_sequence), Ordering::Relaxed);
        *shared.last_frame.lock() = journal.last_frame();
        let shared = Arc::new(shared);
        let queue = Arc::new(Queue::new(options.commit_queue_max_count));
        let checkpoints = Arc::new(Checkpoints {
            disk: Arc::clone(&disk),
            folder: data.join(CHECKPOINT_FOLDER),
            shared: Arc::clone(&shared),
            catalog,
            making: Mutex::new(()),
            interval_bytes: options.checkpoint_journal_bytes,
            reserve_bytes: options.reserve_bytes,
        });
        let (wake, woken) = mpsc::channel(1);
        let writer = Writer {
            shared: Arc::clone(&shared),
            queue: Arc::clone(&queue),
            journal,
            followers: Arc::clone(&followers),
            reserve: Reserve::new(Arc::clone(&disk), data.to_path_buf(), options.reserve_bytes),
            checkpoints: wake,
            checkpoint_bytes: options.checkpoint_journal_bytes,
            overlay: HashMap::new(),
        };
        let restored = data.join(RESTORED_FILE);
        let restored = disk.exists(&restored).map_err(io_error("look for", &restored))?;
        let epoch_min = AtomicU64::new(replication::epoch_min(&*disk, data)?);
        let store = Self {
            data: data.to_path_buf(),
            disk,
            shared: Arc::clone(&shared),
            queue: Arc::clone(&queue),
            checkpoints: Arc::clone(&checkpoints),
            threads: Mutex::default(),
            rebuilt,
            followers,
            is_following: AtomicBool::new(false),
            epoch_min,
            restored: AtomicBool::new(restored),
            lock: Mutex::new(Some(lock)),
        };
        store.spawn("weir-journal", move || writer.run(), {
            let (shared, queue) = (Arc::clone(&shared), queue);
            move || {
                shared.stop("the writer panicked".into());
                queue.close();
                queue.clear();
            }
        })?;
        store.spawn(
            "weir-checkpoint",
            move || async move { checkpoints.run(woken).await },
            move || {
                shared.stop("making a checkpoint panicked".into());
            },
        )?;
        Ok(store)
    }

    /// Starts a thread; `panicked` is called if it panics.
    fn spawn<F: Future<Output = ()> + Send + 'static>(
        &self,
        name: &str,
        run: impl FnOnce() -> F + Send + 'static,
        panicked: impl FnOnce() + Send + 'static,
    ) -> Result<(), StoreError> {
        let guarded = move || async move {
            // What it leaves half done is not used again: the store stops.
            if AssertUnwindSafe(run()).catch_unwind().await.is_err() {
                panicked();
            }
        };
        let thread = threads::start(name, guarded);
        self.threads.lock().push(thread.map_err(io_error("start a thread for", &self.data))?);
        Ok(())
    }

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
