//! The exchange as strangers and members may try it.

mod awaiting;

use crate::Metaserver;
use crate::standby::Candidate;
use crate::testing::sealer;
use prometheus_client::registry::Registry;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use tokio_stream::StreamExt as _;
use tonic::{Code, Status, Streaming};
use weir_proto::Failure;
use weir_proto::v1::follow_request::What;
use weir_proto::v1::follow_response::What as Said;
use weir_proto::v1::namespace_client::NamespaceClient;
use weir_proto::v1::standby_client::StandbyClient;
use weir_proto::v1::standing_response::Role;
use weir_proto::v1::{self, Reason, StandbyState};
use weir_service::channel::{Channel, in_process};
use weir_service::clock::SystemClock;
use weir_service::config::{MetaserverSettings, StandbyMode};
use weir_service::disk::SystemDisk;
use weir_service::epoch::{EPOCH_HEADER, SeenEpoch};
use weir_service::shutdown::Shutdown;

pub(super) const PATIENCE: Duration = Duration::from_secs(20);

fn settings(data: &Path, standby: StandbyMode) -> MetaserverSettings {
    let (data, follow) = (data.to_path_buf(), "primary:1".into());
    MetaserverSettings { data, standby, follow, reserve_bytes: 0, standby_timeout_ms: 300, ..Default::default() }
}

async fn metaserver(data: &Path, mode: StandbyMode, shutdown: &Shutdown) -> (Metaserver, Channel) {
    let (disk, clock, registry) = (Arc::new(SystemDisk), Arc::new(SystemClock), &mut Registry::default());
    let opened = Metaserver::open(settings(data, mode), disk, clock, sealer(), registry, shutdown).await;
    let metaserver = opened.unwrap();
    let channel = in_process(metaserver.fenced_services().prepare());
    (metaserver, channel)
}

fn hello(cluster_id: &str, epoch: u64) -> v1::FollowRequest {
    let hello = v1::FollowHello {
        cluster_id: cluster_id.into(),
        epoch,
        standby_id: "s".into(),
        address: "standby:1".into(),
        position: Some(v1::StorePosition { sequence: 0, frame: None }),
        ..Default::default()
    };
    v1::FollowRequest { what: Some(What::Hello(hello)) }
}

fn acknowledged(sequence: u64) -> v1::FollowRequest {
    v1::FollowRequest { what: Some(What::AcknowledgedSequence(sequence)) }
}

/// Says something, and keeps the stream open.
async fn follow(channel: &Channel, said: Vec<v1::FollowRequest>) -> Result<Streaming<v1::FollowResponse>, Status> {
    let said = tokio_stream::iter(said).chain(tokio_stream::pending());
    Ok(StandbyClient::new(channel.clone()).follow(said).await?.into_inner())
}

fn reason(status: &Status) -> Reason {
    Failure::from_status(status).reason
}

async fn standing(channel: &Channel) -> v1::StandingResponse {
    StandbyClient::new(channel.clone()).standing(v1::StandingRequest {}).await.unwrap().into_inner()
}

async fn until(channel: &Channel, what: impl Fn(&v1::StandingResponse) -> bool) {
    let begun = tokio::time::Instant::now();
    while !what(&standing(channel).await) {
        assert!(begun.elapsed() < PATIENCE, "{:?}", standing(channel).await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_metaserver_takes_no_standby_that_it_can_not_believe() {
    let (folder, shutdown) = (tempfile::tempdir().unwrap(), Shutdown::new());
    let (metaserver, channel) = metaserver(folder.path(), StandbyMode::Optional, &shutdown).await;
    let long = "x".repeat(10_000);
    let named = |standby_id: &str, address: &str| {
        let v1::FollowRequest { what: Some(What::Hello(first)) } = hello("", 0) else { unreachable!() };
        let first = v1::FollowHello { standby_id: standby_id.into(), address: address.into(), ..first };
        v1::FollowRequest { what: Some(What::Hello(first)) }
    };
    let of_build = |protocol| {
        let v1::FollowRequest { what: Some(What::Hello(first)) } = hello("", 0) else { unreachable!() };
        let first = v1::FollowHello { protocol: Some(protocol), version: "9.0.0".into(), ..first };
        v1::FollowRequest { what: Some(What::Hello(first)) }
    };
    let newer = of_build(v1::Protocol { current: 90, oldest: 80 });
    for (what, first, expected) in [
        ("nothing", v1::FollowRequest { what: None }, Reason::InvalidRequest),
        ("a build without a protocol in common", newer, Reason::Incompatible),
        ("no hello", acknowledged(1), Reason::InvalidRequest),
        ("another cluster", hello("ffff", 0), Reason::WrongCluster),
        ("no name", named("", "standby:1"), Reason::InvalidRequest),
        ("a name without end", named(&long, "standby:1"), Reason::InvalidRequest),
        ("an address without end", named("s", &long), Reason::InvalidRequest),
    ] {
        let refused = follow(&channel, vec![first]).await.unwrap_err();
        assert_eq!(reason(&refused), expected, "{what}: {refused:?}");
    }
    // One that is taken keeps others out, until it says what can't be.
    let mut stream = follow(&channel, vec![hello("", 0), acknowledged(1 << 60)]).await.unwrap();
    while let Ok(Some(_)) = timeout(PATIENCE, stream.message()).await.unwrap() {}
    until(&channel, |standing| standing.standby.as_ref().unwrap().state() == StandbyState::Away).await;
    let mut stream = follow(&channel, vec![hello("", 0)]).await.unwrap();
    let welcome = stream.message().await.unwrap().unwrap();
    assert!(matches!(welcome.what, Some(Said::Welcome(welcome)) if welcome.epoch == 1 && welcome.mode == "optional"));
    let refused = follow(&channel, vec![named("t", "other:1")]).await.unwrap_err();
    assert!(refused.message().contains("another standby follows already: standby:1"), "{refused:?}");

    let mut client = StandbyClient::new(channel.clone());
    let step_down =
        |standby_id: &str, epoch| v1::StepDownRequest { standby_id: standby_id.into(), epoch, force: false };
    let refused = client.step_down(step_down("t", 2)).await.unwrap_err();
    assert_eq!(reason(&refused), Reason::NotInSync);
    let refused = client.step_down(step_down("s", 1)).await.unwrap_err();
    assert_eq!(reason(&refused), Reason::InvalidRequest);
    let refused = client.promote(v1::PromoteRequest { force: true }).await.unwrap_err();
    assert!(refused.message().contains("the metaserver already"), "{refused:?}");
    assert!(!shutdown.has_begun());
    drop(stream);

    // A standby that has heard of a higher epoch: this metaserver is over.
    let refused = follow(&channel, vec![hello("", 7)]).await.unwrap_err();
    assert!(refused.message().contains("is over"), "{refused:?}");
    timeout(PATIENCE, shutdown.begun()).await.unwrap();
    assert!(shutdown.failure().unwrap().contains("under epoch 7"));
    let _ = metaserver.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_metaserver_that_wants_none_takes_none_and_one_that_hears_of_a_higher_epoch_ends() {
    let (folder, shutdown) = (tempfile::tempdir().unwrap(), Shutdown::new());
    let (metaserver, channel) = metaserver(folder.path(), StandbyMode::None, &shutdown).await;
    let refused = follow(&channel, vec![hello("", 0)]).await.unwrap_err();
    assert!(refused.message().contains("metaserver.standby is none"), "{refused:?}");
    assert_eq!(standing(&channel).await.standby, None);
    let mut namespace = NamespaceClient::new(channel);
    let told = |epoch: &'static str| {
        let mut request = tonic::Request::new(v1::ListBucketsRequest::default());
        request.metadata_mut().insert(EPOCH_HEADER, epoch.parse().unwrap());
        request
    };
    let answer = namespace.list_buckets(told("1")).await.unwrap();
    assert_eq!(answer.metadata().get(EPOCH_HEADER).unwrap(), "1");
    let refused = namespace.list_buckets(told("2")).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    timeout(PATIENCE, shutdown.begun()).await.unwrap();
    assert!(namespace.list_buckets(told("1")).await.is_err(), "it answers nothing more");
    let _ = metaserver.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_serves_nobody_until_it_is_promoted_and_then_what_its_metaserver_had() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (ends_first, shutdown) = (Shutdown::new(), Shutdown::new());
    let (metaserver, followed) = metaserver(one.path(), StandbyMode::Optional, &ends_first).await;
    let create = |name: &str| v1::CreateBucketRequest { name: name.into(), ..Default::default() };
    NamespaceClient::new(followed.clone()).create_bucket(create("photos")).await.unwrap();
    let (disk, clock, registry) = (Arc::new(SystemDisk), Arc::new(SystemClock), &mut Registry::default());
    let settings = settings(other.path(), StandbyMode::None);
    let to_it = (followed.clone(), SeenEpoch::default());
    let opened = Candidate::open(settings, disk, clock, sealer(), to_it, registry, &shutdown).await;
    let candidate = opened.unwrap();
    let channel = in_process(candidate.services().prepare());
    until(&channel, |standing| standing.following.as_ref().unwrap().in_sync).await;
    assert_eq!(standing(&channel).await.role(), Role::Standby);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, registry).unwrap();
    assert!(text.contains("weir_metaserver_following_in_sync 1"), "{text}");

    let mut namespace = NamespaceClient::new(channel.clone());
    let refused = namespace.list_buckets(v1::ListBucketsRequest::default()).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused)), (Code::Unavailable, Reason::Unavailable));
    assert!(refused.message().contains("this is a standby"), "{refused:?}");

    let mut client = StandbyClient::new(channel.clone());
    let promoted = client.promote(v1::PromoteRequest { force: false }).await.unwrap().into_inner();
    assert_eq!(promoted.epoch, 2, "{promoted:?}");
    timeout(PATIENCE, ends_first.begun()).await.unwrap();
    let buckets = namespace.list_buckets(v1::ListBucketsRequest::default()).await.unwrap();
    assert_eq!(buckets.metadata().get(EPOCH_HEADER).unwrap(), "2");
    assert_eq!(buckets.get_ref().buckets[0].name, "photos");
    namespace.create_bucket(create("films")).await.unwrap();
    let refused = client.promote(v1::PromoteRequest { force: false }).await.unwrap_err();
    assert!(refused.message().contains("under epoch 2"), "{refused:?}");
    text.clear();
    prometheus_client::encoding::text::encode(&mut text, registry).unwrap();
    assert!(text.contains("weir_metaserver_epoch 2"), "{text}");
    let _ = metaserver.close().await;
    assert!(shutdown.finish(PATIENCE).await);
    candidate.close().await.unwrap();
}
