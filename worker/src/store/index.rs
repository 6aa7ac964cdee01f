//! Which blocks there are and where: the one structure that has an entry a block, all in memory, ordered by id.
//!
//! A tree of 20-byte entries: 22 to 42 bytes a block, and inventories come out sorted.

use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::ops::Bound;
use weir_proto::BlockId;

/// Where a block lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// 0: a file of its own.
    pub segment: u32,
    /// Where its record begins in the segment.
    pub offset_bytes: u32,
    /// The block's length, without headers.
    pub length_bytes: u32,
}

impl Place {
    pub fn file(length_bytes: u32) -> Self {
        Self { segment: 0, offset_bytes: 0, length_bytes }
    }

    pub fn is_file(self) -> bool {
        self.segment == 0
    }
}

/// Block id → place.
#[derive(Default)]
pub struct Index {
    places: RwLock<BTreeMap<u64, Place>>,
}

impl Index {
    /// From pairs whose ids differ; sorted ones make the tightest tree.
    pub fn from_sorted(pairs: Vec<(BlockId, Place)>) -> Self {
        Self { places: RwLock::new(pairs.into_iter().map(|(id, place)| (id.0, place)).collect()) }
    }

    pub fn len(&self) -> usize {
        self.places.read().len()
    }

    pub fn get(&self, id: BlockId) -> Option<Place> {
        self.places.read().get(&id.0).copied()
    }

    /// Returns what was there before.
    pub fn insert(&self, id: BlockId, place: Place) -> Option<Place> {
        self.places.write().insert(id.0, place)
    }

    pub fn remove(&self, id: BlockId) -> Option<Place> {
        self.places.write().remove(&id.0)
    }

    /// Removes the entry if it still is this one.
    pub fn remove_if(&self, id: BlockId, place: Place) -> bool {
        let mut places = self.places.write();
        let same = places.get(&id.0) == Some(&place);
        if same {
            places.remove(&id.0);
        }
        same
    }

    /// Points the entry elsewhere if it still is `from`.
    pub fn move_if(&self, id: BlockId, from: Place, to: Place) -> bool {
        match self.places.write().get_mut(&id.0) {
            Some(place) if *place == from => {
                *place = to;
                true
            }
            _ => false,
        }
    }

    pub fn highest(&self) -> Option<BlockId> {
        self.places.read().last_key_value().map(|(&id, _)| BlockId(id))
    }

    /// Up to `limit` entries in ascending order, from the first id after `after`; None: from the beginning.
    pub fn page(&self, after: Option<BlockId>, limit: usize) -> Vec<(BlockId, Place)> {
        let start = after.map_or(Bound::Unbounded, |id| Bound::Excluded(id.0));
        let places = self.places.read();
        places.range((start, Bound::Unbounded)).take(limit).map(|(&id, &place)| (BlockId(id), place)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_moves_and_goes_only_while_it_is_the_one_that_was_seen() {
        let index = Index::default();
        let (a, b) = (Place { segment: 1, offset_bytes: 0, length_bytes: 9 }, Place::file(9));
        assert_eq!(index.insert(BlockId(5), a), None);
        assert!(!index.move_if(BlockId(5), b, a));
        assert!(index.move_if(BlockId(5), a, b));
        assert!(!index.remove_if(BlockId(5), a));
        assert!(index.remove_if(BlockId(5), b));
        assert!(!index.move_if(BlockId(5), b, a));
        assert_eq!(index.len(), 0);
    }

    #[test]
    fn pages_ascend_and_meet_without_gap() {
        let index = Index::from_sorted((0..10).map(|id| (BlockId(id * 3), Place::file(1))).collect());
        let first = index.page(None, 4);
        let rest = index.page(Some(first[3].0), 100);
        let ids: Vec<u64> = first.iter().chain(&rest).map(|(id, _)| id.0).collect();
        assert_eq!(ids, (0..10).map(|id| id * 3).collect::<Vec<_>>());
    }

    #[test]
    fn an_entry_is_twenty_bytes() {
        assert_eq!(size_of::<u64>() + size_of::<Place>(), 20);
    }
}
