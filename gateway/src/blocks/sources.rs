//! Where blocks are read, and how long one waits there.

use super::WorkerConnector;
use super::WorkerHealth;
use super::budget::ReadBudget;
use super::local::LocalReads;
use super::nearness::Nearness;
use prometheus_client::metrics::counter::Counter;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use weir_proto::WorkerId;
use weir_proto::v1;
use weir_service::clock::Clock;

/// The workers of the cluster by their ids.
pub type WorkerMap = Arc<HashMap<WorkerId, v1::Worker>>;

/// Where reads leave their marks.
#[derive(Clone, Debug, Default)]
pub struct ReadMetrics {
    pub bytes: Counter,
    pub blocks: Counter,
    /// Times that another replica had to take over.
    pub failovers: Counter,
    /// Times that another replica was asked too, because the first one kept a read waiting.
    pub hedges: Counter,
    /// Times that bytes did not match their checksum.
    pub damaged: Counter,
    /// Parts of coded blocks of which some was computed from other shards.
    pub rebuilt: Counter,
}

/// Where blocks are read.
#[derive(Clone)]
pub struct ReadSources {
    pub workers: WorkerMap,
    pub connector: Arc<dyn WorkerConnector>,
    pub health: Arc<WorkerHealth>,
    pub nearness: Arc<Nearness>,
    pub local: Arc<LocalReads>,
    pub patience: ReadPatience,
    pub clock: Arc<dyn Clock>,
    pub metrics: ReadMetrics,
    pub budget: ReadBudget,
}

impl ReadSources {
    /// May the file of the first of these workers be opened, which runs on this machine?
    pub(super) fn may_open_file(&self, replicas: &[v1::Worker]) -> bool {
        replicas.first().is_some_and(|worker| self.nearness.is_same_host(worker) && self.local.may_try(worker))
    }
}

/// How long a worker may keep a read waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadPatience {
    /// After so long without a first byte another replica is asked too.
    pub hedge: Duration,
    /// One that sends nothing for so long has failed, where there is another replica.
    pub silence: Duration,
}
