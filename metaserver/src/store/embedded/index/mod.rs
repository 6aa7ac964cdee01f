//! The index: what readers see. It is applied from the journal, and is the only copy of nothing.
//!
//! There are two: [`sled`] with files of its own, and, for simulations, a map in [`memory`] that every start builds anew
//! from checkpoint and journal, as after a power cut.

#[cfg(any(test, feature = "simulation"))]
mod memory;
mod sled;
pub(super) mod values;

use super::changes::Change;
use super::io_error;
use super::state::Identity;
use crate::store::{Guard, Scan, StoreError};
use bytes::Bytes;
use sled::SledIndex;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use weir_service::disk::Disk;

/// Entries are checked so many bytes at a time.
const CHECK_BYTES: usize = 1 << 20;

/// What the journal says, by key.
///
/// # Errors
/// [`StoreError::Damaged`] of each call: it can't be believed any more.
pub(super) trait Index: Send + Sync {
    /// The last commit that was applied; 0: none.
    fn applied(&self) -> Result<u64, StoreError>;

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError>;

    fn contains(&self, key: &[u8]) -> Result<bool, StoreError>;

    fn scan(&self, scan: &Scan) -> Result<Vec<(Bytes, Bytes)>, StoreError>;

    /// Visits the entries after a key, in order, up to about `bytes` bytes. Returns the last key; `None`: it was the
    /// end.
    fn visit_after(
        &self,
        after: Option<&[u8]>,
        bytes: usize,
        visit: &mut dyn FnMut(Change<'_>),
    ) -> Result<Option<Bytes>, StoreError>;

    /// Applies changes, then notes the sequence. Not atomic and not durable: what is missing after a stop is applied
    /// again from the journal. The note is never ahead of the changes.
    fn apply<'a>(
        &self,
        changes: &mut dyn Iterator<Item = Result<Change<'a>, StoreError>>,
        applied: u64,
    ) -> Result<(), StoreError>;

    /// Does a little of what gives space back, if there is much to give. Like [`Index::apply`], it must not run while
    /// others read.
    fn collect_garbage(&self) -> Result<(), StoreError>;

    /// What it takes.
    fn size_bytes(&self) -> u64;

    /// Makes it durable where it can be.
    fn close(self: Box<Self>) -> Result<(), StoreError>;

    fn holds(&self, guard: &Guard) -> Result<bool, StoreError> {
        Ok(match guard {
            Guard::Equals { key, value } => self.get(key)?.is_some_and(|found| found == value),
            Guard::Absent { key } => !self.contains(key)?,
        })
    }

    /// Reads all entries, or as many as it can in the time: what is read is checked.
    fn check(&self, at_most: Duration) -> Result<(), StoreError> {
        let (started, mut after) = (std::time::Instant::now(), None::<Bytes>);
        while started.elapsed() < at_most {
            after = self.visit_after(after.as_deref(), CHECK_BYTES, &mut |_| ())?;
            if after.is_none() {
                break;
            }
        }
        Ok(())
    }
}

/// Which index a store has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexKind {
    /// With so much memory for what was read.
    Sled { cache_bytes: u64 },
    /// In memory alone.
    #[cfg(any(test, feature = "simulation"))]
    Memory,
}

/// Where the index of a store lies.
pub(super) struct IndexFolder {
    pub path: PathBuf,
    pub kind: IndexKind,
}

impl IndexFolder {
    /// Whether there is one that may be trusted.
    pub fn is_there(&self) -> bool {
        match self.kind {
            IndexKind::Sled { .. } => self.path.is_dir(),
            #[cfg(any(test, feature = "simulation"))]
            IndexKind::Memory => false,
        }
    }

    /// What stays the same as long as its files are what was written. `None`: nothing tells.
    pub fn identity(&self) -> Option<Identity> {
        self.is_there().then(|| Identity::of(&self.path)).flatten()
    }

    /// Opens the one that is there.
    pub fn open(&self) -> Result<Box<dyn Index>, StoreError> {
        self.open_at(&self.path)
    }

    /// Begins a new one beside it.
    pub fn begin(&self) -> Result<Box<dyn Index>, StoreError> {
        let path = self.new_path();
        self.remove_at(&path)?;
        self.open_at(&path)
    }

    /// Makes the new one the one that is there, and opens it.
    pub fn put_in_place(&self, index: Box<dyn Index>, disk: &dyn Disk) -> Result<Box<dyn Index>, StoreError> {
        match self.kind {
            IndexKind::Sled { .. } => {
                index.close()?;
                self.remove()?;
                fs::rename(self.new_path(), &self.path).map_err(io_error("rename", &self.path))?;
                let data = self.path.parent().unwrap_or(&self.path);
                disk.sync_dir(data).map_err(io_error("sync", data))?;
                self.open()
            }
            #[cfg(any(test, feature = "simulation"))]
            IndexKind::Memory => Ok(index),
        }
    }

    /// Removes the one that is there.
    pub fn remove(&self) -> Result<(), StoreError> {
        self.remove_at(&self.path)
    }

    fn new_path(&self) -> PathBuf {
        self.path.with_extension("new")
    }

    fn open_at(&self, path: &Path) -> Result<Box<dyn Index>, StoreError> {
        match self.kind {
            IndexKind::Sled { cache_bytes } => Ok(Box::new(SledIndex::open(path, cache_bytes)?)),
            #[cfg(any(test, feature = "simulation"))]
            IndexKind::Memory => Ok(Box::new(memory::MemoryIndex::default())),
        }
    }

    fn remove_at(&self, path: &Path) -> Result<(), StoreError> {
        match self.kind {
            IndexKind::Sled { .. } => match fs::remove_dir_all(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error("remove", path)(error)),
                _ => Ok(()),
            },
            #[cfg(any(test, feature = "simulation"))]
            IndexKind::Memory => Ok(()),
        }
    }
}
