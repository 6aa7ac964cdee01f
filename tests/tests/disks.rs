//! A worker with several disks: one of them fills up, goes away or dies, and the worker goes on with the others.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use weir_tests::cluster::{Cluster, Options};
use weir_tests::server::files_under;
use weir_tests::{Client, binary, eventually, noise};

const OBJECTS: u64 = 24;
const REPAIR_SECONDS: u64 = 120;
const WORKER: &str = "worker-1";

/// Two copies of each block. A worker with a disk less is noticed, and looked at, within a second.
const SETTINGS: &str = "
[metaserver]
replication = 2
heartbeat_interval_ms = 100
worker_timeout_ms = 2000
repair_delay_ms = 60000
repair_scan_interval_ms = 500
[worker]
reserve_bytes = 0
segment_bytes = \"1 MiB\"
";

/// A cluster whose first worker has a second folder.
struct House {
    /// Let go before the cluster removes its folders.
    mounted: Option<Mounted>,
    cluster: Cluster,
    second: PathBuf,
}

impl House {
    fn start() -> Self {
        Self::start_over(|_| None)
    }

    /// With something mounted on the second folder before it is used.
    fn start_over(mount: impl FnOnce(&Path) -> Option<Mounted>) -> Self {
        let mut cluster = Cluster::start_with(Options { gateways: 1, ..Options::default().with_settings(SETTINGS) });
        let second = cluster.data().join("second");
        fs::create_dir(&second).expect("a folder can be made");
        let mounted = mount(&second);
        cluster.kill(WORKER);
        cluster.restart_with(WORKER, &["--data", &text(&second)]);
        assert_eq!(cluster.client(1).request("PUT", "/photos").send().status, 200);
        Self { mounted, cluster, second }
    }

    fn client(&self) -> Client {
        self.cluster.client(1)
    }

    fn put(&self, n: u64) -> u16 {
        self.client().put(&format!("/photos/object-{n}"), body(n)).status
    }

    #[track_caller]
    fn check(&self, n: u64) {
        let answer = self.client().get(&format!("/photos/object-{n}"));
        assert_eq!(answer.status, 200, "object {n}");
        assert!(answer.body == body(n), "object {n} is what was put");
    }

    fn report(&self, category: &str) -> String {
        let metaserver = self.cluster.process("metaserver-1").address.to_string();
        let mut command = Command::new(binary::weir());
        command.env("WEIR_CLUSTER_SECRET_FILE", self.cluster.data().join("cluster-secret"));
        let output = command.args(["fsadmin", "--metaserver", &metaserver, "report", category]).output();
        String::from_utf8_lossy(&output.expect("the shell starts").stdout).into_owned()
    }

    #[track_caller]
    fn await_whole(&self, objects: u64) {
        let whole = format!("Blocks With All Copies: {objects}");
        eventually(REPAIR_SECONDS, "each block has its copies", || {
            self.report("summary").lines().any(|line| line.trim() == whole)
        });
    }

    /// Reads everything and writes more, again and again, while something happens; the first numbers of what was put.
    fn under_load(&self, happens: impl FnOnce()) -> u64 {
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    (0..OBJECTS).for_each(|n| self.check(n));
                }
            });
            let writer = scope.spawn(|| {
                let mut n = OBJECTS;
                while !over.load(Ordering::Relaxed) {
                    assert_eq!(self.put(n), 200, "object {n}");
                    n += 1;
                }
                n
            });
            happens();
            over.store(true, Ordering::Relaxed);
            reader.join().expect("no read fails");
            writer.join().expect("no write fails")
        })
    }

    fn disks_failed(&self) -> bool {
        self.cluster.metric(WORKER, "weir_worker_disk_failed") > 0.0
    }
}

/// Every other one has a file of its own.
fn body(n: u64) -> Vec<u8> {
    noise(n, if n.is_multiple_of(2) { 400_000 } else { 20_000 })
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn block_files(folder: &Path) -> usize {
    files_under(folder).iter().filter(|path| path.extension().is_some_and(|kind| kind == "block")).count()
}

/// Something mounted for a test, as long as it runs.
struct Mounted(PathBuf);

impl Mounted {
    /// None where this process may not mount.
    fn new(folder: &Path, arguments: &[&str]) -> Option<Self> {
        let done = Command::new("mount").args(arguments).arg(folder).stderr(Stdio::null()).status();
        done.is_ok_and(|status| status.success()).then(|| Self(folder.to_owned()))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).stderr(Stdio::null()).status();
    }
}

#[test]
fn a_disk_that_goes_away_is_done_without_and_missed_at_the_next_start() {
    let mut house = House::start();
    (0..OBJECTS).for_each(|n| assert_eq!(house.put(n), 200));
    house.await_whole(OBJECTS);
    assert!(block_files(&house.second) > 0, "both folders have blocks");

    let away = house.cluster.data().join("away");
    let count = house.under_load(|| {
        fs::rename(&house.second, &away).expect("a folder can be moved");
        fs::create_dir(&house.second).expect("a folder can be made");
        eventually(REPAIR_SECONDS, "the disk is known to be gone", || house.disks_failed());
        std::thread::sleep(std::time::Duration::from_secs(1));
    });
    house.await_whole(count);
    assert_eq!(block_files(&house.second), 0, "nothing went to what lies in its place");
    let report = house.report("capacity");
    let failed = report.lines().filter(|line| line.contains(" FAILED ")).count();
    assert_eq!(failed, 1, "{report}");
    (0..count).for_each(|n| house.check(n));

    house.cluster.kill(WORKER);
    let flags = ["--data", &text(&house.second)];
    let said = house.cluster.refusal(WORKER, &flags);
    assert!(
        said.contains("is missing, and there is an empty folder") && said.contains("worker.forget_disks"),
        "{said}"
    );
    fs::remove_dir(&house.second).expect("it is empty");
    fs::rename(&away, &house.second).expect("a folder can be moved");
    house.cluster.restart_with(WORKER, &flags);
    house.await_whole(count);
    assert!(!house.disks_failed());
    (0..count).for_each(|n| house.check(n));
    house.cluster.assert_well();
}

#[test]
fn a_disk_that_is_full_gets_nothing_and_no_write_fails() {
    let small = |second: &Path| Mounted::new(second, &["-t", "tmpfs", "-o", "size=16m,mode=0700", "tmpfs"]);
    let house = House::start_over(small);
    if house.mounted.is_none() {
        eprintln!("not run: it mounts, which takes root");
        return;
    }
    (0..OBJECTS).for_each(|n| assert_eq!(house.put(n), 200));
    house.await_whole(OBJECTS);
    let ballast = house.second.join("ballast");
    let count = house.under_load(|| {
        // To the last byte: the file ends where the disk does.
        fs::write(&ballast, vec![1; 32 << 20]).expect_err("the disk is smaller");
        std::thread::sleep(std::time::Duration::from_secs(3));
    });
    house.await_whole(count);
    assert!(!house.disks_failed(), "full is not broken");
    (0..count).for_each(|n| house.check(n));
    house.cluster.assert_well();
}

#[test]
fn the_blocks_of_a_disk_that_dies_get_copies_elsewhere_and_no_read_fails() {
    let mut house = House::start_over(|second| {
        let image = second.with_extension("image");
        let made = fs::File::create(&image).and_then(|file| file.set_len(256 << 20));
        made.expect("a file can be made");
        let formatted = Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image).stderr(Stdio::null()).status();
        let is_formatted = formatted.is_ok_and(|status| status.success());
        is_formatted.then(|| Mounted::new(second, &["-o", "loop", &text(&image)])).flatten()
    });
    if house.mounted.is_none() {
        eprintln!("not run: it mounts a file, which takes root and mkfs.ext4");
        return;
    }
    (0..OBJECTS).for_each(|n| assert_eq!(house.put(n), 200));
    house.await_whole(OBJECTS);
    let count = house.under_load(|| {
        shut_down(&house.second);
        eventually(REPAIR_SECONDS, "the disk is known to be dead", || house.disks_failed());
        std::thread::sleep(std::time::Duration::from_secs(1));
    });
    house.await_whole(count);
    assert!(house.report("capacity").contains(" FAILED "));
    (0..count).for_each(|n| house.check(n));

    // A new one is put in its place.
    house.cluster.kill(WORKER);
    house.mounted = None;
    let second = text(&house.second);
    let said = house.cluster.refusal(WORKER, &["--data", &second]);
    let id = said.split("worker.forget_disks to ").nth(1).and_then(|rest| rest.get(..16)).expect("it names the disk");
    house.cluster.restart_with(WORKER, &["--data", &second, "--set", &format!("worker.forget_disks={id}")]);
    house.await_whole(count);
    (0..count).for_each(|n| house.check(n));
    house.cluster.assert_well();
}

/// Nothing can be read from or written to the file system any more (`EXT4_IOC_SHUTDOWN`, without a flush of the log).
fn shut_down(folder: &Path) {
    let script = "import fcntl, os, struct, sys\n\
                  fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack('I', 2))";
    let done = Command::new("python3").args(["-c", script]).arg(folder).status().expect("there is Python");
    assert!(done.success(), "ext4 can be shut down");
}
