//! What the system means: buckets, objects, uploads, listings, blocks and sessions. Each operation reads what it needs,
//! decides, and is one commit whose guards say what it has read; when a guard no longer holds because of an unrelated
//! change, it reads again.

mod access;
pub mod blocks;
pub mod buckets;
pub mod checksums;
pub mod commit;
pub mod complete;
pub mod copy;
pub mod copy_part;
pub mod delete;
pub mod get;
pub(crate) mod handshake;
pub mod ids;
pub mod listing;
pub mod locks;
pub(crate) mod manifests;
pub mod marks;
pub mod object_acl;
pub mod objects;
pub mod parts;
pub mod preconditions;
pub mod rename;
pub(crate) mod replicas;
pub mod results;
pub mod sessions;
mod short;
pub mod transaction;
pub mod upload_listing;
pub mod uploads;
pub mod validate;

#[cfg(test)]
mod model;

use crate::error::Error;
use crate::metrics::Metrics;
use crate::records::RecordError;
use crate::store::{Scan, Store};
use access::Access;
pub(crate) use access::Batches as AccessBatches;
use bytes::Bytes;
use ids::Ids;
use locks::KeyLocks;
use marks::ReadMarks;
use parking_lot::RwLock;
use sessions::Sessions;
use short::ShortBlocks;
use std::collections::HashMap;
use std::sync::Arc;
use weir_proto::BucketName;
use weir_service::clock::Clock;
use weir_service::config::MetaserverSettings;
use weir_service::sealing::Sealer;

/// Entries that one scan of a background task reads.
pub const SCAN_LIMIT: usize = 1_000;

/// The namespace over a store. Shared by all requests.
pub struct Namespace {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) settings: MetaserverSettings,
    pub(crate) metrics: Metrics,
    pub(crate) ids: Ids,
    pub(crate) sessions: Sessions,
    pub(crate) marks: ReadMarks,
    /// Committed with fewer copies than they want.
    pub(crate) short_blocks: ShortBlocks,
    /// Seals the secrets of access keys.
    sealer: Arc<Sealer>,
    pub(crate) access: Arc<Access>,
    locks: KeyLocks,
    /// Ids of buckets by name, to read a bucket and what lies in it at once. Each use checks it against the record.
    bucket_ids: RwLock<HashMap<BucketName, u64>>,
    /// One CreateUpload at a time: each needs the counter that the one before it wrote.
    create_upload: tokio::sync::Mutex<()>,
}

impl Namespace {
    /// Starts on what the store holds: ids and marks of a new start, the sessions that were open, the directory of
    /// access, buckets that were being deleted.
    pub async fn open(
        settings: MetaserverSettings,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        sealer: Arc<Sealer>,
        metrics: Metrics,
    ) -> Result<Self, Error> {
        let mut random = [0; 16];
        clock.random(&mut random);
        ids::name_cluster(&*store, random).await?;
        let (ids, starts) = Ids::open(&*store).await?;
        let sessions = Sessions::load(&*store, clock.now_ms()).await?;
        metrics.sessions.set(sessions.live_count());
        let access = Arc::new(Access::open(&*store).await?);
        let namespace = Self {
            marks: ReadMarks::of_start(starts),
            store,
            clock,
            settings,
            metrics,
            ids,
            sessions,
            short_blocks: ShortBlocks::default(),
            sealer,
            access,
            locks: KeyLocks::default(),
            bucket_ids: RwLock::default(),
            create_upload: tokio::sync::Mutex::default(),
        };
        namespace.turn_bucket_deletions_back().await?;
        Ok(namespace)
    }

    /// Nothing may be deleted from the workers: the store was restored, and no operator has confirmed it.
    pub fn awaits_confirmation(&self) -> bool {
        self.store.awaits_confirmation()
    }

    pub(crate) async fn scan(
        &self,
        start: Bytes,
        end: Option<Bytes>,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, Error> {
        Ok(self.store.scan(Scan { start, end, limit, reverse: false }).await?)
    }

    /// As [`scan_all`], of this namespace's store.
    pub(crate) async fn scan_all(
        &self,
        start: Bytes,
        end: Option<Bytes>,
        each: impl FnMut(Bytes, Bytes) -> Result<(), RecordError>,
    ) -> Result<(), Error> {
        scan_all(&*self.store, start, end, each).await
    }
}

/// Runs `each` on every entry of a range, page by page.
pub(crate) async fn scan_all(
    store: &dyn Store,
    mut start: Bytes,
    end: Option<Bytes>,
    mut each: impl FnMut(Bytes, Bytes) -> Result<(), RecordError>,
) -> Result<(), Error> {
    loop {
        let page = store.scan(Scan { start, end: end.clone(), limit: SCAN_LIMIT, reverse: false }).await?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        start = crate::records::key::next(last);
        let full = page.len() == SCAN_LIMIT;
        for (key, value) in page {
            each(key, value)?;
        }
        if !full {
            return Ok(());
        }
    }
}
