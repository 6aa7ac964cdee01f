//! A checkpoint: everything in the store as of one commit, in one file that needs nothing else to be read.
//!
//! | what | payload |
//! |---|---|
//! | header, 16 bytes | `WEIRCKP1`, zeros, CRC32C of both |
//! | blocks of entries | every key with its value, in rising order of keys |
//! | blocks of changes | the commits that came while the entries were read, in order |
//! | last block | see [`Summary`] |
//!
//! A block has 16 bytes before its payload: kind, three zeros, length, number of the block, and the CRC32C of these and
//! the payload. All numbers are little endian.
//!
//! Commits go on while the entries are read, so an entry may be newer than the first sequence. The changes after it make
//! the whole exact, since they are absolute: a key that changed meanwhile has its last value there.

use super::changes;
use super::format::check_magic;
use super::io_error;
use super::journal::Catalog;
use super::shared::Shared;
use crate::store::StoreError;
use crc_fast::{CrcAlgorithm, Digest, crc32_iscsi as crc32c};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use weir_service::disk::{Disk, DiskFile};
use weir_service::planted::{Fault, planted};

const MAGIC: [u8; 8] = *b"WEIRCKP1";
const HEADER_BYTES: usize = 16;
const BLOCK_HEADER_BYTES: usize = 16;
/// A block of entries has about so many bytes. Readers and the writer wait while one is collected.
const BLOCK_BYTES: usize = 256 << 10;
/// The longest payload that is believed: a batch at its limit, with the headers of its changes.
const BLOCK_MAX_BYTES: u32 = 256 << 20;
const EXTENSION: &str = "checkpoint";
pub(super) const TEMPORARY_EXTENSION: &str = "temporary";
const SUMMARY_BYTES: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Entries = 1,
    Changes = 2,
    End = 3,
}

/// What a checkpoint has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The last commit before the entries were read.
    pub from: u64,
    /// The last commit that it has.
    pub sequence: u64,
    pub entries: u64,
    /// Blocks of changes after the entries.
    pub changes: u64,
}

/// The name of the checkpoint of a sequence.
pub(super) fn name(sequence: u64) -> String {
    format!("{sequence:020}.{EXTENSION}")
}

/// The sequences of the checkpoints in a folder, rising.
pub(super) fn list(disk: &dyn Disk, folder: &Path) -> Result<Vec<u64>, StoreError> {
    let names = disk.list(folder).map_err(io_error("list", folder))?;
    let sequence = |name: &PathBuf| name.to_str()?.strip_suffix(EXTENSION)?.strip_suffix('.')?.parse().ok();
    let mut sequences: Vec<u64> = names.iter().filter_map(sequence).collect();
    sequences.sort_unstable();
    Ok(sequences)
}

/// Removes what an interrupted checkpoint left.
pub(super) fn remove_unfinished(disk: &dyn Disk, folder: &Path) -> Result<(), StoreError> {
    for name in disk.list(folder).map_err(io_error("list", folder))? {
        if name.extension().is_some_and(|extension| extension == TEMPORARY_EXTENSION) {
            let path = folder.join(name);
            disk.remove_file(&path).map_err(io_error("remove", &path))?;
        }
    }
    Ok(())
}

/// What a checkpoint may take of its disk.
pub(super) struct Room {
    pub disk: Arc<dyn Disk>,
    /// It is given up where less would stay free.
    pub spare_bytes: u64,
    /// What it has taken so far.
    pub taken_bytes: Arc<AtomicU64>,
}

/// Writes a checkpoint of the store into a folder, reads it back, and gives it its name; durable when this returns.
pub(super) fn write(
    room: &Room,
    folder: &Path,
    shared: &Shared,
    catalog: &Catalog,
) -> Result<(PathBuf, Summary), StoreError> {
    let temporary = folder.join(format!("checkpoint.{TEMPORARY_EXTENSION}"));
    let disk = &room.disk;
    let made = write_temporary(room, &temporary, shared, catalog).and_then(|summary| {
        let path = folder.join(name(summary.sequence));
        disk.rename(&temporary, &path).map_err(io_error("rename", &temporary))?;
        disk.sync_dir(folder).map_err(io_error("sync", folder))?;
        Ok((path, summary))
    });
    if made.is_err() {
        // It takes space; if this fails too, the next start removes it.
        let _ = disk.remove_file(&temporary);
    }
    made
}

fn write_temporary(room: &Room, path: &Path, shared: &Shared, catalog: &Catalog) -> Result<Summary, StoreError> {
    let disk = &*room.disk;
    if disk.exists(path).map_err(io_error("look for", path))? {
        disk.remove_file(path).map_err(io_error("remove", path))?;
    }
    let mut blocks = BlockWriter::create(room, path)?;
    let mut from = shared.applied();
    let entries = write_entries(&mut blocks, shared)?;
    if planted(Fault::CheckpointMissesNewest) {
        from = shared.applied();
    }
    let sequence = shared.applied();
    let mut changes = 0;
    catalog.read(from, sequence, &mut |_, payload| {
        changes += 1;
        blocks.write(Kind::Changes, payload)
    })?;
    let summary = Summary { from, sequence, entries, changes };
    blocks.write(Kind::End, &summary.encode())?;
    blocks.file.sync_data().map_err(io_error("sync", path))?;
    let found = read(disk, path, &mut |_| Ok(()))?;
    if found == summary { Ok(summary) } else { Err(damaged(path, format!("it was read back with {found:?}"))) }
}

fn write_entries(blocks: &mut BlockWriter<'_>, shared: &Shared) -> Result<u64, StoreError> {
    let (mut payload, mut after, mut entries) = (Vec::new(), None, 0);
    loop {
        if shared.is_closing() {
            return Err(StoreError::Stopped { reason: "it is closed".into() });
        }
        payload.clear();
        let next = shared.with_index(|index| {
            index.visit_after(after.as_deref(), BLOCK_BYTES, &mut |change| {
                changes::push(&mut payload, change);
                entries += 1;
            })
        })?;
        blocks.write(Kind::Entries, &payload)?;
        match next {
            Some(key) => after = Some(key),
            None => return Ok(entries),
        }
    }
}

/// Looks at what a checkpoint begins with.
///
/// # Errors
/// [`StoreError::Newer`]. Damage is found by who reads it.
pub(super) fn check_format(disk: &dyn Disk, path: &Path) -> Result<(), StoreError> {
    match BlockReader::open(disk, path) {
        Ok(_) | Err(StoreError::Damaged { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Reads a checkpoint; `visit` gets the changes of each block, in order. Entries are changes too.
///
/// # Errors
/// [`StoreError::Damaged`]: it is not whole. [`StoreError::Newer`]. What `visit` says.
pub(super) fn read(
    disk: &dyn Disk,
    path: &Path,
    visit: &mut dyn FnMut(&[u8]) -> Result<(), StoreError>,
) -> Result<Summary, StoreError> {
    let mut blocks = BlockReader::open(disk, path)?;
    let (mut entries, mut changes, mut last_key) = (0, 0, None::<Vec<u8>>);
    let mut payload = Vec::new();
    loop {
        match blocks.next(&mut payload)? {
            Kind::Entries if changes == 0 => {
                for change in changes::read(&payload) {
                    match change {
                        Ok((key, Some(_))) if last_key.as_deref().is_none_or(|last| last < key) => {
                            entries += 1;
                            let last = last_key.get_or_insert_default();
                            last.clear();
                            last.extend_from_slice(key);
                        }
                        _ => return Err(damaged(path, "its entries are out of order".into())),
                    }
                }
            }
            Kind::Entries => return Err(damaged(path, "entries come after changes".into())),
            Kind::Changes => changes += 1,
            Kind::End => {
                let summary = Summary::decode(&payload).ok_or_else(|| damaged(path, "it has no summary".into()))?;
                if (summary.entries, summary.changes) != (entries, changes) {
                    return Err(damaged(path, format!("{summary:?} is said, {entries} and {changes} are there")));
                }
                return Ok(summary);
            }
        }
        visit(&payload)?;
    }
}

fn damaged(path: &Path, detail: String) -> StoreError {
    StoreError::Damaged { what: format!("the checkpoint {}", path.display()), detail }
}

impl Summary {
    fn encode(&self) -> [u8; SUMMARY_BYTES] {
        let mut bytes = [0; SUMMARY_BYTES];
        for (place, number) in [self.from, self.sequence, self.entries, self.changes].into_iter().enumerate() {
            bytes[place * 8..place * 8 + 8].copy_from_slice(&number.to_le_bytes());
        }
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (numbers, rest) = bytes.as_chunks::<8>();
        match (numbers, rest) {
            ([from, sequence, entries, changes], []) => {
                let number = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes);
                Some(Self {
                    from: number(from),
                    sequence: number(sequence),
                    entries: number(entries),
                    changes: number(changes),
                })
            }
            _ => None,
        }
    }
}

fn header() -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    bytes[0..8].copy_from_slice(&MAGIC);
    let crc = crc32c(&bytes[0..12]);
    bytes[12..16].copy_from_slice(&crc.to_le_bytes());
    bytes
}

fn block_crc(header: &[u8], payload: &[u8]) -> u32 {
    let mut digest = Digest::new(CrcAlgorithm::Crc32Iscsi);
    digest.update(&header[0..12]);
    digest.update(payload);
    // A CRC of 32 bits.
    digest.finalize() as u32
}

pub(super) struct BlockWriter<'a> {
    room: &'a Room,
    file: Arc<dyn DiskFile>,
    path: PathBuf,
    offset: u64,
    number: u32,
    buffer: Vec<u8>,
}

impl<'a> BlockWriter<'a> {
    pub fn create(room: &'a Room, path: &Path) -> Result<Self, StoreError> {
        let file = room.disk.create_new(path).map_err(io_error("create", path))?;
        file.write_all_at(&header(), 0).map_err(io_error("write", path))?;
        Ok(Self { room, file, path: path.to_path_buf(), offset: HEADER_BYTES as u64, number: 0, buffer: Vec::new() })
    }

    pub fn write(&mut self, kind: Kind, payload: &[u8]) -> Result<(), StoreError> {
        self.check_space(payload.len() as u64)?;
        let mut header = [0; BLOCK_HEADER_BYTES];
        header[0] = kind as u8;
        header[4..8].copy_from_slice(&(payload.len() as u32).to_le_bytes());
        header[8..12].copy_from_slice(&self.number.to_le_bytes());
        let crc = block_crc(&header, payload);
        header[12..16].copy_from_slice(&crc.to_le_bytes());
        self.buffer.clear();
        self.buffer.extend_from_slice(&header);
        self.buffer.extend_from_slice(payload);
        self.file.write_all_at(&self.buffer, self.offset).map_err(io_error("write", &self.path))?;
        self.offset += self.buffer.len() as u64;
        self.room.taken_bytes.store(self.offset, Ordering::Relaxed);
        self.number += 1;
        Ok(())
    }

    /// Where nothing tells, the write itself will.
    fn check_space(&self, bytes: u64) -> Result<(), StoreError> {
        match self.room.disk.space(&self.path) {
            Ok(space) if space.available_bytes < self.room.spare_bytes.saturating_add(bytes) => {
                Err(io_error("write", &self.path)(io::ErrorKind::StorageFull.into()))
            }
            _ => Ok(()),
        }
    }
}

struct BlockReader {
    file: Arc<dyn DiskFile>,
    path: PathBuf,
    length: u64,
    offset: u64,
    number: u32,
}

impl BlockReader {
    fn open(disk: &dyn Disk, path: &Path) -> Result<Self, StoreError> {
        let file = disk.open(path).map_err(io_error("open", path))?;
        let length = file.len().map_err(io_error("measure", path))?;
        let mut reader = Self { file, path: path.to_path_buf(), length, offset: 0, number: 0 };
        let mut found = [0; HEADER_BYTES];
        reader.read_exact(&mut found)?;
        if found != header() {
            if found[12..16] == crc32c(&found[0..12]).to_le_bytes() {
                check_magic(path, &found, &MAGIC)?;
            }
            return Err(damaged(path, "its header is not valid".into()));
        }
        Ok(reader)
    }

    fn read_exact(&mut self, buffer: &mut [u8]) -> Result<(), StoreError> {
        let end = self.offset + buffer.len() as u64;
        if end > self.length {
            return Err(damaged(&self.path, format!("it ends at byte {}", self.length)));
        }
        self.file.read_exact_at(buffer, self.offset).map_err(io_error("read", &self.path))?;
        self.offset = end;
        Ok(())
    }

    fn next(&mut self, payload: &mut Vec<u8>) -> Result<Kind, StoreError> {
        let start = self.offset;
        let mut header = [0; BLOCK_HEADER_BYTES];
        self.read_exact(&mut header)?;
        let [kind, _, _, _, l0, l1, l2, l3, n0, n1, n2, n3, c0, c1, c2, c3] = header;
        let length = u32::from_le_bytes([l0, l1, l2, l3]);
        let bad = || damaged(&self.path, format!("the block at byte {start} is not valid"));
        let kind = match kind {
            1 => Kind::Entries,
            2 => Kind::Changes,
            3 => Kind::End,
            _ => return Err(bad()),
        };
        if length > BLOCK_MAX_BYTES
            || u64::from(length) > self.length - self.offset
            || u32::from_le_bytes([n0, n1, n2, n3]) != self.number
        {
            return Err(bad());
        }
        payload.resize(length as usize, 0);
        self.read_exact(payload)?;
        if block_crc(&header, payload) != u32::from_le_bytes([c0, c1, c2, c3]) {
            return Err(damaged(&self.path, format!("the block at byte {start} is not valid")));
        }
        self.number += 1;
        Ok(kind)
    }
}
