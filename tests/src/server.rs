//! The real binary, run as its users run it: `weir standalone` over a folder of its own.

use crate::certificates::Authority;
use crate::tls::{Trust, trust};
use crate::{Answer, Client, Connection, binary, eventually};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A server must serve within this time after its start, whatever state it finds.
pub const START_SECONDS: u64 = 30;
const STOP_SECONDS: u64 = 30;
/// Where the ports of servers begin, and how many there are: Weir's own defaults lie above.
const FIRST_PORT: u16 = 10_000;
const PORT_COUNT: u16 = 9_000;
const BASE_PATH: &str = "/api/v1/s3";
/// Where all servers of the tests listen.
const CERTIFIED_HOST: &str = "127.0.0.1";
/// Short blocks, so that an object of some MiB has many.
const SHARED_SETTINGS: &str = "[gateway]\ndomains = [\"s3.test\"]\nblock_max_bytes = 1048576\n";

/// A running `weir standalone`. Dropping it kills it and removes its folder.
pub struct Server {
    child: Child,
    address: SocketAddr,
    admin: SocketAddr,
    folder: TempDir,
    /// Whoever signed its certificate; none: it serves in clear.
    authority: Option<Authority>,
}

impl Server {
    /// Starts one with the defaults.
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// Starts one with `settings`, the tables of a configuration file.
    ///
    /// # Panics
    /// When it does not serve within [`START_SECONDS`].
    pub fn start_with(settings: &str) -> Self {
        Self::start_logging("info", settings)
    }

    /// Starts one that logs as much as `level` says.
    ///
    /// # Panics
    /// When it does not serve within [`START_SECONDS`].
    pub fn start_logging(level: &str, settings: &str) -> Self {
        Self::start_by(level, settings, None)
    }

    /// Starts one whose S3 and admin ports are served over TLS.
    ///
    /// # Panics
    /// When it does not serve within [`START_SECONDS`].
    pub fn start_over_tls_with(settings: &str) -> Self {
        Self::start_by("info", settings, Some(Authority::new("tests")))
    }

    /// Starts one over a folder that was prepared: [`Server::data`] is the folder `data` in it.
    ///
    /// # Panics
    /// When it does not serve within [`START_SECONDS`].
    pub fn start_over(folder: TempDir) -> Self {
        Self::start_in(folder, "info", "", None)
    }

    fn start_by(level: &str, settings: &str, authority: Option<Authority>) -> Self {
        let folder = tempfile::Builder::new().prefix("weir-test-").tempdir().expect("a temporary folder can be made");
        Self::start_in(folder, level, settings, authority)
    }

    fn start_in(folder: TempDir, level: &str, settings: &str, authority: Option<Authority>) -> Self {
        let (address, admin) = (free_address(), free_address());
        let text = format!("admin_listen = \"{admin}\"\nlog = \"{level}\"\n{settings}\n");
        fs::write(folder.path().join("weir.toml"), text).expect("the configuration can be written");
        if let Some(authority) = &authority {
            authority.issue(&[CERTIFIED_HOST]).write(folder.path());
        }
        let child = spawn(folder.path(), address, authority.is_some());
        let mut server = Self { child, address, admin, folder, authority };
        server.await_ready();
        server
    }

    /// One server for all who ask at the same time. Each of them uses buckets of its own.
    pub fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());
        Self::shared_in(&SHARED, || Self::start_with(SHARED_SETTINGS))
    }

    /// The same over TLS: another server.
    pub fn shared_over_tls() -> Arc<Self> {
        static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());
        Self::shared_in(&SHARED, || Self::start_over_tls_with(SHARED_SETTINGS))
    }

    fn shared_in(shared: &Mutex<Weak<Self>>, start: impl FnOnce() -> Self) -> Arc<Self> {
        let mut shared = shared.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(server) = shared.upgrade() {
            return server;
        }
        let server = Arc::new(start());
        *shared = Arc::downgrade(&server);
        server
    }

    fn await_ready(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(START_SECONDS);
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("weir ended with {status} at its start:\n{}", self.log());
            }
            if self.client().request("GET", "/").try_send().is_ok_and(|answer| matches!(answer.status, 200 | 403)) {
                return;
            }
            assert!(Instant::now() < deadline, "weir does not serve after {START_SECONDS} s:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// A client at `/`, over TLS if the server is.
    pub fn client(&self) -> Client {
        Client::new(self.address, "").with_trust(self.trust())
    }

    /// Whoever signed the server's certificate.
    pub fn authority(&self) -> Option<&Authority> {
        self.authority.as_ref()
    }

    /// Gives the running server a certificate of another authority, as a file that it may notice.
    pub fn change_certificate(&self, authority: &Authority) {
        authority.issue(&[CERTIFIED_HOST]).write(self.folder.path());
    }

    /// Whom its clients trust; none: it serves in clear.
    pub fn trust(&self) -> Option<Trust> {
        self.authority.as_ref().map(|authority| trust(authority, &["http/1.1"]))
    }

    /// A client at the base path.
    pub fn base_path_client(&self) -> Client {
        Client::new(self.address, BASE_PATH).with_trust(self.trust())
    }

    /// A client that names the bucket by the host, `BUCKET.s3.test`; needs a server with that domain.
    pub fn bucket_client(&self, bucket: &str) -> Client {
        self.client().with_host(&format!("{bucket}.s3.test"))
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A connection to send anything over.
    ///
    /// # Panics
    /// When the server takes none.
    pub fn connect(&self) -> Connection {
        self.client().open().expect("the server takes connections")
    }

    /// The answer of the admin port.
    pub fn admin(&self, path: &str) -> Answer {
        Client::new(self.admin, "").with_trust(self.trust()).get(path)
    }

    /// A metric's value, summed over its labels; 0 when there is none of that name.
    pub fn metric(&self, name: &str) -> f64 {
        metric_in(&self.admin("/metrics").text(), name)
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// What the server has printed so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Resident memory now, in bytes.
    pub fn rss_bytes(&self) -> u64 {
        self.status_kib("VmRSS:") * 1024
    }

    /// The most resident memory there ever was, in bytes.
    pub fn peak_rss_bytes(&self) -> u64 {
        self.status_kib("VmHWM:") * 1024
    }

    fn status_kib(&self, field: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
    }

    /// Open sockets of the process.
    pub fn socket_count(&self) -> usize {
        let files = fs::read_dir(format!("/proc/{}/fd", self.pid())).into_iter().flatten().flatten();
        let is_socket = |file: &fs::DirEntry| {
            fs::read_link(file.path()).is_ok_and(|target| target.to_string_lossy().starts_with("socket:"))
        };
        files.filter(is_socket).count()
    }

    /// Space that the blocks take on disk, in bytes.
    pub fn block_bytes(&self) -> u64 {
        space_of(&self.data().join("blocks"))
    }

    /// Ends the process as a crash would.
    pub fn kill9(&mut self) {
        // It may have ended already.
        self.child.kill().ok();
        self.child.wait().expect("a child can be waited for");
    }

    /// Asks the process to end, and waits for it.
    ///
    /// # Panics
    /// When it does not end in time.
    pub fn stop(&mut self) -> ExitStatus {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM).ok();
        let mut status = None;
        eventually(STOP_SECONDS, "weir ends after SIGTERM", || {
            status = self.child.try_wait().expect("a child can be waited for");
            status.is_some()
        });
        status.expect("it has ended")
    }

    /// Starts a stopped server again over the same folder, at the same address.
    pub fn restart(&mut self) {
        self.child = spawn(self.folder.path(), self.address, self.authority.is_some());
        self.await_ready();
    }

    /// The server is alive and serves.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn assert_alive(&self) {
        assert_eq!(self.client().get("/").status, 200, "the server is not well:\n{}", self.log());
        self.assert_well();
    }

    /// The server never panicked.
    ///
    /// # Panics
    /// When it did.
    #[track_caller]
    pub fn assert_well(&self) {
        let log = self.log();
        assert!(!log.contains("panicked at"), "the server panicked:\n{log}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill9();
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<&str> = log.lines().rev().take(30).collect();
            eprintln!("--- the server's last lines");
            tail.iter().rev().for_each(|line| eprintln!("{line}"));
        }
    }
}

fn spawn(folder: &Path, address: SocketAddr, over_tls: bool) -> Child {
    let log = File::options().create(true).append(true).open(folder.join("log")).expect("a log file can be made");
    let errors = log.try_clone().expect("a file can be shared");
    let mut command = binary::command();
    command.current_dir(folder).arg("standalone");
    command.arg("--config").arg(folder.join("weir.toml")).arg("--data").arg(folder.join("data"));
    command.args(["--listen", &address.to_string()]);
    if over_tls {
        for key in ["gateway.tls_certificate", "admin_tls_certificate"] {
            command.args(["--set", &format!("{key}=certificate.pem")]);
        }
        for key in ["gateway.tls_key", "admin_tls_key"] {
            command.args(["--set", &format!("{key}=key.pem")]);
        }
    }
    command.stdin(Stdio::null()).stdout(log).stderr(errors).spawn().expect("weir starts")
}

/// A port that nobody has: each is given out once, so no other test takes it, and they lie below those that the system
/// gives to connections, so none of the thousands here does before the server listens.
pub fn free_address() -> SocketAddr {
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    let first = std::process::id() as u16 % PORT_COUNT;
    for _ in 0..PORT_COUNT {
        let given = GIVEN.fetch_add(1, Relaxed) % PORT_COUNT;
        let address = SocketAddr::from(([127, 0, 0, 1], FIRST_PORT + (first + given) % PORT_COUNT));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
    panic!("no port is free from {FIRST_PORT} on");
}

/// A metric's value in a page of them, summed over its labels; 0 when there is none of that name.
pub fn metric_in(page: &str, name: &str) -> f64 {
    let lines = page
        .lines()
        .filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ') || rest.starts_with('{')));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

/// Space that a folder takes on disk, in bytes. Files that go meanwhile count as nothing.
pub fn space_of(path: &Path) -> u64 {
    let Ok(metadata) = fs::symlink_metadata(path) else { return 0 };
    let own = metadata.blocks() * 512;
    if !metadata.is_dir() {
        return own;
    }
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    own + entries.map(|entry| space_of(&entry.path())).sum::<u64>()
}

/// All files under a folder.
pub fn files_under(path: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files.extend(files_under(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}
