//! The worker's disks: a data folder each, with a [`BlockStore`] of its own. A block lies on one of them.
//!
//! A disk that fails is out until the next start: nothing is written to it, its blocks are reported as lost, and what
//! can still be read of them is served until other copies are made. The worker goes on with the others; only when the
//! last one fails does the process end. That one fails by a failed fsync alone: where there is no other disk, one that
//! can be read is better than none.
//!
//! A block can be on two disks for a while, when one comes back that was out: both have the same bytes, and both are
//! deleted by one order.

mod choose;
mod failure;
pub mod identity;
pub mod label;
mod metrics;
mod muster;
mod report;
#[cfg(test)]
pub mod tests;
mod text_file;
mod watch;
mod write;

pub use label::DiskId;
pub use metrics::DisksCollector;
pub use report::DiskReport;
pub use watch::watch;
pub use write::DiskWriter;

use crate::error::WorkerError;
use crate::store::{BlockStore, Common, StoreError, StoreOptions};
use identity::Identity;
use muster::Muster;
use parking_lot::Mutex;
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use weir_proto::BlockId;
use weir_service::clock::Clock;
use weir_service::config::WorkerSettings;
use weir_service::disk::Disk;
use weir_service::threads;

/// All blocks of a worker. Its calls block the thread, but for those that say otherwise.
pub struct Disks {
    disk: Arc<dyn Disk>,
    /// In the order of the setting; at least one.
    folders: Vec<Folder>,
    common: Common,
    /// As it was found at the start.
    identity: Identity,
    /// Held while a disk is declared to have failed: of two at once, one is the last.
    failing: Mutex<()>,
}

/// One disk.
struct Folder {
    path: PathBuf,
    id: DiskId,
    store: Arc<BlockStore>,
    /// As it was last looked at.
    free_bytes: AtomicU64,
}

impl Folder {
    fn free_bytes(&self) -> u64 {
        self.free_bytes.load(Ordering::Relaxed)
    }
}

impl Disks {
    /// Opens the folders of a worker, which are made where they do not exist. Blocks the thread.
    ///
    /// # Errors
    /// [`WorkerError`]: a setting out of its bounds; a folder that can't be read or written, belongs to another worker,
    /// or is not the disk that it was. Damage is no error.
    pub fn open(settings: &WorkerSettings, disk: Arc<dyn Disk>, clock: &dyn Clock) -> Result<Self, WorkerError> {
        let each: Vec<StoreOptions> =
            settings.data.iter().map(|data| StoreOptions::new(settings, data)).collect::<Result<_, _>>()?;
        for folder in &settings.data {
            disk.create_dir_all(folder).map_err(StoreError::io("create", folder))?;
        }
        let forget = &settings.forget_disks;
        let Muster { disks, identity } = muster::muster(&*disk, &settings.data, forget, || clock.random_u64())?;
        let common = Common::default();
        let stores = open_stores(each, &disk, &common)?;
        let folders = disks.into_iter().zip(stores).map(|((id, path), store)| {
            let free_bytes = store.usage().map_or(0, |usage| usage.free_bytes).into();
            Folder { path, id, store: Arc::new(store), free_bytes }
        });
        Ok(Self { folders: folders.collect(), disk, common, identity, failing: Mutex::default() })
    }

    /// What the stores measure together.
    pub fn common(&self) -> &Common {
        &self.common
    }

    /// Whose the folders are, as their start found it. Does not block.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Writes it to every disk that is well.
    ///
    /// # Errors
    /// [`WorkerError::Store`] when none of them takes it. One that does not fails.
    pub fn save_identity(&self, identity: &Identity) -> Result<(), WorkerError> {
        let mut saved = Err(WorkerError::Store(StoreError::Failed("no disk takes writes".into())));
        for (at, folder) in self.well() {
            match identity.save(&*self.disk, &folder.path) {
                Ok(()) => saved = Ok(()),
                Err(error) if saved.is_err() && self.is_last_well(at) => return Err(error.into()),
                // With an older one it must not count at the next start.
                Err(error) => self.fail(at, &error),
            }
        }
        saved
    }

    /// The disks that are well, with their index.
    fn well(&self) -> impl Iterator<Item = (usize, &Folder)> {
        self.folders.iter().enumerate().filter(|(_, folder)| folder.store.failure().is_none())
    }

    fn is_last_well(&self, at: usize) -> bool {
        !self.well().any(|(other, _)| other != at)
    }

    /// The stores of the disks that are well, with their index. Does not block.
    pub fn stores(&self) -> Vec<(usize, Arc<BlockStore>)> {
        self.well().map(|(at, folder)| (at, folder.store.clone())).collect()
    }

    /// Those of all disks. Does not block.
    pub fn all_stores(&self) -> impl Iterator<Item = &Arc<BlockStore>> {
        self.folders.iter().map(|folder| &folder.store)
    }

    /// The disk that is well and has the block. Does not block.
    fn holder(&self, id: BlockId) -> Option<usize> {
        self.well().find(|(_, folder)| folder.store.length_bytes(id).is_ok()).map(|(at, _)| at)
    }

    /// Where a block can be read: on a disk that is well, else on one that has failed. Does not block.
    ///
    /// # Errors
    /// [`StoreError::NoSuchBlock`], [`StoreError::Damaged`].
    pub fn reading(&self, id: BlockId) -> Result<&Arc<BlockStore>, StoreError> {
        let mut fault = StoreError::NoSuchBlock(id);
        let failed = self.folders.iter().filter(|folder| folder.store.failure().is_some());
        for folder in self.well().map(|(_, folder)| folder).chain(failed) {
            match folder.store.length_bytes(id) {
                Ok(_) => return Ok(&folder.store),
                Err(error @ StoreError::Damaged { .. }) => fault = error,
                Err(_) => {}
            }
        }
        Err(fault)
    }

    /// Where a block lies that may be counted on: on a disk that is well. Does not block.
    ///
    /// # Errors
    /// [`StoreError::NoSuchBlock`], [`StoreError::Damaged`].
    pub fn keeping(&self, id: BlockId) -> Result<&Arc<BlockStore>, StoreError> {
        match self.holder(id) {
            Some(at) => Ok(&self.folders[at].store),
            None if self.well().any(|(_, folder)| folder.store.holds_damage(id)) => {
                Err(StoreError::Damaged { id, fault: "it was found damaged before, and set aside".into() })
            }
            None => Err(StoreError::NoSuchBlock(id)),
        }
    }

    /// Deletes blocks from every disk that is well, damaged ones included. Returns those that are gone, also when they
    /// never were here. A disk that comes back has them still, and the next inventory tells.
    pub fn delete(&self, ids: &[BlockId]) -> Vec<BlockId> {
        let mut gone = ids.to_vec();
        for (_, folder) in self.well() {
            let deleted: HashSet<BlockId> = folder.store.delete(&gone).into_iter().collect();
            gone.retain(|id| deleted.contains(id));
        }
        gone
    }

    /// Another copy of a block has come: one here that can't be read is set aside. Blocks the thread.
    pub fn make_way(&self, id: BlockId) {
        if let Some(at) = self.holder(id) {
            self.folders[at].store.make_way(id);
        }
    }

    /// A block is whole again: what was set aside of it goes, from every disk that is well.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn forget_damage(&self, id: BlockId) -> Result<(), StoreError> {
        let Some(holder) = self.holder(id) else { return Ok(()) };
        for (at, folder) in self.well() {
            match at == holder {
                true => folder.store.forget_damage(id)?,
                false if folder.store.length_bytes(id).is_err() => folder.store.drop_damage(id)?,
                false => {}
            }
        }
        Ok(())
    }

    /// Looks whether an error tells that a disk has failed. Does not block.
    pub fn note(&self, at: usize, error: &StoreError) {
        if failure::is_of_disk(error) {
            self.fail(at, error);
        }
    }

    /// A disk is out, unless it is the last one. Does not block.
    fn fail(&self, at: usize, cause: &StoreError) {
        let _one_at_a_time = self.failing.lock();
        let folder = &self.folders[at];
        if folder.store.failure().is_none() && !self.is_last_well(at) {
            folder.store.fail(cause);
            let (disk, folder) = (folder.id, folder.path.display());
            tracing::error!(%disk, %folder, %cause, "a disk has failed: the worker goes on with the others");
        }
    }

    /// Resolves when the last disk has failed, with the reason: the process should stop and start again.
    pub async fn failed(&self) -> Option<Arc<str>> {
        let mut last = None;
        for folder in &self.folders {
            let mut failed = folder.store.failed();
            last = failed.wait_for(Option::is_some).await.ok().and_then(|reason| reason.clone());
        }
        last
    }
}

/// Opens them side by side: each waits for a disk of its own.
fn open_stores(each: Vec<StoreOptions>, disk: &Arc<dyn Disk>, common: &Common) -> Result<Vec<BlockStore>, WorkerError> {
    let open = |options: StoreOptions| || BlockStore::open(options, disk.clone(), common);
    let opened = threads::side_by_side(each.into_iter().map(open).collect());
    Ok(opened.into_iter().collect::<Result<_, _>>()?)
}
