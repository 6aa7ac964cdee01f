//! What the tests of the namespace and the cluster run on: a memory store that counts, a clock that a test sets, one
//! gateway's session and one worker. And the check that what lies in the store fits together.

use crate::cluster::Cluster;
use crate::error::Error;
use crate::metrics::Metrics;
use crate::namespace::{Namespace, manifests};
use crate::records::block::{self, BlockRecord};
use crate::records::condemned;
use crate::records::decode;
use crate::records::inline::{self, InlineRecord};
use crate::records::key::Kind;
use crate::records::manifest::{self, Manifest};
use crate::records::object::{self, ObjectRecord};
use crate::records::part::{self, PartRecord};
use crate::records::reclaim::ReclaimRecord;
use crate::records::usage::{self, Usage};
use crate::store::memory::MemoryStore;
use crate::store::{Batch, CommitError, Scan, Sequence, Store, StoreError, Write};
use async_trait::async_trait;
use bytes::Bytes;
use md5::{Digest as _, Md5};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use weir_proto::v1::{self, ChecksumAlgorithm, content::Where};
use weir_service::clock::ManualClock;
use weir_service::config::MetaserverSettings;
use weir_service::peer_auth::ClusterSecret;
use weir_service::sealing::Sealer;

/// A store, of memory unless another is given, that counts what is asked of it.
pub struct CountingStore {
    store: Arc<dyn Store>,
    pub scans: AtomicUsize,
    pub scanned: AtomicUsize,
    pub commits: AtomicUsize,
    pub restored: AtomicBool,
    /// As a disk that is nearly full: only what is urgent or puts nothing is taken.
    pub full: AtomicBool,
}

impl Default for CountingStore {
    fn default() -> Self {
        Self::of(Arc::new(MemoryStore::new()))
    }
}

impl CountingStore {
    pub fn of(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            scans: AtomicUsize::default(),
            scanned: AtomicUsize::default(),
            commits: AtomicUsize::default(),
            restored: AtomicBool::default(),
            full: AtomicBool::default(),
        }
    }

    /// Scans and scanned entries since the last call.
    pub fn take_scans(&self) -> (usize, usize) {
        (self.scans.swap(0, Ordering::SeqCst), self.scanned.swap(0, Ordering::SeqCst))
    }
}

#[async_trait]
impl Store for CountingStore {
    async fn get_many(&self, keys: &[Bytes]) -> Result<Vec<Option<Bytes>>, StoreError> {
        // Gives others a turn, as an engine that waits would.
        tokio::task::yield_now().await;
        self.store.get_many(keys).await
    }

    async fn scan(&self, scan: Scan) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        let rows = self.store.scan(scan).await?;
        self.scans.fetch_add(1, Ordering::SeqCst);
        self.scanned.fetch_add(rows.len(), Ordering::SeqCst);
        Ok(rows)
    }

    async fn commit(&self, batch: Batch) -> Result<Sequence, CommitError> {
        tokio::task::yield_now().await;
        self.commits.fetch_add(1, Ordering::SeqCst);
        let puts = batch.writes.iter().any(|write| matches!(write, Write::Put { .. }));
        if self.full.load(Ordering::SeqCst) && puts && !batch.urgent {
            return Err(StoreError::Full.into());
        }
        self.store.commit(batch).await
    }

    fn awaits_confirmation(&self) -> bool {
        self.restored.load(Ordering::SeqCst)
    }

    async fn confirm_restore(&self) -> Result<(), StoreError> {
        self.restored.store(false, Ordering::SeqCst);
        Ok(())
    }
}

/// A metaserver without its tasks, one open session and one registered worker.
pub struct Fixture {
    pub store: Arc<CountingStore>,
    pub clock: Arc<ManualClock>,
    pub namespace: Arc<Namespace>,
    pub cluster: Cluster,
    pub session_id: u64,
    pub worker_id: u64,
    next_block: AtomicU64,
}

pub const START_MS: i64 = 1_700_000_000_000;

/// The length of coded blocks.
pub const CODED_BYTES: u64 = 300;

impl Fixture {
    pub async fn new() -> Self {
        Self::over(Arc::default(), Arc::new(ManualClock::at(START_MS)), 0, |_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut MetaserverSettings)) -> Self {
        Self::over(Arc::default(), Arc::new(ManualClock::at(START_MS)), 0, change).await
    }

    /// The same store and clock, started anew, with a new session.
    pub async fn restart(self) -> Self {
        let restarted = Self::over(self.store.clone(), self.clock.clone(), self.worker_id, |_| {}).await;
        // Until its lease is over, or it reports again, the former session may have reads in flight.
        restarted.namespace.close_session(self.session_id).await.unwrap();
        restarted
    }

    /// Another metaserver on the store of this one, as after a kill: the former session is still open.
    pub async fn over_running(running: &Self) -> Self {
        Self::over(running.store.clone(), running.clock.clone(), running.worker_id, |_| {}).await
    }

    /// A metaserver on that store; in the place of one that had this worker and clock, whose session is still open.
    pub async fn on(store: Arc<dyn Store>, former: Option<(u64, Arc<ManualClock>)>) -> Self {
        let (worker_id, clock) = former.unwrap_or_else(|| (0, Arc::new(ManualClock::at(START_MS))));
        Self::over(Arc::new(CountingStore::of(store)), clock, worker_id, |_| {}).await
    }

    async fn over(
        store: Arc<CountingStore>,
        clock: Arc<ManualClock>,
        worker_id: u64,
        change: impl FnOnce(&mut MetaserverSettings),
    ) -> Self {
        let mut settings = MetaserverSettings::default();
        change(&mut settings);
        let opened = Namespace::open(settings, store.clone(), clock.clone(), sealer(), Metrics::default()).await;
        let namespace = Arc::new(opened.unwrap());
        let cluster = Cluster::open(namespace.clone()).await.unwrap();
        let cluster_id = if worker_id == 0 { String::new() } else { namespace.ids.cluster_id.clone() };
        let register = v1::RegisterWorkerRequest { worker_id, cluster_id, ..Default::default() };
        let worker_id = cluster.register_worker(&register).await.unwrap().worker_id;
        let (session_id, first) = session(&namespace, 100_000).await;
        Self { store, clock, namespace, cluster, session_id, worker_id, next_block: AtomicU64::new(first) }
    }

    /// Another worker. Returns its id.
    pub async fn worker(&self, zone: &str, host: &str) -> u64 {
        let request = v1::RegisterWorkerRequest {
            zone: zone.into(),
            host: host.into(),
            used_bytes: 1_000,
            free_bytes: 1_000_000,
            ..Default::default()
        };
        self.cluster.register_worker(&request).await.unwrap().worker_id
    }

    /// A heartbeat of a worker, which does nothing that is ordered of it.
    pub async fn beat(&self, worker_id: u64) -> v1::WorkerHeartbeatResponse {
        let (used_bytes, free_bytes) = (1_000, 1_000_000);
        let request = v1::WorkerHeartbeatRequest { worker_id, used_bytes, free_bytes, ..Default::default() };
        self.cluster.worker_heartbeat(&request).await.unwrap()
    }

    /// Puts an object of one block that these workers hold and so many should. Returns the block's id.
    pub async fn put_on(&self, bucket: &str, key: &str, worker_ids: &[u64], replication: u32) -> u64 {
        let mut extents = self.extents(&[5]);
        (extents[0].worker_ids, extents[0].replication) = (worker_ids.to_vec(), replication);
        let block_id = extents[0].extent.unwrap().block_id;
        self.namespace.commit_object(self.put(bucket, key, in_blocks(1, extents))).await.unwrap();
        block_id
    }

    /// Puts an object of one block, coded 2+1, with these holders of shards. Returns the block's id.
    pub async fn put_coded(&self, bucket: &str, key: &str, holders: &[(u64, u32)], shard_crc32c: &[u32]) -> u64 {
        let mut extents = self.extents(&[CODED_BYTES]);
        let holder = |&(worker_id, shard): &(u64, u32)| v1::ShardHolder { worker_id, shard };
        extents[0].worker_ids.clear();
        extents[0].coded = Some(v1::CodedPlace {
            coding: Some(v1::Coding { data_shards: 2, parity_shards: 1, cell_bytes: 64 }),
            holders: holders.iter().map(holder).collect(),
            shard_crc32c: shard_crc32c.to_vec(),
        });
        let block_id = extents[0].extent.unwrap().block_id;
        self.namespace.commit_object(self.put(bucket, key, in_blocks(1, extents))).await.unwrap();
        block_id
    }

    pub async fn bucket(&self, name: &str) {
        let request = v1::CreateBucketRequest { name: name.into(), ..Default::default() };
        self.namespace.create_bucket(&request).await.unwrap();
    }

    pub fn extents(&self, lengths: &[u64]) -> Vec<v1::WrittenExtent> {
        lengths
            .iter()
            .map(|&length_bytes| v1::WrittenExtent {
                extent: Some(v1::Extent {
                    block_id: self.next_block.fetch_add(1, Ordering::SeqCst),
                    length_bytes,
                    crc32c: 7,
                }),
                worker_ids: vec![self.worker_id],
                replication: 0,
                coded: None,
            })
            .collect()
    }

    /// Content in new blocks, with the digests of `seed`.
    pub fn blocks(&self, seed: u64, lengths: &[u64]) -> v1::Content {
        in_blocks(seed, self.extents(lengths))
    }

    pub fn put(&self, bucket: &str, key: impl AsRef<[u8]>, content: v1::Content) -> v1::CommitObjectRequest {
        v1::CommitObjectRequest {
            bucket: bucket.into(),
            key: Bytes::copy_from_slice(key.as_ref()),
            content: Some(content),
            session_id: self.session_id,
            ..Default::default()
        }
    }

    pub async fn put_inline(&self, bucket: &str, key: &str, data: &'static [u8]) -> v1::Object {
        self.namespace.commit_object(self.put(bucket, key, inline(data))).await.unwrap().object.unwrap()
    }

    pub async fn put_blocks(&self, bucket: &str, key: &str, lengths: &[u64]) -> v1::Object {
        let put = self.put(bucket, key, self.blocks(9, lengths));
        self.namespace.commit_object(put).await.unwrap().object.unwrap()
    }

    pub async fn get(&self, bucket: &str, key: impl AsRef<[u8]>) -> Result<v1::GetObjectResponse, Error> {
        let key = Bytes::copy_from_slice(key.as_ref());
        let request = v1::GetObjectRequest { bucket: bucket.into(), key, with_content: true, ..Default::default() };
        self.namespace.get_object(&request).await
    }

    pub async fn delete(&self, bucket: &str, keys: &[&str]) -> Vec<v1::DeleteResult> {
        let entries =
            keys.iter().map(|key| v1::DeleteEntry { key: Bytes::copy_from_slice(key.as_bytes()), precondition: None });
        let request =
            v1::DeleteObjectsRequest { bucket: bucket.into(), entries: entries.collect(), ..Default::default() };
        self.namespace.delete_objects(&request).await.unwrap().results
    }

    pub async fn upload(&self, bucket: &str, key: &str) -> u64 {
        let key = Bytes::copy_from_slice(key.as_bytes());
        let request = v1::CreateUploadRequest { bucket: bucket.into(), key, ..Default::default() };
        self.namespace.create_upload(&request).await.unwrap().upload.unwrap().upload_id
    }

    pub async fn part(
        &self,
        bucket: &str,
        key: &str,
        upload_id: u64,
        part_number: u32,
        lengths: &[u64],
    ) -> Result<v1::Part, Error> {
        let request = v1::CommitPartRequest {
            bucket: bucket.into(),
            key: Bytes::copy_from_slice(key.as_bytes()),
            upload_id,
            part_number,
            content: Some(self.blocks(part_number.into(), lengths)),
            session_id: self.session_id,
            ..Default::default()
        };
        Ok(self.namespace.commit_part(request).await?.part.unwrap())
    }

    pub fn complete(&self, bucket: &str, key: &str, upload_id: u64, parts: &[v1::Part]) -> v1::CompleteUploadRequest {
        v1::CompleteUploadRequest {
            bucket: bucket.into(),
            key: Bytes::copy_from_slice(key.as_bytes()),
            upload_id,
            parts: parts
                .iter()
                .map(|part| v1::CompletedPart {
                    part_number: part.part_number,
                    etag: part.etag.clone(),
                    checksum: None,
                })
                .collect(),
            ..Default::default()
        }
    }

    /// A heartbeat of the session that has nothing in flight.
    pub fn idle_heartbeat(&self) {
        self.heartbeat(self.namespace.marks.current());
    }

    pub fn heartbeat(&self, oldest_read_mark: u64) {
        let request = v1::HeartbeatRequest { session_id: self.session_id, oldest_read_mark, ..Default::default() };
        self.namespace.heartbeat(&request).unwrap();
    }

    /// The worker carries out all its orders to delete. Returns them.
    pub async fn obey(&self) -> Vec<u64> {
        self.obey_as(self.worker_id).await
    }

    pub async fn obey_as(&self, worker_id: u64) -> Vec<u64> {
        let mut all = Vec::new();
        let mut deleted_block_ids = Vec::new();
        loop {
            let (used_bytes, free_bytes) = (1_000, 1_000_000);
            let request = v1::WorkerHeartbeatRequest {
                worker_id,
                used_bytes,
                free_bytes,
                deleted_block_ids,
                ..Default::default()
            };
            deleted_block_ids = self.cluster.worker_heartbeat(&request).await.unwrap().delete_block_ids;
            if deleted_block_ids.is_empty() {
                return all;
            }
            all.extend(&deleted_block_ids);
        }
    }

    /// Reclaims all there is to reclaim, with no reader, and lets the worker delete.
    pub async fn drain(&self) {
        loop {
            let done = self.cluster.reclaim_step().await.unwrap();
            self.idle_heartbeat();
            if done == 0 && self.cluster.reclaim_step().await.unwrap() == 0 {
                break;
            }
        }
        self.obey().await;
        assert_eq!(self.cluster.reclaim_queue_length(10).await.unwrap(), 0);
    }

    pub async fn rows(&self, kind: Kind) -> Vec<(Bytes, Bytes)> {
        let start = Bytes::copy_from_slice(&[kind as u8]);
        let end = Some(Bytes::copy_from_slice(&[kind as u8 + 1]));
        self.store.store.scan(Scan { start, end, limit: usize::MAX, reverse: false }).await.unwrap()
    }

    /// Checks that all rows fit together; with `drained`, also that nothing is left over.
    pub async fn check(&self, drained: bool) {
        let mut owners: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
        let mut chunks = BTreeSet::new();
        let mut usage: BTreeMap<Bytes, i64> = BTreeMap::new();
        let mut inline_rows: BTreeSet<Bytes> = self.rows(Kind::Inline).await.into_iter().map(|(key, _)| key).collect();
        for (key, value) in self.rows(Kind::Object).await {
            let record: ObjectRecord = decode(&key, value).unwrap();
            let bucket_id = u64::from_be_bytes(key[1..9].try_into().unwrap());
            *usage.entry(usage::key(Usage::Objects(bucket_id))).or_default() += 1;
            *usage.entry(usage::key(Usage::Bytes(bucket_id))).or_default() += record.size_bytes as i64;
            if record.inline && record.size_bytes > 0 {
                let key = inline::key(bucket_id, object::name(&key).unwrap());
                assert!(inline_rows.remove(&key), "an inline object has its bytes");
                let value = self.store.store.get(&key).await.unwrap().unwrap();
                let inline: InlineRecord = decode(&key, value).unwrap();
                assert_eq!((inline.object_id, inline.data.len() as u64), (record.object_id, record.size_bytes));
            }
            let total = self.note(record.manifest.as_ref(), &mut owners, &mut chunks).await;
            assert!(record.inline || total == record.size_bytes, "the extents are the object");
        }
        assert!(inline_rows.is_empty(), "no inline bytes are left over: {inline_rows:?}");
        for (key, value) in self.rows(Kind::Part).await {
            let record: PartRecord = decode(&key, value).unwrap();
            let total = self.note(record.manifest.as_ref(), &mut owners, &mut chunks).await;
            assert_eq!(total, record.size_bytes);
            part::name(&key).unwrap();
        }
        let mut queued = BTreeMap::new();
        for (key, value) in self.rows(Kind::Reclaim).await {
            assert!(!drained, "nothing waits for reclaim");
            let record: ReclaimRecord = decode(&key, value).unwrap();
            self.note(record.manifest.as_ref(), &mut queued, &mut chunks).await;
        }
        for (key, _) in self.rows(Kind::Manifest).await {
            assert!(chunks.contains(&key), "no manifest chunk is left over: {key:?}");
        }
        self.check_blocks(owners, drained).await;
        self.check_usage(usage).await;
    }

    async fn note(
        &self,
        manifest: Option<&Manifest>,
        owners: &mut BTreeMap<u64, BTreeSet<u64>>,
        chunks: &mut BTreeSet<Bytes>,
    ) -> u64 {
        let parts = self.namespace.whole_manifest(manifest).await.unwrap_or_default();
        for (owner, block_id) in manifests::references(&parts) {
            owners.entry(block_id).or_default().insert(owner);
        }
        if let Some(manifest) = manifest {
            chunks.extend((0..manifest.chunk_count).map(|chunk| manifest::key(manifest.manifest_id, chunk)));
        }
        parts.iter().map(manifests::length_bytes).sum()
    }

    async fn check_blocks(&self, mut owners: BTreeMap<u64, BTreeSet<u64>>, drained: bool) {
        let mut orders = BTreeSet::new();
        for (key, _) in self.rows(Kind::Condemned).await {
            orders.insert(condemned::name(&key).unwrap());
        }
        for (key, value) in self.rows(Kind::Block).await {
            let block_id = block::name(&key).unwrap();
            let record: BlockRecord = decode(&key, value).unwrap();
            let wanted = owners.remove(&block_id).unwrap_or_default();
            let named: BTreeSet<u64> = record.references.iter().map(|reference| reference.owner).collect();
            assert!(named.is_superset(&wanted), "I3: block {block_id} names all that use it: {named:?} {wanted:?}");
            assert_eq!(record.condemned, named.is_empty(), "block {block_id} is condemned when nothing uses it");
            assert!(!drained || named == wanted, "block {block_id} names {named:?}, used by {wanted:?}");
            for worker_id in &record.worker_ids {
                let is_ordered = orders.remove(&(*worker_id, block_id));
                assert_eq!(is_ordered, record.condemned, "I3: only what nothing uses, or no record names, is deleted");
            }
            assert!(record.invalid_worker_ids.iter().all(|id| record.worker_ids.contains(id)));
            if !drained {
                // Copies that were dropped, or that a gateway made in vain.
                orders.retain(|(_, ordered)| *ordered != block_id);
            }
            assert!(!record.condemned || !record.worker_ids.is_empty());
        }
        assert!(owners.is_empty(), "I3: these blocks are used and have no record: {owners:?}");
        assert!(orders.is_empty(), "orders for blocks that have no record: {orders:?}");
    }

    async fn check_usage(&self, expected: BTreeMap<Bytes, i64>) {
        let mut counted = BTreeMap::new();
        for (key, value) in self.rows(Kind::Usage).await {
            let value = usage::value(&key, Some(&value)).unwrap();
            if key != usage::key(Usage::Buckets) && value != 0 {
                counted.insert(key, value);
            }
        }
        assert_eq!(counted, expected.into_iter().filter(|(_, value)| *value != 0).collect(), "usage is exact");
        let buckets = usage::key(Usage::Buckets);
        let count = usage::value(&buckets, self.store.store.get(&buckets).await.unwrap().as_ref()).unwrap();
        assert_eq!(count as usize, self.rows(Kind::Bucket).await.len());
    }
}

/// What every metaserver of the tests seals with.
pub fn sealer() -> Arc<Sealer> {
    Arc::new(Sealer::new(&ClusterSecret::new("a secret that only the tests know").unwrap()))
}

/// Another session with a grant. Returns its id and the first block id.
pub async fn session(namespace: &Namespace, count: u32) -> (u64, u64) {
    let (session_id, _) = namespace.open_session(&Default::default()).await.unwrap();
    let (first, _) = namespace.grant_blocks(&v1::GrantBlocksRequest { session_id, count }).await.unwrap();
    (session_id, first)
}

pub fn md5_of(seed: u64) -> Bytes {
    Bytes::copy_from_slice(&Md5::digest(seed.to_le_bytes()))
}

/// Content with the digests of `seed`.
pub fn content(seed: u64, size_bytes: u64, place: Where) -> v1::Content {
    v1::Content {
        size_bytes,
        md5: md5_of(seed),
        checksum: Some(v1::Checksum {
            algorithm: ChecksumAlgorithm::Crc64nvme.into(),
            r#type: v1::ChecksumType::FullObject.into(),
            value: Bytes::copy_from_slice(&seed.to_be_bytes()),
        }),
        r#where: Some(place),
    }
}

/// Content in these extents, with the digests of `seed`.
pub fn in_blocks(seed: u64, extents: Vec<v1::WrittenExtent>) -> v1::Content {
    let size_bytes = extents.iter().filter_map(|written| written.extent).map(|extent| extent.length_bytes).sum();
    content(seed, size_bytes, Where::Extents(v1::Extents { extents }))
}

pub fn inline(data: impl Into<Bytes>) -> v1::Content {
    let data = data.into();
    let seed = data.iter().fold(data.len() as u64, |seed, byte| seed.wrapping_mul(31) + u64::from(*byte));
    content(seed, data.len() as u64, Where::Inline(data))
}

pub fn if_none_match() -> Option<v1::Precondition> {
    Some(v1::Precondition { if_none_match: vec!["*".into()], ..Default::default() })
}

pub fn if_match(etag: &str) -> Option<v1::Precondition> {
    Some(v1::Precondition { if_match: vec![etag.into()], ..Default::default() })
}

/// A key as messages carry it.
pub fn key(key: &str) -> Bytes {
    Bytes::copy_from_slice(key.as_bytes())
}
