//! What a start finds in the folders of block files.

use super::format::{self, Found, HEADER_BYTES, SUMMARY_BYTES, Summary};
use crate::store::checksum::crc32c;
use crate::store::error::{StoreError, is_damage, is_unreadable};
use crate::store::layout::{Layout, block_file_id};
use parking_lot::Mutex;
use std::io;
use std::path::{Path, PathBuf};
use weir_proto::BlockId;
use weir_service::disk::{Disk, DiskFile};
use weir_service::threads;

/// Small reads wait for the disk, not for the processor: many at a time.
const THREADS: usize = 8;

/// The block files that a start found.
#[derive(Debug, Default)]
pub struct Opened {
    /// Finished files, and their blocks' lengths.
    pub live: Vec<(BlockId, u32)>,
    /// Of these: what the disk did not give, with what it said.
    pub unreadable: Vec<(BlockId, u32, String)>,
    /// Finished once, and wrong now; with what was found.
    pub damaged: Vec<(BlockId, String)>,
    /// What was left of unacknowledged writes, and has been removed.
    pub removed_count: u64,
}

/// Looks at every block file and removes the unfinished ones.
///
/// # Errors
/// [`StoreError::Io`]; [`StoreError::Newer`]: one is of a newer build.
pub fn recover(disk: &dyn Disk, layout: &Layout) -> Result<Opened, StoreError> {
    let shards = Mutex::new(disk.list(&layout.files).map_err(StoreError::io("list", &layout.files))?);
    let opened = Mutex::new(Opened::default());
    let work = || -> Result<(), StoreError> {
        loop {
            let Some(shard) = shards.lock().pop() else { return Ok(()) };
            let found = recover_shard(disk, &layout.files.join(shard))?;
            let mut opened = opened.lock();
            opened.live.extend(found.live);
            opened.unreadable.extend(found.unreadable);
            opened.damaged.extend(found.damaged);
            opened.removed_count += found.removed_count;
        }
    };
    threads::side_by_side(vec![work; THREADS]).into_iter().collect::<Result<(), _>>()?;
    Ok(opened.into_inner())
}

fn recover_shard(disk: &dyn Disk, shard: &Path) -> Result<Opened, StoreError> {
    let mut opened = Opened::default();
    let names: Vec<PathBuf> = disk.list(shard).map_err(StoreError::io("list", shard))?;
    for name in names {
        let path = shard.join(&name);
        let Some(id) = block_file_id(&name) else {
            tracing::warn!(path = %path.display(), "not a block file: left alone");
            continue;
        };
        match look(disk, &path, id).map_err(StoreError::io("read", &path))? {
            Verdict::Live(length_bytes) => opened.live.push((id, length_bytes)),
            Verdict::Unreadable(length_bytes, fault) => {
                opened.live.push((id, length_bytes));
                opened.unreadable.push((id, length_bytes, fault));
            }
            Verdict::Damaged(fault) => opened.damaged.push((id, fault)),
            Verdict::Newer(version) => {
                let (found, known) = (u64::from(version), u64::from(format::VERSION));
                return Err(StoreError::Newer { path, found, known });
            }
            Verdict::Remainder => {
                disk.remove_file(&path).map_err(StoreError::io("remove", &path))?;
                opened.removed_count += 1;
            }
        }
    }
    Ok(opened)
}

#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    Live(u32),
    /// The disk does not give what it has to say. It has the length of a finished file; a read will tell.
    Unreadable(u32, String),
    Remainder,
    Damaged(String),
    /// A newer build wrote it, in this version of the format.
    Newer(u32),
}

pub fn look(disk: &dyn Disk, path: &Path, id: BlockId) -> io::Result<Verdict> {
    let file = disk.open(path)?;
    let file_bytes = file.len()?;
    let at = |offset: Option<u64>| match offset {
        Some(offset) => summary_at(&*file, file_bytes, offset, id),
        None => Ok(Found::Blank),
    };
    let result = at(Some(format::SUMMARY_OFFSET))
        .and_then(|first| Ok((first, at(file_bytes.checked_sub(SUMMARY_BYTES as u64))?)))
        .and_then(|(first, second)| judge(&*file, file_bytes, first, second));
    let length_bytes = format::length_bytes(file_bytes).and_then(|length_bytes| u32::try_from(length_bytes).ok());
    match (result, length_bytes) {
        (Err(error), Some(length_bytes)) if is_unreadable(&error) => {
            Ok(Verdict::Unreadable(length_bytes, error.to_string()))
        }
        (Err(error), _) if is_damage(&error) => Ok(Verdict::Damaged(error.to_string())),
        (result, _) => result,
    }
}

fn summary_at(file: &dyn DiskFile, file_bytes: u64, offset: u64, id: BlockId) -> io::Result<Found> {
    if offset + SUMMARY_BYTES as u64 > file_bytes {
        return Ok(Found::Blank);
    }
    let mut bytes = [0; SUMMARY_BYTES];
    file.read_exact_at(&mut bytes, offset)?;
    Ok(Summary::decode(id, &bytes))
}

/// Tells a finished file from the remainder of an unfinished one. An unfinished one may have any of its pages on disk,
/// also its last, but what is missing is blank or holds the block's bytes; a finished one has both summaries.
fn judge(file: &dyn DiskFile, file_bytes: u64, first: Found, second: Found) -> io::Result<Verdict> {
    let summary = match (first, second) {
        (Found::Valid(summary), _) | (_, Found::Valid(summary)) => summary,
        _ if let Some(version) = newer_version(file, file_bytes)? => return Ok(Verdict::Newer(version)),
        (Found::Blank, _) => return Ok(Verdict::Remainder),
        (Found::Bad, _) => return Ok(Verdict::Damaged("both summaries are wrong".into())),
    };
    if page_crcs_right(file, file_bytes, &summary)? {
        return Ok(Verdict::Live(u32::try_from(summary.length_bytes).unwrap_or(u32::MAX)));
    }
    if first == Found::Blank || second == Found::Blank {
        return Ok(Verdict::Remainder);
    }
    Ok(Verdict::Damaged("the page checksums are wrong".into()))
}

/// A newer build's file may look like anything but for its header.
fn newer_version(file: &dyn DiskFile, file_bytes: u64) -> io::Result<Option<u32>> {
    let mut header = [0; HEADER_BYTES];
    if file_bytes < HEADER_BYTES as u64 {
        return Ok(None);
    }
    file.read_exact_at(&mut header, 0)?;
    Ok(format::newer_version(&header))
}

fn page_crcs_right(file: &dyn DiskFile, file_bytes: u64, summary: &Summary) -> io::Result<bool> {
    if format::file_bytes(summary.length_bytes) != file_bytes {
        return Ok(false);
    }
    let offset = format::page_crcs_offset(summary.length_bytes);
    let mut crcs = vec![0; (format::trailer_offset(summary.length_bytes) - offset) as usize];
    file.read_exact_at(&mut crcs, offset)?;
    Ok(crc32c(&crcs) == summary.page_crcs_crc)
}
