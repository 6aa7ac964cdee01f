//! Blocks on a disk: written once, verified at each read, never changed.
//!
//! [`BlockStore`] is the whole of it. Large blocks are a file each ([`block_file`]), small ones are records of segments
//! ([`segment`]); [`index`] knows where each one lies. All disk access goes through [`weir_service::disk`].
//!
//! Invariants: a write is acknowledged after its bytes and its name are on disk; bytes leave only after their checksum
//! was compared; a block's id is in its header, so a misdirected write is damage; damage is set aside, never served,
//! never deleted but by order; what the disk fails to read stays where it is.

mod block_file;
mod cache;
mod checksum;
mod delete;
mod error;
mod fatal;
mod folder_sync;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod index;
mod layout;
mod locate;
mod open;
mod options;
mod pending;
mod quarantine;
mod read;
mod scrub;
mod segment;
#[cfg(test)]
mod tests;
mod tickets;
mod timings;
mod unreadable;
mod usage;
mod write;

pub(crate) use checksum::Checksummer;
pub use checksum::crc32c;
pub use error::StoreError;
pub use options::StoreOptions;
pub use quarantine::damaged_place;
pub use scrub::ScrubReport;
pub use segment::compact::Compaction;
pub use usage::{CounterValues, Usage};
pub use write::{BlockWriter, Closed, MAX_BLOCK_BYTES, SmallBlock};

use block_file::OpenBlockFile;
use cache::Cache;
use fatal::Fatal;
use folder_sync::FolderSync;
use index::Index;
use layout::Layout;
use parking_lot::Mutex;
use pending::Waiting;
use prometheus_client::registry::Registry;
use quarantine::Quarantine;
use segment::Segments;
use segment::appender::Appender;
use segment::compact::OpenLength;
use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tickets::{Tickets, WriteTicket};
use timings::{Timings, timed};
use tokio::sync::{Semaphore, watch};
use unreadable::Unreadable;
use usage::Counters;
use weir_proto::BlockId;
use weir_service::disk::Disk;

/// The blocks of one data folder. Its calls block the thread, but for those that say otherwise.
pub struct BlockStore {
    // Dropped before `shared`: it ends the thread that holds the other reference.
    appender: Appender,
    shared: Arc<Shared>,
    append_queue: Arc<Semaphore>,
    /// Held while it compacts; the open segment as the last time found it.
    compacting: tokio::sync::Mutex<Option<OpenLength>>,
    /// Compaction gives way to the end of the process.
    closing: AtomicBool,
}

/// What the stores of one worker have together: a block is written by one of them at a time, and memory and time are
/// counted over all. Cheap to clone: the same.
#[derive(Clone, Default)]
pub struct Common {
    tickets: Tickets,
    waiting: Waiting,
    timings: Timings,
}

impl Common {
    /// What the stores measure, for Prometheus, as `weir_worker_…`.
    pub fn register_metrics(&self, registry: &mut Registry) {
        self.timings.register(registry);
    }
}

/// What readers, writers and the appender share.
pub(crate) struct Shared {
    pub disk: Arc<dyn Disk>,
    pub layout: Layout,
    pub options: StoreOptions,
    pub index: Index,
    pub segments: Segments,
    pub files: Cache<u64, Arc<OpenBlockFile>>,
    pub folders: FolderSync,
    pub quarantine: Quarantine,
    pub unreadable: Unreadable,
    pub tickets: Tickets,
    pub fatal: Fatal,
    pub counters: Counters,
    pub timings: Timings,
    pub waiting: Waiting,
    /// Folders of block files that exist durably.
    shards: Mutex<HashSet<PathBuf>>,
}

impl BlockStore {
    /// Up to `limit` ids in ascending order, after `after`; None: from the beginning. Does not block.
    pub fn inventory(&self, after: Option<BlockId>, limit: usize) -> Vec<BlockId> {
        self.shared.index.page(after, limit).into_iter().map(|(id, _)| id).collect()
    }

    /// Becomes `Some(reason)` when the store takes no more writes, until the process starts again.
    pub fn failed(&self) -> watch::Receiver<Option<Arc<str>>> {
        self.shared.fatal.watch()
    }

    /// Why the store takes no more writes; None while it does. Does not block.
    pub fn failure(&self) -> Option<Arc<str>> {
        self.shared.fatal.reason()
    }

    /// Takes no more writes, because of what became known about the disk. The first reason stays.
    pub fn fail(&self, cause: &StoreError) {
        self.shared.fatal.set(cause);
    }

    /// Damaged blocks that [`BlockStore::reported`] has not been told about.
    pub fn damaged_unreported(&self) -> Vec<BlockId> {
        self.shared.quarantine.unreported()
    }

    /// Blocks that are here, that the disk did not give when they were read last, and that [`BlockStore::reported`] has
    /// not been told about.
    pub fn unreadable_unreported(&self) -> Vec<BlockId> {
        self.shared.unreadable.unreported()
    }

    /// Another copy of a block has come: if this one can't be read, it is set aside. Blocks the thread.
    pub fn make_way(&self, id: BlockId) {
        self.shared.make_way(id);
    }

    /// All damaged blocks that are set aside. Does not block.
    pub fn damaged(&self) -> Vec<BlockId> {
        self.shared.quarantine.all()
    }

    /// A block was written anew after it was damaged: what was set aside goes. Blocks the thread.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn forget_damage(&self, id: BlockId) -> Result<(), StoreError> {
        self.shared.forget_replaced(id)
    }

    /// Whether the block was found damaged here and set aside. Does not block.
    pub fn holds_damage(&self, id: BlockId) -> bool {
        self.shared.quarantine.holds(id)
    }

    /// A block is whole in another store: what was set aside of it here goes. Blocks the thread.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn drop_damage(&self, id: BlockId) -> Result<(), StoreError> {
        match self.shared.tickets.take_if(id, || true) {
            Some(_ticket) => self.shared.clear_quarantine(id),
            None => Ok(()),
        }
    }

    /// The metaserver knows about these damaged blocks.
    pub fn reported(&self, ids: &[BlockId]) {
        self.shared.quarantine.reported(ids);
        self.shared.unreadable.reported(ids);
    }
}

impl Shared {
    /// Makes the names in a folder durable. A failure ends writing.
    pub fn sync_folder(&self, path: &Path) -> Result<(), StoreError> {
        let describe = StoreError::io("sync", path);
        timed(&self.timings.folder_syncs, || self.folders.sync(path)).1.map_err(|error| {
            let exhausted = error::is_exhausted(&error);
            let error = describe(error);
            if exhausted { error } else { self.fatal.set(&error) }
        })
    }

    /// Makes the folder of a block's file, durably, if it is not there.
    pub fn ensure_shard(&self, id: BlockId) -> Result<(), StoreError> {
        let path = self.layout.shard(id);
        let mut shards = self.shards.lock();
        if !shards.contains(&path) {
            // Unmounted since: nothing is made in what lies under the mount point.
            if !self.disk.exists(&self.layout.files).map_err(StoreError::io("find", &self.layout.files))? {
                return Err(StoreError::io("find", &self.layout.files)(io::ErrorKind::NotFound.into()));
            }
            self.disk.create_dir_all(&path).map_err(StoreError::io("create", &path))?;
            shards.insert(path);
        }
        Ok(())
    }
}
