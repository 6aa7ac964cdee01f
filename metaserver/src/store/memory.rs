//! A store in memory: the reference model that other engines are compared with, and what tests and simulation run on.
//! Durable as long as the process.

use super::{Batch, CommitError, Guard, Scan, Sequence, Store, StoreError, Write, rules};
use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::ops::Bound;

/// An ordered map behind a lock. One batch at a time; readers see all of it or nothing.
#[derive(Debug, Default)]
pub struct MemoryStore {
    state: RwLock<State>,
}

#[derive(Debug, Default)]
struct State {
    entries: BTreeMap<Bytes, Bytes>,
    sequence: Sequence,
}

impl MemoryStore {
    pub fn new() -> Self {
        Self::default()
    }
}

impl State {
    fn holds(&self, guard: &Guard) -> bool {
        match guard {
            Guard::Equals { key, value } => self.entries.get(key) == Some(value),
            Guard::Absent { key } => !self.entries.contains_key(key),
        }
    }

    /// What the batch makes of the keys it writes: `None` is a deletion.
    fn effects(&self, batch: &Batch) -> Result<BTreeMap<Bytes, Option<Bytes>>, StoreError> {
        let mut effects: BTreeMap<Bytes, Option<Bytes>> = BTreeMap::new();
        for write in &batch.writes {
            match write {
                Write::Put { key, value } => effects.insert(key.clone(), Some(value.clone())),
                Write::Delete { key } => effects.insert(key.clone(), None),
                Write::Add { key, amount } => {
                    let before = match effects.get(key) {
                        Some(effect) => effect.as_deref(),
                        None => self.entries.get(key).map(|value| &value[..]),
                    };
                    let after = rules::add(key, before, *amount)?;
                    effects.insert(key.clone(), Some(Bytes::copy_from_slice(&after)))
                }
            };
        }
        Ok(effects)
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn get_many(&self, keys: &[Bytes]) -> Result<Vec<Option<Bytes>>, StoreError> {
        let state = self.state.read();
        Ok(keys.iter().map(|key| state.entries.get(key).cloned()).collect())
    }

    async fn scan(&self, scan: Scan) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        if scan.end.as_ref().is_some_and(|end| *end <= scan.start) {
            return Ok(Vec::new());
        }
        let end = scan.end.map_or(Bound::Unbounded, Bound::Excluded);
        let state = self.state.read();
        let range = state.entries.range((Bound::Included(scan.start), end));
        let copy = |(key, value): (&Bytes, &Bytes)| (key.clone(), value.clone());
        Ok(if scan.reverse {
            range.rev().take(scan.limit).map(copy).collect()
        } else {
            range.take(scan.limit).map(copy).collect()
        })
    }

    async fn commit(&self, batch: Batch) -> Result<Sequence, CommitError> {
        rules::check_limits(&batch)?;
        let mut state = self.state.write();
        if let Some(index) = batch.guards.iter().position(|guard| !state.holds(guard)) {
            return Err(CommitError::GuardFailed { index });
        }
        for (key, effect) in state.effects(&batch)? {
            match effect {
                Some(value) => state.entries.insert(key, value),
                None => state.entries.remove(&key),
            };
        }
        state.sequence.0 += 1;
        Ok(state.sequence)
    }

    fn gauges(&self) -> Vec<(&'static str, u64)> {
        let state = self.state.read();
        vec![("entries", state.entries.len() as u64), ("sequence", state.sequence.0)]
    }
}

#[cfg(test)]
mod tests {
    use super::super::conformance::{self, Engine};
    use super::*;
    use std::sync::Arc;

    struct Memory;

    impl Engine for Memory {
        async fn fresh(&mut self) -> Arc<dyn Store> {
            Arc::new(MemoryStore::new())
        }

        /// Memory keeps nothing over a restart: reopening is going on.
        async fn reopen(&mut self, store: Arc<dyn Store>) -> Arc<dyn Store> {
            store
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn the_memory_store_conforms() {
        conformance::run(&mut Memory).await;
    }
}
