use crate::body::{BodyError, BodyKind};
use crate::objects::ObjectsError;
use crate::objects::testing::*;
use bytes::Bytes;
use futures::StreamExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use weir_proto::v1::content::Where;
use weir_proto::v1::{self, Reason};

fn lengths(cluster: &Cluster) -> Vec<u64> {
    cluster.metaserver.extents().iter().map(|written| written.extent.unwrap().length_bytes).collect()
}

#[tokio::test]
async fn a_body_up_to_the_inline_limit_lies_in_its_commit() {
    let cluster = Cluster::start().await;
    for length in [0, 1, INLINE_MAX_BYTES - 1, INLINE_MAX_BYTES] {
        let data = pattern(length as usize);
        cluster.put(data.clone()).await.unwrap();
        let stored = cluster.metaserver.stored().unwrap();
        assert_eq!(stored.content.r#where, Some(Where::Inline(data.clone().into())), "{length}");
        assert_eq!(stored.content.size_bytes, length);
        assert_eq!(cluster.get(None).await.unwrap(), data);
    }
    assert_eq!(cluster.worker().block_count(), 0);
    cluster.put(pattern(INLINE_MAX_BYTES as usize + 1)).await.unwrap();
    assert_eq!(lengths(&cluster), [INLINE_MAX_BYTES + 1]);
}

#[tokio::test]
async fn a_body_is_cut_into_blocks_at_the_limit() {
    let cluster = Cluster::start().await;
    for (length, expected) in [
        (BLOCK_MAX_BYTES - 1, vec![BLOCK_MAX_BYTES - 1]),
        (BLOCK_MAX_BYTES, vec![BLOCK_MAX_BYTES]),
        (BLOCK_MAX_BYTES + 1, vec![BLOCK_MAX_BYTES, 1]),
        (3 * BLOCK_MAX_BYTES, vec![BLOCK_MAX_BYTES; 3]),
    ] {
        let data = pattern(length as usize);
        let object = cluster.put(data.clone()).await.unwrap();
        assert_eq!(object.size_bytes, length);
        assert_eq!(lengths(&cluster), expected);
        assert_eq!(cluster.get(None).await.unwrap(), data);
        let announced = cluster.worker().expected.lock();
        for written in cluster.metaserver.extents() {
            let extent = written.extent.unwrap();
            assert_eq!(announced[&extent.block_id], extent.length_bytes);
        }
    }
    assert!(cluster.metaserver.state.lock().abandoned.is_empty());
}

#[tokio::test]
async fn small_frames_and_an_unknown_length_make_the_same_object() {
    let cluster = Cluster::start().await;
    let data = pattern(2500);
    let (frames, body) = dripping(None);
    let put = tokio::spawn({
        let objects = cluster.objects.clone();
        async move { objects.put_object(put_request(), body).await }
    });
    for frame in data.chunks(7) {
        frames.send(Bytes::copy_from_slice(frame)).await.unwrap();
    }
    drop(frames);
    put.await.unwrap().unwrap();
    assert_eq!(lengths(&cluster), [1000, 1000, 500]);
    assert_eq!(cluster.get(None).await.unwrap(), data);
}

#[tokio::test]
async fn what_is_stored_has_its_md5_and_crc64nvme() {
    let cluster = Cluster::start().await;
    let object = cluster.put("123456789").await.unwrap();
    assert_eq!(object.etag, "25f9e794323b453885f5181f1b624d0b");
    let checksum = object.checksum.unwrap();
    assert_eq!(checksum.algorithm(), v1::ChecksumAlgorithm::Crc64nvme);
    assert_eq!(checksum.r#type(), v1::ChecksumType::FullObject);
    assert_eq!(checksum.value[..], 0xAE8B_1486_0A79_9888_u64.to_be_bytes());
}

#[tokio::test]
async fn every_replica_gets_the_block_before_the_commit() {
    let cluster = Cluster::with(3, 2, |_| {}).await;
    cluster.put(pattern(500)).await.unwrap();
    let extent = &cluster.metaserver.extents()[0];
    assert_eq!(extent.worker_ids.len(), 2);
    for worker_id in &extent.worker_ids {
        assert_eq!(cluster.workers[*worker_id as usize - 1].block_count(), 1);
    }
}

#[tokio::test]
async fn a_block_that_one_of_its_workers_refuses_is_not_committed_when_there_is_no_other() {
    let cluster = Cluster::with(2, 2, |_| {}).await;
    *cluster.workers[1].write_fault.lock() = Some(WriteFault::Fail(Reason::NoSpace, 300));
    let error = cluster.put(pattern(2500)).await.unwrap_err();
    assert_eq!(error.reason(), Some(Reason::NoSpace));
    assert!(cluster.metaserver.stored().is_none());
    cluster.until(|c| c.metaserver.state.lock().last_heartbeat.lowest_block_in_flight > 1).await;
}

#[tokio::test]
async fn a_worker_that_fails_in_the_middle_costs_the_blocks_before() {
    let cluster = Cluster::start().await;
    let (frames, body) = dripping(Some(2500));
    let put = tokio::spawn({
        let objects = cluster.objects.clone();
        async move { objects.put_object(put_request(), body).await }
    });
    frames.send(pattern(1500).into()).await.unwrap();
    cluster.until(|c| c.worker().block_count() == 1).await;
    *cluster.worker().write_fault.lock() = Some(WriteFault::Fail(Reason::StoreFailed, 1));
    frames.send(pattern(1000).into()).await.unwrap();
    drop(frames);
    let error = put.await.unwrap().unwrap_err();
    assert_eq!(error.reason(), Some(Reason::StoreFailed));
    cluster.until(|c| c.metaserver.state.lock().abandoned.contains(&1)).await;
    assert!(cluster.metaserver.stored().is_none());
}

#[tokio::test]
async fn too_few_workers_are_unavailable() {
    let cluster = Cluster::with(1, 2, |_| {}).await;
    let error = cluster.put(pattern(500)).await.unwrap_err();
    assert_eq!(error.reason(), Some(Reason::TooFewWorkers));
    cluster.put(pattern(50)).await.unwrap();
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_nothing_behind() {
    let cluster = Cluster::start().await;
    let (frames, body) = dripping(Some(5000));
    let objects = cluster.objects.clone();
    let put = tokio::spawn(async move { objects.put_object(put_request(), body).await });
    frames.send(pattern(2500).into()).await.unwrap();
    cluster.until(|c| c.worker().block_count() == 2).await;
    put.abort();
    cluster.until(|c| c.metaserver.state.lock().abandoned.len() == 2).await;
    cluster.until(|c| !c.worker().cut.lock().is_empty()).await;
    assert_eq!(cluster.worker().cut.lock()[..], [3]);
    cluster.until(|c| c.metaserver.state.lock().last_heartbeat.lowest_block_in_flight == 4).await;
    assert!(cluster.metaserver.stored().is_none());
}

#[tokio::test]
async fn a_body_that_ends_early_is_incomplete_and_leaves_nothing_behind() {
    let cluster = Cluster::start().await;
    let (frames, body) = dripping(Some(5000));
    let objects = cluster.objects.clone();
    let put = tokio::spawn(async move { objects.put_object(put_request(), body).await });
    frames.send(pattern(1500).into()).await.unwrap();
    drop(frames);
    let error = put.await.unwrap().unwrap_err();
    assert!(matches!(error, ObjectsError::Body(BodyError::Incomplete { received: 1500, .. })), "{error:?}");
    cluster.until(|c| c.metaserver.state.lock().abandoned == [1]).await;
}

#[tokio::test]
async fn of_a_body_that_turns_out_false_the_last_block_is_never_finished() {
    let cluster = Cluster::start().await;
    let wrong = [("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg==")];
    let body = declared(&wrong, BodyKind::Put, pattern(500));
    let error = cluster.objects.put_object(put_request(), body).await.unwrap_err();
    assert!(matches!(error, ObjectsError::Body(BodyError::ContentMd5Mismatch { .. })), "{error:?}");
    cluster.until(|c| c.worker().cut.lock().len() == 1).await;
    assert_eq!(cluster.worker().block_count(), 0);
    assert!(cluster.metaserver.state.lock().commits.is_empty());
}

#[tokio::test]
async fn a_commit_in_doubt_is_repeated_under_the_same_request_id() {
    let cluster = Cluster::start().await;
    for length in [10, 500] {
        cluster.metaserver.state.lock().lost_answers = 1;
        cluster.put(pattern(length)).await.unwrap();
        let commits = std::mem::take(&mut cluster.metaserver.state.lock().commits);
        assert_eq!(commits.len(), 2);
        assert_eq!(commits[0], commits[1]);
        assert_ne!(commits[0].sequence, 0);
    }
    assert!(cluster.metaserver.state.lock().abandoned.is_empty());
}

#[tokio::test]
async fn in_one_process_requests_are_not_remembered_and_not_repeated() {
    let cluster = Cluster::with(1, 1, |options| options.remember_requests = false).await;
    cluster.metaserver.state.lock().lost_answers = 1;
    let error = cluster.put(pattern(10)).await.unwrap_err();
    assert_eq!(error.reason(), Some(Reason::Unavailable));
    let commits = cluster.metaserver.state.lock().commits.clone();
    assert_eq!(commits, [v1::RequestId { session_id: 1, sequence: 0 }]);
}

#[tokio::test]
async fn a_refused_commit_gives_its_blocks_up() {
    let cluster = Cluster::start().await;
    cluster.metaserver.state.lock().refuse_commits = Some(Reason::PreconditionFailed);
    let error = cluster.put(pattern(1500)).await.unwrap_err();
    assert_eq!(error.reason(), Some(Reason::PreconditionFailed));
    cluster.until(|c| c.metaserver.state.lock().abandoned.len() == 2).await;
}

#[tokio::test]
async fn a_small_put_survives_the_end_of_its_session() {
    let cluster = Cluster::start().await;
    cluster.metaserver.end_sessions();
    cluster.put(pattern(10)).await.unwrap();
    assert_eq!(cluster.metaserver.state.lock().session_count, 2);
}

#[tokio::test]
async fn an_upload_that_begins_after_the_end_of_its_session_opens_another() {
    let cluster = Cluster::start().await;
    cluster.metaserver.end_sessions();
    cluster.put(pattern(1500)).await.unwrap();
    assert_eq!(cluster.metaserver.state.lock().session_count, 2);
}

/// Prints the peak of resident memory; run alone: `--ignored --nocapture`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn two_hundred_uploads_at_the_same_time() {
    let cluster = Cluster::with(1, 1, |options| {
        options.buffer_max_bytes = 64 << 20;
        options.block_max_bytes = 64 << 20;
    })
    .await;
    cluster.worker().discards.store(true, Ordering::SeqCst);
    let length = 8_u64 << 20;
    let began = std::time::Instant::now();
    let puts = (0..200).map(|_| {
        let frames = futures::stream::iter(0..length >> 16)
            .map(|_| Ok::<_, std::convert::Infallible>(http_body::Frame::data(Bytes::from(vec![7; 1 << 16]))));
        let plan = crate::body::BodyPlan::undeclared(Some(length), limits());
        let body = crate::body::IncomingBody::new(http_body_util::StreamBody::new(frames), plan);
        let objects = cluster.objects.clone();
        tokio::spawn(async move { objects.put_object(put_request(), body).await.unwrap() })
    });
    futures::future::join_all(puts).await;
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    println!("{peak}; {:?} for {} MiB", began.elapsed(), 200 * (length >> 20));
}

#[tokio::test]
async fn blocks_of_a_session_that_is_over_are_not_committed_and_the_next_put_works() {
    let cluster = Cluster::start().await;
    let (frames, body) = dripping(Some(1500));
    let objects = cluster.objects.clone();
    let put = tokio::spawn(async move { objects.put_object(put_request(), body).await });
    frames.send(pattern(1200).into()).await.unwrap();
    cluster.until(|c| c.worker().block_count() == 1).await;
    cluster.metaserver.end_sessions();
    cluster.until(|c| c.metaserver.state.lock().session_count == 2).await;
    frames.send(pattern(300).into()).await.unwrap();
    drop(frames);
    let error = put.await.unwrap().unwrap_err();
    assert_eq!(error.reason(), Some(Reason::Unavailable));
    assert!(cluster.metaserver.stored().is_none());
    cluster.put(pattern(1500)).await.unwrap();
}

#[tokio::test]
async fn an_upload_that_can_not_work_is_refused_before_its_body_is_read() {
    let cluster = Cluster::start().await;
    let read = Arc::new(AtomicBool::new(false));
    let body = |read: Arc<AtomicBool>| {
        let frames = futures::stream::poll_fn(move |_| {
            read.store(true, Ordering::SeqCst);
            std::task::Poll::Ready(None::<Result<http_body::Frame<Bytes>, std::convert::Infallible>>)
        });
        let plan = crate::body::BodyPlan::undeclared(Some(2 << 20), limits());
        crate::body::IncomingBody::new(http_body_util::StreamBody::new(frames), plan)
    };
    let elsewhere =
        crate::objects::PutObject { bucket: weir_proto::BucketName::new("elsewhere").unwrap(), ..put_request() };
    let error = cluster.objects.put_object(elsewhere, body(read.clone())).await.unwrap_err();
    assert_eq!(error.reason(), Some(Reason::NoSuchBucket));
    cluster.put("there").await.unwrap();
    let condition = v1::Precondition { if_none_match: vec!["*".into()], ..Default::default() };
    let conditional = crate::objects::PutObject { precondition: Some(condition), ..put_request() };
    let error = cluster.objects.put_object(conditional, body(read.clone())).await.unwrap_err();
    assert_eq!(error.reason(), Some(Reason::PreconditionFailed));
    assert!(!read.load(Ordering::SeqCst));
}

#[tokio::test]
async fn many_uploads_share_a_buffer_smaller_than_one_piece_of_each() {
    let cluster = Cluster::with(1, 1, |options| {
        options.buffer_max_bytes = 64;
        options.block_max_bytes = 1 << 20;
    })
    .await;
    let puts = (0..50).map(|_| cluster.put(pattern(10_000)));
    for outcome in futures::future::join_all(puts).await {
        outcome.unwrap();
    }
    assert_eq!(cluster.worker().block_count(), 50);
}

#[tokio::test]
async fn shutdown_ends_the_session_once_nothing_is_in_flight() {
    let cluster = Cluster::start().await;
    let (frames, body) = dripping(Some(500));
    let objects = cluster.objects.clone();
    let put = tokio::spawn(async move { objects.put_object(put_request(), body).await });
    frames.send(pattern(400).into()).await.unwrap();
    cluster.until(|c| c.worker().expected.lock().len() == 1).await;
    cluster.shutdown.begin();
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    assert_eq!(cluster.metaserver.state.lock().sessions.len(), 1);
    frames.send(pattern(100).into()).await.unwrap();
    drop(frames);
    put.await.unwrap().unwrap();
    assert!(cluster.shutdown.finish(std::time::Duration::from_secs(5)).await);
    assert!(cluster.metaserver.state.lock().sessions.is_empty());
    assert!(!cluster.objects.is_ready());
}

#[tokio::test]
async fn a_gateway_is_not_ready_while_the_metaserver_is_of_a_build_that_it_does_not_understand() {
    let cluster = Cluster::start().await;
    cluster.until(|c| c.objects.is_ready()).await;
    cluster.metaserver.state.lock().protocol = Some(v1::Protocol { current: 90, oldest: 80 });
    cluster.until(|c| !c.objects.is_ready()).await;
    assert_eq!(cluster.metaserver.state.lock().last_heartbeat.protocol, Some(weir_proto::protocol::own()));
    cluster.metaserver.state.lock().protocol = None;
    cluster.until(|c| c.objects.is_ready()).await;
}
