//! A segment: one preallocated file of the journal.
//!
//! | bytes | what, little endian |
//! |---|---|
//! | 0..8 | `WEIRJRN1` |
//! | 8..16 | number of the segment; they rise by one |
//! | 16..24 | salt: random, in the checksum of every frame |
//! | 60..64 | CRC32C of bytes 0..60 |
//! | 64.. | frames; after the last one, zeros |
//!
//! A segment is durable, name and all, before the first frame goes in. Space is never used twice.

use super::super::format::check_magic;
use super::super::io_error;
use super::frame::{FRAME_HEADER_BYTES, FrameHeader, u32_at, u64_at};
use crate::store::StoreError;
use crc_fast::crc32_iscsi as crc32c;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use weir_service::disk::{Disk, DiskFile};
use weir_service::planted::{Fault, planted};

pub(in super::super) const SEGMENT_HEADER_BYTES: u64 = 64;
const MAGIC: [u8; 8] = *b"WEIRJRN1";
const EXTENSION: &str = "journal";
/// How much of a segment is read at a time.
pub(super) const READ_BYTES: u64 = 256 << 10;

pub(in super::super) struct Segment {
    pub number: u64,
    pub salt: u64,
    pub capacity: u64,
    pub path: PathBuf,
    pub file: Arc<dyn DiskFile>,
}

/// The path of a segment.
pub(in super::super) fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:020}.{EXTENSION}"))
}

/// The numbers of the segments in a folder, rising.
pub(super) fn numbers(disk: &dyn Disk, folder: &Path) -> Result<Vec<u64>, StoreError> {
    let names = disk.list(folder).map_err(io_error("list", folder))?;
    let number = |name: &PathBuf| name.to_str()?.strip_suffix(EXTENSION)?.strip_suffix('.')?.parse().ok();
    let mut numbers: Vec<u64> = names.iter().filter_map(number).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

impl Segment {
    /// Makes a segment with room for `capacity` bytes, header included, durably.
    pub fn create(disk: &dyn Disk, folder: &Path, number: u64, capacity: u64, salt: u64) -> Result<Self, StoreError> {
        let path = path(folder, number);
        let file = disk.create_new(&path).map_err(io_error("create", &path))?;
        if let Err(source) = file.allocate(capacity) {
            // So that it can be tried again when there is space. If this fails too, the next start removes it.
            let _ = disk.remove_file(&path);
            return Err(io_error("allocate", &path)(source));
        }
        file.write_all_at(&header(number, salt), 0).map_err(io_error("write", &path))?;
        file.sync_data().map_err(io_error("sync", &path))?;
        if !planted(Fault::JournalFolderNotSynced) {
            disk.sync_dir(folder).map_err(io_error("sync", folder))?;
        }
        Ok(Self { number, salt, capacity, path, file })
    }

    /// `None`: the file has no header yet, and nothing else; the power failed while it was made.
    ///
    /// # Errors
    /// [`StoreError::Newer`], [`StoreError::Damaged`].
    pub fn open(disk: &dyn Disk, folder: &Path, number: u64) -> Result<Option<Self>, StoreError> {
        let path = path(folder, number);
        let file = disk.open(&path).map_err(io_error("open", &path))?;
        let capacity = file.len().map_err(io_error("measure", &path))?;
        let mut bytes = [0; SEGMENT_HEADER_BYTES as usize];
        if capacity >= SEGMENT_HEADER_BYTES {
            file.read_exact_at(&mut bytes, 0).map_err(io_error("read", &path))?;
            let salt = u64_at(&bytes, 16);
            if bytes == header(number, salt) {
                return Ok(Some(Self { number, salt, capacity, path, file }));
            }
        }
        if is_sealed(&bytes) {
            check_magic(&path, &bytes, &MAGIC)?;
        }
        let segment = Self { number, salt: 0, capacity, path, file };
        match segment.first_not_zero(0)? {
            None => Ok(None),
            Some(_) => Err(segment.damaged("its header is not valid".into())),
        }
    }

    pub fn damaged(&self, detail: String) -> StoreError {
        StoreError::Damaged { what: format!("the journal segment {}", self.path.display()), detail }
    }

    /// The frame at an offset, with its payload in `buffer`. `None`: there is none.
    pub fn frame_at<'a>(
        &self,
        offset: u64,
        window: &'a mut Window,
    ) -> Result<Option<(FrameHeader, &'a [u8])>, StoreError> {
        let header_bytes = FRAME_HEADER_BYTES as u64;
        let Some(bytes) = window.read(self, offset, header_bytes)?.first_chunk::<FRAME_HEADER_BYTES>() else {
            return Ok(None);
        };
        let Some(header) = FrameHeader::decode(bytes, self.salt, offset) else { return Ok(None) };
        let payload = window.read(self, offset + header_bytes, u64::from(header.payload_bytes))?;
        let is_whole = header.fits(payload) || planted(Fault::JournalCrcUnchecked);
        Ok(is_whole.then_some((header, payload)))
    }

    /// The first byte at or after an offset that is not zero.
    pub fn first_not_zero(&self, from: u64) -> Result<Option<u64>, StoreError> {
        let mut buffer = vec![0; READ_BYTES as usize];
        let mut offset = from;
        while offset < self.capacity {
            let length = READ_BYTES.min(self.capacity - offset) as usize;
            self.file.read_exact_at(&mut buffer[..length], offset).map_err(io_error("read", &self.path))?;
            if let Some(at) = buffer[..length].iter().position(|byte| *byte != 0) {
                return Ok(Some(offset + at as u64));
            }
            offset += length as u64;
        }
        Ok(None)
    }
}

/// A part of a segment in memory, so that small frames do not take two reads each.
#[derive(Default)]
pub(in super::super) struct Window {
    start: u64,
    bytes: Vec<u8>,
}

impl Window {
    /// The bytes from `offset` on; fewer than `length` at the end of the segment. A window belongs to one segment.
    fn read(&mut self, segment: &Segment, offset: u64, length: u64) -> Result<&[u8], StoreError> {
        let length = length.min(segment.capacity.saturating_sub(offset));
        let held = self.start..self.start + self.bytes.len() as u64;
        if offset < held.start || offset + length > held.end {
            let ahead = length.max(READ_BYTES).min(segment.capacity.saturating_sub(offset));
            self.bytes.resize(ahead as usize, 0);
            self.start = offset;
            segment.file.read_exact_at(&mut self.bytes, offset).map_err(io_error("read", &segment.path))?;
        }
        let from = (offset - self.start) as usize;
        Ok(&self.bytes[from..from + length as usize])
    }
}

/// Whether a header has its checksum.
fn is_sealed(header: &[u8; SEGMENT_HEADER_BYTES as usize]) -> bool {
    u32_at(header, 60) == crc32c(&header[0..60])
}

fn header(number: u64, salt: u64) -> [u8; SEGMENT_HEADER_BYTES as usize] {
    let mut bytes = [0; SEGMENT_HEADER_BYTES as usize];
    bytes[0..8].copy_from_slice(&MAGIC);
    bytes[8..16].copy_from_slice(&number.to_le_bytes());
    bytes[16..24].copy_from_slice(&salt.to_le_bytes());
    let crc = crc32c(&bytes[0..60]);
    bytes[60..64].copy_from_slice(&crc.to_le_bytes());
    debug_assert_eq!(u32_at(&bytes, 60), crc);
    bytes
}
