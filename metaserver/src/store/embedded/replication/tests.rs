//! Two stores on disks that forget what was not synced, with a wire between them that breaks.

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

/// What each client had acknowledged last.
type Acknowledged = [AtomicU64; CLIENTS];

/// Commits until the store takes no more.
async fn work(store: Arc<EmbeddedStore>, acknowledged: Arc<Acknowledged>, seed: u64) {
    let clients = (0..CLIENTS).map(|client| {
        let (store, acknowledged) = (store.clone(), acknowledged.clone());
        let mut random = Random(seed.wrapping_mul(31).wrapping_add(client as u64));
        async move {
            loop {
                let number = acknowledged[client].load(Ordering::SeqCst) + 1;
                match store.commit(batch(client, number, random.below(700) as usize)).await {
                    Ok(_) => acknowledged[client].store(number, Ordering::SeqCst),
                    Err(CommitError::Store(StoreError::StandbyAway)) => {
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                    Err(_) => return,
                }
            }
        }
    });
    futures::future::join_all(clients).await;
}

/// Nothing acknowledged is missing; at most what was in flight is there beside it, which counts from now on.
async fn check(store: &dyn Store, acknowledged: &Acknowledged, context: &str) {
    let found = numbers(store).await;
    for (client, acknowledged) in acknowledged.iter().enumerate() {
        let known = acknowledged.swap(found[client], Ordering::SeqCst);
        let found = found[client];
        assert!(found == known || found == known + 1, "{context}: client {client} was told {known}, {found} is there");
    }
    let sum = store.get(b"sum").await.unwrap().map_or(0, |value| u64::from_le_bytes(value[..].try_into().unwrap()));
    assert_eq!(sum, found.iter().sum::<u64>(), "{context}: half a batch");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_has_what_was_answered_and_takes_over() {
    let (a, b) = (Machine::new(StandbyMode::Required), Machine::new(StandbyMode::Optional));
    let (primary, standby) = (a.serve().await.unwrap(), b.follow().await.unwrap());
    let refused = primary.commit(batch(0, 1, 10)).await.unwrap_err();
    assert!(matches!(refused, CommitError::Store(StoreError::StandbyAway)), "{refused}");
    let wire = connect(&primary, &standby).unwrap();
    in_sync(&primary, &standby).await;
    for number in 1..40 {
        primary.commit(batch(0, number, 500)).await.unwrap();
    }
    assert_eq!(standby.belief().sequence, 39);
    let refused = standby.store().unwrap().commit(batch(0, 40, 10)).await.unwrap_err();
    assert!(matches!(refused, CommitError::Store(StoreError::Following { .. })), "{refused}");
    let expected = everything(&*primary).await;
    wire.cut().await;
    let promoted = standby.promote(2, false).await.unwrap();
    assert_eq!(everything(&*promoted).await, expected);
    assert_eq!((promoted.epoch_min(), promoted.awaits_confirmation()), (2, false));
    promoted.begin_serving().unwrap();
    promoted.commit(batch(0, 40, 10)).await.unwrap();
    drop((promoted, standby));
    let reopened = b.serve().await.unwrap();
    assert_eq!((numbers(&*reopened).await[0], reopened.epoch_min()), (40, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_optional_standby_is_let_go_and_that_is_noted_before_anyone_is_answered_without_it() {
    let (mut a, b) = (Machine::new(StandbyMode::Optional), Machine::new(StandbyMode::Optional));
    let (primary, standby) = (a.serve().await.unwrap(), b.follow().await.unwrap());
    // Where there never was a standby, nothing is waited for.
    primary.commit(batch(0, 1, 10)).await.unwrap();
    assert_eq!(primary.standing().alone, None);
    let wire = connect(&primary, &standby).unwrap();
    in_sync(&primary, &standby).await;
    primary.commit(batch(0, 2, 10)).await.unwrap();
    drop(wire);
    // It may come back in time.
    let wire = connect(&primary, &standby).unwrap();
    primary.commit(batch(0, 3, 10)).await.unwrap();
    in_sync(&primary, &standby).await;
    assert_eq!((primary.standing().alone, standby.belief().sequence), (None, 3));
    drop(wire);
    let begun = std::time::Instant::now();
    primary.commit(batch(0, 4, 10)).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(300), "it is waited for as long as was chosen");
    assert_eq!(primary.standing().alone.map(|alone| alone.sequence), Some(3));
    let begun = std::time::Instant::now();
    primary.commit(batch(0, 5, 10)).await.unwrap();
    assert!(begun.elapsed() < Duration::from_millis(300), "one that was let go is not waited for");

    // The note outlives a power cut, and goes when the standby is in sync again.
    drop(primary);
    a.cut(&mut Random(1));
    let primary = a.serve().await.unwrap();
    assert_eq!(primary.standing().alone.map(|alone| alone.sequence), Some(3));
    let _wire = connect(&primary, &standby).unwrap();
    in_sync(&primary, &standby).await;
    assert_eq!((primary.standing().alone, standby.belief().sequence), (None, 5));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_required_standby_commits_stop_and_nothing_in_flight_is_answered() {
    let (a, b) = (Machine::new(StandbyMode::Required), Machine::new(StandbyMode::Required));
    let (primary, standby) = (a.serve().await.unwrap(), b.follow().await.unwrap());
    let wire = connect(&primary, &standby).unwrap();
    in_sync(&primary, &standby).await;
    primary.commit(batch(0, 1, 10)).await.unwrap();
    // It hears, and does not answer.
    wire.tasks[1].abort();
    let (store, in_flight) = (primary.clone(), batch(0, 2, 10));
    let in_flight = tokio::spawn(async move { store.commit(in_flight).await });
    until("away", || primary.standing().phase == Phase::Away).await;
    assert!(!in_flight.is_finished());
    assert_eq!(numbers(&*primary).await[0], 1, "nobody sees what was not answered");
    let refused = primary.commit(batch(1, 1, 10)).await.unwrap_err();
    assert!(matches!(refused, CommitError::Store(StoreError::StandbyAway)), "{refused}");
    drop(wire);
    let _wire = connect(&primary, &standby).unwrap();
    in_flight.await.unwrap().unwrap();
    in_sync(&primary, &standby).await;
    primary.commit(batch(1, 1, 10)).await.unwrap();
    assert_eq!(standby.belief().sequence, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_that_comes_back_goes_on_or_is_seeded() {
    let (a, b) = (Machine::new(StandbyMode::Optional), Machine::new(StandbyMode::Optional));
    let (primary, standby) = (a.serve().await.unwrap(), b.follow().await.unwrap());
    let mut number = 0;
    // A few commits, which the journal keeps; many, which it does not; and with the standby started anew in between.
    for rounds in [3, 5, 400, 3, 400] {
        for _ in 0..rounds {
            number += 1;
            primary.commit(batch(0, number, 600)).await.unwrap();
        }
        primary.checkpoint().await.unwrap();
        let wire = connect(&primary, &standby).unwrap();
        in_sync(&primary, &standby).await;
        assert_eq!(everything(&*standby.store().unwrap()).await, everything(&*primary).await, "{rounds}");
        drop(wire);
    }
    // Just seeded, with no frame in its journal: it knows where it is all the same.
    let at = standby.position().unwrap();
    assert!(at.frame.is_some_and(|frame| frame.last == at.sequence));
    standby.close().await.unwrap();
    drop(standby);
    let standby = b.follow().await.unwrap();
    assert_eq!(standby.position().unwrap(), at);
    let refused = b.open().await;
    assert!(matches!(refused, Err(StoreError::Io { .. } | StoreError::Following { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_was_replaced_takes_no_commits_and_loses_its_tail_when_it_follows() {
    let (a, b) = (Machine::new(StandbyMode::Optional), Machine::new(StandbyMode::Optional));
    let (primary, standby) = (a.serve().await.unwrap(), b.follow().await.unwrap());
    let wire = connect(&primary, &standby).unwrap();
    in_sync(&primary, &standby).await;
    primary.commit(batch(0, 1, 10)).await.unwrap();
    drop(wire);
    // Answered without the standby, which is forced to take over.
    primary.commit(batch(0, 2, 10)).await.unwrap();
    primary.commit(batch(0, 3, 10)).await.unwrap();
    let promoted = standby.promote(2, true).await.unwrap();
    assert!(promoted.awaits_confirmation(), "it lacks something, so nothing is deleted");
    promoted.begin_serving().unwrap();
    for number in 2..9 {
        promoted.commit(batch(1, number, 10)).await.unwrap();
    }
    assert_eq!(primary.step_down(2).await.unwrap(), 3);
    let refused = primary.commit(batch(0, 4, 10)).await.unwrap_err();
    assert!(matches!(refused, CommitError::Store(StoreError::Replaced { epoch: 2, .. })), "{refused}");
    drop(primary);
    assert!(matches!(a.open().await, Err(StoreError::Replaced { epoch: 2, .. })));
    let old = a.follow().await.unwrap();
    let _wire = connect(&promoted, &old).unwrap();
    in_sync(&promoted, &old).await;
    assert_eq!(everything(&*old.store().unwrap()).await, everything(&*promoted).await);
    let other = Machine::new(StandbyMode::None).follow().await.unwrap();
    assert!(matches!(connect(&promoted, &other), Err(FollowError::Taken { .. })));
    assert!(matches!(connect(&old.store().unwrap(), &other), Err(FollowError::Standby)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_standby_can_not_believe_changes_nothing() {
    let (a, b) = (Machine::new(StandbyMode::Required), Machine::new(StandbyMode::Required));
    let (primary, standby) = (a.serve().await.unwrap(), b.follow().await.unwrap());
    let wire = connect(&primary, &standby).unwrap();
    in_sync(&primary, &standby).await;
    for number in 1..4 {
        primary.commit(batch(0, number, 10)).await.unwrap();
    }
    assert!(matches!(primary.acknowledge(wire.attachment, 4), Err(StoreError::Refused { .. })));
    drop(wire);
    let expected = everything(&*standby.store().unwrap()).await;
    let mut payload = Vec::new();
    changes::push(&mut payload, (b"key", Some(b"value")));
    let good = |first, last, payload: &[u8]| Frame {
        first,
        last,
        run: 1,
        payload_crc: crc32c(payload),
        payload: Bytes::copy_from_slice(payload),
    };
    let long = [b"x".as_slice(); MAX_STORE_KEY_BYTES + 1].concat();
    let mut too_long = Vec::new();
    too_long.extend((long.len() as u16).to_le_bytes());
    too_long.extend([0; 4]);
    too_long.extend(&long);
    let bad = [
        ("a wrong checksum", Frame { payload_crc: 1, ..good(4, 4, &payload) }),
        ("no order", good(5, 4, &payload)),
        ("no sequence", good(0, 4, &payload)),
        ("the last number", good(4, u64::MAX, &payload)),
        ("a gap", good(5, 5, &payload)),
        ("what is there", good(3, 3, &payload)),
        ("an overlap", good(3, 5, &payload)),
        ("no changes", good(4, 4, b"nothing of the kind")),
        ("a key that is too long", good(4, 4, &too_long)),
    ];
    let of = Primary { address: "primary:1".into(), mode: StandbyMode::Required, restored: false };
    let (acknowledged, mut acknowledgements) = mpsc::channel(8);
    for (what, frame) in bad {
        let said = [ToStandby::Continue, ToStandby::Frame(frame)];
        let ended = standby.follow(&of, futures::stream::iter(said), &acknowledged).await;
        assert!(matches!(ended, Err(StoreError::Refused { .. })), "{what}: {ended:?}");
    }
    let position = Position { sequence: 9, frame: None };
    let seed = |bytes| ToStandby::Seed { bytes, position };
    let piece = |length| ToStandby::SeedPiece(Bytes::from(vec![7; length]));
    for (what, said) in [
        ("a frame before a word", vec![ToStandby::Frame(good(4, 4, &payload))]),
        ("in sync before a word", vec![ToStandby::InSync { sequence: 3 }]),
        ("a piece of nothing", vec![ToStandby::Continue, piece(10)]),
        ("more than was said", vec![seed(10), piece(11)]),
        ("no checkpoint", vec![seed(10), piece(10)]),
        ("an empty piece", vec![seed(10), piece(0)]),
    ] {
        let ended = standby.follow(&of, futures::stream::iter(said), &acknowledged).await;
        assert!(matches!(ended, Err(StoreError::Refused { .. } | StoreError::Damaged { .. })), "{what}: {ended:?}");
    }
    assert!(acknowledgements.try_recv().is_err());
    assert_eq!(everything(&*standby.store().unwrap()).await, expected);
    let _wire = connect(&primary, &standby).unwrap();
    in_sync(&primary, &standby).await;
    primary.commit(batch(0, 4, 10)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_failure_of_a_standbys_disk_is_its_own() {
    let (a, b) = (Machine::new(StandbyMode::Optional), Machine::new(StandbyMode::Optional));
    let (primary, standby) = (a.serve().await.unwrap(), b.follow().await.unwrap());
    let wire = connect(&primary, &standby).unwrap();
    in_sync(&primary, &standby).await;
    b.disk.fail(Fault::broken(Kind::SYNCS));
    primary.commit(batch(0, 1, 10)).await.unwrap();
    assert!(wire.ended().await.is_err());
    primary.commit(batch(0, 2, 10)).await.unwrap();
    assert_eq!(primary.standing().alone.map(|alone| alone.sequence), Some(0));
}

/// Power is cut on either machine or both, the wire breaks, and in the end one of the two is all that is left.
async fn one_life(seed: u64) {
    let mut random = Random(seed);
    let mut machines = [Machine::new(StandbyMode::Required), Machine::new(StandbyMode::Required)];
    let acknowledged: Arc<Acknowledged> = Arc::default();
    let mut leader = 0;
    for round in 0..5 {
        let context = format!("seed {seed}, round {round}");
        let (primary, standby) =
            (machines[leader].serve().await.unwrap(), machines[1 - leader].follow().await.unwrap());
        let mut wire = Some(connect(&primary, &standby).unwrap());
        let working = tokio::spawn(work(primary.clone(), acknowledged.clone(), random.next()));
        let (begun, start) = (std::time::Instant::now(), primary.standing().last);
        // Including what was in flight when the power was cut, which whoever asks the primary sees now.
        while !(primary.standing().phase == Phase::InSync && standby.belief().in_sync)
            || standby.belief().sequence < start
        {
            let standing = primary.standing();
            assert!(begun.elapsed() < Duration::from_secs(20), "{context}: {standing:?}, {:?}", standby.belief());
            if standing.phase == Phase::Away {
                // The journal may have moved on meanwhile: then it is seeded anew.
                drop(wire.take());
                wire = connect(&primary, &standby).ok();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        for machine in &machines {
            if random.below(3) > 0 {
                machine.disk.power_off_at(machine.disk.steps() + random.below(200));
            }
        }
        for _ in 0..random.below(4) {
            tokio::time::sleep(Duration::from_millis(random.below(30))).await;
            drop(wire.take());
            wire = connect(&primary, &standby).ok();
        }
        tokio::time::sleep(Duration::from_millis(random.below(60))).await;
        // Whatever is still on is turned off, too.
        machines.iter().for_each(|machine| machine.disk.power_off_at(0));
        if let Some(wire) = wire {
            wire.cut().await;
        }
        drop(primary.close().await);
        working.await.unwrap();
        let believes = standby.belief().in_sync;
        drop((primary, standby));
        machines.iter_mut().for_each(|machine| machine.cut(&mut random));
        if !believes {
            // It knows that it may lack something: the primary goes on.
            let store = machines[leader].open().await.unwrap_or_else(|error| panic!("{context}: {error}"));
            check(&*store, &acknowledged, &context).await;
            continue;
        }
        let standby = machines[1 - leader].follow().await.unwrap_or_else(|error| panic!("{context}: {error}"));
        let is_promoted = standby.belief().in_sync && random.flip();
        if is_promoted {
            let promoted = standby.promote(round + 2, false).await.unwrap();
            check(&*promoted, &acknowledged, &format!("{context}, promoted")).await;
            promoted.begin_serving().unwrap();
            leader = 1 - leader;
            drop((promoted, standby));
            continue;
        }
        let store = machines[leader].open().await.unwrap_or_else(|error| panic!("{context}: {error}"));
        check(&*store, &acknowledged, &context).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_power_cuts_do_a_standby_in_sync_has_all_that_was_answered() {
    for seed in 0..20 {
        one_life(seed).await;
    }
}

/// Each step of taking a checkpoint's place may be the last one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_cut_at_any_step_of_seeding_leaves_a_standby_that_can_be_seeded() {
    let a = Machine::new(StandbyMode::Optional);
    let primary = a.serve().await.unwrap();
    for number in 1..60 {
        primary.commit(batch(0, number, 600)).await.unwrap();
    }
    primary.checkpoint().await.unwrap();
    primary.checkpoint().await.unwrap();
    let expected = everything(&*primary).await;
    let mut cut_at = 0;
    loop {
        let mut b = Machine::new(StandbyMode::Optional);
        let standby = b.follow().await.unwrap();
        b.disk.power_off_at(b.disk.steps() + cut_at);
        let wire = connect(&primary, &standby).unwrap();
        let has_ended = || wire.tasks[0].is_finished();
        until("the end", || has_ended() || standby.belief().in_sync).await;
        let has_come = !has_ended();
        wire.cut().await;
        if let Ok(store) = standby.store() {
            let _ = store.close().await;
        }
        drop(standby);
        b.cut(&mut Random(cut_at));
        let standby = b.follow().await.unwrap_or_else(|error| panic!("cut at step {cut_at}: {error}"));
        let wire = connect(&primary, &standby).unwrap();
        in_sync(&primary, &standby).await;
        assert_eq!(everything(&*standby.store().unwrap()).await, expected, "cut at step {cut_at}");
        wire.cut().await;
        if has_come {
            break;
        }
        cut_at += 1 + cut_at / 8;
    }
    assert!(cut_at > 20, "{cut_at} steps");
}
