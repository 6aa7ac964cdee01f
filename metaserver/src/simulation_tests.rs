//! The whole metaserver in one thread, over a disk that loses its power again and again. What a seed brings about it
//! brings about twice.

use crate::{Metaserver, testing};
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use weir_proto::v1;
use weir_service::config::MetaserverSettings;
use weir_service::disk::Disk;
use weir_service::shutdown::Shutdown;
use weir_service::simulation::{self, Operation, Random, SimulatedClock, SimulatedDisk};
use weir_service::threads;

const CLIENTS: u64 = 4;
const LIVES: u64 = 6;
/// Of each life, in milliseconds of its clock.
const LIFE_MS: i64 = 3_600_000;

/// The last number that each client knows to be there.
type Acknowledged = Arc<Mutex<[u64; CLIENTS as usize]>>;

/// Small, so that segments change and checkpoints are made all the time.
fn settings() -> MetaserverSettings {
    MetaserverSettings {
        data: "/data".into(),
        journal_segment_bytes: 16 << 10,
        checkpoint_journal_bytes: 64 << 10,
        reserve_bytes: 0,
        ..MetaserverSettings::default()
    }
}

async fn open(disk: &SimulatedDisk, life: u64, random: &mut Random) -> Option<(Metaserver, Shutdown)> {
    let (began, shutdown) = (tokio::time::Instant::now(), Shutdown::new());
    let clock = SimulatedClock::new(life as i64 * LIFE_MS, move || began.elapsed(), random.fork());
    let (disk, clock): (Arc<dyn Disk>, _) = (Arc::new(disk.clone()), Arc::new(clock));
    let opened =
        Metaserver::open(settings(), disk, clock, testing::sealer(), &mut Registry::default(), &shutdown).await;
    opened.ok().map(|metaserver| (metaserver, shutdown))
}

fn key(client: u64, number: u64) -> String {
    format!("{client}/{}", number % 7)
}

/// Writes its keys over and over, until the power is off.
async fn write(metaserver: Metaserver, client: u64, mut random: Random, acknowledged: Acknowledged) {
    loop {
        let number = acknowledged.lock()[client as usize] + 1;
        let text = format!("{number} {}", "x".repeat(random.below(700) as usize));
        let request = v1::CommitObjectRequest {
            bucket: "photos".into(),
            key: key(client, number).into(),
            content: Some(testing::inline(text)),
            ..Default::default()
        };
        if metaserver.service.namespace.commit_object(request).await.is_err() {
            return;
        }
        acknowledged.lock()[client as usize] = number;
        tokio::time::sleep(Duration::from_millis(random.below(20))).await;
    }
}

async fn length_of(metaserver: &Metaserver, client: u64, number: u64) -> Option<u64> {
    let (bucket, key) = ("photos".into(), key(client, number).into());
    let request = v1::GetObjectRequest { bucket, key, ..Default::default() };
    let found = metaserver.service.namespace.get_object(&request).await.ok()?;
    found.object.map(|object| object.size_bytes)
}

/// From one start to the end of the power. Returns how many objects were there at the start.
async fn live(disk: &SimulatedDisk, life: u64, random: &mut Random, acknowledged: &Acknowledged) -> Option<u64> {
    let (metaserver, _shutdown) = open(disk, life, random).await?;
    let request = v1::CreateBucketRequest { name: "photos".into(), ..Default::default() };
    let _ = metaserver.service.namespace.create_bucket(&request).await;
    let mut found = 0;
    let known = *acknowledged.lock();
    for (client, last) in known.into_iter().enumerate() {
        for number in last.saturating_sub(6).max(1)..=last {
            let length = length_of(&metaserver, client as u64, number).await;
            assert!(length.is_some(), "life {life}: object {number} of client {client} was acknowledged");
            found += 1;
        }
    }
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        clients.spawn(write(metaserver.clone(), client, random.fork(), acknowledged.clone()));
    }
    while clients.join_next().await.is_some() {}
    Some(found)
}

struct Outcome {
    trace: Vec<Operation>,
    digest: u64,
    acknowledged: [u64; CLIENTS as usize],
    found: Vec<Option<u64>>,
}

/// Several lives of one metaserver: each ends with a power cut after so many steps of its disk.
fn run(seed: u64) -> Outcome {
    let _simulated = simulation::enter();
    let (mut random, acknowledged) = (Random(seed), Acknowledged::default());
    let mut disk = SimulatedDisk::new(random.next());
    disk.keep_trace();
    let mut found = Vec::new();
    for life in 1..=LIVES {
        disk.power_off_at(disk.steps() + 30 + random.below(600));
        // A machine that is started anew has a new runtime, as in a simulation of many machines.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        found.push(runtime.block_on(live(&disk, life, &mut random, &acknowledged)));
        disk.crash();
        drop(runtime);
        disk = disk.mount();
    }
    let acknowledged = *acknowledged.lock();
    Outcome { trace: disk.trace(), digest: disk.digest(), acknowledged, found }
}

#[test]
fn nothing_acknowledged_is_lost_and_a_seed_brings_about_the_same_calls_of_the_disk_twice() {
    let mut digests = std::collections::BTreeSet::new();
    for seed in 0..6 {
        let (first, second) = (run(seed), run(seed));
        let differs = first.trace.iter().zip(&second.trace).position(|(first, second)| first != second);
        if let Some(at) = differs {
            panic!("seed {seed}, call {at}: {:?}, then {:?}", first.trace[at], second.trace[at]);
        }
        assert_eq!(first.digest, second.digest, "seed {seed}");
        assert_eq!((first.acknowledged, first.found), (second.acknowledged, second.found), "seed {seed}");
        assert!(first.acknowledged.iter().sum::<u64>() > 200, "{:?} commits", first.acknowledged);
        digests.insert(first.digest);
    }
    assert_eq!(digests.len(), 6, "another seed brings about something else");
}

#[test]
fn a_metaserver_that_was_closed_in_order_opens_with_what_it_had() {
    let _simulated = simulation::enter();
    let (mut random, acknowledged) = (Random(1), Acknowledged::default());
    let disk = SimulatedDisk::new(1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let (metaserver, shutdown) = open(&disk, 1, &mut random).await.unwrap();
        let request = v1::CreateBucketRequest { name: "photos".into(), ..Default::default() };
        metaserver.service.namespace.create_bucket(&request).await.unwrap();
        let writing = tokio::spawn(write(metaserver.clone(), 0, random.fork(), acknowledged.clone()));
        tokio::time::sleep(Duration::from_secs(1)).await;
        writing.abort();
        metaserver.end_waits().await;
        assert!(shutdown.finish(Duration::from_secs(10)).await);
        metaserver.close().await.unwrap();
        drop(metaserver);
        let last = acknowledged.lock()[0];
        let (metaserver, _shutdown) = open(&disk, 2, &mut random).await.unwrap();
        assert!(last > 20 && length_of(&metaserver, 0, last).await.is_some());
    });
    assert!(threads::are_simulated());
}
