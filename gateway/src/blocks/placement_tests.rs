use super::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use weir_service::clock::ManualClock;

const GIB: u64 = 1 << 30;

fn worker(worker_id: u64) -> v1::Worker {
    v1::Worker { worker_id, free_bytes: GIB, live: true, address: format!("host{worker_id}:1"), ..Default::default() }
}

fn at(worker_id: u64, zone: &str, host: &str) -> v1::Worker {
    v1::Worker { zone: zone.into(), host: host.into(), ..worker(worker_id) }
}

fn need(copies: usize) -> Need<'static> {
    Need { copies, min: 1, length_bytes: 1 << 20, holders: &[], excluded: &[] }
}

/// The ids that are chosen, ascending, in each of many turns.
fn turns(workers: &[v1::Worker], need: &Need<'_>) -> Vec<Vec<u64>> {
    let clock = Arc::new(ManualClock::at(0));
    let health = WorkerHealth::new(clock.clone());
    let turn = |_| {
        let mut chosen = ids(&choose(workers, need, &health, &*clock));
        chosen.sort_unstable();
        chosen
    };
    (0..200).map(turn).collect()
}

#[test]
fn the_chosen_workers_are_live_and_different() {
    let mut workers: Vec<_> = (1..=7).map(worker).collect();
    workers[1].live = false;
    workers[2].state = WorkerState::Lost.into();
    workers[4].state = WorkerState::Draining.into();
    workers[5].state = WorkerState::Drained.into();
    workers[6].state = WorkerState::Live.into();
    assert!(turns(&workers, &need(3)).iter().all(|chosen| chosen == &[1, 4, 7]));
    assert!(turns(&workers, &need(5)).iter().all(|chosen| chosen == &[1, 4, 7]), "no more than there are");
}

#[test]
fn copies_are_spread_over_zones_first_and_hosts_next() {
    let workers =
        [at(1, "a", "x"), at(2, "a", "y"), at(3, "a", "z"), at(4, "b", "v"), at(5, "b", "v"), at(6, "c", "w")];
    let zone = |id: &u64| workers[*id as usize - 1].zone.clone();
    for chosen in turns(&workers, &need(3)) {
        assert_eq!(chosen.iter().map(zone).collect::<Vec<_>>(), ["a", "b", "c"]);
    }
    for chosen in turns(&workers[..5], &need(4)) {
        let zones: Vec<_> = chosen.iter().map(zone).collect();
        assert_eq!(zones, ["a", "a", "b", "b"], "as even as can be");
    }
    for chosen in turns(&workers[2..5], &need(2)) {
        assert_eq!(chosen.iter().map(zone).collect::<Vec<_>>(), ["a", "b"]);
    }
    for chosen in turns(&[at(1, "a", "x"), at(2, "a", "x"), at(3, "a", "y")], &need(2)) {
        assert!(chosen.contains(&3), "{chosen:?}: two hosts");
    }
    for chosen in turns(&workers, &Need { holders: &[6, 1], ..need(1) }) {
        assert_eq!(zone(&chosen[0]), "b", "far from those that have a copy");
    }
}

#[test]
fn without_a_host_label_the_address_tells_the_host() {
    let on = |worker_id, address: &str| v1::Worker { address: address.into(), ..worker(worker_id) };
    let workers = [on(1, "one:1"), on(2, "one:2"), on(3, "two:1")];
    assert!(turns(&workers, &need(2)).iter().all(|chosen| chosen.contains(&3)));
    assert_eq!(host_of(&on(1, "[::1]:9")), "[::1]");
}

#[test]
fn full_workers_are_left_out_while_others_have_room() {
    let mut workers: Vec<_> = (1..=3).map(worker).collect();
    workers[0].free_bytes = RESERVE_BYTES;
    workers[1].free_bytes = 1000;
    assert!(turns(&workers, &need(2)).iter().all(|chosen| chosen == &[3]));
    assert!(turns(&workers, &Need { min: 2, ..need(2) }).iter().all(|chosen| chosen == &[1, 3]), "what is needed");
    let need = Need { min: 3, ..need(3) };
    assert!(turns(&workers, &need).iter().all(|chosen| chosen == &[1, 3]), "no room at all");
    assert_eq!(shortage(&workers, &need).reason, Reason::NoSpace);
    assert_eq!(shortage(&workers[..2], &need).reason, Reason::TooFewWorkers);
}

#[test]
fn workers_that_failed_lately_are_chosen_only_for_what_is_needed() {
    let clock = Arc::new(ManualClock::at(0));
    let health = WorkerHealth::new(clock.clone());
    let workers: Vec<_> = (1..=3).map(worker).collect();
    health.failed(2);
    let chosen = |need: Need<'_>| {
        let mut chosen = ids(&choose(&workers, &need, &health, &*clock));
        chosen.sort_unstable();
        chosen
    };
    assert_eq!(chosen(need(3)), [1, 3]);
    assert_eq!(chosen(Need { min: 3, ..need(3) }), [1, 2, 3]);
    assert_eq!(chosen(Need { min: 3, excluded: &[2], ..need(3) }), [1, 3]);
    clock.advance(5_000);
    assert_eq!(chosen(need(3)), [1, 2, 3]);
}

#[test]
fn a_worker_with_more_free_space_is_chosen_more_often() {
    let mut workers = [worker(1), worker(2)];
    workers[1].free_bytes = 9 * GIB;
    let mut counts = BTreeMap::new();
    for chosen in (0..5).flat_map(|_| turns(&workers, &need(1))) {
        *counts.entry(chosen[0]).or_insert(0) += 1;
    }
    assert!((850..950).contains(&counts[&2]), "{counts:?}");
}

#[test]
fn a_majority_of_the_copies_wanted_is_enough_unless_more_are_asked_for() {
    let pair = |wanted, min| {
        let copies = Copies::new(wanted, min);
        (copies.wanted, copies.min)
    };
    assert_eq!([pair(1, 0), pair(2, 0), pair(3, 0), pair(4, 0)], [(1, 1), (2, 2), (3, 2), (4, 3)]);
    assert_eq!([pair(3, 1), pair(3, 3), pair(2, 3), pair(0, 0)], [(3, 1), (3, 3), (2, 2), (1, 1)]);
}
