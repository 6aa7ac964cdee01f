//! The workers that the metaserver tells of: all of them with the session, then what changes with its heartbeats.

use super::types::Keeping;
use crate::blocks::{Copies, WorkerMap};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use weir_proto::WorkerId;
use weir_proto::v1::{HeartbeatResponse, OpenSessionResponse, Worker, WorkersVersion};

/// One state of the table. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Workers {
    pub all: Arc<[Worker]>,
    pub by_id: WorkerMap,
    version: Option<WorkersVersion>,
    /// Copies of a block whose bucket does not say, and the fewest; see OpenSessionResponse.
    replication: u32,
    replication_min: u32,
}

impl Workers {
    fn new(workers: Vec<Worker>) -> Self {
        let by_id: HashMap<_, _> = workers.iter().map(|w| (WorkerId(w.worker_id), w.clone())).collect();
        Self { all: workers.into(), by_id: Arc::new(by_id), ..Self::default() }
    }

    /// As the session opens; takes the workers out of the answer.
    pub fn opened(opened: &mut OpenSessionResponse) -> Self {
        Self {
            version: opened.workers_version,
            replication: opened.replication,
            replication_min: opened.replication_min,
            ..Self::new(std::mem::take(&mut opened.workers))
        }
    }

    /// What the metaserver is told that is known; none: it tells all of them.
    pub fn version(&self) -> Option<WorkersVersion> {
        self.version
    }

    /// After the answer to a heartbeat that told of version `asked`. Changes to another version than this one are left
    /// out: the next answer has them.
    pub fn after(&self, asked: Option<WorkersVersion>, answer: HeartbeatResponse) -> Self {
        let HeartbeatResponse { workers_version, replication, replication_min, .. } = answer;
        let (table, version) = match answer.only_changed_workers {
            false => (Self::new(answer.workers), workers_version),
            true if asked == self.version => (self.with(answer.workers), workers_version),
            true => (self.clone(), self.version),
        };
        Self { version, replication, replication_min, ..table }
    }

    fn with(&self, changed: Vec<Worker>) -> Self {
        if changed.is_empty() {
            return self.clone();
        }
        let mut changed: BTreeMap<u64, Worker> = changed.into_iter().map(|w| (w.worker_id, w)).collect();
        let kept = self.all.iter().map(|w| changed.remove(&w.worker_id).unwrap_or_else(|| w.clone()));
        let mut workers: Vec<Worker> = kept.collect();
        workers.extend(changed.into_values());
        Self::new(workers)
    }

    /// How many copies the blocks of a bucket are to have; those that are too short to be coded survive as many losses
    /// as the others.
    pub fn copies(&self, keeping: Keeping) -> Copies {
        let wanted = match (keeping.coding, keeping.replication) {
            (Some(scheme), _) => u32::try_from(scheme.parity() + 1).unwrap_or(u32::MAX),
            (None, 0) => self.replication,
            (None, replication) => replication,
        };
        Copies::new(wanted, self.replication_min)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(worker_id: u64, free_bytes: u64) -> Worker {
        Worker { worker_id, free_bytes, ..Default::default() }
    }

    fn answer(workers: Vec<Worker>, change: u64, only_changed_workers: bool) -> HeartbeatResponse {
        let workers_version = Some(WorkersVersion { run: 7, change });
        HeartbeatResponse { workers, workers_version, only_changed_workers, ..Default::default() }
    }

    fn free(workers: &Workers) -> Vec<(u64, u64)> {
        let mut free: Vec<_> = workers.all.iter().map(|w| (w.worker_id, w.free_bytes)).collect();
        free.sort_unstable();
        assert!(free.iter().all(|(id, bytes)| workers.by_id[&WorkerId(*id)].free_bytes == *bytes));
        assert_eq!(workers.by_id.len(), free.len());
        free
    }

    fn version(change: u64) -> Option<WorkersVersion> {
        Some(WorkersVersion { run: 7, change })
    }

    #[test]
    fn changes_are_put_into_the_table_and_a_whole_one_replaces_it() {
        let mut opened = OpenSessionResponse { workers: vec![worker(1, 10), worker(2, 20)], ..Default::default() };
        let table = Workers::opened(&mut opened);
        assert_eq!(table.version(), None);
        let table = table.after(None, answer(vec![worker(2, 21), worker(3, 30)], 4, true));
        assert_eq!(free(&table), [(1, 10), (2, 21), (3, 30)]);
        assert_eq!(table.version(), version(4));
        let table = table.after(version(4), answer(vec![], 4, true));
        assert_eq!(free(&table), [(1, 10), (2, 21), (3, 30)]);
        let table = table.after(version(4), answer(vec![worker(3, 31)], 9, false));
        assert_eq!(free(&table), [(3, 31)]);
    }

    #[test]
    fn changes_to_another_version_are_left_out() {
        let table = Workers::default().after(None, answer(vec![worker(1, 10)], 5, false));
        let later = table.after(version(5), answer(vec![worker(1, 12)], 7, true));
        let late = later.after(version(5), answer(vec![worker(1, 11)], 6, true));
        assert_eq!((free(&late), late.version()), (vec![(1, 12)], version(7)));
    }

    #[test]
    fn an_answer_of_a_metaserver_that_counts_no_changes_is_the_whole_table() {
        let table = Workers::default().after(None, answer(vec![worker(1, 1)], 1, true));
        let table = table.after(version(1), HeartbeatResponse { workers: vec![worker(2, 2)], ..Default::default() });
        assert_eq!((free(&table), table.version()), (vec![(2, 2)], None));
    }
}
