//! Small blocks, appended to segment files: many writers share one fdatasync, and a file a block would cost more than
//! the block.
//!
//! A segment is preallocated, filled by the one appender ([`appender`], [`filling`]), sealed with an index file
//! ([`index_file`]) so that a start need not read it, and rewritten when little of it is alive ([`compact`]). Numbers are
//! never used twice.

pub mod appender;
pub mod compact;
pub mod deletions;
pub mod filling;
pub mod index_file;
pub mod open;
pub mod read;
pub mod record;
pub mod scan;

use crate::store::error::StoreError;
use crate::store::index::Place;
use crate::store::{Shared, cache::Cache};
use parking_lot::{Mutex, RwLock};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use weir_service::disk::DiskFile;

/// Segment files that are kept open for reading.
const OPEN_SEGMENTS: usize = 256;
/// Less dead data than this is no reason to end a segment that is being filled, unless nothing else is in it.
const WORTH_LEAVING_BYTES: u64 = 1024 * 1024;

/// A block's record in a segment, as index files list it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    pub id: weir_proto::BlockId,
    pub offset_bytes: u32,
    pub length_bytes: u32,
}

impl Entry {
    /// Where it lies when the segment has this number.
    pub fn place(self, segment: u32) -> Place {
        Place { segment, offset_bytes: self.offset_bytes, length_bytes: self.length_bytes }
    }
}

/// What is known of a segment, besides its blocks' places.
pub struct Segment {
    pub number: u32,
    /// Where its records end.
    pub length_bytes: AtomicU64,
    /// Records of blocks that the index points to.
    pub live_bytes: AtomicU64,
    pub sealed: AtomicBool,
    /// The start could not read all of it. There may be more blocks in it than the index knows: it is not compacted.
    pub has_gap: bool,
    /// Held while its file of deletions is written.
    pub deletions: Mutex<()>,
}

impl Segment {
    pub fn new(number: u32, length_bytes: u64, sealed: bool) -> Self {
        Self {
            number,
            length_bytes: length_bytes.into(),
            live_bytes: 0.into(),
            sealed: sealed.into(),
            has_gap: false,
            deletions: Mutex::new(()),
        }
    }

    /// Whether less than `live_percent` of it, or nothing, is alive.
    pub fn is_mostly_dead(&self, live_percent: u8) -> bool {
        let live = self.live_bytes.load(Ordering::Acquire);
        live == 0 || live * 100 < self.length_bytes.load(Ordering::Acquire) * u64::from(live_percent)
    }

    /// Whether it should be compacted though it is still being filled.
    fn is_worth_leaving(&self, live_percent: u8) -> bool {
        let (length, live) = (self.length_bytes.load(Ordering::Acquire), self.live_bytes.load(Ordering::Acquire));
        let is_dead = live == 0 && length > 0;
        is_dead || self.is_mostly_dead(live_percent) && length - live >= WORTH_LEAVING_BYTES
    }
}

/// All segments.
pub struct Segments {
    by_number: RwLock<BTreeMap<u32, Arc<Segment>>>,
    files: Cache<u32, Arc<dyn DiskFile>>,
}

impl Segments {
    pub fn new(segments: impl IntoIterator<Item = Segment>) -> Self {
        let by_number = segments.into_iter().map(|segment| (segment.number, Arc::new(segment))).collect();
        Self { by_number: RwLock::new(by_number), files: Cache::new(OPEN_SEGMENTS) }
    }

    pub fn get(&self, number: u32) -> Option<Arc<Segment>> {
        self.by_number.read().get(&number).cloned()
    }

    pub fn all(&self) -> Vec<Arc<Segment>> {
        self.by_number.read().values().cloned().collect()
    }

    pub fn add(&self, segment: Arc<Segment>, file: Arc<dyn DiskFile>) {
        self.files.insert(segment.number, file);
        self.by_number.write().insert(segment.number, segment);
    }

    pub fn forget(&self, number: u32) {
        self.by_number.write().remove(&number);
        self.files.remove(number);
    }

    /// The segment's file, opened if it is not.
    pub fn file(&self, shared: &Shared, number: u32) -> Result<Arc<dyn DiskFile>, StoreError> {
        if let Some(file) = self.files.get(number) {
            return Ok(file);
        }
        let path = shared.layout.segment(number);
        let file = shared.disk.open(&path).map_err(StoreError::io("open", &path))?;
        self.files.insert(number, file.clone());
        Ok(file)
    }

    /// The segment's file if it is open.
    pub fn open_file(&self, number: u32) -> Option<Arc<dyn DiskFile>> {
        self.files.get(number)
    }

    pub fn length_bytes(&self) -> u64 {
        self.by_number.read().values().map(|segment| segment.length_bytes.load(Ordering::Relaxed)).sum()
    }

    pub fn count(&self) -> usize {
        self.by_number.read().len()
    }
}
