//! Writing and reading where nothing goes wrong, or only the writer does.

use super::*;
use crate::store::{Closed, StoreError, crc32c};

#[test]
fn blocks_of_every_size_come_back_also_after_a_reopen() {
    let sizes = [0, 1, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, SMALL_MAX - 1, SMALL_MAX, SMALL_MAX + 1, 64 * KIB * KIB];
    on_both_disks(|open| {
        let store = open();
        for (id, &size) in sizes.iter().enumerate() {
            put(&store, id as u64 + 1, size);
        }
        for _ in 0..2 {
            for (id, &size) in sizes.iter().enumerate() {
                assert_whole(&store, id as u64 + 1, size);
            }
        }
        let used = store.usage().unwrap();
        drop(store);
        let store = open();
        for (id, &size) in sizes.iter().enumerate() {
            assert_whole(&store, id as u64 + 1, size);
        }
        let now = store.usage().unwrap();
        assert_eq!(now.block_count, sizes.len() as u64);
        assert!(now.used_bytes.abs_diff(used.used_bytes) <= 48, "a mark may have been added: {used:?} {now:?}");
    });
}

#[test]
fn any_range_of_a_block_can_be_read() {
    on_both_disks(|open| {
        let store = open();
        for (id, size) in [(1, SMALL_MAX), (2, 300 * KIB + 17)] {
            put(&store, id, size);
            let whole = bytes_of(id, size);
            let edges = [0, 1, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 131_072, 200_001, size - 1, size];
            for start in edges {
                for end in edges.into_iter().filter(|&end| end >= start) {
                    let expected = whole.slice(start as usize..end as usize);
                    assert_eq!(store.read(BlockId(id), start..end).unwrap(), expected, "{start}..{end}");
                    let cached = store.read_cached(BlockId(id), start..end).unwrap();
                    assert!(cached.is_none_or(|cached| cached == expected), "{start}..{end}");
                }
            }
            assert!(matches!(store.read(BlockId(id), 5..size + 1), Err(StoreError::Range { .. })));
            assert!(matches!(store.read(BlockId(id), size + 1..size + 1), Err(StoreError::Range { .. })));
        }
        assert!(matches!(store.read(BlockId(9), 0..1), Err(StoreError::NoSuchBlock(_))));
    });
}

#[tokio::test]
async fn what_is_received_slowly_goes_to_files_when_too_much_of_it_waits() {
    let (count, size) = (40, 100 * KIB);
    let folder = tempfile::tempdir().unwrap();
    let options = StoreOptions { receive_buffer_max_bytes: 10 * size, ..options(folder.path()) };
    let open = || BlockStore::open(options.clone(), Arc::new(SystemDisk), &Common::default()).unwrap();
    let store = open();
    let mut writers: Vec<_> = (1..=count).map(|id| store.begin(BlockId(id), None).unwrap()).collect();
    for offset in (0..size).step_by(10 * KIB as usize) {
        for (id, writer) in (1..).zip(&mut writers) {
            writer.push(bytes_of(id, size).slice(offset as usize..(offset + 10 * KIB) as usize)).unwrap();
            if writer.wants_flush() {
                writer.flush().unwrap();
            }
            assert!(store.shared.waiting.bytes() <= 10 * size);
        }
    }
    for (id, writer) in (1..).zip(writers) {
        match writer.close(size, crc32c(&bytes_of(id, size))).unwrap() {
            Closed::Large(block) => block.commit().unwrap(),
            Closed::Small(block) => store.append(block).await.unwrap(),
        }
    }
    assert_eq!(store.shared.waiting.bytes(), 0);
    drop(store);
    let store = open();
    (1..=count).for_each(|id| assert_whole(&store, id, size));
    let files = files_under(&folder.path().join("files")).len();
    assert!((1..=count as usize).contains(&files), "{files}");
}

#[test]
fn a_second_write_succeeds_only_with_the_same_bytes() {
    on_both_disks(|open| {
        let store = open();
        for (id, size) in [(1, 5000), (2, SMALL_MAX + 1)] {
            put(&store, id, size);
            let used = || store.usage().map(|usage| (usage.used_bytes, usage.block_count)).unwrap();
            let before = used();
            put(&store, id, size);
            let mut other = bytes_of(id, size).to_vec();
            other[77] ^= 1;
            assert!(matches!(store.write(BlockId(id), other.into()), Err(StoreError::Exists(_))));
            assert!(matches!(store.write(BlockId(id), bytes_of(id, size - 1)), Err(StoreError::Exists(_))));
            assert_eq!(used(), before);
            assert_whole(&store, id, size);
        }
    });
}

#[test]
fn an_id_is_written_by_one_at_a_time_and_not_deleted_meanwhile() {
    let disk = SimulatedDisk::default();
    let store = open_test(&disk);
    let writer = store.begin(BlockId(1), None).unwrap();
    assert!(matches!(store.begin(BlockId(1), None), Err(StoreError::Busy(_))));
    assert_eq!(store.delete(&[BlockId(1), BlockId(2)]), [BlockId(2)]);
    drop(writer);
    put(&store, 1, 10);
}

#[test]
fn a_write_that_ends_early_or_lies_leaves_nothing_behind() {
    let disk = SimulatedDisk::default();
    let store = open_test(&disk);
    let before = (disk.files().len(), store.usage().unwrap());
    for announced in [None, Some(4 * SMALL_MAX)] {
        let mut writer = store.begin(BlockId(1), announced).unwrap();
        for _ in 0..3 {
            writer.push(bytes_of(1, SMALL_MAX)).unwrap();
            if writer.wants_flush() {
                writer.flush().unwrap();
            }
        }
        assert_eq!(disk.files().len(), before.0 + 1);
        drop(writer);
        assert_eq!((disk.files().len(), store.usage().unwrap()), before);
    }
    let data = bytes_of(1, 3 * SMALL_MAX);
    let send = |announced: Option<u64>, length: u64, crc: u32| {
        let mut writer = store.begin(BlockId(1), announced)?;
        writer.push(data.clone())?;
        writer.flush()?;
        match writer.close(length, crc)? {
            Closed::Large(block) => block.commit(),
            Closed::Small(_) => panic!("it is large"),
        }
    };
    let (length, crc) = (data.len() as u64, crc32c(&data));
    assert!(matches!(send(None, length, crc ^ 1), Err(StoreError::Checksum { .. })));
    assert!(matches!(send(None, length - 1, crc), Err(StoreError::Length { .. })));
    assert!(matches!(send(Some(length - 1), length, crc), Err(StoreError::Length { .. })));
    assert!(matches!(send(Some(1 << 40), length, crc), Err(StoreError::TooLarge { .. })));
    assert_eq!((disk.files().len(), store.usage().unwrap()), before);
    send(None, length, crc).unwrap();
    assert_whole(&store, 1, length);
}

#[test]
fn a_block_that_ends_earlier_than_announced_takes_and_has_only_what_came() {
    let disk = SimulatedDisk::default();
    let store = open_test(&disk);
    for (id, length) in [(1, 3 * SMALL_MAX), (2, SMALL_MAX / 2)] {
        let data = bytes_of(id, length);
        let mut writer = store.begin(BlockId(id), Some(64 * SMALL_MAX)).unwrap();
        writer.push(data.clone()).unwrap();
        if writer.wants_flush() {
            writer.flush().unwrap();
        }
        let Closed::Large(block) = writer.close(data.len() as u64, crc32c(&data)).unwrap() else { panic!() };
        block.commit().unwrap();
        assert_whole(&store, id, data.len() as u64);
    }
    assert!(store.usage().unwrap().used_bytes < 8 * SMALL_MAX, "{:?}", store.usage());
    drop(store);
    let store = open_test(&disk);
    assert_whole(&store, 1, 3 * SMALL_MAX);
    assert_whole(&store, 2, SMALL_MAX / 2);
}

#[test]
fn a_full_disk_takes_no_blocks_but_gives_and_deletes_them() {
    let disk = SimulatedDisk::default();
    let store = open_with_reserve(&disk, 1 << 20);
    put(&store, 1, 1000);
    put(&store, 2, SMALL_MAX + 1);
    disk.set_available((1 << 20) - 1);
    let files = disk.files().len();
    assert!(matches!(store.write(BlockId(3), bytes_of(3, 10)), Err(StoreError::NoSpace { .. })));
    assert!(matches!(store.write(BlockId(4), bytes_of(4, SMALL_MAX + 1)), Err(StoreError::NoSpace { .. })));
    assert_eq!(disk.files().len(), files);
    assert_eq!(store.usage().unwrap().free_bytes, 0);
    assert_whole(&store, 1, 1000);
    assert_eq!(store.delete(&[BlockId(1), BlockId(2)]).len(), 2);
    disk.set_available(3 << 20);
    put(&store, 3, 10);
    put(&store, 4, SMALL_MAX + 1);
}

#[test]
fn a_disk_that_is_full_to_the_last_byte_can_be_started_on_and_written_to_when_there_is_room() {
    let disk = SimulatedDisk::default();
    let mut store = open_test(&disk);
    put(&store, 1, 1000);
    put(&store, 2, SMALL_MAX + 1);
    for size in [1000, SMALL_MAX + 1] {
        disk.fail(Fault::full());
        let files = disk.files().len();
        assert!(matches!(store.write(BlockId(size), bytes_of(size, size)), Err(StoreError::NoSpace { .. })));
        assert_eq!(disk.files().len(), files);
        drop(store);
        store = open_test(&disk);
        assert_whole(&store, 1, 1000);
        assert_whole(&store, 2, SMALL_MAX + 1);
        disk.heal();
        put(&store, size, size);
        assert_whole(&store, size, size);
    }
    assert!(store.failed().borrow().is_none());
}

#[test]
fn a_block_is_admitted_when_its_whole_length_fits_above_the_reserve() {
    let disk = SimulatedDisk::default();
    let store = open_with_reserve(&disk, 1 << 20);
    disk.set_available((1 << 20) + 2 * SMALL_MAX);
    assert!(matches!(store.write(BlockId(1), bytes_of(1, 3 * SMALL_MAX)), Err(StoreError::NoSpace { .. })));
    put(&store, 2, SMALL_MAX + 1);
}

#[test]
fn a_failed_fsync_ends_writing_for_good_and_reading_goes_on() {
    for size in [100, SMALL_MAX + 1] {
        let disk = SimulatedDisk::default();
        let store = open_test(&disk);
        put(&store, 1, size);
        let failed = store.failed();
        assert!(failed.borrow().is_none());
        disk.fail(Fault::broken(Kind::SYNCS));
        assert!(matches!(store.write(BlockId(2), bytes_of(2, size)), Err(StoreError::Failed(_))));
        disk.heal();
        assert!(matches!(store.write(BlockId(3), bytes_of(3, size)), Err(StoreError::Failed(_))));
        assert!(failed.borrow().is_some());
        assert!(matches!(store.read(BlockId(2), 0..1), Err(StoreError::NoSuchBlock(_))));
        assert_whole(&store, 1, size);
    }
}

#[test]
fn many_writers_at_once_are_all_kept() {
    on_both_disks(|open| {
        let store = open();
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let store = &store;
                scope.spawn(move || {
                    for i in 0..40 {
                        let id = thread * 1000 + i;
                        put(store, id, if i % 10 == 0 { SMALL_MAX + id } else { id * 7 % 20_000 });
                    }
                });
            }
        });
        drop(store);
        let store = open();
        assert_eq!(ids(&store).len(), 320);
        for thread in 0..8 {
            for i in 0..40 {
                let id = thread * 1000 + i;
                assert_whole(&store, id, if i % 10 == 0 { SMALL_MAX + id } else { id * 7 % 20_000 });
            }
        }
    });
}
