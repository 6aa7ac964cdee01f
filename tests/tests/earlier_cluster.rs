//! Data folders of a cluster that earlier versions left, opened by this one. `tests/earlier/make-cluster` made them: a
//! metaserver with its standby, three workers, and a fourth one with two folders.

use serde_json::Value;
use std::fs;
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use weir_tests::cluster::{Cluster, Options};
use weir_tests::digest::sha256_hex;
use weir_tests::{binary, eventually};

const SECONDS: u64 = 60;

const SETTINGS: &str = "
[metaserver]
replication = 2
heartbeat_interval_ms = 200
worker_timeout_ms = 2000
repair_delay_ms = 600000
repair_scan_interval_ms = 500
[worker]
segment_bytes = \"1 MiB\"
";

/// The archives, the oldest first.
fn archives() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("earlier/cluster");
    let mut found: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

fn unpack(archive: &Path, data: &Path) -> io::Result<()> {
    let folder = data.parent().expect("a cluster's folder lies in one of the test");
    let done = Command::new("tar").arg("xzf").arg(archive).arg("-C").arg(folder).status()?;
    if done.success() { Ok(()) } else { Err(io::Error::other("tar failed")) }
}

/// The worker with two folders. Dropping it kills it.
struct Fourth(Child);

impl Fourth {
    fn start(cluster: &Cluster) -> Self {
        let data = cluster.data();
        let folders = ["both-1", "both-2"].map(|name| data.join(name).to_string_lossy().into_owned()).join(",");
        let metaservers = cluster.processes().into_iter().filter(|process| process.name.starts_with("metaserver"));
        let metaservers: Vec<String> = metaservers.map(|process| process.address.to_string()).collect();
        let mut command = binary::command();
        // Others must be told where it listens.
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port is free").port();
        let listen = format!("127.0.0.1:{port}");
        command.args(["worker", "--listen", &listen, "--admin-listen", "127.0.0.1:0", "--data", &folders]);
        command
            .args(["--metaserver", &metaservers.join(",")])
            .env("WEIR_CONFIG", data.parent().unwrap().join("weir.toml"));
        command.env("WEIR_CLUSTER_SECRET_FILE", data.join("cluster-secret"));
        Self(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("weir starts"))
    }
}

impl Drop for Fourth {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn check(cluster: &Cluster, expected: &Value) {
    let client = cluster.client(1);
    for object in expected["objects"].as_array().unwrap() {
        let path = object["path"].as_str().unwrap();
        assert_eq!(sha256_hex(&client.get(path).expect(200).body), object["sha256"].as_str().unwrap(), "{path}");
    }
    for path in expected["gone"].as_array().unwrap() {
        client.get(path.as_str().unwrap()).expect_error(404, "NoSuchKey");
    }
}

/// Waits until the report has these words.
#[track_caller]
fn await_report(cluster: &Cluster, words: &str) {
    eventually(SECONDS, words, || cluster.fsadmin(&["report"]).1.lines().any(|line| line.trim().starts_with(words)));
}

fn address(cluster: &Cluster, name: &str) -> String {
    cluster.process(name).address.to_string()
}

#[test]
fn a_cluster_of_an_earlier_version_is_read_also_without_a_worker_and_from_its_standby() {
    let archives = archives();
    assert!(!archives.is_empty());
    for archive in archives {
        let flags = ["--metaservers", "2"].map(str::to_owned).to_vec();
        let options = Options { gateways: 1, flags, ..Options::default().with_settings(SETTINGS) };
        let mut cluster = Cluster::start_prepared(options, |data| unpack(&archive, data));
        let _fourth = Fourth::start(&cluster);
        let expected = fs::read(cluster.data().parent().unwrap().join("expected.json")).unwrap();
        let expected: Value = serde_json::from_slice(&expected).unwrap();
        await_report(&cluster, "Live Workers: 4");
        await_report(&cluster, "Under-Replicated Blocks: 0");
        await_report(&cluster, "Lost Blocks: 0");
        check(&cluster, &expected);
        let (_, capacity) = cluster.fsadmin(&["report", "capacity"]);
        assert_eq!(capacity.lines().filter(|line| line.starts_with("    Disk ")).count(), 2, "{capacity}");
        for bucket in ["copied", "coded"] {
            cluster.client(1).put(&format!("/{bucket}/new"), vec![7; 300_000]).expect(200);
        }
        await_report(&cluster, &format!("Standby: {} (", address(&cluster, "metaserver-2")));
        cluster.kill("worker-1");
        check(&cluster, &expected);
        cluster.restart("worker-1");
        let in_sync = || cluster.fsadmin(&["report"]).1.contains(": in sync");
        eventually(SECONDS, "the standby has all", in_sync);
        cluster.kill("metaserver-1");
        let promoted = cluster.fsadmin(&["promote", &address(&cluster, "metaserver-2")]);
        assert!(promoted.0, "{}", promoted.1);
        eventually(SECONDS, "the gateway has found it", || cluster.client(1).get("/coded/new").status == 200);
        check(&cluster, &expected);
    }
}
