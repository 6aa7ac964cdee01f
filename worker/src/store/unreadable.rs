//! Blocks that the disk does not give for now. They are told of like damaged ones, so that they get other copies, but they
//! stay where they lie: a disk that fails to read may give the same bytes a moment later, and they may be the last ones
//! that there are. One makes way when another copy has come.

use super::Shared;
use super::index::Place;
use super::quarantine::damaged_place;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::atomic::Ordering;
use weir_proto::BlockId;

/// Which blocks could not be read last, each with whether the metaserver knows.
#[derive(Default)]
pub struct Unreadable {
    reported: Mutex<BTreeMap<BlockId, bool>>,
}

impl Unreadable {
    /// Whether that is news.
    fn add(&self, id: BlockId) -> bool {
        match self.reported.lock().entry(id) {
            Entry::Vacant(entry) => {
                entry.insert(false);
                true
            }
            Entry::Occupied(_) => false,
        }
    }

    pub fn holds(&self, id: BlockId) -> bool {
        self.reported.lock().contains_key(&id)
    }

    /// It was read whole, or set aside, written anew, deleted.
    pub fn forget(&self, id: BlockId) {
        self.reported.lock().remove(&id);
    }

    pub fn unreported(&self) -> Vec<BlockId> {
        self.reported.lock().iter().filter(|(_, reported)| !**reported).map(|(id, _)| *id).collect()
    }

    pub fn reported(&self, ids: &[BlockId]) {
        let mut known = self.reported.lock();
        for id in ids {
            known.entry(*id).and_modify(|reported| *reported = true);
        }
    }
}

impl Shared {
    /// The disk failed to read a block.
    pub fn note_unreadable(&self, id: BlockId, place: Place, fault: &str) {
        if self.index.get(id) == Some(place) && self.unreadable.add(id) {
            self.counters.damaged_blocks.fetch_add(1, Ordering::Relaxed);
            let place = damaged_place(place.segment, place.offset_bytes);
            tracing::error!(block = %id, place, fault, "a block can't be read: it stays, to be repaired from another replica");
        }
    }

    /// The disk failed to read a stretch of a segment at the start.
    pub fn note_gap(&self, segment: u32) {
        self.counters.damaged_blocks.fetch_add(1, Ordering::Relaxed);
        tracing::error!(
            segment,
            "a part of a segment can't be read: it stays as it is, and a start that can read it will find its blocks"
        );
    }

    /// Another copy of a block has come: one here that can't be read is set aside for it.
    pub fn make_way(&self, id: BlockId) {
        if self.unreadable.holds(id)
            && let Some(place) = self.index.get(id)
        {
            self.set_aside(id, place, "it can't be read, and another copy has come");
        }
    }
}
