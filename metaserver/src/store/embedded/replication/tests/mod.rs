//! Two stores on disks that forget what was not synced, with a wire between them that breaks.

mod answers;
mod following;
mod power;
mod starting;

use super::*;
use crate::store::conformance::{add, everything, put, writes};
use crate::store::embedded::{EmbeddedOptions, EmbeddedStore, IndexKind};
use crate::store::{Batch, CommitError, Store};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use weir_service::clock::SystemClock;
use weir_service::simulation::{Fault, Kind, Random, SimulatedDisk};

const CLIENTS: usize = 4;

/// Small, so that segments change, checkpoints are made and journals are dropped all the time.
fn options(mode: StandbyMode) -> EmbeddedOptions {
    EmbeddedOptions {
        journal_segment_bytes: 4 << 10,
        checkpoint_journal_bytes: 24 << 10,
        index: IndexKind::Sled { cache_bytes: 1 << 20 },
        commit_queue_max_count: 10_000,
        reserve_bytes: 0,
        standby: StandbyOptions { mode, timeout: Duration::from_millis(300) },
    }
}

/// A machine: its disk, and the folder where sled, which knows no disk but the system's, has its own.
struct Machine {
    disk: SimulatedDisk,
    folder: TempDir,
    mode: StandbyMode,
}

impl Machine {
    fn new(mode: StandbyMode) -> Self {
        Self { disk: SimulatedDisk::default(), folder: tempfile::tempdir().unwrap(), mode }
    }

    fn data(&self) -> &Path {
        self.folder.path()
    }

    async fn open(&self) -> Result<Arc<EmbeddedStore>, StoreError> {
        let (data, mode, disk) = (self.data().to_path_buf(), self.mode, Arc::new(self.disk.clone()));
        let open = move || EmbeddedStore::open(&data, options(mode), disk, Arc::new(SystemClock));
        Ok(Arc::new(tokio::task::spawn_blocking(open).await.unwrap()?))
    }

    async fn serve(&self) -> Result<Arc<EmbeddedStore>, StoreError> {
        let store = self.open().await?;
        store.begin_serving()?;
        Ok(store)
    }

    async fn follow(&self) -> Result<StandbyStore, StoreError> {
        let (data, mode, disk) = (self.data().to_path_buf(), self.mode, Arc::new(self.disk.clone()));
        let open = move || StandbyStore::open(&data, options(mode), disk, Arc::new(SystemClock));
        tokio::task::spawn_blocking(open).await.unwrap()
    }

    /// The power is cut. The index, of which nothing was synced, is lost.
    fn cut(&mut self, random: &mut Random) {
        self.disk = self.disk.after_cut(random);
        let _ = std::fs::remove_dir_all(self.data().join("index"));
    }
}

/// A connection between two stores; dropped, it is cut.
struct Wire {
    attachment: Attachment,
    primary: Arc<EmbeddedStore>,
    tasks: [JoinHandle<Result<(), StoreError>>; 2],
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.primary.detach(self.attachment, "the wire is cut");
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Wire {
    /// Cuts it, and waits until nobody has anything in hand.
    async fn cut(mut self) {
        self.primary.detach(self.attachment, "the wire is cut");
        for task in &mut self.tasks {
            task.abort();
            let _ = task.await;
        }
    }

    /// The standby hears, and nobody hears it. Waits until that is so: who is told to end may hear once more before.
    async fn deafen_primary(&mut self) {
        self.tasks[1].abort();
        let _ = (&mut self.tasks[1]).await;
    }

    /// Waits until the standby has ended, and says how.
    async fn ended(mut self) -> Result<(), StoreError> {
        (&mut self.tasks[0]).await.unwrap()
    }
}

fn connect(primary: &Arc<EmbeddedStore>, standby: &StandbyStore) -> Result<Wire, FollowError> {
    let (attachment, receiver) = primary.attach(standby.standby_id(), "standby:1".into(), standby.position()?)?;
    let (acknowledged, mut acknowledgements) = mpsc::channel(8);
    let of = Primary { address: "primary:1".into(), mode: primary.standing().mode, restored: false };
    let (standby, heard) = (standby.clone(), primary.clone());
    let following =
        tokio::spawn(async move { standby.follow(&of, ReceiverStream::new(receiver), &acknowledged).await });
    let hearing = tokio::spawn(async move {
        while let Some(sequence) = acknowledgements.recv().await {
            heard.acknowledge(attachment, sequence)?;
        }
        Ok(())
    });
    Ok(Wire { attachment, primary: primary.clone(), tasks: [following, hearing] })
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..4_000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{what}: it does not come to that");
}

async fn in_sync(primary: &EmbeddedStore, standby: &StandbyStore) {
    let last = primary.standing().last;
    let is_so = || {
        let belief = standby.belief();
        primary.standing().phase == Phase::InSync && belief.in_sync && belief.sequence >= last
    };
    until("in sync", is_so).await;
}

fn batch(client: usize, number: u64, length: usize) -> Batch {
    let text = format!("{number} {}", "x".repeat(length));
    let old = format!("{client}/old/{}", number % 5);
    let gone = crate::store::conformance::delete(&format!("{client}/old/{}", (number + 2) % 5));
    writes([put(&format!("{client}/last"), &text), put(&old, &text), gone, add("sum", 1)])
}

/// The last number of each client that is in a store.
async fn numbers(store: &dyn Store) -> [u64; CLIENTS] {
    let all: BTreeMap<_, _> = everything(store).await.into_iter().collect();
    std::array::from_fn(|client| {
        let value = all.get(format!("{client}/last").as_bytes());
        let text = value.map_or("0 ".into(), |value| String::from_utf8(value.to_vec()).unwrap());
        text.split_once(' ').unwrap().0.parse().unwrap()
    })
}
