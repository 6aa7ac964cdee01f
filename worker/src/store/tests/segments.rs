//! Segments: sealing, deleting, compacting, starting again.

use super::*;
use crate::store::layout::segment_file;
use std::sync::atomic::{AtomicBool, Ordering};

fn names(disk: &SimulatedDisk, kind: &str) -> Vec<u32> {
    let files = disk.files();
    let names = files.iter().filter_map(|(path, _)| segment_file(Path::new(path.file_name()?)));
    names.filter(|&(_, found)| found == kind).map(|(number, _)| number).collect()
}

#[test]
fn full_segments_are_sealed_with_an_index_and_not_read_at_a_start() {
    let disk = SimulatedDisk::default();
    let store = open_test(&disk);
    for id in 1..=100 {
        put(&store, id, 50_000);
    }
    drop(store);
    let (segments, indices) = (names(&disk, "segment"), names(&disk, "index"));
    assert!(segments.len() >= 5, "{segments:?}");
    assert_eq!(indices, segments[..segments.len() - 1]);
    // Garbage in place of a sealed segment goes unnoticed until a block of it is read.
    let path = Path::new("/data/segments/00000001.segment");
    let length = content(&disk, path).len();
    disk.put(path, vec![7; length]);
    let store = open_test(&disk);
    assert_eq!(ids(&store).len(), 100);
    assert!(store.read(BlockId(1), 0..1).is_err());
    assert_whole(&store, 100, 50_000);
}

#[test]
fn writing_goes_on_in_the_open_segment_after_a_start() {
    let disk = SimulatedDisk::default();
    for id in 1..=10 {
        let store = open_test(&disk);
        put(&store, id, 1000);
        for id in 1..=id {
            assert_whole(&store, id, 1000);
        }
    }
    assert_eq!(names(&disk, "segment"), [1]);
}

#[test]
fn a_wrong_or_missing_index_file_is_made_anew() {
    let disk = SimulatedDisk::default();
    let store = open_test(&disk);
    for id in 1..=60 {
        put(&store, id, 50_000);
    }
    assert_eq!(store.delete(&[BlockId(3)]), [BlockId(3)]);
    drop(store);
    let path = Path::new("/data/segments/00000001.index");
    let right = content(&disk, path);
    for at in [0, 9, 33, right.len() - 1] {
        let mut wrong = right.clone();
        wrong[at] ^= 1;
        disk.put(path, wrong);
        let store = open_test(&disk);
        assert_eq!(ids(&store).len(), 59);
        assert_eq!(store.counters().damaged_blocks, 0);
        let healed = content(&disk, path);
        assert!(healed == right, "byte {at}");
    }
    disk.remove_file(path).unwrap();
    let store = open_test(&disk);
    assert_eq!(ids(&store).len(), 59);
    assert!(!ids(&store).contains(&3));
}

#[test]
fn blocks_of_a_sealed_segment_that_was_cut_short_are_reported_not_forgotten() {
    let disk = SimulatedDisk::default();
    let store = open_test(&disk);
    for id in 1..=60 {
        put(&store, id, 50_000);
    }
    drop(store);
    let path = Path::new("/data/segments/00000001.segment");
    let bytes = content(&disk, path);
    disk.put(path, &bytes[..120_000]);
    let store = open_test(&disk);
    assert_eq!(ids(&store).len(), 60);
    assert_whole(&store, 2, 50_000);
    assert!(matches!(store.read(BlockId(3), 0..50_000), Err(crate::store::StoreError::Damaged { .. })));
    assert_eq!(store.damaged_unreported(), [BlockId(3)]);
}

#[test]
fn deleted_blocks_stay_deleted_and_their_space_comes_back() {
    on_both_disks(|open| {
        let store = open();
        for id in 1..=100 {
            put(&store, id, 50_000);
        }
        put(&store, 1000, 2 * SMALL_MAX);
        let full = store.usage().unwrap().used_bytes;
        let dead: Vec<BlockId> = (1..=100).filter(|id| id % 5 != 0).map(BlockId).chain([BlockId(1000)]).collect();
        assert_eq!(store.delete(&dead), dead);
        assert_eq!(store.delete(&dead), dead, "what is gone is gone");
        drop(store);
        let store = open();
        assert_eq!(ids(&store), (1..=20).map(|id| id * 5).collect::<Vec<_>>());
        let done = compact(&store).unwrap();
        assert!(done.removed_segments >= 4 && done.freed_bytes > 0, "{done:?}");
        let used = store.usage().unwrap().used_bytes;
        assert!(used < full / 2, "{used} of {full}");
        for round in 0..2 {
            for id in (1..=20).map(|id| id * 5) {
                assert_whole(&store, id, 50_000);
            }
            if round == 0 {
                assert_eq!(compact(&store).unwrap().removed_segments, 0);
            }
        }
        drop(store);
        let store = open();
        for id in (1..=20).map(|id| id * 5) {
            assert_whole(&store, id, 50_000);
        }
    });
}

fn file_bytes(disk: &SimulatedDisk) -> usize {
    disk.files().iter().filter(|(path, _)| path.starts_with("/data/segments")).map(|(_, bytes)| bytes.len()).sum()
}

#[test]
fn a_segment_that_is_not_appended_to_gives_its_unused_space_back_and_takes_it_again() {
    let disk = SimulatedDisk::default();
    let mut store = open_test(&disk);
    for id in 1..=4 {
        put(&store, id, 10_000);
        assert_eq!(file_bytes(&disk), 1024 * KIB as usize, "preallocated");
        compact(&store).unwrap();
        put(&store, 10 + id, 10_000);
        compact(&store).unwrap();
        assert_eq!(file_bytes(&disk), 1024 * KIB as usize, "something was appended between two looks");
        compact(&store).unwrap();
        assert!(file_bytes(&disk) < id as usize * 21_000, "{}", file_bytes(&disk));
        let cut = disk.after_cut(&mut Random(id));
        drop(std::mem::replace(&mut store, open_test(&SimulatedDisk::default())));
        for store in [open_test(&cut), open_test(&disk)] {
            for id in (1..=id).flat_map(|id| [id, 10 + id]) {
                assert_whole(&store, id, 10_000);
            }
        }
        assert!(file_bytes(&disk) < id as usize * 21_000, "a start takes no space");
        store = open_test(&disk);
    }
    assert_eq!(names(&disk, "segment"), [1]);
}

#[test]
fn after_everything_is_deleted_no_segment_holds_anything() {
    on_both_disks(|open| {
        let store = open();
        for id in 1..=30 {
            put(&store, id, 50_000);
        }
        store.delete(&(1..=30).map(BlockId).collect::<Vec<_>>());
        for _ in 0..3 {
            compact(&store).unwrap();
        }
        assert_eq!(store.usage().unwrap().used_bytes, 0);
        let shared = &store.shared;
        let held: Vec<u64> = shared
            .disk
            .list(&shared.layout.segments)
            .unwrap()
            .iter()
            .map(|name| shared.disk.open(&shared.layout.segments.join(name)).unwrap().len().unwrap())
            .collect();
        assert_eq!(held, [0], "one empty segment, which keeps the number");
        let number = shared.segments.all()[0].number;
        drop(store);
        let store = open();
        put(&store, 31, 1000);
        assert_whole(&store, 31, 1000);
        assert_eq!(store.shared.segments.all()[0].number, number);
        compact(&store).unwrap();
    });
}

#[test]
fn what_little_is_alive_in_the_open_segment_moves_on_once() {
    let disk = SimulatedDisk::default();
    let store = BlockStore::open(
        crate::store::StoreOptions { segment_bytes: 8 * 1024 * KIB, ..options(Path::new("/data")) },
        Arc::new(disk.clone()),
        &Common::default(),
    )
    .unwrap();
    for id in 1..=60 {
        put(&store, id, 50_000);
    }
    store.delete(&(2..=60).map(BlockId).collect::<Vec<_>>());
    let removed: Vec<u64> = (0..6).map(|_| compact(&store).unwrap().removed_segments).collect();
    assert_eq!(removed, [0, 1, 0, 0, 0, 0]);
    assert_whole(&store, 1, 50_000);
    assert!(file_bytes(&disk) < 52_000, "{}", file_bytes(&disk));
}

#[test]
fn a_block_can_be_written_again_after_it_was_deleted() {
    on_both_disks(|open| {
        let store = open();
        for size in [700, SMALL_MAX + 9] {
            for _ in 0..3 {
                put(&store, size, size);
                assert_eq!(store.delete(&[BlockId(size)]), [BlockId(size)]);
            }
            put(&store, size, size);
        }
        drop(store);
        let store = open();
        assert_whole(&store, 700, 700);
        assert_whole(&store, SMALL_MAX + 9, SMALL_MAX + 9);
    });
}

#[test]
fn compaction_keeps_every_live_block_while_others_read_write_and_delete() {
    on_both_disks(|open| {
        let store = open();
        let length = |id: u64| 1000 + id * 97 % 40_000;
        for id in 1..=400 {
            put(&store, id, length(id));
        }
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let (store, over) = (&store, &over);
            let readers: Vec<_> = (0..3)
                .map(|reader| {
                    scope.spawn(move || {
                        let mut id = reader;
                        while !over.load(Ordering::Relaxed) {
                            id = (id * 31 + 7) % 400 / 4 * 4 + 4;
                            assert_whole(store, id, length(id));
                        }
                    })
                })
                .collect();
            let writer = scope.spawn(move || (1001..=1150).for_each(|id| put(store, id, length(id))));
            let deleter = scope.spawn(move || {
                for id in (1..=400).filter(|id| id % 4 != 0) {
                    store.delete(&[BlockId(id)]);
                }
            });
            while !(writer.is_finished() && deleter.is_finished()) {
                compact(store).unwrap();
            }
            writer.join().unwrap();
            deleter.join().unwrap();
            compact(store).unwrap();
            over.store(true, Ordering::Relaxed);
            readers.into_iter().for_each(|reader| reader.join().unwrap());
        });
        let live: Vec<u64> = (1..=100).map(|id| id * 4).chain(1001..=1150).collect();
        assert_eq!(ids(&store), live);
        drop(store);
        let store = open();
        assert_eq!(ids(&store), live);
        live.into_iter().for_each(|id| assert_whole(&store, id, length(id)));
        assert_eq!(store.counters().damaged_blocks, 0);
    });
}

#[test]
fn live_bytes_are_right_after_writes_deletes_compaction_and_starts() {
    let disk = SimulatedDisk::default();
    let mut store = open_test(&disk);
    for round in 0..4 {
        for id in 1..=60 {
            put(&store, round * 100 + id, 30_000);
        }
        store.delete(&(1..=40).map(|id| BlockId(round * 100 + id)).collect::<Vec<_>>());
        compact(&store).unwrap();
        let live: u64 =
            store.shared.segments.all().iter().map(|segment| segment.live_bytes.load(Ordering::SeqCst)).sum();
        assert_eq!(live, (round + 1) * 20 * crate::store::segment::record::record_bytes(30_000));
        drop(store);
        store = open_test(&disk);
        let again: u64 =
            store.shared.segments.all().iter().map(|segment| segment.live_bytes.load(Ordering::SeqCst)).sum();
        assert_eq!(live, again);
    }
}

/// Segments 1 to 3, each full with 20 blocks of 50,000 bytes, on a disk with `available_bytes` left of which 4 MiB are the
/// reserve. Of the first four blocks live, of the second none.
fn mostly_dead_on_a_full_disk(disk: &SimulatedDisk, available_bytes: u64) -> BlockStore {
    let store = open_with_reserve(disk, 4 << 20);
    for id in 1..=60 {
        put(&store, id, 50_000);
    }
    assert_eq!(names(disk, "segment"), [1, 2, 3]);
    store.delete(&(5..=40).map(BlockId).collect::<Vec<_>>());
    disk.set_available(available_bytes);
    store
}

#[test]
fn compaction_takes_of_the_reserve_no_more_than_its_copies_need() {
    let disk = SimulatedDisk::default();
    let store = mostly_dead_on_a_full_disk(&disk, 4 << 20);
    assert_eq!(compact(&store).unwrap().removed_segments, 2);
    assert_eq!(names(&disk, "segment"), [3, 4]);
    let copies = content(&disk, Path::new("/data/segments/00000004.segment"));
    assert!(copies.len() < 4 * 51_000 + 2 * 64 * 1024, "{} bytes are taken", copies.len());
    (1..=4).chain(41..=60).for_each(|id| assert_whole(&store, id, 50_000));
}

#[test]
fn compaction_leaves_half_of_the_reserve_and_removes_what_is_dead_first() {
    let disk = SimulatedDisk::default();
    let store = mostly_dead_on_a_full_disk(&disk, (2 << 20) + 1000);
    assert!(matches!(compact(&store), Err(StoreError::NoSpace { .. })));
    let left = names(&disk, "segment");
    assert!(left.contains(&1) && !left.contains(&2), "{left:?}");
    (1..=4).chain(41..=60).for_each(|id| assert_whole(&store, id, 50_000));
    disk.set_available(4 << 20);
    assert_eq!(compact(&store).unwrap().removed_segments, 1);
    (1..=4).chain(41..=60).for_each(|id| assert_whole(&store, id, 50_000));
}
