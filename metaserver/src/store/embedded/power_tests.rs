//! The store under power cuts: the journal, the checkpoints and the state file lie on a disk that forgets what was not
//! synced; sled's folder is kept, lost, or put back to an earlier moment.

use super::replication::StandbyOptions;
use super::*;
use crate::store::conformance::{add, bytes, everything, put, writes};
use std::fs::{self, File};
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use weir_service::clock::SystemClock;
use weir_service::config::StandbyMode;
use weir_service::simulation::{Random, SimulatedDisk};

/// Small, so that segments change and checkpoints are made all the time.
const OPTIONS: EmbeddedOptions = EmbeddedOptions {
    journal_segment_bytes: 4 << 10,
    checkpoint_journal_bytes: 12 << 10,
    index: IndexKind::Sled { cache_bytes: 1 << 20 },
    commit_queue_max_count: 10_000,
    reserve_bytes: 0,
    standby: StandbyOptions { mode: StandbyMode::None, timeout: Duration::from_secs(5) },
};
const CLIENTS: usize = 4;

fn open(disk: &SimulatedDisk, data: &Path) -> Result<EmbeddedStore, StoreError> {
    EmbeddedStore::open(data, OPTIONS, Arc::new(disk.clone()), Arc::new(SystemClock))
}

/// What each client had acknowledged last.
type Acknowledged = [AtomicU64; CLIENTS];

fn batch(client: usize, number: u64, length: usize) -> Batch {
    let text = format!("{number} {}", "x".repeat(length));
    let old = format!("{client}/old/{}", number % 5);
    writes([
        put(&format!("{client}/first"), &text),
        put(&format!("{client}/second"), &text),
        put(&old, &text),
        add("sum", 1),
    ])
}

/// Commits until the power is off.
async fn work(store: &Arc<EmbeddedStore>, acknowledged: &Arc<Acknowledged>, seed: u64) {
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let (store, acknowledged) = (Arc::clone(store), Arc::clone(acknowledged));
            let mut random = Random(seed.wrapping_mul(31).wrapping_add(client as u64));
            tokio::spawn(async move {
                loop {
                    let number = acknowledged[client].load(Ordering::SeqCst) + 1;
                    let length = random.below(700) as usize;
                    if store.commit(batch(client, number, length)).await.is_err() {
                        return;
                    }
                    acknowledged[client].store(number, Ordering::SeqCst);
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
}

/// Checks that nothing acknowledged is missing and no batch is there by half; takes over what was in flight.
async fn check(store: &EmbeddedStore, acknowledged: &Acknowledged, context: &str) {
    let number = |value: &Option<Bytes>| -> u64 {
        let text = value.as_ref().map_or("0 ".into(), |value| String::from_utf8(value.to_vec()).unwrap());
        text.split_once(' ').unwrap().0.parse().unwrap()
    };
    let mut sum = 0;
    for (client, acknowledged) in acknowledged.iter().enumerate() {
        let keys = [format!("{client}/first"), format!("{client}/second")].map(|key| bytes(&key));
        let values = store.get_many(&keys).await.unwrap();
        assert_eq!(values[0], values[1], "{context}: half a batch of client {client}");
        let (found, known) = (number(&values[0]), acknowledged.load(Ordering::SeqCst));
        assert!(found == known || found == known + 1, "{context}: client {client} was told {known}, {found} is there");
        acknowledged.store(found, Ordering::SeqCst);
        sum += found;
    }
    let found = store.get(b"sum").await.unwrap().map_or(0, |value| u64::from_le_bytes(value[..].try_into().unwrap()));
    assert_eq!(found, sum, "{context}: the counter");
}

/// In this process: a child would hold copies of locked files for a moment.
pub(super) fn copy_folder(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// What becomes of sled's folder in the cut.
fn treat_index(data: &Path, earlier: &Path, random: &mut Random) -> &'static str {
    let index = data.join(INDEX_FOLDER);
    match random.below(4) {
        0 => "kept",
        1 => {
            let _ = fs::remove_dir_all(&index);
            "lost"
        }
        2 if earlier.is_dir() => {
            copy_folder(earlier, &index);
            "of an earlier start"
        }
        _ => {
            for entry in fs::read_dir(&index).into_iter().flatten().flatten() {
                if let Ok(file) = File::options().write(true).open(entry.path()) {
                    let length = file.metadata().unwrap().len();
                    file.set_len(random.below(length + 1)).unwrap();
                }
            }
            "cut short"
        }
    }
}

async fn one_life(seed: u64) {
    let mut random = Random(seed);
    let folder = tempfile::tempdir().unwrap();
    let (data, earlier) = (folder.path().join("data"), folder.path().join("earlier"));
    let mut disk = SimulatedDisk::default();
    let acknowledged: Arc<Acknowledged> = Arc::default();
    let mut fate = "new";
    for round in 0..6 {
        // Sometimes so early that the store does not even open.
        let steps = if random.below(4) == 0 { random.below(25) } else { 25 + random.below(400) };
        disk.power_off_at(disk.steps() + steps);
        let opened = {
            let (disk, data) = (disk.clone(), data.clone());
            tokio::task::spawn_blocking(move || open(&disk, &data)).await.unwrap()
        };
        match opened {
            Ok(store) => {
                let store = Arc::new(store);
                check(&store, &acknowledged, &format!("seed {seed}, round {round}, index {fate}")).await;
                work(&store, &acknowledged, random.next()).await;
                assert!(store.close().await.is_err(), "the power is off");
            }
            // The power went while it opened.
            Err(StoreError::Io { .. }) => {}
            Err(other) => panic!("seed {seed}, round {round}, index {fate}: {other}"),
        }
        disk = disk.after_cut(&mut random);
        fate = treat_index(&data, &earlier, &mut random);
        if data.join(INDEX_FOLDER).is_dir() && random.flip() {
            copy_folder(&data.join(INDEX_FOLDER), &earlier);
        }
    }
    let store = open(&disk, &data).unwrap();
    check(&store, &acknowledged, &format!("seed {seed}, at the end, index {fate}")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_power_cuts_do_nothing_acknowledged_is_lost() {
    for seed in 0..40 {
        one_life(seed).await;
    }
}

/// Each step of making a checkpoint may be the last one.
#[tokio::test(flavor = "multi_thread")]
async fn a_power_cut_at_any_step_of_a_checkpoint_loses_nothing() {
    let options = EmbeddedOptions { checkpoint_journal_bytes: u64::MAX, ..OPTIONS };
    let open = |disk: &SimulatedDisk, data: &Path| {
        EmbeddedStore::open(data, options, Arc::new(disk.clone()), Arc::new(SystemClock)).unwrap()
    };
    let mut cut_at = 0;
    loop {
        let (folder, disk) = (tempfile::tempdir().unwrap(), SimulatedDisk::default());
        let store = open(&disk, folder.path());
        for round in 0..3 {
            for number in 0..30 {
                store.commit(batch(round, number, 400)).await.unwrap();
            }
            if round < 2 {
                store.checkpoint().await.unwrap();
            }
        }
        let expected = everything(&store).await;
        disk.power_off_at(disk.steps() + cut_at);
        let made = store.checkpoint().await.is_ok();
        drop(store);
        for seed in 0..3 {
            let mut random = Random(cut_at * 10 + seed);
            let disk = disk.after_cut(&mut random);
            let _ = fs::remove_dir_all(folder.path().join(INDEX_FOLDER));
            let store = open(&disk, folder.path());
            assert_eq!(everything(&store).await, expected, "cut at step {cut_at}, seed {seed}");
        }
        if made {
            break;
        }
        cut_at += 1;
    }
    assert!(cut_at > 5, "{cut_at} steps");
}
