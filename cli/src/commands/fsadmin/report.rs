//! `weir fsadmin report`

mod capacity;
mod gateways;
mod metrics;
mod summary;
mod versions;

use crate::shell::error::ShellError;
use crate::shell::output::Output;
use crate::shell::usage::Help;
use crate::shell::{Exit, Shell};
use clap::Args;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::ffi::OsString;
use weir_proto::v1::{self, WorkerState};

pub const HELP: Help = Help {
    name: "report",
    usage: "report [summary|capacity|gateway|metrics]",
    about: "Shows how the cluster is: a summary with the copies that blocks have, the capacity of the workers, the gateways, or what the metaserver counts.",
};

#[derive(Debug, Args)]
#[command(about = HELP.about)]
pub struct ReportArgs {
    #[arg(value_name = "category")]
    category: Vec<OsString>,
}

pub async fn run(args: &ReportArgs, shell: &Shell, out: &mut Output) -> Result<Exit, ShellError> {
    let category = match args.category.as_slice() {
        [] => "summary",
        [category] => category.to_str().unwrap_or_default(),
        many => return Err(HELP.wrong(&format!("Command report takes 0 or 1 arguments, not {}", many.len()))),
    };
    let write: fn(&v1::ReportResponse, &TimeZone) -> Vec<String> = match category {
        "summary" => summary::lines,
        "capacity" => capacity::lines,
        "gateway" | "gateways" | "proxy" => gateways::lines,
        "metrics" => metrics::lines,
        other => return Err(HELP.wrong(&format!("{other} is not a category of report"))),
    };
    let report = shell.admin().report(v1::ReportRequest {}).await?.into_inner();
    write(&report, &TimeZone::system()).iter().try_for_each(|line| out.say(line))?;
    Ok(Exit::DONE)
}

/// In place of what the metaserver has not heard since it started.
const NOT_SINCE_START: &str = "not since start";

/// What the workers have together, in bytes.
#[derive(Debug, Default, PartialEq, Eq)]
struct Capacity {
    total: u64,
    used: u64,
    free: u64,
}

impl Capacity {
    /// Of the live ones: nothing can be put on the others. Those that are emptied hold something, but have no room. A
    /// file system that several disks share is counted once.
    fn of(report: &v1::ReportResponse) -> Self {
        let mut sum = Self::default();
        let mut shared: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        for worker in report.workers.iter().filter(|worker| worker.live) {
            sum.used += worker.used_bytes;
            if matches!(worker.state(), WorkerState::Draining | WorkerState::Drained) {
                continue;
            }
            sum.total += worker.capacity_bytes;
            sum.free += worker.free_bytes;
            // The worker's figures are the sums of its disks that are well.
            for disk in worker.disks.iter().filter(|disk| disk.failure.is_empty() && !disk.file_system.is_empty()) {
                sum.total = sum.total.saturating_sub(disk.capacity_bytes);
                sum.free = sum.free.saturating_sub(disk.free_bytes);
                let (capacity, free) = shared.entry(&disk.file_system).or_default();
                *capacity = disk.capacity_bytes.max(*capacity);
                *free = disk.free_bytes.max(*free);
            }
        }
        sum.total += shared.values().map(|(capacity, _)| capacity).sum::<u64>();
        sum.free += shared.values().map(|(_, free)| free).sum::<u64>();
        sum
    }
}

#[cfg(test)]
fn sample() -> v1::ReportResponse {
    let worker = |worker_id, address: &str, live, last_heartbeat_ms| v1::Worker {
        worker_id,
        address: address.into(),
        capacity_bytes: 2 << 30,
        used_bytes: 31_561_646,
        free_bytes: (2 << 30) - 31_561_646,
        live,
        last_heartbeat_ms,
        started_ms: 1_795_319_467_084,
        block_count: 3,
        version: "0.1.0".into(),
        protocol: Some(v1::Protocol { current: 2, oldest: 1 }),
        ..Default::default()
    };
    let gateway = |address: &str, live| v1::GatewayReport {
        session_id: 1,
        address: address.into(),
        version: "0.1.0".into(),
        started_ms: 1_795_319_479_000,
        last_heartbeat_ms: 1_795_320_130_000,
        live,
        protocol: None,
    };
    v1::ReportResponse {
        cluster_id: "c1".into(),
        address: "127.0.0.1:19998".into(),
        started_ms: 1_795_319_467_084,
        now_ms: 1_795_320_112_084,
        version: "0.1.0".into(),
        workers: vec![worker(1, "127.0.0.1:29999", true, 1_795_320_112_000), worker(2, "", false, 1_795_320_000_000)],
        gateways: vec![gateway("127.0.0.1:39999", true), gateway("shell", true), gateway("127.0.0.1:39998", false)],
        bucket_count: 2,
        object_count: 7,
        byte_count: 31_557_280,
        reclaim_queue_length: 4,
        awaiting_restore_confirmation: false,
        redundancy: None,
        standby: None,
        epoch: 1,
        protocol: Some(v1::Protocol { current: 2, oldest: 1 }),
        replication: 3,
        replication_min: 0,
        store: vec![v1::Gauge { name: "journal_bytes".into(), value: 12 }],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Live, with disks of 100 bytes each, of which 60 are free.
    fn worker(file_systems: &[&str]) -> v1::Worker {
        let disk = |file_system: &&str| v1::WorkerDisk {
            capacity_bytes: 100,
            used_bytes: 10,
            free_bytes: 60,
            file_system: (*file_system).to_owned(),
            ..Default::default()
        };
        let count = file_systems.len() as u64;
        v1::Worker {
            live: true,
            capacity_bytes: 100 * count,
            used_bytes: 10 * count,
            free_bytes: 60 * count,
            disks: file_systems.iter().map(disk).collect(),
            ..Default::default()
        }
    }

    fn capacity(workers: Vec<v1::Worker>) -> (u64, u64, u64) {
        let Capacity { total, used, free } = Capacity::of(&v1::ReportResponse { workers, ..Default::default() });
        (total, used, free)
    }

    #[test]
    fn a_file_system_that_disks_share_is_counted_once() {
        assert_eq!(capacity(vec![worker(&["a"]), worker(&["a"]), worker(&["a"])]), (100, 30, 60));
        assert_eq!(capacity(vec![worker(&["a", "b"]), worker(&["c", "c"])]), (300, 40, 180));
        assert_eq!(capacity(vec![worker(&[""]), worker(&["", ""])]), (300, 30, 180), "they do not tell");
        let no_disks = v1::Worker { disks: Vec::new(), ..worker(&["a"]) };
        assert_eq!(capacity(vec![no_disks.clone(), no_disks]), (200, 20, 120));
    }

    #[test]
    fn a_worker_that_is_emptied_has_no_room_and_one_that_is_lost_nothing() {
        let drained = v1::Worker { state: WorkerState::Drained.into(), ..worker(&["b"]) };
        let lost = v1::Worker { live: false, ..worker(&["c"]) };
        assert_eq!(capacity(vec![worker(&["a"]), drained, lost]), (100, 20, 60));
    }

    #[test]
    fn a_disk_that_failed_is_in_neither_sum() {
        let mut one = worker(&["a", "b"]);
        one.disks[1] = v1::WorkerDisk { failure: "gone".into(), file_system: "b".into(), ..Default::default() };
        (one.capacity_bytes, one.used_bytes, one.free_bytes) = (100, 10, 60);
        assert_eq!(capacity(vec![one]), (100, 10, 60));
    }
}
