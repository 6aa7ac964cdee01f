//! The figures in `docs/decisions/0016-standby-and-epochs.md`:
//! `cargo test --release -p weir-metaserver --lib -- --ignored --nocapture a_million_objects`.

use super::tests::PATIENCE;
use crate::Metaserver;
use crate::standby::Candidate;
use crate::testing::{inline, sealer};
use bytes::Bytes;
use prometheus_client::registry::Registry;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use weir_proto::v1;
use weir_service::channel::connect_metaserver;
use weir_service::clock::SystemClock;
use weir_service::config::{MetaserverSettings, ServiceSettings, StandbyMode};
use weir_service::disk::SystemDisk;
use weir_service::epoch::SeenEpoch;
use weir_service::peer_auth::ClusterCredentials;
use weir_service::rpc;
use weir_service::shutdown::Shutdown;

const OBJECTS: u64 = 1_000_000;
const IN_FLIGHT: u64 = 64;
/// To fill a store.
const FILLING: u64 = 512;
const ROUND: Duration = Duration::from_secs(4);

fn credentials() -> ClusterCredentials {
    let cluster_secret = "a secret that only the tests know".to_owned();
    ClusterCredentials::from_settings(&ServiceSettings { cluster_secret, ..Default::default() }).unwrap()
}

async fn open(data: &Path, standby: StandbyMode, shutdown: &Shutdown) -> Metaserver {
    let settings = MetaserverSettings { data: data.to_path_buf(), standby, ..Default::default() };
    let (disk, clock, registry) = (Arc::new(SystemDisk), Arc::new(SystemClock), &mut Registry::default());
    Metaserver::open(settings, disk, clock, sealer(), registry, shutdown).await.unwrap()
}

/// Serves over TCP. Returns the address.
async fn serve(metaserver: &Metaserver, shutdown: &Shutdown) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (services, shutdown) = (metaserver.fenced_services(), shutdown.clone());
    tokio::spawn(async move { rpc::serve_tcp(listener, services, &credentials(), &shutdown).await });
    address
}

async fn follow(data: &Path, address: &str, shutdown: &Shutdown) -> Candidate {
    let settings = MetaserverSettings { data: data.to_path_buf(), follow: address.into(), ..Default::default() };
    let (disk, clock, registry) = (Arc::new(SystemDisk), Arc::new(SystemClock), &mut Registry::default());
    let seen = SeenEpoch::default();
    let channel = (connect_metaserver(address, &credentials(), seen.clone()), seen);
    let candidate = Candidate::open(settings, disk, clock, sealer(), channel, registry, shutdown).await.unwrap();
    let begun = Instant::now();
    while !candidate.inner.standby.belief().in_sync {
        assert!(begun.elapsed() < 10 * PATIENCE);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    candidate
}

async fn create_bucket(metaserver: &Metaserver) {
    let request = v1::CreateBucketRequest { name: "photos".into(), ..Default::default() };
    metaserver.service.namespace.create_bucket(&request).await.unwrap();
}

/// Commits objects from many clients until `is_over` says so. Returns commits a second.
async fn load(
    metaserver: &Metaserver,
    in_flight: u64,
    numbers: &Arc<AtomicU64>,
    is_over: impl Fn(u64) -> bool + Send + Sync,
) -> f64 {
    let (begun, before) = (Instant::now(), numbers.load(Ordering::SeqCst));
    let clients = (0..in_flight).map(|_| async {
        loop {
            let number = numbers.fetch_add(1, Ordering::SeqCst);
            if is_over(number) {
                return;
            }
            let request = v1::CommitObjectRequest {
                bucket: "photos".into(),
                key: Bytes::from(format!("2026/11/{number:012}.jpg")),
                content: Some(inline("x".repeat(100))),
                ..Default::default()
            };
            metaserver.service.namespace.commit_object(request).await.unwrap();
        }
    });
    futures::future::join_all(clients).await;
    (numbers.load(Ordering::SeqCst) - before - in_flight) as f64 / begun.elapsed().as_secs_f64()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes, and means something in a release build alone"]
async fn a_million_objects_restart_promote_and_seed() {
    let folder = tempfile::tempdir().unwrap();
    let data = |name: &str| folder.path().join(name);
    let [first, second, alone] = std::array::from_fn(|_| Shutdown::new());
    let metaserver = open(&data("a"), StandbyMode::Required, &first).await;
    let address = serve(&metaserver, &first).await;
    let candidate = follow(&data("b"), &address, &second).await;
    let without = open(&data("c"), StandbyMode::None, &alone).await;
    create_bucket(&metaserver).await;
    create_bucket(&without).await;

    let (with_numbers, without_numbers) = <(Arc<AtomicU64>, Arc<AtomicU64>)>::default();
    for round in 1..=2 {
        let end = Instant::now() + ROUND;
        let with_standby = load(&metaserver, IN_FLIGHT, &with_numbers, |_| Instant::now() > end).await;
        let end = Instant::now() + ROUND;
        let by_itself = load(&without, IN_FLIGHT, &without_numbers, |_| Instant::now() > end).await;
        let ratio = with_standby / by_itself;
        println!("round {round}: {with_standby:.0} commits/s with the standby, {by_itself:.0} without: {ratio:.2}");
    }
    load(&metaserver, FILLING, &with_numbers, |number| number >= OBJECTS).await;

    // The metaserver dies: nothing is closed in order.
    first.begin();
    metaserver.service.host.store.as_ref().unwrap().dismiss_standby();
    assert!(first.finish(PATIENCE).await);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let begun = Instant::now();
    let promoted = candidate.inner.promote(false).await;
    println!("promoted in {:?}: {promoted:?}", begun.elapsed());
    promoted.unwrap();
    drop(metaserver);
    let again = Shutdown::new();
    let begun = Instant::now();
    let metaserver = open(&data("a"), StandbyMode::None, &again).await;
    println!("restarted after a kill in {:?}", begun.elapsed());
    assert!(again.finish(PATIENCE).await);
    metaserver.close().await.unwrap();
    drop(metaserver);
    let again = Shutdown::new();
    let begun = Instant::now();
    let metaserver = open(&data("a"), StandbyMode::Optional, &again).await;
    println!("restarted after an orderly stop in {:?}", begun.elapsed());
    let address = serve(&metaserver, &again).await;
    let third = Shutdown::new();
    let begun = Instant::now();
    let seeded = follow(&data("d"), &address, &third).await;
    println!("a new standby was in sync after {:?}", begun.elapsed());
    third.finish(PATIENCE).await;
    seeded.close().await.unwrap();
    metaserver.service.host.store.as_ref().unwrap().dismiss_standby();
    again.finish(PATIENCE).await;
    metaserver.close().await.unwrap();
    drop(metaserver);
    std::fs::remove_dir_all(data("a").join("index")).unwrap();
    let begun = Instant::now();
    let metaserver = open(&data("a"), StandbyMode::None, &Shutdown::new()).await;
    println!("restarted with the index lost in {:?}", begun.elapsed());
    drop((metaserver, without));
}
