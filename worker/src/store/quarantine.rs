//! Damaged blocks: set aside, never served, kept for whoever wants to know what happened, reported until the
//! metaserver has heard of them, and removed only by its order.

use super::error::StoreError;
use super::index::Place;
use super::segment::scan::Damage;
use super::{Shared, layout, segment};
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;
use weir_proto::BlockId;

/// Of a stretch of a segment so much is kept at most.
const KEPT_BYTES: u64 = 4 * 1024 * 1024;

/// Which blocks are set aside.
#[derive(Default)]
pub struct Quarantine {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    held: BTreeSet<BlockId>,
    /// Those, and blocks that were written anew since: bytes of them lie in the folder.
    kept: BTreeSet<BlockId>,
    unreported: BTreeSet<BlockId>,
}

impl Quarantine {
    pub fn holds(&self, id: BlockId) -> bool {
        self.state.lock().held.contains(&id)
    }

    pub fn add(&self, id: BlockId) {
        let mut state = self.state.lock();
        state.held.insert(id);
        state.kept.insert(id);
        state.unreported.insert(id);
    }

    /// Bytes of this block lie in the folder, but it was written anew.
    pub fn add_replaced(&self, id: BlockId) {
        self.state.lock().kept.insert(id);
    }

    /// The block was written anew, or deleted.
    pub fn forget(&self, id: BlockId) {
        let mut state = self.state.lock();
        state.unreported.remove(&id);
        state.held.remove(&id);
    }

    fn keeps(&self, id: BlockId) -> bool {
        self.state.lock().kept.contains(&id)
    }

    pub fn all(&self) -> Vec<BlockId> {
        self.state.lock().held.iter().copied().collect()
    }

    pub fn unreported(&self) -> Vec<BlockId> {
        self.state.lock().unreported.iter().copied().collect()
    }

    pub fn reported(&self, ids: &[BlockId]) {
        let mut state = self.state.lock();
        for id in ids {
            state.unreported.remove(id);
        }
    }
}

/// How logs name a place.
pub fn damaged_place(segment: u32, offset_bytes: u32) -> String {
    if segment == 0 { "its own file".into() } else { format!("segment {segment:08x} at byte {offset_bytes}") }
}

impl Shared {
    /// Takes a damaged block out of the index and keeps its bytes. Does nothing when it no longer lies there.
    pub fn set_aside(&self, id: BlockId, place: Place, fault: &str) {
        let Some(_ticket) = self.tickets.take_if(id, || self.index.remove_if(id, place)) else { return };
        self.quarantine.add(id);
        self.unreadable.forget(id);
        self.unaccount(place);
        self.files.remove(id.0);
        self.note_damage(Some(id), &damaged_place(place.segment, place.offset_bytes), fault);
        if let Err(error) = self.keep(id, place) {
            tracing::error!(block = %id, %error, "the bytes of a damaged block could not be set aside");
        }
    }

    pub fn note_damage(&self, id: Option<BlockId>, place: &str, fault: &str) {
        self.counters.damaged_blocks.fetch_add(1, Ordering::Relaxed);
        let block = id.map_or_else(|| "unknown".into(), |id| id.to_string());
        tracing::error!(block, place, fault, "a block is damaged: set aside, to be repaired from another replica");
    }

    fn keep(&self, id: BlockId, place: Place) -> Result<(), StoreError> {
        let kept = self.layout.quarantined(id, place);
        if place.is_file() {
            return self.keep_file(id, &kept);
        }
        let from = u64::from(place.offset_bytes);
        let bytes = segment::record::record_bytes(place.length_bytes);
        self.keep_bytes(place.segment, from..from + bytes, &kept)?;
        if let Some(segment) = self.segments.get(place.segment) {
            segment::deletions::append(self, &segment, &[place.offset_bytes]);
        }
        Ok(())
    }

    fn keep_file(&self, id: BlockId, kept: &Path) -> Result<(), StoreError> {
        let path = self.layout.block_file(id);
        match self.disk.rename(&path, kept) {
            // The file itself was lost: an empty one remembers that.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.disk.create_new(kept).map_err(StoreError::io("create", kept))?;
            }
            result => result.map_err(StoreError::io("move", &path))?,
        }
        self.sync_folder(&self.layout.quarantine)?;
        self.sync_folder(&self.layout.shard(id))
    }

    /// Copies a stretch of a segment into the quarantine; what can't be read is left out.
    fn keep_bytes(&self, segment: u32, range: std::ops::Range<u64>, kept: &Path) -> Result<(), StoreError> {
        if self.disk.exists(kept).map_err(StoreError::io("read", kept))? {
            return Ok(());
        }
        let mut bytes = vec![0; (range.end - range.start).min(KEPT_BYTES) as usize];
        let source = self.segments.file(self, segment)?;
        if source.read_exact_at(&mut bytes, range.start).is_err() {
            bytes.clear();
        }
        let file = self.disk.create_new(kept).map_err(StoreError::io("create", kept))?;
        file.write_all_at(&bytes, 0).and_then(|()| file.sync_data()).map_err(StoreError::io("write", kept))?;
        self.sync_folder(&self.layout.quarantine)
    }

    /// Damage that a start found while it scanned a segment.
    pub fn set_aside_scanned(&self, segment: u32, damage: &Damage) {
        let unknown = damage.id.filter(|&id| self.index.get(id).is_none());
        let kept = match (unknown, damage.length_bytes) {
            (Some(id), Some(length_bytes)) => {
                self.layout.quarantined(id, Place { segment, offset_bytes: damage.from, length_bytes })
            }
            _ => self.layout.quarantined_bytes(segment, damage.from),
        };
        if let Some(id) = unknown {
            self.quarantine.add(id);
        }
        let fault = format!("{} bytes of a segment are no record", damage.to - damage.from);
        self.note_damage(unknown, &damaged_place(segment, damage.from), &fault);
        if let Err(error) = self.keep_bytes(segment, u64::from(damage.from)..u64::from(damage.to), &kept) {
            tracing::error!(segment, %error, "the bytes of a damaged record could not be set aside");
        }
    }

    /// Removes what is kept of a block that was written anew since.
    pub fn forget_replaced(&self, id: BlockId) -> Result<(), StoreError> {
        match self.tickets.take_if(id, || self.index.get(id).is_some()) {
            Some(_ticket) => self.clear_quarantine(id),
            None => Ok(()),
        }
    }

    /// Removes what is kept of a block.
    pub fn clear_quarantine(&self, id: BlockId) -> Result<(), StoreError> {
        self.unreadable.forget(id);
        if !self.quarantine.keeps(id) {
            return Ok(());
        }
        let folder = &self.layout.quarantine;
        for name in self.disk.list(folder).map_err(StoreError::io("list", folder))? {
            if layout::quarantined(&name).is_some_and(|(held, _)| held == id) {
                let path = folder.join(&name);
                self.disk.remove_file(&path).map_err(StoreError::io("remove", &path))?;
            }
        }
        self.quarantine.forget(id);
        self.quarantine.state.lock().kept.remove(&id);
        Ok(())
    }
}
