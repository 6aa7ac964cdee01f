//! As many copies of each block as are wanted, before anything refers to it: which workers it goes to, and what is done
//! about those that fail.

use super::Inner;
use super::leases::BlockLease;
use crate::blocks::{
    Copies, ExtentReader, FailedReplica, Mendable, Need, Patience, Permit, WrittenBlock, choose, ids, shortage,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::sleep;
use weir_proto::Failure;
use weir_proto::v1::{self, Reason};
use weir_service::planted::{Fault, planted};

/// How often other workers are looked for in place of those that failed, for one block at one time.
pub(super) const ROUNDS_MAX: usize = 3;
/// When too few workers are live: waits between looks at whether there are more now.
const PLACE_PAUSES: [Duration; 3] = [Duration::from_millis(10), Duration::from_millis(100), Duration::from_millis(500)];

/// What became of a block that a worker failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mended {
    /// More of it can be written.
    GoesOn,
    /// Its beginning is not kept any more, and other workers are there: it ends here, and the next one begins on them.
    IsCut,
}

impl Inner {
    /// Waits until so many bytes may be on their way. Never called while holding a permit that others wait for.
    pub async fn permit(&self, bytes: usize) -> Result<Permit, Failure> {
        match self.buffer.clone().acquire_many_owned(self.permit_count(bytes)).await {
            Ok(permit) => Ok(Arc::new(permit)),
            Err(_) => Err(Failure::new(Reason::Unavailable, "", "this gateway is shutting down")),
        }
    }

    /// The same without waiting.
    pub fn try_permit(&self, bytes: usize) -> Option<Permit> {
        self.buffer.clone().try_acquire_many_owned(self.permit_count(bytes)).ok().map(Arc::new)
    }

    fn permit_count(&self, bytes: usize) -> u32 {
        let max = usize::try_from(self.options.buffer_max_bytes).unwrap_or(usize::MAX).clamp(1, Semaphore::MAX_PERMITS);
        u32::try_from(bytes.min(max)).unwrap_or(u32::MAX)
    }

    /// With a worker that another one can take over from.
    pub fn patience(&self) -> Patience {
        Patience::short(self.options.worker_silence)
    }

    pub fn choose(&self, need: &Need<'_>) -> Vec<v1::Worker> {
        self.choose_of(&self.session.workers().all, need)
    }

    fn choose_of(&self, workers: &[v1::Worker], need: &Need<'_>) -> Vec<v1::Worker> {
        choose(workers, need, &self.health, self.clock.as_ref())
    }

    /// The workers for a new block. When there are too few, asks the metaserver whether there are more by now.
    ///
    /// # Errors
    /// `TOO_FEW_WORKERS`: fewer than `need.min` are live; `NO_SPACE`: they are, and full.
    pub async fn place(&self, need: &Need<'_>) -> Result<Vec<v1::Worker>, Failure> {
        let mut pauses = PLACE_PAUSES.into_iter();
        loop {
            // What is said of them is said of those that were chosen from: others may be live a moment later.
            let workers = self.session.workers().all;
            let placed = self.choose_of(&workers, need);
            if placed.len() >= need.min {
                return Ok(placed);
            }
            let Some(pause) = pauses.next() else { return Err(shortage(&workers, need)) };
            sleep(pause).await;
            self.session.refresh().await;
        }
    }

    /// Lets others take over from the workers that have failed a block in its middle. With fewer than `needed` that have
    /// taken all so far nothing can be made of it.
    ///
    /// # Errors
    /// What the last worker said, when fewer than that are left and no others can begin anew.
    pub async fn mend(
        &self,
        writer: &mut impl Mendable,
        lease: &BlockLease,
        copies: Copies,
        needed: usize,
    ) -> Result<Mended, Failure> {
        let mut noted = 0;
        for _ in 0..ROUNDS_MAX {
            self.note_failed(writer.block_id(), &writer.failed()[noted..]);
            noted = writer.failed().len();
            let (holders, excluded) = (writer.holder_ids(), failed_ids(writer.failed()));
            let workers = self.choose(&copies.lacking(&holders, &excluded, writer.part_bytes()));
            if workers.is_empty() {
                break;
            }
            if !writer.has_window() {
                if holders.len() < needed {
                    break;
                }
                self.metrics.blocks_cut.inc();
                return Ok(Mended::IsCut);
            }
            lease.add_workers(&ids(&workers));
            writer.add(&workers).await;
            self.metrics.replicas_replaced.inc_by(workers.len() as u64);
        }
        self.note_failed(writer.block_id(), &writer.failed()[noted..]);
        match writer.failed().last() {
            Some(failed) if writer.holder_ids().len() < needed => Err(failed.failure.clone()),
            _ => Ok(Mended::GoesOn),
        }
    }

    /// Makes the copies that a written block lacks, as long as there are healthy workers for them: of its window, or by
    /// reading it from a worker that has it.
    ///
    /// # Errors
    /// `NO_SPACE`, `UNAVAILABLE`, or what the workers said, when it has fewer copies than it must have.
    pub async fn complete(
        &self,
        mut block: WrittenBlock,
        lease: &BlockLease,
        copies: Copies,
    ) -> Result<v1::WrittenExtent, Failure> {
        let block_id = block.extent.block_id;
        block.holders.iter().for_each(|worker_id| self.health.succeeded(*worker_id));
        for _ in 0..ROUNDS_MAX {
            let excluded = failed_ids(&block.failed);
            let workers = self.choose(&copies.lacking(&block.holders, &excluded, block.extent.length_bytes));
            if workers.is_empty() {
                break;
            }
            lease.add_workers(&ids(&workers));
            let Some(made) = self.write_again(&mut block, &workers).await else { break };
            self.note_failed(block_id, &made.failed);
            self.metrics.copies_made.inc_by(made.holders.len() as u64);
            block.holders.extend(made.holders);
            block.failed.extend(made.failed);
        }
        if block.holders.len() < copies.min && !planted(Fault::ReplicationMinNotHeld) {
            return Err(block.shortage(copies.min));
        }
        if block.holders.len() < copies.wanted {
            self.metrics.blocks_short.inc();
        }
        let replication = u32::try_from(copies.wanted).unwrap_or(u32::MAX);
        Ok(v1::WrittenExtent { extent: Some(block.extent), worker_ids: block.holders, replication, coded: None })
    }

    /// Writes a block to more workers; None when it can't be had from anywhere.
    async fn write_again(&self, block: &mut WrittenBlock, workers: &[v1::Worker]) -> Option<WrittenBlock> {
        let mut writer = block.again(workers, self.patience(), &self.connector);
        if block.holders.is_empty() {
            for (data, permit) in block.take_window()? {
                writer.write(data, permit).await;
            }
            let finishing = writer.finish().await;
            return Some(finishing.answered().await);
        }
        // Not needed any more, and others may wait for the memory.
        block.take_window();
        let located =
            v1::LocatedExtent { extent: Some(block.extent), worker_ids: block.holders.clone(), ..Default::default() };
        let reader = ExtentReader::new(vec![located], 0, block.extent.length_bytes, self.read_sources());
        let copied = async {
            let mut reader = reader?;
            while let Some(frame) = reader.next().await? {
                writer.write(frame.grant.held_by(frame.data), None).await;
            }
            Ok::<_, Failure>(writer.finish().await.answered().await)
        };
        match copied.await {
            Ok(made) => Some(made),
            Err(failure) => {
                let block_id = block.extent.block_id;
                tracing::warn!(block_id, "a block could not be read for another copy: {failure}");
                None
            }
        }
    }

    pub fn note_failed(&self, block_id: u64, failed: &[FailedReplica]) {
        for FailedReplica { worker_id, failure } in failed {
            self.health.failed(*worker_id);
            self.metrics.blocks_refused.inc();
            tracing::warn!(block_id, worker_id, reason = ?failure.reason, "a worker did not take a block: {failure}");
        }
    }
}

pub(super) fn failed_ids(failed: &[FailedReplica]) -> Vec<u64> {
    failed.iter().map(|failed| failed.worker_id).collect()
}

#[cfg(test)]
#[path = "copies_tests.rs"]
mod tests;
