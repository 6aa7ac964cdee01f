//! What a start finds in the folder of segments: sealed ones by their index files, others by reading them.

use super::filling::Filling;
use super::scan::{self, Damage, Scan};
use super::{Entry, Segment, deletions, index_file, record};
use crate::store::StoreOptions;
use crate::store::error::StoreError;
use crate::store::layout::{Layout, segment_file};
use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use weir_service::disk::{Disk, DiskFile};

/// The segments that a start found.
#[derive(Default)]
pub struct Opened {
    pub segments: Vec<Found>,
    /// Goes on being filled: `segments` has it too.
    pub open: Option<(u32, Arc<dyn DiskFile>)>,
    pub next_number: u32,
    /// Segments whose index file was missing or wrong, and which were read whole.
    pub scanned_count: u64,
}

/// One segment.
#[derive(Default)]
pub struct Found {
    pub number: u32,
    pub length_bytes: u64,
    pub sealed: bool,
    pub entries: Vec<Entry>,
    /// Offsets of records that were deleted.
    pub deleted: HashSet<u32>,
    pub damage: Vec<Damage>,
    /// See [`Scan::unreadable`].
    pub unreadable: Vec<Entry>,
    /// See [`Scan::has_gap`].
    pub has_gap: bool,
}

/// The files of a segment that are there.
#[derive(Default)]
struct Files {
    segment: bool,
    others: Vec<PathBuf>,
}

/// Reads what there is, cuts torn tails, and seals what needs it. `set_aside`: segment and offset of each record that lies
/// in the quarantine.
pub fn recover(
    disk: &dyn Disk,
    layout: &Layout,
    options: &StoreOptions,
    set_aside: &HashSet<(u32, u32)>,
) -> Result<Opened, StoreError> {
    let files = list(disk, layout)?;
    let mut opened = Opened { next_number: files.keys().max().map_or(1, |&number| number + 1), ..Opened::default() };
    let last = files.iter().filter(|(_, files)| files.segment).map(|(&number, _)| number).max();
    for (number, files) in files {
        if files.segment {
            let found = recover_one(disk, layout, options, set_aside, number, Some(number) == last, &mut opened)?;
            opened.segments.extend(found);
        } else {
            // Compaction removed the segment and was cut off.
            for path in files.others {
                disk.remove_file(&path).map_err(StoreError::io("remove", &path))?;
            }
        }
    }
    Ok(opened)
}

fn list(disk: &dyn Disk, layout: &Layout) -> Result<BTreeMap<u32, Files>, StoreError> {
    let mut found: BTreeMap<u32, Files> = BTreeMap::new();
    for name in disk.list(&layout.segments).map_err(StoreError::io("list", &layout.segments))? {
        match segment_file(&name) {
            Some((number, "segment")) => found.entry(number).or_default().segment = true,
            Some((number, "index" | "deleted")) => {
                found.entry(number).or_default().others.push(layout.segments.join(&name));
            }
            _ => tracing::warn!(name = %name.display(), "not a segment: left alone"),
        }
    }
    Ok(found)
}

fn recover_one(
    disk: &dyn Disk,
    layout: &Layout,
    options: &StoreOptions,
    set_aside: &HashSet<(u32, u32)>,
    number: u32,
    last: bool,
    opened: &mut Opened,
) -> Result<Option<Found>, StoreError> {
    let path = layout.segment(number);
    let read = StoreError::io("read", &path);
    let file = disk.open(&path).map_err(StoreError::io("open", &path))?;
    let file_bytes = file.len().map_err(StoreError::io("read", &path))?;
    let deleted = deletions::read(disk, &layout.segment_deletions(number), number).unwrap_or_else(|error| {
        tracing::warn!(segment = number, %error, "its deletions could not be read; these blocks come back as garbage");
        HashSet::new()
    });
    let index_path = layout.segment_index(number);
    let index = index_file::read(disk, &index_path, number).map_err(StoreError::io("read", &index_path))?;
    // Should the file be shorter than its index says, a read of what is missing finds that, and reports the block.
    if let Some((length_bytes, entries)) = index {
        return Ok(Some(Found { number, length_bytes, sealed: true, entries, deleted, ..Found::default() }));
    }
    opened.scanned_count += 1;
    // A segment with an index file of its own, though a wrong one, was complete.
    let complete = !last || disk.exists(&index_path).map_err(StoreError::io("read", &index_path))?;
    let scan = scan::scan(&*file, number, file_bytes, complete).map_err(read)?;
    if let Some(version) = scan.newer_version {
        return Err(StoreError::Newer { path, found: version.into(), known: record::VERSION.into() });
    }
    let Scan { entries, damage, unreadable, has_gap, end, .. } = scan;
    if has_gap {
        // It stays as it is, to be read anew by the next start: nothing is cut, nothing appended, no index written.
        let sealed = true;
        let found = Found { number, length_bytes: file_bytes, sealed, entries, deleted, damage, unreadable, has_gap };
        return Ok(Some(found));
    }
    if complete && end == 0 {
        disk.remove_file(&path).map_err(StoreError::io("remove", &path))?;
        return Ok(None);
    }
    let end = u64::from(end);
    // Of a record there it is known that it was deleted or set aside: one that took its place would be taken for it.
    let is_used = deleted.iter().any(|offset| u64::from(*offset) >= end)
        || set_aside.iter().any(|(segment, offset)| *segment == number && u64::from(*offset) >= end);
    let has_room = end + record::record_bytes(0) < options.segment_bytes;
    let go_on = !complete && damage.is_empty() && has_room && !is_used;
    // What lies behind the end goes; the next append reserves space anew.
    file.set_len(end).and_then(|()| file.sync_data()).map_err(StoreError::io("cut", &path))?;
    if go_on {
        opened.open = Some((number, file));
    } else {
        let written = index_file::write(disk, &index_path, number, end, &entries);
        if let Err(error) = written.and_then(|()| disk.sync_dir(&layout.segments)) {
            tracing::warn!(segment = number, %error, "no index file could be written; the next start reads it whole too");
        }
    }
    Ok(Some(Found { number, length_bytes: end, sealed: !go_on, entries, deleted, damage, unreadable, has_gap }))
}

impl Opened {
    /// The segment to go on with.
    pub fn filling(&self, segments: &super::Segments, options: &StoreOptions) -> Option<Filling> {
        let (number, file) = self.open.as_ref()?;
        let segment = segments.get(*number)?;
        let found = self.segments.iter().find(|found| found.number == *number)?;
        Some(Filling {
            segment,
            file: file.clone(),
            capacity_bytes: options.segment_bytes,
            allocated_bytes: found.length_bytes,
            position: found.length_bytes,
            entries: found.entries.clone(),
            marked: found.length_bytes == 0,
        })
    }

    /// [`Segments`](super::Segments) as they were found.
    pub fn segments(&self) -> super::Segments {
        super::Segments::new(self.segments.iter().map(|found| Segment {
            has_gap: found.has_gap,
            ..Segment::new(found.number, found.length_bytes, found.sealed)
        }))
    }
}
