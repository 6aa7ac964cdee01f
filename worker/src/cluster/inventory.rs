//! Telling the metaserver every block that lies here, in ascending batches. From it come to light blocks that were
//! written and never committed.

use super::Membership;
use crate::disks::Disks;
use futures::stream::{self, Stream, StreamExt as _};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use weir_proto::v1::InventoryBatch;
use weir_proto::{BlockId, Failure, WorkerId};
use weir_service::shutdown::Shutdown;

const BATCH_COUNT: usize = 10_000;

impl Membership {
    /// Sends a whole inventory, beside the heartbeats; one at a time.
    pub fn send_inventory(&self, worker: WorkerId, shutdown: &Shutdown) {
        if self.inventory_under_way.swap(true, Ordering::AcqRel) {
            return;
        }
        let (mut client, under_way) = (self.client.clone(), self.inventory_under_way.clone());
        let (batches, stop) = (batches(self.disks.clone(), worker, self.incarnation), shutdown.clone());
        shutdown.spawn(async move {
            tokio::select! {
                () = stop.begun() => {}
                result = client.report_inventory(batches) => match result {
                    Ok(answer) => {
                        tracing::debug!(condemned = answer.get_ref().condemned_count, "inventory sent");
                    }
                    Err(status) => {
                        tracing::warn!(failure = %Failure::from_status(&status), "the inventory could not be sent");
                    }
                }
            }
            under_way.store(false, Ordering::Release);
        });
    }
}

/// The blocks, then those that are damaged; at least one batch, so that an empty worker says that it is empty.
fn batches(
    disks: Arc<Disks>,
    worker: WorkerId,
    incarnation: u64,
) -> impl Stream<Item = InventoryBatch> + Send + 'static {
    let numbers = |ids: &[BlockId]| ids.iter().map(|id| id.0).collect();
    let batch = move |ids: Vec<BlockId>| InventoryBatch {
        worker_id: worker.0,
        incarnation,
        block_ids: numbers(&ids),
        ..Default::default()
    };
    let damaged = disks.damaged();
    let whole = stream::unfold((disks, None, true), move |(disks, after, first)| async move {
        let ids = disks.inventory(after, BATCH_COUNT);
        let last = ids.last().copied();
        (first || last.is_some()).then(|| (batch(ids), (disks, last.or(after), false)))
    });
    let damaged: Vec<InventoryBatch> = damaged
        .chunks(BATCH_COUNT)
        .map(|ids| InventoryBatch {
            worker_id: worker.0,
            incarnation,
            damaged_block_ids: numbers(ids),
            ..Default::default()
        })
        .collect();
    whole.chain(stream::iter(damaged))
}
