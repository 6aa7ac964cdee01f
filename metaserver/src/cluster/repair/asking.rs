//! Finding out which shard of a coded block a worker has that the block's record does not name: a restart of the metaserver
//! forgets what it ordered. The worker does not know either: to it, what it has is a block like any other.

use super::Step;
use super::queue::Entry;
use super::tasks::Task;
use crate::cluster::Cluster;
use crate::cluster::members::Members;
use crate::records::block::BlockRecord;
use weir_proto::v1::{Failure, Reason};

impl Cluster {
    /// A worker has one of the last copies that there may be: if that is whole, it counts. Which shard of a coded block it
    /// has, nobody knows of a worker that the record does not name: it is asked for one after the other of those that no
    /// live worker has, and what it has stays when it is another.
    pub(super) fn ask(&self, entry: &Entry, record: &BlockRecord, members: &Members, holder: u64) -> Step {
        let is_lacking = |shard: &usize| {
            let part = record.part(Some(*shard));
            part.is_some_and(|part| part.valid_worker_ids().all(|id| !members.is_live(id)))
        };
        let mut parts: Vec<Option<usize>> = match &record.coded {
            Some(coded) if !record.worker_ids.contains(&holder) => {
                (0..coded.shard_count()).filter(is_lacking).map(Some).collect()
            }
            _ => vec![record.shard_of(holder)],
        };
        parts.retain(|part| part.unwrap_or(0) >= entry.asked_before);
        let task = parts.first().and_then(|part| self.task(entry.block_id, record, *part, members));
        task.map_or(Step::Nothing, |task| self.order(Task { target: Some(holder), ..task }, members))
    }
}

impl Task {
    /// Nobody can give what it is about: the target is asked whether it has it.
    pub fn is_question(&self) -> bool {
        self.target.is_some() && self.sources.is_empty() && self.rebuild.is_none()
    }
}

/// Whether a worker may have failed an order for a shard since it has another one: length or CRC32C differ.
pub(super) fn has_another(failure: &Failure) -> bool {
    matches!(failure.reason(), Reason::ChecksumMismatch | Reason::InvalidRequest)
}
