//! `weir-storm` runs a cluster of real processes under a steady load, does to it what happens to clusters, one thing
//! after the other, and checks all that its clients saw: each byte, each key for linearizability, each listing. It
//! prints a table and ends with an error if anything was lost, wrong, failed or too late.
//!
//! Needs root, for the packet filter and a disk of its own.

mod board;
mod client;
mod faults;
mod link;

use board::{Board, Tally};
use clap::Parser;
use client::{BUCKET, Storming};
use faults::Fault;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use weir_tests::cluster::Options;
use weir_tests::linear::{History, Verdict, listing, search};
use weir_tests::{Client, Cluster};

const WORKERS: u16 = 4;
const GATEWAYS: u16 = 2;
/// Writes must be acknowledged again after so long, whatever happens to one worker or gateway.
const WRITES_RECOVER: Duration = Duration::from_secs(10);
/// Every block must have all its copies again after so long.
const COPIES_RETURN: Duration = Duration::from_secs(180);
/// Two looks of the metaserver at all blocks.
const SCANS: Duration = Duration::from_secs(3);
/// Sooner than by default, so that a run does not take a day. The small disk needs a small reserve.
const SETTINGS: &str = "[metaserver]\nworker_timeout_ms = 5000\nrepair_delay_ms = 3000\nrepair_scan_interval_ms = 1000\n[worker]\nreserve_bytes = \"32 MiB\"\n";

/// A cluster under faults, and whether its clients could tell.
#[derive(Parser)]
struct Args {
    /// Only faults whose name has this in it
    filter: Option<String>,
    /// Seconds that each fault lasts
    #[arg(long, default_value_t = 15)]
    seconds: u64,
    /// Clients, at most 9
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=9))]
    clients: u32,
    /// Times that all faults are gone through
    #[arg(long, default_value_t = 1)]
    rounds: u32,
    /// With a standby beside the metaserver, and the fault that needs one
    #[arg(long)]
    standby: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    if !rustix::process::geteuid().is_root() {
        eprintln!("weir-storm: must be run as root");
        return ExitCode::FAILURE;
    }
    faults::remove_old_rules();
    let flags = if args.standby { vec!["--metaservers".to_owned(), "2".to_owned()] } else { Vec::new() };
    let options = Options { workers: WORKERS, gateways: GATEWAYS, flags, ..Options::default() };
    let small = |data: &std::path::Path| data.join(faults::SMALL_WORKER);
    let mut cluster =
        Cluster::start_prepared(options.with_settings(SETTINGS), |data| faults::mount_small(&small(data)));
    faults::give_user(&mut cluster);
    let failures = storm(&mut cluster, &args);
    cluster.stop();
    faults::unmount(&small(&cluster.data()));
    for failure in &failures {
        eprintln!("{failure}");
    }
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs all of it. Returns what was not as it has to be.
fn storm(cluster: &mut Cluster, args: &Args) -> Vec<String> {
    let gateways: Vec<SocketAddr> = cluster.of_role("gateway").iter().map(|process| process.address).collect();
    Client::new(gateways[0], "").bucket(BUCKET);
    let board = Arc::new(Board::new());
    let clients: Vec<JoinHandle<History>> = (0..args.clients)
        .map(|number| {
            let client = Storming::new(board.clone(), &gateways, number);
            std::thread::spawn(move || client.run())
        })
        .collect();
    let sweeper = Storming::new(board.clone(), &gateways, args.clients);
    let sweeper = std::thread::spawn(move || sweeper.sweep());
    println!(
        "| fault | reads | writes | listings | reads taken again, failed | writes without answer | s without a write | slowest read, s | copies back after, s |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    let mut failures = Vec::new();
    for _ in 0..args.rounds {
        for fault in Fault::all(WORKERS.into(), GATEWAYS.into(), args.standby) {
            if args.filter.as_ref().is_none_or(|filter| fault.name().contains(filter.as_str())) {
                failures.extend(run(&fault, cluster, &board, args.seconds));
            }
        }
    }
    board.stop();
    let mut history = History::default();
    for client in clients.into_iter().chain([sweeper]) {
        history.merge(client.join().expect("a client does not panic"));
    }
    let keys: Vec<String> = history.keys.keys().cloned().collect();
    let last = Storming::new(board.clone(), &gateways, args.clients + 1);
    history.merge(last.look_at_all(&keys));
    failures.extend(board.wrong());
    failures.extend(check(&history));
    failures
}

/// One fault: it comes, lasts, goes, and all copies return.
fn run(fault: &Fault, cluster: &mut Cluster, board: &Board, seconds: u64) -> Vec<String> {
    board.turn_over();
    fault.begin(cluster);
    std::thread::sleep(Duration::from_secs(seconds));
    fault.end(cluster);
    let ended = Instant::now();
    let returned = copies_return(cluster);
    let back_after = ended.elapsed();
    std::thread::sleep(Duration::from_secs(1));
    let tally = board.turn_over();
    print(fault, &tally, returned.then_some(back_after));
    let name = fault.name();
    let mut failures = Vec::new();
    if !returned {
        failures.push(format!("{name}: copies are missing still, {} s after its end", COPIES_RETURN.as_secs()));
    }
    if tally.reads_failed > 0 {
        failures.push(format!("{name}: {} reads failed", tally.reads_failed));
    }
    if fault.is_bridged() && tally.longest_silence > WRITES_RECOVER {
        failures.push(format!("{name}: no write for {:.1} s", tally.longest_silence.as_secs_f64()));
    }
    failures
}

/// Waits until the metaserver has looked at all blocks and found every copy. False: it took too long.
fn copies_return(cluster: &Cluster) -> bool {
    let began = Instant::now();
    // The metaserver notices first that something is wrong, and then that it is not any more.
    std::thread::sleep(SCANS);
    while began.elapsed() < COPIES_RETURN {
        let metaserver = faults::metaserver(cluster);
        let metric = |name: &str| cluster.metric(&metaserver, name);
        let missing = metric("weir_metaserver_under_replicated_blocks") + metric("weir_metaserver_lost_blocks");
        if missing == 0.0 && metric("weir_metaserver_workers_live") == f64::from(WORKERS) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    false
}

fn print(fault: &Fault, tally: &Tally, back_after: Option<Duration>) {
    let back_after = back_after.map_or("–".into(), |time| format!("{:.1}", time.as_secs_f64()));
    println!(
        "| {} | {} | {} | {} | {}, {} | {} | {:.1} | {:.1} | {back_after} |",
        fault.name(),
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

/// Is what was seen of each key linearizable, and each listing true?
fn check(history: &History) -> Vec<String> {
    let mut failures = Vec::new();
    let mut undecided = 0;
    for (key, events) in &history.keys {
        match search::check(events) {
            Verdict::Linearizable => {}
            Verdict::TooHard { .. } => undecided += 1,
            Verdict::Violated { longest } => {
                let mut events = events.clone();
                events.sort_by_key(|event| event.begin);
                failures.push(format!("{key} is not linearizable after {} events: {events:#?}", longest.len()));
            }
        }
    }
    failures.extend(listing::check(history).iter().map(ToString::to_string));
    println!(
        "\n{} events of {} keys and {} listings were checked; {undecided} keys could not be decided.",
        history.event_count(),
        history.keys.len(),
        history.listings.len()
    );
    failures
}
