//! The course of each fault: it comes, lasts, goes, and the cluster recovers.

use crate::asking::Asking;
use crate::board::Tally;
use crate::faults::{self, Fault};
use crate::place::Place;
use crate::users::Users;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use weir_tests::Cluster;

/// Writes must be acknowledged again after so long, whatever happens to one worker or gateway, and reads answered once
/// there is a metaserver.
pub const RECOVERY: Duration = Duration::from_secs(10);
/// While there is a metaserver a read has its answer after so long, whichever gateways have to be asked for it.
const SLOWEST_READ: Duration = Duration::from_secs(15);
/// Every block must have all its copies again after so long.
const COPIES_RETURN: Duration = Duration::from_secs(180);
/// Two looks of the metaserver at all blocks.
const SCANS: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(200);

pub struct Course<'a> {
    pub cluster: &'a mut Cluster,
    pub places: &'a [Arc<Place>],
    pub workers: usize,
    pub lasts: Duration,
    /// What was not as it has to be.
    pub failures: Vec<String>,
    /// What the table has no column for.
    pub notes: Vec<String>,
}

impl Course<'_> {
    /// Can all blocks be read while it lasts?
    pub fn is_possible(&self, fault: &Fault) -> bool {
        self.places.iter().all(|place| place.is_read_without(fault.lost_workers()))
    }

    pub fn run(&mut self, fault: &Fault, users: &Users) {
        for place in self.places {
            place.board.turn_over();
        }
        let before = self.rebuilt_reads();
        fault.begin(self.cluster);
        let asking = fault.gateway_without_metaserver().map(|name| {
            let path = format!("/{}/asked", self.places[0].bucket);
            Asking::begin(self.cluster.process(name).address, path)
        });
        self.last(fault);
        if self.places.iter().any(|place| place.coding.is_some()) && fault.leaves_metaserver() {
            let since = |(name, count): (String, u64)| count.saturating_sub(before.get(&name).copied().unwrap_or(0));
            let rebuilt: u64 = self.rebuilt_reads().into_iter().map(since).sum();
            self.notes.push(format!("{}: {rebuilt} reads of coded blocks computed what was missing", fault.name()));
        }
        let left = fault.end(self.cluster, users);
        self.excuse(fault);
        let name = match left {
            None => fault.name(),
            Some(left) => {
                self.tell(&fault.name(), None, false);
                self.last(left);
                left.end(self.cluster, users);
                self.excuse(left);
                format!("{}, the metaserver is back", left.name())
            }
        };
        match asking.map(Asking::end) {
            None => {}
            Some(Ok(said)) => self.notes.push(format!("{name}: {said}")),
            Some(Err(wrong)) => self.failures.push(format!("{name}: {wrong}")),
        }
        let ended = Instant::now();
        let returned = self.copies_return();
        if !returned {
            self.failures
                .push(format!("{name}: copies are missing still, {} s after its end", COPIES_RETURN.as_secs()));
        }
        let back_after = ended.elapsed();
        std::thread::sleep(Duration::from_secs(1));
        self.tell(&name, returned.then_some(back_after), fault.leaves_metaserver());
    }

    /// The time in which a fault is there. At its end, before anything is mended, no block may be without a copy.
    fn last(&mut self, fault: &Fault) {
        self.last_beside(fault);
        if fault.leaves_metaserver() {
            let lost = self.cluster.metric(&faults::metaserver(self.cluster), "weir_metaserver_lost_blocks");
            if lost > 0.0 {
                self.failures.push(format!("{}: {lost} blocks have no copy left", fault.name()));
            }
        }
    }

    /// A worker that only the metaserver misses goes on serving.
    fn last_beside(&mut self, fault: &Fault) {
        let Some(worker) = fault.worker_without_metaserver() else { return std::thread::sleep(self.lasts) };
        let served = |cluster: &Cluster, metric| cluster.metric(worker, metric) as u64;
        let count = |cluster: &Cluster| {
            ["weir_worker_read_streams_total", "weir_worker_written_blocks_total"].map(|metric| served(cluster, metric))
        };
        let before = count(self.cluster);
        std::thread::sleep(self.lasts);
        let after = count(self.cluster);
        let live = self.cluster.metric(&faults::metaserver(self.cluster), "weir_metaserver_workers_live");
        let name = fault.name();
        let (reads, writes) = (after[0] - before[0], after[1] - before[1]);
        self.notes
            .push(format!("{name}: it took {writes} blocks and began {reads} reads; {live} workers counted as live"));
        if reads == 0 {
            self.failures.push(format!("{name}: gateways did not read from it"));
        }
    }

    /// Silence was to be expected until now where nothing could be written.
    fn excuse(&self, fault: &Fault) {
        let workers = self.workers - fault.absent_workers();
        for place in self.places {
            if !fault.leaves_metaserver() || !place.is_written_by(workers) {
                place.board.excuse();
            }
        }
    }

    /// A row for each bucket, and what its clients should not have seen.
    fn tell(&mut self, name: &str, back_after: Option<Duration>, has_metaserver: bool) {
        for place in self.places {
            let tally = place.board.turn_over();
            let name = if self.places.len() > 1 { format!("{name} | {}", place.bucket) } else { name.to_owned() };
            print(&name, &tally, back_after);
            if tally.reads_failed > 0 {
                self.failures.push(format!("{name}: {} reads failed", tally.reads_failed));
            }
            if has_metaserver && tally.slowest_read > SLOWEST_READ {
                self.failures.push(format!("{name}: a read took {:.1} s", tally.slowest_read.as_secs_f64()));
            }
            if tally.unexcused_silence > RECOVERY {
                self.failures.push(format!("{name}: no write for {:.1} s", tally.unexcused_silence.as_secs_f64()));
            }
        }
    }

    /// Waits until the metaserver has looked at all blocks and found every copy. False: it took too long.
    fn copies_return(&self) -> bool {
        let began = Instant::now();
        // The metaserver notices first that something is wrong, and then that it is not any more.
        std::thread::sleep(SCANS);
        while began.elapsed() < COPIES_RETURN {
            let metaserver = faults::metaserver(self.cluster);
            let metric = |name: &str| self.cluster.metric(&metaserver, name);
            let missing = metric("weir_metaserver_under_replicated_blocks") + metric("weir_metaserver_lost_blocks");
            if missing == 0.0 && metric("weir_metaserver_workers_live") == self.workers as f64 {
                return true;
            }
            std::thread::sleep(PAUSE);
        }
        false
    }

    /// Of each gateway that runs, since its start.
    fn rebuilt_reads(&self) -> HashMap<String, u64> {
        let gateways = self.cluster.of_role("gateway").into_iter().filter(|process| process.pid.is_some());
        let count = |name: &str| self.cluster.metric(name, "weir_gateway_rebuilt_reads_total") as u64;
        gateways.map(|process| (process.name.clone(), count(&process.name))).collect()
    }
}

pub fn print_head(places: &[Arc<Place>]) {
    let bucket = if places.len() > 1 { " bucket |" } else { "" };
    println!(
        "| fault |{bucket} reads | writes | listings | reads taken again, failed | writes without answer | longest time without a write, s | slowest read, s | copies back after, s |"
    );
    println!("|---|{}---|---|---|---|---|---|---|---|", if places.len() > 1 { "---|" } else { "" });
}

fn print(name: &str, tally: &Tally, back_after: Option<Duration>) {
    let back_after = back_after.map_or("–".into(), |time| format!("{:.1}", time.as_secs_f64()));
    println!(
        "| {name} | {} | {} | {} | {}, {} | {} | {:.1} | {:.1} | {back_after} |",
        tally.reads,
        tally.writes,
        tally.listings,
        tally.reads_repeated,
        tally.reads_failed,
        tally.writes_unknown,
        tally.longest_silence.as_secs_f64(),
        tally.slowest_read.as_secs_f64()
    );
}
