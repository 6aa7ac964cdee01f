//! Deleting, on the metaserver's order.

use super::error::StoreError;
use super::index::Place;
use super::{BlockStore, Shared, segment};
use std::collections::BTreeMap;
use std::io;
use weir_proto::BlockId;

impl BlockStore {
    /// Deletes blocks, damaged ones included. Returns those that are gone, also when they never were here; one that is
    /// being written stays, and so does one whose file could not be removed.
    pub fn delete(&self, ids: &[BlockId]) -> Vec<BlockId> {
        let shared = &self.shared;
        let mut gone = Vec::with_capacity(ids.len());
        let mut offsets: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for &id in ids {
            match shared.delete(id) {
                Ok(Some(place)) if !place.is_file() => {
                    offsets.entry(place.segment).or_default().push(place.offset_bytes)
                }
                Ok(_) => {}
                Err(StoreError::Busy(_)) => continue,
                Err(error) => {
                    tracing::warn!(block = %id, %error, "a block could not be deleted");
                    continue;
                }
            }
            gone.push(id);
        }
        for (number, offsets) in offsets {
            if let Some(segment) = shared.segments.get(number) {
                segment::deletions::append(shared, &segment, &offsets);
            }
        }
        gone
    }
}

impl Shared {
    /// Takes the block out of the index and removes its file; a record in a segment is left to the caller.
    fn delete(&self, id: BlockId) -> Result<Option<Place>, StoreError> {
        let mut place = None;
        let ticket = self.tickets.take_if(id, || {
            place = self.index.remove(id);
            true
        });
        let Some(_ticket) = ticket else { return Err(StoreError::Busy(id)) };
        if let Err(error) = self.clear_quarantine(id) {
            place.map(|place| self.index.insert(id, place));
            return Err(error);
        }
        let Some(place) = place else { return Ok(None) };
        self.files.remove(id.0);
        if place.is_file() {
            let path = self.layout.block_file(id);
            match self.disk.remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    self.index.insert(id, place);
                    return Err(StoreError::io("remove", &path)(error));
                }
                _ => {}
            }
        }
        self.unaccount(place);
        Ok(Some(place))
    }
}
