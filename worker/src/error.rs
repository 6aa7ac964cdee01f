//! What can go wrong with a worker, and how it crosses gRPC.

use crate::store::StoreError;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::task::JoinHandle;
use weir_proto::v1::Reason;
use weir_proto::{BlockId, Failure};
use weir_service::threads;

/// Why a worker could not open or go on.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the identity in {} is damaged: {fault}", path.display())]
    Identity { path: PathBuf, fault: &'static str },
    /// Nothing was changed.
    #[error(
        "{} was written by a newer build: its format is {found}, this build knows them up to {known}. Start a newer build",
        path.display()
    )]
    Newer { path: PathBuf, found: u64, known: u64 },
    #[error(
        "disk {id} of this worker, last in {folder}, is missing, and there is {found}. Is it mounted? If it is gone for \
         good, set worker.forget_disks to {id}"
    )]
    MissingDisk { id: String, folder: String, found: String },
    #[error("{} belongs to {theirs}, but {} to {ours}", path.display(), first.display())]
    OtherWorker { path: PathBuf, theirs: String, first: PathBuf, ours: String },
    #[error("{} and {} are the same disk {id}, or one is a copy of the other", first.display(), path.display())]
    SameDisk { id: String, path: PathBuf, first: PathBuf },
    #[error("the metaserver refused this worker: {0}")]
    WrongCluster(Arc<str>),
    #[error("the process is ending")]
    Stopped,
}

/// Runs something that blocks on a thread for that.
pub(crate) async fn off_thread<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> Result<T, WorkerError> {
    off(threads::spawn_blocking(act)).await
}

/// Runs something that blocks, and waits for what other threads do, on a thread for that.
pub(crate) async fn off_thread_waiting<T: Send + 'static>(
    act: impl Future<Output = T> + Send + 'static,
) -> Result<T, WorkerError> {
    off(threads::spawn_waiting(act)).await
}

async fn off<T>(task: JoinHandle<T>) -> Result<T, WorkerError> {
    match task.await {
        Ok(value) => Ok(value),
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(WorkerError::Stopped),
    }
}

/// The answer to a gateway about a block.
pub(crate) fn failure(id: BlockId, error: &WorkerError) -> Failure {
    let reason = match error {
        WorkerError::Store(error) => match error {
            StoreError::NoSuchBlock(_) => Reason::NoSuchBlock,
            StoreError::Exists(_) | StoreError::Length { .. } | StoreError::Setting { .. } => Reason::InvalidRequest,
            StoreError::Busy(_) => Reason::Unavailable,
            StoreError::Range { .. } => Reason::InvalidRange,
            StoreError::Damaged { .. } | StoreError::Unreadable { .. } => Reason::Damaged,
            StoreError::NoSpace { .. } => Reason::NoSpace,
            StoreError::TooLarge { .. } => Reason::TooLarge,
            StoreError::Checksum { .. } => Reason::ChecksumMismatch,
            StoreError::Failed(_) | StoreError::Io { .. } | StoreError::Newer { .. } => Reason::StoreFailed,
        },
        WorkerError::Stopped => Reason::Unavailable,
        WorkerError::Identity { .. }
        | WorkerError::Newer { .. }
        | WorkerError::MissingDisk { .. }
        | WorkerError::OtherWorker { .. }
        | WorkerError::SameDisk { .. }
        | WorkerError::WrongCluster(_) => Reason::StoreFailed,
    };
    Failure::new(reason, format!("block {id}"), error.to_string())
}
