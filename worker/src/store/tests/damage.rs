//! Flipped bytes, torn tails, lost files: never served, never taken for something else.

use super::*;
use crate::store::StoreError;
use crate::store::segment::record;
use std::path::PathBuf;

const LARGE: u64 = SMALL_MAX + 100;
const SEGMENT: &str = "/data/segments/00000001.segment";

fn block_path(disk: &SimulatedDisk) -> PathBuf {
    let files = disk.files();
    files.into_iter().map(|(path, _)| path).find(|path| path.starts_with("/data/files")).unwrap()
}

/// The block is not served, now or later; it is counted, reported, kept, and can be written anew.
fn assert_set_aside(disk: &SimulatedDisk, store: BlockStore, id: u64, length: u64) {
    for _ in 0..2 {
        assert!(matches!(store.read(BlockId(id), 0..length), Err(StoreError::Damaged { .. })));
        assert!(matches!(store.length_bytes(BlockId(id)), Err(StoreError::Damaged { .. })));
    }
    assert_eq!(store.counters().damaged_blocks, 1);
    assert_eq!(store.damaged_unreported(), [BlockId(id)]);
    assert!(!ids(&store).contains(&id));
    drop(store);
    let store = open_test(disk);
    assert!(matches!(store.read(BlockId(id), 0..length), Err(StoreError::Damaged { .. })));
    assert_eq!(store.damaged_unreported(), [BlockId(id)], "a start reports it again");
    store.reported(&[BlockId(id)]);
    assert_eq!(store.damaged_unreported(), []);
    assert!(in_quarantine(disk));
    put(&store, id, length);
    assert_whole(&store, id, length);
    drop(store);
    let store = open_test(disk);
    assert_whole(&store, id, length);
    assert_eq!(store.damaged_unreported(), []);
    store.delete(&[BlockId(id)]);
}

#[test]
fn a_flipped_byte_in_the_data_of_a_block_file_is_found_by_a_read_of_its_page_alone() {
    let disk = SimulatedDisk::default();
    let store = open_test(&disk);
    put(&store, 1, LARGE);
    let path = block_path(&disk);
    flip(&disk, &path, 4096 + 70_000);
    assert_eq!(store.read(BlockId(1), 0..65_536).unwrap(), bytes_of(1, LARGE).slice(..65_536));
    assert!(matches!(store.read(BlockId(1), 65_536..65_537), Err(StoreError::Damaged { .. })));
    assert_set_aside(&disk, store, 1, LARGE);
}

#[test]
fn a_flipped_byte_in_the_header_or_the_checksums_of_a_block_file_is_damage() {
    let crcs = (4096 + LARGE) as usize;
    for at in [0, 9, 17, 30, crcs, crcs + 7] {
        let disk = SimulatedDisk::default();
        let store = open_test(&disk);
        put(&store, 1, LARGE);
        let path = block_path(&disk);
        flip(&disk, &path, at);
        assert_set_aside(&disk, store, 1, LARGE);
        let store = open_test(&disk);
        put(&store, 2, LARGE);
        drop(store);
        let path = block_path(&disk);
        flip(&disk, &path, at);
        let store = open_test(&disk);
        assert!(store.read(BlockId(2), 0..1).is_err(), "byte {at} flipped before a start");
        assert_set_aside(&disk, store, 2, LARGE);
    }
}

#[test]
fn one_damaged_summary_of_two_costs_nothing() {
    for at in [512, 550, -1, -20, -48] {
        let disk = SimulatedDisk::default();
        let store = open_test(&disk);
        put(&store, 1, LARGE);
        drop(store);
        let path = block_path(&disk);
        let length = content(&disk, &path).len() as i64;
        flip(&disk, &path, (if at < 0 { length + at } else { at }) as usize);
        let store = open_test(&disk);
        assert_whole(&store, 1, LARGE);
        assert_eq!(store.counters().damaged_blocks, 0);
    }
}

#[test]
fn a_block_file_that_was_never_finished_is_removed_at_the_start() {
    let disk = SimulatedDisk::default();
    let store = open_test(&disk);
    put(&store, 1, LARGE);
    drop(store);
    let path = block_path(&disk);
    let whole = content(&disk, &path);
    let unfinished = |keep: usize, length: usize| {
        let mut bytes = whole[..keep].to_vec();
        bytes[512..560.min(keep)].fill(0);
        bytes.resize(length, 0);
        bytes
    };
    let remainders = [
        unfinished(4096, 4096),
        unfinished(9000, 9000),
        unfinished(4096 + LARGE as usize, whole.len()),
        vec![],
        vec![0; 4000],
        vec![0; whole.len()],
        // The last page alone reached the disk, or all but the last.
        [vec![0; 4096], vec![0; LARGE as usize], whole[4096 + LARGE as usize + 4..].to_vec()].concat(),
        [whole[..whole.len() - 60].to_vec(), vec![0; 60]].concat(),
    ];
    for (number, remainder) in remainders.into_iter().enumerate() {
        disk.put(&path, remainder);
        let store = open_test(&disk);
        assert_eq!((ids(&store), store.counters().damaged_blocks), (vec![], 0), "remainder {number}");
        assert_eq!(store.usage().unwrap().used_bytes, 0);
        put(&store, 1, LARGE);
        assert_eq!(block_path(&disk), path);
    }
}

#[test]
fn a_block_file_that_is_cut_short_or_gone_is_damage() {
    let disk = SimulatedDisk::default();
    let store = open_test(&disk);
    put(&store, 1, LARGE);
    let path = block_path(&disk);
    disk.put(&path, &content(&disk, &path)[..100_000]);
    assert_set_aside(&disk, store, 1, LARGE);
    let store = open_test(&disk);
    put(&store, 2, LARGE);
    disk.remove_file(&block_path(&disk)).unwrap();
    assert_set_aside(&disk, store, 2, LARGE);
}

#[test]
fn a_flipped_byte_anywhere_in_a_record_of_a_segment_is_damage() {
    let length = 70_000;
    let header = record::header_bytes(length) as u32;
    for at in [0, 5, 9, 17, 21, 25, 29, 33, 45, 50, header, header + 1, header + 65_536, header + length - 1] {
        let disk = SimulatedDisk::default();
        let store = open_test(&disk);
        put(&store, 1, 500);
        put(&store, 2, length.into());
        put(&store, 3, 500);
        let start = record::record_bytes(500) as u32;
        flip(&disk, Path::new(SEGMENT), (start + at) as usize);
        assert!(store.read(BlockId(2), 0..length.into()).is_err(), "byte {at}");
        assert_whole(&store, 1, 500);
        assert_whole(&store, 3, 500);
        assert_set_aside(&disk, store, 2, length.into());
    }
}

#[test]
fn a_flipped_byte_in_an_unsealed_segment_is_reported_by_the_start_which_goes_on() {
    let lengths = [500, 3000, 70_000, 0, 800];
    let mut start = 0;
    for (index, &length) in lengths.iter().enumerate() {
        let record = record::record_bytes(length) as usize;
        for at in [0, 8, 20, 40, record.saturating_sub(9).max(44)] {
            let disk = SimulatedDisk::default();
            let store = open_test(&disk);
            for (id, &length) in lengths.iter().enumerate() {
                put(&store, id as u64 + 1, length.into());
            }
            // Closing writes the mark that covers the last block.
            drop(store);
            flip(&disk, Path::new(SEGMENT), start + at);
            let store = open_test(&disk);
            assert_eq!(store.counters().damaged_blocks, 1, "block {index}, byte {at}");
            for (id, &length) in lengths.iter().enumerate() {
                let id = id as u64 + 1;
                match id == index as u64 + 1 {
                    true => assert!(store.read(BlockId(id), 0..length.into()).is_err(), "block {id}, byte {at}"),
                    false => assert_whole(&store, id, length.into()),
                }
            }
            put(&store, 9, 1234);
            drop(store);
            let store = open_test(&disk);
            assert_whole(&store, 9, 1234);
            assert!(!ids(&store).contains(&(index as u64 + 1)));
            assert!(in_quarantine(&disk));
        }
        start += record;
    }
}

#[test]
fn a_torn_tail_of_a_segment_is_cut_wherever_it_is_torn() {
    let disk = SimulatedDisk::default();
    let store = open_test(&disk);
    for id in 1..=3 {
        put(&store, id, 900);
    }
    // As the disk is while the last group is being written: no mark covers it.
    let whole = content(&disk, Path::new(SEGMENT));
    let record = record::record_bytes(900) as usize;
    for torn in (2 * record..3 * record).step_by(13) {
        for fill in [0, 0xaa] {
            let mut bytes = whole.clone();
            bytes[torn..3 * record].fill(fill);
            if bytes[..3 * record] == whole[..3 * record] {
                continue;
            }
            // What else of the torn group reached the disk is cut with it.
            let disk = disk.after_cut(&mut Random(1));
            disk.put(Path::new(SEGMENT), bytes);
            let store = open_test(&disk);
            assert_eq!((ids(&store), store.counters().damaged_blocks), (vec![1, 2], 0), "torn at {torn}");
            put(&store, 4, 900);
            drop(store);
            let store = open_test(&disk);
            assert_eq!(ids(&store), [1, 2, 4]);
            [1, 2, 4].into_iter().for_each(|id| assert_whole(&store, id, 900));
        }
    }
}

#[test]
fn what_is_written_after_a_cut_is_not_taken_for_what_was_set_aside_or_deleted_in_its_place() {
    for (before, is_deleted, seed) in (0..64).map(|n| (n % 4, n & 4 == 0, n / 8)) {
        let disk = SimulatedDisk::default();
        let store = open_test(&disk);
        (1..=before).for_each(|id| put(&store, id, 1));
        put(&store, 9, 1);
        let data = store.shared.index.get(BlockId(9)).unwrap().offset_bytes as usize + record::header_bytes(1);
        flip(&disk, Path::new(SEGMENT), data);
        match is_deleted {
            true => drop(store.delete(&[BlockId(9)])),
            false => assert!(store.read(BlockId(9), 0..1).is_err()),
        }
        // Nothing says yet that the last record is durable: it is taken for a torn one.
        let disk = disk.after_cut(&mut Random(seed));
        drop(store);
        let store = open_test(&disk);
        put(&store, 10, 1);
        drop(store);
        let store = open_test(&disk);
        (1..=before).chain([10]).for_each(|id| assert_whole(&store, id, 1));
    }
}

#[test]
fn what_else_of_a_torn_group_reached_the_disk_never_comes_back() {
    let mut disk = SimulatedDisk::default();
    let store = open_test(&disk);
    put(&store, 1, 900);
    drop(store);
    // A mark follows block 1; then one group of two, of which the first record was lost.
    let mut bytes = content(&disk, Path::new(SEGMENT));
    let durable_bytes = (record::record_bytes(900) + record::record_bytes(0)) as u32;
    let offset_bytes = durable_bytes + record::record_bytes(900) as u32;
    let data = bytes_of(3, 900);
    let (kind, id, block_crc) = (record::Kind::Block, BlockId(3), crate::store::crc32c(&data));
    let header = record::Header { kind, id, length_bytes: 900, segment: 1, offset_bytes, durable_bytes, block_crc };
    let mut second = Vec::new();
    header.encode(&[block_crc], &mut second);
    second.extend_from_slice(&data);
    bytes.resize(offset_bytes as usize, 0);
    bytes.extend_from_slice(&second);
    disk.put(Path::new(SEGMENT), bytes);
    for _ in 0..2 {
        let store = open_test(&disk);
        assert_eq!(store.counters().damaged_blocks, 0);
        put(&store, 4, 900);
        assert_eq!(ids(&store), [1, 4]);
        // Cut, not closed: closing would write a mark over what is left.
        disk = disk.after_cut(&mut Random(1));
    }
}

#[test]
fn a_record_that_was_written_to_a_wrong_place_is_not_believed() {
    let disk = SimulatedDisk::default();
    let store = open_test(&disk);
    for id in 1..=4 {
        put(&store, id, 900);
    }
    let record = record::record_bytes(900) as usize;
    let mut bytes = content(&disk, Path::new(SEGMENT));
    bytes.copy_within(record..2 * record, 2 * record);
    disk.put(Path::new(SEGMENT), bytes);
    assert!(matches!(store.read(BlockId(3), 0..900), Err(StoreError::Damaged { .. })));
    assert_set_aside(&disk, store, 3, 900);
}

#[test]
fn scrubbing_finds_a_flipped_byte_that_nobody_read() {
    let disk = SimulatedDisk::default();
    let store = open_test(&disk);
    for id in 1..=30 {
        put(&store, id, 20_000);
    }
    put(&store, 31, 3 << 20);
    let scrub = |start: u64| {
        let mut scrub = store.scrub(BlockId(start));
        while scrub.step().is_some() {}
        scrub.report
    };
    for start in [0, 7, 31, 99] {
        let report = scrub(start);
        assert_eq!((report.checked_blocks, report.damaged_blocks), (31, 0), "from {start}");
        assert_eq!(report.checked_bytes, 30 * 20_000 + (3 << 20));
    }
    flip(&disk, &block_path(&disk), 2 << 20);
    let record = record::record_bytes(20_000) as usize;
    flip(&disk, Path::new(SEGMENT), 4 * record + 10_000);
    assert_eq!(scrub(12).damaged_blocks, 2);
    assert_eq!(store.damaged_unreported(), [BlockId(5), BlockId(31)]);
    assert_eq!(scrub(0).checked_blocks, 29);
    store.delete(&[BlockId(5), BlockId(31)]);
    assert_eq!(store.damaged_unreported(), []);
    assert!(!in_quarantine(&disk));
}

#[test]
fn compaction_never_copies_damage() {
    let disk = SimulatedDisk::default();
    let store = open_test(&disk);
    for id in 1..=30 {
        put(&store, id, 50_000);
    }
    let record = record::record_bytes(50_000) as usize;
    flip(&disk, Path::new(SEGMENT), 2 * record + 100);
    store.delete(&(5..=25).map(BlockId).collect::<Vec<_>>());
    assert_eq!(compact(&store).unwrap().removed_segments, 1);
    assert_eq!(store.damaged_unreported(), [BlockId(3)]);
    for id in [1, 2, 4, 26, 30] {
        assert_whole(&store, id, 50_000);
    }
}

/// Opening refuses what a newer build wrote; the file is as it was, and with its own bytes all is well.
fn assert_newer_is_refused(disk: &SimulatedDisk, path: &Path, newer: Vec<u8>) {
    let own = content(disk, path);
    disk.put(path, newer.clone());
    let opened = BlockStore::open(options(Path::new("/data")), Arc::new(disk.clone()), &Common::default());
    let error = opened.map(|_| ()).unwrap_err();
    assert!(matches!(error, StoreError::Newer { found: 2, known: 1, .. }), "{error}");
    assert!(error.to_string().starts_with(&format!("{} was written by a newer build", path.display())), "{error}");
    assert_eq!(content(disk, path), newer);
    disk.put(path, own);
}

#[test]
fn a_block_file_and_a_segment_of_a_newer_build_are_refused_and_neither_set_aside_nor_cut() {
    let disk = SimulatedDisk::default();
    let store = open_test(&disk);
    put(&store, 1, LARGE);
    (2..5).for_each(|id| put(&store, id, 1000));
    drop(store);
    let path = block_path(&disk);
    let mut newer = content(&disk, &path);
    newer[8] = 2;
    let crc = crate::store::crc32c(&newer[..28]);
    newer[28..32].copy_from_slice(&crc.to_le_bytes());
    // Its summaries may be anything, or lie elsewhere.
    newer[512..560].fill(0);
    let end = newer.len() - 48;
    newer[end..].fill(7);
    assert_newer_is_refused(&disk, &path, newer);

    let mut newer = content(&disk, Path::new(SEGMENT));
    let second = record::record_bytes(1000) as usize;
    newer[second + 4] = 2;
    let header_bytes = record::header_bytes(1000);
    record::seal(&mut newer[second..second + header_bytes]);
    assert_newer_is_refused(&disk, Path::new(SEGMENT), newer);

    let store = open_test(&disk);
    assert_whole(&store, 1, LARGE);
    (2..5).for_each(|id| assert_whole(&store, id, 1000));
}
