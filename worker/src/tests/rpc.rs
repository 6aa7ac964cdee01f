use super::*;
use std::path::Path;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use weir_proto::Failure;
use weir_proto::v1::{LocateBlockRequest, Reason};

const LARGE: usize = 700_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_block_goes_in_and_comes_out_whatever_its_size_and_frames() {
    let house = open(&SimulatedDisk::default()).await;
    let mut client = house.client();
    let mut id = 0;
    for length in [0, 1, 65_535, 65_537, 262_144, 262_145, 3 * MIB + 7] {
        for (announced, frame) in [(0, 1000), (length as u64, MIB)] {
            id += 1;
            let bytes = bytes_of(length);
            assert_eq!(write(&mut client, whole(id, announced, &bytes, frame)).await.unwrap(), length as u64);
            assert!(read(&mut client, id, 0, 0).await.unwrap() == bytes, "{length}");
            if length > 100 {
                let (from, to) = (length / 3, length - 17);
                let part = read(&mut client, id, from as u64, (to - from) as u64).await.unwrap();
                assert!(part == bytes[from..to], "{length}");
                assert!(read(&mut client, id, from as u64, 0).await.unwrap() == bytes[from..]);
            }
        }
    }
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &house.registry).unwrap();
    for line in ["weir_worker_blocks 14", "weir_worker_written_blocks_total 14", "weir_worker_damaged_blocks_total 0"] {
        assert!(text.contains(line), "{line} in {text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_refusal_says_why_and_leaves_nothing() {
    let house = open(&SimulatedDisk::default()).await;
    let mut client = house.client();
    let (bytes, frame) = (bytes_of(LARGE), bytes_of(1000));
    let wrong = finish(&bytes[1..]);
    let oversized = data(bytes_of(MIB + 1));
    let cases = [
        (vec![], Reason::InvalidRequest),
        (vec![data(frame.clone())], Reason::InvalidRequest),
        (vec![WriteBlockRequest { step: None }], Reason::InvalidRequest),
        (vec![header(1, 0), header(1, 0)], Reason::InvalidRequest),
        (vec![header(1, 0), oversized], Reason::InvalidRequest),
        (vec![header(1, 0), data(bytes.clone())], Reason::InvalidRequest),
        (vec![header(1, LARGE as u64), data(bytes.clone())], Reason::InvalidRequest),
        (vec![header(1, 0), data(bytes.clone()), wrong.clone()], Reason::InvalidRequest),
        (vec![header(1, 999), data(frame.clone()), finish(&frame)], Reason::InvalidRequest),
        (vec![header(1, 0), data(bytes.slice(..LARGE - 1)), wrong], Reason::ChecksumMismatch),
        (vec![header(1, 1 << 40)], Reason::TooLarge),
    ];
    let files = house.disk.files().len();
    for (number, (steps, reason)) in cases.into_iter().enumerate() {
        assert_eq!(write(&mut client, steps).await.unwrap_err().reason, reason, "case {number}");
        assert_eq!(house.disk.files().len(), files, "case {number}");
        assert_eq!(house.worker.disks().usage().unwrap().used_bytes, 0, "case {number}");
    }
    assert_eq!(read(&mut client, 1, 0, 0).await.unwrap_err().reason, Reason::NoSuchBlock);
    write(&mut client, whole(1, 0, &frame, 100)).await.unwrap();
    for (from, length) in [(0, 1001), (1000, 1), (1001, 0), (u64::MAX, 2)] {
        assert_eq!(read(&mut client, 1, from, length).await.unwrap_err().reason, Reason::InvalidRange);
    }
    assert!(read(&mut client, 1, 1000, 0).await.unwrap().is_empty());
    assert_eq!(write(&mut client, whole(1, 0, &frame, 100)).await, Ok(1000));
    assert_eq!(write(&mut client, whole(1, 0, &bytes, MIB)).await.unwrap_err().reason, Reason::InvalidRequest);
    house.disk.set_available(0);
    house.disk.fail(Fault::broken(Kind::SYNCS));
    for steps in [whole(2, 1000, &frame, 100), whole(2, LARGE as u64, &bytes, MIB), whole(2, 0, &bytes, MIB)] {
        assert_eq!(write(&mut client, steps).await.unwrap_err().reason, Reason::NoSpace);
    }
    assert_eq!(house.disk.files().len(), files + 1);
    house.disk.set_available(1 << 30);
    assert_eq!(write(&mut client, whole(2, 0, &frame, 100)).await.unwrap_err().reason, Reason::StoreFailed);
    tokio::time::timeout(Duration::from_secs(5), house.worker.failed()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_that_goes_away_leaves_no_file_and_no_used_space() {
    let house = open(&SimulatedDisk::default()).await;
    let files = house.disk.files().len();
    for announced in [0, 4 * MIB as u64] {
        let (steps, stream) = mpsc::channel(1);
        let mut client = house.client();
        let call = tokio::spawn(async move { client.write_block(ReceiverStream::new(stream)).await });
        steps.send(header(1, announced)).await.unwrap();
        for _ in 0..2 {
            steps.send(data(bytes_of(MIB))).await.unwrap();
        }
        while house.disk.files().len() == files {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        call.abort();
        let gone = async {
            while house.disk.files().len() > files {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), gone).await.unwrap();
        assert_eq!(house.worker.disks().usage().unwrap().used_bytes, 0);
        put(&house, 2, 500_000).await;
        house.worker.disks().delete(&[BlockId(2)]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_in_the_middle_of_a_long_read_ends_the_stream_with_that_reason() {
    let house = open(&SimulatedDisk::default()).await;
    put(&house, 1, 3 * MIB).await;
    put(&house, 2, 1000).await;
    let find = |suffix: &str| house.disk.files().into_iter().find(|(path, _)| path.to_string_lossy().ends_with(suffix));
    let (path, mut content) = find(".block").unwrap();
    content[2 * MIB] ^= 1;
    house.disk.put(&path, content);
    let mut stream = house
        .client()
        .read_block(ReadBlockRequest { block_id: 1, offset_bytes: 0, length_bytes: 0 })
        .await
        .unwrap()
        .into_inner();
    let (mut good, expected) = (0, bytes_of(3 * MIB));
    let failure = loop {
        match stream.message().await {
            Ok(Some(frame)) => {
                assert!(frame.data == expected[good..good + frame.data.len()]);
                good += frame.data.len();
            }
            Ok(None) => panic!("the stream ended as if all were well"),
            Err(status) => break Failure::from_status(&status),
        }
    };
    assert_eq!(failure.reason, Reason::Damaged);
    assert!((MIB..2 * MIB).contains(&good));
    let (path, mut content) = find(".segment").unwrap();
    content[200] ^= 1;
    house.disk.put(Path::new(&path), content);
    assert_eq!(read(&mut house.client(), 2, 0, 0).await.unwrap_err().reason, Reason::Damaged);
    assert_eq!(house.worker.disks().damaged_unreported(), [BlockId(1), BlockId(2)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_append_queue_is_bounded_and_every_writer_gets_through() {
    let disk = SimulatedDisk::default();
    let (mut registry, shutdown) = (Registry::default(), Shutdown::new());
    let settings = WorkerSettings { append_queue_max_bytes: 600 << 10, ..settings() };
    let seam: Arc<dyn Disk> = Arc::new(disk.clone());
    let worker = Worker::open(settings, seam, Arc::new(SystemClock), &mut registry, &shutdown).await.unwrap();
    let house = House { disk, worker, registry, shutdown };
    let writes = (1..=40).map(|id| put(&house, id, 200_000));
    futures::future::join_all(writes).await;
    assert!((1..=40).all(|id| has(&house, id)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scrubbing_on_demand_checks_every_block() {
    let house = open(&SimulatedDisk::default()).await;
    for id in 1..=10 {
        put(&house, id, 100_000 * id as usize).await;
    }
    let report = house.worker.scrub_now().await.unwrap();
    assert_eq!((report.checked_blocks, report.damaged_blocks), (10, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_was_shut_down_opens_again_with_its_blocks() {
    let mut disk = SimulatedDisk::default();
    for round in 1..=3 {
        let house = open(&disk).await;
        put(&house, round, 1000).await;
        put(&house, 100 + round, LARGE).await;
        for round in 1..=round {
            assert!(has(&house, round) && has(&house, 100 + round));
        }
        disk = house.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_block_with_a_file_of_its_own_is_where_its_worker_says() {
    let house = open(&SimulatedDisk::default()).await;
    let length = 3 * MIB + 17;
    put(&house, 1, length).await;
    put(&house, 2, 1000).await;
    let locate = |block_id| {
        let mut client = house.client();
        async move { client.locate_block(LocateBlockRequest { block_id }).await.map(tonic::Response::into_inner) }
    };
    let located = locate(1).await.unwrap();
    let path = std::path::PathBuf::from(String::from_utf8(located.path.to_vec()).unwrap());
    let (_, file) = house.disk.files().into_iter().find(|(name, _)| *name == path).unwrap();
    let start = located.offset_bytes as usize;
    assert_eq!(located.length_bytes, length as u64);
    assert!(file[start..start + length] == bytes_of(length));
    let pages = bytes_of(length);
    assert_eq!(located.page_crc32c, pages.chunks(64 << 10).map(crate::store::crc32c).collect::<Vec<_>>());
    for (block_id, reason) in [(2, Reason::InvalidRequest), (3, Reason::NoSuchBlock)] {
        assert_eq!(Failure::from_status(&locate(block_id).await.unwrap_err()).reason, reason);
    }
}
