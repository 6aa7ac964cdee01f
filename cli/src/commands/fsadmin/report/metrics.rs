//! `report metrics`: what the metaserver counts.

use jiff::tz::TimeZone;
use weir_proto::v1;

pub fn lines(report: &v1::ReportResponse, _zone: &TimeZone) -> Vec<String> {
    let blocks = report.workers.iter().map(|worker| worker.block_count).sum();
    let mut counts = vec![
        ("buckets", report.bucket_count),
        ("objects", report.object_count),
        ("object_bytes", report.byte_count),
        ("block_replicas", blocks),
        ("reclaim_queue_length", report.reclaim_queue_length),
    ];
    counts.extend(report.store.iter().map(|gauge| (gauge.name.as_str(), gauge.value)));
    let widest = counts.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    counts.into_iter().map(|(name, value)| format!("{name:<widest$}  {value}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_stand_in_a_column() {
        assert_eq!(
            lines(&super::super::sample(), &TimeZone::UTC),
            [
                "buckets               2",
                "objects               7",
                "object_bytes          31557280",
                "block_replicas        6",
                "reclaim_queue_length  4",
                "journal_bytes         12",
            ]
        );
    }
}
