//! What can be set about an embedded store.

use super::INDEX_FOLDER;
use super::index::{IndexFolder, IndexKind};
use super::replication::StandbyOptions;
use std::path::Path;
use weir_service::config::MetaserverSettings;
#[cfg(any(test, feature = "simulation"))]
use weir_service::threads;

/// What can be set about an embedded store: see [`MetaserverSettings`].
#[derive(Clone, Copy, Debug)]
pub struct EmbeddedOptions {
    pub journal_segment_bytes: u64,
    pub checkpoint_journal_bytes: u64,
    pub index: IndexKind,
    pub commit_queue_max_count: usize,
    pub reserve_bytes: u64,
    pub standby: StandbyOptions,
}

impl From<&MetaserverSettings> for EmbeddedOptions {
    fn from(settings: &MetaserverSettings) -> Self {
        Self {
            journal_segment_bytes: settings.journal_segment_bytes,
            checkpoint_journal_bytes: settings.checkpoint_journal_bytes,
            index: index_kind(settings),
            commit_queue_max_count: settings.commit_queue_max_count,
            reserve_bytes: settings.reserve_bytes,
            standby: StandbyOptions::from(settings),
        }
    }
}

impl EmbeddedOptions {
    pub(super) fn index_folder(&self, data: &Path) -> IndexFolder {
        IndexFolder { path: data.join(INDEX_FOLDER), kind: self.index }
    }
}

fn index_kind(settings: &MetaserverSettings) -> IndexKind {
    #[cfg(any(test, feature = "simulation"))]
    if threads::are_simulated() {
        return IndexKind::Memory;
    }
    IndexKind::Sled { cache_bytes: settings.index_cache_bytes }
}
