use crate::objects::testing::*;
use crate::objects::{Keeping, ObjectsOptions, PutObject};
use std::collections::BTreeSet;
use weir_coding::{Codec, Layout};
use weir_proto::v1::{self, Reason};

const ROW_BYTES: usize = 256 << 10;

/// Blocks of two MiB: eight rows of 4+2, of which the first four are kept.
fn long_blocks(options: &mut ObjectsOptions) {
    options.block_max_bytes = 2 << 20;
    options.buffer_max_bytes = 64 << 20;
    options.read_buffer_max_bytes = 64 << 20;
}

fn coded(scheme: &str) -> PutObject {
    PutObject { keeping: Keeping { replication: 0, coding: Some(scheme.parse().unwrap()) }, ..put_request() }
}

async fn put(cluster: &Cluster, scheme: &str, data: &[u8]) -> Result<v1::Object, crate::objects::ObjectsError> {
    let (frames, body) = dripping(Some(data.len() as u64));
    let (objects, request) = (cluster.objects.clone(), coded(scheme));
    let put = tokio::spawn(async move { objects.put_object(request, body).await });
    for frame in data.chunks(50_000) {
        if frames.send(frame.to_vec().into()).await.is_err() {
            break;
        }
    }
    drop(frames);
    put.await.unwrap()
}

fn range(first: u64, last: u64) -> Option<v1::ByteRange> {
    Some(v1::ByteRange { form: Some(v1::byte_range::Form::FromTo(v1::byte_range::FromTo { first, last })) })
}

/// Each block has its shards on workers of their own, with the bytes that the layout says.
fn check_shards(cluster: &Cluster, data: &[u8], shard_count: usize) {
    let mut begin = 0;
    for written in cluster.metaserver.extents() {
        let extent = written.extent.unwrap();
        let end = begin + extent.length_bytes as usize;
        let place = written.coded.expect("a coded block");
        let coding = place.coding.unwrap();
        let layout = Layout::new(coding.data_shards, coding.parity_shards, coding.cell_bytes.into()).unwrap();
        let holders: BTreeSet<u64> = place.holders.iter().map(|holder| holder.worker_id).collect();
        assert_eq!((holders.len(), place.holders.len()), (shard_count, shard_count), "{place:?}");
        assert!(written.worker_ids.is_empty(), "who knows no codes finds nobody");
        let shards = shards_of(&layout, &data[begin..end]);
        for holder in &place.holders {
            let worker = &cluster.workers[holder.worker_id as usize - 1];
            let held = worker.blocks.lock()[&extent.block_id].clone();
            assert!(held[..] == shards[holder.shard as usize], "block {} shard {}", extent.block_id, holder.shard);
        }
        for (shard, crc32c) in shards.iter().zip(&place.shard_crc32c) {
            assert_eq!(crc_fast::crc32_iscsi(shard), *crc32c, "also of a shard that nobody has");
        }
        begin = end;
    }
    assert_eq!(begin, data.len());
}

fn shards_of(layout: &Layout, block: &[u8]) -> Vec<Vec<u8>> {
    let scheme = layout.scheme();
    let mut shards = vec![Vec::new(); scheme.shards()];
    for (at, byte) in block.iter().enumerate() {
        shards[layout.place_of(block.len() as u64, at as u64).shard].push(*byte);
    }
    let parity_bytes = layout.shard_bytes(block.len() as u64, scheme.data()) as usize;
    let data: Vec<&[u8]> = shards[..scheme.data()].iter().map(|shard| &shard[..]).collect();
    // Rows that follow each other are coded like one.
    let parity = Codec::new(scheme).encode(&data, parity_bytes).unwrap();
    shards.splice(scheme.data().., parity);
    shards
}

#[tokio::test]
async fn a_body_is_dealt_over_the_shards_and_comes_back() {
    for (scheme, workers) in [("4+2", 6), ("2+1", 4), ("6+3", 9)] {
        let row_bytes = scheme[..1].parse::<usize>().unwrap() * 65_536;
        for length in [row_bytes, row_bytes + 1, 3 * row_bytes + 70_001, (2 << 20) / row_bytes * 2 * row_bytes] {
            let cluster = Cluster::with(workers, 3, long_blocks).await;
            let data = pattern(length);
            put(&cluster, scheme, &data).await.unwrap();
            check_shards(&cluster, &data, scheme.split('+').map(|n| n.parse::<usize>().unwrap()).sum());
            assert!(cluster.get(None).await.unwrap() == data, "{scheme} {length}");
            assert_eq!(cluster.objects.inner.metrics.reads.rebuilt.get(), 0);
        }
    }
}

#[tokio::test]
async fn what_is_shorter_than_a_row_is_copied_once_more_than_losses_are_survived() {
    for length in [101, 65_536, ROW_BYTES - 1] {
        let cluster = Cluster::with(6, 1, long_blocks).await;
        let data = pattern(length);
        put(&cluster, "4+2", &data).await.unwrap();
        let extents = cluster.metaserver.extents();
        assert_eq!((extents.len(), extents[0].worker_ids.len(), extents[0].replication), (1, 3, 3));
        assert!(extents[0].coded.is_none());
        assert!(cluster.get(None).await.unwrap() == data);
    }
    let cluster = Cluster::with(6, 1, long_blocks).await;
    let data = pattern((2 << 20) + 100);
    put(&cluster, "4+2", &data).await.unwrap();
    let extents = cluster.metaserver.extents();
    assert!(extents[0].coded.is_some() && extents[1].worker_ids.len() == 3, "nor is the short end of a long one");
    assert!(cluster.get(None).await.unwrap() == data);
    put(&cluster, "4+2", b"tiny").await.unwrap();
    assert_eq!(cluster.get(None).await.unwrap(), b"tiny");
}

#[tokio::test]
async fn another_worker_takes_a_shard_in_the_middle_of_a_block() {
    for fault in [
        WriteFault::Fail(Reason::Unavailable, 0),
        WriteFault::Fail(Reason::NoSpace, 100_000),
        WriteFault::Stall(0),
        WriteFault::Stall(150_000),
        WriteFault::OtherBytes,
    ] {
        let cluster = Cluster::with(7, 3, long_blocks).await;
        // Of seven, the two that fail: one of them at least is chosen.
        for worker in [0, 3] {
            *cluster.workers[worker].write_fault.lock() = Some(fault);
        }
        let data = pattern(1 << 20);
        put(&cluster, "3+2", &data).await.unwrap();
        check_shards(&cluster, &data, 5);
        assert_eq!(cluster.metaserver.extents().len(), 1, "what is kept of the block is enough");
        assert!(cluster.get(None).await.unwrap() == data);
    }
}

#[tokio::test]
async fn a_long_block_is_cut_where_a_worker_fails_and_its_shard_is_computed_from_the_others() {
    for fault in [WriteFault::Fail(Reason::Unavailable, 400_000), WriteFault::Stall(400_000)] {
        let cluster = Cluster::with(8, 3, long_blocks).await;
        for worker in 0..2 {
            *cluster.workers[worker].write_fault.lock() = Some(fault);
        }
        let data = pattern(5_000_000);
        put(&cluster, "4+2", &data).await.unwrap();
        let extents = cluster.metaserver.extents();
        let is_cut = extents.iter().any(|written| written.extent.unwrap().length_bytes < 2 << 20);
        assert!(is_cut && extents.len() <= 6, "{}", extents.len());
        assert!(cluster.objects.inner.metrics.copies_made.get() > 0);
        let short = extents.iter().position(|written| written.coded.is_none()).unwrap_or(extents.len());
        assert!(short + 1 >= extents.len(), "only the end may be too short");
        if short == extents.len() {
            check_shards(&cluster, &data, 6);
        }
        assert!(cluster.get(None).await.unwrap() == data);
    }
}

#[tokio::test]
async fn with_fewer_workers_than_shards_parity_is_left_out_down_to_the_fewest() {
    let cluster = Cluster::with(5, 3, long_blocks).await;
    let data = pattern(1 << 20);
    put(&cluster, "4+2", &data).await.unwrap();
    check_shards(&cluster, &data, 5);
    let holders = cluster.metaserver.extents()[0].coded.clone().unwrap().holders;
    assert!((0..5).all(|shard| holders.iter().any(|holder| holder.shard == shard)));
    assert_eq!(cluster.objects.inner.metrics.blocks_short.get(), 1);
    let refused = Cluster::with(4, 3, long_blocks).await;
    let failure = put(&refused, "4+2", &data).await.unwrap_err();
    assert_eq!(failure.reason(), Some(Reason::TooFewWorkers));
    refused.until(|refused| refused.workers.iter().all(|worker| worker.block_count() == 0)).await;
}

#[tokio::test]
async fn a_row_that_waits_for_memory_holds_none() {
    let cluster = Cluster::with(6, 3, |options| {
        long_blocks(options);
        // For two rows of six cells.
        options.buffer_max_bytes = 2 * 6 * 65_536;
    })
    .await;
    let data = pattern(3_000_000);
    let puts = (0..5).map(|_| put(&cluster, "4+2", &data));
    let done = tokio::time::timeout(std::time::Duration::from_secs(120), futures::future::join_all(puts)).await;
    assert!(done.expect("nobody waits for ever").iter().all(Result::is_ok));
    assert!(cluster.get(None).await.unwrap() == data);
}

#[tokio::test]
async fn any_two_of_six_shards_may_be_lost_at_each_edge_of_a_range() {
    let data = pattern(900_000);
    let edges = [1, 65_535, 65_536, 262_143, 400_000, 786_432, 899_999];
    for first in 0..6u32 {
        for second in first + 1..6 {
            let cluster = Cluster::with(6, 3, long_blocks).await;
            put(&cluster, "4+2", &data).await.unwrap();
            let lost: Vec<u64> = holders_of(&cluster, &[first, second]);
            for worker_id in lost {
                cluster.workers[worker_id as usize - 1].blocks.lock().clear();
            }
            assert!(cluster.get(None).await.unwrap() == data, "without {first} and {second}");
            for (at, begin) in edges.iter().enumerate() {
                for end in &edges[at..] {
                    let read = cluster.get(range(*begin, *end)).await.unwrap();
                    assert!(
                        read == data[*begin as usize..=*end as usize],
                        "{begin} to {end} without {first}, {second}"
                    );
                }
            }
        }
    }
}

fn holders_of(cluster: &Cluster, shards: &[u32]) -> Vec<u64> {
    let place = cluster.metaserver.extents()[0].coded.clone().unwrap();
    let holders = place.holders.iter().filter(|holder| shards.contains(&holder.shard));
    holders.map(|holder| holder.worker_id).collect()
}

#[tokio::test]
async fn shards_that_fail_come_short_stall_or_are_damaged_in_the_middle_of_a_read_are_computed() {
    let data = pattern(2 << 20);
    for fault in [
        ReadFault::Fail(Reason::Unavailable, 0),
        ReadFault::Fail(Reason::Damaged, 100_000),
        ReadFault::Fail(Reason::NoSuchBlock, 0),
        ReadFault::Short(70_000),
        ReadFault::Stall(0),
        ReadFault::Stall(90_000),
    ] {
        let cluster = Cluster::with(6, 3, long_blocks).await;
        put(&cluster, "4+2", &data).await.unwrap();
        for worker_id in holders_of(&cluster, &[1, 2]) {
            *cluster.workers[worker_id as usize - 1].read_fault.lock() = Some(fault);
        }
        assert!(cluster.get(None).await.unwrap() == data);
        assert!(cluster.get(range(70_000, 500_000)).await.unwrap() == data[70_000..=500_000]);
        assert!(cluster.objects.inner.metrics.reads.rebuilt.get() > 0);
    }
}

#[tokio::test]
async fn without_enough_shards_a_read_fails_and_with_wrong_bytes_too() {
    let cluster = Cluster::with(6, 3, long_blocks).await;
    let data = pattern(1 << 20);
    put(&cluster, "4+2", &data).await.unwrap();
    for worker_id in holders_of(&cluster, &[0, 1, 2]) {
        *cluster.workers[worker_id as usize - 1].read_fault.lock() = Some(ReadFault::Fail(Reason::Unavailable, 0));
    }
    assert_eq!(cluster.get(None).await.unwrap_err().reason, Reason::Unavailable);
    let cluster = Cluster::with(6, 3, long_blocks).await;
    put(&cluster, "4+2", &data).await.unwrap();
    let holder = holders_of(&cluster, &[0])[0];
    *cluster.workers[holder as usize - 1].read_fault.lock() = Some(ReadFault::Flip(5));
    assert_eq!(cluster.get(None).await.unwrap_err().reason, Reason::Damaged, "what no page's checksum has found");
}

#[tokio::test]
async fn a_range_touches_only_the_shards_that_it_needs() {
    let cluster = Cluster::with(6, 3, long_blocks).await;
    let data = pattern(1 << 20);
    put(&cluster, "4+2", &data).await.unwrap();
    let reads = |cluster: &Cluster| -> Vec<(u64, u64)> {
        let of = |worker: &std::sync::Arc<FakeWorker>| std::mem::take(&mut *worker.reads.lock());
        let all = cluster.workers.iter().flat_map(of);
        all.map(|read| (read.offset_bytes, read.length_bytes)).collect()
    };
    cluster.get(range(70_000, 70_000)).await.unwrap();
    assert_eq!(reads(&cluster), [(4_416, 64)], "a line of one shard");
    cluster.get(range(262_144, 262_144 + 65_535)).await.unwrap();
    assert_eq!(reads(&cluster), [(65_536, 65_536)], "a cell");
    cluster.get(None).await.unwrap();
    assert_eq!(reads(&cluster), [(0, 262_144); 4], "all rows, in one run of each data shard");
}

#[tokio::test]
async fn a_reader_with_little_memory_reads_cells_in_parts() {
    let cluster = Cluster::with(6, 3, |options| {
        long_blocks(options);
        options.read_buffer_max_bytes = 1;
    })
    .await;
    let data = pattern(700_001);
    put(&cluster, "4+2", &data).await.unwrap();
    assert!(cluster.get(None).await.unwrap() == data);
    for worker_id in holders_of(&cluster, &[0, 3]) {
        cluster.workers[worker_id as usize - 1].blocks.lock().clear();
    }
    assert!(cluster.get(None).await.unwrap() == data);
    assert!(cluster.get(range(65_000, 66_001)).await.unwrap() == data[65_000..=66_001]);
}
