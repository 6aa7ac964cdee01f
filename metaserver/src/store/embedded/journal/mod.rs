//! The journal: the commit point. Frames ([`frame`]) are appended to preallocated segment files ([`segment`]) by one
//! writer, each made durable before anyone hears of it. [`scan`] reads them back and finds the end.

mod catalog;
pub(super) mod frame;
mod scan;
pub(super) mod segment;
#[cfg(test)]
mod tests;

use super::io_error;
use super::replication::Frame;
use crate::store::StoreError;
use bytes::Bytes;
pub(super) use catalog::Catalog;
use catalog::Listed;
use crc_fast::crc32_iscsi as crc32c;
use frame::{FRAME_HEADER_BYTES, FrameHeader, FrameId};
use parking_lot::Mutex;
pub(super) use scan::{Tail, Visit};
use segment::{SEGMENT_HEADER_BYTES, Segment, Window};
use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;
use weir_service::clock::Clock;
use weir_service::disk::Disk;
use weir_service::planted::{Fault, planted};
use weir_service::threads::Beside;

/// The smallest segment: smaller settings are rounded up.
const SEGMENT_MIN_BYTES: u64 = 4 << 10;

/// Memory for frames that is kept between them.
const BUFFER_KEPT_BYTES: usize = 4 << 20;

/// Where and how segments are made.
#[derive(Clone)]
pub(super) struct Folder {
    pub path: PathBuf,
    pub segment_bytes: u64,
    pub disk: Arc<dyn Disk>,
    pub clock: Arc<dyn Clock>,
}

/// Why a frame was not appended.
#[derive(Debug)]
pub(super) enum AppendError {
    /// There is no space for a new segment. Nothing was written; the journal goes on.
    NoSpace,
    /// It may or may not be on disk. The journal must not be written any more.
    Fatal(StoreError),
}

/// What was read at start.
pub(super) struct Scanned {
    folder: Folder,
    segments: Vec<Segment>,
    firsts: Vec<Option<u64>>,
}

impl Folder {
    fn create(&self, number: u64, capacity: u64) -> Result<Segment, StoreError> {
        let capacity = capacity.max(self.segment_bytes).max(SEGMENT_MIN_BYTES);
        Segment::create(&*self.disk, &self.path, number, capacity, self.clock.random_u64())
    }
}

impl Scanned {
    /// Reads which segments there are. Removes the last one if the power failed while it was made. Makes the first one
    /// of a new store.
    ///
    /// # Errors
    /// [`StoreError::Damaged`]: one is missing between others, or has no valid header, or there is none although the
    /// store is not `new`.
    pub fn read(folder: Folder, new: bool) -> Result<Self, StoreError> {
        let numbers = segment::numbers(&*folder.disk, &folder.path)?;
        let mut segments = Vec::with_capacity(numbers.len());
        for (index, number) in numbers.iter().enumerate() {
            if index > 0 && numbers[index - 1] + 1 != *number {
                let what = format!("the journal in {}", folder.path.display());
                return Err(StoreError::Damaged { what, detail: format!("segment {} is missing", number - 1) });
            }
            match Segment::open(&*folder.disk, &folder.path, *number)? {
                Some(segment) => segments.push(segment),
                None if index + 1 == numbers.len() => {
                    let path = segment::path(&folder.path, *number);
                    folder.disk.remove_file(&path).map_err(io_error("remove", &path))?;
                    folder.disk.sync_dir(&folder.path).map_err(io_error("sync", &folder.path))?;
                }
                None => {
                    let what = format!("the journal segment {}", segment::path(&folder.path, *number).display());
                    return Err(StoreError::Damaged { what, detail: "it has no header".into() });
                }
            }
        }
        if segments.is_empty() {
            if !new {
                let what = format!("the journal in {}", folder.path.display());
                return Err(StoreError::Damaged {
                    what,
                    detail: "it has no segments, and the store is not new".into(),
                });
            }
            segments.push(folder.create(1, 0)?);
        }
        let firsts = scan::first_sequences(&segments)?;
        Ok(Self { folder, segments, firsts })
    }

    /// Whether there is any commit.
    pub fn is_empty(&self) -> bool {
        self.firsts.iter().all(Option::is_none)
    }

    /// Whether the commits after `after` are all here, as far as the beginnings of the segments tell.
    pub fn reaches_back_to(&self, after: u64) -> bool {
        self.firsts.iter().flatten().next().is_none_or(|first| *first <= after + 1)
    }

    /// Visits what comes after commit `after`.
    ///
    /// # Errors
    /// [`StoreError::Damaged`]: acknowledged commits are not readable. What `visit` says.
    pub fn replay(&self, after: u64, visit: &mut Visit<'_>) -> Result<Tail, StoreError> {
        scan::replay(&self.segments, &self.firsts, after, visit)
    }

    /// Goes on writing at the tail. `last`: the last commit, also where no frame tells.
    ///
    /// What lies after the tail is cut. The last frame is written once more and waited for: if its fdatasync failed
    /// before the stop, the page cache holds it as clean although the disk never got it.
    pub fn into_journal(mut self, tail: Tail, last: u64) -> Result<Journal, StoreError> {
        let cut_bytes = scan::cut(&self.segments, &tail)?;
        if cut_bytes > 0 {
            tracing::warn!(cut_bytes, last, "the journal had an unacknowledged tail; it was cut");
        }
        let last_frame = match tail.last_frame {
            Some((index, offset)) => rewrite(&self.segments[index], offset)?,
            None => None,
        };
        let run = self.folder.clock.random_u64() as u32;
        let mut listed: VecDeque<Listed> = self
            .segments
            .iter()
            .zip(&self.firsts)
            .map(|(segment, first)| Listed { number: segment.number, first: *first, used_bytes: segment.capacity })
            .collect();
        for (index, unused) in listed.iter_mut().enumerate().skip(tail.segment) {
            unused.used_bytes = if index == tail.segment { tail.offset } else { 0 };
        }
        let catalog = Catalog { folder: self.folder, listed: Arc::new(Mutex::new(listed)) };
        // There is a segment at least, and the tail lies in one.
        let mut rest = self.segments.split_off(tail.segment);
        let current = rest.remove(0);
        Ok(Journal {
            offset: tail.offset,
            current,
            prepared: rest.into(),
            preparing: None,
            catalog,
            last,
            last_sync: None,
            last_frame,
            run,
            staged: None,
            buffer: Vec::new(),
        })
    }
}

fn rewrite(segment: &Segment, offset: u64) -> Result<Option<FrameId>, StoreError> {
    let mut window = Window::default();
    let mut found = None;
    if let Some((header, payload)) = segment.frame_at(offset, &mut window)? {
        let mut bytes = header.encode(segment.salt, offset).to_vec();
        bytes.extend_from_slice(payload);
        segment.file.write_all_at(&bytes, offset).map_err(io_error("write", &segment.path))?;
        found = Some(header.id());
    }
    segment.file.sync_data().map_err(io_error("sync", &segment.path))?;
    Ok(found)
}

/// The end of the journal that is written to. One owner: the writer.
pub(super) struct Journal {
    catalog: Catalog,
    current: Segment,
    offset: u64,
    /// Segments found at start that have no frame.
    prepared: VecDeque<Segment>,
    /// The next segment, while it is made.
    preparing: Option<Beside<Result<Segment, StoreError>>>,
    last: u64,
    last_sync: Option<(Instant, Instant)>,
    /// The last frame; `None`: there is none.
    last_frame: Option<FrameId>,
    /// Of the frames that are made here.
    run: u32,
    /// The header of the frame in the buffer, which has a place and is not written yet.
    staged: Option<FrameHeader>,
    buffer: Vec<u8>,
}

impl Journal {
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The last durable commit.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// When the fdatasync of the last frame began and ended; none: nothing was appended yet.
    pub fn last_sync(&self) -> Option<(Instant, Instant)> {
        self.last_sync
    }

    /// Names the last frame. `None`: there is none.
    pub fn last_frame(&self) -> Option<FrameId> {
        self.last_frame
    }

    /// Prepares a frame with the commits from the one after the last up to `last`; `fill` writes the payload. It has a
    /// place: only the disk can refuse it now.
    pub fn stage(&mut self, last: u64, fill: impl FnOnce(&mut Vec<u8>)) -> Result<(), AppendError> {
        self.buffer.clear();
        self.buffer.resize(FRAME_HEADER_BYTES, 0);
        fill(&mut self.buffer);
        let payload = &self.buffer[FRAME_HEADER_BYTES..];
        let header = FrameHeader {
            first: self.last + 1,
            last,
            durable: self.last,
            // A batch is at most MAX_BATCH_BYTES, a group little more.
            payload_bytes: payload.len() as u32,
            payload_crc: crc32c(payload),
            run: self.run,
        };
        self.make_room(header.stride())?;
        self.staged = Some(header);
        Ok(())
    }

    /// The staged frame, for another machine.
    pub fn staged(&self) -> Option<Frame> {
        let header = self.staged.as_ref()?;
        Some(Frame::new(header, Bytes::copy_from_slice(&self.buffer[FRAME_HEADER_BYTES..])))
    }

    /// Appends the staged frame. Returns the bytes appended, when they are durable.
    pub fn append_staged(&mut self) -> Result<u64, AppendError> {
        let Some(header) = self.staged.take() else { return Ok(0) };
        self.write(&header)?;
        self.sync()?;
        self.buffer.shrink_to(BUFFER_KEPT_BYTES);
        Ok(header.stride())
    }

    /// Appends frames that another machine has made, in their order. Returns the bytes appended, when they are durable.
    /// Where one is not the next, it and those after it are left out.
    pub fn append_received<'a>(&mut self, frames: impl Iterator<Item = &'a Frame>) -> Result<u64, AppendError> {
        let (durable, mut bytes) = (self.last, 0);
        for frame in frames {
            if frame.first != self.last + 1 {
                break;
            }
            let header = FrameHeader {
                first: frame.first,
                last: frame.last,
                durable,
                payload_bytes: frame.payload.len() as u32,
                payload_crc: frame.payload_crc,
                run: frame.run,
            };
            if self.offset + header.stride() > self.current.capacity {
                self.sync()?;
            }
            // No space: what was written so far is durable, and stays.
            match self.make_room(header.stride()) {
                Err(AppendError::NoSpace) if bytes > 0 => return Ok(bytes),
                made => made?,
            }
            self.buffer.clear();
            self.buffer.resize(FRAME_HEADER_BYTES, 0);
            self.buffer.extend_from_slice(&frame.payload);
            self.write(&header)?;
            bytes += header.stride();
        }
        self.sync()?;
        self.buffer.shrink_to(BUFFER_KEPT_BYTES);
        Ok(bytes)
    }

    fn make_room(&mut self, stride: u64) -> Result<(), AppendError> {
        if self.offset + stride > self.current.capacity {
            self.rotate(SEGMENT_HEADER_BYTES + stride)?;
        }
        Ok(())
    }

    /// Writes the frame in the buffer, without waiting for the disk.
    fn write(&mut self, header: &FrameHeader) -> Result<(), AppendError> {
        self.buffer[..FRAME_HEADER_BYTES].copy_from_slice(&header.encode(self.current.salt, self.offset));
        let Segment { file, path, .. } = &self.current;
        let written = file.write_all_at(&self.buffer, self.offset);
        written.map_err(|source| AppendError::Fatal(io_error("write", path)(source)))?;
        self.offset += header.stride();
        self.last = header.last;
        self.last_frame = Some(header.id());
        self.list(Some(header.first));
        Ok(())
    }

    fn sync(&mut self) -> Result<(), AppendError> {
        let Segment { file, path, .. } = &self.current;
        let began = Instant::now();
        let mut synced = if planted(Fault::JournalNotSynced) { Ok(()) } else { file.sync_data() };
        if planted(Fault::FailedSyncBelieved) {
            synced = synced.or_else(|_| file.sync_data());
        }
        synced.map_err(|source| AppendError::Fatal(io_error("sync", path)(source)))?;
        self.last_sync = Some((began, Instant::now()));
        self.prepare_next();
        Ok(())
    }

    /// Goes on in the next segment, with room for `needed` bytes.
    fn rotate(&mut self, needed: u64) -> Result<(), AppendError> {
        let next = match (self.prepared.pop_front(), self.preparing.take()) {
            (Some(segment), _) => Ok(segment),
            (None, Some(beside)) => made(beside),
            (None, None) => self.catalog.folder.create(self.current.number + 1, needed),
        };
        let mut next = next.map_err(AppendError::from)?;
        if next.capacity < needed {
            let enlarged = next.file.allocate(needed).map_err(io_error("allocate", &next.path));
            if let Err(error) = enlarged {
                self.prepared.push_front(next);
                return Err(error.into());
            }
            next.file.sync_data().map_err(io_error("sync", &next.path)).map_err(AppendError::Fatal)?;
            next.capacity = needed;
        }
        self.current = next;
        self.offset = SEGMENT_HEADER_BYTES;
        self.list(None);
        Ok(())
    }

    /// Brings the catalog's entry of the current segment up to date.
    fn list(&self, first: Option<u64>) {
        let mut listed = self.catalog.listed.lock();
        let number = self.current.number;
        match listed.iter_mut().rev().find(|listed| listed.number == number) {
            Some(entry) => {
                entry.first = entry.first.or(first);
                entry.used_bytes = self.offset;
            }
            None => listed.push_back(Listed { number, first, used_bytes: self.offset }),
        }
    }

    /// Has the next segment made in the background when this one is half full.
    fn prepare_next(&mut self) {
        if !self.prepared.is_empty() || self.preparing.is_some() || self.offset < self.current.capacity / 2 {
            return;
        }
        let (folder, number) = (self.catalog.folder.clone(), self.current.number + 1);
        let make = move || folder.create(number, 0);
        // Without a thread it is made when it is needed.
        self.preparing = Beside::start("weir-journal-next", make).ok();
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.preparing.take().map(made) {
            tracing::warn!(%error, "the next journal segment was not made");
        }
    }
}

fn made(beside: Beside<Result<Segment, StoreError>>) -> Result<Segment, StoreError> {
    beside.take().unwrap_or_else(|| Err(StoreError::Stopped { reason: "making a journal segment panicked".into() }))
}

impl From<StoreError> for AppendError {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Io { source, .. } if is_no_space(source) => Self::NoSpace,
            _ => Self::Fatal(error),
        }
    }
}

/// Whether a write failed because the disk, or a quota, is full.
pub(super) fn is_no_space(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
