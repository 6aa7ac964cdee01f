//! What the metaserver counts, for `/metrics`.

use crate::store::Store;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::{Registry, Unit};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Weak};
use weir_proto::v1::Redundancy;

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
    (
        "disk_low",
        "disk_low",
        None,
        "1: free space is below the reserve and room for the next checkpoint, and only deletes are taken",
    ),
];

#[derive(Clone, Debug, Default)]
pub struct Metrics {
    pub commits: Counter,
    pub commit_conflicts: Counter,
    pub reclaim_queue_length: Gauge,
    pub reclaimed_blocks: Counter,
    pub condemned_blocks: Counter,
    pub deleted_blocks: Counter,
    pub damaged_blocks: Counter,
    pub missing_copies: Counter,
    pub repaired_copies: Counter,
    pub moved_copies: Counter,
    pub dropped_copies: Counter,
    pub failed_copies: Counter,
    pub copied_bytes: Counter,
    pub queued_blocks: Gauge,
    pub ordered_blocks: Gauge,
    pub blocks: Gauge,
    pub complete_blocks: Gauge,
    pub under_replicated_blocks: Gauge,
    pub lost_blocks: Gauge,
    pub invalid_copies: Gauge,
    pub surplus_copies: Gauge,
    pub crowded_blocks: Gauge,
    pub redundancy_as_of_seconds: Gauge,
    pub sessions: Gauge,
    pub gateways: Gauge,
    pub live_gateways: Gauge,
    pub live_workers: Gauge,
    pub lost_workers: Gauge,
    pub workers: Gauge,
    pub epoch: Gauge,
    pub members: Family<Build, Gauge>,
    refused_members: Family<Role, Counter>,
}

/// The build of a role in the cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
pub struct Build {
    pub role: &'static str,
    pub version: String,
    pub protocol: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Role {
    role: &'static str,
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
        metrics.register_repair(r);
        metrics.register_redundancy(r);
        r.register("weir_metaserver_sessions", "Live sessions of gateways", metrics.sessions.clone());
        metrics.register_members(r);
        r.register(
            "weir_metaserver_members",
            "Live workers and sessions of gateways, by the build that they told",
            metrics.members.clone(),
        );
        r.register(
            "weir_metaserver_refused_members",
            "Handshakes refused because the two builds have no protocol in common",
            metrics.refused_members.clone(),
        );
        r.register("weir_metaserver_epoch", "Under which it serves; 0: it does not", metrics.epoch.clone());
        metrics
    }

    fn register_members(&self, r: &mut Registry) {
        let mut gauge = |name: &str, help: &str, gauge: &Gauge| r.register(name, help, gauge.clone());
        gauge(
            "weir_metaserver_gateways",
            "Gateways that have a session, or had one until they were lost",
            &self.gateways,
        );
        gauge("weir_metaserver_gateways_live", "Gateways that sent a heartbeat in time", &self.live_gateways);
        gauge("weir_metaserver_workers", "Workers that have registered", &self.workers);
        gauge("weir_metaserver_workers_live", "Workers that sent a heartbeat in time", &self.live_workers);
        let help = "Workers that sent none in time, or said that they end, and were not emptied before";
        gauge("weir_metaserver_workers_lost", help, &self.lost_workers);
    }

    fn register_repair(&self, r: &mut Registry) {
        let mut counter = |name: &str, help: &str, counter: &Counter| r.register(name, help, counter.clone());
        counter("weir_metaserver_missing_copies", "Copies that workers did not have", &self.missing_copies);
        counter("weir_metaserver_repaired_copies", "Copies made or found good again", &self.repaired_copies);
        counter("weir_metaserver_moved_copies", "Copies moved to even out the workers", &self.moved_copies);
        counter("weir_metaserver_dropped_copies", "Copies dropped that were not needed", &self.dropped_copies);
        counter("weir_metaserver_failed_copies", "Orders to copy or verify that failed", &self.failed_copies);
        counter("weir_metaserver_copied_bytes", "Bytes of the copies made and moved", &self.copied_bytes);
        let mut gauge = |name: &str, help: &str, gauge: &Gauge| r.register(name, help, gauge.clone());
        gauge(
            "weir_metaserver_repair_queue_length",
            "Blocks that wait for repair, moves or drops",
            &self.queued_blocks,
        );
        gauge("weir_metaserver_repair_orders", "Blocks whose copies workers are ordered to make", &self.ordered_blocks);
    }

    fn register_redundancy(&self, r: &mut Registry) {
        let mut gauge = |name: &str, help: &str, gauge: &Gauge| r.register(name, help, gauge.clone());
        gauge("weir_metaserver_blocks", "Blocks in use at the last look at all of them", &self.blocks);
        gauge("weir_metaserver_complete_blocks", "Of them, those with all their copies", &self.complete_blocks);
        let help = "Of them, those that lack copies and have one";
        gauge("weir_metaserver_under_replicated_blocks", help, &self.under_replicated_blocks);
        gauge("weir_metaserver_lost_blocks", "Of them, those without a live copy", &self.lost_blocks);
        gauge("weir_metaserver_invalid_copies", "Copies that are damaged or missing", &self.invalid_copies);
        gauge("weir_metaserver_surplus_copies", "Copies that are to be dropped", &self.surplus_copies);
        let help = "Blocks whose copies share a zone or a host although they need not";
        gauge("weir_metaserver_crowded_blocks", help, &self.crowded_blocks);
        let help = "When that look at all blocks ended, in Unix time; 0: none has yet";
        gauge("weir_metaserver_redundancy_as_of_seconds", help, &self.redundancy_as_of_seconds);
    }

    /// A role may not join.
    pub fn refuse_member(&self, role: &'static str) {
        self.refused_members.get_or_create(&Role { role }).inc();
    }

    /// The builds of those who are there now.
    pub fn tell_members(&self, builds: impl IntoIterator<Item = Build>) {
        let mut counts: BTreeMap<Build, i64> = BTreeMap::new();
        builds.into_iter().for_each(|build| *counts.entry(build).or_default() += 1);
        self.members.clear();
        for (build, count) in counts {
            self.members.get_or_create(&build).set(count);
        }
    }

    /// What a look at all blocks found.
    pub fn tell_redundancy(&self, found: &Redundancy) {
        let under_replicated = found.missing.iter().map(|missing| missing.block_count).sum();
        for (gauge, value) in [
            (&self.blocks, found.block_count),
            (&self.complete_blocks, found.complete_block_count),
            (&self.under_replicated_blocks, under_replicated),
            (&self.lost_blocks, found.lost_block_count),
            (&self.invalid_copies, found.invalid_copy_count),
            (&self.surplus_copies, found.surplus_copy_count),
            (&self.crowded_blocks, found.crowded_block_count),
        ] {
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        }
        self.redundancy_as_of_seconds.set(found.as_of_ms.div_euclid(1_000));
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
