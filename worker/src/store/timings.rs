//! How long it takes until blocks are durable, and how many become so together.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use std::time::Instant;
use weir_service::metrics::{durations, group_sizes, sync_durations};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SyncLabels {
    /// `segment`, `block_file` or `folder`.
    of: &'static str,
}

/// Measured where the disk is waited for. Cheap to clone: the same.
#[derive(Clone)]
pub struct Timings {
    /// From the queue until a small block is durable.
    pub appends: Histogram,
    pub append_batches: Histogram,
    pub append_queue: Gauge,
    pub segment_syncs: Histogram,
    pub file_syncs: Histogram,
    pub folder_syncs: Histogram,
    syncs: Family<SyncLabels, Histogram, fn() -> Histogram>,
}

impl Default for Timings {
    fn default() -> Self {
        let syncs: Family<SyncLabels, Histogram, fn() -> Histogram> = Family::new_with_constructor(sync_durations);
        let of = |of| syncs.get_or_create_owned(&SyncLabels { of });
        Self {
            appends: durations(),
            append_batches: group_sizes(),
            append_queue: Gauge::default(),
            segment_syncs: of("segment"),
            file_syncs: of("block_file"),
            folder_syncs: of("folder"),
            syncs,
        }
    }
}

impl Timings {
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("weir_worker");
        let seconds = || Unit::Seconds;
        let help = "From a small block's arrival in the queue until it is durable";
        registry.register_with_unit("append_duration", help, seconds(), self.appends.clone());
        registry.register("append_batch_size", "Blocks that one fdatasync makes durable", self.append_batches.clone());
        registry.register("append_queue_length", "Small blocks that wait to be durable", self.append_queue.clone());
        let help = "fdatasync of segments and block files, fsync of folders";
        registry.register_with_unit("sync_duration", help, seconds(), self.syncs.clone());
    }
}

/// Counts a block while it waits.
pub struct InQueue(Gauge);

impl InQueue {
    pub fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for InQueue {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Observes how long `sync` takes; returns when it began with its result.
pub fn timed<T>(histogram: &Histogram, sync: impl FnOnce() -> T) -> (Instant, T) {
    let began = Instant::now();
    let result = sync();
    histogram.observe(began.elapsed().as_secs_f64());
    (began, result)
}
