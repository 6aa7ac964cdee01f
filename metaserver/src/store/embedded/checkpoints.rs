//! When checkpoints are made, which are kept, and which part of the journal can go.

use super::checkpoint::{self, Room, Summary};
use super::io_error;
use super::journal::{Catalog, is_no_space};
use super::shared::Shared;
use crate::store::StoreError;
use parking_lot::Mutex;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::mpsc::Receiver;
use weir_service::disk::Disk;

/// Checkpoints that are kept, with the journal from the older one on: if the newer one can't be read, it is not missed.
const KEPT_COUNT: usize = 2;
/// The same while the disk is nearly full.
const KEPT_COUNT_LOW: usize = 1;

/// After a failure the next try comes when the journal has grown by this share of the usual interval; up to there a
/// checkpoint counts as recent.
const RETRY_SHARE: u64 = 8;

/// A checkpoint leaves this share of the reserve to deletes, and to the index that they are applied to.
const SPARE_SHARE: u64 = 2;

/// Where space gets short, one is due when the journal has grown by this share of the reserve, and, as long as writes are
/// taken, of the last one.
const TIGHT_RESERVE_SHARE: u64 = 64;
const TIGHT_CHECKPOINT_SHARE: u64 = 8;

pub(super) struct Checkpoints {
    pub disk: Arc<dyn Disk>,
    pub folder: PathBuf,
    pub shared: Arc<Shared>,
    pub catalog: Catalog,
    /// Held while one is made, so that the journal it needs stays.
    pub making: Mutex<()>,
    /// One is due when the journal has grown by so much.
    pub interval_bytes: u64,
    pub reserve_bytes: u64,
}

impl Checkpoints {
    /// Makes a checkpoint whenever it is woken and one is due, until the other end is dropped.
    pub async fn run(&self, mut woken: Receiver<()>) {
        while woken.recv().await.is_some() && !self.shared.is_closing() {
            let growth_bytes = self.shared.growth_bytes.load(Ordering::Relaxed);
            if growth_bytes < due_bytes(&self.shared, self.interval_bytes, self.reserve_bytes) {
                continue;
            }
            let covered_bytes = match self.make() {
                Ok(_) => growth_bytes,
                Err(StoreError::Stopped { .. }) => return,
                Err(error) => {
                    tracing::error!(%error, "no checkpoint was made; the journal is kept");
                    growth_bytes.min(self.interval_bytes / RETRY_SHARE)
                }
            };
            self.shared.growth_bytes.fetch_sub(covered_bytes, Ordering::Relaxed);
        }
    }

    /// Whether there is a checkpoint after which little has come.
    pub fn has_recent(&self) -> bool {
        let growth_bytes = self.shared.growth_bytes.load(Ordering::Relaxed);
        self.shared.checkpoint_sequence.load(Ordering::Relaxed) > 0 && growth_bytes < self.interval_bytes / RETRY_SHARE
    }

    /// Where the checkpoint of a sequence lies.
    pub fn path(&self, sequence: u64) -> PathBuf {
        self.folder.join(checkpoint::name(sequence))
    }

    /// Makes a checkpoint, and removes what it makes superfluous.
    pub fn make(&self) -> Result<Summary, StoreError> {
        let _making = self.making.lock();
        let (path, summary, length_bytes) = match self.write() {
            Err(error) if is_full(&error) && self.drop_older()? => self.write()?,
            made => made?,
        };
        self.shared.checkpoint_bytes.store(length_bytes, Ordering::Relaxed);
        self.shared.checkpoint_sequence.store(summary.sequence, Ordering::Relaxed);
        let low = self.shared.disk_low.load(Ordering::Relaxed);
        let dropped_segments = self.clean(if low { KEPT_COUNT_LOW } else { KEPT_COUNT })?;
        let Summary { sequence, entries, changes, .. } = summary;
        tracing::info!(sequence, entries, changes, dropped_segments, path = %path.display(), "checkpoint made");
        Ok(summary)
    }

    fn write(&self) -> Result<(PathBuf, Summary, u64), StoreError> {
        let (disk, taken_bytes) = (Arc::clone(&self.disk), Arc::clone(&self.shared.making_bytes));
        let room = Room { disk, spare_bytes: self.reserve_bytes / SPARE_SHARE, taken_bytes };
        let made = checkpoint::write(&room, &self.folder, &self.shared, &self.catalog);
        let length_bytes = self.shared.making_bytes.swap(0, Ordering::Relaxed);
        made.map(|(path, summary)| (path, summary, length_bytes))
    }

    /// Removes all but the newest. Whether there was any.
    fn drop_older(&self) -> Result<bool, StoreError> {
        if checkpoint::list(&*self.disk, &self.folder)?.len() <= KEPT_COUNT_LOW {
            return Ok(false);
        }
        self.clean(KEPT_COUNT_LOW)?;
        Ok(true)
    }

    /// Writes a checkpoint into another folder.
    pub fn backup(&self, folder: &Path) -> Result<(PathBuf, Summary), StoreError> {
        self.disk.create_dir_all(folder).map_err(io_error("make", folder))?;
        let _making = self.making.lock();
        let room = Room { disk: Arc::clone(&self.disk), spare_bytes: 0, taken_bytes: Arc::default() };
        checkpoint::write(&room, folder, &self.shared, &self.catalog)
    }

    /// Removes old checkpoints, then the journal before the oldest kept. Returns how many segments went.
    fn clean(&self, kept_count: usize) -> Result<u64, StoreError> {
        let sequences = checkpoint::list(&*self.disk, &self.folder)?;
        if sequences.len() < kept_count {
            return Ok(0);
        }
        let (old, kept) = sequences.split_at(sequences.len() - kept_count);
        for sequence in old {
            let path = self.folder.join(checkpoint::name(*sequence));
            self.disk.remove_file(&path).map_err(io_error("remove", &path))?;
        }
        self.disk.sync_dir(&self.folder).map_err(io_error("sync", &self.folder))?;
        self.catalog.drop_through(kept[0])
    }
}

fn is_full(error: &StoreError) -> bool {
    matches!(error, StoreError::Io { source, .. } if is_no_space(source))
}

/// A checkpoint is due when the journal has grown by so much.
pub(super) fn due_bytes(shared: &Shared, interval_bytes: u64, reserve_bytes: u64) -> u64 {
    let least_bytes = reserve_bytes / TIGHT_RESERVE_SHARE;
    let due_bytes = match (shared.disk_low.load(Ordering::Relaxed), shared.disk_tight.load(Ordering::Relaxed)) {
        // Deletes alone are taken, and each checkpoint gives back what they have freed.
        (true, _) => least_bytes,
        (false, true) => least_bytes.max(shared.checkpoint_bytes.load(Ordering::Relaxed) / TIGHT_CHECKPOINT_SHARE),
        (false, false) => interval_bytes,
    };
    due_bytes.min(interval_bytes)
}
