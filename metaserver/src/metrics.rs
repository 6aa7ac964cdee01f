//! What the metaserver counts, for `/metrics`.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, Default)]
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
    pub epoch: Gauge,
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
        r.register("weir_metaserver_epoch", "Under which it serves; 0: it does not", metrics.epoch.clone());
        metrics
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
