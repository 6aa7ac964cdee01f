//! Objects as the S3 operations and the shell use them: one upload pipeline, one reader, one session with the
//! metaserver. Nothing here knows of HTTP requests, XML or S3's error codes.
//!
//! | file | subject |
//! |---|---|
//! | `put`, `part`, `get`, `copy` | the operations that move bytes |
//! | `calls` | the metaserver's other calls, and how a change in doubt is settled |
//! | `pipeline` | a body becomes blocks |
//! | `copies` | which workers a block goes to, and what is done about those that fail |
//! | `session`, `term`, `leases` | the session; what is in flight under it; what becomes of a block |
//! | `workers` | the table of workers, as heartbeats keep it |

mod block_stream;
mod calls;
mod copies;
mod copy;
mod get;
mod leases;
mod metrics;
mod part;
mod pipeline;
mod precondition;
mod put;
mod session;
mod shards;
mod term;
#[cfg(test)]
mod testing;
mod types;
mod workers;

pub use get::ContentStream;
pub use types::{
    CopyObject, CopyPart, GetObject, Keeping, ObjectsError, ObjectsOptions, OpenedObject, PutObject, PutPart,
};

use crate::blocks::{LocalReads, Nearness, ReadBudget, ReadSources, WorkerConnector, WorkerHealth};
use metrics::Metrics;
use prometheus_client::registry::Registry;
use session::Session;
use std::sync::Arc;
use tokio::sync::{Semaphore, mpsc};
use weir_proto::v1::access_client::AccessClient;
use weir_proto::v1::namespace_client::NamespaceClient;
use weir_proto::{Failure, MAX_MESSAGE_BYTES};
use weir_service::channel::Channel;
use weir_service::clock::Clock;
use weir_service::shutdown::Shutdown;

/// Cheap to clone.
#[derive(Clone)]
pub struct Objects {
    inner: Arc<Inner>,
}

struct Inner {
    namespace: NamespaceClient<Channel>,
    access: AccessClient<Channel>,
    session: Arc<Session>,
    connector: Arc<dyn WorkerConnector>,
    health: Arc<WorkerHealth>,
    nearness: Arc<Nearness>,
    local: Arc<LocalReads>,
    options: ObjectsOptions,
    clock: Arc<dyn Clock>,
    shutdown: Shutdown,
    /// A permit for each byte of object data that may be on its way to workers.
    buffer: Arc<Semaphore>,
    /// Object data on its way from workers to clients.
    read_budget: ReadBudget,
    metrics: Metrics,
}

impl Objects {
    /// Opens a session with the metaserver and keeps it alive until shutdown.
    ///
    /// # Errors
    /// `UNAVAILABLE` when the metaserver was not reached within `options.open_timeout` or before shutdown; whatever
    /// else it refuses with.
    pub async fn open(
        metaserver: Channel,
        workers: Arc<dyn WorkerConnector>,
        mut options: ObjectsOptions,
        clock: Arc<dyn Clock>,
        shutdown: &Shutdown,
    ) -> Result<Self, Failure> {
        options.remember_requests &= !workers.is_in_process();
        // A worker in this very process is no nearer by its files.
        options.local_reads &= !workers.is_in_process();
        let (abandon, abandoned) = mpsc::unbounded_channel();
        let session = Session::open(metaserver.clone(), options.clone(), abandon, shutdown).await?;
        let session = Arc::new(session);
        let metrics = Metrics::default();
        // Ends by itself when the session and the last lease are gone.
        tokio::spawn(leases::abandon(session.client(), abandoned, metrics.blocks_abandoned.clone()));
        shutdown.spawn(session.clone().keep_alive(shutdown.clone()));
        let permits = usize::try_from(options.buffer_max_bytes).unwrap_or(usize::MAX);
        let inner = Inner {
            access: AccessClient::new(metaserver.clone()),
            namespace: NamespaceClient::new(metaserver).max_decoding_message_size(MAX_MESSAGE_BYTES),
            session,
            connector: workers,
            health: Arc::new(WorkerHealth::new(clock.clone())),
            nearness: Arc::new(options.nearness.clone()),
            local: Arc::new(LocalReads::new(options.local_reads, clock.clone())),
            buffer: Arc::new(Semaphore::new(permits.clamp(1, Semaphore::MAX_PERMITS))),
            read_budget: ReadBudget::new(options.read_buffer_max_bytes),
            options,
            clock,
            shutdown: shutdown.clone(),
            metrics,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Ends the session; no call works afterwards. Shutdown does it too, once nothing is in flight any more.
    pub async fn close(&self) {
        self.inner.session.close().await;
    }

    /// Is there a live session with the metaserver?
    pub fn is_ready(&self) -> bool {
        self.inner.session.is_ready()
    }

    pub fn register_metrics(&self, registry: &mut Registry) {
        self.inner.metrics.register(registry, &self.inner.local.bytes);
    }
}

impl Inner {
    /// The largest body that is stored with its metadata.
    fn inline_max_bytes(&self) -> u64 {
        self.options.inline_max_bytes.min(self.session.term().inline_max_bytes)
    }

    fn read_sources(&self) -> ReadSources {
        ReadSources {
            workers: self.session.workers().by_id,
            connector: self.connector.clone(),
            health: self.health.clone(),
            nearness: self.nearness.clone(),
            local: self.local.clone(),
            patience: self.options.read_patience,
            clock: self.clock.clone(),
            metrics: self.metrics.reads.clone(),
            budget: self.read_budget.clone(),
        }
    }
}
