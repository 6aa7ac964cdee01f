//! The highest epoch of a metaserver that this worker has heard of: kept on disk before an order under it is obeyed, so
//! that one with a lower epoch is refused for good.

use crate::disks::Disks;
use crate::disks::identity::Identity;
use crate::error::off_thread;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tonic::Status;
use weir_service::epoch::SeenEpoch;

/// Cheap to clone: the same one.
#[derive(Clone)]
pub struct KeptEpoch {
    seen: SeenEpoch,
    /// What is on disk.
    kept: Arc<AtomicU64>,
    disks: Arc<Disks>,
}

impl KeptEpoch {
    pub fn new(seen: SeenEpoch, disks: Arc<Disks>) -> Self {
        Self { seen, kept: Arc::default(), disks }
    }

    /// What calls to the metaserver tell and hear.
    pub fn seen(&self) -> &SeenEpoch {
        &self.seen
    }

    /// What is on disk is known.
    pub fn loaded(&self, epoch: u64) {
        self.kept.store(epoch, Ordering::Release);
        self.seen.note(epoch);
    }

    /// Makes what was heard durable, in the identity.
    pub async fn keep(&self, identity: &Identity) -> Result<(), Status> {
        let epoch = self.seen.get();
        if epoch <= self.kept.load(Ordering::Acquire) {
            return Ok(());
        }
        let (disks, identity) = (self.disks.clone(), Identity { epoch, ..identity.clone() });
        let saved = off_thread(move || disks.save_identity(&identity)).await.and_then(|saved| saved);
        saved.map_err(|error| Status::internal(error.to_string()))?;
        self.kept.store(epoch, Ordering::Release);
        Ok(())
    }
}
