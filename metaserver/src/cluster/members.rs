//! The workers as repair sees them at one moment: whose copies count, who can give blocks, and who takes them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A worker that has registered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Member {
    pub worker_id: u64,
    pub place: Arc<Place>,
    pub incarnation: u64,
    /// Since the metaserver started.
    pub has_reported: bool,
    /// It has said that it ends.
    pub has_left: bool,
    /// Since its last heartbeat; of one that has not reported, since the metaserver started.
    pub silence_ms: i64,
    /// An operator empties it, or has emptied it.
    pub draining: bool,
    /// What its blocks take, and what they still can.
    pub used_bytes: u64,
    pub free_bytes: u64,
}

/// Where a worker is. Shared: all workers are looked at together, many times a second.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub address: String,
    pub zone: String,
    pub host: String,
}

/// How long a worker may be silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Patience {
    /// Longer: it is lost.
    pub live_ms: i64,
    /// Longer: it is done without.
    pub repair_ms: i64,
    /// Longer: it is forgotten.
    pub forget_ms: i64,
}

/// All of them.
#[derive(Clone, Debug)]
pub(crate) struct Members {
    pub by_id: BTreeMap<u64, Member>,
    pub patience: Patience,
    /// How long nothing was heard of a worker that nobody knows.
    pub unknown_silence_ms: i64,
}

/// Who is to take a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Chosen(u64),
    /// All that could have orders enough.
    Busy,
    /// Nobody could.
    Nobody,
}

/// Where a copy is wanted.
#[derive(Debug)]
pub(crate) struct Wish<'a> {
    /// Workers whose copies stay: the new one is to be far from them.
    pub holders: &'a [u64],
    /// Workers that can't have it.
    pub excluded: &'a BTreeSet<u64>,
    /// Who should not have it if another can.
    pub avoided: &'a [u64],
    /// Who should have it if possible.
    pub preferred: Option<u64>,
    pub length_bytes: u64,
    pub random: u64,
}

impl Members {
    fn silence_ms(&self, worker_id: u64) -> i64 {
        self.by_id.get(&worker_id).map_or(self.unknown_silence_ms, |member| member.silence_ms)
    }

    /// It has heartbeats: it can give blocks, and be asked.
    pub fn is_present(&self, worker_id: u64) -> bool {
        self.by_id
            .get(&worker_id)
            .is_some_and(|member| member.has_reported && !member.has_left && member.silence_ms <= self.patience.live_ms)
    }

    pub fn is_draining(&self, worker_id: u64) -> bool {
        self.by_id.get(&worker_id).is_some_and(|member| member.draining)
    }

    /// It takes new blocks, and its copies count for good.
    pub fn serves(&self, worker_id: u64) -> bool {
        self.is_present(worker_id) && !self.is_draining(worker_id)
    }

    /// It is not lost, as far as can be known: a metaserver that has just started gives all a time-out.
    pub fn is_live(&self, worker_id: u64) -> bool {
        self.by_id.get(&worker_id).is_some_and(|member| !member.has_left && member.silence_ms <= self.patience.live_ms)
    }

    /// It is silent, and will be waited for before its blocks get other copies.
    pub fn is_awaited(&self, worker_id: u64) -> bool {
        let known = self.by_id.contains_key(&worker_id) && !self.is_draining(worker_id);
        known && !self.is_present(worker_id) && self.silence_ms(worker_id) <= self.patience.repair_ms
    }

    pub fn is_forgotten(&self, worker_id: u64) -> bool {
        self.silence_ms(worker_id) > self.patience.forget_ms
    }

    pub fn incarnation(&self, worker_id: u64) -> u64 {
        self.by_id.get(&worker_id).map_or(0, |member| member.incarnation)
    }

    fn place(&self, worker_id: u64) -> (&str, &str) {
        self.by_id.get(&worker_id).map_or(("", ""), |member| (member.place.zone.as_str(), member.place.host.as_str()))
    }

    /// How many of some workers are in the same zone, and on the same host, as one.
    fn company(&self, worker_id: u64, others: &[u64]) -> (usize, usize) {
        let (zone, host) = self.place(worker_id);
        let places = || others.iter().filter(|other| **other != worker_id).map(|other| self.place(*other));
        (places().filter(|place| place.0 == zone).count(), places().filter(|place| *place == (zone, host)).count())
    }

    /// How many zones and hosts the holders of a block are spread over. They are few, and looked at for each block of each
    /// look at all: comparing them takes less than sets.
    pub fn spread(&self, holders: &[u64]) -> (usize, usize) {
        let places: Vec<(&str, &str)> = holders.iter().map(|id| self.place(*id)).collect();
        let before = |at: usize| &places[..at];
        let is_new_zone = |at: &usize| before(*at).iter().all(|(zone, _)| *zone != places[*at].0);
        let is_new_host = |at: &usize| !before(*at).contains(&places[*at]);
        ((0..places.len()).filter(is_new_zone).count(), (0..places.len()).filter(is_new_host).count())
    }

    /// How many zones and hosts there are to spread copies over.
    pub fn reach(&self) -> (usize, usize) {
        let serving = self.by_id.keys().copied().filter(|id| self.serves(*id));
        let places: BTreeSet<(&str, &str)> = serving.map(|id| self.place(id)).collect();
        let zones: BTreeSet<&str> = places.iter().map(|(zone, _)| *zone).collect();
        (zones.len(), places.len())
    }

    /// From whom to whom a copy moves so that all lie in more zones, or in as many on more hosts; among equals to the
    /// worker with the most room, from the fullest. `named` can't take it. None: they are as far apart as they can be.
    /// `reach` is [`Members::reach`], `held_bytes` what a holder has of the block.
    pub fn apart(
        &self,
        reach: (usize, usize),
        holders: &[u64],
        named: &[u64],
        held_bytes: impl Fn(u64) -> u64,
    ) -> Option<(u64, u64)> {
        let now = self.spread(holders);
        if now.0 >= reach.0.min(holders.len()) && now.1 >= reach.1.min(holders.len()) {
            return None;
        }
        let takers: Vec<&Member> = self
            .by_id
            .values()
            .filter(|member| self.serves(member.worker_id) && !named.contains(&member.worker_id))
            .collect();
        let mut best = None;
        for &from in holders {
            let stay: Vec<u64> = holders.iter().copied().filter(|id| *id != from).collect();
            for to in takers.iter().filter(|to| to.free_bytes >= held_bytes(from)) {
                let spread = self.spread(&[&stay[..], &[to.worker_id]].concat());
                let rank = (spread, to.free_bytes, self.used_share(from));
                if spread > now && best.as_ref().is_none_or(|(known, _)| *known < rank) {
                    best = Some((rank, (from, to.worker_id)));
                }
            }
        }
        best.map(|(_, moved)| moved)
    }

    /// Chooses who takes a copy: in the zone, then on the host, that has the fewest copies; among equals by chance,
    /// weighted by free space. `load` tells of a worker the bytes that it is to take already; none: it has orders enough.
    pub fn choose_target(&self, wish: &Wish<'_>, load: impl Fn(u64) -> Option<u64>) -> Target {
        let mut busy = false;
        let mut best: Vec<(&Member, u64)> = Vec::new();
        let mut best_rank = None;
        for member in self.by_id.values() {
            let id = member.worker_id;
            if !self.serves(id) || wish.excluded.contains(&id) || member.free_bytes < wish.length_bytes {
                continue;
            }
            let Some(ordered_bytes) = load(id) else {
                busy = true;
                continue;
            };
            let free_bytes = member.free_bytes.saturating_sub(ordered_bytes);
            if free_bytes < wish.length_bytes {
                busy = true;
                continue;
            }
            let rank = (wish.preferred != Some(id), wish.avoided.contains(&id), self.company(id, wish.holders));
            match best_rank {
                Some(known) if known < rank => {}
                Some(known) if known == rank => best.push((member, free_bytes)),
                _ => (best, best_rank) = (vec![(member, free_bytes)], Some(rank)),
            }
        }
        match weighted(&best, wish.random) {
            Some(worker_id) => Target::Chosen(worker_id),
            None if busy => Target::Busy,
            None => Target::Nobody,
        }
    }

    /// Parts copies into those that stay, `wanted` of them, and the others: from where copies crowd, then from the
    /// fullest worker.
    pub fn part(&self, holders: &[u64], wanted: usize) -> (Vec<u64>, Vec<u64>) {
        let (mut kept, mut surplus) = (holders.to_vec(), Vec::new());
        while kept.len() > wanted {
            let crowded = |id: &u64| (self.company(*id, &kept), self.used_share(*id), Reverse(*id));
            let Some(victim) = kept.iter().copied().max_by_key(crowded) else { break };
            kept.retain(|id| *id != victim);
            surplus.push(victim);
        }
        (kept, surplus)
    }

    /// In millionths of its room.
    fn used_share(&self, worker_id: u64) -> u128 {
        let Some(member) = self.by_id.get(&worker_id) else { return 0 };
        let room = u128::from(member.used_bytes) + u128::from(member.free_bytes);
        (u128::from(member.used_bytes) * 1_000_000).checked_div(room).unwrap_or(0)
    }
}

fn weighted(members: &[(&Member, u64)], random: u64) -> Option<u64> {
    // Of workers that are as good as full, none is never chosen.
    let weight = |free_bytes: u64| u128::from(free_bytes) + 1;
    let total: u128 = members.iter().map(|(_, free)| weight(*free)).sum();
    let mut at = u128::from(random).checked_rem(total)?;
    for (member, free) in members {
        match at.checked_sub(weight(*free)) {
            Some(rest) => at = rest,
            None => return Some(member.worker_id),
        }
    }
    None
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub const PATIENCE: Patience = Patience { live_ms: 10, repair_ms: 70, forget_ms: 1_000 };

    /// Workers with these zones and hosts, from 1 on, each half full.
    pub fn members(places: &[(&str, &str)]) -> Members {
        let member = |(at, (zone, host)): (usize, &(&str, &str))| Member {
            worker_id: at as u64 + 1,
            place: Arc::new(Place { zone: (*zone).into(), host: (*host).into(), ..Place::default() }),
            has_reported: true,
            used_bytes: 1_000,
            free_bytes: 1_000,
            ..Member::default()
        };
        let by_id = places.iter().enumerate().map(member).map(|member| (member.worker_id, member)).collect();
        Members { by_id, patience: PATIENCE, unknown_silence_ms: 0 }
    }

    fn choose(members: &Members, holders: &[u64], random: u64) -> Target {
        let excluded = holders.iter().copied().collect();
        members.choose_target(&Wish { holders, length_bytes: 100, random, ..wish(&excluded) }, |_| Some(0))
    }

    fn wish(excluded: &BTreeSet<u64>) -> Wish<'_> {
        Wish { holders: &[], excluded, avoided: &[], preferred: None, length_bytes: 0, random: 0 }
    }

    #[test]
    fn silence_is_borne_for_a_while_and_then_no_longer() {
        let mut members = members(&[("a", "1")]);
        let states =
            |members: &Members| (members.serves(1), members.is_live(1), members.is_awaited(1), members.is_forgotten(1));
        for (silence_ms, expected) in [
            (10, (true, true, false, false)),
            (11, (false, false, true, false)),
            (70, (false, false, true, false)),
            (71, (false, false, false, false)),
            (1_001, (false, false, false, true)),
        ] {
            members.by_id.get_mut(&1).unwrap().silence_ms = silence_ms;
            assert_eq!(states(&members), expected, "{silence_ms}");
        }
        let member = members.by_id.get_mut(&1).unwrap();
        (member.silence_ms, member.has_reported) = (5, false);
        assert_eq!(states(&members), (false, true, true, false), "after a start of the metaserver");
        members.by_id.get_mut(&1).unwrap().draining = true;
        assert!(!members.is_awaited(1), "nobody waits for one that is to go");
        assert!(!members.is_live(2) && !members.is_awaited(2));
    }

    #[test]
    fn a_target_is_in_another_zone_then_on_another_host() {
        let members = members(&[("a", "1"), ("a", "1"), ("a", "2"), ("b", "3"), ("b", "3")]);
        for random in 0..50 {
            let Target::Chosen(chosen) = choose(&members, &[1], random * 97) else { panic!() };
            assert!([4, 5].contains(&chosen));
            assert_eq!(choose(&members, &[1, 4], random * 97), Target::Chosen(3), "{random}");
        }
        assert_eq!(choose(&members, &[1, 3, 4, 5], 0), Target::Chosen(2));
        assert_eq!(choose(&members, &[1, 2, 3, 4, 5], 0), Target::Nobody);
    }

    #[test]
    fn the_full_the_silent_and_the_draining_are_no_targets_and_the_emptier_gets_more() {
        let mut members = members(&[("a", "1"), ("a", "2"), ("a", "3"), ("a", "4"), ("a", "5")]);
        members.by_id.get_mut(&1).unwrap().free_bytes = 99;
        members.by_id.get_mut(&2).unwrap().silence_ms = 11;
        members.by_id.get_mut(&3).unwrap().draining = true;
        members.by_id.get_mut(&4).unwrap().free_bytes = 3_003;
        let chosen = |random| choose(&members, &[], random);
        let fourth = (0..4_005).filter(|random| chosen(*random) == Target::Chosen(4)).count();
        assert_eq!(fourth, 3_004);
        let excluded = BTreeSet::from([5]);
        let wish = Wish { length_bytes: 100, ..wish(&excluded) };
        assert_eq!(members.choose_target(&wish, |_| None), Target::Busy);
        assert_eq!(members.choose_target(&wish, |_| Some(3_000)), Target::Busy, "its room is spoken for");
    }

    #[test]
    fn whoever_is_preferred_comes_first_and_whoever_is_avoided_last() {
        let members = members(&[("a", "1"), ("b", "2"), ("c", "3")]);
        let excluded = BTreeSet::from([1]);
        let wish = |preferred, avoided| Wish { preferred, avoided, holders: &[1], ..wish(&excluded) };
        assert_eq!(members.choose_target(&wish(Some(3), &[3]), |_| Some(0)), Target::Chosen(3));
        assert_eq!(members.choose_target(&wish(Some(1), &[3]), |_| Some(0)), Target::Chosen(2));
        assert_eq!(members.choose_target(&wish(None, &[2, 3]), |id| (id == 2).then_some(0)), Target::Chosen(2));
    }

    #[test]
    fn copies_that_crowd_move_apart_to_the_emptiest_that_is_elsewhere() {
        let mut members = members(&[("a", "1"), ("a", "2"), ("b", "3"), ("b", "4"), ("c", "5"), ("c", "5")]);
        let apart =
            |members: &Members, holders: &[u64], named: &[u64]| members.apart(members.reach(), holders, named, |_| 100);
        assert_eq!(members.reach(), (3, 5));
        members.by_id.get_mut(&1).unwrap().used_bytes = 1_500;
        members.by_id.get_mut(&4).unwrap().free_bytes = 2_000;
        assert_eq!(apart(&members, &[1, 2], &[1, 2]), Some((1, 4)), "from the fullest to the emptiest");
        assert_eq!(apart(&members, &[1, 2, 3], &[1, 2, 3]).unwrap().0, 1, "one of the two that share a zone");
        assert_eq!(apart(&members, &[1, 3, 5], &[1, 3, 5]), None);
        assert_eq!(apart(&members, &[1, 3], &[1, 3]), None);
        assert_eq!(apart(&members, &[1, 3, 5, 6], &[1, 3, 5, 6]).unwrap().0, 5, "as many zones, and more hosts");
        assert_eq!(apart(&members, &[1, 2, 3, 5], &[1, 2, 3, 5]), None, "four copies in three zones share one");
        assert_eq!(apart(&members, &[1, 2], &[1, 2, 3, 4, 5, 6]), None, "who is named can't take it");
        for id in [3, 4, 5, 6] {
            members.by_id.get_mut(&id).unwrap().free_bytes = 99;
        }
        assert_eq!(apart(&members, &[1, 2], &[1, 2]), None, "nor who has no room");
        for id in [3, 4, 5, 6] {
            members.by_id.get_mut(&id).unwrap().draining = true;
        }
        assert_eq!(members.reach(), (1, 2));
        assert_eq!(apart(&members, &[1, 2], &[1, 2]), None);
    }

    #[test]
    fn surplus_goes_where_copies_crowd_then_from_the_fullest() {
        let mut members = members(&[("a", "1"), ("a", "1"), ("a", "2"), ("b", "3"), ("c", "4")]);
        assert_eq!(members.part(&[1, 2, 3, 4], 3), (vec![2, 3, 4], vec![1]));
        members.by_id.get_mut(&2).unwrap().used_bytes = 2_000;
        assert_eq!(members.part(&[1, 2, 3, 4], 3), (vec![1, 3, 4], vec![2]));
        members.by_id.get_mut(&5).unwrap().free_bytes = 0;
        assert_eq!(members.part(&[3, 4, 5], 2), (vec![3, 4], vec![5]));
        assert_eq!(members.part(&[3, 4], 2), (vec![3, 4], vec![]));
        assert_eq!(members.spread(&[1, 2, 3, 4]), (2, 3));
    }

    #[test]
    fn the_spread_of_all_workers_is_what_there_is_to_spread_over() {
        let hosts: Vec<String> = (0..60).map(|at| (at % 7).to_string()).collect();
        let places: Vec<(&str, &str)> =
            hosts.iter().enumerate().map(|(at, host)| (["a", "b", "", "d"][at / 15], host.as_str())).collect();
        let all = members(&places);
        for count in 0..=places.len() {
            let workers: Vec<u64> = (1..=count as u64).rev().collect();
            let distinct: BTreeSet<_> = places[..count].iter().collect();
            let expected = (count.div_ceil(15), distinct.len());
            assert_eq!(all.spread(&workers), expected, "the first {count}");
            assert_eq!(members(&places[..count]).reach(), expected, "the first {count}");
        }
        assert_eq!(all.spread(&[1, 1, 99]), (2, 2), "one that is not known is somewhere else");
    }
}
