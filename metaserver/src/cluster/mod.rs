//! The machines around the namespace: workers, what they hold, and what they are ordered to copy and to delete; and the
//! work that goes on in the background.

pub mod background;
mod duty;
pub mod expiry;
mod following;
mod heartbeat;
pub mod inventory;
mod members;
#[cfg(test)]
mod model;
mod plan;
mod rebalance;
pub mod reclaim;
mod redundancy;
mod registration;
mod repair;
mod sweep;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod told;
pub mod workers;

use crate::error::Error;
use crate::namespace::Namespace;
use rebalance::Rebalance;
use repair::Repair;
use std::sync::Arc;
use sweep::Sweep;
use tokio::sync::{Mutex, Semaphore};
use weir_proto::v1::{BlockHolder, GetBlockInfoResponse, Redundancy};
use weir_service::pace::Pace;
use workers::Workers;

/// What the metaserver knows and does beside the namespace itself.
pub struct Cluster {
    pub(crate) namespace: Arc<Namespace>,
    pub(crate) workers: Workers,
    /// One reclaimer at a time, and what it waits for.
    reclaim: Mutex<reclaim::Round>,
    repair: Repair,
    sweep: Sweep,
    rebalance: Rebalance,
    /// A place for each worker whose inventory is being compared.
    pub(crate) inventories: Semaphore,
    /// Of the blocks in them.
    inventory_pace: Pace,
    started_ms: i64,
}

impl Cluster {
    /// Starts with the workers that have registered before, none of them live yet.
    pub async fn open(namespace: Arc<Namespace>) -> Result<Self, Error> {
        let workers = Workers::load(&namespace).await?;
        let started_ms = namespace.clock.now_ms();
        let repair = Repair::new(namespace.clock.random_u64());
        let inventory_pace = Pace::new(namespace.settings.inventory_blocks_per_second);
        Ok(Self {
            namespace,
            workers,
            reclaim: Mutex::default(),
            repair,
            sweep: Sweep::default(),
            rebalance: Rebalance::default(),
            inventories: Semaphore::new(inventory::MAX_AT_ONCE),
            inventory_pace,
            started_ms,
        })
    }

    /// How many copies the blocks have, and what is being done about it.
    pub fn redundancy(&self) -> Redundancy {
        let (queued, ordered) = self.repair.counts();
        let (queued_block_count, ordered_block_count) = (queued as u64, ordered as u64);
        Redundancy { queued_block_count, ordered_block_count, ..self.sweep.redundancy() }
    }

    pub fn started_ms(&self) -> i64 {
        self.started_ms
    }

    /// Lets reclaim delete again after a restore: an operator says that the store is the one to go on with.
    pub async fn confirm_restore(&self) -> Result<(), Error> {
        if self.namespace.awaits_confirmation() {
            self.namespace.store.confirm_restore().await?;
            tracing::info!("an operator confirmed the restored store");
            self.workers.want_inventories();
        }
        Ok(())
    }

    /// What operators want to know of a block. Whoever holds it by an upload that was completed holds it as an object.
    ///
    /// # Errors
    /// [`Error::NoSuchBlock`].
    pub async fn block_info(&self, block_id: u64) -> Result<GetBlockInfoResponse, Error> {
        let record = self.namespace.block(block_id).await?;
        let mut holders = Vec::with_capacity(record.references.len());
        for reference in record.references {
            let upload_id = match self.namespace.is_open(&reference).await? {
                true => reference.upload_id,
                false => 0,
            };
            holders.push(BlockHolder { bucket: reference.bucket, key: reference.key, upload_id });
        }
        Ok(GetBlockInfoResponse {
            block_id,
            length_bytes: record.length_bytes,
            crc32c: record.crc32c,
            workers: self.workers.by_ids(&self.namespace, &record.worker_ids),
            holders,
            condemned: record.condemned,
            coded: record.coded.map(|coded| coded.place(&record.worker_ids)),
        })
    }
}
