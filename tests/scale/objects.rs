//! What objects cost the metaserver: memory, disk, start time, and the rates of commits, lookups and listings, at sizes
//! from which it can be reckoned on.

use crate::metaserver::Metaserver;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use rustix::process::Signal;
use std::time::Duration;
use tonic::Status;
use weir_proto::v1::content::Where;
use weir_proto::v1::list_objects_request::Start;
use weir_proto::v1::namespace_client::NamespaceClient;
use weir_proto::v1::sessions_client::SessionsClient;
use weir_proto::v1::{self, Content, Extent, Extents, WrittenExtent};
use weir_service::channel::Channel;

/// A metaserver with a million objects serves within this time after its start.
const START_MAX: Duration = Duration::from_secs(5);
const START_MAX_COUNT: u64 = 1_000_000;
const BUCKET: &str = "objects";
/// Between two grants the session is kept alive.
const GRANT_COUNT: u32 = 2_000;
const BLOCK_BYTES: u64 = 1 << 20;
const WORKER_IDS: [u64; 3] = [1, 2, 3];
const LOOKUPS: u64 = 50_000;
const PAGES: u64 = 200;
const PAGE_ENTRIES: u32 = 1_000;

/// Memory, disk, start time and rates of a metaserver by the number of objects.
#[derive(clap::Args)]
pub struct Args {
    /// Numbers of objects, rising
    #[arg(long, value_delimiter = ',', default_value = "100000,1000000")]
    counts: Vec<u64>,
    /// Calls in flight
    #[arg(long, default_value_t = 256)]
    concurrency: usize,
    /// Settings of the metaserver, as KEY=VALUE
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
}

/// Returns what was not as it should be.
pub fn run(args: &Args) -> Vec<String> {
    let mut metaserver = Metaserver::start(&args.settings);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    println!(
        "| objects | commits /s | CPU µs each | lookups /s | CPU µs each | pages of 1,000 /s | CPU µs each | \
         MiB resident | MiB index | MiB journal | MiB checkpoints | s to start after a stop | after a kill | \
         MiB resident then |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|---|"
    );
    let mut failures = Vec::new();
    let mut there = 0;
    for &count in &args.counts {
        let rates = match runtime.block_on(rates(&metaserver, there, count, args.concurrency)) {
            Ok(rates) => rates,
            Err(status) => return vec![format!("{status}; the metaserver's log:\n{}", metaserver.last_lines())],
        };
        there = count;
        let (cost, space) = (metaserver.cost(), metaserver.space());
        let stopped = metaserver.restart(Signal::TERM);
        let killed = metaserver.restart(Signal::KILL);
        let mib = |bytes: u64| bytes >> 20;
        println!(
            "| {count} | {} | {} | {} | {} | {} | {:.1} | {:.1} | {} |",
            rates.map(|rate| rate.text()).join(" | "),
            mib(cost.rss_bytes),
            mib(space.index_bytes),
            mib(space.journal_bytes),
            mib(space.checkpoint_bytes),
            stopped.as_secs_f64(),
            killed.as_secs_f64(),
            mib(metaserver.cost().rss_bytes),
        );
        if count <= START_MAX_COUNT && stopped.max(killed) > START_MAX {
            failures.push(format!("with {count} objects it took {stopped:?} and {killed:?} to start"));
        }
    }
    failures
}

struct Rate {
    per_second: f64,
    cpu_us: f64,
}

impl Rate {
    fn text(&self) -> String {
        format!("{:.0} | {:.0}", self.per_second, self.cpu_us)
    }
}

/// Of commits up to `count` objects, then of lookups and pages among them.
async fn rates(metaserver: &Metaserver, there: u64, count: u64, concurrency: usize) -> Result<[Rate; 3], Status> {
    let channel = metaserver.channel();
    let namespace = NamespaceClient::new(channel.clone());
    if there == 0 {
        let bucket = v1::CreateBucketRequest { name: BUCKET.into(), ..Default::default() };
        namespace.clone().create_bucket(bucket).await?;
    }
    let commits = timed(metaserver, count - there, fill(&channel, there, count, concurrency)).await?;
    let lookups = stream::iter(0..LOOKUPS).map(|number| {
        let key = key(number.wrapping_mul(0x9E37_79B9_7F4A_7C15) % count);
        let request = v1::GetObjectRequest { bucket: BUCKET.into(), key, with_content: true, ..Default::default() };
        let mut namespace = namespace.clone();
        async move { namespace.get_object(request).await.map(drop) }
    });
    let lookups = timed(metaserver, LOOKUPS, all(lookups.buffer_unordered(concurrency))).await?;
    let pages = stream::iter(0..PAGES).map(|number| {
        let after = key(number.wrapping_mul(0x9E37_79B9_7F4A_7C15) % count);
        let start = Some(Start::After(after));
        let bucket = BUCKET.to_owned();
        let request = v1::ListObjectsRequest { bucket, start, max_entries: PAGE_ENTRIES, ..Default::default() };
        let mut namespace = namespace.clone();
        async move { namespace.list_objects(request).await.map(drop) }
    });
    let pages = timed(metaserver, PAGES, all(pages.buffer_unordered(8))).await?;
    Ok([commits, lookups, pages])
}

async fn all(answers: impl stream::Stream<Item = Result<(), Status>>) -> Result<(), Status> {
    answers.try_for_each(|()| async { Ok(()) }).await
}

async fn timed(
    metaserver: &Metaserver,
    count: u64,
    work: impl Future<Output = Result<(), Status>>,
) -> Result<Rate, Status> {
    let before = metaserver.cost();
    work.await?;
    let after = metaserver.cost();
    let (seconds, count) = ((after.at - before.at).as_secs_f64(), count.max(1) as f64);
    Ok(Rate { per_second: count / seconds, cpu_us: (after.cpu - before.cpu).as_secs_f64() * 1e6 / count })
}

/// Commits objects of one block each, with three copies, as gateways do.
async fn fill(channel: &Channel, there: u64, count: u64, concurrency: usize) -> Result<(), Status> {
    let (mut sessions, namespace) = (SessionsClient::new(channel.clone()), NamespaceClient::new(channel.clone()));
    let session_id = sessions.open_session(v1::OpenSessionRequest::default()).await?.into_inner().session_id;
    let mut next = there;
    while next < count {
        sessions.heartbeat(v1::HeartbeatRequest { session_id, ..Default::default() }).await?;
        let wanted = (count - next).min(u64::from(GRANT_COUNT)) as u32;
        let request = v1::GrantBlocksRequest { session_id, count: wanted };
        let granted = sessions.grant_blocks(request).await?.into_inner();
        let commits = stream::iter(0..u64::from(granted.count)).map(|at| {
            let request = object(session_id, next + at, granted.first_block_id + at);
            let mut namespace = namespace.clone();
            async move { namespace.commit_object(request).await.map(drop) }
        });
        all(commits.buffer_unordered(concurrency)).await?;
        next += u64::from(granted.count);
    }
    sessions.close_session(v1::CloseSessionRequest { session_id }).await?;
    Ok(())
}

/// As long as keys are in practice, and in no order.
fn key(number: u64) -> bytes::Bytes {
    format!("photos/2026/{:08x}/{number:012}.jpeg", (number as u32).wrapping_mul(0x9E37_79B9)).into()
}

fn object(session_id: u64, number: u64, block_id: u64) -> v1::CommitObjectRequest {
    let extent = Extent { block_id, length_bytes: BLOCK_BYTES, crc32c: block_id as u32 };
    let written = WrittenExtent { extent: Some(extent), worker_ids: WORKER_IDS.into(), replication: 3, coded: None };
    v1::CommitObjectRequest {
        request_id: None,
        bucket: BUCKET.into(),
        key: key(number),
        attributes: Some(v1::Attributes {
            headers: vec![v1::Header { name: "content-type".into(), value: "image/jpeg".into() }],
            ..Default::default()
        }),
        content: Some(Content {
            size_bytes: BLOCK_BYTES,
            md5: vec![number as u8; 16].into(),
            r#where: Some(Where::Extents(Extents { extents: vec![written] })),
            ..Default::default()
        }),
        session_id,
        ..Default::default()
    }
}
