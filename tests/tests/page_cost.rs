//! A page of a listing costs what it returns, however many keys there are before, behind and below it.

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, StreamExt as _};
use prometheus_client::registry::Registry;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use weir_metaserver::Metaserver;
use weir_metaserver::store::memory::MemoryStore;
use weir_metaserver::store::{Batch, CommitError, Scan, Sequence, Store, StoreError};
use weir_proto::v1::namespace_client::NamespaceClient;
use weir_proto::v1::{self, content};
use weir_service::channel::{Channel, in_process};
use weir_service::clock::SystemClock;
use weir_service::config::MetaserverSettings;
use weir_service::peer_auth::ClusterSecret;
use weir_service::sealing::Sealer;
use weir_service::shutdown::Shutdown;
use weir_tests::{Client, Server, path_of};

const PAGE: usize = 1000;
/// Keys outside the folder that hides all the others.
const BESIDE: usize = 1000;
const RATIO_MAX: f64 = 2.0;

/// A store that counts what is read of it.
#[derive(Default)]
struct CountingStore {
    store: MemoryStore,
    calls: AtomicU64,
    entries: AtomicU64,
}

impl CountingStore {
    fn count(&self, entries: usize) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.entries.fetch_add(entries as u64, Ordering::Relaxed);
    }

    fn cost(&self) -> u64 {
        self.calls.load(Ordering::Relaxed) + self.entries.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Store for CountingStore {
    async fn get_many(&self, keys: &[Bytes]) -> Result<Vec<Option<Bytes>>, StoreError> {
        self.count(keys.len());
        self.store.get_many(keys).await
    }

    async fn scan(&self, scan: Scan) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        let found = self.store.scan(scan).await?;
        self.count(found.len());
        Ok(found)
    }

    async fn commit(&self, batch: Batch) -> Result<Sequence, CommitError> {
        self.store.commit(batch).await
    }
}

/// `total` keys: a folder `a/` of all but [`BESIDE`], and these after it.
fn key(number: usize, total: usize) -> String {
    if number < total - BESIDE { format!("a/{number:08}") } else { format!("b{number:08}") }
}

async fn filled(total: usize) -> (Arc<CountingStore>, NamespaceClient<Channel>, Shutdown) {
    let store = Arc::new(CountingStore::default());
    let shutdown = Shutdown::default();
    let registry = &mut Registry::default();
    let (settings, clock) = (MetaserverSettings::default(), Arc::new(SystemClock));
    let sealer = Arc::new(Sealer::new(&ClusterSecret::new("a secret that only this test knows").unwrap()));
    let opened = Metaserver::with_store(settings, store.clone(), clock, sealer, registry, &shutdown).await;
    let metaserver = opened.unwrap();
    let mut client = NamespaceClient::new(in_process(metaserver.services().prepare()));
    let bucket = v1::CreateBucketRequest { name: "many".into(), ..Default::default() };
    client.create_bucket(bucket).await.unwrap();
    stream::iter(0..total)
        .for_each_concurrent(32, |number| {
            let mut client = client.clone();
            async move {
                let content = v1::Content {
                    size_bytes: 1,
                    md5: vec![0; 16].into(),
                    r#where: Some(content::Where::Inline(Bytes::from_static(b"x"))),
                    ..Default::default()
                };
                let request = v1::CommitObjectRequest {
                    bucket: "many".into(),
                    key: key(number, total).into(),
                    content: Some(content),
                    ..Default::default()
                };
                client.commit_object(request).await.unwrap();
            }
        })
        .await;
    (store, client, shutdown)
}

/// What the store reads for a page from the middle of the keys, and for one whose delimiter hides most of them.
async fn costs(total: usize) -> Vec<u64> {
    let (store, mut client, _shutdown) = filled(total).await;
    let mut costs = Vec::new();
    let middle = key((total - BESIDE) / 2, total);
    let pages = [("", ""), ("", middle.as_str()), ("/", ""), ("/", "a/")];
    for (delimiter, after) in pages {
        let request = v1::ListObjectsRequest {
            bucket: "many".into(),
            delimiter: delimiter.to_owned().into(),
            start: Some(v1::list_objects_request::Start::After(after.to_owned().into())),
            max_entries: PAGE as u32,
            ..Default::default()
        };
        let before = store.cost();
        let entries = client.list_objects(request).await.unwrap().into_inner().entries;
        assert_eq!(entries.len(), PAGE, "delimiter {delimiter:?} after {after:?}");
        costs.push(store.cost() - before);
    }
    costs
}

#[test]
fn a_page_reads_the_same_out_of_few_keys_and_out_of_many() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (few, many) = runtime.block_on(async { (costs(4_000).await, costs(40_000).await) });
    for (few, many) in few.iter().zip(&many) {
        assert!((*many as f64) <= *few as f64 * 1.1, "a page read {few} entries out of few, {many} out of many");
        assert!(*many < 2 * PAGE as u64 + 50, "a page of {PAGE} entries read {many}");
    }
}

fn fill_by_http(client: &Client, bucket: &str, total: usize) {
    std::thread::scope(|scope| {
        for thread in 0..32 {
            scope.spawn(move || {
                for number in (thread..total).step_by(32) {
                    client.put(&format!("{bucket}/{}", path_of(key(number, total))), "x").expect(200);
                }
            });
        }
    });
}

/// The quickest of some, as a busy machine makes any of them slow.
fn quickest(client: &Client, path: &str) -> Duration {
    let measured = (0..30).map(|_| {
        let began = Instant::now();
        let page = client.get(path).expect(200);
        let took = began.elapsed();
        let count = page.text().matches("<Key>").count() + page.text().matches("<CommonPrefixes>").count();
        assert_eq!(count, PAGE, "{path}");
        took
    });
    measured.min().unwrap()
}

#[test]
#[ignore = "puts a million objects"]
fn a_page_takes_as_long_out_of_a_million_keys_as_out_of_ten_thousand() {
    let server = Server::start();
    let client = server.client();
    let sizes = [10_000, 1_000_000];
    for total in sizes {
        let bucket = client.bucket(&format!("keys-{total}"));
        let began = Instant::now();
        fill_by_http(&client, &bucket, total);
        println!("{total} objects put in {:?}", began.elapsed());
    }
    let pages =
        ["list-type=2", "list-type=2&start-after=a/00004500", "delimiter=/", "list-type=2&delimiter=/&start-after=a/~"];
    for query in pages {
        let [few, many] =
            sizes.map(|total| quickest(&client, &format!("/keys-{total}?{query}")).as_secs_f64() * 1000.0);
        println!("{query}: {few:.2} ms out of 10,000 keys, {many:.2} ms out of 1,000,000");
        assert!(many < few * RATIO_MAX, "{query}: {few:.2} ms and {many:.2} ms");
    }
}
