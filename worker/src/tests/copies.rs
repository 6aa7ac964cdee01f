//! Copies from worker to worker, ordered by a metaserver that wants what the test wants.

use super::cluster::Metaserver;
use super::*;
use crate::Peers;
use std::collections::BTreeMap;
use std::path::PathBuf;
use weir_coding::{Codec, Layout};
use weir_proto::v1::{Coding, CopyOrder, CopyResult, CopySource, Reason, Rebuild, ShardSource};
use weir_service::simulation::{Fault, Kind};

const LARGE: usize = 700_000;

/// Other workers by their addresses.
struct Neighbours(BTreeMap<String, Channel>);

impl Peers for Neighbours {
    fn channel(&self, address: &str) -> Option<Channel> {
        self.0.get(address).cloned()
    }
}

/// A worker that joined, and those that it can copy from, `a` and `b`.
struct Street {
    metaserver: Metaserver,
    own: House,
    a: House,
    b: House,
}

impl Street {
    async fn new() -> Self {
        let (own, a, b) = (
            open(&SimulatedDisk::default()).await,
            open(&SimulatedDisk::default()).await,
            open(&SimulatedDisk::default()).await,
        );
        let metaserver = Metaserver::of("a");
        let channels =
            [("a:1", &a), ("b:1", &b)].map(|(name, house)| (name.into(), in_process(house.worker.services())));
        own.worker.start(metaserver.channel(), Arc::new(Neighbours(channels.into())), &own.shutdown);
        Self { metaserver, own, a, b }
    }

    /// Orders a copy of what [`put`] writes, and gives the result.
    async fn copy(&self, order_id: u64, block_id: u64, length: usize) -> CopyResult {
        self.copy_as(order(order_id, block_id, length)).await
    }

    async fn copy_as(&self, order: CopyOrder) -> CopyResult {
        let order_id = order.order_id;
        self.metaserver.state.lock().copy_orders.push(order);
        let of_order = |result: &&CopyResult| result.order_id == order_id;
        self.metaserver.until("a copy was reported", |state| state.copy_results.iter().any(|r| of_order(&r))).await;
        self.metaserver.state.lock().copy_results.iter().find(of_order).unwrap().clone()
    }
}

fn order(order_id: u64, block_id: u64, length: usize) -> CopyOrder {
    let source = |worker_id, address: &str| CopySource { worker_id, address: address.into() };
    CopyOrder {
        order_id,
        block_id,
        length_bytes: length as u64,
        crc32c: crate::store::crc32c(&bytes_of(length)),
        sources: vec![source(1, "a:1"), source(2, "b:1")],
        rebuild: None,
    }
}

fn reason(result: &CopyResult) -> Option<Reason> {
    result.failure.as_ref().map(|failure| failure.reason())
}

/// Flips a bit of the block file that a disk has.
fn damage(house: &House) {
    let is_block = |(path, _): &(PathBuf, Vec<u8>)| path.to_string_lossy().ends_with(".block");
    let (path, mut content) = house.disk.files().into_iter().find(is_block).unwrap();
    content[9_000] ^= 1;
    house.disk.put(&path, content);
}

fn quarantined(house: &House) -> usize {
    house.disk.files().iter().filter(|(path, _)| path.starts_with("/data/quarantine")).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ordered_blocks_come_from_whoever_has_them_and_outlive_a_power_cut() {
    let street = Street::new().await;
    for (id, length) in [(1, 0), (2, 1_000), (3, LARGE)] {
        put(&street.b, id, length).await;
        assert_eq!(reason(&street.copy(id, id, length).await), None, "block {id}");
    }
    let disk = street.own.close().await.after_cut(&mut Random(1));
    let own = open(&disk).await;
    for (id, length) in [(1, 0), (2, 1_000), (3, LARGE)] {
        assert!(read(&mut own.client(), id, 0, 0).await.unwrap() == bytes_of(length), "block {id}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_source_gives_way_to_the_next_and_is_found_out() {
    let street = Street::new().await;
    put(&street.a, 5, LARGE).await;
    put(&street.b, 5, LARGE).await;
    damage(&street.a);
    assert_eq!(reason(&street.copy(1, 5, LARGE).await), None);
    assert!(read(&mut street.own.client(), 5, 0, 0).await.unwrap() == bytes_of(LARGE));
    assert_eq!(street.a.worker.disks().damaged_unreported(), [BlockId(5)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_what_was_ordered_is_no_copy_and_leaves_nothing() {
    let street = Street::new().await;
    put(&street.a, 5, LARGE).await;
    let files = street.own.disk.files().len();
    let wrong = CopyOrder { crc32c: 1, ..order(1, 5, LARGE) };
    // The second source has no such block at all.
    assert_eq!(reason(&street.copy_as(wrong).await), Some(Reason::NoSuchBlock));
    let longer =
        CopyOrder { length_bytes: 1 + LARGE as u64, sources: order(1, 5, 5).sources[..1].into(), ..order(2, 5, LARGE) };
    assert_eq!(reason(&street.copy_as(longer).await), Some(Reason::InvalidRequest));
    assert_eq!(reason(&street.copy(3, 6, 5).await), Some(Reason::NoSuchBlock));
    assert!(!has(&street.own, 5) && street.own.disk.files().len() == files);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_lies_here_is_verified_and_made_good_when_it_is_damaged() {
    let street = Street::new().await;
    put(&street.own, 5, LARGE).await;
    let alone = |order_id| CopyOrder { sources: Vec::new(), ..order(order_id, 5, LARGE) };
    assert_eq!(reason(&street.copy_as(alone(1)).await), None, "it needs nobody for that");
    assert_eq!(
        reason(&street.copy_as(CopyOrder { crc32c: 1, ..order(2, 5, LARGE) }).await),
        Some(Reason::ChecksumMismatch)
    );
    damage(&street.own);
    assert!(reason(&street.copy_as(alone(3)).await).is_some());
    assert_eq!(quarantined(&street.own), 1);
    street.metaserver.until("the damage was reported", |state| state.damaged == [5]).await;
    put(&street.b, 5, LARGE).await;
    assert_eq!(reason(&street.copy(4, 5, LARGE).await), None);
    assert!(read(&mut street.own.client(), 5, 0, 0).await.unwrap() == bytes_of(LARGE));
    assert_eq!(quarantined(&street.own), 0, "what was set aside goes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_read_here_is_kept_until_another_copy_comes() {
    let street = Street::new().await;
    put(&street.own, 5, LARGE).await;
    let alone = |order_id| CopyOrder { sources: Vec::new(), ..order(order_id, 5, LARGE) };
    street.own.disk.fail(Fault::broken(&[Kind::Read]));
    assert_eq!(reason(&street.copy_as(alone(1)).await), Some(Reason::Damaged));
    street.metaserver.until("it was told of", |state| state.damaged == [5]).await;
    // Nobody has another one.
    assert_eq!(reason(&street.copy(2, 5, LARGE).await), Some(Reason::NoSuchBlock));
    assert_eq!((quarantined(&street.own), has(&street.own, 5)), (0, true));
    street.own.disk.heal();
    assert_eq!(reason(&street.copy_as(alone(3)).await), None, "it is whole");

    street.own.disk.fail(Fault::broken(&[Kind::Read]));
    put(&street.b, 5, LARGE).await;
    assert_eq!(reason(&street.copy(4, 5, LARGE).await), None);
    assert_eq!(quarantined(&street.own), 0, "what was set aside goes");
    street.own.disk.heal();
    assert!(read(&mut street.own.client(), 5, 0, 0).await.unwrap() == bytes_of(LARGE));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocks_that_are_asked_for_and_not_here_are_told() {
    let street = Street::new().await;
    put(&street.own, 5, 100).await;
    put(&street.own, 7, LARGE).await;
    damage(&street.own);
    assert!(read(&mut street.own.client(), 7, 0, 0).await.is_err());
    street.metaserver.state.lock().questions = vec![5, 6, 7];
    street.metaserver.until("the missing were told", |state| state.missing == [6, 7]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_orders_take_no_heartbeat_each() {
    let street = Street::new().await;
    for id in 1..=200 {
        put(&street.a, id, 1_000).await;
    }
    street.metaserver.state.lock().copy_orders = (1..=200).map(|id| order(id, id, 1_000)).collect();
    street.metaserver.until("all were copied", |state| state.copy_results.len() == 200).await;
    assert!((1..=200).all(|id| has(&street.own, id)));
    let results = street.metaserver.state.lock().copy_results.clone();
    assert!(results.iter().all(|result| result.failure.is_none()), "{results:?}");
}

/// A block of 2+1 with cells of 64 bytes: its shards, and an order for one of them that has all others as sources.
fn coded(order_id: u64, length: usize, shard: usize) -> (Vec<Vec<u8>>, CopyOrder) {
    let layout = Layout::new(2, 1, 64).unwrap();
    let mut shards = vec![Vec::new(); 3];
    for (at, byte) in bytes_of(length).iter().enumerate() {
        shards[layout.place_of(length as u64, at as u64).shard].push(*byte);
    }
    let cells = [&shards[0][..], &shards[1]];
    shards[2] =
        Codec::new(layout.scheme()).encode(&cells, layout.shard_bytes(length as u64, 2) as usize).unwrap().remove(0);
    let others = (0..3).filter(|other| *other != shard).zip(["a:1", "b:1"]);
    let source = |(other, address): (usize, &str)| ShardSource {
        shard: other as u32,
        source: Some(CopySource { worker_id: 1, address: address.into() }),
    };
    let rebuild = Rebuild {
        coding: Some(Coding { data_shards: 2, parity_shards: 1, cell_bytes: 64 }),
        block_length_bytes: length as u64,
        shard: shard as u32,
        sources: others.map(source).collect(),
    };
    let (crc32c, length_bytes) = (crate::store::crc32c(&shards[shard]), shards[shard].len() as u64);
    let order = CopyOrder { order_id, block_id: 5, length_bytes, crc32c, sources: Vec::new(), rebuild: Some(rebuild) };
    (shards, order)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shard_that_nobody_has_is_computed_from_the_others() {
    for length in [128, 129, 1_000, 2 * LARGE + 77] {
        for shard in 0..3 {
            let street = Street::new().await;
            let (shards, order) = coded(1, length, shard);
            let others: Vec<&Vec<u8>> = (0..3).filter(|other| *other != shard).map(|other| &shards[other]).collect();
            put_bytes(&street.a, 5, others[0]).await;
            put_bytes(&street.b, 5, others[1]).await;
            assert_eq!(reason(&street.copy_as(order.clone()).await), None, "shard {shard} of {length}");
            assert!(read(&mut street.own.client(), 5, 0, 0).await.unwrap() == shards[shard]);
            let again = CopyOrder { order_id: 2, crc32c: 1, ..order };
            assert_eq!(reason(&street.copy_as(again).await), Some(Reason::ChecksumMismatch), "it is another one");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shard_is_not_computed_from_too_few_or_wrong_ones_and_nothing_stays() {
    let street = Street::new().await;
    let (shards, order) = coded(1, 1_000, 0);
    put_bytes(&street.a, 5, &shards[1]).await;
    assert_eq!(reason(&street.copy_as(order.clone()).await), Some(Reason::NoSuchBlock), "the parity is missing");
    put_bytes(&street.b, 5, &shards[1].repeat(2)[..shards[2].len()]).await;
    let order = CopyOrder { order_id: 2, ..order };
    assert_eq!(reason(&street.copy_as(order.clone()).await), Some(Reason::ChecksumMismatch), "it is no parity");
    let longer = CopyOrder { order_id: 3, length_bytes: 999, ..order.clone() };
    assert_eq!(reason(&street.copy_as(longer).await), Some(Reason::InvalidRequest));
    let mut twice = CopyOrder { order_id: 4, ..order };
    let sources = &mut twice.rebuild.as_mut().unwrap().sources;
    sources[1].shard = sources[0].shard;
    assert_eq!(reason(&street.copy_as(twice).await), Some(Reason::Unavailable), "one shard is not two");
    assert!(!has(&street.own, 5));
}
