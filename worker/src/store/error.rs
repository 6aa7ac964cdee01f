//! What can go wrong with a block, on which block or file, and why.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use weir_proto::BlockId;

/// Why the store refused or failed. Cheap to clone: one failed fdatasync fails many writers.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    #[error("there is no block {0} here")]
    NoSuchBlock(BlockId),
    #[error("block {0} exists with other bytes")]
    Exists(BlockId),
    #[error("block {0} is being written already")]
    Busy(BlockId),
    #[error("block {id} has {length_bytes} bytes; {offset_bytes} and {wanted_bytes} more are not in it")]
    Range { id: BlockId, length_bytes: u64, offset_bytes: u64, wanted_bytes: u64 },
    #[error("block {id} is damaged: {fault}")]
    Damaged { id: BlockId, fault: String },
    /// It is there still, and may be read again.
    #[error("block {id} can't be read: {fault}")]
    Unreadable { id: BlockId, fault: String },
    #[error("{available_bytes} bytes are free, {reserve_bytes} of them reserved")]
    NoSpace { available_bytes: u64, reserve_bytes: u64 },
    #[error("block {id} is longer than {max_bytes} bytes")]
    TooLarge { id: BlockId, max_bytes: u64 },
    #[error("block {id} was announced with {announced_bytes} bytes, {received_bytes} came")]
    Length { id: BlockId, announced_bytes: u64, received_bytes: u64 },
    #[error("block {id} was announced with CRC32C {announced:08x}, what came has {received:08x}")]
    Checksum { id: BlockId, announced: u32, received: u32 },
    /// Nothing is written any more until the process has been started again.
    #[error("the store has stopped taking writes: {0}")]
    Failed(Arc<str>),
    #[error("{action} {}: {source}", path.display())]
    Io { action: &'static str, path: PathBuf, source: Arc<io::Error> },
    #[error(
        "{} was written by a newer build: its format is {found}, this build knows them up to {known}. Start a newer build",
        path.display()
    )]
    Newer { path: PathBuf, found: u64, known: u64 },
    #[error("the setting {name} is {value}; it must be {rule}")]
    Setting { name: &'static str, value: u64, rule: &'static str },
}

impl StoreError {
    /// For `map_err`: what was done to which file.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source: Arc::new(source) }
    }
}

/// ENOSPC or EDQUOT.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Whether a failed read tells of the medium: bytes that it can't give, or that are not there at all.
pub(crate) fn is_damage(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::UnexpectedEof || is_unreadable(error)
}

/// EIO: the disk does not give bytes. The next time it may.
pub(crate) fn is_unreadable(error: &io::Error) -> bool {
    const EIO: i32 = 5;
    error.raw_os_error() == Some(EIO)
}

/// Out of descriptors or memory (ENFILE, EMFILE, ENOMEM): says nothing about the disk.
pub(crate) fn is_exhausted(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(23 | 24)) || error.kind() == io::ErrorKind::OutOfMemory
}
