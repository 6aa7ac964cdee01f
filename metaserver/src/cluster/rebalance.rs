//! Evening out the workers: a plan says how much each of them has more, or less, than its share of all, and each block
//! that is moved brings one that has more and one that has less nearer to it, and neither past it. So it ends.

use super::Cluster;
use super::members::Members;
use parking_lot::Mutex;
use std::collections::BTreeMap;

/// What a worker holds, by the blocks' records. Space that its deleted blocks still take is not in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    pub blocks: u64,
    pub bytes: u64,
}

/// Moves of one look at all blocks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Bytes by which workers are above their share.
    more: BTreeMap<u64, u64>,
    /// And below it.
    less: BTreeMap<u64, u64>,
}

/// What operators have asked for, and how fast it may go.
#[derive(Default)]
pub(crate) struct Rebalance {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    asked: bool,
    allowed_bytes: i128,
    allowed_at_ms: Option<i64>,
}

impl Plan {
    /// Measures the workers that serve. Returns by how many percent of their room the fullest and the emptiest differ,
    /// and the plan that evens them out.
    pub fn of(held: &BTreeMap<u64, Held>, members: &Members) -> (u64, Self) {
        let serving = members.by_id.values().filter(|member| members.serves(member.worker_id));
        let workers: Vec<(u64, u128, u128)> = serving
            .map(|member| {
                let bytes = held.get(&member.worker_id).map_or(0, |held| held.bytes);
                let room = u128::from(member.used_bytes) + u128::from(member.free_bytes);
                (member.worker_id, u128::from(bytes), room)
            })
            .filter(|(_, _, room)| *room > 0)
            .collect();
        let (bytes, room) = workers.iter().fold((0, 0), |sum, (_, bytes, room)| (sum.0 + bytes, sum.1 + room));
        let percent = |(_, bytes, room): &(u64, u128, u128)| (bytes * 100 / room) as u64;
        let most = workers.iter().map(percent).max().unwrap_or(0);
        let least = workers.iter().map(percent).min().unwrap_or(0);
        let mut plan = Self::default();
        for (worker_id, own_bytes, own_room) in workers {
            let share = bytes * own_room / room;
            let to = |bytes: u128| u64::try_from(bytes).unwrap_or(u64::MAX);
            if own_bytes > share {
                plan.more.insert(worker_id, to(own_bytes - share));
            } else if own_bytes < share {
                plan.less.insert(worker_id, to(share - own_bytes));
            }
        }
        (most - least, plan)
    }

    /// What is to be moved still.
    pub fn bytes_left(&self) -> u64 {
        let sum = |bytes: &BTreeMap<u64, u64>| bytes.values().fold(0u64, |sum, bytes| sum.saturating_add(*bytes));
        sum(&self.more).min(sum(&self.less))
    }

    /// From whom to whom a block's copy moves, if that brings both nearer to their shares and leaves the copies as far
    /// apart as they are.
    pub fn take(&mut self, holders: &[u64], named: &[u64], length_bytes: u64, members: &Members) -> Option<(u64, u64)> {
        let above = holders.iter().copied().filter(|id| self.more.get(id).is_some_and(|more| *more >= length_bytes));
        let from = above.max_by_key(|id| self.more[id])?;
        let stays = |to: u64| -> Vec<u64> { holders.iter().copied().filter(|id| *id != from).chain([to]).collect() };
        let mut best = None;
        for (&to, &less) in self.less.iter().filter(|(id, less)| **less >= length_bytes && !named.contains(id)) {
            // The last of equals. Where a worker's copy would lie is looked at for the few that are better than all before.
            let is_better = best.is_none_or(|(known, _)| less >= known);
            if is_better && members.spread(&stays(to)) >= members.spread(holders) {
                best = Some((less, to));
            }
        }
        let (_, to) = best?;
        for (bytes, id) in [(&mut self.more, from), (&mut self.less, to)] {
            if let Some(bytes) = bytes.get_mut(&id) {
                *bytes -= length_bytes;
            }
        }
        Some((from, to))
    }
}

impl Rebalance {
    /// May a block of that length be moved now? Then its bytes are spent.
    pub fn may_move(&self, length_bytes: u64, bytes_per_second: u64, now_ms: i64) -> bool {
        let mut state = self.state.lock();
        let since_ms = state.allowed_at_ms.map_or(1_000, |at_ms| now_ms.saturating_sub(at_ms).max(0));
        let earned = i128::from(since_ms) * i128::from(bytes_per_second) / 1_000;
        state.allowed_bytes = (state.allowed_bytes + earned).min(i128::from(bytes_per_second));
        state.allowed_at_ms = Some(now_ms);
        // A block longer than what a second allows is paid for afterwards.
        let allowed = state.allowed_bytes > 0;
        if allowed {
            state.allowed_bytes -= i128::from(length_bytes);
        }
        allowed
    }
}

impl Cluster {
    /// An operator wants the workers evened out, however little they differ.
    pub fn rebalance(&self) {
        self.rebalance.state.lock().asked = true;
        self.sweep.want();
    }

    /// Plans moves, when it was asked for or the workers differ too much.
    pub(super) fn plan_moves(&self, held: &BTreeMap<u64, Held>) {
        let (percent, plan) = Plan::of(held, &self.workers.members(&self.namespace));
        let threshold = u64::from(self.namespace.settings.rebalance_threshold_percent);
        let asked = std::mem::take(&mut self.rebalance.state.lock().asked);
        if !asked && (threshold == 0 || percent <= threshold) {
            return;
        }
        tracing::info!(percent, bytes = plan.bytes_left(), "the workers are evened out");
        self.sweep.set_plan(Some(plan));
        self.sweep.want();
    }
}

#[cfg(test)]
mod tests {
    use super::super::members::tests::members;
    use super::super::repair::queue::{Entry, Urgency};
    use super::super::testing::Machines;
    use super::*;

    fn held(bytes: &[u64]) -> BTreeMap<u64, Held> {
        bytes.iter().enumerate().map(|(at, bytes)| (at as u64 + 1, Held { blocks: 1, bytes: *bytes })).collect()
    }

    #[test]
    fn a_plan_brings_everyone_to_its_share_and_no_one_past_it() {
        let members = members(&[("a", "1"), ("a", "2"), ("a", "3")]);
        let (percent, mut plan) = Plan::of(&held(&[900, 0, 300]), &members);
        assert_eq!((percent, plan.bytes_left()), (45, 500));
        assert_eq!(plan.take(&[1], &[1], 150, &members), Some((1, 2)));
        assert_eq!(plan.take(&[1], &[1], 150, &members), Some((1, 2)));
        assert_eq!(plan.take(&[1], &[1], 150, &members), None, "it would go too far");
        assert_eq!(plan.take(&[1], &[1, 2], 50, &members), Some((1, 3)), "the emptiest holds it");
        assert_eq!(plan.take(&[2], &[2], 1, &members), None, "nothing moves from where there is too little");
        assert_eq!(plan.bytes_left(), 150);
    }

    #[test]
    fn a_move_never_brings_copies_together() {
        let members = members(&[("a", "1"), ("a", "2"), ("b", "3")]);
        let (_, mut plan) = Plan::of(&held(&[300, 0, 900]), &members);
        assert_eq!(plan.take(&[1, 3], &[1, 3], 100, &members), None, "both would be in one zone");
        assert_eq!(plan.take(&[3], &[3], 100, &members), Some((3, 2)));
    }

    #[test]
    fn moves_earn_their_bytes_first() {
        let rebalance = Rebalance::default();
        let may_move = |length_bytes, now_ms| rebalance.may_move(length_bytes, 1_000, now_ms);
        assert!(may_move(2_500, 0));
        assert!(!may_move(1, 1_000) && !may_move(1, 1_500));
        assert!(may_move(900, 1_600) && !may_move(1, 1_601));
        assert!(may_move(1, 1_000_000) && may_move(1_000, 1_000_000) && !may_move(1, 1_000_000), "they do not pile up");
    }

    #[test]
    fn workers_with_different_room_are_as_full_as_each_other() {
        let mut members = members(&[("a", "1"), ("a", "2")]);
        members.by_id.get_mut(&2).unwrap().free_bytes = 5_000;
        let (percent, plan) = Plan::of(&held(&[800, 0]), &members);
        assert_eq!((percent, plan.bytes_left()), (40, 600));
        members.by_id.get_mut(&2).unwrap().draining = true;
        assert_eq!(Plan::of(&held(&[800, 0]), &members).1.bytes_left(), 0, "one alone is even");
    }

    #[tokio::test]
    async fn heartbeats_leave_alone_what_has_to_wait_until_something_changes() {
        let mut machines = Machines::new(&["a", "b", "c"]).await;
        let moved = machines.put(&[0, 1], 2).await;
        let other = machines.put(&[0, 1], 2).await;
        let (from, to) = (machines.id(0), machines.id(2));
        let bytes_per_second = machines.fixture.namespace.settings.rebalance_bytes_per_second;
        let now_ms = machines.fixture.namespace.clock.now_ms();
        assert!(machines.fixture.cluster.rebalance.may_move(2 * bytes_per_second, bytes_per_second, now_ms));

        let entry = Entry { block_id: moved, urgency: Urgency::Moving, moved: Some((from, to)), ..Entry::default() };
        machines.fixture.cluster.repair.push(entry);
        assert!(machines.fixture.cluster.repair.may_go_on());
        machines.beat(1).await;
        let repair = &machines.fixture.cluster.repair;
        assert_eq!((repair.counts(), repair.may_go_on()), ((1, 0), false), "the bytes of this second are spent");
        repair.look_at(other);
        assert!(repair.may_go_on());
        machines.beat(1).await;
        let repair = &machines.fixture.cluster.repair;
        assert_eq!((repair.counts(), repair.may_go_on()), ((1, 0), false), "the other one needed nothing");

        machines.fixture.clock.advance(2_000);
        machines.fixture.cluster.repair_turn().await.unwrap();
        assert_eq!(machines.fixture.cluster.repair.counts(), (0, 1), "time lets it go on");
        machines.settle().await;
        assert_eq!(machines.on_disk(moved), [1, 2]);
        machines.fixture.check(true).await;
    }
}
