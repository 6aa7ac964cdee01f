//! A metaserver with its standby, workers and a gateway, as processes: the metaserver dies, the standby takes over.

mod http;

use http::request;
use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);
const SECRET: &str = "a secret that only the tests know";
const WRITERS: usize = 4;

fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// A cluster of processes in a folder, each of which writes a log.
struct Cluster {
    folder: TempDir,
    one: String,
    other: String,
    worker: String,
    gateway: String,
    mode: &'static str,
}

/// A process that is killed when the test ends, however it ends.
struct Running {
    child: Child,
    log: PathBuf,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn end(&mut self) -> Option<i32> {
        let status = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
        self.exit_code()
    }

    fn exit_code(&mut self) -> Option<i32> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("it does not end: {}", self.log());
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }
}

impl Cluster {
    fn new(mode: &'static str) -> Self {
        let [one, other, worker, gateway] = std::array::from_fn(|_| free_address());
        Self { folder: tempfile::tempdir().unwrap(), one, other, worker, gateway, mode }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn weir(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("WEIR_") {
                command.env_remove(name);
            }
        }
        command.current_dir(self.folder.path()).args(arguments);
        command.env("WEIR_ADMIN_LISTEN", "").env("WEIR_CLUSTER_SECRET", SECRET);
        command.env("WEIR_METASERVER_ADDRESS", format!("{},{}", self.one, self.other));
        command.env("WEIR_METASERVER_REPLICATION", "1");
        command.env("WEIR_METASERVER_STANDBY", self.mode).env("WEIR_METASERVER_STANDBY_TIMEOUT_MS", "2000");
        command
    }

    fn start(&self, log: &str, arguments: &[&str]) -> Running {
        let log = self.path(log);
        let file = fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let child = self.weir(arguments).stdout(Stdio::null()).stderr(file).spawn().unwrap();
        Running { child, log }
    }

    fn metaserver(&self, data: &str) -> Running {
        self.start(&format!("{data}.log"), &["metaserver", "--listen", &self.one, "--data", data])
    }

    fn standby(&self, data: &str) -> Running {
        let arguments = ["metaserver", "--listen", &self.other, "--data", data, "--follow", &self.one];
        self.start(&format!("{data}.log"), &arguments)
    }

    fn worker(&self) -> Running {
        self.start("worker.log", &["worker", "--listen", &self.worker, "--data", "blocks"])
    }

    fn gateway(&self) -> Running {
        self.start("gateway.log", &["gateway", "--listen", &self.gateway])
    }

    /// What a command of the shell says, and whether it succeeded.
    fn fsadmin(&self, arguments: &[&str]) -> (bool, String) {
        let output = self.weir(&[&["fsadmin"], arguments].concat()).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(text).unwrap())
    }

    fn until_reported(&self, what: &str) {
        until(what, || self.fsadmin(&["report"]).1.contains(what));
    }
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "{what}: it does not come to that");
        thread::sleep(Duration::from_millis(50));
    }
}

fn status(address: &str, head: &str, body: &str) -> u16 {
    request(address, head, body).map_or(0, |(status, ..)| status)
}

/// What a key's object has; every other one is too long to lie with the metadata.
fn content(key: &str) -> String {
    let count: usize = if key.ends_with(['0', '2', '4', '6', '8']) { 1 } else { 2_000 };
    format!("the object of {key} ").repeat(count)
}

/// Clients that write and delete without a pause.
struct Load {
    stop: Arc<AtomicBool>,
    threads: Vec<thread::JoinHandle<()>>,
    written: Arc<Mutex<BTreeSet<String>>>,
    deleted: Arc<Mutex<BTreeSet<String>>>,
}

impl Load {
    fn start(gateway: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (written, deleted) = <(Arc<Mutex<BTreeSet<String>>>, Arc<Mutex<BTreeSet<String>>>)>::default();
        let threads = (0..WRITERS).map(|writer| {
            let (stop, written, deleted, gateway) =
                (stop.clone(), written.clone(), deleted.clone(), gateway.to_owned());
            thread::spawn(move || {
                for number in 0_u64.. {
                    if stop.load(Ordering::SeqCst) {
                        return;
                    }
                    let key = format!("{writer}-{number}");
                    if status(&gateway, &format!("PUT /photos/{key}"), &content(&key)) != 200 {
                        continue;
                    }
                    written.lock().unwrap().insert(key.clone());
                    if number % 3 == 0 {
                        // Whether or not it is answered, the object may be gone from now on.
                        written.lock().unwrap().remove(&key);
                        if status(&gateway, &format!("DELETE /photos/{key}"), "") == 204 {
                            deleted.lock().unwrap().insert(key);
                        }
                    }
                }
            })
        });
        Self { stop: stop.clone(), threads: threads.collect(), written, deleted }
    }

    fn count(&self) -> usize {
        self.written.lock().unwrap().len()
    }

    fn goes_on(&self) {
        let before = self.count();
        until("objects are written", || self.count() > before + 20);
    }

    /// Everything that was answered holds.
    fn check(self, gateway: &str) -> (usize, usize) {
        self.stop.store(true, Ordering::SeqCst);
        self.threads.into_iter().for_each(|thread| thread.join().unwrap());
        let (written, deleted) = (self.written.lock().unwrap(), self.deleted.lock().unwrap());
        for key in &*written {
            let (status, _, body) = request(gateway, &format!("GET /photos/{key}"), "").unwrap();
            assert_eq!((status, body == content(key)), (200, true), "{key}");
        }
        for key in &*deleted {
            assert_eq!(status(gateway, &format!("GET /photos/{key}"), ""), 404, "{key}");
        }
        (written.len(), deleted.len())
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn serves(cluster: &Cluster) {
    until("the bucket is made", || matches!(status(&cluster.gateway, "PUT /photos", ""), 200 | 409));
    until("a block is taken", || status(&cluster.gateway, "PUT /photos/1", &content("1")) == 200);
}

#[test]
fn a_metaserver_dies_with_its_disk_and_nothing_that_was_answered_is_lost() {
    let cluster = Cluster::new("required");
    let mut metaserver = cluster.metaserver("meta-a");
    let standby = cluster.standby("meta-b");
    let (_worker, mut gateway) = (cluster.worker(), cluster.gateway());
    serves(&cluster);
    cluster.until_reported("(required): in sync");
    let load = Load::start(&cluster.gateway);
    load.goes_on();
    let (done, text) = cluster.fsadmin(&["promote", &cluster.one]);
    assert!(!done && text.contains("this is the metaserver already, under epoch 1"), "{text}");

    metaserver.kill();
    copy_folder(&cluster.path("meta-a"), &cluster.path("copy"));
    fs::remove_dir_all(cluster.path("meta-a")).unwrap();
    until("clients are told to come back", || {
        request(&cluster.gateway, "PUT /photos/2", "x")
            .is_ok_and(|(status, head, _)| status == 503 && head.contains("retry-after"))
    });
    let begun = Instant::now();
    let (done, text) = cluster.fsadmin(&["promote", &cluster.other]);
    assert!(done && text.contains("Epoch    : 2") && text.contains("was required"), "{text}");
    let promoted = begun.elapsed();

    // A standby is required, and there is none: writes wait for one. The old one's copy becomes it.
    let refused = cluster.weir(&["metaserver", "--listen", &cluster.one, "--data", "copy"]).output().unwrap();
    let text = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && text.contains("serves under epoch 2"), "{text}");
    // Not even where it can't ask: it has noted that it is over.
    let refused = cluster.weir(&["metaserver", "--listen", &free_address(), "--data", "copy"]).output().unwrap();
    let text = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && text.contains("was replaced"), "{text}");
    let arguments = ["metaserver", "--listen", &cluster.one, "--data", "copy", "--follow", &cluster.other];
    let _old = cluster.start("copy.log", &arguments);
    cluster.until_reported("(required): in sync");
    load.goes_on();
    let (written, deleted) = load.check(&cluster.gateway);
    eprintln!("promoted in {promoted:?}; {written} objects are there, {deleted} are gone");

    // A gateway that has never heard of the first one is led to the second.
    assert_eq!(gateway.end(), Some(0));
    let _gateway = cluster.gateway();
    until("it serves again", || status(&cluster.gateway, "GET /photos/1", "") == 200);
    drop(standby);
}

#[test]
fn one_that_comes_back_under_an_old_epoch_is_refused_and_stops() {
    let mut cluster = Cluster::new("optional");
    let mut metaserver = cluster.metaserver("meta-a");
    let mut standby = cluster.standby("meta-b");
    let mut worker = cluster.worker();
    let _gateway = cluster.gateway();
    serves(&cluster);
    cluster.until_reported("(optional): in sync");
    metaserver.kill();
    let (done, text) = cluster.fsadmin(&["promote", &cluster.other]);
    assert!(!done && text.contains("may have let it go since") && text.contains("--force"), "{text}");
    let (done, text) = cluster.fsadmin(&["promote", "--force", &cluster.other]);
    assert!(done && text.contains("It was forced"), "{text}");
    cluster.until_reported("Awaiting Restore Confirmation: true");
    assert!(cluster.fsadmin(&["confirmRestore"]).0);
    until("it serves", || status(&cluster.gateway, "PUT /photos/3", &content("3")) == 200);
    until("the worker keeps the epoch", || {
        fs::read_to_string(cluster.path("blocks/identity")).unwrap().contains("epoch 2")
    });

    // The old one comes back where it can't ask the other: the worker refuses it, and it hears from the worker that it is
    // over.
    assert_eq!(worker.end(), Some(0));
    standby.kill();
    cluster.other.clone_from(&cluster.one);
    let mut old = cluster.metaserver("meta-a");
    let _worker = cluster.worker();
    assert_eq!(old.exit_code(), Some(1));
    assert!(old.log().contains("another metaserver serves under epoch 2"), "{}", old.log());
    let refused = cluster.weir(&["metaserver", "--listen", &cluster.one, "--data", "meta-a"]).output().unwrap();
    let text = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && text.contains("was replaced"), "{text}");
}

#[test]
fn a_metaserver_that_serves_gives_its_place_to_its_standby() {
    let cluster = Cluster::new("optional");
    let mut metaserver = cluster.metaserver("meta-a");
    let mut standby = cluster.standby("meta-b");
    let (_worker, _gateway) = (cluster.worker(), cluster.gateway());
    serves(&cluster);
    cluster.until_reported("(optional): in sync");
    let load = Load::start(&cluster.gateway);
    load.goes_on();
    let (done, text) = cluster.fsadmin(&["promote", &cluster.other]);
    assert!(done && text.contains("nothing is missing"), "{text}");
    assert_eq!(metaserver.exit_code(), Some(1));
    load.goes_on();
    let (written, deleted) = load.check(&cluster.gateway);
    eprintln!("{written} objects are there, {deleted} are gone");
    // What was promoted serves by itself from now on, and is not made a standby of the old one.
    assert_eq!(standby.end(), Some(0));
    let arguments = ["metaserver", "--listen", &cluster.other, "--data", "meta-b"];
    let _promoted = cluster.start("meta-b.log", &arguments);
    until("it serves", || status(&cluster.gateway, "GET /photos/1", "") == 200);
    cluster.until_reported("Epoch: 2");
}

#[test]
fn a_standby_that_falls_away_is_let_go_and_taken_back() {
    let cluster = Cluster::new("optional");
    let _metaserver = cluster.metaserver("meta-a");
    let mut standby = cluster.standby("meta-b");
    let (_worker, _gateway) = (cluster.worker(), cluster.gateway());
    serves(&cluster);
    cluster.until_reported("(optional): in sync");
    standby.kill();
    assert_eq!(status(&cluster.gateway, "PUT /photos/2", "x"), 200);
    cluster.until_reported("away, let go ");
    let _standby = cluster.standby("meta-b");
    cluster.until_reported("(optional): in sync");
    let refused = cluster.weir(&["metaserver", "--listen", &free_address(), "--data", "meta-a"]).output().unwrap();
    assert!(String::from_utf8(refused.stderr).unwrap().contains("in use by another weir"));
}

#[test]
fn a_metaserver_that_is_started_anew_answers_nothing_before_its_standby_is_there() {
    let cluster = Cluster::new("required");
    let mut metaserver = cluster.metaserver("meta-a");
    let mut standby = cluster.standby("meta-b");
    let (_worker, _gateway) = (cluster.worker(), cluster.gateway());
    serves(&cluster);
    cluster.until_reported("(required): in sync");
    standby.kill();
    assert_eq!(status(&cluster.gateway, "GET /photos/1", ""), 200, "reads go on without it");
    metaserver.kill();
    let admin = free_address();
    let arguments = ["metaserver", "--listen", &cluster.one, "--data", "meta-a", "--admin-listen", &admin];
    let metaserver = cluster.start("meta-a.log", &arguments);
    until("it waits", || metaserver.log().contains("nothing is answered before the standby follows"));
    let (is_done, text) = cluster.fsadmin(&["report"]);
    assert!(!is_done && text.contains("waits for its standby"), "{text}");
    until("clients are told to come back", || {
        request(&cluster.gateway, "GET /photos/1", "")
            .is_ok_and(|(status, head, _)| status == 503 && head.contains("retry-after"))
    });
    let ready = || request(&admin, "GET /readyz", "").unwrap();
    let (status_code, _, body) = ready();
    assert_eq!((status_code, body.as_str()), (503, "not ready: it waits for its standby\n"));

    let _standby = cluster.standby("meta-b");
    until("it serves", || status(&cluster.gateway, "GET /photos/1", "") == 200);
    until("it says so", || ready().0 == 200);
    until("it takes writes", || status(&cluster.gateway, "PUT /photos/2", &content("2")) == 200);
}

#[test]
fn a_standbys_folder_does_not_serve_by_itself() {
    let cluster = Cluster::new("optional");
    let _metaserver = cluster.metaserver("meta-a");
    let mut standby = cluster.standby("meta-b");
    cluster.until_reported("(optional): in sync");
    assert_eq!(standby.end(), Some(0));
    let refused = cluster.weir(&["metaserver", "--listen", &cluster.other, "--data", "meta-b"]).output().unwrap();
    let text = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && text.contains("is a standby of"), "{text}");
    let refused = cluster.weir(&["standalone", "--set", "metaserver.standby=required"]).output().unwrap();
    assert!(String::from_utf8(refused.stderr).unwrap().contains("standalone takes no standby"));
}
