//! The promise: what was acknowledged survives a power cut at any moment, whatever the disk forgets.

use super::*;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

fn length_of(id: u64, random: &mut Random) -> u64 {
    match random.below(12) {
        0 => SMALL_MAX + random.below(300_000) + id % 3,
        1 => 0,
        2..=4 => random.below(SMALL_MAX),
        _ => random.below(3000),
    }
}

/// What a client knows: acknowledged blocks with their lengths, and those it began to delete.
#[derive(Clone, Default)]
struct Known {
    acknowledged: BTreeMap<u64, u64>,
}

fn check(disk: &SimulatedDisk, known: &Known, round: u64) -> BlockStore {
    let store = open_test(disk);
    assert_eq!(store.counters().damaged_blocks, 0, "round {round}: a cut is no damage");
    for (&id, &length) in &known.acknowledged {
        assert_whole(&store, id, length);
    }
    store
}

#[test]
fn acknowledged_blocks_survive_cuts_between_any_two_operations() {
    for round in 0..10 {
        let mut disk = SimulatedDisk::default();
        let mut random = Random(round);
        let mut known = Known::default();
        let mut store = open_test(&disk);
        for id in 1..=40 {
            match random.below(8) {
                0 => {
                    let victim = random.below(id);
                    known.acknowledged.remove(&victim);
                    store.delete(&[BlockId(victim)]);
                }
                1 => drop(compact(&store).unwrap()),
                2 => {
                    let mut writer = store.begin(BlockId(10_000 + id), None).unwrap();
                    writer.push(bytes_of(id, 2 * SMALL_MAX)).unwrap();
                    writer.flush().unwrap();
                    let cut = disk.after_cut(&mut Random(round * 1000 + id));
                    drop((writer, store));
                    store = check(&cut, &known, round);
                    disk = cut;
                }
                _ => {
                    let length = length_of(id, &mut random);
                    put(&store, id, length);
                    known.acknowledged.insert(id, length);
                }
            }
            if random.below(4) == 0 {
                let cut = disk.after_cut(&mut Random(round * 7919 + id));
                drop(store);
                store = check(&cut, &known, round);
                disk = cut;
            }
        }
    }
}

#[test]
fn acknowledged_blocks_survive_a_cut_at_any_instant_of_many_writers() {
    for round in 0..25 {
        let disk = SimulatedDisk::default();
        let store = open_test(&disk);
        let known = Mutex::new(Known::default());
        let over = AtomicBool::new(false);
        let (cut, promised) = std::thread::scope(|scope| {
            let (store, known, over) = (&store, &known, &over);
            for thread in 0..4 {
                scope.spawn(move || {
                    let mut random = Random(round * 10 + thread);
                    for id in (thread * 1_000_000..).take_while(|_| !over.load(Ordering::Relaxed)) {
                        let length = length_of(id, &mut random);
                        put(store, id, length);
                        known.lock().acknowledged.insert(id, length);
                        if random.below(3) == 0 {
                            known.lock().acknowledged.remove(&id);
                            store.delete(&[BlockId(id)]);
                        }
                    }
                });
            }
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    compact(store).unwrap();
                }
            });
            while known.lock().acknowledged.len() < 10 + 3 * round as usize {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            // Deletions begun before the cut have left the map; promises made before it are in the copy.
            let promised = known.lock();
            let cut = disk.after_cut(&mut Random(round));
            let promised = promised.clone();
            over.store(true, Ordering::Relaxed);
            (cut, promised)
        });
        drop(check(&cut, &promised, round));
    }
}

#[test]
fn a_lone_acknowledged_block_survives_a_cut() {
    for seed in 0..20 {
        for length in [0, 1, 4096, SMALL_MAX, SMALL_MAX + 1, 1 << 20] {
            let disk = SimulatedDisk::default();
            let store = open_test(&disk);
            put(&store, 1, length);
            let cut = disk.after_cut(&mut Random(seed));
            drop(store);
            assert_whole(&open_test(&cut), 1, length);
        }
    }
}

#[test]
fn a_cut_during_recovery_changes_nothing() {
    for seed in 0..20 {
        let disk = SimulatedDisk::default();
        let store = open_test(&disk);
        for id in 1..=30 {
            put(&store, id, 60_000);
        }
        let mut disk = disk.after_cut(&mut Random(seed));
        drop(store);
        for again in 0..4 {
            drop(open_test(&disk));
            disk = disk.after_cut(&mut Random(seed * 10 + again));
        }
        let store = open_test(&disk);
        (1..=30).for_each(|id| assert_whole(&store, id, 60_000));
    }
}

#[test]
fn a_store_that_is_dropped_without_a_word_opens_with_everything() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..5 {
        let store = open_at(folder.path());
        for id in 1..=20 {
            let id = round * 100 + id;
            put(&store, id, if id % 7 == 0 { 2 * SMALL_MAX } else { id * 100 });
        }
        let mut writer = store.begin(BlockId(9999), Some(10 * SMALL_MAX)).unwrap();
        writer.push(bytes_of(1, 3 * SMALL_MAX)).unwrap();
        writer.flush().unwrap();
        // Killed: no destructor runs, and the file stays unfinished.
        std::mem::forget((writer, store));
        let store = open_at(folder.path());
        assert!(!files_under(folder.path()).iter().any(|path| path.to_string_lossy().contains("270f.block")));
        for id in (0..=round).flat_map(|round| (1..=20).map(move |id| round * 100 + id)) {
            assert_whole(&store, id, if id % 7 == 0 { 2 * SMALL_MAX } else { id * 100 });
        }
    }
}
