use super::*;
use std::collections::BTreeSet;

const FOLDER: &str = "/data";
const PAGE_BYTES: usize = 4096;

fn path() -> PathBuf {
    Path::new(FOLDER).join("file")
}

/// A disk with a folder.
fn disk(seed: u64) -> SimulatedDisk {
    let disk = SimulatedDisk::new(seed);
    disk.create_dir_all(Path::new(FOLDER)).unwrap();
    disk
}

/// A file of two pages of ones, durable, with its name.
fn with_file(disk: &SimulatedDisk) -> Arc<dyn DiskFile> {
    let file = disk.create_new(&path()).unwrap();
    file.write_all_at(&[1; 2 * PAGE_BYTES], 0).unwrap();
    file.sync_data().unwrap();
    disk.sync_dir(Path::new(FOLDER)).unwrap();
    file
}

fn found(disk: &SimulatedDisk) -> Vec<u8> {
    disk.bytes(&path()).unwrap()
}

/// What is found after a crash of `of`, with each of many seeds.
fn outcomes(of: impl Fn(&SimulatedDisk)) -> BTreeSet<Option<Vec<u8>>> {
    (0..300)
        .map(|seed| {
            let disk = disk(seed);
            of(&disk);
            disk.crash();
            disk.mount().bytes(&path())
        })
        .collect()
}

#[test]
fn as_long_as_the_power_is_on_a_file_has_what_was_written() {
    let disk = disk(1);
    let file = with_file(&disk);
    file.write_all_at(b"weir", 4094).unwrap();
    let mut read = [0; 6];
    file.read_exact_at(&mut read, 4093).unwrap();
    assert_eq!(&read, b"\x01weir\x01");
    assert_eq!(file.read_exact_at(&mut read, 8190).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    file.set_len(4095).unwrap();
    file.allocate(9000).unwrap();
    let mut expected = vec![1; 9000];
    expected[4094] = b'w';
    expected[4095..].fill(0);
    assert!(found(&disk) == expected, "what was cut off is zeros");
    assert_eq!(disk.create_new(&path()).map(drop).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(disk.create_new(Path::new("/none/file")).map(drop).unwrap_err().kind(), io::ErrorKind::NotFound);
    disk.rename(&path(), Path::new("/data/moved")).unwrap();
    assert_eq!(disk.list(Path::new(FOLDER)).unwrap(), [PathBuf::from("moved")]);
    assert_eq!(file.len().unwrap(), 9000);
}

#[test]
fn what_was_synced_survives_every_crash() {
    let outcomes = outcomes(|disk| drop(with_file(disk)));
    assert_eq!(outcomes, BTreeSet::from([Some(vec![1; 2 * PAGE_BYTES])]));
}

#[test]
fn an_unsynced_page_is_lost_kept_or_torn_and_pages_do_not_wait_for_each_other() {
    let outcomes = outcomes(|disk| {
        let file = with_file(disk);
        file.write_all_at(&[2; 2 * PAGE_BYTES], 0).unwrap();
    });
    let pages = |first: u8, second: u8| Some([[first; PAGE_BYTES], [second; PAGE_BYTES]].concat());
    for kept in [pages(1, 1), pages(2, 2), pages(1, 2), pages(2, 1)] {
        assert!(outcomes.contains(&kept));
    }
    for found in outcomes.iter().flatten() {
        assert!(found.chunks(512).all(|sector| sector == [1; 512] || sector == [2; 512]), "sectors are whole");
    }
    assert!(outcomes.len() > 20, "{} outcomes: some are torn", outcomes.len());
}

#[test]
fn a_page_is_found_as_it_was_at_one_time() {
    let outcomes = outcomes(|disk| {
        let file = with_file(disk);
        file.write_all_at(b"a", 0).unwrap();
        file.write_all_at(b"b", 1).unwrap();
    });
    let beginnings: BTreeSet<Vec<u8>> = outcomes.into_iter().flatten().map(|found| found[..2].to_vec()).collect();
    assert_eq!(beginnings, BTreeSet::from([b"\x01\x01".to_vec(), b"a\x01".to_vec(), b"ab".to_vec()]));
}

#[test]
fn a_length_may_come_to_the_disk_without_the_bytes() {
    let outcomes = outcomes(|disk| {
        let file = with_file(disk);
        file.write_all_at(&[2; PAGE_BYTES], 2 * PAGE_BYTES as u64).unwrap();
    });
    let with = |page: &[u8]| Some([&[1; 2 * PAGE_BYTES][..], page].concat());
    assert!(outcomes.contains(&with(&[])) && outcomes.contains(&with(&[0; PAGE_BYTES])));
    assert!(outcomes.contains(&with(&[2; PAGE_BYTES])));
}

#[test]
fn names_need_a_sync_of_their_folder_and_keep_their_order() {
    let names = |seed| {
        let disk = disk(seed);
        for name in ["a", "b", "c"] {
            disk.create_new(&Path::new(FOLDER).join(name)).unwrap().sync_data().unwrap();
        }
        disk.remove_file(Path::new("/data/a")).unwrap();
        disk.crash();
        let names = disk.mount().list(Path::new(FOLDER)).unwrap();
        names.iter().map(|name| name.to_string_lossy()).collect::<String>()
    };
    let found: BTreeSet<String> = (0..200).map(names).collect();
    assert_eq!(found, ["", "a", "ab", "abc", "bc"].map(String::from).into());
}

#[test]
fn a_rename_is_whole_or_nothing() {
    let (to, mut kinds) = (Path::new("/data/new"), BTreeSet::new());
    for seed in 0..50 {
        let disk = disk(seed);
        with_file(&disk);
        disk.rename(&path(), to).unwrap();
        disk.crash();
        let disk = disk.mount();
        assert!(disk.exists(&path()).unwrap() != disk.exists(to).unwrap());
        kinds.insert(disk.exists(to).unwrap());
    }
    assert_eq!(kinds.len(), 2);
}

#[test]
fn what_was_opened_before_a_crash_changes_nothing_after_it() {
    let disk = disk(3);
    let file = with_file(&disk);
    let lock = disk.lock(Path::new("/data/lock")).unwrap();
    assert!(disk.lock(Path::new("/data/lock")).is_err());
    disk.crash();
    let next = disk.mount();
    let of_next = next.lock(Path::new("/data/lock")).unwrap();
    drop(lock);
    assert!(next.lock(Path::new("/data/lock")).is_err(), "the older lock was not this one");
    let mut buffer = [0];
    assert!(file.write_all_at(b"x", 0).is_err() && file.read_exact_at(&mut buffer, 0).is_err());
    assert!(file.sync_data().is_err() && file.set_len(0).is_err() && file.len().is_err());
    assert!(disk.remove_file(&path()).is_err() && disk.exists(&path()).is_err());
    assert_eq!(found(&next), [1; 2 * PAGE_BYTES]);
    drop(of_next);
    next.lock(Path::new("/data/lock")).unwrap();
    next.remove_file(&path()).unwrap();
}

#[test]
fn a_sync_that_failed_has_dropped_what_the_next_one_vouches_for() {
    let disk = disk(4);
    let file = with_file(&disk);
    file.write_all_at(&[2; 100], 0).unwrap();
    disk.fail(Fault { count: 1, ..Fault::broken(Kind::SYNCS) });
    assert_eq!(file.sync_data().unwrap_err().raw_os_error(), Some(5));
    assert_eq!(found(&disk)[..100], [2; 100], "it is read");
    file.sync_data().unwrap();
    let lost = disk.copy();
    lost.crash();
    assert_eq!(found(&lost.mount()), [1; 2 * PAGE_BYTES], "and gone with the power");
    file.write_all_at(b"x", 50).unwrap();
    file.sync_data().unwrap();
    disk.crash();
    assert_eq!(found(&disk.mount())[..50], [2; 50], "unless its page is written once more");
}

#[test]
fn faults_strike_the_calls_that_they_are_about() {
    let disk = disk(5);
    let file = with_file(&disk);
    disk.fail(Fault { under: "/other".into(), ..Fault::broken(Kind::ALL) });
    disk.fail(Fault { after: 2, ..Fault::full() });
    file.write_all_at(b"one", 0).unwrap();
    file.allocate(100).unwrap();
    assert_eq!(file.write_all_at(b"two", 0).unwrap_err().kind(), io::ErrorKind::StorageFull);
    file.sync_data().unwrap();
    assert_eq!((&found(&disk)[..4], disk.failures()), (&b"one\x01"[..], 1));
    disk.heal();
    file.write_all_at(b"two", 0).unwrap();
    disk.fail(Fault { one_in: 4, ..Fault::broken(&[Kind::Read]) });
    let failed = (0..400).filter(|_| file.read_exact_at(&mut [0], 0).is_err()).count();
    assert!((50..150).contains(&failed), "{failed}");
    disk.crash();
    disk.mount().open(&path()).unwrap().read_exact_at(&mut [0; 3], 0).unwrap();
}

#[test]
fn a_disk_that_is_full_gives_no_space() {
    let disk = disk(6);
    let file = with_file(&disk);
    disk.set_available(1000);
    assert_eq!(disk.space(Path::new(FOLDER)).unwrap().available_bytes, 1000);
    assert_eq!(file.allocate(1 << 20).unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert_eq!(file.len().unwrap(), 2 * PAGE_BYTES as u64);
}

#[test]
fn from_a_step_on_nothing_is_changed() {
    let disk = disk(7);
    let file = with_file(&disk);
    disk.power_off_at(disk.steps() + 1);
    file.write_all_at(b"last", 0).unwrap();
    assert!(file.write_all_at(b"late", 0).is_err() && file.sync_data().is_err());
    assert_eq!(&found(&disk)[..4], b"last");
    disk.crash();
    disk.mount().remove_file(&path()).unwrap();
}

#[test]
fn a_copy_shares_nothing() {
    let disk = disk(8);
    let file = with_file(&disk);
    disk.rename(&path(), Path::new("/data/other")).unwrap();
    let copy = disk.copy();
    file.write_all_at(b"x", 0).unwrap();
    disk.sync_dir(Path::new(FOLDER)).unwrap();
    assert_eq!(copy.bytes(Path::new("/data/other")).unwrap(), [1; 2 * PAGE_BYTES]);
    let cuts: BTreeSet<bool> = (0..20).map(|seed| copy.after_cut(&mut Random(seed)).exists(&path()).unwrap()).collect();
    assert_eq!(cuts.len(), 2, "its rename is not durable");
}

#[test]
fn the_same_calls_have_the_same_digest_and_others_another() {
    let run = |seed: u64, byte: u8| {
        let disk = disk(seed);
        disk.keep_trace();
        let calls = Arc::new(Mutex::new(0));
        let counted = calls.clone();
        disk.on_operation(move |_| *counted.lock() += 1);
        with_file(&disk).write_all_at(&[byte], 7).unwrap();
        disk.crash();
        let next = disk.mount();
        assert_eq!(next.trace().len(), *calls.lock());
        (next.digest(), found(&next))
    };
    assert_eq!(run(1, 2), run(1, 2));
    assert_ne!(run(1, 2).0, run(1, 3).0);
    assert_ne!(run(1, 2).1, run(4, 2).1);
}

#[test]
fn damage_flips_one_bit_of_what_is_synced_and_stays() {
    let places: BTreeSet<usize> = (0..50)
        .map(|seed| {
            let disk = disk(seed);
            let mut random = Random(seed);
            assert_eq!(disk.damage(Path::new(FOLDER), &mut random), None);
            let file = with_file(&disk);
            file.write_all_at(&[2; 10], 0).unwrap();
            assert_eq!(disk.damage(Path::new("/other"), &mut random), None);
            assert_eq!(disk.damage(Path::new(FOLDER), &mut random), Some(path()));
            let mut expected = [1; 2 * PAGE_BYTES];
            expected[..10].fill(2);
            let bytes = found(&disk);
            let flipped: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] != expected[*at]).collect();
            // The first page is not synced: what decays of it would be written over.
            assert!(flipped.len() == 1 && flipped[0] >= PAGE_BYTES, "{flipped:?}");
            assert_eq!((bytes[flipped[0]] ^ expected[flipped[0]]).count_ones(), 1);
            disk.crash();
            assert_eq!(disk.mount().bytes(&path()).unwrap()[PAGE_BYTES..], bytes[PAGE_BYTES..]);
            flipped[0]
        })
        .collect();
    assert!(places.len() > 10);
}
