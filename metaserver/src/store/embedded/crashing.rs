//! An embedded store whose power is cut: for tests of what lies above it.

use super::replication::StandbyOptions;
use super::{EmbeddedOptions, EmbeddedStore, INDEX_FOLDER, IndexKind};
use std::fs;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use weir_service::clock::SystemClock;
use weir_service::config::StandbyMode;
use weir_service::simulation::{Random, SimulatedDisk};

/// Small, so that segments change and checkpoints are made all the time.
const OPTIONS: EmbeddedOptions = EmbeddedOptions {
    journal_segment_bytes: 8 << 10,
    checkpoint_journal_bytes: 32 << 10,
    index: IndexKind::Sled { cache_bytes: 1 << 20 },
    commit_queue_max_count: 10_000,
    reserve_bytes: 0,
    standby: StandbyOptions { mode: StandbyMode::None, timeout: Duration::from_secs(5) },
};

/// A disk, and the folder where sled, which knows no disk but the system's, has its own.
pub(crate) struct CrashingStore {
    disk: SimulatedDisk,
    folder: TempDir,
}

impl CrashingStore {
    pub fn new() -> Self {
        Self { disk: SimulatedDisk::default(), folder: tempfile::tempdir().unwrap() }
    }

    /// Opens what is there. Only one at a time.
    pub async fn open(&self) -> Arc<EmbeddedStore> {
        let (data, disk) = (self.folder.path().to_path_buf(), Arc::new(self.disk.clone()));
        let open = move || EmbeddedStore::open(&data, OPTIONS, disk, Arc::new(SystemClock)).unwrap();
        Arc::new(tokio::task::spawn_blocking(open).await.unwrap())
    }

    /// After so many more calls that change something, none does.
    pub fn power_off_in(&self, steps: u64) {
        self.disk.power_off_at(self.disk.steps() + steps);
    }

    /// What was not synced is lost, or kept in part; the index, of which nothing was, is kept or lost.
    pub fn cut(&mut self, seed: u64) {
        let mut random = Random(seed);
        self.disk = self.disk.after_cut(&mut random);
        if random.flip() {
            let _ = fs::remove_dir_all(self.folder.path().join(INDEX_FOLDER));
        }
    }
}
