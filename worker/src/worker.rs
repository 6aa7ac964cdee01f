//! The worker as a whole: what the binary and the tests hold.

use crate::cluster::peers::Peers;
use crate::cluster::{self, KeptEpoch, Membership};
use crate::disks::{Disks, DisksCollector};
use crate::error::{WorkerError, off_thread};
use crate::maintenance;
use crate::metrics::Metrics;
use crate::rpc::BlockService;
use crate::store::ScrubReport;
use prometheus_client::registry::Registry;
use std::sync::Arc;
use tokio::sync::watch;
use tonic::service::Routes;
use weir_proto::MAX_MESSAGE_BYTES;
use weir_proto::v1::blocks_server::BlocksServer;
use weir_service::channel::Channel;
use weir_service::clock::Clock;
use weir_service::config::WorkerSettings;
use weir_service::disk::Disk;
use weir_service::epoch::SeenEpoch;
use weir_service::metrics::CallMetrics;
use weir_service::shutdown::Shutdown;

/// A worker over its data folders. Cheap to clone; they are closed when the last clone is dropped.
#[derive(Clone)]
pub struct Worker {
    inner: Arc<Inner>,
}

struct Inner {
    settings: WorkerSettings,
    clock: Arc<dyn Clock>,
    disks: Arc<Disks>,
    service: BlockService,
    calls: CallMetrics,
    metrics: Arc<Metrics>,
    epoch: KeptEpoch,
    /// Set when the cluster refused this worker.
    refused: watch::Sender<Option<Arc<str>>>,
}

impl Worker {
    /// Opens `settings.data` and starts compaction and scrubbing, which end with `shutdown`.
    ///
    /// # Errors
    /// [`WorkerError`]: a setting out of its bounds, or a folder that can't be read or written. Damage is no error.
    pub async fn open(
        settings: WorkerSettings,
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        registry: &mut Registry,
        shutdown: &Shutdown,
    ) -> Result<Self, WorkerError> {
        let (of, its_clock) = (settings.clone(), clock.clone());
        let disks = Arc::new(off_thread(move || Disks::open(&of, disk, &*its_clock)).await??);
        let metrics = Arc::new(Metrics::register(registry));
        registry.register_collector(Box::new(DisksCollector::new(&disks)));
        disks.common().register_metrics(registry);
        let calls = CallMetrics::register(registry, "weir_worker");
        maintenance::start(&disks, &settings, &clock, shutdown);
        let service = BlockService::new(disks.clone(), metrics.clone());
        let refused = watch::Sender::new(None);
        let epoch = KeptEpoch::new(SeenEpoch::default(), disks.clone());
        Ok(Self { inner: Arc::new(Inner { settings, clock, disks, service, calls, metrics, epoch, refused }) })
    }

    /// gRPC service `Blocks`.
    pub fn services(&self) -> Routes {
        let blocks = BlocksServer::new(self.inner.service.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES);
        self.inner.calls.around(Routes::new(blocks))
    }

    /// The highest epoch of a metaserver that this worker knows: for the channel that [`Worker::start`] gets.
    pub fn seen_epoch(&self) -> SeenEpoch {
        self.inner.epoch.seen().clone()
    }

    /// Registers, then heartbeats, obeys orders and sends inventories until shutdown, and then leaves the cluster in order.
    /// Reconnects by itself; ends when
    /// the metaserver says that the data folder belongs to another cluster, see [`Worker::failed`]. `peers` are the ways
    /// to the workers that it is ordered to copy from.
    pub fn start(&self, metaserver: Channel, peers: Arc<dyn Peers>, shutdown: &Shutdown) {
        let inner = self.inner.clone();
        let stop = shutdown.clone();
        shutdown.spawn(async move {
            let (disks, metrics, clock) = (inner.disks.clone(), inner.metrics.clone(), inner.clock.clone());
            let epoch = inner.epoch.clone();
            let mut membership = Membership::new(&inner.settings, disks, metrics, clock, metaserver, peers, epoch);
            let result = tokio::select! {
                () = stop.begun() => Ok(()),
                result = inner.join(&mut membership, &stop) => result,
            };
            match result {
                Ok(()) => membership.leave().await,
                Err(error) => {
                    tracing::error!(%error, "the worker has left the cluster");
                    inner.refused.send_replace(Some(error.to_string().into()));
                }
            }
        });
    }

    /// Resolves when this worker can't go on, with the reason: the last of its disks has failed, or the cluster is not its
    /// own. The process should stop.
    pub async fn failed(&self) -> Arc<str> {
        let mut cluster = self.inner.refused.subscribe();
        let reason = tokio::select! {
            reason = self.inner.disks.failed() => reason,
            reason = cluster.wait_for(Option::is_some) => reason.ok().and_then(|reason| reason.clone()),
        };
        reason.unwrap_or_else(|| "the worker is closed".into())
    }

    /// Verifies every block now, as fast as the disk reads.
    ///
    /// # Errors
    /// [`WorkerError::Stopped`] when the process ends meanwhile.
    pub async fn scrub_now(&self) -> Result<ScrubReport, WorkerError> {
        maintenance::scrub_pass(&self.inner.disks, || 0, None).await
    }

    /// The blocks themselves, without the gRPC around them.
    #[cfg(test)]
    pub(crate) fn disks(&self) -> &Arc<Disks> {
        &self.inner.disks
    }
}

impl Inner {
    async fn join(&self, membership: &mut Membership, shutdown: &Shutdown) -> Result<(), WorkerError> {
        let mut identity = self.disks.identity().clone();
        self.epoch.loaded(identity.epoch);
        loop {
            let registered = membership.register(&identity).await?;
            if registered.identity != identity {
                identity = registered.identity.clone();
                let (disks, saved) = (self.disks.clone(), identity.clone());
                off_thread(move || disks.save_identity(&saved)).await??;
                self.epoch.loaded(identity.epoch);
            }
            tracing::info!(worker = identity.worker_id.0, cluster = identity.cluster_id, "registered");
            cluster::serve(membership, &registered, shutdown).await;
        }
    }
}
