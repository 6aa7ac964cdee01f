//! `weir-storm` runs a cluster of real processes under a steady load, does to it what happens to clusters, one thing
//! after the other, and checks all that its clients saw: each byte, each key for linearizability, each listing. It
//! prints a table and ends with an error if anything was lost, wrong, failed or too late.
//!
//! Needs root, for the packet filter and a disk of its own.

mod asking;
mod board;
mod client;
mod course;
mod disk;
mod faults;
mod link;
mod network;
mod place;
mod round;
mod users;

use clap::Parser;
use client::Storming;
use course::Course;
use network::PacketFilter;
use place::Place;
use round::Round;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use weir_coding::Scheme;
use weir_tests::cluster::Options;
use weir_tests::linear::{History, Verdict, listing, search};
use weir_tests::{Client, Cluster};

const WORKERS: u16 = 4;
const GATEWAYS: u16 = 2;
/// Who writes nothing has a number, too.
const SWEEPER: u32 = 100;
const LOOKER: u32 = 101;
/// Sooner than by default, so that a run does not take a day. Small disks need a small reserve.
const SETTINGS: &str = "[metaserver]\nworker_timeout_ms = 5000\nrepair_delay_ms = 3000\nrepair_scan_interval_ms = 1000\n[worker]\nreserve_bytes = \"32 MiB\"\n";

/// A cluster under faults, and whether its clients could tell.
#[derive(Parser)]
struct Args {
    /// Only faults whose name has one of these in it
    filters: Vec<String>,
    /// Seconds that each fault lasts, at least 10: what is lost must be noticed
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u64).range(10..))]
    seconds: u64,
    /// Clients, at most 9
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=9))]
    clients: u32,
    /// Times that all faults are gone through; each time another worker is cut off, filled and damaged
    #[arg(long, default_value_t = 1)]
    rounds: usize,
    /// With a standby beside the metaserver, and the fault that needs one
    #[arg(long)]
    standby: bool,
    /// With a second bucket, of coded blocks, for half of the clients; faults that it does not survive are left out
    #[arg(long, value_name = "K+M")]
    coded: Option<Scheme>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    if !rustix::process::geteuid().is_root() {
        eprintln!("weir-storm: must be run as root");
        return ExitCode::FAILURE;
    }
    if args.coded.is_some_and(|coding| coding.shards() > WORKERS.into()) {
        eprintln!("weir-storm: there are {WORKERS} workers, too few for a shard each");
        return ExitCode::FAILURE;
    }
    let _filter = PacketFilter::set_up();
    let flags = if args.standby { vec!["--metaservers".to_owned(), "2".to_owned()] } else { Vec::new() };
    let options = Options { workers: WORKERS, gateways: GATEWAYS, flags, ..Options::default() };
    let disks = |data: &Path| (1..=WORKERS).map(|number| data.join(format!("worker-{number}"))).collect::<Vec<_>>();
    let prepare = |data: &Path| disks(data).iter().try_for_each(|folder| disk::mount_small(folder));
    let mut cluster = Cluster::start_prepared(options.with_settings(SETTINGS), prepare);
    let failures = storm(&mut cluster, &args);
    cluster.stop();
    disks(&cluster.data()).iter().for_each(|folder| disk::unmount(folder));
    for failure in &failures {
        eprintln!("{failure}");
    }
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn round_of(args: &Args, number: usize) -> Round {
    Round { number, workers: WORKERS.into(), gateways: GATEWAYS.into(), has_standby: args.standby }
}

/// Runs all of it. Returns what was not as it has to be.
fn storm(cluster: &mut Cluster, args: &Args) -> Vec<String> {
    let first = round_of(args, 0).users();
    first.give(cluster, &first);
    let gateways: Vec<SocketAddr> = cluster.of_role("gateway").iter().map(|process| process.address).collect();
    let lasts = Duration::from_secs(args.seconds);
    let places: Vec<Arc<Place>> = Place::all(args.coded, lasts + course::RECOVERY).into_iter().map(Arc::new).collect();
    places.iter().for_each(|place| make_bucket(cluster, &gateways, place));
    let clients: Vec<Vec<JoinHandle<History>>> =
        (0..places.len()).map(|at| start_clients(&places[at], &gateways, args.clients, at, places.len())).collect();
    course::print_head(&places);
    let (failures, notes) = (Vec::new(), Vec::new());
    let mut course = Course { cluster, places: &places, workers: WORKERS.into(), lasts, failures, notes };
    for number in 0..args.rounds {
        let round = round_of(args, number);
        let users = round.users();
        if number > 0 {
            users.give(course.cluster, &round_of(args, number - 1).users());
        }
        for fault in round.faults() {
            let is_wanted =
                args.filters.is_empty() || args.filters.iter().any(|filter| fault.name().contains(filter.as_str()));
            if is_wanted && course.is_possible(&fault) {
                course.run(&fault, &users);
            }
        }
    }
    let Course { mut failures, notes, .. } = course;
    println!();
    notes.iter().for_each(|note| println!("{note}"));
    places.iter().for_each(|place| place.board.stop());
    for (place, clients) in places.iter().zip(clients) {
        let mut history = History::default();
        clients.into_iter().for_each(|client| history.merge(client.join().expect("a client does not panic")));
        let keys: Vec<String> = history.keys.keys().cloned().collect();
        let last = Storming::new(place.clone(), &gateways, LOOKER);
        history.merge(last.look_at_all(&keys));
        failures.extend(place.board.wrong());
        failures.extend(check(place.bucket, &history));
    }
    failures
}

fn make_bucket(cluster: &Cluster, gateways: &[SocketAddr], place: &Place) {
    Client::new(gateways[0], "").bucket(place.bucket);
    if let Some(coding) = place.coding {
        let (is_done, said) = cluster.fsadmin(&["bucket", "set", place.bucket, "--coding", &coding.to_string()]);
        assert!(is_done, "{said}");
    }
}

/// The clients of the bucket of that number, and one that sweeps behind them. Those of each bucket begin with each of the
/// gateways in turn.
fn start_clients(
    place: &Arc<Place>,
    gateways: &[SocketAddr],
    clients: u32,
    at: usize,
    places: usize,
) -> Vec<JoinHandle<History>> {
    let is_here = |number: &u32| *number as usize / gateways.len() % places == at;
    let storming = (0..clients).filter(is_here).map(|number| Storming::new(place.clone(), gateways, number));
    let mut threads: Vec<_> = storming.map(|client| std::thread::spawn(move || client.run())).collect();
    let sweeper = Storming::new(place.clone(), gateways, SWEEPER);
    threads.push(std::thread::spawn(move || sweeper.sweep()));
    threads
}

/// Is what was seen of each key linearizable, and each listing true?
fn check(bucket: &str, history: &History) -> Vec<String> {
    let mut failures = Vec::new();
    let mut undecided = 0;
    for (key, events) in &history.keys {
        match search::check(events) {
            Verdict::Linearizable => {}
            Verdict::TooHard { .. } => undecided += 1,
            Verdict::Violated { longest } => {
                let mut events = events.clone();
                events.sort_by_key(|event| event.begin);
                failures
                    .push(format!("{bucket}/{key} is not linearizable after {} events: {events:#?}", longest.len()));
            }
        }
    }
    failures.extend(listing::check(history).iter().map(ToString::to_string));
    println!(
        "\n{bucket}: {} events of {} keys and {} listings were checked; {undecided} keys could not be decided.",
        history.event_count(),
        history.keys.len(),
        history.listings.len()
    );
    failures
}
