//! A coded bucket with real processes: objects come back without some of their shards, and lost shards are rebuilt.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use weir_tests::cluster::{Cluster, Options};
use weir_tests::server::files_under;
use weir_tests::{binary, eventually, noise};

const REPAIR_SECONDS: u64 = 120;
const WORKERS: u16 = 5;
/// Several rows of 2+2, with an end that fills none; and one that is too short to be coded.
const LENGTHS: [usize; 3] = [131_072, 6_000_001, 50_000];

const SETTINGS: &str = "
[gateway]
block_max_bytes = 1048576
worker_silence_ms = 2000
[metaserver]
heartbeat_interval_ms = 100
worker_timeout_ms = 1000
repair_delay_ms = 1000
repair_scan_interval_ms = 500
[worker]
scrub_interval_ms = 2000
";

fn start() -> Cluster {
    let options = Options { workers: WORKERS, gateways: 1, ..Options::default() };
    let cluster = Cluster::start_with(options.with_settings(SETTINGS));
    assert_eq!(cluster.client(1).request("PUT", "/coded").send().status, 200);
    weir(&cluster, "fsadmin", &["bucket", "set", "coded", "--coding", "2+2"]);
    let shown = weir(&cluster, "fsadmin", &["bucket", "show", "coded"]);
    assert!(shown.contains("Coding          : 2+2"), "{shown}");
    // Gateways follow within a second.
    eventually(REPAIR_SECONDS, "the gateway codes what it stores", || {
        cluster.client(1).put("/coded/probe", noise(9, LENGTHS[0])).expect(200);
        weir(&cluster, "fs", &["stat", "/coded/probe"]).contains(", shard=3}")
    });
    cluster.client(1).delete("/coded/probe").expect(204);
    for (n, length) in (0..).zip(LENGTHS) {
        cluster.client(1).put(&format!("/coded/object-{n}"), noise(n, length)).expect(200);
    }
    cluster
}

/// What a command of the shell says.
#[track_caller]
fn weir(cluster: &Cluster, shell: &str, arguments: &[&str]) -> String {
    let metaserver = cluster.process("metaserver-1").address.to_string();
    let mut command = Command::new(binary::weir());
    command.env("WEIR_CLUSTER_SECRET_FILE", cluster.data().join("cluster-secret"));
    let output = command.args([shell, "--metaserver", &metaserver]).args(arguments).output().expect("the shell starts");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The block files of each worker.
fn block_files(cluster: &Cluster) -> Vec<Vec<PathBuf>> {
    let is_block = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "block");
    let of = |n: u16| {
        let data = cluster.process(&format!("worker-{n}")).data.expect("a worker has a folder");
        files_under(&data).into_iter().filter(is_block).collect()
    };
    (1..=WORKERS).map(of).collect()
}

#[track_caller]
fn check_all(cluster: &Cluster) {
    let client = cluster.client(1);
    for (n, length) in (0..).zip(LENGTHS) {
        let (path, body) = (format!("/coded/object-{n}"), noise(n, length));
        assert!(client.get(&path).expect(200).body == body, "object {n} is what was put");
        let (first, last) = (length / 3, length - 1_000);
        let request = client.request("GET", &path).header("range", &format!("bytes={first}-{last}"));
        assert!(request.send().expect(206).body == body[first..=last], "a range of object {n}");
    }
}

fn is_whole(cluster: &Cluster) -> bool {
    let report = weir(cluster, "fsadmin", &["report"]);
    let figure = |name: &str| -> Option<u64> {
        report.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(": "))?.parse().ok()
    };
    let listed = weir(cluster, "fs", &["ls", "/coded"]);
    figure("Surplus Copies") == Some(0)
        && figure("Damaged Or Missing Copies") == Some(0)
        && listed.matches(" 100% /coded/").count() == LENGTHS.len()
}

#[test]
fn a_coded_object_comes_back_without_two_of_its_workers_and_its_shards_are_rebuilt() {
    let mut cluster = start();
    eventually(REPAIR_SECONDS, "all is whole", || is_whole(&cluster));
    check_all(&cluster);
    let held: u64 = block_files(&cluster).iter().flatten().map(|path| fs::metadata(path).unwrap().len()).sum();
    let put: usize = LENGTHS.iter().sum();
    assert!(held < 5 * put as u64 / 2, "two bytes for each of {put}, and not three: {held}");

    cluster.kill("worker-1");
    cluster.kill("worker-2");
    check_all(&cluster);
    eventually(REPAIR_SECONDS, "the loss shows: three workers can't hold four shards", || !is_whole(&cluster));
    cluster.restart("worker-2");
    eventually(REPAIR_SECONDS, "the shards of the one that is gone are rebuilt on others", || is_whole(&cluster));
    let rebuilt: f64 =
        (2..=WORKERS).map(|n| cluster.metric(&format!("worker-{n}"), "weir_worker_rebuilt_shards_total")).sum();
    assert!(rebuilt > 0.0);
    check_all(&cluster);
    cluster.restart("worker-1");
    eventually(REPAIR_SECONDS, "what is there twice goes", || is_whole(&cluster));
    check_all(&cluster);
    cluster.assert_well();
}

#[test]
fn single_shards_that_are_damaged_or_gone_are_rebuilt_and_a_worker_is_emptied() {
    let mut cluster = start();
    eventually(REPAIR_SECONDS, "all is whole", || is_whole(&cluster));
    let files = block_files(&cluster).remove(2);
    assert!(files.len() >= 2, "{files:?}");
    cluster.kill("worker-3");
    let mut damaged = fs::read(&files[0]).expect("a block's file can be read");
    damaged[9_000] ^= 1;
    fs::write(&files[0], &damaged).expect("a block's file can be written");
    fs::remove_file(&files[1]).expect("a block's file can be removed");
    cluster.restart("worker-3");
    // By a read if the shard is one of data, by the scrubber if it is one of parity, which nothing else reads.
    eventually(REPAIR_SECONDS, "the damage is found and made good", || {
        check_all(&cluster);
        !fs::read(&files[0]).is_ok_and(|now| now == damaged) && is_whole(&cluster)
    });
    let address = cluster.process("worker-3").address.to_string();
    let said = weir(&cluster, "fsadmin", &["decommissionWorker", "-a", &address, "-w", "2m"]);
    assert_eq!(said, format!("Empty: {address}\n"));
    eventually(REPAIR_SECONDS, "others have what it had", || is_whole(&cluster));
    check_all(&cluster);
    assert!(block_files(&cluster)[2].is_empty());
    cluster.assert_well();
}
