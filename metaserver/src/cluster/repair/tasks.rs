//! Changes under way: which workers are ordered to make or to verify a copy before the change is committed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use weir_proto::v1::{CopyOrder, CopySource, Rebuild};

/// Orders that a worker has at a time.
const MAX_ORDERS: usize = 64;

/// Bytes of the orders that a worker has at a time; one order may be larger.
const MAX_ORDERED_BYTES: u64 = 512 << 20;

/// A change of one block's copies, waiting for workers.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Task {
    pub block_id: u64,
    /// Of a coded block: which shard it is about. Length and CRC32C are the shard's then.
    pub part: Option<usize>,
    pub length_bytes: u64,
    pub crc32c: u32,
    /// Who gets a copy.
    pub target: Option<u64>,
    /// Whose copies go then.
    pub victims: Vec<u64>,
    /// Whose copies are verified before anything goes, and stay.
    pub keepers: Vec<u64>,
    /// It evens out the workers' use.
    pub is_move: bool,
    /// Who gives the block.
    pub sources: Vec<CopySource>,
    /// How a shard is computed when nobody has it.
    pub rebuild: Option<Rebuild>,
    /// The workers that take part, each with the start that was asked.
    pub witnesses: Vec<(u64, u64)>,
    /// Those that have not reported yet.
    pub pending: BTreeSet<u64>,
}

#[derive(Debug, Default)]
pub(crate) struct Tasks {
    by_order: BTreeMap<u64, Task>,
    order_by_block: HashMap<u64, u64>,
    /// By worker: its orders that are not reported, and their bytes.
    orders: HashMap<u64, (BTreeSet<u64>, u64)>,
    next_order: u64,
}

/// What a report came to.
#[derive(Debug, PartialEq)]
pub(crate) enum Reported {
    /// Nobody waits for it.
    Unknown,
    /// Others have not reported yet.
    Waiting,
    /// All have: the change can be committed. The task is kept until [`Tasks::end`].
    Ready(Box<Task>),
}

impl Tasks {
    /// No order has a number that a former metaserver may have given.
    pub fn starting_at(next_order: u64) -> Self {
        Self { next_order, ..Self::default() }
    }

    pub fn len(&self) -> usize {
        self.by_order.len()
    }

    pub fn has(&self, block_id: u64) -> bool {
        self.order_by_block.contains_key(&block_id)
    }

    /// Is the worker about to have a copy of the block that its record does not name yet?
    pub fn is_target(&self, block_id: u64, worker_id: u64) -> bool {
        let order = self.order_by_block.get(&block_id);
        order.and_then(|order| self.by_order.get(order)).is_some_and(|task| task.target == Some(worker_id))
    }

    /// The bytes that a worker is ordered to take or to read; none: it has orders enough.
    pub fn load(&self, worker_id: u64) -> Option<u64> {
        match self.orders.get(&worker_id) {
            None => Some(0),
            Some((orders, bytes)) if orders.len() < MAX_ORDERS && *bytes < MAX_ORDERED_BYTES => Some(*bytes),
            Some(_) => None,
        }
    }

    /// Begins a task. One of a block that has one already is not begun.
    pub fn begin(&mut self, mut task: Task) {
        if self.has(task.block_id) {
            return;
        }
        let order_id = self.next_order;
        self.next_order += 1;
        task.pending = task.target.into_iter().chain(task.keepers.iter().copied()).collect();
        for worker_id in &task.pending {
            let (orders, bytes) = self.orders.entry(*worker_id).or_default();
            orders.insert(order_id);
            *bytes += task.length_bytes;
        }
        self.order_by_block.insert(task.block_id, order_id);
        self.by_order.insert(order_id, task);
    }

    /// A worker has a verified copy.
    pub fn report(&mut self, order_id: u64, block_id: u64, worker_id: u64) -> Reported {
        let Some(task) = self.by_order.get_mut(&order_id).filter(|task| task.block_id == block_id) else {
            return Reported::Unknown;
        };
        if !task.pending.remove(&worker_id) {
            return Reported::Unknown;
        }
        let (is_ready, ready) = (task.pending.is_empty(), task.clone());
        self.release(worker_id, order_id, ready.length_bytes);
        if is_ready { Reported::Ready(Box::new(ready)) } else { Reported::Waiting }
    }

    fn release(&mut self, worker_id: u64, order_id: u64, length_bytes: u64) {
        if let Some((orders, bytes)) = self.orders.get_mut(&worker_id)
            && orders.remove(&order_id)
        {
            *bytes = bytes.saturating_sub(length_bytes);
            if orders.is_empty() {
                self.orders.remove(&worker_id);
            }
        }
    }

    /// Ends a block's task.
    pub fn end(&mut self, block_id: u64) -> Option<Task> {
        let order_id = self.order_by_block.remove(&block_id)?;
        let task = self.by_order.remove(&order_id)?;
        for worker_id in &task.pending {
            self.release(*worker_id, order_id, task.length_bytes);
        }
        Some(task)
    }

    /// Ends the task of an order, if it waits for that worker.
    pub fn fail(&mut self, order_id: u64, block_id: u64, worker_id: u64) -> Option<Task> {
        let waits = |task: &&Task| task.block_id == block_id && task.pending.contains(&worker_id);
        self.by_order.get(&order_id).filter(waits)?;
        self.end(block_id)
    }

    /// Ends the tasks that wait for workers on which `is_there` is false. Returns them.
    pub fn end_waiting_for(&mut self, is_there: impl Fn(u64, u64) -> bool) -> Vec<Task> {
        let waits_in_vain = |task: &&Task| {
            let mut waiting = task.witnesses.iter().filter(|(worker_id, _)| task.pending.contains(worker_id));
            waiting.any(|(worker_id, incarnation)| !is_there(*worker_id, *incarnation))
        };
        let blocks: Vec<u64> = self.by_order.values().filter(waits_in_vain).map(|task| task.block_id).collect();
        blocks.into_iter().filter_map(|block_id| self.end(block_id)).collect()
    }

    /// What a worker is ordered to do.
    pub fn orders_of(&self, worker_id: u64) -> Vec<CopyOrder> {
        let Some((orders, _)) = self.orders.get(&worker_id) else { return Vec::new() };
        let order = |order_id: &u64| {
            let task = self.by_order.get(order_id)?;
            Some(CopyOrder {
                order_id: *order_id,
                block_id: task.block_id,
                length_bytes: task.length_bytes,
                crc32c: task.crc32c,
                sources: task.sources.iter().filter(|source| source.worker_id != worker_id).cloned().collect(),
                rebuild: task.rebuild.clone(),
            })
        };
        orders.iter().filter_map(order).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(block_id: u64, target: Option<u64>, keepers: &[u64]) -> Task {
        let witnesses = target.into_iter().chain(keepers.iter().copied()).map(|id| (id, 0)).collect();
        Task { block_id, length_bytes: 10, target, keepers: keepers.to_vec(), witnesses, ..Task::default() }
    }

    #[test]
    fn a_task_is_ready_when_all_have_reported_and_no_one_reports_twice() {
        let mut tasks = Tasks::starting_at(100);
        tasks.begin(task(5, Some(1), &[2]));
        tasks.begin(task(5, Some(3), &[]));
        assert!(tasks.is_target(5, 1) && !tasks.is_target(5, 3), "one task a block");
        assert_eq!((tasks.orders_of(1).len(), tasks.load(1), tasks.load(3)), (1, Some(10), Some(0)));
        assert_eq!(tasks.report(99, 5, 1), Reported::Unknown);
        assert_eq!(tasks.report(100, 6, 1), Reported::Unknown);
        assert_eq!(tasks.report(100, 5, 1), Reported::Waiting);
        assert_eq!(tasks.report(100, 5, 1), Reported::Unknown);
        assert_eq!((tasks.orders_of(1).len(), tasks.load(1)), (0, Some(0)));
        assert!(matches!(tasks.report(100, 5, 2), Reported::Ready(_)));
        assert!(tasks.is_target(5, 1), "until the change is committed");
        tasks.end(5);
        assert_eq!((tasks.len(), tasks.load(2)), (0, Some(0)));
    }

    #[test]
    fn tasks_that_wait_for_a_worker_that_is_gone_end() {
        let mut tasks = Tasks::starting_at(1);
        tasks.begin(task(5, Some(1), &[2]));
        tasks.begin(task(6, Some(2), &[]));
        assert_eq!(tasks.fail(1, 5, 3), None);
        let ended = tasks.end_waiting_for(|worker_id, _| worker_id != 1);
        assert_eq!(ended.iter().map(|task| task.block_id).collect::<Vec<_>>(), [5]);
        assert_eq!(tasks.load(2), Some(10));
        assert!(tasks.fail(2, 6, 2).is_some());
        assert_eq!((tasks.len(), tasks.load(2)), (0, Some(0)));
    }

    #[test]
    fn a_worker_has_so_many_orders_and_no_more() {
        let mut tasks = Tasks::default();
        for block_id in 0..MAX_ORDERS as u64 {
            assert!(tasks.load(1).is_some());
            tasks.begin(task(block_id, Some(1), &[]));
        }
        assert_eq!(tasks.load(1), None);
    }
}
