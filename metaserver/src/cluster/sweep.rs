//! The look at all blocks, again and again: it finds those that need repair, tells how many copies there are, has workers
//! asked for what they should hold, and learns which workers nothing needs any more.
//!
//! Commits on the way of a PUT keep no index of blocks by worker; this scan stands in for it. Its rate is limited, and
//! what it finds is in memory.

use super::Cluster;
use super::members::Members;
use super::plan::{Copies, Need, look};
use super::rebalance::{Held, Plan};
use super::repair::queue::{Entry, Urgency};
use crate::error::Error;
use crate::namespace::SCAN_LIMIT;
use crate::records::block::{self, BlockRecord};
use crate::records::decode;
use crate::records::key::{next, successor};
use crate::records::worker::Duty;
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use weir_proto::v1::{MissingCopies, Redundancy};

/// How often the scan goes on.
pub(super) const TURN_MS: u64 = 100;

/// A pass that is wanted begins so long after the one before at the earliest.
const PAUSE_MS: i64 = 500;

/// One that is wanted only because what the one before found is not true any more waits longer: so long, and as long as
/// that one took.
const STALE_PAUSE_MS: i64 = 2_000;

/// The scan, and what its last pass found.
#[derive(Default)]
pub(crate) struct Sweep {
    pass: tokio::sync::Mutex<Option<Pass>>,
    wanted: AtomicBool,
    stale: AtomicBool,
    found: Mutex<Found>,
    /// The workers as they were when it was last looked whether a pass is wanted.
    noticed: Mutex<Vec<(u64, [bool; 4])>>,
}

#[derive(Default)]
struct Found {
    redundancy: Redundancy,
    ended_ms: Option<i64>,
    took_ms: i64,
    plan: Option<Plan>,
}

/// One look at all blocks.
struct Pass {
    began_ms: i64,
    next: Bytes,
    redundancy: Redundancy,
    missing: BTreeMap<usize, u64>,
    /// By worker, what the records of blocks in use name it for.
    held: BTreeMap<u64, Held>,
    /// Workers that are asked for each block that they should hold.
    asked: BTreeSet<u64>,
    draining: Vec<u64>,
    /// Nothing was waiting or under way when it began: what it measures is what there is.
    is_quiet: bool,
    plan: Option<Plan>,
}

impl Sweep {
    /// Has another pass begun soon.
    pub fn want(&self) {
        self.wanted.store(true, Ordering::Relaxed);
    }

    /// What the last pass found is not true any more: another one begins within seconds, if the store is small enough to
    /// be looked at that often.
    pub fn outdate(&self) {
        self.stale.store(true, Ordering::Relaxed);
    }

    fn is_due(&self, now_ms: i64, interval_ms: i64) -> bool {
        let (ended_ms, took_ms) = {
            let found = self.found.lock();
            (found.ended_ms, found.took_ms)
        };
        let Some(ended_ms) = ended_ms else { return true };
        let since_ms = now_ms.saturating_sub(ended_ms);
        let is_wanted = |flag: &AtomicBool, pause_ms| since_ms >= pause_ms && flag.load(Ordering::Relaxed);
        // Before the last look: the clock was set back, by nobody knows how much.
        since_ms < 0
            || since_ms >= interval_ms
            || is_wanted(&self.wanted, PAUSE_MS)
            || is_wanted(&self.stale, took_ms.max(STALE_PAUSE_MS))
    }

    /// What the last pass found.
    pub fn redundancy(&self) -> Redundancy {
        let found = self.found.lock();
        let rebalance_bytes = found.plan.as_ref().map_or(0, Plan::bytes_left);
        Redundancy { rebalance_bytes, ..found.redundancy.clone() }
    }

    #[cfg(test)]
    pub fn has_plan(&self) -> bool {
        self.found.lock().plan.is_some()
    }

    pub fn set_plan(&self, plan: Option<Plan>) {
        self.found.lock().plan = plan;
    }

    /// Notes the workers. Returns whether any changed in a way that matters to blocks.
    fn notice(&self, members: &Members) -> bool {
        let standing =
            |id: u64| [members.serves(id), members.is_awaited(id), members.is_draining(id), members.is_forgotten(id)];
        let now = members.by_id.keys().map(|id| (*id, standing(*id))).collect();
        let mut noticed = self.noticed.lock();
        let changed = *noticed != now;
        *noticed = now;
        changed
    }
}

impl Cluster {
    /// Goes on with the pass, or begins one that is due, as far as the rate allows in one turn.
    pub async fn sweep_turn(&self) -> Result<(), Error> {
        let settings = &self.namespace.settings;
        if self.sweep.notice(&self.workers.members(&self.namespace)) || self.repair.take_overflowed() {
            self.sweep.want();
        }
        let short = self.namespace.short_blocks.take();
        if !short.is_empty() {
            short.into_iter().for_each(|block_id| self.repair.look_at(block_id));
            self.sweep.outdate();
        }
        let interval_ms = i64::try_from(settings.repair_scan_interval_ms).unwrap_or(i64::MAX);
        let mut pass = self.sweep.pass.lock().await;
        if pass.is_none() && !self.sweep.is_due(self.namespace.clock.now_ms(), interval_ms) {
            return Ok(());
        }
        let per_turn = (settings.repair_scan_blocks_per_second * TURN_MS / 1_000).max(1);
        self.go_on(&mut pass, usize::try_from(per_turn).unwrap_or(usize::MAX)).await
    }

    /// A whole pass, whatever the rate.
    #[cfg(test)]
    pub async fn sweep_all(&self) {
        let mut pass = self.sweep.pass.lock().await;
        self.go_on(&mut pass, usize::MAX).await.unwrap();
        assert!(pass.is_none());
    }

    async fn go_on(&self, pass: &mut Option<Pass>, mut left: usize) -> Result<(), Error> {
        let current = pass.get_or_insert_with(|| self.begin_pass());
        let end = successor(&block::all());
        while left > 0 {
            let rows = self.namespace.scan(current.next.clone(), end.clone(), left.min(SCAN_LIMIT)).await?;
            let Some((last, _)) = rows.last() else {
                if let Some(pass) = pass.take() {
                    self.end_pass(pass).await?;
                }
                return Ok(());
            };
            current.next = next(last);
            left -= rows.len();
            let members = self.workers.members(&self.namespace);
            let reach = members.reach();
            for (key, value) in rows {
                match decode::<BlockRecord>(&key, value) {
                    Ok(record) if record.condemned => {}
                    Ok(record) => self.see(current, block::name(&key)?, &record, &members, reach),
                    Err(error) => tracing::error!(%error, "a block's record can't be read: nothing is done for it"),
                }
            }
        }
        Ok(())
    }

    fn begin_pass(&self) -> Pass {
        self.sweep.wanted.store(false, Ordering::Relaxed);
        self.sweep.stale.store(false, Ordering::Relaxed);
        let members = self.workers.members(&self.namespace);
        Pass {
            began_ms: self.namespace.clock.now_ms(),
            next: block::all(),
            redundancy: Redundancy::default(),
            missing: BTreeMap::new(),
            held: BTreeMap::new(),
            asked: self.workers.take_check_wanted().into_iter().collect(),
            draining: members.by_id.keys().copied().filter(|id| members.is_draining(*id)).collect(),
            is_quiet: self.repair.counts() == (0, 0),
            plan: self.sweep.found.lock().plan.take(),
        }
    }

    fn see(&self, pass: &mut Pass, block_id: u64, record: &BlockRecord, members: &Members, reach: (usize, usize)) {
        let look = look(record, members, self.namespace.settings.replication);
        let found = &mut pass.redundancy;
        found.block_count += 1;
        found.invalid_copy_count += look.invalid as u64;
        found.surplus_copy_count += look.surplus as u64;
        match look.wanted.saturating_sub(look.live) {
            0 => found.complete_block_count += 1,
            _ if look.live < look.needed => found.lost_block_count += 1,
            missing => *pass.missing.entry(missing).or_default() += 1,
        }
        for worker_id in &record.worker_ids {
            let held = pass.held.entry(*worker_id).or_default();
            held.blocks += 1;
            held.bytes += record.held_bytes(*worker_id);
        }
        for worker_id in record.valid_worker_ids().filter(|id| pass.asked.contains(id)) {
            self.workers.ask(worker_id, block_id);
        }
        let entry = Entry { block_id, ..Entry::default() };
        match look.need {
            // Where nobody can take it, it would only wait.
            Need::Copy { left, otherwise, .. } if otherwise.is_some() || has_target(record, members) => {
                self.repair.push(Entry { urgency: Urgency::Copies(left), ..entry });
            }
            Need::Copy { .. } => {}
            Need::Drop(_) => self.repair.push(Entry { urgency: Urgency::Tidying, ..entry }),
            Need::Nothing => {
                let serving = Copies::of(record, members).serving;
                let held_bytes = |id| record.held_bytes(id);
                // One that is away may be back at any moment, maybe in another zone.
                let is_whole = serving.len() == look.wanted;
                let apart = is_whole.then(|| members.apart(reach, &serving, &record.worker_ids, held_bytes)).flatten();
                pass.redundancy.crowded_block_count += u64::from(apart.is_some());
                let moved = apart.or_else(|| {
                    let most_bytes = serving.iter().map(|id| record.held_bytes(*id)).max().unwrap_or(0);
                    pass.plan.as_mut()?.take(&serving, &record.worker_ids, most_bytes, members)
                });
                if moved.is_some() {
                    self.repair.push(Entry { urgency: Urgency::Moving, moved, ..entry });
                }
            }
        }
    }

    async fn end_pass(&self, pass: Pass) -> Result<(), Error> {
        let now_ms = self.namespace.clock.now_ms();
        let missing = pass
            .missing
            .iter()
            .map(|(missing, blocks)| MissingCopies {
                copy_count: u32::try_from(*missing).unwrap_or(u32::MAX),
                block_count: *blocks,
            })
            .collect();
        let redundancy = Redundancy { as_of_ms: now_ms, missing, ..pass.redundancy };
        self.namespace.metrics.tell_redundancy(&redundancy);
        {
            let mut found = self.sweep.found.lock();
            (found.redundancy, found.ended_ms) = (redundancy, Some(now_ms));
            found.took_ms = now_ms.saturating_sub(pass.began_ms).max(0);
        }
        let is_quiet = pass.is_quiet && self.repair.counts() == (0, 0);
        match pass.plan {
            // What it planned is under way, or did not fit.
            Some(_) => {}
            None if is_quiet => self.plan_moves(&pass.held),
            None => {}
        }
        if !is_quiet {
            // What was found is being changed: look again, until nothing is.
            self.sweep.want();
        }
        self.end_draining(&pass.draining, &pass.held).await?;
        self.forget_workers(&pass.held).await
    }

    /// Workers that were emptied, and those that were and hold something again.
    async fn end_draining(&self, draining: &[u64], held: &BTreeMap<u64, Held>) -> Result<(), Error> {
        for &worker_id in draining {
            let duty = if held.contains_key(&worker_id) { Duty::Draining } else { Duty::Drained };
            let known = self.workers.with(worker_id, |state| state.duty);
            if known.is_none_or(|known| known == Duty::Serving || known == duty) {
                continue;
            }
            let mut changed = false;
            let change = self.namespace.change_worker(worker_id, |record| {
                changed = record.duty() != Duty::Serving;
                if changed {
                    record.duty = duty.into();
                }
            });
            change.await?;
            if changed {
                self.workers.with(worker_id, |state| state.duty = duty);
                tracing::info!(worker_id, ?duty, "a worker that is emptied was looked at");
            }
        }
        Ok(())
    }
}

/// Whether any worker could take another copy.
fn has_target(record: &BlockRecord, members: &Members) -> bool {
    members.by_id.values().any(|member| {
        let id = member.worker_id;
        let has_none = record.valid_worker_ids().all(|holder| holder != id);
        let part_bytes = record.length_bytes / record.needed_count().max(1) as u64;
        has_none && members.serves(id) && member.free_bytes >= part_bytes
    })
}

#[cfg(test)]
mod tests {
    use super::Sweep;
    use crate::testing::Fixture;
    use weir_proto::v1::{MissingCopies, WorkerHeartbeatRequest};

    #[test]
    fn a_clock_that_is_set_back_holds_up_no_look() {
        let sweep = Sweep::default();
        sweep.found.lock().ended_ms = Some(600_000);
        let due = [599_999, 600_000, 600_999, 601_000].map(|now_ms| sweep.is_due(now_ms, 1_000));
        assert_eq!(due, [true, false, false, true]);
    }

    #[tokio::test]
    async fn a_worker_that_falls_silent_is_noticed_also_after_the_clock_was_set_back() {
        let fixture = Fixture::new().await;
        let silence_ms = || fixture.cluster.workers.members(&fixture.namespace).by_id[&fixture.worker_id].silence_ms;
        fixture.clock.advance(-600_000);
        assert_eq!(silence_ms(), 0);
        fixture.clock.advance(70_000);
        assert_eq!(silence_ms(), 70_000);
    }

    #[tokio::test]
    async fn what_is_missing_is_counted_by_how_much() {
        let fixture = Fixture::with(|settings| settings.replication = 3).await;
        fixture.bucket("photos").await;
        let workers = [fixture.worker_id, fixture.worker("", "").await, fixture.worker("", "").await];
        fixture.put_on("photos", "whole", &workers, 3).await;
        fixture.put_on("photos", "two", &workers[..2], 3).await;
        fixture.put_on("photos", "one", &workers[..1], 3).await;
        let gone = fixture.put_on("photos", "gone", &workers[2..], 1).await;
        fixture.namespace.invalidate_copies(workers[2], &[gone]).await.unwrap();
        fixture.cluster.sweep_all().await;
        let found = fixture.cluster.sweep.redundancy();
        assert_eq!((found.block_count, found.complete_block_count, found.lost_block_count), (4, 1, 1));
        let missing = |copy_count, block_count| MissingCopies { copy_count, block_count };
        assert_eq!(found.missing, [missing(1, 1), missing(2, 1)]);
        assert_eq!((found.invalid_copy_count, found.surplus_copy_count), (1, 0));
    }

    /// What is missing by how much, as a turn two seconds after the last look has it.
    async fn missing_soon(fixture: &Fixture) -> Vec<(u32, u64)> {
        fixture.clock.advance(2_000);
        fixture.beat(fixture.worker_id).await;
        fixture.cluster.sweep_turn().await.unwrap();
        let missing = fixture.cluster.sweep.redundancy().missing;
        missing.into_iter().map(|missing| (missing.copy_count, missing.block_count)).collect()
    }

    #[tokio::test]
    async fn a_block_that_is_committed_with_too_few_copies_is_counted_within_seconds() {
        let fixture = Fixture::new().await;
        fixture.bucket("photos").await;
        fixture.beat(fixture.worker_id).await;
        fixture.cluster.sweep_all().await;
        fixture.put_on("photos", "whole", &[fixture.worker_id], 1).await;
        assert_eq!(fixture.cluster.sweep.redundancy().block_count, 0);
        fixture.put_on("photos", "short", &[fixture.worker_id], 2).await;
        assert_eq!(missing_soon(&fixture).await, [(1, 1)]);
        assert_eq!(missing_soon(&fixture).await, [(1, 1)], "once more, because repair was to look at it");
        let as_of_ms = fixture.cluster.sweep.redundancy().as_of_ms;
        assert_eq!(fixture.namespace.metrics.redundancy_as_of_seconds.get(), as_of_ms / 1_000);
        missing_soon(&fixture).await;
        assert_eq!(fixture.cluster.sweep.redundancy().as_of_ms, as_of_ms, "nothing has changed since");
    }

    #[tokio::test]
    async fn copies_that_a_worker_reports_as_missing_or_damaged_are_counted_within_seconds() {
        let fixture = Fixture::new().await;
        fixture.bucket("photos").await;
        let other = fixture.worker("", "").await;
        let workers = [fixture.worker_id, other];
        let block_id = fixture.put_on("photos", "cat", &workers, 2).await;
        let damaged = fixture.put_on("photos", "dog", &workers, 2).await;
        fixture.cluster.sweep_all().await;
        assert_eq!(missing_soon(&fixture).await, []);
        let report = |missing: &[u64], damaged: &[u64]| WorkerHeartbeatRequest {
            worker_id: other,
            missing_block_ids: missing.to_vec(),
            damaged_block_ids: damaged.to_vec(),
            ..Default::default()
        };
        fixture.cluster.worker_heartbeat(&report(&[block_id], &[])).await.unwrap();
        assert_eq!(missing_soon(&fixture).await, [(1, 1)]);
        fixture.cluster.worker_heartbeat(&report(&[], &[damaged])).await.unwrap();
        assert_eq!(missing_soon(&fixture).await, [(1, 2)]);
    }

    #[test]
    fn a_look_that_took_long_is_not_repeated_at_once_because_it_is_outdated() {
        let sweep = Sweep::default();
        (sweep.found.lock().ended_ms, sweep.found.lock().took_ms) = (Some(0), 60_000);
        sweep.outdate();
        assert_eq!([2_000, 59_999, 60_000].map(|now_ms| sweep.is_due(now_ms, 600_000)), [false, false, true]);
        sweep.want();
        assert!(sweep.is_due(500, 600_000), "repair waits for this one");
    }

    #[tokio::test]
    async fn copies_that_nobody_could_take_do_not_wait() {
        let fixture = Fixture::new().await;
        fixture.bucket("photos").await;
        fixture.beat(fixture.worker_id).await;
        fixture.put_on("photos", "cat", &[fixture.worker_id], 3).await;
        let queued = async || {
            fixture.cluster.sweep_all().await;
            fixture.cluster.redundancy().queued_block_count
        };
        assert_eq!(queued().await, 0);
        fixture.worker("", "").await;
        assert_eq!(queued().await, 1);
    }

    #[tokio::test]
    async fn the_scan_goes_on_at_its_rate_and_another_one_follows_when_workers_change() {
        let fixture = Fixture::with(|settings| settings.repair_scan_blocks_per_second = 20).await;
        fixture.bucket("photos").await;
        fixture.put_blocks("photos", "cat", &[5; 5]).await;
        let counted = async |turns| {
            for _ in 0..turns {
                fixture.cluster.sweep_turn().await.unwrap();
            }
            fixture.cluster.sweep.redundancy().block_count
        };
        assert_eq!(counted(2).await, 0, "two a turn");
        assert_eq!(counted(1).await, 5);
        fixture.put_blocks("photos", "dog", &[5]).await;
        fixture.clock.advance(1_000);
        fixture.beat(fixture.worker_id).await;
        assert_eq!(counted(9).await, 5, "nothing has changed");
        fixture.worker("", "").await;
        assert_eq!(counted(9).await, 6);
    }
}
