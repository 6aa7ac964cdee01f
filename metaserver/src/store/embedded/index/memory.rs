//! An index that is gone when the store is.

use super::Index;
use crate::store::embedded::changes::Change;
use crate::store::{Scan, StoreError};
use bytes::Bytes;
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::ops::Bound;

#[derive(Default)]
pub(super) struct MemoryIndex(RwLock<State>);

#[derive(Default)]
struct State {
    entries: BTreeMap<Bytes, Bytes>,
    applied: u64,
}

impl Index for MemoryIndex {
    fn applied(&self) -> Result<u64, StoreError> {
        Ok(self.0.read().applied)
    }

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        Ok(self.0.read().entries.get(key).cloned())
    }

    fn contains(&self, key: &[u8]) -> Result<bool, StoreError> {
        Ok(self.0.read().entries.contains_key(key))
    }

    fn scan(&self, scan: &Scan) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        let Scan { start, end, limit, reverse } = scan;
        if end.as_ref().is_some_and(|end| end <= start) {
            return Ok(Vec::new());
        }
        let end = end.as_ref().map_or(Bound::Unbounded, |end| Bound::Excluded(&end[..]));
        let state = self.0.read();
        let range = state.entries.range::<[u8], _>((Bound::Included(&start[..]), end));
        let entries = range.map(|(key, value)| (key.clone(), value.clone()));
        Ok(if *reverse { entries.rev().take(*limit).collect() } else { entries.take(*limit).collect() })
    }

    fn visit_after(
        &self,
        after: Option<&[u8]>,
        bytes: usize,
        visit: &mut dyn FnMut(Change<'_>),
    ) -> Result<Option<Bytes>, StoreError> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut seen_bytes = 0;
        for (key, value) in self.0.read().entries.range::<[u8], _>((start, Bound::Unbounded)) {
            visit((key, Some(value)));
            seen_bytes += key.len() + value.len();
            if seen_bytes >= bytes {
                return Ok(Some(key.clone()));
            }
        }
        Ok(None)
    }

    fn apply<'a>(
        &self,
        changes: &mut dyn Iterator<Item = Result<Change<'a>, StoreError>>,
        applied: u64,
    ) -> Result<(), StoreError> {
        let mut state = self.0.write();
        for change in changes {
            let (key, value) = change?;
            match value {
                Some(value) => {
                    state.entries.insert(Bytes::copy_from_slice(key), Bytes::copy_from_slice(value));
                }
                None => {
                    state.entries.remove(key);
                }
            }
        }
        state.applied = applied;
        Ok(())
    }

    fn collect_garbage(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn size_bytes(&self) -> u64 {
        self.0.read().entries.iter().map(|(key, value)| (key.len() + value.len()) as u64).sum()
    }

    fn close(self: Box<Self>) -> Result<(), StoreError> {
        Ok(())
    }
}
