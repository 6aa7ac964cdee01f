//! The store under the namespace: ordered byte keys, atomic durable batches.
//!
//! Nothing above [`Store`] knows which engine runs. Every engine passes the same conformance suite.
//! [`memory::MemoryStore`] is the reference model, and what tests and simulation run on.

#[cfg(test)]
pub(crate) mod conformance;
pub mod embedded;
pub mod memory;
mod rules;

use async_trait::async_trait;
use bytes::Bytes;
use prometheus_client::registry::Registry;
use std::path::{Path, PathBuf};

/// The longest key, in bytes: an escaped object key of 1,024 bytes with its prefix fits.
pub const MAX_STORE_KEY_BYTES: usize = 4 << 10;

/// The longest value, in bytes. The index writes longer ones to files that it never syncs.
pub const MAX_VALUE_BYTES: usize = 16_000;

/// All keys and values of one batch, in bytes.
pub const MAX_BATCH_BYTES: usize = 32 << 20;

/// The position of a commit in the order of all commits. Rises by at least one with each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(pub u64);

/// A condition on the store as it is when the batch is applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Guard {
    /// The key has exactly this value.
    Equals { key: Bytes, value: Bytes },
    /// The key has no value.
    Absent { key: Bytes },
}

/// One change. Writes of a batch apply in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    Put {
        key: Bytes,
        value: Bytes,
    },
    Delete {
        key: Bytes,
    },
    /// Adds to a counter: a value of eight bytes, little endian, signed; absent counts as 0. Additions do not conflict
    /// with each other. A counter that becomes 0 stays.
    Add {
        key: Bytes,
        amount: i64,
    },
}

/// Guards and writes that hold and happen together, or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    pub guards: Vec<Guard>,
    pub writes: Vec<Write>,
    /// Taken although the disk is nearly full: deletes and reclaim, which give space back. Any other batch that has a
    /// [`Write::Put`] is then refused with [`StoreError::Full`].
    pub urgent: bool,
}

/// A range scan over `start <= key < end`; no `end`: to the last key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan {
    pub start: Bytes,
    pub end: Option<Bytes>,
    pub limit: usize,
    /// From the end of the range downwards.
    pub reverse: bool,
}

/// Why a store could not read or write.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("{operation} {path}: {source}")]
    Io { operation: &'static str, path: String, source: std::io::Error },
    #[error("{what} is damaged: {detail}")]
    Damaged { what: String, detail: String },
    /// Nothing was changed.
    #[error(
        "{what} was written by a newer build: its format is {found}, this build knows them up to {known}. Start a newer build"
    )]
    Newer { what: String, found: u64, known: u64 },
    #[error("the store takes only deletes until there is more space on its disk")]
    Full,
    #[error("the store has stopped: {reason}")]
    Stopped { reason: String },
    #[error("too many commits are waiting")]
    Busy,
    #[error("this store does not do {operation}")]
    Unsupported { operation: &'static str },
    #[error("{what} has {bytes} bytes; {allowed} are allowed")]
    TooLarge { what: &'static str, bytes: usize, allowed: usize },
    #[error("{path} is not empty; a backup is restored into an empty folder")]
    NotEmpty { path: String },
    /// Nothing was changed.
    #[error("commits need a standby that is in sync (metaserver.standby is required), and there is none: try again")]
    StandbyAway,
    /// This store follows another one, which takes the commits.
    #[error("the store in {data} is a standby of {address}: promote it, or start it with --follow")]
    Following { data: String, address: String },
    #[error(
        "the metaserver of {data} was replaced: another one serves under epoch {epoch}. Start this one with --follow \
         ADDRESS to make it a standby of that one"
    )]
    Replaced { data: String, epoch: u64 },
    /// What came from another store is not taken; nothing was changed.
    #[error("{detail}")]
    Refused { detail: String },
    #[error("the counter {key} holds {bytes} bytes, not 8")]
    NotACounter { key: String, bytes: usize },
}

/// A backup that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    pub path: PathBuf,
    pub entry_count: u64,
    pub sequence: Sequence,
}

/// Why a batch was not committed.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// The guard at this index no longer held; nothing was changed.
    #[error("guard {index} does not hold")]
    GuardFailed { index: usize },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An ordered, durable key-value store.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// The values of some keys, in their order, as of one moment.
    async fn get_many(&self, keys: &[Bytes]) -> Result<Vec<Option<Bytes>>, StoreError>;

    async fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        let mut values = self.get_many(&[Bytes::copy_from_slice(key)]).await?;
        Ok(values.pop().flatten())
    }

    /// At most `limit` entries, as of one moment.
    async fn scan(&self, scan: Scan) -> Result<Vec<(Bytes, Bytes)>, StoreError>;

    /// Applies the batch if its guards hold. It is durable, and every later read sees it, when this returns.
    ///
    /// # Errors
    /// [`CommitError::GuardFailed`]: nothing was changed. [`StoreError::Stopped`] or [`StoreError::Io`]: it may or
    /// may not have been committed, and the store takes no more.
    async fn commit(&self, batch: Batch) -> Result<Sequence, CommitError>;

    /// Numbers for operators, by name.
    fn gauges(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }

    /// What it measures besides, for Prometheus, as `weir_metaserver_…`.
    fn register_metrics(&self, _registry: &mut Registry) {}

    /// Writes all there is as of one moment into a new file in `directory`.
    ///
    /// # Errors
    /// [`StoreError::Unsupported`]: the engine has backups of its own.
    async fn backup(&self, _directory: &Path) -> Result<Backup, StoreError> {
        Err(StoreError::Unsupported { operation: "a backup" })
    }

    /// The store was restored from a backup and nobody has called [`Store::confirm_restore`] since. Until then nothing
    /// may be deleted from the workers: they may hold what the backup does not know yet.
    fn awaits_confirmation(&self) -> bool {
        false
    }

    /// The epoch that whoever serves from this store has at least: it was promoted to that.
    fn epoch_min(&self) -> u64 {
        1
    }

    /// From now on commits are for clients, and what was chosen for the standby holds for them.
    ///
    /// # Errors
    /// It can't be noted that a standby is done without.
    fn begin_serving(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Durable when it returns.
    async fn confirm_restore(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
