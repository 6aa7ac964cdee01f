//! What a worker tells Prometheus.

use crate::store::BlockStore;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};
use std::fmt;
use std::sync::{Arc, Weak};

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

/// Asks the store when Prometheus asks. It does not keep the store open.
pub struct StoreCollector {
    store: Weak<BlockStore>,
}

impl StoreCollector {
    pub fn new(store: &Arc<BlockStore>) -> Self {
        Self { store: Arc::downgrade(store) }
    }
}

impl fmt::Debug for StoreCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreCollector")
    }
}

impl Collector for StoreCollector {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let Some(store) = self.store.upgrade() else { return Ok(()) };
        let mut put = |name: &str, help: &str, unit: Option<&Unit>, counter: bool, value: u64| {
            if counter {
                let metric = ConstCounter::new(value);
                metric.encode(encoder.encode_descriptor(name, help, unit, metric.metric_type())?)
            } else {
                let metric = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
                metric.encode(encoder.encode_descriptor(name, help, unit, metric.metric_type())?)
            }
        };
        if let Ok(usage) = store.usage() {
            let bytes = Some(&Unit::Bytes);
            put("weir_worker_blocks", "Blocks on the disk", None, false, usage.block_count)?;
            put("weir_worker_capacity", "Size of the file system", bytes, false, usage.capacity_bytes)?;
            put("weir_worker_used", "Block files and segments", bytes, false, usage.used_bytes)?;
            put("weir_worker_free", "Room for blocks, without the reserve", bytes, false, usage.free_bytes)?;
        }
        let counters = store.counters();
        put("weir_worker_segments", "Segment files", None, false, counters.segments)?;
        put("weir_worker_damaged_blocks", "Damaged blocks that were set aside", None, true, counters.damaged_blocks)?;
        put("weir_worker_append_batches", "fdatasyncs of segments", None, true, counters.append_batches)?;
        put("weir_worker_appended_blocks", "Blocks appended to segments", None, true, counters.appended_blocks)?;
        put("weir_worker_compacted_segments", "Segments compacted away", None, true, counters.compacted_segments)?;
        put("weir_worker_scrubbed", "Bytes scrubbed", Some(&Unit::Bytes), true, counters.scrubbed_bytes)?;
        put("weir_worker_scrubs", "Scrubs of all blocks that were finished", None, true, counters.scrub_passes)?;
        let damaged = counters.scrub_damaged_blocks;
        put("weir_worker_scrub_damaged_blocks", "Damaged blocks that a scrub found", None, true, damaged)
    }
}
