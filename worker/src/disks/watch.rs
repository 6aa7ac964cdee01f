//! Looking now and then whether each folder still is the disk that it was: one that was unmounted takes no writes into
//! what lies under its mount point.

use super::Disks;
use super::label::Label;
use crate::error::{WorkerError, off_thread};
use crate::store::StoreError;
use std::io;
use std::sync::Arc;
use std::time::Duration;

const INTERVAL: Duration = Duration::from_secs(1);

/// Watches several disks, for ever; a single one has no other to go on with.
pub async fn watch(disks: Arc<Disks>) {
    if disks.folders.len() < 2 {
        return std::future::pending().await;
    }
    loop {
        tokio::time::sleep(INTERVAL).await;
        let looked_at = disks.clone();
        if off_thread(move || looked_at.look()).await.is_err() {
            return;
        }
    }
}

impl Disks {
    /// Looks at every disk that is well. Blocks the thread.
    pub(super) fn look(&self) {
        for (at, _) in self.well() {
            if let Err(error) = self.look_at(at).and_then(|()| self.usage_of(at)) {
                self.note(at, &error);
            }
        }
    }

    fn look_at(&self, at: usize) -> Result<(), StoreError> {
        let folder = &self.folders[at];
        let gone = || StoreError::io("find the disk of", &folder.path)(io::ErrorKind::NotFound.into());
        match Label::load(&*self.disk, &folder.path) {
            Ok(Some(label)) if label.id == folder.id => Ok(()),
            Ok(_) | Err(WorkerError::Identity { .. }) => Err(gone()),
            Err(WorkerError::Store(error)) => Err(error),
            Err(_) => Ok(()),
        }
    }
}
