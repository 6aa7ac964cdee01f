//! What all disks hold together, and each of them, for the metaserver and for Prometheus.

use super::{DiskId, Disks};
use crate::store::{CounterValues, StoreError, Usage};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use weir_proto::BlockId;

/// One disk now.
#[derive(Clone, Debug)]
pub struct DiskReport {
    pub id: DiskId,
    pub folder: PathBuf,
    /// None of a disk that has failed, or does not tell.
    pub usage: Option<Usage>,
    /// [`weir_service::disk::Disk::file_system`].
    pub file_system: String,
    /// Why it has failed.
    pub failure: Option<Arc<str>>,
}

impl Disks {
    /// Each disk, in the order of the setting.
    pub fn reports(&self) -> Vec<DiskReport> {
        let report = |at: usize| {
            let folder = &self.folders[at];
            let usage = self.usage_of(at).ok();
            let failure = folder.store.failure();
            DiskReport {
                id: folder.id,
                folder: folder.path.clone(),
                usage: usage.filter(|_| failure.is_none()),
                file_system: folder.store.file_system(),
                failure,
            }
        };
        (0..self.folders.len()).map(report).collect()
    }

    /// Of the disks that are well together.
    ///
    /// # Errors
    /// [`StoreError::Io`] when none of them tells its space.
    pub fn usage(&self) -> Result<Usage, StoreError> {
        let mut total = Err(StoreError::Failed("no disk takes writes".into()));
        for (at, _) in self.well() {
            total = match (total, self.usage_of(at)) {
                (Ok(total), Ok(usage)) => Ok(Usage::plus(total, usage)),
                (Err(_), result) => result,
                (total, Err(_)) => total,
            };
        }
        total
    }

    /// Looks at one, and remembers its room.
    pub(super) fn usage_of(&self, at: usize) -> Result<Usage, StoreError> {
        let folder = &self.folders[at];
        let usage = folder.store.usage();
        let free_bytes = usage.as_ref().map_or(0, |usage| usage.free_bytes);
        folder.free_bytes.store(free_bytes, Ordering::Relaxed);
        usage.inspect_err(|error| self.note(at, error))
    }

    /// Of all disks, since the start; those that have failed included. Does not block.
    pub fn counters(&self) -> CounterValues {
        self.all_stores().map(|store| store.counters()).fold(CounterValues::default(), CounterValues::plus)
    }

    /// Up to `limit` ids in ascending order, after `after`, of all blocks on disks that are well; None: from the
    /// beginning. Does not block.
    pub fn inventory(&self, after: Option<BlockId>, limit: usize) -> Vec<BlockId> {
        let ids: BTreeSet<BlockId> = self.well().flat_map(|(_, folder)| folder.store.inventory(after, limit)).collect();
        ids.into_iter().take(limit).collect()
    }

    /// All damaged blocks that are set aside, and of which no disk that is well has a whole copy. Does not block.
    pub fn damaged(&self) -> Vec<BlockId> {
        self.not_whole(self.all_stores().flat_map(|store| store.damaged()).collect())
    }

    /// Those that [`Disks::reported`] has not been told about, and blocks that a disk which is well does not give. Does not
    /// block.
    pub fn damaged_unreported(&self) -> Vec<BlockId> {
        let mut ids = self.not_whole(self.all_stores().flat_map(|store| store.damaged_unreported()).collect());
        ids.extend(self.well().flat_map(|(_, folder)| folder.store.unreadable_unreported()));
        ids
    }

    fn not_whole(&self, ids: BTreeSet<BlockId>) -> Vec<BlockId> {
        ids.into_iter().filter(|&id| self.holder(id).is_none()).collect()
    }

    /// The metaserver knows about these damaged blocks. Does not block.
    pub fn reported(&self, ids: &[BlockId]) {
        self.all_stores().for_each(|store| store.reported(ids));
    }

    /// The disks that have failed, by index. Does not block.
    pub fn failed_indexes(&self) -> Vec<usize> {
        (0..self.folders.len()).filter(|&at| self.folders[at].store.failure().is_some()).collect()
    }

    /// Blocks that a failed disk had and no other one has: those of its next `limit` in ascending order, after `after`,
    /// and the last one that was looked at. Does not block.
    pub fn lost(&self, at: usize, after: Option<BlockId>, limit: usize) -> (Vec<BlockId>, Option<BlockId>) {
        let page = self.folders[at].store.inventory(after, limit);
        let last = page.last().copied();
        (page.into_iter().filter(|&id| self.holder(id).is_none()).collect(), last)
    }
}
