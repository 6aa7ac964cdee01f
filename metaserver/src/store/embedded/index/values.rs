//! Long values of the index. sled keeps up to 16 entries on a page, rewrites the page with each change and counts cached
//! pages late: values of some KiB would cost most of its time and memory. So they are appended to files of ours, and sled
//! keeps where. Like sled's own files they are not synced, checked when read, and not the only copy of anything.
//!
//! | bytes of a record | what, little endian |
//! |---|---|
//! | 0..4 | CRC32C of the rest |
//! | 4..6 | length of the key |
//! | 6..10 | length of the value |
//! | 10.. | key, value |

use crate::store::embedded::changes::Change;
use crate::store::embedded::io_error;
use crate::store::{MAX_STORE_KEY_BYTES, MAX_VALUE_BYTES, StoreError};
use bytes::Bytes;
use crc_fast::crc32_iscsi as crc32c;
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Values up to this length stay in sled.
const SHORT_MAX_BYTES: usize = 1 << 10;
const HEADER_BYTES: usize = 10;
/// The longest record. A place that claims a longer one is damaged, and no memory is set aside for it.
const RECORD_MAX_BYTES: u32 = (HEADER_BYTES + MAX_STORE_KEY_BYTES + MAX_VALUE_BYTES) as u32;
const EXTENSION: &str = "values";
/// Bytes of a file that are looked at in one step of compaction.
const STEP_BYTES: u64 = 1 << 20;

/// Tags of what sled keeps for a key.
const SHORT: u8 = 0;
const LONG: u8 = 1;

/// When files are full, and when garbage is worth collecting.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub file_bytes: u64,
    /// Garbage is collected when there is more of it than this, and more than live values.
    pub garbage_min_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { file_bytes: 128 << 20, garbage_min_bytes: 128 << 20 }
    }
}

/// Where a record lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Place {
    file: u32,
    offset: u32,
    bytes: u32,
}

/// What sled keeps for a key.
pub(in super::super) enum Kept<'a> {
    Short(&'a [u8]),
    Long(Place),
}

impl Kept<'_> {
    /// `None`: it is neither.
    pub fn decode(kept: &[u8]) -> Option<Kept<'_>> {
        match kept.split_first()? {
            (&SHORT, value) => Some(Kept::Short(value)),
            (&LONG, place) => match place.as_chunks::<4>() {
                ([file, offset, bytes], []) => {
                    let [file, offset, bytes] = [file, offset, bytes].map(|bytes| u32::from_le_bytes(*bytes));
                    (bytes <= RECORD_MAX_BYTES).then_some(Kept::Long(Place { file, offset, bytes }))
                }
                _ => None,
            },
            _ => None,
        }
    }

    pub fn encode(&self, out: &mut Vec<u8>) {
        out.clear();
        match self {
            Self::Short(value) => {
                out.push(SHORT);
                out.extend_from_slice(value);
            }
            Self::Long(Place { file, offset, bytes }) => {
                out.push(LONG);
                for number in [file, offset, bytes] {
                    out.extend_from_slice(&number.to_le_bytes());
                }
            }
        }
    }
}

struct ValueFile {
    file: Arc<File>,
    bytes: u64,
    /// Bytes of the records that sled points at. A hint: compaction looks at each record before a file goes.
    live_bytes: u64,
}

#[derive(Default)]
struct State {
    files: BTreeMap<u32, ValueFile>,
    /// The file that is appended to; `None`: the next append makes one.
    current: Option<u32>,
    /// The file whose live values are being moved, and how far.
    compacting: Option<(u32, u64)>,
}

pub(super) struct Values {
    folder: PathBuf,
    limits: Limits,
    state: RwLock<State>,
}

/// A step of compaction: records that may be live, to be moved if they are.
pub(super) struct Step {
    pub records: Vec<(Bytes, Bytes, Place)>,
    file: u32,
    end: u64,
}

impl Values {
    /// Opens the files in a folder. Appends go to a new one: the last one may end with half a record.
    pub fn open(folder: &Path, limits: Limits) -> Result<Self, StoreError> {
        fs::create_dir_all(folder).map_err(io_error("make", folder))?;
        let mut state = State::default();
        for entry in fs::read_dir(folder).map_err(io_error("list", folder))? {
            let path = entry.map_err(io_error("list", folder))?.path();
            let stem = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
            if let (Some(number), true) = (stem, path.extension().is_some_and(|found| found == EXTENSION)) {
                let file = File::open(&path).map_err(io_error("open", &path))?;
                let bytes = file.metadata().map_err(io_error("measure", &path))?.len();
                state.files.insert(number, ValueFile { file: Arc::new(file), bytes, live_bytes: bytes });
            }
        }
        Ok(Self { folder: folder.to_path_buf(), limits, state: RwLock::new(state) })
    }

    /// Appends the long ones among the changes' values. Where each went, in the order of the changes.
    pub fn append(&self, changes: &[Change<'_>]) -> Result<Vec<Option<Place>>, StoreError> {
        let mut buffer = Vec::new();
        let mut places = Vec::with_capacity(changes.len());
        for (key, value) in changes {
            let long = value.filter(|value| value.len() > SHORT_MAX_BYTES);
            places.push(long.map(|value| {
                let offset = buffer.len() as u32;
                push_record(&mut buffer, key, value);
                Place { file: 0, offset, bytes: buffer.len() as u32 - offset }
            }));
        }
        if buffer.is_empty() {
            return Ok(places);
        }
        let mut state = self.state.write();
        let number = self.file_to_append(&mut state)?;
        let path = self.path(number);
        if let Some(current) = state.files.get_mut(&number) {
            current.file.write_all_at(&buffer, current.bytes).map_err(io_error("write", &path))?;
            for place in places.iter_mut().flatten() {
                place.file = number;
                // A file is at most `file_bytes` and a group long.
                place.offset += current.bytes as u32;
            }
            current.bytes += buffer.len() as u64;
            current.live_bytes += buffer.len() as u64;
        }
        Ok(places)
    }

    fn file_to_append(&self, state: &mut State) -> Result<u32, StoreError> {
        if let Some(number) = state.current
            && state.files.get(&number).is_some_and(|file| file.bytes < self.limits.file_bytes)
        {
            return Ok(number);
        }
        let number = state.files.last_key_value().map_or(1, |(last, _)| last + 1);
        let path = self.path(number);
        let file =
            File::options().create_new(true).read(true).write(true).open(&path).map_err(io_error("create", &path))?;
        state.files.insert(number, ValueFile { file: Arc::new(file), bytes: 0, live_bytes: 0 });
        state.current = Some(number);
        Ok(number)
    }

    /// Reads the value of a key.
    ///
    /// # Errors
    /// [`StoreError::Damaged`]: it is not there, or it is another's.
    pub fn read(&self, key: &[u8], place: Place) -> Result<Bytes, StoreError> {
        let damaged = |detail: &str| StoreError::Damaged {
            what: format!("the index's values {}", self.path(place.file).display()),
            detail: format!("{detail} at byte {}", place.offset),
        };
        let file = self.state.read().files.get(&place.file).map(|file| Arc::clone(&file.file));
        let file = file.ok_or_else(|| damaged("the file is missing; a value was"))?;
        let mut record = vec![0; place.bytes as usize];
        file.read_exact_at(&mut record, u64::from(place.offset)).map_err(|_| damaged("a value can't be read"))?;
        match parse_record(&record) {
            Some((found, value)) if found == key => {
                let start = record.len() - value.len();
                Ok(Bytes::from(record).slice(start..))
            }
            _ => Err(damaged("a value is not valid")),
        }
    }

    /// Notes that sled points at a record no more.
    pub fn forget(&self, place: Place) {
        if let Some(file) = self.state.write().files.get_mut(&place.file) {
            file.live_bytes = file.live_bytes.saturating_sub(u64::from(place.bytes));
        }
    }

    /// The next records to look at, if there is garbage enough.
    pub fn next_step(&self) -> Result<Option<Step>, StoreError> {
        let mut state = self.state.write();
        if state.compacting.is_none() {
            state.compacting = self.worst(&state).map(|number| (number, 0));
        }
        let Some((number, offset)) = state.compacting else { return Ok(None) };
        let Some(file) = state.files.get(&number) else { return Ok(None) };
        let path = self.path(number);
        let length = STEP_BYTES.min(file.bytes - offset);
        let mut bytes = vec![0; length as usize];
        file.file.read_exact_at(&mut bytes, offset).map_err(io_error("read", &path))?;
        let (bytes, mut records, mut at) = (Bytes::from(bytes), Vec::new(), 0);
        while let Some((key, value)) = parse_record(&bytes[at..]) {
            let record_bytes = HEADER_BYTES + key.len() + value.len();
            let place = Place { file: number, offset: (offset + at as u64) as u32, bytes: record_bytes as u32 };
            records.push((bytes.slice_ref(key), bytes.slice_ref(value), place));
            at += record_bytes;
        }
        if at == 0 && length > 0 {
            // The half record that a stop left at the end; nothing was appended after it.
            return Ok(Some(Step { records, file: number, end: file.bytes }));
        }
        Ok(Some(Step { records, file: number, end: offset + at as u64 }))
    }

    /// Notes that a step is done. Returns whether it was the file's last one.
    pub fn finish_step(&self, step: &Step) -> bool {
        let mut state = self.state.write();
        state.compacting = Some((step.file, step.end));
        state.files.get(&step.file).is_none_or(|file| step.end >= file.bytes)
    }

    /// Removes the file of the last step. What sled's log says about it must be in its file by then.
    pub fn remove(&self, step: &Step) -> Result<(), StoreError> {
        let mut state = self.state.write();
        state.compacting = None;
        state.files.remove(&step.file);
        let path = self.path(step.file);
        fs::remove_file(&path).map_err(io_error("remove", &path))
    }

    /// The file with the most garbage for its size, if there is garbage enough in all.
    fn worst(&self, state: &State) -> Option<u32> {
        let (bytes, live) =
            state.files.values().fold((0, 0), |(bytes, live), file| (bytes + file.bytes, live + file.live_bytes));
        let garbage_bytes = bytes - live;
        if garbage_bytes <= self.limits.garbage_min_bytes || garbage_bytes <= live {
            return None;
        }
        let candidates = state.files.iter().filter(|(number, file)| Some(**number) != state.current && file.bytes > 0);
        let share = |file: &ValueFile| file.live_bytes * 1000 / file.bytes;
        candidates.min_by_key(|(_, file)| share(file)).map(|(number, _)| *number)
    }

    /// Live bytes of each file, for [`Values::set_usage`] at the next start.
    pub fn usage(&self) -> Vec<u8> {
        let state = self.state.read();
        let mut bytes = Vec::with_capacity(state.files.len() * 12);
        for (number, file) in &state.files {
            bytes.extend_from_slice(&number.to_le_bytes());
            bytes.extend_from_slice(&file.live_bytes.to_le_bytes());
        }
        bytes
    }

    pub fn set_usage(&self, usage: &[u8]) {
        let mut state = self.state.write();
        for entry in usage.as_chunks::<12>().0 {
            let [n0, n1, n2, n3, live @ ..] = *entry;
            if let Some(file) = state.files.get_mut(&u32::from_le_bytes([n0, n1, n2, n3])) {
                file.live_bytes = u64::from_le_bytes(live).min(file.bytes);
            }
        }
    }

    pub fn size_bytes(&self) -> u64 {
        self.state.read().files.values().map(|file| file.bytes).sum()
    }

    fn path(&self, number: u32) -> PathBuf {
        self.folder.join(format!("{number:010}.{EXTENSION}"))
    }
}

pub(in super::super) fn push_record(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&(key.len() as u16).to_le_bytes());
    out.extend_from_slice(&(value.len() as u32).to_le_bytes());
    out.extend_from_slice(key);
    out.extend_from_slice(value);
    let crc = crc32c(&out[start + 4..]);
    out[start..start + 4].copy_from_slice(&crc.to_le_bytes());
}

/// The record at the start of some bytes: key and value.
pub(in super::super) fn parse_record(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (header, rest) = bytes.split_first_chunk::<HEADER_BYTES>()?;
    let [c0, c1, c2, c3, k0, k1, v0, v1, v2, v3] = *header;
    let (key, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes([k0, k1])))?;
    let (value, _) = rest.split_at_checked(u32::from_le_bytes([v0, v1, v2, v3]) as usize)?;
    let covered = &bytes[4..HEADER_BYTES + key.len() + value.len()];
    (crc32c(covered) == u32::from_le_bytes([c0, c1, c2, c3])).then_some((key, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sled_keeps_comes_back() {
        let mut bytes = Vec::new();
        Kept::Short(b"value").encode(&mut bytes);
        assert!(matches!(Kept::decode(&bytes), Some(Kept::Short(b"value"))));
        let place = Place { file: 1, offset: 2, bytes: 3 };
        Kept::Long(place).encode(&mut bytes);
        assert!(matches!(Kept::decode(&bytes), Some(Kept::Long(found)) if found == place));
        assert!(Kept::decode(&bytes[..12]).is_none() && Kept::decode(b"").is_none() && Kept::decode(b"\x07").is_none());
        Kept::Long(Place { bytes: RECORD_MAX_BYTES + 1, ..place }).encode(&mut bytes);
        assert!(Kept::decode(&bytes).is_none(), "no record is so long");
    }

    #[test]
    fn only_long_values_are_appended_and_any_flipped_byte_of_them_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let values = Values::open(folder.path(), Limits::default()).unwrap();
        let (short, long) = (vec![1; SHORT_MAX_BYTES], vec![2; SHORT_MAX_BYTES + 1]);
        let places =
            values.append(&[(b"a", Some(&short)), (b"b", Some(&long)), (b"c", None), (b"d", Some(&long))]).unwrap();
        assert_eq!(places.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true, false, true]);
        let (b, d) = (places[1].unwrap(), places[3].unwrap());
        assert_eq!(values.read(b"b", b).unwrap(), long);
        assert_eq!(values.read(b"d", d).unwrap(), long);
        assert!(values.read(b"b", d).is_err(), "another key's value");
        let path = values.path(1);
        let whole = fs::read(&path).unwrap();
        for at in (0..b.bytes as usize).step_by(7) {
            let mut bytes = whole.clone();
            bytes[at] ^= 4;
            fs::write(&path, bytes).unwrap();
            assert!(values.read(b"b", b).is_err(), "byte {at}");
        }
        fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        assert!(values.read(b"d", d).is_err());
        let reopened = Values::open(folder.path(), Limits::default()).unwrap();
        assert_eq!(reopened.read(b"b", b).unwrap(), long);
        assert_eq!(
            reopened.append(&[(b"e", Some(&long))]).unwrap()[0].unwrap().file,
            2,
            "half a record is not appended to"
        );
    }
}
