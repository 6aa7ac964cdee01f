//! `report capacity`: what the workers have, in all and each.

use super::{Capacity, NOT_SINCE_START};
use crate::shell::blocks::shown;
use crate::shell::format::{human_size, percent, printable};
use jiff::tz::TimeZone;
use weir_proto::v1::{self, WorkerState};

/// A figure of a worker that has not told it since the metaserver started.
const UNKNOWN: &str = "-";

pub fn lines(report: &v1::ReportResponse, _zone: &TimeZone) -> Vec<String> {
    let capacity = Capacity::of(report);
    // Of the whole: the rest is other people's, or kept in reserve.
    let used = percent(capacity.used, capacity.total).min(100);
    let free = percent(capacity.free, capacity.total).min(100);
    let mut lines = vec![
        "Capacity information for all workers: ".to_owned(),
        format!("    Total Capacity: {}", human_size(capacity.total)),
        format!("    Used Capacity: {}", human_size(capacity.used)),
        format!("    Free Capacity: {}", human_size(capacity.free)),
        format!("    Used Percentage: {used}%"),
        format!("    Free Percentage: {free}%"),
        String::new(),
    ];
    let row = Row::new(report);
    lines.push(row.line(["Worker Name", "State", "Last Heartbeat", "Storage", "Size", "Blocks", "Version"]));
    for worker in &report.workers {
        lines.extend(row.worker(worker, report.now_ms));
        lines.extend(labels(worker));
        // One that is well is the worker.
        if worker.disks.len() > 1 || worker.disks.iter().any(|disk| !disk.failure.is_empty()) {
            lines.extend(worker.disks.iter().map(disk));
        }
    }
    lines
}

/// The table of workers. The first column is as wide as it must be.
struct Row {
    name_width: usize,
}

impl Row {
    fn new(report: &v1::ReportResponse) -> Self {
        let widest = report.workers.iter().map(|worker| shown(&worker.address).len()).max().unwrap_or(0);
        Self { name_width: widest.max("Worker Name".len()) + 1 }
    }

    fn line(&self, [name, state, heartbeat, storage, size, blocks, version]: [&str; 7]) -> String {
        let width = self.name_width;
        format!("{name:<width$} {state:<15} {heartbeat:<16} {storage:<13} {size:<16} {blocks:<10} {version:<16}")
    }

    /// Two lines: capacity, and what is used of it.
    fn worker(&self, worker: &v1::Worker, now_ms: i64) -> [String; 2] {
        let state = match (worker.state(), worker.live) {
            (WorkerState::Draining, true) => "DRAINING",
            (WorkerState::Drained, true) => "DRAINED",
            (WorkerState::Draining, false) => "LOST (DRAINING)",
            (WorkerState::Drained, false) => "LOST (DRAINED)",
            (_, true) => "ACTIVE",
            (_, false) => "LOST",
        };
        let name = shown(&worker.address);
        if worker.last_heartbeat_ms == 0 {
            return [
                self.line([name, state, NOT_SINCE_START, "capacity", UNKNOWN, UNKNOWN, UNKNOWN]),
                self.line(["", "", "", "used", UNKNOWN, "", ""]),
            ];
        }
        // In seconds, by the metaserver's clock.
        let heartbeat = (now_ms.saturating_sub(worker.last_heartbeat_ms).max(0) / 1000).to_string();
        let used =
            format!("{} ({}%)", human_size(worker.used_bytes), percent(worker.used_bytes, worker.capacity_bytes));
        let capacity = human_size(worker.capacity_bytes);
        let blocks = worker.block_count.to_string();
        [
            self.line([name, state, &heartbeat, "capacity", &capacity, &blocks, &worker.version]),
            self.line(["", "", "", "used", &used, "", ""]),
        ]
    }
}

/// One line: its id and its labels, if it was started with any.
fn labels(worker: &v1::Worker) -> Option<String> {
    let label =
        |name: &str, value: &str| (!value.is_empty()).then(|| format!("{name} {}", printable(value.as_bytes())));
    let labels: Vec<String> =
        [label("zone", &worker.zone), label("host", &worker.host)].into_iter().flatten().collect();
    (!labels.is_empty()).then(|| format!("    Worker {}: {}", worker.worker_id, labels.join(", ")))
}

/// One line: where it is, and how full, or why it takes nothing.
fn disk(disk: &v1::WorkerDisk) -> String {
    let v1::WorkerDisk { disk_id, folder, used_bytes, capacity_bytes, block_count, failure, .. } = disk;
    if !failure.is_empty() {
        return format!("    Disk {disk_id} FAILED {folder}: {failure}");
    }
    let (used, share) = (human_size(*used_bytes), percent(*used_bytes, *capacity_bytes));
    let capacity = human_size(*capacity_bytes);
    format!("    Disk {disk_id} ACTIVE {folder}: capacity {capacity}, used {used} ({share}%), {block_count} blocks")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_worker_has_a_line_of_capacity_and_one_of_use() {
        let lines = lines(&super::super::sample(), &TimeZone::UTC);
        let shown: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
        assert_eq!(
            shown,
            [
                "Capacity information for all workers:",
                "    Total Capacity: 2048.00MB",
                "    Used Capacity: 30.10MB",
                "    Free Capacity: 2017.90MB",
                "    Used Percentage: 1%",
                "    Free Percentage: 98%",
                "",
                "Worker Name      State           Last Heartbeat   Storage       Size             Blocks     Version",
                "127.0.0.1:29999  ACTIVE          0                capacity      2048.00MB        3          0.1.0",
                "                                                  used          30.10MB (1%)",
                "localhost        LOST            112              capacity      2048.00MB        3          0.1.0",
                "                                                  used          30.10MB (1%)",
            ]
        );
    }

    #[test]
    fn what_is_not_known_of_a_worker_is_not_shown_as_nothing() {
        let mut report = super::super::sample();
        report.workers[1] = v1::Worker { worker_id: 2, address: "a:1".into(), ..Default::default() };
        let lines = lines(&report, &TimeZone::UTC);
        let shown: Vec<&str> = lines[lines.len() - 2..].iter().map(|line| line.trim_end()).collect();
        assert_eq!(
            shown,
            [
                "a:1              LOST            not since start  capacity      -                -          -",
                "                                                  used          -",
            ]
        );
    }

    #[test]
    fn a_worker_that_is_away_is_lost_also_while_it_is_emptied_and_after() {
        let shown = |state: WorkerState, live| {
            let mut report = super::super::sample();
            (report.workers[0].state, report.workers[0].live) = (state.into(), live);
            lines(&report, &TimeZone::UTC)[8][17..32].trim_end().to_owned()
        };
        for (state, there, away) in [
            (WorkerState::Live, "ACTIVE", "LOST"),
            (WorkerState::Draining, "DRAINING", "LOST (DRAINING)"),
            (WorkerState::Drained, "DRAINED", "LOST (DRAINED)"),
        ] {
            assert_eq!((shown(state, true).as_str(), shown(state, false).as_str()), (there, away));
        }
    }

    #[test]
    fn labels_are_shown_of_workers_that_have_some() {
        let mut report = super::super::sample();
        report.workers[0].zone = "a".into();
        (report.workers[1].zone, report.workers[1].host) = ("b".into(), "rack-7\n".into());
        let is_label = |line: &String| line.starts_with("    Worker ");
        let shown: Vec<String> = lines(&report, &TimeZone::UTC).into_iter().filter(is_label).collect();
        assert_eq!(shown, ["    Worker 1: zone a", "    Worker 2: zone b, host rack-7\\x0a"]);
    }

    #[test]
    fn several_disks_have_a_line_each_and_so_has_one_that_failed() {
        let disk = |folder: &str, failure: &str| v1::WorkerDisk {
            disk_id: "00000000000000a1".into(),
            folder: folder.into(),
            capacity_bytes: 2 << 30,
            used_bytes: 1 << 29,
            free_bytes: 1 << 29,
            block_count: 7,
            failure: failure.into(),
            ..Default::default()
        };
        let shown = |disks: Vec<v1::WorkerDisk>| -> Vec<String> {
            let mut report = super::super::sample();
            report.workers[0].disks = disks;
            let is_disk = |line: &String| line.starts_with("    Disk ");
            lines(&report, &TimeZone::UTC).into_iter().filter(is_disk).collect()
        };
        assert!(shown(vec![disk("/a", "")]).is_empty());
        assert_eq!(
            shown(vec![disk("/a", ""), disk("/b", "sync /b/segments: Input/output error")]),
            [
                "    Disk 00000000000000a1 ACTIVE /a: capacity 2048.00MB, used 512.00MB (25%), 7 blocks",
                "    Disk 00000000000000a1 FAILED /b: sync /b/segments: Input/output error",
            ]
        );
    }

    #[test]
    fn a_cluster_without_workers_has_nothing_of_nothing() {
        let report = v1::ReportResponse::default();
        let lines = lines(&report, &TimeZone::UTC);
        assert!(lines.contains(&"    Used Percentage: 0%".to_owned()));
        assert!(lines.contains(&"    Free Percentage: 0%".to_owned()));
    }
}
