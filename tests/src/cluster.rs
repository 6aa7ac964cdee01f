//! A cluster of the real binary, run as its users run one: `weir local-cluster` over a folder of its own.

use crate::server::metric_in;
use crate::{Answer, Client, binary, eventually};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use std::fs::{self, File, Permissions};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use tempfile::TempDir;

/// A cluster must serve within this time after its start, whatever state it finds.
pub const START_SECONDS: u64 = 60;
/// A role ends within `shutdown_timeout_ms`, 30 s, and a margin.
const STOP_SECONDS: u64 = 60;
const SECRET_VARIABLE: &str = "WEIR_CLUSTER_SECRET_FILE";

/// What is started.
#[derive(Clone, Debug)]
pub struct Options {
    pub workers: u16,
    pub gateways: u16,
    /// The tables of a configuration file that all roles read.
    pub settings: String,
    /// More flags of `weir local-cluster`, such as `--respawn`.
    pub flags: Vec<String>,
    /// Such as the root keys.
    pub environment: Vec<(String, String)>,
}

impl Default for Options {
    fn default() -> Self {
        Self { workers: 3, gateways: 2, settings: String::new(), flags: Vec::new(), environment: Vec::new() }
    }
}

impl Options {
    /// With more in the configuration file.
    pub fn with_settings(self, settings: &str) -> Self {
        Self { settings: settings.into(), ..self }
    }
}

/// A process of the cluster, as `cluster.json` tells of it.
#[derive(Clone, Debug, Deserialize)]
pub struct Process {
    /// The role and a number from 1 on, such as `worker-2`.
    pub name: String,
    pub role: String,
    /// None while it does not run.
    pub pid: Option<u32>,
    pub address: SocketAddr,
    pub admin_address: SocketAddr,
    /// A gateway has none.
    pub data: Option<PathBuf>,
    pub log: PathBuf,
    command: Vec<String>,
}

#[derive(Deserialize)]
struct Record {
    processes: Vec<Process>,
}

/// A running `weir local-cluster`. Dropping it kills it and removes its folder.
pub struct Cluster {
    parent: Child,
    options: Options,
    folder: TempDir,
    /// Those that [`Cluster::restart`] has started, by name.
    restarted: Vec<(String, Child)>,
}

impl Cluster {
    /// Three workers and two gateways, with the defaults.
    pub fn start() -> Self {
        Self::start_with(Options::default())
    }

    /// # Panics
    /// When it does not serve within [`START_SECONDS`].
    pub fn start_with(options: Options) -> Self {
        Self::start_prepared(options, |_| Ok(()))
    }

    /// With something done to its data folder, given as [`Cluster::data`], before it starts.
    ///
    /// # Panics
    /// As [`Cluster::start_with`], and when that fails.
    pub fn start_prepared(options: Options, prepare: impl FnOnce(&Path) -> io::Result<()>) -> Self {
        let folder =
            tempfile::Builder::new().prefix("weir-cluster-").tempdir().expect("a temporary folder can be made");
        prepare(&folder.path().join("data")).expect("the folder can be prepared");
        fs::write(folder.path().join("weir.toml"), &options.settings).expect("the configuration can be written");
        let parent = spawn(folder.path(), &options);
        let mut cluster = Self { parent, options, folder, restarted: Vec::new() };
        cluster.await_ready();
        cluster
    }

    fn await_ready(&mut self) {
        eventually(START_SECONDS, "the cluster serves", || {
            if let Ok(Some(status)) = self.parent.try_wait() {
                panic!("weir local-cluster ended with {status} at its start:\n{}", self.said());
            }
            // The table is printed when all of them serve.
            self.table().lines().count() > 1
        });
    }

    /// The cluster's folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// What the cluster itself has printed on standard output since its last start.
    pub fn table(&self) -> String {
        fs::read_to_string(self.folder.path().join("out")).unwrap_or_default()
    }

    /// What it has said on standard error.
    pub fn said(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// The process that started the others.
    pub fn pid(&self) -> u32 {
        self.parent.id()
    }

    /// All processes, running or not.
    ///
    /// # Panics
    /// When `cluster.json` can't be read.
    pub fn processes(&self) -> Vec<Process> {
        let text = fs::read(self.data().join("cluster.json")).expect("a cluster that has started tells of itself");
        let record: Record = serde_json::from_slice(&text).expect("cluster.json is JSON");
        let own = |name: &str| self.restarted.iter().find(|(own, _)| own == name).map(|(_, child)| child.id());
        let with_own = |process: Process| Process { pid: process.pid.or_else(|| own(&process.name)), ..process };
        record.processes.into_iter().map(with_own).collect()
    }

    /// Those of a role: `metaserver`, `worker` or `gateway`.
    pub fn of_role(&self, role: &str) -> Vec<Process> {
        self.processes().into_iter().filter(|process| process.role == role).collect()
    }

    /// The one of that name, such as `worker-2`.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    pub fn process(&self, name: &str) -> Process {
        let found = self.processes().into_iter().find(|process| process.name == name);
        found.unwrap_or_else(|| panic!("no process is called {name}"))
    }

    /// A client of the gateway of that number, from 1 on.
    #[track_caller]
    pub fn client(&self, gateway: usize) -> Client {
        Client::new(self.process(&format!("gateway-{gateway}")).address, "")
    }

    /// The answer of a process's admin port.
    #[track_caller]
    pub fn admin(&self, name: &str, path: &str) -> Answer {
        Client::new(self.process(name).admin_address, "").get(path)
    }

    /// A metric of a process, summed over its labels; 0 when there is none of that name.
    #[track_caller]
    pub fn metric(&self, name: &str, metric: &str) -> f64 {
        metric_in(&self.admin(name, "/metrics").text(), metric)
    }

    /// What a process has logged so far.
    #[track_caller]
    pub fn log(&self, name: &str) -> String {
        fs::read_to_string(self.process(name).log).unwrap_or_default()
    }

    /// What a command of `weir fsadmin` says, and whether it succeeded.
    pub fn fsadmin(&self, arguments: &[&str]) -> (bool, String) {
        let metaservers = self.processes().into_iter().filter(|process| process.name.starts_with("metaserver"));
        let addresses: Vec<String> = metaservers.map(|process| process.address.to_string()).collect();
        let mut command = binary::command();
        command.arg("fsadmin").args(arguments).current_dir(self.folder.path());
        command.env("WEIR_METASERVER_ADDRESS", addresses.join(","));
        command.env(SECRET_VARIABLE, self.data().join("cluster-secret"));
        let output = command.output().expect("weir starts");
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        (output.status.success(), text)
    }

    /// Ends a process as a crash would, and waits until it is known to be gone.
    #[track_caller]
    pub fn kill(&mut self, name: &str) {
        self.end(name, Signal::KILL);
    }

    /// Asks a process to end, and waits for it.
    #[track_caller]
    pub fn terminate(&mut self, name: &str) {
        self.end(name, Signal::TERM);
    }

    #[track_caller]
    fn end(&mut self, name: &str, signal: Signal) {
        let pid = self.signal(name, signal);
        if let Some(at) = self.restarted.iter().position(|(own, _)| own == name) {
            self.restarted.remove(at).1.wait().expect("a child can be waited for");
            return;
        }
        eventually(STOP_SECONDS, "a process ends", || self.process(name).pid != Some(pid));
    }

    /// Stops a process where it is: it keeps its connections and answers nothing.
    #[track_caller]
    pub fn pause(&self, name: &str) {
        self.signal(name, Signal::STOP);
    }

    /// Lets a paused process go on.
    #[track_caller]
    pub fn resume(&self, name: &str) {
        self.signal(name, Signal::CONT);
    }

    #[track_caller]
    fn signal(&self, name: &str, signal: Signal) -> u32 {
        let pid = self.process(name).pid.unwrap_or_else(|| panic!("{name} does not run"));
        let found = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process id is a positive number");
        kill_process(found, signal).expect("a process of ours takes signals");
        pid
    }

    /// Starts a dead process again at the same place, and waits until it serves. It is not the cluster's child any
    /// more: [`Cluster::stop`] ends it first.
    #[track_caller]
    pub fn restart(&mut self, name: &str) {
        self.restart_with(name, &[]);
    }

    /// The same with more flags.
    #[track_caller]
    pub fn restart_with(&mut self, name: &str, flags: &[&str]) {
        self.restart_by(name, flags, None);
    }

    /// Starts a dead process again, with more flags, in vain: what it says before it ends by itself.
    #[track_caller]
    pub fn refusal(&self, name: &str, flags: &[&str]) -> String {
        let output = self.command(&self.process(name), flags, None).output().expect("weir starts");
        assert!(!output.status.success(), "{name} starts with {flags:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// The same under another user, to whom the process's folder is given first. Takes root.
    #[track_caller]
    pub fn restart_as(&mut self, name: &str, user: u32) {
        let process = self.process(name);
        for path in [self.folder.path(), &self.data()] {
            fs::set_permissions(path, Permissions::from_mode(0o711)).expect("a folder of ours");
        }
        let secret = self.data().join(format!("cluster-secret-{user}"));
        fs::copy(self.data().join("cluster-secret"), &secret).expect("there is a secret");
        give(&secret, user);
        process.data.iter().for_each(|data| give(data, user));
        self.restart_by(name, &[], Some((user, secret)));
    }

    #[track_caller]
    fn restart_by(&mut self, name: &str, flags: &[&str], user: Option<(u32, PathBuf)>) {
        let process = self.process(name);
        let mut command = self.command(&process, flags, user);
        let log = File::options().append(true).open(&process.log).expect("there is a log");
        let errors = log.try_clone().expect("a file can be shared");
        let child = command.stdout(log).stderr(errors).spawn().expect("weir starts");
        self.restarted.push((name.to_owned(), child));
        eventually(START_SECONDS, "a process that is started again serves", || {
            let ready = Client::new(process.admin_address, "").request("GET", "/readyz").try_send();
            ready.is_ok_and(|answer| answer.status == 200)
        });
    }

    /// What starts a dead process. Whom a metaserver follows, if anyone, the flags say.
    #[track_caller]
    fn command(&self, process: &Process, flags: &[&str], user: Option<(u32, PathBuf)>) -> Command {
        assert_eq!(process.pid, None, "{} runs", process.name);
        let mut command = Command::new(&process.command[0]);
        let mut words = process.command[1..].to_vec();
        if let Some(at) = words.iter().position(|word| word == "--follow") {
            words.drain(at..at + 2);
        }
        command.args(words).args(flags).current_dir(self.folder.path()).stdin(Stdio::null());
        for (variable, value) in &self.options.environment {
            command.env(variable, value);
        }
        if let Some((user, secret)) = user {
            command.uid(user).env(SECRET_VARIABLE, secret);
        } else if self.options.environment.iter().all(|(variable, _)| !variable.starts_with("WEIR_CLUSTER_SECRET")) {
            command.env(SECRET_VARIABLE, self.data().join("cluster-secret"));
        }
        command
    }

    /// Asks the cluster to end, and waits for it.
    ///
    /// # Panics
    /// When it does not end in time.
    pub fn stop(&mut self) -> ExitStatus {
        for name in self.restarted.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>() {
            self.terminate(&name);
        }
        kill_process(Pid::from_child(&self.parent), Signal::TERM).ok();
        let mut status = None;
        eventually(STOP_SECONDS, "the cluster ends after SIGTERM", || {
            status = self.parent.try_wait().expect("a child can be waited for");
            status.is_some()
        });
        status.expect("it has ended")
    }

    /// Ends the cluster as a crash of the process that started the others would, and waits until all are gone.
    pub fn kill9(&mut self) {
        let pids: Vec<u32> = self.processes().iter().filter_map(|process| process.pid).collect();
        // It may have ended already.
        self.parent.kill().ok();
        self.parent.wait().expect("a child can be waited for");
        for (_, mut child) in self.restarted.drain(..) {
            child.kill().ok();
            child.wait().expect("a child can be waited for");
        }
        eventually(STOP_SECONDS, "no process is left behind", || pids.iter().all(|&pid| !is_running(pid)));
    }

    /// Starts a stopped cluster again over the same folder.
    pub fn start_again(&mut self) {
        self.parent = spawn(self.folder.path(), &self.options);
        self.await_ready();
    }

    /// None of the processes ever panicked.
    ///
    /// # Panics
    /// When one did.
    #[track_caller]
    pub fn assert_well(&self) {
        for process in self.processes() {
            let log = fs::read_to_string(&process.log).unwrap_or_default();
            assert!(!log.contains("panicked at"), "{} panicked:\n{log}", process.name);
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let logs = fs::read_dir(self.data().join("logs")).into_iter().flatten().flatten().map(|entry| entry.path());
            for log in logs.chain([self.folder.path().join("log")]) {
                let text = fs::read_to_string(&log).unwrap_or_default();
                let tail: Vec<&str> = text.lines().rev().take(10).collect();
                eprintln!("--- the last lines of {}", log.display());
                tail.iter().rev().for_each(|line| eprintln!("{line}"));
            }
        }
        if self.data().join("cluster.json").exists() {
            self.kill9();
        } else {
            self.parent.kill().ok();
            self.parent.wait().ok();
        }
    }
}

/// Gives a file, or a folder and all that is in it, to a user.
fn give(path: &Path, user: u32) {
    std::os::unix::fs::chown(path, Some(user), None).expect("root may give files away");
    if path.is_dir() {
        let entries = fs::read_dir(path).expect("a folder can be listed");
        entries.flatten().for_each(|entry| give(&entry.path(), user));
    }
}

/// Whether a process runs: one that has ended may wait to be noticed by its parent.
pub fn is_running(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().next());
    state.is_some_and(|state| !matches!(state, "Z" | "X"))
}

fn spawn(folder: &Path, options: &Options) -> Child {
    let out = File::create(folder.join("out")).expect("a file can be made");
    let log = File::options().create(true).append(true).open(folder.join("log")).expect("a log file can be made");
    let mut command = binary::command();
    command.current_dir(folder).args(["local-cluster", "--data", "data", "--listen", "127.0.0.1:0"]);
    command.arg("--config").arg(folder.join("weir.toml"));
    command.args(["--workers", &options.workers.to_string(), "--gateways", &options.gateways.to_string()]);
    command.args(&options.flags).envs(options.environment.iter().cloned());
    command.stdin(Stdio::null()).stdout(out).stderr(log).spawn().expect("weir starts")
}
