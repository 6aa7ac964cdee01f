//! The same of coded blocks.

use super::*;

const FOUR: [&str; 4] = ["a", "b", "c", "d"];

/// Which shards there are on disks, each as often as it is there, in order.
fn held_shards(machines: &Machines, block_id: u64) -> Vec<u32> {
    let mut shards: Vec<u32> = machines.shards_on_disk(block_id).into_iter().map(|(_, shard)| shard).collect();
    shards.sort_unstable();
    shards
}

/// A shard that its worker has, and that no record names.
fn unknown_shard(machines: &mut Machines, at: usize, block_id: u64, shard: u32) {
    machines.machines[at].blocks.insert(block_id);
    machines.machines[at].shards.insert(block_id, shard);
}

#[tokio::test]
async fn a_lost_shard_is_computed_on_another_worker_and_dropped_when_the_first_one_is_back() {
    let mut machines = Machines::new(&FOUR).await;
    let block_id = machines.put_coded(&[0, 1, 2]).await;
    machines.settle().await;
    let redundancy = machines.fixture.cluster.redundancy();
    assert_eq!((redundancy.complete_block_count, redundancy.surplus_copy_count), (1, 0));
    machines.kill(1);
    machines.pass(11_000).await;
    machines.settle().await;
    let redundancy = machines.fixture.cluster.redundancy();
    assert_eq!((redundancy.missing[0].copy_count, redundancy.missing[0].block_count), (1, 1), "it may be back soon");
    machines.pass(71_000).await;
    machines.settle().await;
    assert_eq!(machines.shards_on_disk(block_id), [(0, 0), (1, 1), (2, 2), (3, 1)]);
    assert_eq!(machines.fixture.cluster.redundancy().complete_block_count, 1);
    machines.start(1).await;
    machines.settle().await;
    assert_eq!(held_shards(&machines, block_id), [0, 1, 2]);
    machines.fixture.check(true).await;
}

#[tokio::test]
async fn where_no_worker_is_free_one_of_two_with_the_same_shard_takes_the_one_that_is_lacking() {
    let mut machines = Machines::new(&FOUR).await;
    let block_id = machines.put_coded(&[0, 1, 2]).await;
    machines.settle().await;
    machines.kill(1);
    machines.pass(82_000).await;
    machines.settle().await;
    machines.kill(2);
    machines.pass(82_000).await;
    machines.settle().await;
    assert_eq!(machines.shards_on_disk(block_id), [(0, 0), (1, 1), (2, 2), (3, 1)], "nobody can have the third");
    machines.start(1).await;
    for _ in 0..3 {
        machines.settle().await;
        machines.pass(2_000).await;
    }
    machines.settle().await;
    let there = machines.shards_on_disk(block_id).into_iter().filter(|(at, _)| *at != 2);
    let mut shards: Vec<u32> = there.map(|(_, shard)| shard).collect();
    shards.sort_unstable();
    assert_eq!(shards, [0, 1, 2]);
    machines.fixture.check(true).await;
}

#[tokio::test]
async fn a_damaged_shard_is_computed_in_its_place_and_no_worker_gets_another_one_beside_its_own() {
    let mut machines = Machines::new(&THREE).await;
    let block_id = machines.put_coded(&[0, 1, 2]).await;
    machines.damage(2, block_id);
    machines.settle().await;
    assert_eq!(machines.shards_on_disk(block_id), [(0, 0), (1, 1), (2, 2)]);
    assert_eq!(machines.fixture.cluster.redundancy().complete_block_count, 1);
    machines.kill(2);
    machines.pass(80_000).await;
    machines.settle().await;
    assert_eq!(machines.shards_on_disk(block_id), [(0, 0), (1, 1), (2, 2)], "nobody else can have it");
    assert_eq!(machines.fixture.cluster.redundancy().missing[0].block_count, 1);
    machines.fixture.check(true).await;
}

#[tokio::test]
async fn with_fewer_shards_than_are_needed_a_block_is_lost_until_one_is_back() {
    let mut machines = Machines::new(&FOUR).await;
    let block_id = machines.put_coded(&[0, 1, 2]).await;
    machines.kill(0);
    machines.kill(1);
    machines.pass(80_000).await;
    machines.settle().await;
    assert_eq!(machines.fixture.cluster.redundancy().lost_block_count, 1);
    machines.start(1).await;
    machines.settle().await;
    assert_eq!(machines.shards_on_disk(block_id), [(0, 0), (1, 1), (2, 2), (3, 0)]);
    assert_eq!(machines.fixture.cluster.redundancy().complete_block_count, 1);
    machines.fixture.check(true).await;
}

#[tokio::test]
async fn shards_that_share_a_zone_are_spread_again_too() {
    let mut machines = Machines::new(&FOUR).await;
    let block_id = machines.put_coded(&[0, 1, 2]).await;
    machines.settle().await;
    relabel(&mut machines, 1, "a").await;
    machines.settle().await;
    let shards = machines.shards_on_disk(block_id);
    let moved = if shards.contains(&(3, 0)) { (1, 1) } else { (0, 0) };
    assert!(shards.len() == 3 && shards.contains(&moved) && shards.contains(&(2, 2)), "{shards:?}");
    assert!(shards.iter().any(|(at, _)| *at == 3), "{shards:?}");
    assert_eq!(machines.fixture.cluster.redundancy().crowded_block_count, 0);
    machines.fixture.check(true).await;
}

#[tokio::test]
async fn a_worker_that_no_record_names_is_asked_which_of_the_last_shards_it_has() {
    for shard in 0..3 {
        let mut machines = Machines::new(&FOUR).await;
        let block_id = machines.put_coded(&[0, 1, 2]).await;
        unknown_shard(&mut machines, 3, block_id, shard);
        machines.damage(1, block_id);
        machines.beat(1).await;
        machines.damage(2, block_id);
        machines.beat(2).await;
        machines.fixture.cluster.workers.want_inventories();
        machines.settle().await;
        let redundancy = machines.fixture.cluster.redundancy();
        if shard == 0 {
            assert_eq!(redundancy.lost_block_count, 1, "the one that there is already");
            assert_eq!(machines.on_disk(block_id), [0, 3], "nothing of a lost block goes");
            continue;
        }
        assert_eq!(redundancy.complete_block_count, 1, "shard {shard}: {redundancy:?}");
        assert_eq!(held_shards(&machines, block_id), [0, 1, 2]);
        assert!(machines.shards_on_disk(block_id).contains(&(3, shard)));
        machines.fixture.check(true).await;
    }
}

#[tokio::test]
async fn a_shard_that_no_record_names_makes_way_for_the_one_that_is_to_come() {
    let mut machines = Machines::new(&FOUR).await;
    let block_id = machines.put_coded(&[0, 1, 2]).await;
    machines.settle().await;
    unknown_shard(&mut machines, 3, block_id, 0);
    machines.kill(2);
    machines.pass(82_000).await;
    machines.settle().await;
    assert_eq!(machines.shards_on_disk(block_id), [(0, 0), (1, 1), (2, 2), (3, 2)]);
    assert_eq!(machines.fixture.cluster.redundancy().complete_block_count, 1);
    machines.fixture.check(true).await;
}

#[tokio::test]
async fn a_drained_worker_gives_its_shards_away_and_they_are_evened_out_when_it_is_back() {
    let mut machines = Machines::new(&FOUR).await;
    let mut blocks = Vec::new();
    for _ in 0..8 {
        blocks.push(machines.put_coded(&[0, 1, 2]).await);
    }
    let worker = machines.id(2).to_string();
    machines.fixture.cluster.decommission(std::slice::from_ref(&worker), false).await.unwrap();
    machines.settle().await;
    machines.settle().await;
    assert_eq!(state(&machines, 2), WorkerState::Drained);
    for block_id in &blocks {
        assert_eq!(machines.shards_on_disk(*block_id), [(0, 0), (1, 1), (3, 2)]);
    }
    machines.fixture.cluster.enable(&[worker]).await.unwrap();
    machines.fixture.cluster.rebalance();
    for _ in 0..5 {
        machines.pass(2_000).await;
        machines.settle().await;
    }
    assert!(machines.block_counts()[2] > 0, "{:?}", machines.block_counts());
    for block_id in &blocks {
        assert_eq!(held_shards(&machines, *block_id), [0, 1, 2]);
    }
    machines.fixture.check(true).await;
}

#[tokio::test]
async fn all_shards_of_a_deleted_object_go_and_an_inventory_finds_none_that_no_record_names() {
    let mut machines = Machines::new(&FOUR).await;
    let block_id = machines.put_coded(&[0, 1, 2]).await;
    // One that a gateway wrote and was not answered.
    unknown_shard(&mut machines, 3, block_id, 2);
    machines.take_inventory(3);
    machines.send_inventory(3).await;
    machines.settle().await;
    assert_eq!(machines.shards_on_disk(block_id), [(0, 0), (1, 1), (2, 2)]);
    machines.fixture.delete("photos", &["object-1"]).await;
    machines.fixture.drain().await;
    machines.settle().await;
    assert_eq!(machines.block_counts(), [0; 4]);
    machines.fixture.check(true).await;
}
