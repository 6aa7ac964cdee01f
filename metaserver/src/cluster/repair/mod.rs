//! Repair: blocks get the copies that they should have, and lose those that they should not.
//!
//! Blocks that need something wait in a [`queue`]. A turn takes the most endangered, looks at their records, and begins a
//! task for each ([`tasks`]): workers are ordered to make or verify copies, with the answers to their heartbeats. When
//! all have reported, one commit changes the record. All of this is in memory: after a restart, the look at all blocks
//! ([`super::sweep`]) finds anew what is needed.

mod asking;
pub(crate) mod queue;
pub(crate) mod tasks;

use super::Cluster;
use super::members::{Members, Target, Wish};
use super::plan::{Copies, Need, Surplus, look};
use crate::error::Error;
use crate::namespace::replicas::{Changed, ReplicaChange};
use crate::records::block::{self, BlockRecord};
use crate::records::{condemned, decode};
use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
use queue::{Entry, Queue, Urgency};
use tasks::{Reported, Task, Tasks};
use weir_proto::v1::{CopyOrder, CopyResult, CopySource, Failure, Rebuild, ShardSource};
use weir_service::planted::{Fault, planted};

/// Blocks that are looked at together.
const TURN_BLOCKS: usize = 64;

/// A block that could not get its copy is tried again after so long.
const RETRY_MS: i64 = 1_000;

/// What waits and what is under way.
pub(crate) struct Repair {
    state: Mutex<State>,
    /// One turn at a time.
    turn: tokio::sync::Mutex<()>,
}

struct State {
    queue: Queue,
    tasks: Tasks,
    /// Grows with all that may let a block go on which waits.
    changes: u64,
    /// `changes` before the last turn in which blocks had to wait.
    waited_at: Option<u64>,
}

/// What is to be done about a block.
enum Step {
    Nothing,
    /// Workers have as many orders as they may.
    Wait,
    Begin(Box<Task>),
    /// Needs no worker.
    Commit(ReplicaChange),
}

impl Repair {
    pub fn new(random: u64) -> Self {
        let tasks = Tasks::starting_at(random >> 8);
        let state = State { queue: Queue::default(), tasks, changes: 0, waited_at: None };
        Self { state: Mutex::new(state), turn: tokio::sync::Mutex::default() }
    }

    /// The state, for a change after which blocks that wait may go on.
    fn changing(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock();
        state.changes += 1;
        state
    }

    /// Is a turn worth its while? Not if blocks had to wait and nothing has changed since: then it is a matter of time.
    pub fn may_go_on(&self) -> bool {
        let state = self.state.lock();
        state.waited_at != Some(state.changes)
    }

    /// Has a block looked at soon.
    pub fn look_at(&self, block_id: u64) {
        self.push(Entry { block_id, ..Entry::default() });
    }

    pub fn push(&self, entry: Entry) {
        let mut state = self.changing();
        if !state.tasks.has(entry.block_id) {
            state.queue.push(entry);
        }
    }

    /// Blocks that wait, and blocks that workers are at.
    pub fn counts(&self) -> (usize, usize) {
        let state = self.state.lock();
        (state.queue.len(), state.tasks.len())
    }

    pub fn take_overflowed(&self) -> bool {
        self.state.lock().queue.take_overflowed()
    }

    /// Is the worker about to have a copy that the block's record does not name yet?
    pub fn is_target(&self, block_id: u64, worker_id: u64) -> bool {
        self.state.lock().tasks.is_target(block_id, worker_id)
    }

    /// A worker has started anew: what was ordered of it is forgotten.
    pub fn abandon_of(&self, worker_id: u64) {
        self.abandon(|waited_for, _| waited_for != worker_id, 0);
    }

    fn abandon(&self, is_there: impl Fn(u64, u64) -> bool, not_before_ms: i64) {
        let mut state = self.changing();
        for task in state.tasks.end_waiting_for(is_there) {
            state.queue.push(Entry { block_id: task.block_id, not_before_ms, ..Entry::default() });
        }
    }

    fn end(&self, block_id: u64) -> Option<Task> {
        self.changing().tasks.end(block_id)
    }
}

impl Cluster {
    /// Gives up what waits for workers that are gone, and begins what can be begun.
    pub async fn repair_turn(&self) -> Result<(), Error> {
        let members = self.workers.members(&self.namespace);
        let is_there = |id, incarnation| members.is_present(id) && members.incarnation(id) == incarnation;
        self.repair.abandon(is_there, 0);
        self.give_copy_orders().await?;
        let (queued, ordered) = self.repair.counts();
        self.namespace.metrics.queued_blocks.set(i64::try_from(queued).unwrap_or(i64::MAX));
        self.namespace.metrics.ordered_blocks.set(i64::try_from(ordered).unwrap_or(i64::MAX));
        Ok(())
    }

    /// Begins tasks for the most endangered blocks, as many as the workers may have orders. If someone else is at it,
    /// that is enough.
    pub(super) async fn give_copy_orders(&self) -> Result<(), Error> {
        let Ok(_turn) = self.repair.turn.try_lock() else { return Ok(()) };
        if self.namespace.awaits_confirmation() {
            return Ok(());
        }
        loop {
            let now_ms = self.namespace.clock.now_ms();
            let (due, changes) = {
                let mut state = self.repair.state.lock();
                (state.queue.take_due(TURN_BLOCKS, now_ms), state.changes)
            };
            if due.is_empty() {
                return Ok(());
            }
            if self.begin(due).await? > 0 {
                self.repair.state.lock().waited_at = Some(changes);
                return Ok(());
            }
        }
    }

    /// Looks at some blocks and does what they need. Returns how many have to wait.
    async fn begin(&self, entries: Vec<Entry>) -> Result<usize, Error> {
        let members = self.workers.members(&self.namespace);
        let keys: Vec<Bytes> = entries.iter().map(|entry| block::key(entry.block_id)).collect();
        let values = self.namespace.store.get_many(&keys).await?;
        let mut changes = Vec::new();
        let mut begun = Vec::new();
        let mut waiting = 0;
        for ((entry, key), value) in entries.into_iter().zip(keys).zip(values) {
            let Some(value) = value else { continue };
            let record: BlockRecord = decode(&key, value)?;
            match self.step(&entry, &record, &members) {
                Step::Nothing => {}
                Step::Wait => {
                    waiting += 1;
                    self.repair.state.lock().queue.push(entry);
                }
                Step::Commit(change) => changes.push(change),
                Step::Begin(task) => {
                    self.repair.state.lock().tasks.begin(*task.clone());
                    begun.push((entry, *task));
                }
            }
        }
        self.refuse_ordered_targets(begun).await?;
        self.commit_changes(changes, 0).await?;
        Ok(waiting)
    }

    fn step(&self, entry: &Entry, record: &BlockRecord, members: &Members) -> Step {
        if record.condemned || self.repair.state.lock().tasks.has(entry.block_id) {
            return Step::Nothing;
        }
        let block_id = entry.block_id;
        let look = look(record, members, self.namespace.settings.replication);
        match look.need {
            Need::Copy { parts, otherwise, .. } => match self.copy_one_of(entry, record, members, parts) {
                Step::Nothing => {
                    otherwise.map_or(Step::Nothing, |surplus| self.drop_surplus(block_id, record, members, surplus))
                }
                step => step,
            },
            Need::Drop(surplus) => self.drop_surplus(block_id, record, members, surplus),
            Need::Nothing => match (entry.moved, entry.preferred) {
                (Some((from, to)), _) => self.step_of_move(entry, record, members, from, to, look.wanted),
                (None, Some(holder)) if look.live < look.needed && members.serves(holder) => {
                    self.ask(entry, record, members, holder)
                }
                _ => Step::Nothing,
            },
        }
    }

    fn drop_surplus(&self, block_id: u64, record: &BlockRecord, members: &Members, surplus: Surplus) -> Step {
        let Surplus { part, victims, keepers, names_alone } = surplus;
        if names_alone || planted(Fault::SurplusDroppedUnverified) {
            return Step::Commit(ReplicaChange { block_id, shard: part, add: None, remove: victims, keepers });
        }
        match self.task(block_id, record, part, members) {
            Some(task) => self.order(Task { victims, keepers, ..task }, members),
            None => Step::Nothing,
        }
    }

    /// What concerns a replicated block, or a shard; nobody is to do anything yet. None: there is no such part.
    fn task(&self, block_id: u64, record: &BlockRecord, part: Option<usize>, members: &Members) -> Option<Task> {
        let of_part = record.part(part)?;
        Some(Task {
            block_id,
            part,
            length_bytes: of_part.length_bytes,
            crc32c: of_part.crc32c,
            sources: self.sources(&of_part, members),
            rebuild: part.and_then(|shard| rebuild(record, shard, members)),
            ..Task::default()
        })
    }

    /// Another copy of the first of some parts for which there is a worker.
    fn copy_one_of(
        &self,
        entry: &Entry,
        record: &BlockRecord,
        members: &Members,
        mut parts: Vec<Option<usize>>,
    ) -> Step {
        if let Some(shard) = entry.preferred.and_then(|holder| record.shard_of(holder)) {
            parts.sort_by_key(|part| *part != Some(shard));
        }
        for part in parts {
            let Some(task) = self.task(entry.block_id, record, part, members) else { continue };
            match self.copy(entry, record, members, task) {
                Step::Nothing => {}
                step => return step,
            }
        }
        Step::Nothing
    }

    /// Another copy, on the worker that suits best.
    fn copy(&self, entry: &Entry, record: &BlockRecord, members: &Members, task: Task) -> Step {
        // A worker that has, or may have, another shard under the block's id can't have this one.
        let has_other = |id: &u64| record.coded.is_some() && record.shard_of(*id) != task.part;
        let invalid = &record.invalid_worker_ids;
        let excluded = record.worker_ids.iter().copied().filter(|id| !invalid.contains(id) || has_other(id)).collect();
        let avoided: Vec<u64> = invalid.iter().copied().chain(entry.avoided).collect();
        let wish = Wish {
            holders: &Copies::of(record, members).holders(),
            excluded: &excluded,
            avoided: &avoided,
            preferred: entry.preferred,
            length_bytes: task.length_bytes,
            random: self.namespace.clock.random_u64(),
        };
        let state = self.repair.state.lock();
        let target = members.choose_target(&wish, |worker_id| state.tasks.load(worker_id));
        drop(state);
        match target {
            Target::Chosen(target) => self.order(Task { target: Some(target), ..task }, members),
            Target::Busy => Step::Wait,
            // Found again when there are other workers.
            Target::Nobody => Step::Nothing,
        }
    }

    /// A move to a worker that has less, if that leaves the copies as far apart as they are.
    fn step_of_move(
        &self,
        entry: &Entry,
        record: &BlockRecord,
        members: &Members,
        from: u64,
        to: u64,
        wanted: usize,
    ) -> Step {
        let Some(task) = self.task(entry.block_id, record, record.shard_of(from), members) else {
            return Step::Nothing;
        };
        let serving = Copies::of(record, members).serving;
        let others: Vec<u64> = serving.iter().copied().filter(|id| *id != from).collect();
        let keepers = others.iter().copied().filter(|id| record.shard_of(*id) == task.part).collect();
        let moved: Vec<u64> = others.iter().copied().chain([to]).collect();
        let fits = serving.contains(&from)
            && !record.worker_ids.contains(&to)
            && moved.len() == wanted
            && members.serves(to)
            && members.spread(&moved) >= members.spread(&serving);
        let (settings, now_ms) = (&self.namespace.settings, self.namespace.clock.now_ms());
        if fits && !self.rebalance.may_move(task.length_bytes, settings.rebalance_bytes_per_second, now_ms) {
            return Step::Wait;
        }
        match fits {
            true => {
                let task = Task { target: Some(to), victims: vec![from], keepers, is_move: true, ..task };
                self.order(task, members)
            }
            false => Step::Nothing,
        }
    }

    /// Orders what a task needs, unless one of its workers has orders enough.
    fn order(&self, mut task: Task, members: &Members) -> Step {
        let state = self.repair.state.lock();
        let workers: Vec<u64> = task.target.into_iter().chain(task.keepers.iter().copied()).collect();
        if workers.iter().any(|worker_id| state.tasks.load(*worker_id).is_none()) {
            return Step::Wait;
        }
        task.witnesses = workers.into_iter().map(|id| (id, members.incarnation(id))).collect();
        Step::Begin(Box::new(task))
    }

    /// Who can give the block, in an order that differs from block to block.
    fn sources(&self, record: &BlockRecord, members: &Members) -> Vec<CopySource> {
        let mut sources = Copies::of(record, members).sources(members);
        if !sources.is_empty() {
            let first = self.namespace.clock.random_u64() as usize % sources.len();
            sources.rotate_left(first);
        }
        sources.into_iter().map(|id| source(id, members)).collect()
    }

    /// A worker that is still to delete a block gets no copy of it: its task ends, and the block is looked at later.
    async fn refuse_ordered_targets(&self, begun: Vec<(Entry, Task)>) -> Result<(), Error> {
        let targets: Vec<(Entry, u64)> =
            begun.into_iter().filter_map(|(entry, task)| Some((entry, task.target?))).collect();
        let keys: Vec<Bytes> = targets.iter().map(|(entry, target)| condemned::key(*target, entry.block_id)).collect();
        let orders = self.namespace.store.get_many(&keys).await?;
        let not_before_ms = self.namespace.clock.now_ms().saturating_add(RETRY_MS);
        for ((entry, target), order) in targets.into_iter().zip(orders) {
            if order.is_some() {
                self.repair.end(entry.block_id);
                self.repair.push(Entry { not_before_ms, avoided: Some(target), preferred: None, ..entry });
            }
        }
        Ok(())
    }

    /// What a worker is ordered to copy or to verify.
    pub(super) fn copy_orders(&self, worker_id: u64) -> Vec<CopyOrder> {
        self.repair.state.lock().tasks.orders_of(worker_id)
    }

    /// Takes what a worker reports of its orders, and commits the changes that waited for it.
    pub(super) async fn settle_copies(&self, worker_id: u64, results: &[CopyResult]) -> Result<(), Error> {
        if results.is_empty() {
            return Ok(());
        }
        let members = self.workers.members(&self.namespace);
        let (mut ready, mut in_the_way, mut bytes) = (Vec::new(), Vec::new(), 0);
        let mut settling = Settling { repair: &self.repair, block_ids: Vec::new() };
        for result in results {
            match result.failure.as_ref().filter(|_| !planted(Fault::FailedCopyCounted)) {
                Some(failure) => {
                    if self.copy_failed(worker_id, result, failure) {
                        in_the_way.push(result.block_id);
                    }
                }
                None => {
                    let reported = self.repair.changing().tasks.report(result.order_id, result.block_id, worker_id);
                    if let Reported::Ready(task) = reported {
                        settling.block_ids.push(task.block_id);
                        ready.push(*task);
                    }
                }
            }
        }
        let mut changes = Vec::new();
        for task in ready {
            let is_there =
                |(id, incarnation): &(u64, u64)| members.serves(*id) && members.incarnation(*id) == *incarnation;
            if !task.witnesses.iter().all(is_there) && !planted(Fault::OldVerificationTrusted) {
                self.repair.end(task.block_id);
                self.repair.look_at(task.block_id);
                continue;
            }
            bytes += task.target.map_or(0, |_| task.length_bytes);
            changes.push(ReplicaChange {
                block_id: task.block_id,
                shard: task.part,
                add: task.target,
                remove: task.victims,
                keepers: task.keepers,
            });
        }
        let committed = self.commit_changes(changes, bytes).await;
        settling.block_ids.clear();
        committed?;
        if !in_the_way.is_empty() {
            // As an inventory that shows it: it counts where it is needed, and goes where it is not.
            self.compare(worker_id, &in_the_way, true).await?;
        }
        Ok(())
    }

    /// Returns whether the worker has another shard under the block's id, of which nobody knows.
    fn copy_failed(&self, worker_id: u64, result: &CopyResult, failure: &Failure) -> bool {
        let block_id = result.block_id;
        let mut state = self.repair.changing();
        let Some(task) = state.tasks.fail(result.order_id, block_id, worker_id) else { return false };
        let target = task.target.filter(|target| *target == worker_id);
        let not_before_ms = self.namespace.clock.now_ms().saturating_add(RETRY_MS);
        let entry = Entry { block_id, not_before_ms, ..Entry::default() };
        state.queue.push(match task.is_question() {
            true => Entry { preferred: target, asked_before: task.part.unwrap_or(0) + 1, ..entry },
            false => Entry { avoided: target, ..entry },
        });
        drop(state);
        self.namespace.metrics.failed_copies.inc();
        tracing::warn!(worker_id, block_id, failure = %failure.message, "a copy of a block could not be made or verified");
        target.is_some() && task.part.is_some() && !task.is_question() && asking::has_another(failure)
    }

    /// Commits changes and ends their tasks; each block is looked at once more, for what it needs next.
    async fn commit_changes(&self, changes: Vec<ReplicaChange>, copied_bytes: u64) -> Result<(), Error> {
        if changes.is_empty() {
            return Ok(());
        }
        let committed = self.namespace.change_replicas(&changes).await;
        let metrics = &self.namespace.metrics;
        for (at, change) in changes.iter().enumerate() {
            let task = self.repair.end(change.block_id);
            self.repair.push(Entry { block_id: change.block_id, urgency: Urgency::Unknown, ..Entry::default() });
            if !committed.as_ref().is_ok_and(|committed| committed[at] == Changed::Done) {
                continue;
            }
            match task {
                Some(task) if task.is_move => {
                    metrics.moved_copies.inc();
                }
                _ if change.add.is_some() => {
                    metrics.repaired_copies.inc();
                }
                _ => {}
            }
            metrics.dropped_copies.inc_by(change.remove.len() as u64);
        }
        metrics.copied_bytes.inc_by(copied_bytes);
        committed.map(|_| ())
    }
}

/// Blocks whose tasks wait for nobody but the commit. A worker whose call breaks off takes that along: their tasks end
/// then, or no other would ever be begun, and they are looked at again, whether the commit was made or not.
struct Settling<'a> {
    repair: &'a Repair,
    block_ids: Vec<u64>,
}

impl Drop for Settling<'_> {
    fn drop(&mut self) {
        for block_id in self.block_ids.drain(..) {
            self.repair.end(block_id);
            self.repair.look_at(block_id);
        }
    }
}

fn source(worker_id: u64, members: &Members) -> CopySource {
    let address = members.by_id.get(&worker_id).map(|member| member.place.address.clone()).unwrap_or_default();
    CopySource { worker_id, address }
}

/// How a shard is computed from the others; none: it can't be.
fn rebuild(record: &BlockRecord, shard: usize, members: &Members) -> Option<Rebuild> {
    let coded = record.coded.as_ref()?;
    let number = |shard: usize| u32::try_from(shard).unwrap_or(u32::MAX);
    let others = (0..coded.shard_count()).filter(|other| *other != shard);
    let of_shard = |other: usize| {
        let holder = Copies::of(&record.part(Some(other))?, members).sources(members).first().copied()?;
        Some(ShardSource { shard: number(other), source: Some(source(holder, members)) })
    };
    let sources: Vec<ShardSource> = others.filter_map(of_shard).collect();
    let is_enough = sources.len() >= coded.needed();
    let block_length_bytes = record.length_bytes;
    is_enough.then(|| Rebuild { coding: Some(coded.coding()), block_length_bytes, shard: number(shard), sources })
}
