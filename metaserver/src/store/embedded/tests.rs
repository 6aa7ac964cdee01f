use super::replication::StandbyOptions;
use super::*;
use crate::store::conformance::{self, Engine, add, bytes, everything, put, writes};
use crate::store::{CommitError, Guard, Write};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use weir_service::clock::SystemClock;
use weir_service::config::StandbyMode;
use weir_service::disk::SystemDisk;
use weir_service::simulation::{Fault, Kind, Random, SimulatedDisk};

const OPTIONS: EmbeddedOptions = EmbeddedOptions {
    journal_segment_bytes: 64 << 10,
    checkpoint_journal_bytes: 1 << 30,
    index: IndexKind::Sled { cache_bytes: 4 << 20 },
    commit_queue_max_count: 10_000,
    reserve_bytes: 0,
    standby: StandbyOptions { mode: StandbyMode::None, timeout: Duration::from_secs(5) },
};

fn open_with(data: &Path, options: EmbeddedOptions) -> Result<EmbeddedStore, StoreError> {
    EmbeddedStore::open(data, options, Arc::new(SystemDisk), Arc::new(SystemClock))
}

fn open(data: &Path) -> EmbeddedStore {
    open_with(data, OPTIONS).unwrap()
}

fn gauge(store: &EmbeddedStore, name: &str) -> u64 {
    store.gauges().into_iter().find(|(found, _)| *found == name).unwrap().1
}

fn was_rebuilt(store: &EmbeddedStore) -> bool {
    gauge(store, "index_rebuilds") == 1
}

/// Commits with several keys, overwriting some; what the store then has.
async fn fill(store: &EmbeddedStore, rounds: u32) -> Vec<(Bytes, Bytes)> {
    for round in 0..rounds {
        let key = format!("key {}", round * 7 % 211);
        store
            .commit(writes([
                put(&key, &"v".repeat(round as usize * 13 % 3000)),
                put("last", &round.to_string()),
                add("n", 1),
            ]))
            .await
            .unwrap();
        if round % 11 == 0 {
            store.commit(writes([conformance::delete(&format!("key {}", round % 13))])).await.unwrap();
        }
    }
    everything(store).await
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.extension().is_some_and(|found| found == extension));
    found.sort();
    found
}

fn flip(path: &Path, offset: u64) {
    let file = File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).unwrap();
    file.write_all_at(&[byte[0] ^ 0x40], offset).unwrap();
}

struct Embedded {
    folders: Vec<TempDir>,
    options: EmbeddedOptions,
    reopened: u32,
    stores: BTreeMap<usize, Arc<EmbeddedStore>>,
}

impl Embedded {
    fn new(options: EmbeddedOptions) -> Self {
        Self { folders: Vec::new(), options, reopened: 0, stores: BTreeMap::new() }
    }

    fn open(&mut self) -> Arc<dyn Store> {
        let store = Arc::new(open_with(self.folders.last().unwrap().path(), self.options).unwrap());
        self.stores.insert(self.folders.len(), Arc::clone(&store));
        store
    }
}

impl Engine for Embedded {
    async fn fresh(&mut self) -> Arc<dyn Store> {
        self.stores.clear();
        self.folders.push(tempfile::tempdir().unwrap());
        self.open()
    }

    /// In turn: closed in order, killed, and killed with the index lost.
    async fn reopen(&mut self, store: Arc<dyn Store>) -> Arc<dyn Store> {
        drop(store);
        let store = self.stores.remove(&self.folders.len()).unwrap();
        self.reopened += 1;
        if self.reopened.is_multiple_of(3) {
            store.close().await.unwrap();
        }
        drop(store);
        if self.reopened % 3 == 2 {
            fs::remove_dir_all(self.folders.last().unwrap().path().join(INDEX_FOLDER)).unwrap();
        }
        self.open()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_embedded_store_conforms() {
    conformance::run(&mut Embedded::new(OPTIONS)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_embedded_store_conforms_while_it_makes_checkpoints_all_the_time() {
    let options = EmbeddedOptions { journal_segment_bytes: 8 << 10, checkpoint_journal_bytes: 16 << 10, ..OPTIONS };
    conformance::run(&mut Embedded::new(options)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_closed_or_killed_keeps_its_index() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let expected = fill(&store, 500).await;
    drop(store);
    let store = open(folder.path());
    assert_eq!(everything(&store).await, expected);
    assert!(!was_rebuilt(&store) || state::Identity::of(folder.path()).is_none());
    store.close().await.unwrap();
    assert!(matches!(store.get(b"n").await, Err(StoreError::Stopped { .. })));
    assert!(matches!(store.commit(Batch::default()).await, Err(CommitError::Store(StoreError::Stopped { .. }))));
    drop(store);
    let store = open(folder.path());
    assert!(!was_rebuilt(&store));
    assert_eq!(everything(&store).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_from_another_mount_or_boot_is_rebuilt_unless_it_was_closed() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let expected = fill(&store, 300).await;
    drop(store);
    let text = fs::read_to_string(folder.path().join("state")).unwrap();
    assert!(text.contains("running boot"), "{text}");
    // A copy of the folder is another folder: its index may be of any moment.
    let copy = tempfile::tempdir().unwrap();
    super::power_tests::copy_folder(folder.path(), copy.path());
    let store = open(copy.path());
    assert!(was_rebuilt(&store));
    assert_eq!(everything(&store).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_index_is_rebuilt_from_the_journal_and_from_a_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    fill(&store, 200).await;
    for _ in 0..3 {
        let expected = fill(&store, 100).await;
        store.close().await.unwrap();
        fs::remove_dir_all(folder.path().join(INDEX_FOLDER)).unwrap();
        store = open(folder.path());
        assert!(was_rebuilt(&store));
        assert_eq!(everything(&store).await, expected);
        store.checkpoint().await.unwrap();
    }
}

/// An index damaged anywhere gives the right contents: rebuilt at start, or at the start after the stop that reading
/// the damage leads to. Wrong contents never.
#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_index_never_gives_wrong_contents() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let expected = fill(&store, 400).await;
    store.checkpoint().await.unwrap();
    store.close().await.unwrap();
    drop(store);
    let database = folder.path().join(INDEX_FOLDER).join("db");
    let length = fs::metadata(&database).unwrap().len();
    let mut rebuilt_count = 0;
    for step in 0..24_u64 {
        for offset in 0..8 {
            flip(&database, (length / 24 * step + offset * 97) % length);
        }
        let store = open(folder.path());
        rebuilt_count += u32::from(was_rebuilt(&store));
        assert_eq!(everything(&store).await, expected, "step {step}");
        store.close().await.unwrap();
    }
    assert!(rebuilt_count > 0);
    for garbage in [&b""[..], b"garbage", &[0xff; 100_000]] {
        for name in ["db", "conf"] {
            fs::write(folder.path().join(INDEX_FOLDER).join(name), garbage).unwrap();
        }
        let store = open(folder.path());
        assert!(was_rebuilt(&store));
        assert_eq!(everything(&store).await, expected);
        store.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leftover_of_sleds_snapshots_does_not_hinder() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let expected = fill(&store, 50).await;
    store.close().await.unwrap();
    drop(store);
    fs::write(folder.path().join(INDEX_FOLDER).join("snap.00000000000012AB.generating"), b"half").unwrap();
    let store = open(folder.path());
    assert!(!was_rebuilt(&store));
    assert_eq!(everything(&store).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoints_shorten_the_journal_and_a_damaged_one_is_not_missed() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let checkpoints = folder.path().join(CHECKPOINT_FOLDER);
    for _ in 0..4 {
        fill(&store, 400).await;
        store.checkpoint().await.unwrap();
    }
    assert_eq!(files(&checkpoints, "checkpoint").len(), 2);
    let segments = files(&folder.path().join(JOURNAL_FOLDER), "journal");
    assert!(!segments[0].ends_with("00000000000000000001.journal"), "{segments:?}");
    let expected = fill(&store, 100).await;
    drop(store);

    let newest = files(&checkpoints, "checkpoint").pop().unwrap();
    let whole = fs::read(&newest).unwrap();
    for damage in [0, 13, 20, 40, whole.len() / 2, whole.len() - 1] {
        flip(&newest, damage as u64);
        fs::remove_dir_all(folder.path().join(INDEX_FOLDER)).unwrap();
        let store = open(folder.path());
        assert!(was_rebuilt(&store));
        assert_eq!(everything(&store).await, expected, "damage at {damage}");
        drop(store);
        fs::write(&newest, &whole).unwrap();
    }
    for length in [0, 10, 16, whole.len() / 3, whole.len() - 1] {
        fs::write(&newest, &whole[..length]).unwrap();
        fs::remove_dir_all(folder.path().join(INDEX_FOLDER)).unwrap();
        let store = open(folder.path());
        assert_eq!(everything(&store).await, expected, "cut at {length}");
    }
    // Neither can be read, and the journal does not reach back to the beginning: said, not guessed.
    for path in files(&checkpoints, "checkpoint") {
        fs::write(path, b"nothing").unwrap();
    }
    fs::remove_dir_all(folder.path().join(INDEX_FOLDER)).unwrap();
    match open_with(folder.path(), OPTIONS) {
        Err(StoreError::Damaged { what, .. }) => assert!(what.contains("checkpoint"), "{what}"),
        other => panic!("{:?}", other.map(|_| ())),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_lost_acknowledged_commits_is_said_to_be_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    fill(&store, 400).await;
    store.close().await.unwrap();
    drop(store);
    let segments = files(&folder.path().join(JOURNAL_FOLDER), "journal");
    let newest_used = segments.iter().rev().find(|path| fs::read(path).unwrap()[64] != 0).unwrap();
    let whole = fs::read(newest_used).unwrap();
    let end = whole.iter().rposition(|byte| *byte != 0).unwrap();
    // The very last frame: a cut, but for the clean stop that knows it was there.
    flip(newest_used, end as u64);
    assert!(matches!(open_with(folder.path(), OPTIONS), Err(StoreError::Damaged { .. })));
    fs::write(newest_used, &whole).unwrap();
    flip(newest_used, 200);
    fs::remove_dir_all(folder.path().join(INDEX_FOLDER)).unwrap();
    assert!(matches!(open_with(folder.path(), OPTIONS), Err(StoreError::Damaged { .. })));
    fs::write(newest_used, &whole).unwrap();
    open(folder.path());
    // No journal at all is no new store.
    fs::remove_dir_all(folder.path().join(JOURNAL_FOLDER)).unwrap();
    assert!(matches!(open_with(folder.path(), OPTIONS), Err(StoreError::Damaged { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_made_under_load_restores_to_one_moment() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(open(folder.path()));
    // Between the keys that are written meanwhile lie many blocks.
    let between = (0..600).map(|number| put(&format!("key {number}"), &"v".repeat(12_000)));
    store.commit(writes(between)).await.unwrap();
    let busy = {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for round in 0..2000 {
                let value = round.to_string();
                store.commit(writes([put("a", &value), put("m", &value), put("z", &value)])).await.unwrap();
            }
        })
    };
    let backups = tempfile::tempdir().unwrap();
    let mut made = Vec::new();
    while !busy.is_finished() {
        made.push(store.backup(backups.path()).await.unwrap());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    busy.await.unwrap();
    assert!(made.len() > 1);
    for backup in made.iter().take(5) {
        let restored = tempfile::tempdir().unwrap();
        let data = restored.path().join("deep/data");
        let summary = restore(&backup.path, &data, &SystemDisk, |_, _| {}).unwrap();
        assert_eq!((summary.entries, summary.sequence), (backup.entry_count, backup.sequence.0));
        let copy = open(&data);
        assert_eq!(gauge(&copy, "sequence"), summary.sequence);
        let values = copy.get_many(&["a", "m", "z"].map(bytes)).await.unwrap();
        assert!(values.iter().all(|value| *value == values[0]), "{values:?}");
    }
    // The newest in a folder is taken, and the restored store lives on.
    let expected = everything(&*store).await;
    store.backup(backups.path()).await.unwrap();
    let data = tempfile::tempdir().unwrap();
    restore(backups.path(), data.path(), &SystemDisk, |_, _| {}).unwrap();
    let copy = open(data.path());
    assert!(copy.awaits_confirmation() && !store.awaits_confirmation());
    assert_eq!(everything(&copy).await, expected);
    copy.commit(writes([put("new", "1")])).await.unwrap();
    drop(copy);
    fs::remove_dir_all(data.path().join(INDEX_FOLDER)).unwrap();
    let copy = open(data.path());
    assert!(copy.awaits_confirmation());
    copy.confirm_restore().await.unwrap();
    assert!(!copy.awaits_confirmation());
    assert_eq!(everything(&copy).await.len(), expected.len() + 1);
    assert!(matches!(restore(backups.path(), data.path(), &SystemDisk, |_, _| {}), Err(StoreError::NotEmpty { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_durable_when_it_is_there() {
    let (folder, disk) = (tempfile::tempdir().unwrap(), SimulatedDisk::default());
    let store = open_on(&disk, folder.path(), OPTIONS);
    fill(&store, 20).await;
    let backup = store.backup(Path::new("/backups")).await.unwrap();
    for seed in 0..8 {
        let disk = disk.after_cut(&mut Random(seed));
        let summary = restore(&backup.path, Path::new("/restored"), &disk, |_, _| {}).unwrap();
        assert_eq!(Sequence(summary.sequence), backup.sequence);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_backup_or_half_a_restore_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    fill(&store, 50).await;
    let backups = tempfile::tempdir().unwrap();
    let path = store.backup(backups.path()).await.unwrap().path;
    flip(&path, 300);
    let data = tempfile::tempdir().unwrap();
    assert!(matches!(restore(&path, data.path(), &SystemDisk, |_, _| {}), Err(StoreError::Damaged { .. })));
    assert_eq!(fs::read_dir(data.path()).unwrap().count(), 0, "nothing was written");
    fs::write(data.path().join(RESTORING_FILE), b"").unwrap();
    assert!(matches!(open_with(data.path(), OPTIONS), Err(StoreError::Damaged { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_open_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    match open_with(folder.path(), OPTIONS) {
        Err(StoreError::Io { operation, .. }) => assert_eq!(operation, "lock"),
        other => panic!("{:?}", other.map(|_| ())),
    }
    drop(store);
    open(folder.path());
}

/// A store over a disk in memory; the index is in a folder as always.
fn open_on(disk: &SimulatedDisk, data: &Path, options: EmbeddedOptions) -> EmbeddedStore {
    EmbeddedStore::open(data, options, Arc::new(disk.clone()), Arc::new(SystemClock)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn below_the_reserve_only_what_is_urgent_or_writes_no_value_is_taken() {
    let (folder, disk) = (tempfile::tempdir().unwrap(), SimulatedDisk::default());
    let store = open_on(&disk, folder.path(), EmbeddedOptions { reserve_bytes: 1 << 20, ..OPTIONS });
    store.commit(writes([put("a", "1"), put("b", "1")])).await.unwrap();
    disk.set_available(1 << 19);
    tokio::time::sleep(Duration::from_millis(250)).await;
    let refused = store.commit(writes([put("c", "1")])).await;
    assert!(matches!(refused, Err(CommitError::Store(StoreError::Full))));
    store.commit(writes([conformance::delete("a"), add("n", -1)])).await.unwrap();
    let urgent = Batch { urgent: true, ..writes([put("reclaim", "b"), conformance::delete("b")]) };
    store.commit(urgent).await.unwrap();
    assert_eq!(gauge(&store, "disk_low"), 1);
    // Really full: the next segment can't be made. Nothing of the batch is there, and reading goes on.
    disk.set_available(0);
    let mut refused = 0;
    for _ in 0..20 {
        let batch = Batch { urgent: true, ..writes((0..4).map(|n| put(&format!("big {n}"), &"x".repeat(15_000)))) };
        match store.commit(batch).await {
            Ok(_) => {}
            Err(CommitError::Store(StoreError::Full)) => refused += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(refused > 0);
    assert_eq!(store.get(b"reclaim").await.unwrap(), Some(bytes("b")));
    disk.set_available(u64::MAX);
    tokio::time::sleep(Duration::from_millis(250)).await;
    store.commit(writes([put("c", "1")])).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_leaves_half_of_the_reserve_to_others() {
    let (folder, disk) = (tempfile::tempdir().unwrap(), SimulatedDisk::default());
    let store = open_on(&disk, folder.path(), EmbeddedOptions { reserve_bytes: 1 << 20, ..OPTIONS });
    store.commit(writes([put("a", &"x".repeat(10_000))])).await.unwrap();
    disk.set_available((1 << 19) + 9_000);
    let refused = store.checkpoint().await;
    assert!(matches!(refused, Err(StoreError::Io { ref source, .. }) if source.kind() == io::ErrorKind::StorageFull));
    assert_eq!(disk.list(&folder.path().join(CHECKPOINT_FOLDER)).unwrap(), [] as [PathBuf; 0], "nor does it leave any");
    disk.set_available((1 << 19) + 11_000);
    store.checkpoint().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_checkpoint_makes_room_for_a_new_one() {
    let (folder, disk) = (tempfile::tempdir().unwrap(), SimulatedDisk::default());
    let store = open_on(&disk, folder.path(), EmbeddedOptions { reserve_bytes: 1 << 20, ..OPTIONS });
    let kept = || disk.list(&folder.path().join(CHECKPOINT_FOLDER)).unwrap().len();
    for n in 0..2 {
        store.commit(writes([put("a", &n.to_string())])).await.unwrap();
        store.checkpoint().await.unwrap();
    }
    assert_eq!(kept(), 2);
    disk.set_available(1 << 10);
    store.checkpoint().await.unwrap_err();
    assert_eq!(kept(), 1, "the newest stays");
    drop(store);
    disk.set_available(u64::MAX);
    let store = open_on(&disk, folder.path(), OPTIONS);
    assert_eq!(store.get(b"a").await.unwrap(), Some(bytes("1")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_checkpoint_has_room_besides_the_reserve_and_deletes_bring_writes_back() {
    let (folder, disk) = (tempfile::tempdir().unwrap(), SimulatedDisk::default());
    let store = open_on(&disk, folder.path(), EmbeddedOptions { reserve_bytes: 1 << 20, ..OPTIONS });
    for n in 0..40 {
        store.commit(writes([put(&format!("key {n:02}"), &"x".repeat(10_000))])).await.unwrap();
    }
    let length_bytes = 40 * 10_000;
    // More than the reserve, less than what the checkpoint takes besides.
    disk.set_available((1 << 20) + length_bytes / 2);
    tokio::time::sleep(Duration::from_millis(250)).await;
    let refused = store.commit(writes([put("c", "1")])).await;
    assert!(matches!(refused, Err(CommitError::Store(StoreError::Full))));
    for n in 0..40 {
        // Records of deletes as long as they are in the namespace, so that a checkpoint is due.
        let trace = put("reclaim", &"x".repeat(1_000));
        let batch = [conformance::delete(&format!("key {n:02}")), trace];
        store.commit(Batch { urgent: true, ..writes(batch) }).await.unwrap();
    }
    let until = Instant::now() + Duration::from_secs(10);
    while store.commit(writes([put("c", "1")])).await.is_err() {
        assert!(Instant::now() < until, "no checkpoint was made");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_that_fails_stops_the_store_for_good_and_is_not_acknowledged() {
    let (folder, disk) = (tempfile::tempdir().unwrap(), SimulatedDisk::default());
    let store = open_on(&disk, folder.path(), OPTIONS);
    store.commit(writes([put("a", "1")])).await.unwrap();
    disk.fail(Fault::broken(Kind::SYNCS));
    for _ in 0..2 {
        let refused = store.commit(writes([put("a", "2")])).await;
        assert!(matches!(refused, Err(CommitError::Store(StoreError::Stopped { .. }))), "{refused:?}");
    }
    let reason = tokio::time::timeout(Duration::from_secs(5), store.stopped()).await.unwrap();
    assert!(reason.contains("sync"), "{reason}");
    assert!(matches!(store.get(b"a").await, Err(StoreError::Stopped { .. })));
    assert!(store.close().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_that_fails_once_is_not_made_good_by_one_that_works() {
    let (folder, disk) = (tempfile::tempdir().unwrap(), SimulatedDisk::default());
    let store = open_on(&disk, folder.path(), OPTIONS);
    store.commit(writes([put("a", "1")])).await.unwrap();
    disk.fail(Fault { count: 1, ..Fault::broken(&[Kind::Sync]) });
    let refused = store.commit(writes([put("a", "2")])).await;
    assert!(matches!(refused, Err(CommitError::Store(StoreError::Stopped { .. }))), "{refused:?}");
    let refused = store.commit(writes([put("b", "1")])).await;
    assert!(matches!(refused, Err(CommitError::Store(StoreError::Stopped { .. }))), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_finds_the_queue_full_is_told_to_come_back() {
    let queue = Queue::new(2);
    let pending = || Pending {
        work: Work::Batch(Batch::default()),
        bytes: 0,
        queued: std::time::Instant::now(),
        trace: weir_service::trace::Trace::default(),
        answer: oneshot::channel().0,
    };
    queue.push(pending()).unwrap();
    queue.push(pending()).unwrap();
    assert!(matches!(queue.push(pending()), Err(StoreError::Busy)));
    assert_eq!(queue.take().await.unwrap().len(), 2);
    queue.push(pending()).unwrap();
    queue.close();
    assert!(matches!(queue.push(pending()), Err(StoreError::Stopped { .. })));
    assert_eq!(queue.take().await.unwrap().len(), 1, "what waits is still taken");
    assert!(queue.take().await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_of_commits_judges_each_by_those_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(open(folder.path()));
    // Many at once share a group; of each kind one wins, and refused additions leave no trace.
    store.commit(writes([put("text", "no counter")])).await.unwrap();
    let tasks: Vec<_> = (0..200)
        .map(|number| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                match number % 4 {
                    0 => {
                        let guards = vec![Guard::Absent { key: bytes("winner") }];
                        let batch = Batch { guards, ..writes([put("winner", "x"), add("wins", 1)]) };
                        store.commit(batch).await.is_ok()
                    }
                    1 => store.commit(writes([add("wins", 100), add("text", 1)])).await.is_ok(),
                    2 => store.commit(writes([add("sum", 1)])).await.is_ok(),
                    _ => store.commit(writes([Write::Delete { key: bytes("other") }])).await.is_ok(),
                }
            })
        })
        .collect();
    let mut ok_count = 0;
    for task in tasks {
        ok_count += u32::from(task.await.unwrap());
    }
    assert_eq!(ok_count, 1 + 50 + 50);
    let values = store.get_many(&["wins", "sum"].map(bytes)).await.unwrap();
    let number = |value: &Option<Bytes>| i64::from_le_bytes(value.as_deref().unwrap().try_into().unwrap());
    assert_eq!((number(&values[0]), number(&values[1])), (1, 50));
    assert!(gauge(&store, "journal_syncs") < 150, "commits share their fdatasync");
}
