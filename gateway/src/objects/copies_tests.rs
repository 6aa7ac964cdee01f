use super::PLACE_PAUSES;
use crate::objects::testing::*;
use crate::objects::{Keeping, ObjectsOptions, PutObject};
use std::collections::BTreeSet;
use std::sync::atomic::Ordering::SeqCst;
use weir_proto::v1::Reason;

/// Blocks that are longer than what is kept of their beginning.
fn long_blocks(options: &mut ObjectsOptions) {
    options.block_max_bytes = 2 << 20;
    options.buffer_max_bytes = 64 << 20;
}

fn fail(cluster: &Cluster, worker: usize, fault: WriteFault) {
    *cluster.workers[worker].write_fault.lock() = Some(fault);
}

/// Puts data of that length piece by piece; each block then has its copies, with its bytes.
async fn put_and_check(cluster: &Cluster, length: usize, copies: usize) {
    let data = pattern(length);
    let (frames, body) = dripping(Some(length as u64));
    let objects = cluster.objects.clone();
    let put = tokio::spawn(async move { objects.put_object(put_request(), body).await });
    for frame in data.chunks(64 << 10) {
        frames.send(frame.to_vec().into()).await.unwrap();
    }
    drop(frames);
    put.await.unwrap().unwrap();
    check(cluster, &data, copies).await;
}

async fn check(cluster: &Cluster, data: &[u8], copies: usize) {
    let mut begin = 0;
    for written in cluster.metaserver.extents() {
        let extent = written.extent.unwrap();
        let end = begin + extent.length_bytes as usize;
        let holders: BTreeSet<u64> = written.worker_ids.iter().copied().collect();
        assert_eq!(holders.len(), copies, "{written:?}");
        for worker_id in holders {
            let block = cluster.workers[worker_id as usize - 1].blocks.lock()[&extent.block_id].clone();
            assert!(block[..] == data[begin..end], "block {}", extent.block_id);
        }
        begin = end;
    }
    assert_eq!(begin, data.len());
    assert!(cluster.get(None).await.unwrap() == data);
}

/// A cluster in which the first block is sure to go to worker 1, whatever its copies.
async fn with_full_spare(workers: u64, copies: u32, change: impl FnOnce(&mut ObjectsOptions)) -> Cluster {
    let cluster = Cluster::with(workers, copies, change).await;
    // Worker 1 is so empty that it is chosen first.
    cluster.metaserver.workers.lock()[0].free_bytes = 1 << 62;
    cluster.objects.inner.session.refresh().await;
    cluster
}

#[tokio::test]
async fn another_worker_takes_over_in_the_middle_of_a_block() {
    for copies in 1..=3 {
        for fault in [
            WriteFault::Fail(Reason::Unavailable, 0),
            WriteFault::Fail(Reason::NoSpace, 200_000),
            WriteFault::Fail(Reason::ChecksumMismatch, 400_000),
            WriteFault::Stall(0),
            WriteFault::Stall(300_000),
            WriteFault::OtherBytes,
        ] {
            let cluster = with_full_spare(5, copies, long_blocks).await;
            fail(&cluster, 0, fault);
            put_and_check(&cluster, 900_000, copies as usize).await;
            assert!(!cluster.workers[0].begun.lock().is_empty());
            assert_eq!(cluster.metaserver.extents().len(), 1, "what is kept of the block is enough");
        }
    }
}

#[tokio::test]
async fn a_long_block_is_cut_where_a_worker_fails_and_gets_its_copies_from_the_others() {
    for copies in 2..=3 {
        for fault in [
            WriteFault::Fail(Reason::Unavailable, 1_500_000),
            WriteFault::Fail(Reason::NoSpace, 1_200_000),
            WriteFault::Stall(1_500_000),
        ] {
            let cluster = with_full_spare(5, copies, long_blocks).await;
            fail(&cluster, 0, fault);
            put_and_check(&cluster, 5_000_000, copies as usize).await;
            let lengths: Vec<u64> =
                cluster.metaserver.extents().iter().map(|written| written.extent.unwrap().length_bytes).collect();
            assert!(lengths[0] < 2 << 20, "{lengths:?}");
            assert!(lengths.len() <= 4, "{lengths:?}");
            assert!(cluster.objects.inner.metrics.copies_made.get() > 0);
        }
    }
}

#[tokio::test]
async fn a_body_that_trickles_in_is_not_kept_and_gets_its_copies_all_the_same() {
    let cluster = with_full_spare(4, 2, long_blocks).await;
    fail(&cluster, 0, WriteFault::Fail(Reason::Unavailable, 900));
    let data = pattern(2_000);
    let (frames, body) = dripping(Some(2_000));
    let objects = cluster.objects.clone();
    let put = tokio::spawn(async move { objects.put_object(put_request(), body).await });
    for frame in data.chunks(10) {
        frames.send(frame.to_vec().into()).await.unwrap();
    }
    drop(frames);
    put.await.unwrap().unwrap();
    check(&cluster, &data, 2).await;
    assert_eq!(cluster.metaserver.extents().len(), 2, "it was cut");
}

#[tokio::test]
async fn a_stalled_worker_is_waited_for_once_and_then_left_alone_for_a_while() {
    let cluster = with_full_spare(4, 3, long_blocks).await;
    fail(&cluster, 0, WriteFault::Stall(1_200_000));
    put_and_check(&cluster, 6_000_000, 3).await;
    let refused = cluster.objects.inner.metrics.blocks_refused.get();
    assert!((1..=2).contains(&refused), "{refused}: the block in which it stalled, and the one before");
    let begun = cluster.workers[0].begun.lock().len();
    put_and_check(&cluster, 6_000_000, 3).await;
    assert_eq!(cluster.workers[0].begun.lock().len(), begun, "it is left alone");
    cluster.clock.advance(5_000);
    *cluster.workers[0].write_fault.lock() = None;
    put_and_check(&cluster, 6_000_000, 3).await;
    assert!(cluster.workers[0].begun.lock().len() > begun, "it is tried again");
}

#[tokio::test]
async fn a_worker_that_stalls_after_the_last_byte_is_replaced_before_the_answer() {
    let cluster = with_full_spare(3, 2, |_| {}).await;
    fail(&cluster, 0, WriteFault::Stall(500));
    cluster.put(pattern(500)).await.unwrap();
    check(&cluster, &pattern(500), 2).await;
}

#[tokio::test]
async fn with_fewer_healthy_workers_than_copies_a_majority_is_enough() {
    let cluster = Cluster::with(3, 3, |_| {}).await;
    cluster.metaserver.workers.lock()[2].live = false;
    cluster.objects.inner.session.refresh().await;
    cluster.put(pattern(2500)).await.unwrap();
    check(&cluster, &pattern(2500), 2).await;
    assert!(cluster.metaserver.extents().iter().all(|written| written.replication == 3), "what repair is to reach");
    assert_eq!(cluster.objects.inner.metrics.blocks_short.get(), 3);
    fail(&cluster, 1, WriteFault::Fail(Reason::Unavailable, 100));
    let error = cluster.put(pattern(2500)).await.unwrap_err();
    assert_eq!(error.reason(), Some(Reason::Unavailable), "one copy is none");
    cluster.metaserver.replication_min.store(1, SeqCst);
    cluster.objects.inner.session.refresh().await;
    cluster.put(pattern(2500)).await.unwrap();
    check(&cluster, &pattern(2500), 1).await;
}

#[tokio::test]
async fn a_bucket_that_says_how_many_copies_it_wants_gets_them() {
    let cluster = Cluster::with(5, 3, |_| {}).await;
    for copies in [1, 2, 4] {
        let request = PutObject { keeping: Keeping { replication: copies, coding: None }, ..put_request() };
        cluster.objects.put_object(request, whole(pattern(2500))).await.unwrap();
        check(&cluster, &pattern(2500), copies as usize).await;
        assert!(cluster.metaserver.extents().iter().all(|written| written.replication == copies));
    }
}

#[tokio::test]
async fn a_worker_that_comes_back_while_a_block_waits_for_one_takes_it_and_is_not_called_full() {
    let cluster = Cluster::with(1, 1, |_| {}).await;
    let live = async |live| {
        cluster.metaserver.workers.lock()[0].live = live;
        cluster.objects.inner.session.refresh().await;
    };
    live(false).await;
    let comes_back = async {
        // The last pause before it is given up.
        tokio::time::sleep(PLACE_PAUSES[2] / 2).await;
        live(true).await;
    };
    let (put, ()) = tokio::join!(cluster.put(pattern(500)), comes_back);
    put.unwrap();
    live(false).await;
    assert_eq!(cluster.put(pattern(500)).await.unwrap_err().reason(), Some(Reason::TooFewWorkers));
}

#[tokio::test]
async fn full_workers_are_told_apart_from_missing_ones() {
    let cluster = Cluster::with(3, 2, |_| {}).await;
    for worker in 0..3 {
        fail(&cluster, worker, WriteFault::Fail(Reason::NoSpace, 0));
    }
    assert_eq!(cluster.put(pattern(500)).await.unwrap_err().reason(), Some(Reason::NoSpace));
    cluster.metaserver.workers.lock().iter_mut().for_each(|worker| worker.free_bytes = 0);
    cluster.objects.inner.session.refresh().await;
    assert_eq!(cluster.put(pattern(500)).await.unwrap_err().reason(), Some(Reason::NoSpace));
    assert!(cluster.metaserver.stored().is_none());
}

#[tokio::test]
async fn what_is_abandoned_is_named_with_every_worker_that_may_have_it() {
    let cluster = with_full_spare(3, 2, |_| {}).await;
    fail(&cluster, 0, WriteFault::OtherBytes);
    cluster.metaserver.state.lock().refuse_commits = Some(Reason::PreconditionFailed);
    cluster.put(pattern(500)).await.unwrap_err();
    cluster.until(|c| !c.metaserver.state.lock().abandoned_on.is_empty()).await;
    let mut named = cluster.metaserver.state.lock().abandoned_on[0].clone();
    named.sort_unstable();
    assert_eq!(named, [1, 2, 3]);
}

#[tokio::test]
async fn uploads_that_wait_for_memory_give_up_what_they_keep_and_none_waits_for_ever() {
    let cluster = with_full_spare(4, 2, |options| {
        options.buffer_max_bytes = 200_000;
        options.block_max_bytes = 300_000;
    })
    .await;
    fail(&cluster, 0, WriteFault::Fail(Reason::Unavailable, 150_000));
    let puts = (0..40).map(|_| cluster.put(pattern(500_000)));
    for outcome in futures::future::join_all(puts).await {
        outcome.unwrap();
    }
    check(&cluster, &pattern(500_000), 2).await;
}
