//! The formats of the embedded store's files. An input says what an honest writer writes and then what a disk does to
//! it; what is read is a beginning of what was written, and nothing that was acknowledged is missing without a word.

use super::changes::{self, Change};
use super::checkpoint::{self, BlockWriter, Kind, Room};
use super::index::values::{Kept, parse_record, push_record};
use super::journal::frame::FrameHeader;
use super::journal::segment::{self, SEGMENT_HEADER_BYTES, Segment};
use super::journal::{Folder, Scanned};
use super::replication::{self, Frame};
use super::state::State;
use crate::store::{MAX_STORE_KEY_BYTES, MAX_VALUE_BYTES, StoreError};
use crc_fast::crc32_iscsi as crc32c;
use std::path::Path;
use std::sync::Arc;
use weir_service::clock::ManualClock;
use weir_service::disk::{Disk, DiskFile};
use weir_service::fuzzing::Input;
use weir_service::simulation::SimulatedDisk;

const SALT: u64 = 11;
const SEGMENT_BYTES: u64 = 16 << 10;
const SEGMENTS_MAX: u64 = 4;

/// Overwrites bytes as the rest of an input says: place, mask, again and again.
fn damage(input: &mut Input<'_>, bytes: &mut [u8]) {
    while !input.is_empty() && !bytes.is_empty() {
        let at = usize::from(input.number()) % bytes.len();
        bytes[at] ^= input.byte();
    }
}

/// A payload of changes: what is read, written again, is what was there, up to where it ends.
pub(crate) fn changes(bytes: &[u8]) {
    let mut again = Vec::new();
    let mut is_whole = true;
    for change in changes::read(bytes) {
        match change {
            Ok((key, value)) if is_storable((key, value)) => changes::push(&mut again, (key, value)),
            Ok(_) => return,
            Err(_) => is_whole = false,
        }
    }
    assert!(bytes.starts_with(&again));
    assert_eq!(again.len() == bytes.len(), is_whole);
}

fn is_storable((key, value): Change<'_>) -> bool {
    key.len() <= MAX_STORE_KEY_BYTES && value.is_none_or(|value| value.len() <= MAX_VALUE_BYTES)
}

/// A frame that was written.
struct Written {
    segment: usize,
    offset: u64,
    header: FrameHeader,
    payload: Vec<u8>,
}

/// Frames with a length each up to a zero, `0xff` for a new segment; then damage to one segment. An odd first byte lets
/// frames have any numbers: then nothing is expected but an end.
pub(crate) fn journal(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let is_honest = input.byte() & 1 == 0;
    let (disk, folder) = (SimulatedDisk::default(), Path::new("/journal"));
    disk.create_dir_all(folder).expect("memory does not fail");
    let create = |number| Segment::create(&disk, folder, number, SEGMENT_BYTES, SALT).expect("memory does not fail");
    let mut segments = vec![create(1)];
    let (mut frames, mut offset, mut next): (Vec<Written>, _, _) = (Vec::new(), SEGMENT_HEADER_BYTES, 1);
    loop {
        let length = match input.byte() {
            0 => break,
            0xFF if (segments.len() as u64) < SEGMENTS_MAX && offset > SEGMENT_HEADER_BYTES => {
                segments.push(create(segments.len() as u64 + 1));
                offset = SEGMENT_HEADER_BYTES;
                continue;
            }
            length => usize::from(length),
        };
        let payload = input.take(length).to_vec();
        let (first, last, durable) = match is_honest {
            true => (next, next + length as u64 % 3, next - 1),
            false => (sequence(&mut input), sequence(&mut input), sequence(&mut input)),
        };
        let payload_bytes = payload.len() as u32;
        let header = FrameHeader { first, last, durable, payload_bytes, payload_crc: crc32c(&payload), run: 0 };
        if offset + header.stride() > SEGMENT_BYTES {
            break;
        }
        let segment = segments.len() - 1;
        let frame = [&header.encode(SALT, offset)[..], &payload].concat();
        segments[segment].file.write_all_at(&frame, offset).expect("memory does not fail");
        frames.push(Written { segment, offset, header, payload });
        offset += header.stride();
        next = last.wrapping_add(1);
    }
    let damaged = usize::from(input.byte()) % segments.len();
    let path = segment::path(folder, damaged as u64 + 1);
    let mut file = disk.bytes(&path).expect("it was made");
    let header = file[..SEGMENT_HEADER_BYTES as usize].to_vec();
    damage(&mut input, &mut file);
    let has_headers = file[..SEGMENT_HEADER_BYTES as usize] == header;
    disk.put(&path, &file);

    let clock = Arc::new(ManualClock::at(0));
    let folder = Folder { path: folder.into(), segment_bytes: SEGMENT_BYTES, disk: Arc::new(disk), clock };
    let mut visited = Vec::new();
    let read = Scanned::read(folder.clone(), false).and_then(|scanned| {
        scanned.replay(0, &mut |header, payload| {
            visited.push((*header, payload.to_vec()));
            Ok(())
        })
    });
    if !is_honest {
        assert!(visited.windows(2).all(|pair| pair[0].0.last.checked_add(1) == Some(pair[1].0.first)));
    } else if has_headers {
        check_replay(&frames, &folder, visited, read.map(|tail| tail.last));
    } else {
        assert!(read.is_err());
    }
}

/// Near one end of what a number can be, or near the other.
fn sequence(input: &mut Input<'_>) -> u64 {
    match input.byte() {
        near @ ..0xF0 => near.into(),
        far => u64::MAX - u64::from(0xFF - far),
    }
}

/// The first frame that is not whole ends what is read, if no later one says that it was durable.
fn check_replay(
    frames: &[Written],
    folder: &Folder,
    visited: Vec<(FrameHeader, Vec<u8>)>,
    read: Result<Option<u64>, StoreError>,
) {
    let is_whole = |frame: &Written| {
        let file = folder.disk.open(&segment::path(&folder.path, frame.segment as u64 + 1));
        file.is_ok_and(|file| is_written(&*file, frame))
    };
    let whole: Vec<bool> = frames.iter().map(is_whole).collect();
    let end = whole.iter().position(|whole| !whole).unwrap_or(frames.len());
    let is_beginning = visited
        .iter()
        .zip(frames)
        .all(|((header, payload), frame)| (*header, payload) == (frame.header, &frame.payload));
    assert!(is_beginning && visited.len() <= end);
    if whole[end..].contains(&true) {
        assert!(matches!(read, Err(StoreError::Damaged { .. })), "frame {end} is lost, and {read:?}");
    } else {
        assert_eq!(visited.len(), end);
        assert_eq!(read.expect("what is lost is the end"), end.checked_sub(1).map(|last| frames[last].header.last));
    }
}

fn is_written(file: &dyn DiskFile, frame: &Written) -> bool {
    let mut header = [0; super::journal::frame::FRAME_HEADER_BYTES];
    let mut payload = vec![0; frame.payload.len()];
    let read = file
        .read_exact_at(&mut header, frame.offset)
        .and_then(|()| file.read_exact_at(&mut payload, frame.offset + header.len() as u64));
    let decoded = FrameHeader::decode(&header, SALT, frame.offset);
    read.is_ok() && decoded == Some(frame.header) && payload == frame.payload
}

/// Blocks with a kind and a payload each up to a zero, and kind 3 for the summary that they have to have; then damage.
/// What is read is what was written, whole or up to where it is not.
pub(crate) fn checkpoint(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (disk, path) = (SimulatedDisk::default(), Path::new("/checkpoint"));
    let room = Room { disk: Arc::new(disk.clone()), spare_bytes: 0, taken_bytes: Arc::default() };
    let mut writer = BlockWriter::create(&room, path).expect("memory does not fail");
    let mut payloads = Vec::new();
    let (mut entries, mut blocks_of_changes) = (0, 0);
    loop {
        let tag = input.byte();
        let (kind, payload) = match tag {
            0 => break,
            3 => (Kind::End, [0, 0, entries, blocks_of_changes].map(u64::to_le_bytes).concat()),
            _ => {
                let length = usize::from(input.byte());
                let kind = [Kind::End, Kind::Entries, Kind::Changes][usize::from(tag % 3)];
                (kind, input.take(length).to_vec())
            }
        };
        match kind {
            Kind::Entries => entries += changes::read(&payload).count() as u64,
            Kind::Changes => blocks_of_changes += 1,
            Kind::End => {}
        }
        writer.write(kind, &payload).expect("memory does not fail");
        payloads.push(payload);
    }
    let mut file = disk.bytes(path).expect("it was made");
    damage(&mut input, &mut file);
    disk.put(path, &file);
    let mut visited = Vec::new();
    let read = checkpoint::read(&disk, path, &mut |payload| {
        visited.push(payload.to_vec());
        Ok(())
    });
    assert!(payloads.starts_with(&visited));
    match read {
        Ok(summary) => assert!(summary.changes <= visited.len() as u64 && visited.len() < payloads.len()),
        Err(error) => assert!(matches!(error, StoreError::Damaged { .. }), "{error}"),
    }
}

/// Bytes of a file of values, and what the index keeps for a key. A record that is read is the one that was written.
pub(crate) fn values(bytes: &[u8]) {
    if let Some(kept) = Kept::decode(bytes) {
        let mut again = Vec::new();
        kept.encode(&mut again);
        assert_eq!(again, bytes);
    }
    if let Some((key, value)) = parse_record(bytes) {
        let mut again = Vec::new();
        push_record(&mut again, key, value);
        assert!(bytes.starts_with(&again));
    }
    let mut input = Input::new(bytes);
    let [key_bytes, value_bytes] = [input.byte(), input.byte()].map(usize::from);
    let [key, value] = [input.take(key_bytes), input.take(value_bytes)];
    let mut record = Vec::new();
    push_record(&mut record, key, value);
    let written = record.clone();
    damage(&mut input, &mut record);
    let expected = (record == written).then_some((key, value));
    assert_eq!(parse_record(&record), expected);
}

/// The state file: any bytes, and lines with the checksum that they have to have. What can be trusted is written as it
/// was read.
pub(crate) fn state_file(bytes: &[u8]) {
    let (disk, data) = (SimulatedDisk::default(), Path::new("/data"));
    let checksum = format!("crc32c {:08x}\n", crc32c(bytes));
    for file in [bytes.to_vec(), [bytes, checksum.as_bytes()].concat()] {
        disk.put(&data.join("state"), &file);
        let state = State::read(&disk, data).expect("memory does not fail");
        if let Some(state @ (State::Running(_) | State::Clean { .. })) = state {
            state.write(&disk, data).expect("memory does not fail");
            assert_eq!(State::read(&disk, data).expect("memory does not fail"), Some(state));
        }
    }
}

/// What a store notes of its standby or its primary: any bytes, and lines with the checksum that they have to have. What
/// is understood is written as it was read.
pub(crate) fn standby_notes(bytes: &[u8]) {
    let (disk, data) = (SimulatedDisk::default(), Path::new("/data"));
    let lines = [b"weir standby 1\n", bytes].concat();
    let checksum = format!("crc32c {:08x}\n", crc32c(&lines));
    for file in [bytes.to_vec(), [&lines, checksum.as_bytes()].concat()] {
        replication::fuzzed_notes(&disk, data, &file, &|path, file| disk.put(path, &file));
    }
}

/// A frame that comes over a network, with the checksum that it has to have: what is taken can be applied.
pub(crate) fn followed_frame(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (first, last) = (sequence(&mut input), sequence(&mut input));
    let payload = bytes::Bytes::copy_from_slice(input.take(bytes.len()));
    let frame = Frame { first, last, run: 0, payload_crc: crc32c(&payload), payload };
    let is_taken = frame.check().is_ok();
    assert!(!is_taken || changes::read(&frame.payload).all(|change| change.is_ok()) && first <= last);
    let damaged = Frame { payload_crc: !frame.payload_crc, ..frame };
    assert!(damaged.check().is_err());
}
