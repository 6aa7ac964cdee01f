//! Objects of mixed sizes come and go. When all are gone, space and memory are what they were: nothing leaks.

mod load;
mod subject;

use load::Load;
use std::time::{Duration, Instant};
use subject::{Sample, Subject};

/// What resident memory may grow by between the first quarter of the load and its end.
const MEMORY_SLACK_BYTES: u64 = 64 << 20;
/// The share that comes on top, in percent.
const MEMORY_SLACK_PERCENT: u64 = 25;
/// What a worker may keep on disk without a block: folders and small files.
const EMPTY_WORKER_BYTES: u64 = 4 << 20;
/// Open files that may be added between the first quarter of the load and its end.
const FILES_SLACK: usize = 64;

/// PUT and DELETE of mixed sizes, until everything is deleted: space, memory and open files over time.
#[derive(clap::Args)]
pub struct Args {
    /// PUTs and DELETEs together
    #[arg(long, default_value_t = 1_000_000)]
    count: u64,
    /// Requests in flight
    #[arg(long, default_value_t = 16)]
    concurrency: u64,
    /// Objects that are there at a time, at most
    #[arg(long, default_value_t = 20_000)]
    live: u64,
    /// A local cluster with so many workers; 0: a standalone
    #[arg(long, default_value_t = 0)]
    workers: u16,
    /// No PUT begins after so many seconds, whatever the count
    #[arg(long, default_value_t = u64::MAX)]
    seconds: u64,
    /// Seconds between two rows
    #[arg(long, default_value_t = 30)]
    interval: u64,
    /// Seconds in which the space has to come back
    #[arg(long, default_value_t = 300)]
    settle: u64,
}

/// Returns what was not as it should be.
pub fn run(args: &Args) -> Vec<String> {
    let mut subject = Subject::start(args.workers);
    let load = Load::new(subject.addresses(), args.count / 2, args.live / args.concurrency.max(1));
    let began = Instant::now();
    let deadline = began.checked_add(Duration::from_secs(args.seconds));
    println!("{}", Sample::HEAD);
    let mut samples = vec![subject.sample(began, &load)];
    println!("{}", samples[0].row());
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..args.concurrency).map(|_| scope.spawn(|| load.run(deadline))).collect();
        let mut next = Duration::from_secs(args.interval);
        while !threads.iter().all(|thread| thread.is_finished()) {
            std::thread::sleep(Duration::from_millis(200));
            if began.elapsed() >= next {
                next += Duration::from_secs(args.interval);
                samples.push(subject.sample(began, &load));
                println!("{}", samples[samples.len() - 1].row());
            }
        }
    });
    let loaded = subject.sample(began, &load);
    println!("{}", loaded.row());
    let settled = subject.settle(began, &load, Duration::from_secs(args.settle));
    println!("{}", settled.row());
    subject.restart();
    let restarted = subject.sample(began, &load);
    println!("{}", restarted.row());
    let early = samples.get(samples.len() / 4 + 1).unwrap_or(&loaded);
    let mut failures = faults(early, &settled, args.workers.max(1));
    failures.extend(load.failures());
    failures
}

/// What did not go back.
fn faults(early: &Sample, settled: &Sample, workers: u16) -> Vec<String> {
    let mut faults = Vec::new();
    if settled.block_count > 0 {
        faults.push(format!("workers still hold {} blocks", settled.block_count));
    }
    let empty_bytes = u64::from(workers) * EMPTY_WORKER_BYTES;
    if settled.block_bytes > empty_bytes {
        faults.push(format!("workers without blocks hold {} MiB", settled.block_bytes >> 20));
    }
    let memory_max = early.rss_bytes() + early.rss_bytes() * MEMORY_SLACK_PERCENT / 100 + MEMORY_SLACK_BYTES;
    if settled.rss_bytes() > memory_max {
        let (then, now) = (early.rss_bytes() >> 20, settled.rss_bytes() >> 20);
        faults.push(format!("resident memory grew from {then} to {now} MiB"));
    }
    if settled.open_files > early.open_files + FILES_SLACK {
        faults.push(format!("open files grew from {} to {}", early.open_files, settled.open_files));
    }
    faults
}
