//! A `weir metaserver` of its own, and what it costs.

use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::net::SocketAddr;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use weir_service::channel::{self, Channel};
use weir_service::peer_auth::{ClusterCredentials, ClusterSecret};
use weir_tests::process::Process;
use weir_tests::server::{free_address, metric_in, space_of};
use weir_tests::{Client, binary, eventually};

const SECRET: &str = "the secret of a cluster of a thousand workers";
const START_SECONDS: u64 = 60;

/// Dropping it kills it and removes its folder.
pub struct Metaserver {
    child: Child,
    folder: TempDir,
    address: SocketAddr,
    admin: SocketAddr,
    settings: Vec<String>,
}

/// What its folder takes on disk, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Space {
    pub journal_bytes: u64,
    pub checkpoint_bytes: u64,
    pub index_bytes: u64,
}

/// What it has used up to a moment.
#[derive(Clone, Debug)]
pub struct Cost {
    pub at: Instant,
    pub cpu: Duration,
    pub rss_bytes: u64,
    pub commits: f64,
    pub live_workers: f64,
}

impl Metaserver {
    /// With settings, each as KEY=VALUE.
    ///
    /// # Panics
    /// When it does not serve in time.
    pub fn start(settings: &[String]) -> Self {
        let folder = tempfile::Builder::new().prefix("weir-scale-").tempdir().expect("a temporary folder can be made");
        let (address, admin, settings) = (free_address(), free_address(), settings.to_vec());
        let child = spawn(&folder, address, admin, &settings);
        let metaserver = Self { child, folder, address, admin, settings };
        metaserver.await_ready();
        metaserver
    }

    fn await_ready(&self) {
        eventually(START_SECONDS, "the metaserver serves", || {
            let ready = Client::new(self.admin, "").request("GET", "/readyz").try_send();
            ready.is_ok_and(|answer| answer.status == 200)
        });
    }

    /// Ends it, by a kill or in order, and starts it again. Returns how long it took from the start until it serves.
    pub fn restart(&mut self, signal: Signal) -> Duration {
        kill_process(Pid::from_child(&self.child), signal).expect("a process of ours takes signals");
        self.child.wait().expect("a child can be waited for");
        let began = Instant::now();
        self.child = spawn(&self.folder, self.address, self.admin, &self.settings);
        self.await_ready();
        began.elapsed()
    }

    pub fn space(&self) -> Space {
        let of = |name| space_of(&self.folder.path().join("meta").join(name));
        Space { journal_bytes: of("journal"), checkpoint_bytes: of("checkpoints"), index_bytes: of("index") }
    }

    /// A connection of its own that proves the cluster's secret. Called in a runtime.
    pub fn channel(&self) -> Channel {
        let secret = ClusterSecret::new(SECRET).expect("the secret is long enough");
        channel::connect(&self.address.to_string(), &ClusterCredentials::from(secret))
    }

    pub fn cost(&self) -> Cost {
        let process = Process::new(self.child.id());
        let page = Client::new(self.admin, "").get("/metrics").text();
        Cost {
            at: Instant::now(),
            cpu: process.cpu().unwrap_or_default(),
            rss_bytes: process.rss_bytes().unwrap_or_default(),
            commits: metric_in(&page, "weir_metaserver_commits_total"),
            live_workers: metric_in(&page, "weir_metaserver_workers_live"),
        }
    }

    pub fn last_lines(&self) -> String {
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(20).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

fn spawn(folder: &TempDir, address: SocketAddr, admin: SocketAddr, settings: &[String]) -> Child {
    let log = File::options().create(true).append(true).open(folder.path().join("log"));
    let log = log.expect("a log file can be made");
    let errors = log.try_clone().expect("a file can be shared");
    let mut command = binary::command();
    command.current_dir(folder.path()).args(["metaserver", "--data", "meta", "--listen", &address.to_string()]);
    command.args(["--set", &format!("admin_listen={admin}"), "--set", "log=warn"]);
    for setting in settings {
        command.args(["--set", setting]);
    }
    command.env("WEIR_CLUSTER_SECRET", SECRET).stdin(Stdio::null()).stdout(log).stderr(errors);
    command.spawn().expect("weir starts")
}

impl Drop for Metaserver {
    fn drop(&mut self) {
        // It may have ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
