//! The whole worker in one thread, over a disk that loses its power again and again. What a seed brings about it brings
//! about twice.

use super::*;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use weir_service::simulation::{self, Operation, SimulatedClock};

const LIVES: u64 = 6;
const LIFE_MS: i64 = 3_600_000;

/// Small segments that are compacted all the time, and blocks of both kinds.
fn settings() -> WorkerSettings {
    WorkerSettings {
        data: vec!["/data".into()],
        segment_block_max_bytes: 16 << 10,
        segment_bytes: 128 << 10,
        compaction_interval_ms: 50,
        reserve_bytes: 0,
        ..WorkerSettings::default()
    }
}

async fn open(disk: &SimulatedDisk, life: u64, random: &mut Random) -> Option<(Worker, Shutdown)> {
    let (began, shutdown) = (tokio::time::Instant::now(), Shutdown::new());
    let clock = SimulatedClock::new(life as i64 * LIFE_MS, move || began.elapsed(), random.fork());
    let (disk, registry) = (Arc::new(disk.clone()), &mut Registry::default());
    let worker = Worker::open(settings(), disk, Arc::new(clock), registry, &shutdown).await.ok()?;
    Some((worker, shutdown))
}

/// From one start to the end of the power: writes blocks, several at a time, and deletes some. Checks at the start that
/// those are there that were acknowledged.
async fn live(disk: &SimulatedDisk, life: u64, random: &mut Random, known: &mut BTreeMap<u64, usize>) {
    let Some((worker, _shutdown)) = open(disk, life, random).await else { return };
    let client = BlocksClient::new(in_process(worker.services()));
    for (&id, &length) in &*known {
        let found = read(&mut client.clone(), id, 0, 0).await.unwrap();
        assert!(found == bytes_of(length), "life {life}: block {id} of {length} bytes was acknowledged");
    }
    for round in 0.. {
        let blocks: Vec<(u64, usize)> =
            (0..4).map(|number| (life * 1_000_000 + round * 4 + number, random.below(24 << 10) as usize)).collect();
        let writes = blocks.iter().map(|&(id, length)| {
            let mut client = client.clone();
            async move { write(&mut client, whole(id, length as u64, &bytes_of(length), 8 << 10)).await.is_ok() }
        });
        let written = futures::future::join_all(writes).await;
        known.extend(blocks.iter().zip(&written).filter(|(_, is_written)| **is_written).map(|(block, _)| *block));
        if written.contains(&false) {
            return;
        }
        let places = random.below(known.len() as u64) as usize;
        let victims: Vec<u64> = known.keys().copied().skip(places).take(2).collect();
        known.retain(|id, _| !victims.contains(id));
        worker.disks().delete(&victims.into_iter().map(BlockId).collect::<Vec<_>>());
        tokio::time::sleep(Duration::from_millis(random.below(40))).await;
    }
}

/// Several lives of one worker: each ends with a power cut after so many steps of its disk.
fn run(seed: u64) -> (Vec<Operation>, u64, BTreeMap<u64, usize>) {
    let _simulated = simulation::enter();
    let (mut random, mut known) = (Random(seed), BTreeMap::new());
    let mut disk = SimulatedDisk::new(random.next());
    disk.keep_trace();
    for life in 1..=LIVES {
        disk.power_off_at(disk.steps() + 30 + random.below(400));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(live(&disk, life, &mut random, &mut known));
        disk.crash();
        drop(runtime);
        disk = disk.mount();
    }
    (disk.trace(), disk.digest(), known)
}

#[test]
fn no_acknowledged_block_is_lost_and_a_seed_brings_about_the_same_calls_of_the_disk_twice() {
    let (mut digests, mut compacted) = (BTreeSet::new(), 0);
    for seed in 0..6 {
        let ((first, digest, known), (second, digest_again, known_again)) = (run(seed), run(seed));
        if let Some(at) = first.iter().zip(&second).position(|(first, second)| first != second) {
            panic!("seed {seed}, call {at}: {:?}, then {:?}", first[at], second[at]);
        }
        assert_eq!((digest, &known), (digest_again, &known_again), "seed {seed}");
        assert!(known.len() > 40, "seed {seed}: {} blocks", known.len());
        // Of the calls about names, a removal.
        let removed = |call: &&Operation| call.kind == Kind::Name && call.offset == 1;
        let of_segment = |call: &&Operation| call.path.extension().is_some_and(|kind| kind == "segment");
        compacted += first.iter().filter(removed).filter(of_segment).count();
        digests.insert(digest);
    }
    assert_eq!(digests.len(), 6, "another seed brings about something else");
    assert!(compacted > 6, "{compacted} segments were given back");
}
