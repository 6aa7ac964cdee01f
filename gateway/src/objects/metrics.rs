//! What the data path counts.

use crate::blocks::ReadMetrics;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

#[derive(Clone, Debug, Default)]
pub(super) struct Metrics {
    /// Of bodies, decoded.
    pub received_bytes: Counter,
    /// Of contents, to clients and to copies.
    pub given_bytes: Counter,
    pub blocks_written: Counter,
    /// Times that a worker did not take a block.
    pub blocks_refused: Counter,
    /// Workers that took over from one that failed in the middle of a block.
    pub replicas_replaced: Counter,
    /// Blocks that were ended early because one of their workers failed.
    pub blocks_cut: Counter,
    /// Copies of written blocks made before their commit, in place of those that a worker failed to take.
    pub copies_made: Counter,
    /// Blocks written with fewer copies than wanted: there were no more healthy workers.
    pub blocks_short: Counter,
    pub blocks_abandoned: Counter,
    pub uploads_in_flight: Gauge,
    /// Commits sent again because their answer was lost.
    pub commits_repeated: Counter,
    pub reads: ReadMetrics,
}

impl Metrics {
    pub fn register(&self, registry: &mut Registry, local_bytes: &Counter) {
        let registry = registry.sub_registry_with_prefix("weir_gateway");
        let bytes = || Unit::Bytes;
        registry.register_with_unit("object_received", "Object data received", bytes(), self.received_bytes.clone());
        registry.register_with_unit("object_given", "Object data given out", bytes(), self.given_bytes.clone());
        registry.register_with_unit("blocks_read", "Object data read from workers", bytes(), self.reads.bytes.clone());
        registry.register_with_unit("blocks_read_local", "Of that, from files here", bytes(), local_bytes.clone());
        registry.register(
            "blocks_written",
            "Blocks written with the copies that they need",
            self.blocks_written.clone(),
        );
        registry.register("blocks_refused", "Times a worker did not take a block", self.blocks_refused.clone());
        registry.register(
            "replicas_replaced",
            "Workers that took over from one that failed in the middle of a block",
            self.replicas_replaced.clone(),
        );
        registry.register("blocks_cut", "Blocks ended early because a worker failed", self.blocks_cut.clone());
        registry.register(
            "block_copies_made",
            "Copies made before the commit in place of those that a worker failed to take",
            self.copies_made.clone(),
        );
        registry.register("blocks_short", "Blocks written with fewer copies than wanted", self.blocks_short.clone());
        registry.register(
            "blocks_abandoned",
            "Blocks written and given up before their commit",
            self.blocks_abandoned.clone(),
        );
        registry.register("blocks_read", "Extents read from workers", self.reads.blocks.clone());
        registry.register("replica_failovers", "Reads taken over by another replica", self.reads.failovers.clone());
        registry.register(
            "rebuilt_reads",
            "Parts of coded blocks of which some was computed from other shards",
            self.reads.rebuilt.clone(),
        );
        registry.register("hedged_reads", "Reads for which a second replica was asked", self.reads.hedges.clone());
        registry.register("damaged_reads", "Reads that met damaged bytes", self.reads.damaged.clone());
        registry.register("uploads_in_flight", "Uploads in flight", self.uploads_in_flight.clone());
        registry.register("commits_repeated", "Changes sent again when in doubt", self.commits_repeated.clone());
    }
}
