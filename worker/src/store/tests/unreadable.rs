//! Reads that the disk fails: it may give the same bytes a moment later, so nothing is set aside, cut or removed for them.

use super::*;
use crate::store::segment::record;

#[test]
fn what_the_disk_fails_to_read_is_told_of_once_and_stays_until_it_is_read_again() {
    for length in [100, SMALL_MAX + 100] {
        let disk = SimulatedDisk::default();
        let store = open_test(&disk);
        put(&store, 1, length);
        disk.fail(Fault::broken(&[Kind::Read]));
        for _ in 0..2 {
            assert!(matches!(store.read(BlockId(1), 0..length), Err(StoreError::Unreadable { .. })));
        }
        store.scrub(BlockId(0)).step();
        assert_eq!((store.counters().damaged_blocks, store.unreadable_unreported()), (1, vec![BlockId(1)]));
        assert_eq!((ids(&store), store.damaged()), (vec![1], vec![]));
        let again = store.write(BlockId(1), bytes_of(1, length));
        assert!(matches!(again, Err(StoreError::Unreadable { .. })), "what can't be read is no copy: {again:?}");
        store.reported(&[BlockId(1)]);
        assert!(store.read(BlockId(1), 0..length).is_err() && store.unreadable_unreported().is_empty());

        disk.heal();
        assert_whole(&store, 1, length);
        assert!(!in_quarantine(&disk));
        store.scrub(BlockId(0)).step();
        disk.fail(Fault::broken(&[Kind::Read]));
        assert!(store.read(BlockId(1), 0..length).is_err());
        assert_eq!(store.unreadable_unreported(), [BlockId(1)], "it was whole in between");
        store.make_way(BlockId(1));
        assert_eq!((ids(&store), store.damaged(), store.unreadable_unreported()), (vec![], vec![BlockId(1)], vec![]));
    }
}

/// Blocks 1 to 3 in a segment and 9 in a file, all acknowledged; then the power fails. No mark covers the segment.
fn after_a_power_cut() -> SimulatedDisk {
    let disk = SimulatedDisk::default();
    let store = open_test(&disk);
    (1..=3).for_each(|id| put(&store, id, 20_000));
    put(&store, 9, SMALL_MAX + 100);
    disk.after_cut(&mut Random(1))
}

/// Gives the next read of a segment's window as a whole EIO, and then the read of one of its sectors.
fn fail_sector(disk: &SimulatedDisk, sector: u64) {
    let segment = Fault { under: "/data/segments".into(), count: 1, ..Fault::broken(&[Kind::Read]) };
    disk.fail(segment.clone());
    disk.fail(Fault { after: sector, ..segment });
}

/// A start that can read finds all blocks.
fn assert_all_there(disk: &SimulatedDisk, others: &[u64]) {
    disk.heal();
    let store = open_test(disk);
    assert_eq!(ids(&store), [&[1, 2, 3, 9], others].concat());
    (1..=3).for_each(|id| assert_whole(&store, id, 20_000));
    assert_whole(&store, 9, SMALL_MAX + 100);
    assert_eq!(store.counters().damaged_blocks, 0);
    assert!(!in_quarantine(disk));
}

#[test]
fn a_start_that_can_read_no_block_loses_none() {
    let disk = after_a_power_cut();
    disk.fail(Fault::broken(&[Kind::Read]));
    let store = open_test(&disk);
    assert_eq!((ids(&store), store.unreadable_unreported()), (vec![9], vec![BlockId(9)]));
    assert!(matches!(store.read(BlockId(9), 0..1), Err(StoreError::Unreadable { .. })));
    put(&store, 20, 900);
    assert_eq!(compact(&store).unwrap().removed_segments, 0);
    disk.heal();
    assert_whole(&store, 9, SMALL_MAX + 100);
    assert_whole(&store, 20, 900);
    assert_eq!(compact(&store).unwrap().removed_segments, 0);
    drop(store);
    assert_all_there(&disk, &[20]);
}

#[test]
fn a_sector_of_an_unsealed_segment_that_a_start_can_not_read_costs_none_of_its_blocks() {
    let record_bytes = record::record_bytes(20_000);
    for sector in 0..3 * record_bytes / 4096 {
        let disk = after_a_power_cut();
        fail_sector(&disk, sector);
        let store = open_test(&disk);

        let (from, to) = (sector * 4096, (sector + 1) * 4096);
        let header = |id: u64| (id - 1) * record_bytes;
        let is_lost = |id: u64| (from..to).contains(&header(id));
        let is_touched = |id: u64| header(id) < to && from < header(id + 1);
        let found: Vec<u64> = [1, 2, 3, 9].into_iter().filter(|&id| !is_lost(id)).collect();
        assert_eq!(ids(&store), found, "sector {sector}");
        let noted: Vec<BlockId> = (1..=3).filter(|&id| !is_lost(id) && is_touched(id)).map(BlockId).collect();
        assert_eq!(store.unreadable_unreported(), noted, "sector {sector}");
        let gaps = (1..=3).filter(|&id| is_lost(id)).count();
        assert_eq!(store.counters().damaged_blocks as usize, noted.len() + gaps);
        for id in found.into_iter().filter(|&id| id != 9) {
            assert_whole(&store, id, 20_000);
        }
        let mut scrub = store.scrub(BlockId(0));
        while scrub.step().is_some() {}
        assert_eq!(store.unreadable_unreported(), []);
        put(&store, 20, 900);
        drop(store);
        assert_all_there(&disk, &[20]);
    }
}

#[test]
fn what_looks_like_a_torn_tail_is_left_when_what_was_durable_can_not_be_read() {
    let disk = after_a_power_cut();
    flip(&disk, Path::new("/data/segments/00000001.segment"), 500);
    fail_sector(&disk, 2 * record::record_bytes(20_000) / 4096);
    let store = open_test(&disk);
    assert_eq!(ids(&store), [2, 9]);
    put(&store, 20, 900);
    drop(store);
    disk.heal();
    let store = open_test(&disk);
    assert_eq!((ids(&store), store.damaged()), (vec![2, 3, 9, 20], vec![BlockId(1)]));
    [2, 3].into_iter().for_each(|id| assert_whole(&store, id, 20_000));
}
