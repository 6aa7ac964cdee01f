//! A metaserver, workers and a gateway, each a process of its own.

use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;
use weir_tests::server::{START_SECONDS, files_under, free_address};
use weir_tests::{Client, binary, eventually};

const SECRET: &str = "a secret that only the tests know";

/// Quick enough for a test: a worker is lost after a second, and done without after two. What the report tells is fresh.
const SETTINGS: &str = "
[metaserver]
replication = 2
heartbeat_interval_ms = 100
worker_timeout_ms = 1000
repair_delay_ms = 1000
repair_scan_interval_ms = 500
";

/// A role's process. Dropping it kills it.
struct Process {
    arguments: Vec<String>,
    child: Option<Child>,
}

/// The processes, over one folder. Dropping it ends them and removes the folder.
pub struct Roles {
    folder: TempDir,
    metaserver: SocketAddr,
    gateway: SocketAddr,
    workers: Vec<SocketAddr>,
    processes: Vec<(String, Process)>,
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

impl Roles {
    /// Starts a metaserver, a gateway, and so many workers, and waits until they take objects.
    ///
    /// # Panics
    /// When they do not within [`START_SECONDS`].
    pub fn start(worker_count: usize) -> Self {
        let folder = tempfile::Builder::new().prefix("weir-roles-").tempdir().expect("a temporary folder can be made");
        fs::write(folder.path().join("weir.toml"), SETTINGS).expect("the configuration can be written");
        let (metaserver, gateway) = (free_address(), free_address());
        let workers: Vec<SocketAddr> = (0..worker_count).map(|_| free_address()).collect();
        let mut roles = Self { folder, metaserver, gateway, workers, processes: Vec::new() };
        roles.add("metaserver", &["metaserver", "--listen", &metaserver.to_string(), "--data", "meta"]);
        for number in 0..worker_count {
            let (listen, data) = (roles.workers[number].to_string(), format!("blocks-{number}"));
            let arguments = ["worker", "--listen", &listen, "--data", &data, "--metaserver", &metaserver.to_string()];
            roles.add(&format!("worker-{number}"), &arguments);
        }
        let arguments = ["gateway", "--listen", &gateway.to_string(), "--metaserver", &metaserver.to_string()];
        roles.add("gateway", &arguments);
        eventually(START_SECONDS, "all workers are live", || roles.figure("Live Workers") == worker_count as u64);
        let client = roles.client();
        eventually(START_SECONDS, "the gateway serves", || {
            client.request("PUT", "/photos").try_send().is_ok_and(|answer| matches!(answer.status, 200 | 409))
        });
        eventually(START_SECONDS, "the gateway knows the workers", || {
            client.put("/photos/first", vec![7; 100_000]).status == 200
        });
        roles
    }

    fn add(&mut self, name: &str, arguments: &[&str]) {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        self.processes.push((name.to_owned(), Process { arguments, child: None }));
        self.run(name);
    }

    fn process(&mut self, name: &str) -> &mut Process {
        let found = self.processes.iter_mut().find(|(known, _)| known == name);
        &mut found.expect("it is one of the processes").1
    }

    /// Starts a process, or starts it again at its place.
    pub fn run(&mut self, name: &str) {
        let folder = self.folder.path().to_owned();
        let log = File::options().create(true).append(true).open(folder.join(format!("{name}.log")));
        let log = log.expect("a log file can be made");
        let errors = log.try_clone().expect("a file can be shared");
        let process = self.process(name);
        let mut command = weir(&folder);
        command.args(&process.arguments).args(["--config", "weir.toml"]);
        let child = command.stdin(Stdio::null()).stdout(log).stderr(errors).spawn().expect("weir starts");
        process.child = Some(child);
    }

    /// Ends a process as a crash would.
    pub fn kill(&mut self, name: &str) {
        if let Some(mut child) = self.process(name).child.take() {
            kill_process(Pid::from_child(&child), Signal::KILL).ok();
            child.wait().expect("a child can be waited for");
        }
    }

    pub fn client(&self) -> Client {
        Client::new(self.gateway, "")
    }

    pub fn worker_address(&self, number: usize) -> String {
        self.workers[number].to_string()
    }

    /// What `weir fsadmin` says, and its exit code.
    pub fn fsadmin(&self, arguments: &[&str]) -> (String, Option<i32>) {
        let mut command = weir(self.folder.path());
        command.args(["fsadmin", "--metaserver", &self.metaserver.to_string()]).args(arguments);
        let output = command.output().expect("the shell starts");
        (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.code())
    }

    /// What `weir fs` says.
    pub fn fs(&self, arguments: &[&str]) -> String {
        let mut command = weir(self.folder.path());
        command.args(["fs", "--metaserver", &self.metaserver.to_string()]).args(arguments);
        String::from_utf8_lossy(&command.output().expect("the shell starts").stdout).into_owned()
    }

    /// A figure of `fsadmin report`; 0 while it does not tell.
    pub fn figure(&self, name: &str) -> u64 {
        let (report, _) = self.fsadmin(&["report"]);
        let line = report.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(": "));
        line.and_then(|value| value.parse().ok()).unwrap_or(0)
    }

    /// How many blocks the workers say that they have, one after the other.
    pub fn block_counts(&self) -> Vec<u64> {
        let (report, _) = self.fsadmin(&["report", "capacity"]);
        let of = |address: &SocketAddr| {
            let address = address.to_string();
            let line = report.lines().find(|line| line.starts_with(&address))?;
            line.split_whitespace().rev().nth(1)?.parse().ok()
        };
        self.workers.iter().map(|address| of(address).unwrap_or(0)).collect()
    }

    pub fn worker_folder(&self, number: usize) -> PathBuf {
        self.folder.path().join(format!("blocks-{number}"))
    }

    /// The files of a worker's large blocks.
    pub fn block_files(&self, number: usize) -> Vec<PathBuf> {
        let is_block = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "block");
        files_under(&self.worker_folder(number)).into_iter().filter(is_block).collect()
    }
}

fn weir(folder: &Path) -> Command {
    let mut command = Command::new(binary::weir());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("WEIR_") {
            command.env_remove(name);
        }
    }
    command.current_dir(folder).env("WEIR_CLUSTER_SECRET", SECRET).env("WEIR_ADMIN_LISTEN", "");
    command
}
