//! The segment that is being filled: how its file is made, gets space, gives back what it does not use, and is sealed.

use super::{Entry, Segment, index_file, record};
use crate::store::Shared;
use crate::store::error::{StoreError, is_full};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use weir_service::disk::DiskFile;

/// On a nearly full disk a segment gets less space at a time, but not less than this.
const GROWTH_MIN_BYTES: u64 = 64 * 1024;

/// A segment that records are appended to.
pub struct Filling {
    pub segment: Arc<Segment>,
    pub file: Arc<dyn DiskFile>,
    /// How long it may become.
    pub capacity_bytes: u64,
    /// How much is preallocated. Less than `position` where marks were written without.
    pub allocated_bytes: u64,
    /// Where the next record goes; all before is on disk.
    pub position: u64,
    pub entries: Vec<Entry>,
    /// A mark covers all before `position`.
    pub marked: bool,
}

impl Filling {
    /// An empty one, which has its name durably and no space yet. `record_bytes`: what must fit in.
    pub fn create(shared: &Shared, number: u32, record_bytes: u64) -> Result<Self, StoreError> {
        let path = shared.layout.segment(number);
        let file = shared.disk.create_new(&path).map_err(StoreError::io("create", &path))?;
        if let Err(error) = shared.sync_folder(&shared.layout.segments) {
            let _ = shared.disk.remove_file(&path);
            return Err(error);
        }
        let segment = Arc::new(Segment::new(number, 0, false));
        shared.segments.add(segment.clone(), file.clone());
        let capacity_bytes = shared.options.segment_bytes.max(record_bytes + record::FIXED_BYTES as u64);
        let (allocated_bytes, position) = (0, 0);
        Ok(Self { segment, file, capacity_bytes, allocated_bytes, position, entries: Vec::new(), marked: true })
    }

    /// Whether a record fits, with one of kind mark behind it.
    pub fn may_hold(&self, record_bytes: u64) -> bool {
        self.end_with(record_bytes) <= self.capacity_bytes
    }

    fn end_with(&self, record_bytes: u64) -> u64 {
        self.position + record_bytes + record::FIXED_BYTES as u64
    }

    /// Sees to space for a record that the segment may hold; `moves`: for a copy, which compaction makes. The next
    /// fdatasync makes the length durable.
    pub fn grow(&mut self, shared: &Shared, record_bytes: u64, moves: bool) -> Result<(), StoreError> {
        if self.end_with(record_bytes) <= self.allocated_bytes {
            return Ok(());
        }
        let has = self.allocated_bytes.max(self.position);
        let left = self.capacity_bytes - has;
        let least = (self.end_with(record_bytes) - has).max(GROWTH_MIN_BYTES.min(left));
        let room = shared.room()?;
        let growth_bytes = match () {
            () if least <= room.above_reserve_bytes => left.min(room.above_reserve_bytes),
            // Others write there too: of the reserve nothing is taken ahead.
            () if moves && least <= room.for_copies_bytes => least,
            () => return Err(shared.no_space()),
        };
        let allocated_bytes = has + growth_bytes;
        let path = shared.layout.segment(self.segment.number);
        self.file.allocate(allocated_bytes).map_err(|error| match is_full(&error) {
            true => shared.no_space(),
            false => StoreError::io("allocate", &path)(error),
        })?;
        self.allocated_bytes = allocated_bytes;
        Ok(())
    }

    /// Gives back what is preallocated behind the last record. Should a power cut undo that, only zeros come back.
    pub fn give_back(&mut self, shared: &Shared) -> Result<(), StoreError> {
        if self.allocated_bytes > self.position {
            let path = shared.layout.segment(self.segment.number);
            self.file.set_len(self.position).map_err(StoreError::io("cut", &path))?;
            self.allocated_bytes = self.position;
        }
        Ok(())
    }

    /// Ends it: its records are all on disk. From now on compaction may take it.
    pub fn seal(self, shared: &Shared) {
        if let Err(error) = self.write_index(shared) {
            let number = self.segment.number;
            tracing::warn!(segment = number, %error, "a segment has no index file; the next start will read it whole");
        }
        self.segment.sealed.store(true, Ordering::Release);
    }

    fn write_index(&self, shared: &Shared) -> Result<(), StoreError> {
        let length = self.segment.length_bytes.load(Ordering::Acquire);
        let path = shared.layout.segment(self.segment.number);
        self.file.set_len(length).map_err(StoreError::io("cut", &path))?;
        let index_path = shared.layout.segment_index(self.segment.number);
        index_file::write(&*shared.disk, &index_path, self.segment.number, length, &self.entries)
            .map_err(StoreError::io("write", &index_path))?;
        shared.sync_folder(&shared.layout.segments)
    }
}
