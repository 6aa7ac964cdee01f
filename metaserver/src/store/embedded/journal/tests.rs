use super::*;
use std::path::Path;
use weir_service::clock::ManualClock;
use weir_service::simulation::{Fault, Kind, Random, SimulatedDisk};

const FOLDER: &str = "/journal";

/// A disk with a folder for a journal.
fn empty() -> SimulatedDisk {
    let disk = SimulatedDisk::default();
    disk.create_dir_all(Path::new(FOLDER)).unwrap();
    disk
}

fn folder(disk: &SimulatedDisk, segment_bytes: u64) -> Folder {
    let clock = Arc::new(ManualClock::at(0));
    Folder { path: FOLDER.into(), segment_bytes, disk: Arc::new(disk.clone()), clock }
}

/// Opens the journal; what it has, as text.
fn open(disk: &SimulatedDisk, segment_bytes: u64) -> Result<(Journal, Vec<String>), StoreError> {
    let scanned = Scanned::read(folder(disk, segment_bytes), true)?;
    let mut found = Vec::new();
    let tail = scanned.replay(0, &mut |header, payload| {
        found.push(format!("{}-{} {}", header.first, header.last, String::from_utf8_lossy(payload)));
        Ok(())
    })?;
    let last = tail.last.unwrap_or(0);
    Ok((scanned.into_journal(tail, last)?, found))
}

impl Journal {
    fn append(&mut self, last: u64, fill: impl FnOnce(&mut Vec<u8>)) -> Result<u64, AppendError> {
        self.stage(last, fill)?;
        self.append_staged()
    }
}

fn append(journal: &mut Journal, text: &str) {
    let last = journal.last() + 2;
    journal.append(last, |out| out.extend_from_slice(text.as_bytes())).unwrap();
}

fn is_damaged<T>(result: Result<T, StoreError>) -> bool {
    match result {
        Ok(_) => false,
        Err(StoreError::Damaged { .. }) => true,
        Err(other) => panic!("{other}"),
    }
}

fn first_segment() -> PathBuf {
    segment::path(Path::new(FOLDER), 1)
}

/// A journal with three frames in its only segment, the offsets of the second and third, and the end.
fn three_frames() -> (SimulatedDisk, u64, u64, u64) {
    let disk = empty();
    let (mut journal, _) = open(&disk, 0).unwrap();
    append(&mut journal, "one");
    let second = journal.offset;
    append(&mut journal, &"two".repeat(40));
    let third = journal.offset;
    append(&mut journal, &"three".repeat(40));
    let end = journal.offset;
    (disk, second, third, end)
}

#[test]
fn frames_come_back_in_order_and_writing_goes_on() {
    let (disk, ..) = three_frames();
    let (mut journal, found) = open(&disk, 0).unwrap();
    assert_eq!(found.len(), 3);
    assert!(found[0] == "1-2 one" && found[2].starts_with("5-6 threethree"));
    append(&mut journal, "four");
    drop(journal);
    assert_eq!(open(&disk, 0).unwrap().1[3], "7-8 four");
}

#[test]
fn a_tail_torn_at_any_byte_is_cut_and_never_read_again() {
    let (disk, _, third, end) = three_frames();
    let whole = disk.bytes(&first_segment()).unwrap();
    // The padding after the payload is zero anyway.
    let payload_end = whole[..end as usize].iter().rposition(|byte| *byte != 0).unwrap() as u64 + 1;
    for torn_at in third..payload_end {
        let mut bytes = whole.clone();
        bytes[torn_at as usize..].fill(0);
        check_cut(&disk, &bytes, third);
    }
    // The beginning may be what is lost, too.
    for lost_to in third + 1..payload_end {
        let mut bytes = whole.clone();
        bytes[third as usize..lost_to as usize].fill(0);
        check_cut(&disk, &bytes, third);
    }
}

fn check_cut(disk: &SimulatedDisk, bytes: &[u8], tail: u64) {
    let disk = disk.copy();
    disk.put(&first_segment(), bytes);
    let (mut journal, found) = open(&disk, 0).unwrap();
    assert_eq!((found.len(), journal.last(), journal.offset), (2, 4, tail));
    let after = disk.bytes(&first_segment()).unwrap();
    assert!(after[tail as usize..].iter().all(|byte| *byte == 0), "the tail is zeroed");
    append(&mut journal, "again");
    drop(journal);
    assert_eq!(open(&disk, 0).unwrap().1[2], "5-6 again");
}

#[test]
fn any_bit_flipped_in_what_was_acknowledged_is_damage_and_in_the_last_frame_a_cut() {
    let (disk, second, third, end) = three_frames();
    let whole = disk.bytes(&first_segment()).unwrap();
    for at in SEGMENT_HEADER_BYTES..end {
        let copy = disk.copy();
        let mut bytes = whole.clone();
        bytes[at as usize] ^= 1 << (at % 8);
        copy.put(&first_segment(), &bytes);
        let frame = [SEGMENT_HEADER_BYTES, second, third].into_iter().rfind(|start| *start <= at).unwrap();
        let payload_end = whole[..end as usize].iter().rposition(|byte| *byte != 0).unwrap() as u64;
        let covers_nothing = (44..48).contains(&(at - frame)) || at > payload_end;
        let padding = !covers_nothing && whole[at as usize] == 0 && at - frame >= 48;
        match open(&copy, 0) {
            Ok((_, found)) if covers_nothing || padding => assert_eq!(found.len(), 3, "byte {at}"),
            Ok((_, found)) => assert!(at >= third && found.len() == 2, "byte {at}"),
            Err(StoreError::Damaged { .. }) => assert!(at < third, "byte {at}"),
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn a_segment_header_with_a_bit_flipped_is_damage() {
    let (disk, ..) = three_frames();
    let whole = disk.bytes(&first_segment()).unwrap();
    for at in 0..SEGMENT_HEADER_BYTES as usize {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        disk.put(&first_segment(), &bytes);
        assert!(is_damaged(open(&disk, 0)), "byte {at}");
    }
}

#[test]
fn a_value_that_looks_like_a_frame_is_none() {
    let (disk, _, third, end) = three_frames();
    let frame = disk.bytes(&first_segment()).unwrap()[third as usize..end as usize].to_vec();
    let (mut journal, _) = open(&disk, 0).unwrap();
    let start = journal.offset;
    journal.append(8, |out| out.extend_from_slice(&frame)).unwrap();
    drop(journal);
    // The frame around it is torn: what is left is the payload, which is a whole frame of another place.
    let mut bytes = disk.bytes(&first_segment()).unwrap();
    bytes[start as usize..start as usize + FRAME_HEADER_BYTES].fill(0);
    disk.put(&first_segment(), &bytes);
    assert_eq!(open(&disk, 0).unwrap().1.len(), 3);
}

#[test]
fn frames_go_on_over_segments_whatever_their_size() {
    let disk = empty();
    let (mut journal, _) = open(&disk, 0).unwrap();
    let mut expected = Vec::new();
    for number in 0..40_u64 {
        // Some longer than a segment.
        let text = format!("{number}").repeat(1 + (number as usize * 733) % 7000);
        append(&mut journal, &text);
        expected.push(format!("{}-{} {text}", number * 2 + 1, number * 2 + 2));
        if number % 7 == 0 {
            drop(journal);
            let (reopened, found) = open(&disk, 0).unwrap();
            assert_eq!(found, expected);
            journal = reopened;
        }
    }
    let catalog = journal.catalog().clone();
    assert!(catalog.segment_count() > 10);
    let mut read = Vec::new();
    catalog
        .read(20, 60, &mut |header, _| {
            read.push(header.last);
            Ok(())
        })
        .unwrap();
    assert_eq!(read, (11..=30).map(|number| number * 2).collect::<Vec<_>>());
    assert!(is_damaged(catalog.read(0, 82, &mut |_, _| Ok(()))), "what is not there yet is not taken for the end");
    drop(journal);
    assert_eq!(open(&disk, 0).unwrap().1, expected);
}

#[test]
fn old_segments_go_and_the_rest_is_still_read() {
    let disk = empty();
    let (mut journal, _) = open(&disk, 0).unwrap();
    for _ in 0..20 {
        append(&mut journal, &"x".repeat(1500));
    }
    let catalog = journal.catalog().clone();
    let before = catalog.segment_count();
    assert!(catalog.drop_through(20).unwrap() > 0);
    assert!(catalog.segment_count() < before);
    drop(journal);
    let scanned = Scanned::read(folder(&disk, 0), false).unwrap();
    assert!(scanned.reaches_back_to(20) && !scanned.reaches_back_to(0));
    let mut count = 0;
    scanned
        .replay(20, &mut |_, _| {
            count += 1;
            Ok(())
        })
        .unwrap();
    assert_eq!(count, 10);
    assert!(is_damaged(scanned.replay(0, &mut |_, _| Ok(()))), "what was dropped is not silently missing");
}

#[test]
fn a_missing_segment_is_damage() {
    let disk = empty();
    let (mut journal, _) = open(&disk, 0).unwrap();
    for _ in 0..20 {
        append(&mut journal, &"x".repeat(1500));
    }
    drop(journal);
    for number in 2..=8 {
        let copy = disk.copy();
        copy.remove_file(&segment::path(Path::new(FOLDER), number)).unwrap();
        assert!(is_damaged(open(&copy, 0)), "segment {number}");
    }
    let empty = empty();
    assert!(is_damaged(Scanned::read(folder(&empty, 0), false).map(|_| ())), "no segments, and not new");
}

#[test]
fn a_first_frame_that_is_damaged_in_an_older_segment_is_damage() {
    let disk = empty();
    let (mut journal, _) = open(&disk, 0).unwrap();
    for _ in 0..20 {
        append(&mut journal, &"x".repeat(1500));
    }
    drop(journal);
    for number in 1..=9 {
        let copy = disk.copy();
        let path = segment::path(Path::new(FOLDER), number);
        let mut bytes = copy.bytes(&path).unwrap();
        bytes[100] ^= 1;
        bytes[150] ^= 1;
        copy.put(&path, &bytes);
        assert!(is_damaged(open(&copy, 0)), "segment {number}");
    }
}

#[test]
fn without_space_nothing_is_written_and_with_space_it_goes_on() {
    let disk = empty();
    let (mut journal, _) = open(&disk, 0).unwrap();
    append(&mut journal, "one");
    disk.set_available(100);
    assert!(matches!(journal.append(4, |out| out.resize(6000, 1)), Err(AppendError::NoSpace)));
    assert!(matches!(journal.append(4, |out| out.resize(6000, 1)), Err(AppendError::NoSpace)));
    append(&mut journal, "two fits");
    disk.set_available(u64::MAX);
    append(&mut journal, &"3".repeat(6000));
    drop(journal);
    let found = open(&disk, 0).unwrap().1;
    assert_eq!(found.len(), 3);
    assert_eq!(found[1], "3-4 two fits");
}

#[test]
fn a_sync_that_failed_is_fatal() {
    let disk = empty();
    let (mut journal, _) = open(&disk, 0).unwrap();
    disk.fail(Fault::broken(Kind::SYNCS));
    assert!(matches!(journal.append(1, |out| out.push(1)), Err(AppendError::Fatal(_))));
}

#[test]
fn what_a_failed_sync_left_in_the_page_cache_is_durable_once_it_was_read() {
    let disk = empty();
    let (mut journal, _) = open(&disk, 0).unwrap();
    append(&mut journal, "one");
    disk.fail(Fault::broken(Kind::SYNCS));
    assert!(journal.append(4, |out| out.extend_from_slice(b"two")).is_err());
    drop(journal);
    disk.heal();
    let found = open(&disk, 0).unwrap().1;
    assert_eq!(found, ["1-2 one", "3-4 two"], "it may have been committed");
    for seed in 0..8 {
        assert_eq!(open(&disk.after_cut(&mut Random(seed)), 0).unwrap().1, found);
    }
}

#[test]
fn whatever_a_power_cut_leaves_what_was_acknowledged_is_there() {
    for seed in 0..400 {
        let mut random = Random(seed);
        let mut disk = empty();
        let mut acknowledged = Vec::new();
        for _ in 0..4 {
            disk.power_off_at(disk.steps() + random.below(60));
            let opened = open(&disk, 0);
            if let Ok((mut journal, found)) = opened {
                // One more than was acknowledged may be there: the one in flight.
                assert!(found.len() - acknowledged.len() <= 1, "seed {seed}");
                assert_eq!(found[..acknowledged.len()], acknowledged, "seed {seed}");
                acknowledged = found;
                loop {
                    let last = journal.last() + 1 + random.below(3);
                    let text = format!("{seed} ").repeat(1 + random.below(600) as usize);
                    let said = format!("{}-{last} {text}", journal.last() + 1);
                    if journal.append(last, |out| out.extend_from_slice(text.as_bytes())).is_err() {
                        break;
                    }
                    acknowledged.push(said);
                }
            }
            disk = disk.after_cut(&mut random);
        }
        let found = open(&disk, 0).unwrap().1;
        assert_eq!(found[..acknowledged.len()], acknowledged, "seed {seed}");
    }
}
