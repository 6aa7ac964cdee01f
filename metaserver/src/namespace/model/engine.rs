//! The stores that histories run on.

use crate::store::Store;
use crate::store::embedded::crashing::CrashingStore;
use crate::store::memory::MemoryStore;
use std::sync::Arc;

pub enum Engine {
    /// It keeps all: a crash is that of the metaserver alone.
    Memory(Arc<MemoryStore>),
    Embedded(CrashingStore),
}

impl Engine {
    pub fn memory() -> Self {
        Self::Memory(Arc::new(MemoryStore::new()))
    }

    pub fn embedded() -> Self {
        Self::Embedded(CrashingStore::new())
    }

    /// The store as it lies there. The one before has been dropped.
    pub async fn open(&mut self) -> Arc<dyn Store> {
        match self {
            Self::Memory(store) => store.clone(),
            Self::Embedded(store) => store.open().await,
        }
    }

    pub fn power_off_in(&self, steps: u64) {
        if let Self::Embedded(store) = self {
            store.power_off_in(steps);
        }
    }

    pub fn cut(&mut self, seed: u64) {
        if let Self::Embedded(store) = self {
            store.cut(seed);
        }
    }
}
