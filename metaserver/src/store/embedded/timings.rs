//! How long commits take and how many are written together.

use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use weir_service::metrics::{durations, group_sizes, sync_durations};

/// Measured by the writer.
pub(super) struct Timings {
    /// From the queue to the answer.
    pub commits: Histogram,
    /// Commits of a group.
    pub groups: Histogram,
    /// fdatasync of the journal.
    pub syncs: Histogram,
}

impl Default for Timings {
    fn default() -> Self {
        Self { commits: durations(), groups: group_sizes(), syncs: sync_durations() }
    }
}

impl Timings {
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("weir_metaserver");
        registry.register_with_unit(
            "commit_duration",
            "From a commit's arrival in the queue until it is durable and visible",
            Unit::Seconds,
            self.commits.clone(),
        );
        registry.register("commit_group_size", "Commits that one fdatasync makes durable", self.groups.clone());
        let help = "fdatasync of the journal";
        registry.register_with_unit("journal_sync_duration", help, Unit::Seconds, self.syncs.clone());
    }
}
