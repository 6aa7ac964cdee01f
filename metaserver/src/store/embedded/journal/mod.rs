//! The journal: the commit point. Frames ([`frame`]) are appended to preallocated segment files ([`segment`]) by one
//! writer, each made durable before anyone hears of it. [`scan`] reads them back and finds the end.

pub(super) mod frame;
mod scan;
pub(super) mod segment;
#[cfg(test)]
mod tests;

use super::io_error;
use crate::store::StoreError;
use crc_fast::crc32_iscsi as crc32c;
use frame::{FRAME_HEADER_BYTES, FrameHeader};
use parking_lot::Mutex;
pub(super) use scan::{Tail, Visit};
use segment::{SEGMENT_HEADER_BYTES, Segment, Window};
use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;
use weir_service::clock::Clock;
use weir_service::disk::Disk;

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

/// A segment as the catalog knows it.
#[derive(Clone, Copy, Debug)]
struct Listed {
    number: u64,
    /// Sequence of its first commit; `None`: it has no frame yet.
    first: Option<u64>,
    used_bytes: u64,
}

/// The segments that there are, oldest first: shared by the writer and the checkpoints.
#[derive(Clone)]
pub(super) struct Catalog {
    folder: Folder,
    listed: Arc<Mutex<VecDeque<Listed>>>,
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
        if let Some((index, offset)) = tail.last_frame {
            let segment = &self.segments[index];
            rewrite(segment, offset)?;
        }
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
            buffer: Vec::new(),
        })
    }
}

fn rewrite(segment: &Segment, offset: u64) -> Result<(), StoreError> {
    let mut window = Window::default();
    if let Some((header, payload)) = segment.frame_at(offset, &mut window)? {
        let mut bytes = header.encode(segment.salt, offset).to_vec();
        bytes.extend_from_slice(payload);
        segment.file.write_all_at(&bytes, offset).map_err(io_error("write", &segment.path))?;
    }
    segment.file.sync_data().map_err(io_error("sync", &segment.path))
}

impl Catalog {
    /// Bytes of all commits in the journal.
    pub fn used_bytes(&self) -> u64 {
        self.listed.lock().iter().map(|listed| listed.used_bytes).sum()
    }

    /// Bytes of the segments that have commits after a sequence.
    pub fn used_bytes_after(&self, sequence: u64) -> u64 {
        let listed = self.listed.lock();
        let ends_before = |next: Option<&Listed>| {
            next.and_then(|next| next.first).is_some_and(|next_first| next_first <= sequence + 1)
        };
        let after = listed.iter().enumerate().filter(|(index, _)| !ends_before(listed.get(index + 1)));
        after.map(|(_, listed)| listed.used_bytes).sum()
    }

    pub fn segment_count(&self) -> u64 {
        self.listed.lock().len() as u64
    }

    /// Visits the frames with the commits after `after` up to `last`, which must be there. Whoever calls this must keep
    /// [`Catalog::drop_through`] from running.
    pub fn read(&self, after: u64, last: u64, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        let numbers: Vec<u64> = {
            let listed = self.listed.lock();
            let start = listed.iter().rposition(|listed| listed.first.is_some_and(|first| first <= after + 1));
            let used = listed.iter().skip(start.unwrap_or(0)).filter(|listed| listed.first.is_some());
            used.map(|listed| listed.number).collect()
        };
        let mut reached = after;
        for number in numbers {
            let Some(segment) = Segment::open(&*self.folder.disk, &self.folder.path, number)? else { break };
            let (mut offset, mut window) = (SEGMENT_HEADER_BYTES, Window::default());
            while reached < last {
                let Some((header, payload)) = segment.frame_at(offset, &mut window)? else { break };
                offset += header.stride();
                if header.last <= reached {
                    continue;
                }
                if header.first > reached + 1 {
                    return Err(segment.damaged(format!("commit {} is missing", reached + 1)));
                }
                visit(&header, payload)?;
                reached = header.last;
            }
        }
        if reached < last {
            let what = format!("the journal in {}", self.folder.path.display());
            return Err(StoreError::Damaged { what, detail: format!("commit {} is not readable", reached + 1) });
        }
        Ok(())
    }

    /// Removes the segments that have nothing after a commit, oldest first. Each removal is durable before the next, so
    /// that no gap can appear.
    pub fn drop_through(&self, sequence: u64) -> Result<u64, StoreError> {
        let mut dropped = 0;
        loop {
            let number = {
                let listed = self.listed.lock();
                match (listed.front(), listed.get(1).and_then(|next| next.first)) {
                    (Some(oldest), Some(next_first)) if next_first <= sequence + 1 => oldest.number,
                    _ => return Ok(dropped),
                }
            };
            let path = segment::path(&self.folder.path, number);
            self.folder.disk.remove_file(&path).map_err(io_error("remove", &path))?;
            self.folder.disk.sync_dir(&self.folder.path).map_err(io_error("sync", &self.folder.path))?;
            self.listed.lock().pop_front();
            dropped += 1;
        }
    }
}

/// The end of the journal that is written to. One owner: the writer.
pub(super) struct Journal {
    catalog: Catalog,
    current: Segment,
    offset: u64,
    /// Segments found at start that have no frame.
    prepared: VecDeque<Segment>,
    /// The next segment, while it is made.
    preparing: Option<JoinHandle<Result<Segment, StoreError>>>,
    last: u64,
    last_sync: Option<(Instant, Instant)>,
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

    /// Appends a frame with the commits from the one after the last up to `last`; `fill` writes the payload. Returns
    /// the bytes appended, when they are durable.
    pub fn append(&mut self, last: u64, fill: impl FnOnce(&mut Vec<u8>)) -> Result<u64, AppendError> {
        self.buffer.clear();
        self.buffer.resize(FRAME_HEADER_BYTES, 0);
        fill(&mut self.buffer);
        let payload = &self.buffer[FRAME_HEADER_BYTES..];
        let stride = frame::stride(payload.len() as u64);
        let header = FrameHeader {
            first: self.last + 1,
            last,
            durable: self.last,
            // A batch is at most MAX_BATCH_BYTES, a group little more.
            payload_bytes: payload.len() as u32,
            payload_crc: crc32c(payload),
        };
        if self.offset + stride > self.current.capacity {
            self.rotate(SEGMENT_HEADER_BYTES + stride)?;
        }
        self.buffer[..FRAME_HEADER_BYTES].copy_from_slice(&header.encode(self.current.salt, self.offset));
        let Segment { file, path, .. } = &self.current;
        let fatal = |operation| move |source| AppendError::Fatal(io_error(operation, path)(source));
        file.write_all_at(&self.buffer, self.offset).map_err(fatal("write"))?;
        let synced = Instant::now();
        file.sync_data().map_err(fatal("sync"))?;
        self.last_sync = Some((synced, Instant::now()));
        self.offset += stride;
        self.last = last;
        self.list(Some(header.first));
        self.prepare_next();
        self.buffer.shrink_to(BUFFER_KEPT_BYTES);
        Ok(stride)
    }

    /// Goes on in the next segment, with room for `needed` bytes.
    fn rotate(&mut self, needed: u64) -> Result<(), AppendError> {
        let next = match (self.prepared.pop_front(), self.preparing.take()) {
            (Some(segment), _) => Ok(segment),
            (None, Some(thread)) => join(thread),
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
        self.preparing = std::thread::Builder::new().name("weir-journal-next".into()).spawn(make).ok();
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.preparing.take().map(join) {
            tracing::warn!(%error, "the next journal segment was not made");
        }
    }
}

fn join(thread: JoinHandle<Result<Segment, StoreError>>) -> Result<Segment, StoreError> {
    thread.join().unwrap_or_else(|_| Err(StoreError::Stopped { reason: "making a journal segment panicked".into() }))
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
