//! Whether adding gateways scales: on one machine the rate can't show it, the CPU time of a request does. If it stays
//! what it is however many gateways share the work, they add up on machines of their own.

use crate::wire::Wire;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use weir_tests::cluster::Options;
use weir_tests::process::Process;
use weir_tests::{Cluster, noise};

const BUCKET: &str = "gateways";
const ROLES: [&str; 3] = ["gateway", "metaserver", "worker"];
/// A request may cost so much more CPU time with the most gateways than with the fewest, in percent: the roles share
/// the cores with the load, and the more processes there are, the less of a cache each finds.
const GROWTH_MAX_PERCENT: f64 = 30.0;
/// How long it is watched without requests.
const IDLE: Duration = Duration::from_secs(5);
/// Objects that are there to be read.
const OBJECTS: u64 = 1_000;
const LARGE_OBJECTS: u64 = 64;

/// CPU time a request by role, with more and more gateways.
#[derive(clap::Args)]
pub struct Args {
    /// Numbers of gateways
    #[arg(long, value_delimiter = ',', default_value = "1,2,4")]
    gateways: Vec<u16>,
    #[arg(long, default_value_t = 3)]
    workers: u16,
    /// How long each kind of request is measured
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Requests in flight at each gateway: what one does for several at a time costs each of them less
    #[arg(long, default_value_t = 8)]
    concurrency: usize,
}

/// A kind of request: its name, method, bytes of the object, how many objects there are.
type Kind = (&'static str, &'static str, usize, u64);

const KINDS: [Kind; 6] = [
    ("PUT 4 KiB", "PUT", 4 << 10, OBJECTS),
    ("PUT 1 MiB", "PUT", 1 << 20, LARGE_OBJECTS),
    ("GET 4 KiB", "GET", 4 << 10, OBJECTS),
    ("GET 1 MiB", "GET", 1 << 20, LARGE_OBJECTS),
    ("HEAD", "HEAD", 4 << 10, OBJECTS),
    ("LIST, pages of 1,000", "LIST", 4 << 10, OBJECTS),
];

/// Returns what was not as it should be.
pub fn run(args: &Args) -> Vec<String> {
    println!("| request | gateways | /s | CPU µs of gateways | of the metaserver | of workers | together |");
    println!("|---|---|---|---|---|---|---|");
    let mut failures = Vec::new();
    let mut first: Vec<f64> = Vec::new();
    for &gateways in &args.gateways {
        let cluster = Cluster::start_with(Options { workers: args.workers, gateways, ..Options::default() });
        let made = cluster.client(1).put(&format!("/{BUCKET}"), "");
        assert_eq!(made.status, 200, "a bucket can be made");
        let idle = idle(&cluster);
        for (at, kind) in KINDS.iter().enumerate() {
            let cost = measure(&cluster, kind, args, idle);
            println!("{}", cost.row(kind.0, gateways));
            let together_us: f64 = cost.cpu_us.iter().sum();
            match first.get(at) {
                None => first.push(together_us),
                Some(first_us) if together_us > first_us * (1.0 + GROWTH_MAX_PERCENT / 100.0) => {
                    let name = kind.0;
                    failures
                        .push(format!("{name} costs {together_us:.0} µs with {gateways} gateways, not {first_us:.0}"));
                }
                Some(_) => {}
            }
            if cost.failed > 0 {
                failures.push(format!("{} of {} failed", cost.failed, kind.0));
            }
        }
    }
    failures
}

struct Cost {
    per_second: f64,
    /// A request, by role.
    cpu_us: [f64; 3],
    failed: u64,
}

impl Cost {
    fn row(&self, name: &str, gateways: u16) -> String {
        let [gateway, metaserver, worker] = self.cpu_us;
        let together = gateway + metaserver + worker;
        let rate = self.per_second;
        format!("| {name} | {gateways} | {rate:.0} | {gateway:.0} | {metaserver:.0} | {worker:.0} | {together:.0} |")
    }
}

/// CPU seconds a second of each role without any request: heartbeats and what goes on in the background.
fn idle(cluster: &Cluster) -> [f64; 3] {
    let before = ROLES.map(|role| cpu(cluster, role));
    let began = Instant::now();
    std::thread::sleep(IDLE);
    let seconds = began.elapsed().as_secs_f64();
    [0, 1, 2].map(|at| cpu(cluster, ROLES[at]).saturating_sub(before[at]).as_secs_f64() / seconds)
}

/// What requests of a kind cost beyond what the cluster costs without.
fn measure(cluster: &Cluster, kind: &Kind, args: &Args, idle: [f64; 3]) -> Cost {
    let addresses: Vec<SocketAddr> = cluster.of_role("gateway").iter().map(|gateway| gateway.address).collect();
    let body = noise(1, kind.2);
    let (next, done, failed) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let before = ROLES.map(|role| cpu(cluster, role));
    let began = Instant::now();
    let deadline = began + Duration::from_secs(args.seconds);
    std::thread::scope(|scope| {
        for _ in 0..args.concurrency * addresses.len() {
            scope.spawn(|| {
                let mut wire = Wire::default();
                while Instant::now() < deadline {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let is_done = send(&mut wire, &addresses, kind, number, &body);
                    if is_done { &done } else { &failed }.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let seconds = began.elapsed().as_secs_f64();
    let done = done.into_inner() as f64;
    let spent = |at: usize| cpu(cluster, ROLES[at]).saturating_sub(before[at]).as_secs_f64() - idle[at] * seconds;
    let cpu_us = [0, 1, 2].map(|at| spent(at).max(0.0) * 1e6 / done.max(1.0));
    Cost { per_second: done / seconds, cpu_us, failed: failed.into_inner() }
}

/// One request, to the gateway whose turn it is. Those that read find what the PUTs before them have written.
fn send(wire: &mut Wire, addresses: &[SocketAddr], kind: &Kind, number: u64, body: &[u8]) -> bool {
    let (_, method, bytes, objects) = kind;
    let address = addresses[number as usize % addresses.len()];
    let path = format!("/{BUCKET}/{bytes}/{}", number % objects);
    let list = format!("/{BUCKET}?list-type=2&max-keys=1000");
    let answer = match *method {
        "PUT" => wire.exchange(address, "PUT", &path, body),
        "LIST" => wire.exchange(address, "GET", &list, &[]),
        method => wire.exchange(address, method, &path, &[]),
    };
    answer.is_ok_and(|answer| answer.status == 200)
}

/// Of all processes of a role.
fn cpu(cluster: &Cluster, role: &str) -> Duration {
    cluster.of_role(role).iter().filter_map(|process| Process::new(process.pid?).cpu()).sum()
}
