//! What the metaserver counts, for `/metrics`.

use crate::store::Store;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::{Registry, Unit};
use std::fmt;
use std::sync::{Arc, Weak};

/// A store's own figures that have another name here: theirs, ours, the unit, what it is.
const STORE_GAUGES: [(&str, &str, Option<Unit>, &str); 10] = [
    ("sequence", "commit_sequence", None, "The last commit"),
    ("checkpoint_sequence", "checkpoint_sequence", None, "The last commit that a checkpoint has"),
    ("journal_bytes", "journal", Some(Unit::Bytes), "The journal's segments"),
    ("journal_segments", "journal_segments", None, "The journal's segment files"),
    ("index_bytes", "index", Some(Unit::Bytes), "The index on disk"),
    ("index_rebuilds", "index_rebuilt", None, "1: the index was built anew at the last start"),
    ("commits_waiting", "commit_queue_length", None, "Commits that wait for the journal"),
    ("disk_free_bytes", "disk_free", Some(Unit::Bytes), "Free space of the metadata's disk"),
    ("disk_capacity_bytes", "disk_capacity", Some(Unit::Bytes), "Size of the metadata's disk"),
    ("disk_low", "disk_low", None, "1: free space is below the reserve, and only deletes are taken"),
];

#[derive(Debug, Default)]
pub struct Metrics {
    pub commits: Counter,
    pub commit_conflicts: Counter,
    pub reclaim_queue_length: Gauge,
    pub reclaimed_blocks: Counter,
    pub condemned_blocks: Counter,
    pub deleted_blocks: Counter,
    pub damaged_blocks: Counter,
    pub sessions: Gauge,
    pub live_workers: Gauge,
    pub workers: Gauge,
}

impl Metrics {
    /// Registers all of them under `weir_metaserver_…`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let r = registry;
        r.register("weir_metaserver_commits", "Durable commits", metrics.commits.clone());
        r.register(
            "weir_metaserver_commit_conflicts",
            "Commits tried again because a guard no longer held",
            metrics.commit_conflicts.clone(),
        );
        r.register(
            "weir_metaserver_reclaim_queue_length",
            "Entries in the reclaim queue when it was last looked at; counted up to 10,000",
            metrics.reclaim_queue_length.clone(),
        );
        r.register(
            "weir_metaserver_reclaimed_blocks",
            "Blocks that lost their last reference",
            metrics.reclaimed_blocks.clone(),
        );
        r.register(
            "weir_metaserver_condemned_blocks",
            "Blocks that were written, never committed, and ordered to go",
            metrics.condemned_blocks.clone(),
        );
        r.register(
            "weir_metaserver_deleted_blocks",
            "Deletions of a block that workers reported",
            metrics.deleted_blocks.clone(),
        );
        r.register(
            "weir_metaserver_damaged_blocks",
            "Damaged copies of blocks that workers reported",
            metrics.damaged_blocks.clone(),
        );
        r.register("weir_metaserver_sessions", "Live sessions of gateways", metrics.sessions.clone());
        r.register(
            "weir_metaserver_workers_live",
            "Workers that sent a heartbeat in time",
            metrics.live_workers.clone(),
        );
        r.register("weir_metaserver_workers", "Workers that have registered", metrics.workers.clone());
        metrics
    }
}

/// Asks the store when Prometheus asks. It does not keep the store open.
pub struct StoreCollector(Weak<dyn Store>);

impl StoreCollector {
    pub fn new(store: &Arc<dyn Store>) -> Self {
        Self(Arc::downgrade(store))
    }
}

impl fmt::Debug for StoreCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreCollector")
    }
}

impl Collector for StoreCollector {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let Some(store) = self.0.upgrade() else { return Ok(()) };
        for (name, value) in store.gauges() {
            let Some((_, name, unit, help)) = STORE_GAUGES.iter().find(|(theirs, ..)| *theirs == name) else {
                continue;
            };
            let metric = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            let name = format!("weir_metaserver_{name}");
            metric.encode(encoder.encode_descriptor(&name, help, unit.as_ref(), metric.metric_type())?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metrics_carry_the_role_in_their_names() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        metrics.damaged_blocks.inc();
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        assert!(text.contains("weir_metaserver_damaged_blocks_total 1"), "{text}");
    }
}
