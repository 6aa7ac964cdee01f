//! What a worker tells Prometheus.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::{Registry, Unit};

/// Counted where blocks come and go.
#[derive(Default)]
pub struct Metrics {
    pub written_blocks: Counter,
    pub written_bytes: Counter,
    pub read_streams: Counter,
    pub read_bytes: Counter,
    pub refused: Counter,
    pub copied_blocks: Counter,
    pub copied_bytes: Counter,
    pub verified_bytes: Counter,
    pub failed_copies: Counter,
    pub rebuilt_shards: Counter,
}

impl Metrics {
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let mut counter = |name: &str, help: &str, unit: Option<Unit>, counter: &Counter| match unit {
            Some(unit) => registry.register_with_unit(name, help, unit, counter.clone()),
            None => registry.register(name, help, counter.clone()),
        };
        counter("weir_worker_written_blocks", "Blocks acknowledged", None, &metrics.written_blocks);
        counter("weir_worker_written", "Bytes of blocks acknowledged", Some(Unit::Bytes), &metrics.written_bytes);
        counter("weir_worker_read_streams", "Reads of blocks begun", None, &metrics.read_streams);
        counter("weir_worker_read", "Verified bytes sent", Some(Unit::Bytes), &metrics.read_bytes);
        counter("weir_worker_refused_requests", "Reads and writes that failed", None, &metrics.refused);
        counter("weir_worker_copied_blocks", "Blocks taken from other workers", None, &metrics.copied_blocks);
        let bytes = Some(Unit::Bytes);
        counter("weir_worker_copied", "Bytes taken from other workers", bytes.clone(), &metrics.copied_bytes);
        counter("weir_worker_verified", "Bytes read to verify copies on order", bytes, &metrics.verified_bytes);
        counter("weir_worker_failed_copies", "Orders to copy or verify that failed", None, &metrics.failed_copies);
        counter(
            "weir_worker_rebuilt_shards",
            "Shards computed from those of other workers",
            None,
            &metrics.rebuilt_shards,
        );
        metrics
    }
}
