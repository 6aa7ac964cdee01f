//! The server or the cluster under the load, and what it holds at a moment.

use super::load::{BUCKET, Load};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use weir_tests::cluster::Options;
use weir_tests::process::Process;
use weir_tests::server::space_of;
use weir_tests::{Client, Cluster, Server};

const LOOK: Duration = Duration::from_secs(2);
/// Compaction looks once a minute (`worker.compaction_interval_ms`), and twice before it takes the segment that was
/// appended to last: so long nothing may change before it is over.
const QUIET: Duration = Duration::from_secs(130);

pub enum Subject {
    Standalone(Box<Server>),
    Cluster(Cluster),
}

/// What the processes hold.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    seconds: u64,
    done: u64,
    repeated: u64,
    /// Of the metaserver, of the gateways, of the workers; of a standalone, of all in one.
    rss_by_role: Vec<u64>,
    pub open_files: usize,
    journal_bytes: u64,
    checkpoint_bytes: u64,
    index_bytes: u64,
    pub block_bytes: u64,
    pub block_count: u64,
    segments: u64,
}

impl Subject {
    /// With no keys, and a bucket. `workers` 0: a standalone.
    pub fn start(workers: u16) -> Self {
        let subject = match workers {
            0 => Self::Standalone(Box::new(Server::start())),
            workers => Self::Cluster(Cluster::start_with(Options { workers, ..Options::default() })),
        };
        let made = Client::new(subject.addresses()[0], "").put(&format!("/{BUCKET}"), "");
        assert_eq!(made.status, 200, "a bucket can be made");
        subject
    }

    /// Of the gateways.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        match self {
            Self::Standalone(server) => vec![server.address()],
            Self::Cluster(cluster) => cluster.of_role("gateway").iter().map(|gateway| gateway.address).collect(),
        }
    }

    /// Process ids by role.
    fn pids(&self) -> Vec<Vec<u32>> {
        let of_role =
            |cluster: &Cluster, role| cluster.of_role(role).iter().filter_map(|process| process.pid).collect();
        match self {
            Self::Standalone(server) => vec![vec![server.pid()]],
            Self::Cluster(cluster) => ["metaserver", "gateway", "worker"].map(|role| of_role(cluster, role)).into(),
        }
    }

    fn metadata(&self) -> PathBuf {
        match self {
            Self::Standalone(server) => server.data().join("meta"),
            Self::Cluster(cluster) => {
                cluster.of_role("metaserver").remove(0).data.expect("a metaserver has a folder of its own")
            }
        }
    }

    fn block_folders(&self) -> Vec<PathBuf> {
        match self {
            Self::Standalone(server) => vec![server.data().join("blocks")],
            Self::Cluster(cluster) => cluster.of_role("worker").into_iter().filter_map(|worker| worker.data).collect(),
        }
    }

    /// A metric's sum over all workers.
    fn worker_metric(&self, name: &str) -> u64 {
        let sum = match self {
            Self::Standalone(server) => server.metric(name),
            Self::Cluster(cluster) => {
                cluster.of_role("worker").iter().map(|worker| cluster.metric(&worker.name, name)).sum()
            }
        };
        sum as u64
    }

    pub fn sample(&self, began: Instant, load: &Load) -> Sample {
        let (pids, metadata) = (self.pids(), self.metadata());
        let rss = |pids: &Vec<u32>| pids.iter().filter_map(|pid| Process::new(*pid).rss_bytes()).sum();
        Sample {
            seconds: began.elapsed().as_secs(),
            done: load.done(),
            repeated: load.repeated(),
            rss_by_role: pids.iter().map(rss).collect(),
            open_files: pids.iter().flatten().filter_map(|pid| Process::new(*pid).open_files()).sum(),
            journal_bytes: space_of(&metadata.join("journal")),
            checkpoint_bytes: space_of(&metadata.join("checkpoints")),
            index_bytes: space_of(&metadata.join("index")),
            block_bytes: self.block_folders().iter().map(|folder| space_of(folder)).sum(),
            block_count: self.worker_metric("weir_worker_blocks"),
            segments: self.worker_metric("weir_worker_segments"),
        }
    }

    /// Waits until no worker holds a block and their disks are quiet, or the time is up.
    pub fn settle(&self, began: Instant, load: &Load, limit: Duration) -> Sample {
        let deadline = Instant::now() + limit;
        let mut sample = self.sample(began, load);
        let mut changed = Instant::now();
        while Instant::now() < deadline && (sample.block_count > 0 || changed.elapsed() < QUIET) {
            std::thread::sleep(LOOK);
            let now = self.sample(began, load);
            if (now.block_count, now.block_bytes) != (sample.block_count, sample.block_bytes) {
                changed = Instant::now();
            }
            sample = now;
        }
        sample
    }

    /// Ends it in order and starts it again.
    pub fn restart(&mut self) {
        match self {
            Self::Standalone(server) => {
                server.stop();
                server.restart();
            }
            Self::Cluster(cluster) => {
                cluster.stop();
                cluster.start_again();
            }
        }
    }
}

impl Sample {
    pub const HEAD: &str = "| s | PUT and DELETE | repeated | MiB resident | open files | MiB journal | \
                            MiB checkpoints | MiB index | MiB workers | blocks | segments |\n\
                            |---|---|---|---|---|---|---|---|---|---|---|";

    pub fn rss_bytes(&self) -> u64 {
        self.rss_by_role.iter().sum()
    }

    pub fn row(&self) -> String {
        let mib = |bytes: u64| bytes >> 20;
        let rss: Vec<String> = self.rss_by_role.iter().map(|bytes| mib(*bytes).to_string()).collect();
        format!(
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            self.seconds,
            self.done,
            self.repeated,
            rss.join(" + "),
            self.open_files,
            mib(self.journal_bytes),
            mib(self.checkpoint_bytes),
            mib(self.index_bytes),
            mib(self.block_bytes),
            self.block_count,
            self.segments,
        )
    }
}
