//! A metaserver, workers and a gateway, each a process of its own.

use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;
use weir_tests::server::{free_address, space_of};
use weir_tests::{Client, binary, eventually};

const SECRET: &str = "a secret that only the tests know";
const START_SECONDS: u64 = 30;

/// Dropping it kills all processes and removes its folder.
pub struct Cluster {
    metaserver: SocketAddr,
    gateway: SocketAddr,
    worker_count: usize,
    /// The workers, the metaserver, the gateway.
    processes: Vec<Child>,
    folder: TempDir,
}

/// A worker's process, to be disturbed.
#[derive(Clone, Copy)]
pub struct Process(Pid);

impl Process {
    pub fn kill9(self) {
        self.signal(Signal::KILL);
    }

    pub fn pause(self) {
        self.signal(Signal::STOP);
    }

    pub fn resume(self) {
        self.signal(Signal::CONT);
    }

    fn signal(self, signal: Signal) {
        kill_process(self.0, signal).expect("the process is there");
    }
}

impl Cluster {
    /// All serve, and the gateway knows of all workers.
    pub fn start(worker_count: usize, settings: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("weir-test-").tempdir().unwrap();
        fs::write(folder.path().join("weir.toml"), settings).unwrap();
        let (metaserver, gateway) = (free_address(), free_address());
        let cluster = Self { metaserver, gateway, worker_count, processes: Vec::new(), folder };
        cluster.started()
    }

    fn started(mut self) -> Self {
        let metaserver = self.metaserver.to_string();
        for worker in 0..self.worker_count {
            let (name, listen) = (worker_name(worker), free_address().to_string());
            let words = ["worker", "--listen", &listen, "--metaserver", &metaserver, "--data", &name];
            self.processes.push(self.command(&name, &words).spawn().expect("weir starts"));
        }
        let words = ["metaserver", "--listen", &metaserver, "--data", "meta"];
        self.processes.push(self.command("metaserver", &words).spawn().expect("weir starts"));
        let gateway = self.gateway.to_string();
        let words = ["gateway", "--listen", &gateway, "--metaserver", &metaserver];
        self.processes.push(self.command("gateway", &words).spawn().expect("weir starts"));
        eventually(START_SECONDS, "the gateway serves", || {
            self.client().request("GET", "/").try_send().is_ok_and(|answer| answer.status == 200)
        });
        let live = format!("Live Workers: {}", self.worker_count);
        eventually(START_SECONDS, &live, || self.fsadmin(&["report"]).contains(&live));
        // A gateway hears of them with its next heartbeat.
        std::thread::sleep(std::time::Duration::from_millis(1_500));
        self
    }

    fn command(&self, log: &str, words: &[&str]) -> Command {
        let log = File::create(self.folder.path().join(format!("{log}.log"))).unwrap();
        let errors = log.try_clone().unwrap();
        let mut command = self.plain_command();
        command.args(words).stdin(Stdio::null()).stdout(log).stderr(errors);
        command
    }

    fn plain_command(&self) -> Command {
        let mut command = Command::new(binary::weir());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("WEIR_") {
                command.env_remove(name);
            }
        }
        command.current_dir(self.folder.path()).env("WEIR_ADMIN_LISTEN", "").env("WEIR_CLUSTER_SECRET", SECRET);
        command
    }

    pub fn client(&self) -> Client {
        Client::new(self.gateway, "")
    }

    pub fn workers(&self) -> Vec<Process> {
        self.processes[..self.worker_count].iter().map(|child| Process(Pid::from_child(child))).collect()
    }

    /// What `weir fsadmin` prints.
    pub fn fsadmin(&self, words: &[&str]) -> String {
        let mut command = self.plain_command();
        command.arg("fsadmin").args(words).env("WEIR_METASERVER_ADDRESS", self.metaserver.to_string());
        String::from_utf8_lossy(&command.output().expect("weir starts").stdout).into_owned()
    }

    /// What the blocks of each worker take on disk.
    pub fn block_bytes(&self) -> Vec<u64> {
        (0..self.worker_count).map(|worker| space_of(&self.folder.path().join(worker_name(worker)))).collect()
    }

    /// Nobody panicked, and none but this worker has ended.
    pub fn assert_well(&mut self, but: Option<usize>) {
        for (index, process) in self.processes.iter_mut().enumerate() {
            let has_ended = process.try_wait().unwrap().is_some();
            assert_eq!(has_ended, but == Some(index), "process {index}");
        }
        for log in logs(self.folder.path()) {
            assert!(!log.contains("panicked at"), "{log}");
        }
    }
}

fn worker_name(worker: usize) -> String {
    format!("worker-{worker}")
}

fn logs(folder: &Path) -> Vec<String> {
    let files = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    files
        .filter(|path| path.extension().is_some_and(|it| it == "log"))
        .filter_map(|it| fs::read_to_string(it).ok())
        .collect()
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for process in &mut self.processes {
            process.kill().ok();
            process.wait().ok();
        }
        if std::thread::panicking()
            && let Ok(log) = fs::read_to_string(self.folder.path().join("gateway.log"))
        {
            let tail: Vec<&str> = log.lines().rev().take(40).collect();
            eprintln!("--- the gateway's last lines");
            tail.iter().rev().for_each(|line| eprintln!("{line}"));
        }
    }
}
