//! The metaserver: the namespace, over a durable ordered store.
//!
//! Floors, from the top: `rpc` and [`cluster`], what the system means ([`namespace`]), what lies in the store
//! ([`records`]), the store ([`store`]). No arrow runs up.

mod audit;
pub mod cluster;
pub mod error;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod metrics;
pub mod namespace;
pub mod records;
mod rpc;
#[cfg(test)]
mod simulation_tests;
pub mod standby;
pub mod store;
#[cfg(test)]
mod testing;

pub use error::MetaserverError;

use bytes::Bytes;
use cluster::Cluster;
use metrics::{Metrics, StoreCollector};
use namespace::Namespace;
use prometheus_client::registry::Registry;
use records::access_key::{self, AccessKeyRecord};
use records::decode;
use rpc::Service;
use standby::Host;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use store::embedded::{EmbeddedOptions, EmbeddedStore};
use store::{Store, StoreError};
use tonic::service::Routes;
use weir_service::clock::Clock;
use weir_service::config::MetaserverSettings;
use weir_service::disk::Disk;
use weir_service::epoch::{Fence, fenced};
use weir_service::metrics::CallMetrics;
use weir_service::sealing::Sealer;
use weir_service::shutdown::Shutdown;
use weir_service::threads;

/// The metaserver. Cheap to clone.
#[derive(Clone)]
pub struct Metaserver {
    service: Service,
    calls: CallMetrics,
}

/// A backup that was restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoreReport {
    /// Entries of the store.
    pub entry_count: u64,
    /// The last commit that the backup has.
    pub sequence: u64,
    /// Secrets of access keys by the keys' ids, sealed under the secret of the cluster that was backed up.
    pub sealed_secrets: BTreeMap<String, Bytes>,
}

/// Makes a store from a backup: the file, or the newest one in a folder of backups, into an empty folder. The
/// metaserver that starts on it deletes no block until an operator has confirmed the restore. Blocks.
///
/// # Errors
/// [`MetaserverError::Restore`]: the folder is not empty, the backup is not whole, or the disk fails.
pub fn restore(backup: &Path, data: &Path, disk: &dyn Disk) -> Result<RestoreReport, MetaserverError> {
    let mut sealed_secrets = BTreeMap::new();
    let visit = |key: &[u8], value: Option<&[u8]>| {
        let Ok(access_key_id) = access_key::name(key) else { return };
        // A record that can't be read is told of when the metaserver starts.
        let record = value.and_then(|value| decode::<AccessKeyRecord>(key, Bytes::copy_from_slice(value)).ok());
        match record {
            Some(record) => sealed_secrets.insert(access_key_id, record.sealed_secret),
            None => sealed_secrets.remove(&access_key_id),
        };
    };
    let restored = store::embedded::restore(backup, data, disk, visit);
    let summary = restored.map_err(|source| MetaserverError::Restore {
        backup: backup.to_path_buf(),
        data: data.to_path_buf(),
        source,
    })?;
    Ok(RestoreReport { entry_count: summary.entries, sequence: summary.sequence, sealed_secrets })
}

impl Metaserver {
    /// Opens the embedded store in `settings.data`, or makes one, recovers it, and starts the background tasks, which
    /// end with `shutdown`. When the store has to stop, because its disk failed, it begins the shutdown. `sealer` seals
    /// the secrets of access keys: every role of the cluster has the same.
    ///
    /// # Errors
    /// [`MetaserverError`]: the store can't be opened, or a record that is needed at the start is damaged.
    pub async fn open(
        settings: MetaserverSettings,
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        sealer: Arc<Sealer>,
        registry: &mut Registry,
        shutdown: &Shutdown,
    ) -> Result<Self, MetaserverError> {
        let (data, options, store_clock) = (settings.data.clone(), EmbeddedOptions::from(&settings), clock.clone());
        let opened = threads::spawn_blocking(move || EmbeddedStore::open(&data, options, disk, store_clock)).await;
        let store = match opened {
            Ok(opened) => Arc::new(opened?),
            Err(error) => return Err(opening_panicked(&error)),
        };
        let measured = Measured::register(registry);
        tell_of_store(registry, &(store.clone() as Arc<dyn Store>));
        standby::register_metrics(registry, &store);
        Self::over(settings, store, clock, sealer, measured, Fence::default(), shutdown).await
    }

    /// Serves from an embedded store that is open, until that has to stop or another metaserver is heard of that serves
    /// under a higher epoch: both begin the shutdown.
    async fn over(
        settings: MetaserverSettings,
        store: Arc<EmbeddedStore>,
        clock: Arc<dyn Clock>,
        sealer: Arc<Sealer>,
        measured: Measured,
        fence: Fence,
        shutdown: &Shutdown,
    ) -> Result<Self, MetaserverError> {
        let (watched, begun, over) = (store.clone(), shutdown.clone(), fence.clone());
        shutdown.spawn(async move {
            tokio::select! {
                () = begun.begun() => {}
                reason = watched.stopped() => {
                    begun.fail(format!("the metaserver's store: {reason}"));
                }
                epoch = over.is_over() => {
                    if let Err(error) = watched.step_down(epoch).await {
                        tracing::error!(%error, "that this metaserver is over could not be noted");
                    }
                    begun.fail(format!(
                        "another metaserver serves under epoch {epoch}, this one served under {}: it was replaced. Start \
                         it with --follow ADDRESS to make it a standby of the other",
                        over.epoch()
                    ));
                }
            }
        });
        let opened = Self::open_on(settings, store.clone(), Some(store), clock, sealer, measured, fence, shutdown);
        opened.await
    }

    /// Opens on a store, and starts the background tasks, which end with `shutdown`.
    ///
    /// # Errors
    /// [`MetaserverError`]: the store can't be read or written, or a record that is needed at the start is damaged.
    pub async fn with_store(
        settings: MetaserverSettings,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        sealer: Arc<Sealer>,
        registry: &mut Registry,
        shutdown: &Shutdown,
    ) -> Result<Self, MetaserverError> {
        let measured = Measured::register(registry);
        tell_of_store(registry, &store);
        Self::open_on(settings, store, None, clock, sealer, measured, Fence::default(), shutdown).await
    }

    #[allow(clippy::too_many_arguments, reason = "the parts of a metaserver, once each")]
    async fn open_on(
        settings: MetaserverSettings,
        store: Arc<dyn Store>,
        embedded: Option<Arc<EmbeddedStore>>,
        clock: Arc<dyn Clock>,
        sealer: Arc<Sealer>,
        measured: Measured,
        fence: Fence,
        shutdown: &Shutdown,
    ) -> Result<Self, MetaserverError> {
        let Measured { metrics, calls } = measured;
        let namespace = Arc::new(Namespace::open(settings, store.clone(), clock, sealer, metrics).await?);
        if namespace.awaits_confirmation() {
            tracing::warn!(
                "the store was restored from a backup, or promoted by force: nothing is deleted until an operator \
                 confirms it"
            );
        }
        let cluster = Arc::new(Cluster::open(namespace.clone()).await?);
        store.begin_serving()?;
        fence.serve_under(namespace.ids.epoch);
        namespace.metrics.epoch.set(i64::try_from(namespace.ids.epoch).unwrap_or(i64::MAX));
        let host = Host::new(namespace.clone(), embedded, fence);
        let metaserver = Self { service: Service { namespace, cluster, host }, calls };
        metaserver.begin(shutdown);
        Ok(metaserver)
    }

    /// Where the standby was that followed last; empty: there was none.
    pub fn standby_address(&self) -> String {
        self.service.host.store.as_ref().map(|store| store.standing().address).unwrap_or_default()
    }

    /// Takes notice of another metaserver, at an address: if that serves under a higher epoch, this one is over, also
    /// after its next start.
    ///
    /// # Errors
    /// [`MetaserverError::Replaced`]: it is. [`MetaserverError::Store`]: that could not be noted.
    pub async fn meet(&self, address: &str, epoch: u64) -> Result<(), MetaserverError> {
        let own = self.epoch();
        if epoch <= own {
            return Ok(());
        }
        if let Some(store) = &self.service.host.store {
            store.step_down(epoch).await?;
        }
        Err(MetaserverError::Replaced { address: address.to_owned(), epoch, own })
    }

    /// Under which it serves.
    pub fn epoch(&self) -> u64 {
        self.service.namespace.ids.epoch
    }

    /// Ends the sessions of an earlier run whose gateways are known to be gone, as when all roles were one process:
    /// what they left is reclaimed without waiting for their leases.
    pub fn end_sessions(&self) {
        let count = self.service.namespace.end_sessions();
        if count > 0 {
            tracing::info!(count, "sessions of an earlier run were ended");
        }
    }

    /// Sends everyone away who waits for a change of access, now and later, and the standby when the last commits are
    /// done: to be called when the shutdown begins, which else would wait for them.
    pub async fn end_waits(&self) {
        self.service.namespace.access.end_waits();
        self.service.host.end().await;
    }

    /// Closes the embedded store in order, so that the next start is quick. To be called when nothing asks any more,
    /// after the shutdown; without it nothing is lost either.
    ///
    /// # Errors
    /// [`MetaserverError::Store`]: the last commits could not be made durable.
    pub async fn close(&self) -> Result<(), MetaserverError> {
        match &self.service.host.store {
            Some(store) => Ok(store.close().await?),
            None => Ok(()),
        }
    }

    /// The services Namespace, Sessions, Access, Workers, Admin and Standby.
    pub fn services(&self) -> Routes {
        self.calls.around(rpc::routes(&self.service))
    }

    /// The same for other machines: answers carry the epoch, and who knows a higher one is refused.
    pub fn fenced_services(&self) -> Routes {
        fenced(self.services(), &self.service.host.fence)
    }
}

/// What the metaserver tells Prometheus.
#[derive(Clone)]
pub(crate) struct Measured {
    metrics: Metrics,
    calls: CallMetrics,
}

impl Measured {
    pub fn register(registry: &mut Registry) -> Self {
        Self { metrics: Metrics::register(registry), calls: CallMetrics::register(registry, "weir_metaserver") }
    }
}

fn tell_of_store(registry: &mut Registry, store: &Arc<dyn Store>) {
    store.register_metrics(registry);
    registry.register_collector(Box::new(StoreCollector::new(store)));
}

fn opening_panicked(error: &tokio::task::JoinError) -> MetaserverError {
    StoreError::Stopped { reason: format!("opening it panicked: {error}") }.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use weir_proto::v1;
    use weir_proto::v1::change_access_request::Change;
    use weir_service::clock::SystemClock;
    use weir_service::disk::SystemDisk;
    use weir_service::sealing::ACCESS_KEY_PURPOSE;

    async fn open(data: &Path) -> (Metaserver, Shutdown) {
        let shutdown = Shutdown::new();
        let settings = MetaserverSettings { data: data.to_path_buf(), reserve_bytes: 0, ..Default::default() };
        let (disk, clock) = (Arc::new(SystemDisk), Arc::new(SystemClock));
        let registry = &mut Registry::default();
        let opened = Metaserver::open(settings, disk, clock, testing::sealer(), registry, &shutdown).await;
        (opened.unwrap(), shutdown)
    }

    async fn close(metaserver: Metaserver, shutdown: Shutdown) {
        assert!(shutdown.finish(Duration::from_secs(10)).await);
        metaserver.close().await.unwrap();
    }

    async fn put(metaserver: &Metaserver, key: &'static str) {
        let request = v1::CommitObjectRequest {
            bucket: "photos".into(),
            key: key.into(),
            content: Some(testing::inline("meow")),
            ..Default::default()
        };
        metaserver.service.namespace.commit_object(request).await.unwrap();
    }

    async fn has(metaserver: &Metaserver, key: &'static str) -> bool {
        let request = v1::GetObjectRequest { bucket: "photos".into(), key: key.into(), ..Default::default() };
        metaserver.service.namespace.get_object(&request).await.is_ok()
    }

    #[tokio::test]
    async fn what_was_committed_is_there_after_a_restart_and_in_a_restored_backup() {
        let folder = tempfile::tempdir().unwrap();
        let (data, backups, other) = (folder.path().join("a"), folder.path().join("b"), folder.path().join("c"));
        let (metaserver, shutdown) = open(&data).await;
        let request = v1::CreateBucketRequest { name: "photos".into(), ..Default::default() };
        metaserver.service.namespace.create_bucket(&request).await.unwrap();
        put(&metaserver, "before").await;
        close(metaserver, shutdown).await;

        let (metaserver, shutdown) = open(&data).await;
        assert!(has(&metaserver, "before").await);
        std::fs::create_dir(&backups).unwrap();
        let backup = metaserver.service.namespace.store.backup(&backups).await.unwrap();
        put(&metaserver, "after").await;
        assert!(!metaserver.service.namespace.awaits_confirmation());
        close(metaserver, shutdown).await;

        let report = restore(&backup.path, &other, &SystemDisk).unwrap();
        assert_eq!((report.entry_count, report.sequence), (backup.entry_count, backup.sequence.0));
        assert!(matches!(restore(&backup.path, &other, &SystemDisk), Err(MetaserverError::Restore { .. })));
        let (metaserver, shutdown) = open(&other).await;
        assert!(has(&metaserver, "before").await && !has(&metaserver, "after").await);
        assert!(metaserver.service.namespace.awaits_confirmation());
        metaserver.service.cluster.confirm_restore().await.unwrap();
        assert!(!metaserver.service.namespace.awaits_confirmation());
        close(metaserver, shutdown).await;
    }

    #[tokio::test]
    async fn access_outlives_a_restart_and_a_restored_store_gives_out_no_version_again() {
        let folder = tempfile::tempdir().unwrap();
        let (data, backups, other) = (folder.path().join("a"), folder.path().join("b"), folder.path().join("c"));
        let user = |name: &str| v1::ChangeAccessRequest {
            change: Some(Change::CreateUser(v1::CreateUser { name: name.into(), ..Default::default() })),
            request_id: None,
        };
        let everything = |metaserver: &Metaserver| {
            metaserver.service.namespace.fetch_access(&v1::FetchAccessRequest::default()).next().unwrap()
        };
        let (metaserver, shutdown) = open(&data).await;
        metaserver.service.namespace.change_access(&user("alice")).await.unwrap();
        let key = v1::CreateAccessKey { user_name: "alice".into(), ..Default::default() };
        let key = v1::ChangeAccessRequest { change: Some(Change::CreateAccessKey(key)), request_id: None };
        metaserver.service.namespace.change_access(&key).await.unwrap();
        let before = everything(&metaserver);
        close(metaserver, shutdown).await;

        let (metaserver, shutdown) = open(&data).await;
        assert_eq!(everything(&metaserver), before);
        std::fs::create_dir(&backups).unwrap();
        let backup = metaserver.service.namespace.store.backup(&backups).await.unwrap();
        let later = metaserver.service.namespace.change_access(&user("bob")).await.unwrap().version;
        close(metaserver, shutdown).await;

        let report = restore(&backup.path, &other, &SystemDisk).unwrap();
        let [(id, sealed)] = &Vec::from_iter(report.sealed_secrets)[..] else { panic!("one key was there") };
        assert_eq!(testing::sealer().open(ACCESS_KEY_PURPOSE, id, sealed).unwrap().len(), 40);
        let (metaserver, shutdown) = open(&other).await;
        let restored = everything(&metaserver);
        assert_eq!(restored.entries, before.entries);
        assert!(restored.version > later);
        close(metaserver, shutdown).await;
    }
}
