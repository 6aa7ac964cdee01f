use crate::objects::GetObject;
use crate::objects::testing::*;
use bytes::Bytes;
use http_body::Body as _;
use std::future::poll_fn;
use std::time::Duration;
use tokio::time::timeout;
use weir_proto::v1::byte_range::{Form, FromTo};
use weir_proto::v1::{self, Reason};

fn range(first: u64, last: u64) -> Option<v1::ByteRange> {
    Some(v1::ByteRange { form: Some(Form::FromTo(FromTo { first, last })) })
}

#[tokio::test]
async fn any_range_gives_exactly_its_bytes() {
    let cluster = Cluster::start().await;
    for length in [90, 3500] {
        let data = pattern(length);
        cluster.put(data.clone()).await.unwrap();
        let last = length as u64 - 1;
        for (first, to) in
            [(0, 0), (0, last), (1, last), (last, last), (40, 60), (999, 1000), (1000, 1999), (950, 3100)]
        {
            if to > last {
                continue;
            }
            let bytes = cluster.get(range(first, to)).await.unwrap();
            assert_eq!(bytes, data[first as usize..=to as usize], "{first}-{to} of {length}");
        }
    }
}

#[tokio::test]
async fn a_range_reads_only_what_is_asked_for_of_each_block() {
    let cluster = Cluster::start().await;
    cluster.put(pattern(3500)).await.unwrap();
    cluster.get(range(950, 2049)).await.unwrap();
    let reads = cluster.worker().reads.lock();
    let asked: Vec<_> = reads.iter().map(|read| (read.offset_bytes, read.length_bytes)).collect();
    assert_eq!(asked, [(950, 50), (0, 1000), (0, 50)]);
}

#[tokio::test]
async fn head_fetches_nothing_and_an_untouched_content_neither() {
    let cluster = Cluster::start().await;
    cluster.put(pattern(500)).await.unwrap();
    let head = cluster.objects.head_object(get_request()).await.unwrap();
    assert_eq!((head.object.size_bytes, head.length_bytes, head.content.left_bytes()), (500, 500, 0));
    let opened = cluster.objects.get_object(get_request()).await.unwrap();
    assert_eq!(opened.content.size_hint().exact(), Some(500));
    drop(opened);
    assert!(cluster.worker().reads.lock().is_empty());
}

#[tokio::test]
async fn who_does_not_take_what_was_read_stops_the_reading_and_not_other_readers() {
    let cluster = Cluster::with(1, 1, |options| options.read_buffer_max_bytes = 0).await;
    let data = pattern(60_000);
    cluster.put(data.clone()).await.unwrap();
    let mut stuck = cluster.objects.get_object(get_request()).await.unwrap().content;
    let mut next = async || {
        let polled = poll_fn(|context| stuck.poll_held(context));
        timeout(Duration::from_millis(200), polled).await.ok().map(|data| data.unwrap().unwrap())
    };
    let mut held = Vec::new();
    while let Some(data) = next().await {
        held.push(data);
    }
    assert_eq!(held.iter().map(Bytes::len).sum::<usize>(), 16_000, "as many blocks of 1,000 as its own 16 KiB hold");
    assert_eq!(cluster.worker().reads.lock().len(), 16);
    assert_eq!(cluster.get(None).await.unwrap(), data);
    let mut taken = held.concat();
    drop(held);
    while taken.len() < data.len() {
        taken.extend_from_slice(&next().await.unwrap());
    }
    assert_eq!(taken, data);
}

#[tokio::test]
async fn a_long_block_is_read_in_pieces() {
    let cluster = Cluster::with(1, 1, |options| {
        (options.block_max_bytes, options.buffer_max_bytes) = (4 << 20, 16 << 20);
        // A sixteenth of it, in whole checksums, is asked for at a time.
        options.read_buffer_max_bytes = 5 << 20;
    })
    .await;
    let data = pattern(3_000_000);
    cluster.put(data.clone()).await.unwrap();
    let from = 100_000;
    assert_eq!(cluster.get(range(from as u64, 2_999_999)).await.unwrap(), data[from..]);
    assert_eq!(cluster.get(None).await.unwrap(), data);
    let reads = cluster.worker().reads.lock();
    let ends: Vec<u64> = reads.iter().map(|read| read.offset_bytes + read.length_bytes).collect();
    assert!(ends.iter().all(|end| end.is_multiple_of(64 << 10) || *end == 3_000_000), "{ends:?}");
    assert!(reads.iter().all(|read| read.length_bytes <= 5 << 16));
    assert_eq!(reads.iter().map(|read| read.length_bytes).sum::<u64>(), 2 * 3_000_000 - from as u64);
}

#[tokio::test]
async fn the_next_replica_takes_over_where_one_failed() {
    for fault in [
        ReadFault::Fail(Reason::Damaged, 0),
        ReadFault::Fail(Reason::Damaged, 300),
        ReadFault::Fail(Reason::Unavailable, 999),
        ReadFault::Short(0),
        ReadFault::Short(130),
        ReadFault::Stall(0),
        ReadFault::Stall(130),
    ] {
        for broken in 0..2 {
            let cluster = Cluster::with(2, 2, |_| {}).await;
            let data = pattern(2500);
            cluster.put(data.clone()).await.unwrap();
            *cluster.workers[broken].read_fault.lock() = Some(fault);
            for _ in 0..4 {
                assert_eq!(cluster.get(None).await.unwrap(), data);
            }
            let asked: u64 = cluster.workers[1 - broken].reads.lock().iter().map(|read| read.length_bytes).sum();
            assert!(asked > 0);
        }
    }
}

#[tokio::test]
async fn a_silent_worker_costs_a_moment_once_and_is_asked_last_from_then_on() {
    let cluster = Cluster::with(2, 2, |_| {}).await;
    let data = pattern(20_000);
    cluster.put(data.clone()).await.unwrap();
    *cluster.workers[0].read_fault.lock() = Some(ReadFault::Stall(0));
    for _ in 0..4 {
        assert_eq!(cluster.get(None).await.unwrap(), data);
    }
    let metrics = &cluster.objects.inner.metrics.reads;
    assert!(metrics.hedges.get() >= 1);
    // The one that was waited for, and what was asked ahead meanwhile.
    assert!(cluster.workers[0].reads.lock().len() <= 2, "{}", cluster.workers[0].reads.lock().len());
    assert_eq!(metrics.failovers.get(), 0, "it was late, no more");
}

#[tokio::test]
async fn lost_workers_are_asked_last_and_still_asked() {
    let cluster = Cluster::with(2, 2, |_| {}).await;
    let data = pattern(2500);
    cluster.put(data.clone()).await.unwrap();
    cluster.metaserver.workers.lock()[0].state = v1::WorkerState::Lost.into();
    cluster.objects.inner.session.refresh().await;
    assert_eq!(cluster.get(None).await.unwrap(), data);
    assert!(cluster.workers[0].reads.lock().is_empty());
    cluster.workers[1].blocks.lock().clear();
    assert_eq!(cluster.get(None).await.unwrap(), data);
}

#[tokio::test]
async fn a_metaserver_that_falls_silent_under_a_read_does_not_keep_it_waiting_for_long() {
    let cluster = Cluster::start().await;
    cluster.put(pattern(2500)).await.unwrap();
    cluster.metaserver.state.lock().is_silent = true;
    tokio::time::pause();
    let read = timeout(Duration::from_secs(6), cluster.get(None)).await;
    assert_eq!(read.expect("it is told to come back").unwrap_err().reason, Reason::Unavailable);
}

#[tokio::test]
async fn when_all_replicas_fail_the_stream_breaks_and_never_just_ends() {
    let cluster = Cluster::with(2, 2, |_| {}).await;
    cluster.put(pattern(2500)).await.unwrap();
    for worker in &cluster.workers {
        *worker.read_fault.lock() = Some(ReadFault::Fail(Reason::Damaged, 100));
    }
    assert_eq!(cluster.get(None).await.unwrap_err().reason, Reason::Damaged);
    for worker in &cluster.workers {
        *worker.read_fault.lock() = Some(ReadFault::Short(100));
    }
    assert_eq!(cluster.get(None).await.unwrap_err().reason, Reason::Unavailable);
}

#[tokio::test]
async fn what_fails_at_once_is_known_before_the_answer_begins() {
    let cluster = Cluster::start().await;
    cluster.put(pattern(500)).await.unwrap();
    let mut opened = cluster.objects.get_object(get_request()).await.unwrap();
    opened.content.start().await.unwrap();
    assert_eq!(opened.content.left_bytes(), 500);
    *cluster.worker().read_fault.lock() = Some(ReadFault::Fail(Reason::Damaged, 0));
    let mut opened = cluster.objects.get_object(get_request()).await.unwrap();
    assert_eq!(opened.content.start().await.unwrap_err().reason, Reason::Damaged);
    cluster.worker().blocks.lock().clear();
    let mut opened = cluster.objects.get_object(get_request()).await.unwrap();
    assert_eq!(opened.content.start().await.unwrap_err().reason, Reason::NoSuchBlock);
}

#[tokio::test]
async fn bytes_that_were_altered_on_their_way_are_noticed_before_the_last_ones_go_out() {
    let cluster = Cluster::start().await;
    cluster.put(pattern(500)).await.unwrap();
    *cluster.worker().read_fault.lock() = Some(ReadFault::Flip(17));
    assert_eq!(cluster.get(None).await.unwrap_err().reason, Reason::Damaged);
}

#[tokio::test]
async fn a_read_is_in_flight_until_its_content_is_dropped() {
    let cluster = Cluster::start().await;
    cluster.put(pattern(500)).await.unwrap();
    let opened = cluster.objects.get_object(get_request()).await.unwrap();
    cluster.metaserver.state.lock().read_mark = 20;
    let later = cluster.objects.get_object(get_request()).await.unwrap();
    cluster.until(|c| c.metaserver.state.lock().last_heartbeat.oldest_read_mark == 10).await;
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert_eq!(cluster.metaserver.state.lock().last_heartbeat.oldest_read_mark, 10);
    drop(opened);
    drop(later);
    cluster.until(|c| c.metaserver.state.lock().last_heartbeat.oldest_read_mark == 20).await;
}

#[tokio::test]
async fn an_unsatisfiable_range_has_no_content() {
    let cluster = Cluster::start().await;
    cluster.put(pattern(500)).await.unwrap();
    let opened = cluster.objects.get_object(GetObject { range: range(500, 600), ..get_request() }).await.unwrap();
    assert!(opened.unsatisfiable);
    assert_eq!(opened.content.left_bytes(), 0);
}

/// One worker on this machine, with an object of long blocks that lie in files.
async fn with_files(local_reads: bool) -> (Cluster, tempfile::TempDir, Vec<u8>) {
    let cluster = Cluster::with(1, 1, |options| {
        options.local_reads = local_reads;
        options.block_max_bytes = 700_000;
        options.buffer_max_bytes = 16 << 20;
        options.read_buffer_max_bytes = 16 << 20;
    })
    .await;
    cluster.metaserver.workers.lock()[0].address = "127.0.0.1:1".into();
    cluster.objects.inner.session.refresh().await;
    let data = pattern(2_000_000);
    cluster.put(data.clone()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (block_id, block) in cluster.worker().blocks.lock().iter() {
        let file = [&[0; FILE_HEAD_BYTES][..], block].concat();
        std::fs::write(folder.path().join(block_id.to_string()), file).unwrap();
    }
    *cluster.worker().folder.lock() = Some(folder.path().to_owned());
    (cluster, folder, data)
}

#[tokio::test]
async fn blocks_of_a_worker_on_this_machine_are_read_from_their_files() {
    let (cluster, _folder, data) = with_files(true).await;
    assert!(cluster.get(None).await.unwrap() == data);
    let wanted = 400_001..1_800_007;
    assert!(cluster.get(range(wanted.start as u64, wanted.end as u64 - 1)).await.unwrap() == data[wanted]);
    assert!(cluster.worker().reads.lock().is_empty(), "nothing came from the worker");
    assert_eq!(cluster.worker().located.lock().len(), 6, "it was asked once for each block");
    assert_eq!(cluster.objects.inner.local.bytes.get(), 2_000_000 + 1_400_006);
    cluster.get(range(10, 20)).await.unwrap();
    assert_eq!(cluster.worker().located.lock().len(), 6, "a few bytes are not worth it");
    let (cluster, _folder, data) = with_files(false).await;
    assert!(cluster.get(None).await.unwrap() == data);
    assert!(cluster.worker().located.lock().is_empty(), "it is switched off");
}

#[tokio::test]
async fn a_file_that_is_wrong_or_can_not_be_opened_is_left_for_the_worker_and_its_others_for_a_while() {
    for fault in ["altered", "short", "gone", "linked"] {
        let (cluster, folder, data) = with_files(true).await;
        let path = folder.path().join("1");
        match fault {
            "altered" => {
                let mut file = std::fs::read(&path).unwrap();
                file[FILE_HEAD_BYTES + 300_000] ^= 1;
                std::fs::write(&path, file).unwrap();
            }
            "short" => std::fs::write(&path, [0; 10]).unwrap(),
            "gone" => std::fs::remove_file(&path).unwrap(),
            _ => {
                std::fs::rename(&path, folder.path().join("other")).unwrap();
                std::os::unix::fs::symlink(folder.path().join("other"), &path).unwrap();
            }
        }
        assert!(cluster.get(None).await.unwrap() == data, "{fault}");
        let located = cluster.worker().located.lock().len();
        assert!(!cluster.worker().reads.lock().is_empty(), "{fault}");
        assert!(cluster.get(None).await.unwrap() == data, "{fault}");
        assert_eq!(cluster.worker().located.lock().len(), located, "{fault}: it is remembered");
        cluster.clock.advance(60_000);
        cluster.get(None).await.unwrap();
        assert!(cluster.worker().located.lock().len() > located, "{fault}: it is tried again");
    }
}
