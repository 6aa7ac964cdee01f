//! Whole stories of repair, draining and rebalancing, with workers whose disks are maps.

mod coded;

use super::testing::{BLOCK_BYTES, Machines};
use crate::records::key::Kind;
use weir_proto::v1::WorkerState;
use weir_service::clock::Clock as _;

const THREE: [&str; 3] = ["a", "b", "c"];

fn state(machines: &Machines, at: usize) -> WorkerState {
    machines.fixture.cluster.workers.by_ids(&machines.fixture.namespace, &[machines.id(at)])[0].state()
}

#[tokio::test]
async fn blocks_of_a_lost_worker_get_copies_after_a_while_and_surplus_goes_when_it_is_back() {
    let mut machines = Machines::new(&THREE).await;
    let block_id = machines.put(&[0, 1], 2).await;
    machines.kill(1);
    machines.pass(60_000).await;
    machines.settle().await;
    assert_eq!(state(&machines, 1), WorkerState::Lost);
    assert_eq!(machines.on_disk(block_id), [0, 1], "it may be back soon");
    assert_eq!(machines.fixture.cluster.redundancy().missing[0].block_count, 1, "but it is missing");
    machines.pass(11_000).await;
    machines.settle().await;
    assert_eq!(machines.on_disk(block_id), [0, 1, 2]);
    assert_eq!(machines.fixture.cluster.redundancy().complete_block_count, 1);
    let named = machines.fixture.namespace.block(block_id).await.unwrap().worker_ids;
    assert_eq!(named, [machines.id(0), machines.id(1), machines.id(2)], "it counts again when it is back");
    machines.start(1).await;
    machines.settle().await;
    assert_eq!(machines.on_disk(block_id).len(), 2);
    assert_eq!(machines.fixture.cluster.redundancy().surplus_copy_count, 0);
    machines.fixture.check(true).await;
}

#[tokio::test]
async fn a_report_that_breaks_off_at_any_moment_leaves_no_block_without_care() {
    for polls in 0.. {
        let mut machines = Machines::new(&THREE).await;
        let block_id = machines.put(&[0, 1], 2).await;
        machines.kill(1);
        machines.pass(71_000).await;
        machines.fixture.cluster.sweep_all().await;
        machines.fixture.cluster.repair_turn().await.unwrap();
        machines.beat(2).await;
        machines.work(2);
        let has_ended = machines.beat_broken_off(2, polls).await;
        machines.settle().await;
        let redundancy = machines.fixture.cluster.redundancy();
        let (complete, ordered) = (redundancy.complete_block_count, redundancy.ordered_block_count);
        assert_eq!((complete, ordered), (1, 0), "after {polls} polls: {redundancy:?}");
        assert_eq!(machines.on_disk(block_id), [0, 1, 2]);
        if has_ended {
            break;
        }
    }
}

#[tokio::test]
async fn a_worker_that_is_back_in_time_costs_nothing() {
    let mut machines = Machines::new(&THREE).await;
    let block_id = machines.put(&[0, 1], 2).await;
    machines.kill(1);
    machines.pass(50_000).await;
    machines.start(1).await;
    machines.settle().await;
    assert_eq!(machines.on_disk(block_id), [0, 1]);
    assert_eq!(machines.fixture.namespace.metrics.repaired_copies.get(), 0);
}

#[tokio::test]
async fn a_start_of_the_metaserver_makes_no_worker_lost() {
    let mut machines = Machines::new(&THREE).await;
    let block_id = machines.put(&[0, 1], 2).await;
    let mut machines = machines.restart_metaserver().await;
    machines.fixture.clock.advance(9_000);
    machines.fixture.cluster.sweep_all().await;
    assert_eq!(machines.fixture.cluster.redundancy().complete_block_count, 1, "nobody has had a chance to report");
    machines.kill(1);
    machines.pass(60_000).await;
    machines.settle().await;
    assert_eq!(machines.on_disk(block_id), [0, 1]);
    machines.pass(11_000).await;
    machines.settle().await;
    assert_eq!(machines.on_disk(block_id), [0, 1, 2], "one that never came back is lost in the end");
}

#[tokio::test]
async fn a_start_that_had_to_wait_for_the_standby_makes_no_worker_lost_either() {
    let mut machines = Machines::new(&THREE).await;
    // The first one has reported to the start already.
    let block_id = machines.put(&[1, 2], 2).await;
    let mut machines = machines.restart_metaserver().await;
    machines.fixture.clock.advance(3_600_000);
    machines.fixture.cluster.workers.renew_patience(machines.fixture.clock.now_ms());
    machines.fixture.cluster.sweep_all().await;
    assert_eq!(machines.fixture.cluster.redundancy().complete_block_count, 1, "nobody has had a chance to report");
    machines.settle().await;
    assert_eq!(machines.on_disk(block_id), [1, 2]);
}

#[tokio::test]
async fn the_most_endangered_blocks_come_first_and_copies_go_to_other_zones() {
    let mut machines = Machines::new(&["a", "a", "b", "b"]).await;
    let two_left = machines.put(&[0, 1, 2], 3).await;
    let one_left = machines.put(&[0, 2], 2).await;
    machines.kill(2);
    machines.fixture.clock.advance(71_000);
    for at in [0, 1, 3] {
        machines.beat(at).await;
    }
    machines.fixture.cluster.sweep_all().await;
    machines.fixture.cluster.repair_turn().await.unwrap();
    machines.beat(3).await;
    let ordered: Vec<u64> = machines.machines[3].copies.iter().map(|order| order.block_id).collect();
    assert_eq!(ordered, [one_left, two_left]);
}

#[tokio::test]
async fn a_damaged_copy_is_repaired_and_what_was_set_aside_goes() {
    let mut machines = Machines::new(&THREE).await;
    let block_id = machines.put(&[0, 1], 2).await;
    machines.damage(1, block_id);
    machines.beat(1).await;
    let readable = async |machines: &Machines| {
        machines.fixture.get("photos", "object-1").await.unwrap().extents[0].worker_ids.clone()
    };
    assert_eq!(readable(&machines).await, [machines.id(0)]);
    machines.settle().await;
    assert_eq!(machines.on_disk(block_id), [0, 2]);
    assert!(machines.machines[1].quarantined.is_empty());
    machines.fixture.check(true).await;
}

#[tokio::test]
async fn a_damaged_copy_is_made_good_in_its_place_when_there_is_no_other() {
    let mut machines = Machines::new(&THREE[..2]).await;
    let block_id = machines.put(&[0, 1], 2).await;
    machines.damage(1, block_id);
    machines.settle().await;
    assert_eq!(machines.on_disk(block_id), [0, 1]);
    assert!(machines.machines[1].quarantined.is_empty());
    assert_eq!(machines.fixture.cluster.redundancy().complete_block_count, 1);
}

#[tokio::test]
async fn a_copy_that_is_not_where_it_should_be_is_found_by_asking() {
    let mut machines = Machines::new(&THREE).await;
    let block_id = machines.put(&[0, 1], 2).await;
    machines.kill(1);
    machines.machines[1].blocks.clear();
    machines.start(1).await;
    machines.settle().await;
    assert_eq!(machines.on_disk(block_id).len(), 2);
    assert_eq!(machines.fixture.namespace.metrics.missing_copies.get(), 1);
    assert_eq!(machines.fixture.cluster.redundancy().invalid_copy_count, 0);
    machines.fixture.check(true).await;
}

#[tokio::test]
async fn the_last_copy_counts_again_when_its_disk_is_back() {
    let mut machines = Machines::new(&THREE[..1]).await;
    let block_id = machines.put(&[0], 1).await;
    machines.kill(0);
    machines.machines[0].blocks.clear();
    machines.start(0).await;
    machines.settle().await;
    assert_eq!(machines.fixture.cluster.redundancy().lost_block_count, 1);
    machines.kill(0);
    machines.machines[0].blocks.insert(block_id);
    machines.start(0).await;
    machines.settle().await;
    let found = machines.fixture.cluster.redundancy();
    assert_eq!((found.lost_block_count, found.complete_block_count), (0, 1));
}

#[tokio::test]
async fn a_block_that_is_deleted_while_it_is_copied_stays_deleted() {
    let mut machines = Machines::new(&THREE).await;
    let block_id = machines.put(&[0], 2).await;
    machines.fixture.cluster.sweep_all().await;
    machines.round().await;
    let target = (1..3).find(|at| !machines.machines[*at].copies.is_empty()).unwrap();
    machines.work(target);
    machines.fixture.delete("photos", &["object-1"]).await;
    machines.fixture.drain().await;
    machines.machines[0].blocks.clear();
    assert_eq!(machines.on_disk(block_id), [target]);
    machines.settle().await;
    assert!(machines.on_disk(block_id).is_empty());
    machines.fixture.check(true).await;
    assert!(machines.fixture.rows(Kind::Block).await.is_empty());
}

#[tokio::test]
async fn an_inventory_that_shows_a_copy_before_its_commit_does_not_have_it_deleted() {
    let mut machines = Machines::new(&THREE).await;
    let block_id = machines.put(&[0], 2).await;
    machines.fixture.cluster.sweep_all().await;
    machines.round().await;
    let target = (1..3).find(|at| !machines.machines[*at].copies.is_empty()).unwrap();
    machines.work(target);
    machines.take_inventory(target);
    machines.send_inventory(target).await;
    machines.fixture.check(true).await;
    machines.take_inventory(target);
    machines.beat(target).await;
    machines.send_inventory(target).await;
    machines.settle().await;
    assert_eq!(machines.on_disk(block_id), [0, target]);
    machines.fixture.check(true).await;
}

#[tokio::test]
async fn a_copy_that_a_metaserver_forgot_is_verified_and_counts() {
    let mut machines = Machines::new(&THREE).await;
    let block_id = machines.put(&[0], 2).await;
    machines.fixture.cluster.sweep_all().await;
    machines.round().await;
    let target = (1..3).find(|at| !machines.machines[*at].copies.is_empty()).unwrap();
    machines.work(target);
    let mut machines = machines.restart_metaserver().await;
    machines.pass(3_000).await;
    machines.settle().await;
    assert_eq!(machines.on_disk(block_id), [0, target]);
    assert_eq!(machines.fixture.cluster.redundancy().complete_block_count, 1);
}

#[tokio::test]
async fn a_surplus_copy_stays_while_the_copy_that_is_to_stay_is_only_a_name() {
    for lost in 0..2 {
        let mut machines = Machines::new(&THREE[..2]).await;
        let block_id = machines.put(&[0, 1], 1).await;
        machines.machines[lost].blocks.remove(&block_id);
        machines.fixture.cluster.sweep_all().await;
        for _ in 0..5 {
            machines.round().await;
            assert!(!machines.on_disk(block_id).is_empty(), "I2: the copy of worker {lost} was not there");
        }
        machines.settle().await;
        assert_eq!(machines.on_disk(block_id).len(), 1);
    }
}

#[tokio::test]
async fn a_copy_that_its_worker_could_not_make_does_not_count() {
    let mut machines = Machines::new(&THREE).await;
    let block_id = machines.put(&[0], 2).await;
    machines.fixture.cluster.sweep_all().await;
    machines.round().await;
    let target = (1..3).find(|at| !machines.machines[*at].copies.is_empty()).unwrap();
    machines.kill(0);
    machines.work(target);
    machines.beat(target).await;
    assert_eq!(machines.fixture.namespace.block(block_id).await.unwrap().worker_ids, [machines.id(0)]);
    machines.start(0).await;
    machines.settle().await;
    assert_eq!(machines.on_disk(block_id).len(), 2);
}

#[tokio::test]
async fn a_copy_that_was_verified_before_its_worker_started_anew_is_not_counted() {
    let mut machines = Machines::new(&THREE).await;
    let block_id = machines.put(&[0, 1, 2], 2).await;
    machines.fixture.cluster.sweep_all().await;
    (machines.fixture.cluster.repair_turn().await).unwrap();
    for at in 0..3 {
        machines.beat(at).await;
    }
    let keepers: Vec<usize> = (0..3).filter(|at| !machines.machines[*at].copies.is_empty()).collect();
    assert_eq!(keepers.len(), 2, "two are verified before the third one is dropped");
    machines.work(keepers[0]);
    machines.beat(keepers[0]).await;
    machines.kill(keepers[0]);
    machines.machines[keepers[0]].blocks.remove(&block_id);
    machines.start(keepers[0]).await;
    machines.work(keepers[1]);
    machines.beat(keepers[1]).await;
    let victim = (0..3).find(|at| !keepers.contains(at)).unwrap();
    machines.beat(victim).await;
    machines.work(victim);
    assert!(machines.on_disk(block_id).contains(&victim), "one of the two came back without its copy");
    machines.settle().await;
    assert_eq!(machines.on_disk(block_id).len(), 2);
}

#[tokio::test]
async fn a_worker_is_emptied_durably_and_can_be_taken_back() {
    let mut machines = Machines::new(&THREE).await;
    for n in 0..20 {
        machines.put(&[n % 3, (n + 1) % 3], 2).await;
    }
    let unknown = machines.fixture.cluster.decommission(&["host-1:1".into(), "nowhere:1".into()], false).await;
    assert!(unknown.is_err());
    assert_eq!(state(&machines, 1), WorkerState::Live, "none is changed");
    machines.fixture.cluster.decommission(&["host-1:1".into()], false).await.unwrap();
    assert_eq!(state(&machines, 1), WorkerState::Draining);
    let mut machines = machines.restart_metaserver().await;
    assert_eq!(state(&machines, 1), WorkerState::Draining);
    machines.pass(2_000).await;
    machines.settle().await;
    machines.settle().await;
    assert_eq!(state(&machines, 1), WorkerState::Drained);
    assert_eq!(machines.block_counts(), [20, 0, 20]);
    assert_eq!(machines.fixture.cluster.redundancy().complete_block_count, 20);
    machines.kill(1);
    machines.start(1).await;
    assert_eq!(state(&machines, 1), WorkerState::Drained, "also after a start of its own");
    machines.fixture.cluster.enable(&[machines.id(1).to_string()]).await.unwrap();
    assert_eq!(state(&machines, 1), WorkerState::Live);
    machines.fixture.check(true).await;
}

#[tokio::test]
async fn a_worker_is_not_drained_while_something_is_on_it_alone() {
    let mut machines = Machines::new(&THREE[..2]).await;
    let block_id = machines.put(&[0, 1], 2).await;
    machines.fixture.cluster.decommission(&["host-1:1".into()], true).await.unwrap();
    machines.settle().await;
    assert_eq!(state(&machines, 1), WorkerState::Draining, "there is nobody to take its copy");
    assert_eq!(machines.on_disk(block_id), [0, 1]);
    assert_eq!(machines.fixture.cluster.redundancy().complete_block_count, 1, "which is there still");
}

#[tokio::test]
async fn a_disabled_worker_comes_back_only_when_it_is_enabled() {
    let mut machines = Machines::new(&THREE).await;
    machines.fixture.cluster.decommission(&["host-1:1".into()], true).await.unwrap();
    machines.settle().await;
    assert_eq!(state(&machines, 1), WorkerState::Drained);
    let request = weir_proto::v1::RegisterWorkerRequest {
        worker_id: machines.id(1),
        cluster_id: machines.fixture.namespace.ids.cluster_id.clone(),
        incarnation: 9,
        ..Default::default()
    };
    assert!(machines.fixture.cluster.register_worker(&request).await.is_err());
    machines.fixture.cluster.enable(&["host-1:1".into()]).await.unwrap();
    machines.fixture.cluster.register_worker(&request).await.unwrap();
}

#[tokio::test]
async fn rebalancing_evens_the_workers_out_and_then_rests() {
    let mut machines = Machines::new(&["a", "b", "c", "d"]).await;
    for _ in 0..120 {
        machines.put(&[0, 1], 2).await;
    }
    machines.settle().await;
    assert_eq!(machines.block_counts(), [120, 120, 0, 0], "they differ by less than the threshold");
    machines.fixture.cluster.rebalance();
    machines.settle().await;
    machines.settle().await;
    assert_eq!(machines.block_counts(), [60, 60, 60, 60]);
    let moved = machines.fixture.namespace.metrics.moved_copies.get();
    assert_eq!(moved, 120, "each block once at most");
    assert_eq!(machines.fixture.cluster.redundancy().complete_block_count, 120);
    machines.fixture.cluster.rebalance();
    machines.settle().await;
    machines.settle().await;
    assert_eq!(machines.fixture.namespace.metrics.moved_copies.get(), moved, "nothing moves back and forth");
    machines.fixture.check(true).await;
}

#[tokio::test]
async fn workers_that_differ_too_much_are_evened_out_unasked() {
    let mut machines = Machines::new(&["a", "b"]).await;
    // A tenth of the room, and two blocks.
    let count = super::testing::ROOM_BYTES / BLOCK_BYTES / 10 + 2;
    let mut extents = machines.fixture.extents(&vec![BLOCK_BYTES; count as usize]);
    for extent in &mut extents {
        (extent.worker_ids, extent.replication) = (vec![machines.id(0)], 1);
        machines.machines[0].blocks.insert(extent.extent.unwrap().block_id);
    }
    let content = crate::testing::in_blocks(1, extents);
    machines.fixture.namespace.commit_object(machines.fixture.put("photos", "cat", content)).await.unwrap();
    machines.settle().await;
    assert_eq!(machines.block_counts(), [count as usize, 0], "ten percent are allowed");
    let more = count / 10 + 1;
    for _ in 0..more {
        machines.put(&[0], 1).await;
    }
    machines.settle().await;
    machines.settle().await;
    let half = (count + more) / 2;
    assert_eq!(machines.block_counts(), [(count + more - half) as usize, half as usize]);
}

/// Restarts a worker with another label.
async fn relabel(machines: &mut Machines, at: usize, zone: &str) {
    machines.machines[at].zone = zone.into();
    machines.kill(at);
    machines.start(at).await;
}

#[tokio::test]
async fn copies_that_share_a_zone_since_a_worker_has_another_one_are_spread_again() {
    let mut machines = Machines::new(&["a", "b", "b", "c"]).await;
    let mut blocks = Vec::new();
    for _ in 0..6 {
        blocks.push(machines.put(&[0, 1], 2).await);
    }
    machines.settle().await;
    assert_eq!(machines.fixture.cluster.redundancy().crowded_block_count, 0);
    relabel(&mut machines, 0, "b").await;
    machines.fixture.cluster.sweep_all().await;
    assert_eq!(machines.fixture.cluster.redundancy().crowded_block_count, 6);
    machines.settle().await;
    for block_id in &blocks {
        let on = machines.on_disk(*block_id);
        assert!(on.len() == 2 && on.contains(&3), "block {block_id} is on {on:?}");
    }
    let redundancy = machines.fixture.cluster.redundancy();
    assert_eq!((redundancy.crowded_block_count, redundancy.complete_block_count), (0, 6));
    assert_eq!(machines.fixture.namespace.metrics.moved_copies.get(), 6);
    machines.fixture.check(true).await;
}

#[tokio::test]
async fn a_copy_leaves_a_crowded_zone_only_once_another_is_whole() {
    let mut machines = Machines::new(&["a", "b", "c"]).await;
    machines.put(&[0, 1], 2).await;
    machines.settle().await;
    relabel(&mut machines, 0, "b").await;
    machines.kill(2);
    machines.fixture.cluster.sweep_all().await;
    let on = |machines: &Machines| machines.block_counts();
    for _ in 0..3 {
        machines.round().await;
        assert_eq!(on(&machines), [1, 1, 0], "the only worker that could take it does not do so");
    }
    machines.start(2).await;
    for _ in 0..3 {
        machines.pass(2_000).await;
        machines.settle().await;
    }
    assert_eq!(on(&machines)[2], 1);
    assert_eq!(on(&machines).iter().sum::<usize>(), 2);
    machines.fixture.check(true).await;
}

#[tokio::test]
async fn a_worker_that_is_silent_for_very_long_is_forgotten_when_nothing_needs_it() {
    let mut machines = Machines::new(&THREE).await;
    let block_id = machines.put(&[0, 1], 2).await;
    let deleted = machines.put(&[0, 1], 2).await;
    machines.settle().await;
    machines.kill(1);
    machines.fixture.delete("photos", &["object-2"]).await;
    machines.fixture.drain().await;
    assert_eq!(machines.fixture.rows(Kind::Condemned).await.len(), 2);
    machines.fixture.clock.advance(24 * 3_600_000);
    machines.settle().await;
    assert!(machines.fixture.cluster.workers.is_known(machines.id(1)));
    machines.fixture.clock.advance(1_000);
    machines.settle().await;
    machines.settle().await;
    assert!(!machines.fixture.cluster.workers.is_known(machines.id(1)));
    assert_eq!(machines.fixture.rows(Kind::Worker).await.len(), 2);
    assert_eq!(machines.fixture.namespace.block(block_id).await.unwrap().worker_ids, [machines.id(0), machines.id(2)]);
    assert!(machines.fixture.namespace.block(deleted).await.is_err(), "nobody is waited for to delete it");
    // The gateway that wrote them is past them: else they might be of a commit under way.
    machines.fixture.namespace.close_session(machines.fixture.session_id).await.unwrap();
    machines.fixture.cluster.sweep_sessions().await.unwrap();
    machines.start(1).await;
    machines.pass(2_000).await;
    machines.settle().await;
    assert_eq!(machines.block_counts(), [1, 0, 1], "what it still had goes when it comes back after all");
    machines.fixture.check(true).await;
}
