//! Prepares what a workload needs, runs it, and prints its report.

use crate::args::{Args, Workload};
use crate::connection::{BenchError, Body, Connection};
use crate::meter::{Report, Tally};
use crate::workload::{self, Plan, RANGE_OBJECT_BYTES, noise};
use base64::Engine as _;
use http::Method;
use md5::{Digest as _, Md5};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};
use weir_tests::process::Process;

/// A row of the README's table: name, workload, bytes of an object, requests in flight, objects to find.
type Row = (&'static str, Workload, u64, usize, usize);

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

const TABLE: [Row; 12] = [
    ("PUT 4 KiB", Workload::Put, 4 * KIB, 32, 0),
    ("PUT 100 KiB", Workload::Put, 100 * KIB, 32, 0),
    ("PUT 1 MiB", Workload::Put, MIB, 16, 0),
    ("PUT 64 MiB", Workload::Put, 64 * MIB, 4, 0),
    ("multipart, parts of 8 MiB", Workload::Multipart, 8 * MIB, 2, 0),
    ("GET 4 KiB", Workload::Get, 4 * KIB, 32, 2000),
    ("GET 1 MiB", Workload::Get, MIB, 16, 200),
    ("GET 64 MiB", Workload::Get, 64 * MIB, 4, 4),
    ("GET ranges of 128 KiB", Workload::Range, 128 * KIB, 32, 4),
    ("HEAD", Workload::Head, 4 * KIB, 32, 2000),
    ("LIST, entries", Workload::List, 4 * KIB, 8, 10_000),
    ("DELETE", Workload::Delete, 4 * KIB, 32, 20_000),
];

/// Runs what the command line asks for.
pub async fn run(args: &Args) -> Result<(), BenchError> {
    make_bucket(args).await?;
    if args.markdown {
        println!("| workload | in flight | /s | MiB/s | CPU µs each | ms p50 / p90 / p99 / max | peak MiB |");
        println!("|---|---|---|---|---|---|---|");
    }
    for &wanted in &args.workload {
        if wanted == Workload::Table {
            for (name, workload, size, concurrency, objects) in TABLE {
                run_one(args, name.to_owned(), workload, size, concurrency, objects as u64).await?;
            }
        } else {
            let name = format!("{wanted:?} {} bytes", args.size);
            run_one(args, name, wanted, args.size, args.concurrency, args.objects as u64).await?;
        }
    }
    Ok(())
}

async fn make_bucket(args: &Args) -> Result<(), BenchError> {
    let mut connection = Connection::open(args).await?;
    match connection.send(Method::PUT, &format!("/{}", args.bucket), &[], &Body::empty(), false).await {
        Err(BenchError::Status { status, .. }) if status == 409 => Ok(()),
        result => result.map(|_| ()),
    }
}

async fn run_one(
    args: &Args,
    name: String,
    workload: Workload,
    size: u64,
    concurrency: usize,
    objects: u64,
) -> Result<(), BenchError> {
    let prefix = format!("{workload:?}-{size}-{}", jiff::Timestamp::now().as_millisecond()).to_lowercase();
    let stored_size = if workload == Workload::Range { RANGE_OBJECT_BYTES } else { size };
    let needs_objects = !matches!(workload, Workload::Put | Workload::Multipart);
    let plan = |workload, size, objects, seconds| {
        Arc::new(Plan {
            args: args.clone(),
            workload,
            size,
            body: Body::new(noise(size), args.payload),
            prefix: prefix.clone(),
            objects,
            next: AtomicU64::new(0),
            until: Instant::now() + Duration::from_secs(seconds),
        })
    };
    if needs_objects {
        fill(plan(Workload::Put, stored_size, objects, 0), concurrency).await?;
    }
    let process = args.pid.map(Process::new);
    if let Some(process) = process {
        process.reset_peak();
    }
    let cpu_before = process.and_then(|process| process.cpu());
    let began = Instant::now();
    let plan = plan(workload, size, objects, args.seconds);
    let workers: Vec<_> = (0..concurrency).map(|_| tokio::spawn(workload::run_worker(plan.clone()))).collect();
    let mut all = Tally::default();
    for worker in workers {
        let tally = worker.await.map_err(|_| BenchError::Missing(name.clone(), "a worker that lived"))??;
        all.latencies_us.extend(tally.latencies_us);
        all.bytes += tally.bytes;
        all.items += tally.items;
    }
    let elapsed = began.elapsed();
    all.latencies_us.sort_unstable();
    let report = Report {
        name,
        concurrency,
        elapsed,
        items: all.items,
        bytes: all.bytes,
        latencies_us: all.latencies_us,
        cpu: cpu_before.and_then(|before| Some(process?.cpu()?.saturating_sub(before))),
        peak_bytes: process.and_then(|process| process.peak_bytes()),
    };
    report.print(args.markdown);
    empty(args, &prefix).await
}

/// Puts the plan's objects.
async fn fill(plan: Arc<Plan>, concurrency: usize) -> Result<(), BenchError> {
    let workers: Vec<_> = (0..concurrency as u64)
        .map(|first| {
            let plan = plan.clone();
            tokio::spawn(async move {
                let mut connection = Connection::open(&plan.args).await?;
                for number in (first..plan.objects).step_by(concurrency) {
                    workload::put(&mut connection, &plan, number).await?;
                }
                Ok::<_, BenchError>(())
            })
        })
        .collect();
    for worker in workers {
        worker.await.map_err(|_| BenchError::Missing("filling".into(), "a worker that lived"))??;
    }
    Ok(())
}

/// Deletes everything under the prefix, by pages.
async fn empty(args: &Args, prefix: &str) -> Result<(), BenchError> {
    let mut connection = Connection::open(args).await?;
    let list = format!("/{}/?list-type=2&prefix={prefix}%2F", args.bucket);
    let delete = format!("/{}/?delete=", args.bucket);
    loop {
        let page = connection.send(Method::GET, &list, &[], &Body::empty(), true).await?;
        let text = String::from_utf8_lossy(&page.body).into_owned();
        let keys = text.split("<Key>").skip(1).filter_map(|rest| rest.split("</Key>").next());
        let objects: String = keys.map(|key| format!("<Object><Key>{key}</Key></Object>")).collect();
        if objects.is_empty() {
            return Ok(());
        }
        let document = format!("<Delete><Quiet>true</Quiet>{objects}</Delete>");
        let md5 = base64::engine::general_purpose::STANDARD.encode(Md5::digest(&document));
        let body = Body::new(document.into(), args.payload);
        connection.send(Method::POST, &delete, &[("content-md5", md5)], &body, false).await?;
    }
}
