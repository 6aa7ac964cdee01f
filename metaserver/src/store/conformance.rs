//! The suite that every engine runs: what [`Store`] promises, and random histories compared with the reference model.

use super::memory::MemoryStore;
use super::*;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use std::sync::Arc;

/// Makes stores of one kind.
pub(crate) trait Engine {
    /// An empty store.
    async fn fresh(&mut self) -> Arc<dyn Store>;
    /// Stops the store and opens it again.
    async fn reopen(&mut self, store: Arc<dyn Store>) -> Arc<dyn Store>;
}

/// How many random histories are compared with the model.
const HISTORIES: usize = 24;

/// Runs everything. Needs a runtime of several threads.
pub(crate) async fn run(engine: &mut impl Engine) {
    reads_are_exact(&*engine.fresh().await).await;
    scans_are_ordered_and_bounded(&*engine.fresh().await).await;
    guards_hold_or_nothing_changes(&*engine.fresh().await).await;
    writes_of_a_batch_apply_in_order(&*engine.fresh().await).await;
    counters_add_up(engine.fresh().await).await;
    what_is_no_counter_is_refused(&*engine.fresh().await).await;
    limits_are_exact(&*engine.fresh().await).await;
    guarded_increments_never_lose_one(engine.fresh().await).await;
    of_many_creators_one_wins(engine.fresh().await).await;
    readers_see_whole_batches(engine.fresh().await).await;
    commits_survive_a_restart(engine).await;
    random_histories_match_the_model(engine).await;
}

pub(crate) fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

pub(crate) fn put(key: &str, value: &str) -> Write {
    Write::Put { key: bytes(key), value: bytes(value) }
}

pub(crate) fn delete(key: &str) -> Write {
    Write::Delete { key: bytes(key) }
}

pub(crate) fn add(key: &str, amount: i64) -> Write {
    Write::Add { key: bytes(key), amount }
}

pub(crate) fn writes(writes: impl IntoIterator<Item = Write>) -> Batch {
    Batch { writes: writes.into_iter().collect(), ..Batch::default() }
}

/// Everything in the store, in order.
pub(crate) async fn everything(store: &dyn Store) -> Vec<(Bytes, Bytes)> {
    store.scan(Scan { start: Bytes::new(), end: None, limit: usize::MAX, reverse: false }).await.unwrap()
}

async fn keys(store: &dyn Store, start: &str, end: Option<&str>, limit: usize, reverse: bool) -> Vec<String> {
    let scan = Scan { start: bytes(start), end: end.map(bytes), limit, reverse };
    let found = store.scan(scan).await.unwrap();
    found.into_iter().map(|(key, _)| String::from_utf8(key.to_vec()).unwrap()).collect()
}

async fn counter(store: &dyn Store, key: &str) -> Option<i64> {
    let value = store.get(key.as_bytes()).await.unwrap()?;
    Some(i64::from_le_bytes(value[..].try_into().unwrap()))
}

async fn reads_are_exact(store: &dyn Store) {
    assert_eq!(store.get(b"a").await.unwrap(), None);
    let first = store.commit(writes([put("a", "1"), put("", "empty key"), put("empty value", "")])).await.unwrap();
    let second = store.commit(writes([put("a", "2"), delete("never was")])).await.unwrap();
    assert!(second > first);
    let asked = [bytes("empty value"), bytes("missing"), bytes("a"), bytes(""), bytes("a")];
    let found = store.get_many(&asked).await.unwrap();
    let expected = [Some(""), None, Some("2"), Some("empty key"), Some("2")];
    assert_eq!(found, expected.map(|value| value.map(bytes)));
    assert_eq!(store.get_many(&[]).await.unwrap(), []);
}

async fn scans_are_ordered_and_bounded(store: &dyn Store) {
    store.commit(writes(["b", "a", "ab", "c", "a\0", "\u{ff}"].map(|key| put(key, key)))).await.unwrap();
    assert_eq!(keys(store, "", None, 100, false).await, ["a", "a\0", "ab", "b", "c", "\u{ff}"]);
    assert_eq!(keys(store, "", None, 100, true).await, ["\u{ff}", "c", "b", "ab", "a\0", "a"]);
    assert_eq!(keys(store, "a\0", Some("c"), 100, false).await, ["a\0", "ab", "b"]);
    assert_eq!(keys(store, "a\0", Some("c"), 100, true).await, ["b", "ab", "a\0"]);
    assert_eq!(keys(store, "a", Some("c"), 2, false).await, ["a", "a\0"]);
    assert_eq!(keys(store, "a", Some("c"), 2, true).await, ["b", "ab"]);
    for (start, end, limit) in [("a", Some("z"), 0), ("b", Some("b"), 9), ("c", Some("a"), 9), ("\u{ffff}", None, 9)] {
        assert!(keys(store, start, end, limit, false).await.is_empty());
        assert!(keys(store, start, end, limit, true).await.is_empty());
    }
    // Keys are bytes, not text.
    let high = Bytes::from_static(&[0xff, 0xff, 0xff]);
    let batch = writes([Write::Put { key: high.clone(), value: bytes("last") }]);
    store.commit(batch).await.unwrap();
    let last = store.scan(Scan { start: Bytes::new(), end: None, limit: 1, reverse: true }).await.unwrap();
    assert_eq!(last, [(high, bytes("last"))]);
}

async fn guards_hold_or_nothing_changes(store: &dyn Store) {
    let equals = |value: &str| Guard::Equals { key: bytes("a"), value: bytes(value) };
    let absent = |key: &str| Guard::Absent { key: bytes(key) };
    let guarded = |guards: Vec<Guard>, value: &str| Batch { guards, ..writes([put("a", value), add("count", 1)]) };
    store.commit(guarded(vec![absent("a")], "1")).await.unwrap();
    store.commit(guarded(vec![absent("b"), equals("1")], "2")).await.unwrap();
    for (guards, failing) in [
        (vec![equals("1")], 0),
        (vec![equals("2"), absent("b"), absent("a")], 2),
        (vec![equals("2"), equals("22"), absent("a")], 1),
        (vec![Guard::Equals { key: bytes("b"), value: bytes("") }], 0),
    ] {
        match store.commit(guarded(guards, "wrong")).await {
            Err(CommitError::GuardFailed { index }) => assert_eq!(index, failing),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(store.get(b"a").await.unwrap(), Some(bytes("2")));
    assert_eq!(counter(store, "count").await, Some(2));
    // Guards look at the store before the batch, not at what the batch itself writes.
    store.commit(Batch { guards: vec![absent("b")], ..writes([put("b", "1")]) }).await.unwrap();
    let only_guards = Batch { guards: vec![equals("2")], ..Batch::default() };
    store.commit(only_guards).await.unwrap();
}

async fn writes_of_a_batch_apply_in_order(store: &dyn Store) {
    store
        .commit(writes([put("a", "1"), delete("a"), put("b", "1"), put("b", "2"), delete("c"), put("c", "3")]))
        .await
        .unwrap();
    let expected = [("b", "2"), ("c", "3")].map(|(key, value)| (bytes(key), bytes(value)));
    assert_eq!(everything(store).await, expected);

    let seven = Write::Put { key: bytes("n"), value: Bytes::copy_from_slice(&7_i64.to_le_bytes()) };
    store.commit(writes([add("n", 100), seven, add("n", 1), add("n", -3)])).await.unwrap();
    assert_eq!(counter(store, "n").await, Some(5));
    store.commit(writes([add("n", 1), delete("n"), add("n", 2)])).await.unwrap();
    assert_eq!(counter(store, "n").await, Some(2));
    store.commit(writes([add("n", 1), delete("n")])).await.unwrap();
    assert_eq!(counter(store, "n").await, None);
    store.commit(writes([add("n", 1), put("n", "text")])).await.unwrap();
    assert_eq!(store.get(b"n").await.unwrap(), Some(bytes("text")));
}

async fn counters_add_up(store: Arc<dyn Store>) {
    let tasks: Vec<_> = (0..32_i64)
        .map(|task| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for step in 0..20_i64 {
                    let own = format!("own/{task}");
                    store
                        .commit(writes([add("all", step), put(&own, "x"), add("less", -1), add("zero", 0)]))
                        .await
                        .unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(counter(&*store, "all").await, Some(32 * 190));
    assert_eq!(counter(&*store, "less").await, Some(-32 * 20));
    assert_eq!(counter(&*store, "zero").await, Some(0));
    store.commit(writes([add("less", 32 * 20)])).await.unwrap();
    assert_eq!(counter(&*store, "less").await, Some(0), "a counter that becomes 0 stays");
}

async fn what_is_no_counter_is_refused(store: &dyn Store) {
    store.commit(writes([put("text", "seven b")])).await.unwrap();
    for batch in [
        writes([put("a", "1"), delete("text"), put("text", "short"), add("text", 1)]),
        writes([put("a", "1"), add("text", 1)]),
    ] {
        match store.commit(batch).await {
            Err(CommitError::Store(StoreError::NotACounter { key, .. })) => assert_eq!(key, "text"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(everything(store).await, [(bytes("text"), bytes("seven b"))]);
}

async fn limits_are_exact(store: &dyn Store) {
    let of = |length: usize| Bytes::from(vec![b'x'; length]);
    let one = |key: Bytes, value: Bytes| writes([Write::Put { key, value }]);
    store.commit(one(of(MAX_STORE_KEY_BYTES), of(MAX_VALUE_BYTES))).await.unwrap();
    assert_eq!(store.get(&of(MAX_STORE_KEY_BYTES)).await.unwrap(), Some(of(MAX_VALUE_BYTES)));
    // As many full values as fit, with a last key that fills the batch to the byte.
    let full = MAX_BATCH_BYTES / (MAX_VALUE_BYTES + 8);
    let filling = |extra: usize| {
        let mut batch =
            writes((0..full).map(|n| Write::Put { key: bytes(&format!("{n:08}")), value: of(MAX_VALUE_BYTES) }));
        let rest = MAX_BATCH_BYTES - full * (MAX_VALUE_BYTES + 8) + extra;
        batch.writes.push(Write::Put { key: of(8), value: of(rest - 8) });
        batch
    };
    store.commit(filling(0)).await.unwrap();
    let before = everything(store).await.len();
    for too_large in [
        one(of(MAX_STORE_KEY_BYTES + 1), of(1)),
        one(of(1), of(MAX_VALUE_BYTES + 1)),
        writes([Write::Delete { key: of(MAX_STORE_KEY_BYTES + 1) }]),
        filling(1),
    ] {
        match store.commit(too_large).await {
            Err(CommitError::Store(StoreError::TooLarge { bytes, allowed, .. })) => assert_eq!(bytes, allowed + 1),
            other => panic!("{:?}", other.map(|_| ())),
        }
    }
    assert_eq!(everything(store).await.len(), before);
}

async fn guarded_increments_never_lose_one(store: Arc<dyn Store>) {
    store.commit(writes([put("n", "0")])).await.unwrap();
    let tasks: Vec<_> = (0..64)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let mut done = 0;
                while done < 4 {
                    let value = store.get(b"n").await.unwrap().unwrap();
                    let next = std::str::from_utf8(&value).unwrap().parse::<u64>().unwrap() + 1;
                    let guards = vec![Guard::Equals { key: bytes("n"), value }];
                    match store.commit(Batch { guards, ..writes([put("n", &next.to_string())]) }).await {
                        Ok(_) => done += 1,
                        Err(CommitError::GuardFailed { index: 0 }) => tokio::task::yield_now().await,
                        Err(other) => panic!("{other}"),
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(store.get(b"n").await.unwrap(), Some(bytes("256")));
}

async fn of_many_creators_one_wins(store: Arc<dyn Store>) {
    let tasks: Vec<_> = (0..32)
        .map(|task| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let guards = vec![Guard::Absent { key: bytes("one") }];
                let won = store.commit(Batch { guards, ..writes([put("one", &task.to_string())]) }).await.is_ok();
                won.then(|| task.to_string())
            })
        })
        .collect();
    let mut winners = Vec::new();
    for task in tasks {
        winners.extend(task.await.unwrap());
    }
    assert_eq!(winners.len(), 1);
    assert_eq!(store.get(b"one").await.unwrap(), Some(bytes(&winners[0])));
}

async fn readers_see_whole_batches(store: Arc<dyn Store>) {
    let names: Vec<String> = (0..20).map(|n| format!("k{n:02}")).collect();
    store.commit(writes(names.iter().map(|name| put(name, "0")))).await.unwrap();
    let writer = {
        let (store, names) = (Arc::clone(&store), names.clone());
        tokio::spawn(async move {
            for round in 1..=300 {
                store.commit(writes(names.iter().map(|name| put(name, &round.to_string())))).await.unwrap();
            }
        })
    };
    let asked: Vec<Bytes> = names.iter().map(|name| bytes(name)).collect();
    let mut last = 0_u32;
    while !writer.is_finished() {
        let seen = store.get_many(&asked).await.unwrap();
        assert!(seen.iter().all(|value| *value == seen[0]), "half a batch: {seen:?}");
        let scanned = everything(&*store).await;
        assert_eq!(scanned.len(), names.len());
        assert!(scanned.iter().all(|(_, value)| *value == scanned[0].1), "half a batch: {scanned:?}");
        let round = |value: &Bytes| std::str::from_utf8(value).unwrap().parse::<u32>().unwrap();
        let (first, second) = (round(seen[0].as_ref().unwrap()), round(&scanned[0].1));
        assert!(last <= first && first <= second, "a later read saw an earlier state");
        last = second;
        tokio::task::yield_now().await;
    }
    writer.await.unwrap();
}

async fn commits_survive_a_restart(engine: &mut impl Engine) {
    let store = engine.fresh().await;
    let mut last = Sequence::default();
    for round in 0..50 {
        last = store.commit(writes([put(&format!("k{round}"), "v"), add("count", 1)])).await.unwrap();
    }
    let before = everything(&*store).await;
    let store = engine.reopen(store).await;
    assert_eq!(everything(&*store).await, before);
    let next = store.commit(writes([add("count", 1), delete("k0")])).await.unwrap();
    assert!(next > last, "the order of commits goes on after a restart");
    let store = engine.reopen(store).await;
    assert_eq!(counter(&*store, "count").await, Some(51));
    assert_eq!(store.get(b"k0").await.unwrap(), None);
}

/// One step of a random history.
#[derive(Clone, Debug)]
enum Step {
    Commit(Batch),
    Read(Vec<Bytes>),
    Scan(Scan),
    Reopen,
}

fn any_key() -> impl Strategy<Value = Bytes> {
    // Few and short, so that steps meet on the same keys; some with a long common prefix, some counters.
    prop_oneof![
        4 => "[abc]{0,2}".prop_map(|text| bytes(&text)),
        1 => "[ab]{1}".prop_map(|text| bytes(&format!("{}{text}", "p".repeat(300)))),
        1 => prop::collection::vec(prop_oneof![Just(0_u8), Just(0xff)], 1..3).prop_map(Bytes::from),
        2 => "[mn]".prop_map(|text| bytes(&text)),
    ]
}

fn any_value() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        3 => "[xy]{0,2}".prop_map(|text| bytes(&text)),
        1 => any::<i64>().prop_map(|number| Bytes::copy_from_slice(&number.to_le_bytes())),
        1 => (0_usize..MAX_VALUE_BYTES).prop_map(|length| Bytes::from(vec![b'z'; length])),
    ]
}

fn any_batch() -> impl Strategy<Value = Batch> {
    let guard = prop_oneof![
        (any_key(), any_value()).prop_map(|(key, value)| Guard::Equals { key, value }),
        any_key().prop_map(|key| Guard::Absent { key }),
    ];
    let write = prop_oneof![
        3 => (any_key(), any_value()).prop_map(|(key, value)| Write::Put { key, value }),
        2 => any_key().prop_map(|key| Write::Delete { key }),
        2 => ("[mn]", -5_i64..5).prop_map(|(key, amount)| Write::Add { key: bytes(&key), amount }),
    ];
    let guards = prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec(guard, 1..3)];
    (guards, prop::collection::vec(write, 0..8)).prop_map(|(guards, writes)| Batch { guards, writes, urgent: false })
}

fn any_history() -> impl Strategy<Value = Vec<Step>> {
    let scan = (any_key(), prop::option::of(any_key()), 0_usize..20, any::<bool>())
        .prop_map(|(start, end, limit, reverse)| Step::Scan(Scan { start, end, limit, reverse }));
    let step = prop_oneof![
        12 => any_batch().prop_map(Step::Commit),
        3 => prop::collection::vec(any_key(), 0..4).prop_map(Step::Read),
        3 => scan,
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..40)
}

/// The outcome of a commit, without what engines may choose freely.
fn outcome(result: Result<Sequence, CommitError>) -> String {
    match result {
        Ok(_) => "committed".into(),
        Err(other) => other.to_string(),
    }
}

async fn random_histories_match_the_model(engine: &mut impl Engine) {
    let mut runner = TestRunner::new(Config::default());
    for _ in 0..HISTORIES {
        let history = any_history().new_tree(&mut runner).unwrap().current();
        let model = MemoryStore::new();
        let mut store = engine.fresh().await;
        for (number, step) in history.iter().enumerate() {
            match step {
                Step::Commit(batch) => {
                    let (expected, found) = (model.commit(batch.clone()).await, store.commit(batch.clone()).await);
                    assert_eq!(outcome(found), outcome(expected), "step {number} of {history:?}");
                }
                Step::Read(keys) => {
                    let (expected, found) = (model.get_many(keys).await.unwrap(), store.get_many(keys).await.unwrap());
                    assert_eq!(found, expected, "step {number} of {history:?}");
                }
                Step::Scan(scan) => {
                    let expected = model.scan(scan.clone()).await.unwrap();
                    assert_eq!(store.scan(scan.clone()).await.unwrap(), expected, "step {number} of {history:?}");
                }
                Step::Reopen => store = engine.reopen(store).await,
            }
        }
        assert_eq!(everything(&*store).await, everything(&model).await, "the end of {history:?}");
    }
}
