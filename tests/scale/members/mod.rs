//! A thousand workers and a hundred gateways that are members of a cluster and do nothing else: what that costs the
//! metaserver. The metaserver is a real process; registrations, heartbeats and inventories are real calls over
//! TCP, with the proof of the cluster's secret.

mod blocks;
mod figures;
mod gateway;
mod worker;

use crate::metaserver::Metaserver;
use blocks::Blocks;
use figures::{Figures, Row};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// More of one core than this, on average, is too much.
const CORES_MAX: f64 = 1.0;
/// Each worker has a connection of its own. The gateways share these: all come from one address, which gets no more than
/// 1,024.
const GATEWAY_CONNECTIONS: usize = 10;
const REGISTRATION_TIMEOUT: Duration = Duration::from_secs(120);

/// Members' registrations, heartbeats and inventories: the metaserver's CPU and memory, and what its answers weigh.
#[derive(clap::Args)]
pub struct Args {
    #[arg(long, default_value_t = 1_000)]
    workers: usize,
    #[arg(long, default_value_t = 100)]
    gateways: usize,
    /// Copies of blocks on each worker, which its inventories tell of
    #[arg(long, default_value_t = 10_000)]
    blocks: usize,
    /// Of a thousand heartbeats so many are a worker's last for 15 s: it dies and starts again
    #[arg(long, default_value_t = 1)]
    dying: u64,
    /// How long is measured when all have registered
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Seconds between two rows
    #[arg(long, default_value_t = 10)]
    interval: u64,
    /// Settings of the metaserver, as KEY=VALUE
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
}

/// Returns what was not as it should be.
pub fn run(args: &Args) -> Vec<String> {
    let metaserver = Metaserver::start(&args.settings);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    match runtime.block_on(measure(args, &metaserver)) {
        Ok(failures) => failures,
        Err(status) => vec![format!("{status}; the metaserver's log:\n{}", metaserver.last_lines())],
    }
}

async fn measure(args: &Args, metaserver: &Metaserver) -> Result<Vec<String>, tonic::Status> {
    let figures = Arc::new(Figures::default());
    let registered = worker::register_all(metaserver, args.workers).await?;
    let ids: Vec<u64> = registered.iter().map(|worker| worker.worker_id).collect();
    let blocks = Arc::new(Blocks::commit(metaserver, &ids, args.workers * args.blocks / blocks::COPIES).await?);
    println!("{} blocks with {} copies each are committed", blocks.len(), blocks::COPIES);
    println!("{}", Row::HEAD);
    let mut before = metaserver.cost();
    for (at, registered) in registered.into_iter().enumerate() {
        let worker = worker::Worker::new(metaserver, at, registered, args.dying, blocks.clone(), figures.clone());
        tokio::spawn(worker.run());
    }
    let shared: Vec<_> = (0..GATEWAY_CONNECTIONS).map(|_| metaserver.channel()).collect();
    for at in 0..args.gateways {
        tokio::spawn(gateway::run(shared[at % shared.len()].clone(), at, figures.clone()));
    }
    let deadline = Instant::now() + REGISTRATION_TIMEOUT;
    while figures.present() < args.workers * 9 / 10 && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let joined = metaserver.cost();
    println!("{}", Row::new("joining", &before, &joined, &figures.take()).text());
    before = joined.clone();
    let mut last = joined.clone();
    let interval = Duration::from_secs(args.interval.clamp(1, args.seconds.max(1)));
    let mut all = figures::Taken::default();
    while last.at - joined.at < Duration::from_secs(args.seconds) {
        tokio::time::sleep(interval).await;
        last = metaserver.cost();
        let taken = figures.take();
        println!("{}", Row::new(&format!("{} s", (last.at - joined.at).as_secs()), &before, &last, &taken).text());
        all.add(&taken);
        before = last.clone();
    }
    let whole = Row::new("all", &joined, &last, &all);
    println!("{}", whole.text());
    let mut failures = Vec::new();
    if whole.cores() >= CORES_MAX {
        failures.push(format!("the metaserver used {:.2} cores", whole.cores()));
    }
    if all.failed > 0 {
        failures.push(format!("{} calls failed, such as: {}", all.failed, figures.failure()));
    }
    Ok(failures)
}
