//! Opening a store: its folders and lock, recovery, and its threads.

use super::checkpoints::Checkpoints;
use super::queue::Queue;
use super::recovery::{Recovered, Recovery};
use super::replication::{self, Followers};
use super::shared::Shared;
use super::writer::{Reserve, Writer};
use super::{
    CHECKPOINT_FOLDER, EmbeddedOptions, EmbeddedStore, JOURNAL_FOLDER, LOCK_FILE, RESTORED_FILE, RESTORING_FILE,
    io_error, journal,
};
use crate::store::StoreError;
use futures::FutureExt;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::sync::mpsc;
use weir_service::clock::Clock;
use weir_service::disk::{Disk, DiskLock};
use weir_service::threads;

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

    pub(super) fn open_as(
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
}
