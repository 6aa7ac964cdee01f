//! What the disks tell Prometheus: together, and each by its place in the setting.

use super::{DiskReport, Disks};
use crate::store::Usage;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use std::fmt;
use std::sync::{Arc, Weak};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DiskLabels {
    /// From 0 on, in the order of `worker.data`.
    disk: u32,
}

/// Asks the disks when Prometheus asks. It does not keep them open.
pub struct DisksCollector {
    disks: Weak<Disks>,
}

impl DisksCollector {
    pub fn new(disks: &Arc<Disks>) -> Self {
        Self { disks: Arc::downgrade(disks) }
    }
}

impl fmt::Debug for DisksCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DisksCollector")
    }
}

impl Collector for DisksCollector {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let Some(disks) = self.disks.upgrade() else { return Ok(()) };
        let reports = disks.reports();
        let total = reports.iter().filter_map(|report| report.usage).reduce(Usage::plus);
        let mut put = |name: &str, help: &str, unit: Option<&Unit>, counter: bool, value: u64| {
            if counter {
                let metric = ConstCounter::new(value);
                metric.encode(encoder.encode_descriptor(name, help, unit, metric.metric_type())?)
            } else {
                let metric = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
                metric.encode(encoder.encode_descriptor(name, help, unit, metric.metric_type())?)
            }
        };
        if let Some(usage) = total {
            let bytes = Some(&Unit::Bytes);
            put("weir_worker_blocks", "Blocks on the disks", None, false, usage.block_count)?;
            put("weir_worker_capacity", "Size of the file systems", bytes, false, usage.capacity_bytes)?;
            put("weir_worker_used", "Block files and segments", bytes, false, usage.used_bytes)?;
            put("weir_worker_free", "Room for blocks, without the reserve", bytes, false, usage.free_bytes)?;
        }
        let counters = disks.counters();
        put("weir_worker_segments", "Segment files", None, false, counters.segments)?;
        put(
            "weir_worker_damaged_blocks",
            "Damaged blocks that were set aside, and blocks that could not be read",
            None,
            true,
            counters.damaged_blocks,
        )?;
        put("weir_worker_append_batches", "fdatasyncs of segments", None, true, counters.append_batches)?;
        put("weir_worker_appended_blocks", "Blocks appended to segments", None, true, counters.appended_blocks)?;
        put("weir_worker_compacted_segments", "Segments compacted away", None, true, counters.compacted_segments)?;
        put("weir_worker_scrubbed", "Bytes scrubbed", Some(&Unit::Bytes), true, counters.scrubbed_bytes)?;
        put("weir_worker_scrubs", "Scrubs of all blocks that were finished", None, true, counters.scrub_passes)?;
        let damaged = counters.scrub_damaged_blocks;
        put("weir_worker_scrub_damaged_blocks", "Damaged blocks that a scrub found", None, true, damaged)?;
        encode_each(&reports, &mut encoder)
    }
}

/// Name, help, unit, and the figure of one disk; None: it does not tell.
type Figure = (&'static str, &'static str, Option<Unit>, fn(&DiskReport) -> Option<u64>);

const FIGURES: &[Figure] = &[
    ("weir_worker_disk_failed", "Whether a disk has failed: 1, else 0", None, |disk| {
        Some(disk.failure.is_some().into())
    }),
    ("weir_worker_disk_blocks", "Blocks on a disk", None, |disk| Some(disk.usage?.block_count)),
    ("weir_worker_disk_capacity", "Size of a disk's file system", Some(Unit::Bytes), |disk| {
        Some(disk.usage?.capacity_bytes)
    }),
    ("weir_worker_disk_used", "Block files and segments on a disk", Some(Unit::Bytes), |disk| {
        Some(disk.usage?.used_bytes)
    }),
    ("weir_worker_disk_free", "Room for blocks on a disk, without the reserve", Some(Unit::Bytes), |disk| {
        Some(disk.usage?.free_bytes)
    }),
];

fn encode_each(reports: &[DiskReport], encoder: &mut DescriptorEncoder) -> Result<(), fmt::Error> {
    for (name, help, unit, figure) in FIGURES {
        let mut family = encoder.encode_descriptor(name, help, unit.as_ref(), MetricType::Gauge)?;
        for (disk, report) in (0..).zip(reports) {
            let Some(value) = figure(report) else { continue };
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            gauge.encode(family.encode_family(&DiskLabels { disk })?)?;
        }
    }
    Ok(())
}
