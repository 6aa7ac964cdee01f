//! Copies that are lost come back, whatever took them; workers are emptied; what nobody needs goes.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use weir_tests::cluster::{Cluster, Options};
use weir_tests::server::files_under;
use weir_tests::{binary, eventually, noise};

const OBJECTS: u64 = 24;
const REPAIR_SECONDS: u64 = 120;

/// Quick enough for a test: a worker is lost after a second, and done without after two. What the report tells is fresh.
const SETTINGS: &str = "
[metaserver]
replication = 2
heartbeat_interval_ms = 100
worker_timeout_ms = 1000
repair_delay_ms = 1000
repair_scan_interval_ms = 500
";

fn start() -> Cluster {
    let cluster = Cluster::start_with(Options { gateways: 1, ..Options::default().with_settings(SETTINGS) });
    assert_eq!(cluster.client(1).request("PUT", "/photos").send().status, 200);
    cluster
}

/// What a command of the shell says, and its exit code.
fn weir(cluster: &Cluster, shell: &str, arguments: &[&str]) -> (String, Option<i32>) {
    let metaserver = cluster.process("metaserver-1").address.to_string();
    let mut command = Command::new(binary::weir());
    command.env("WEIR_CLUSTER_SECRET_FILE", cluster.data().join("cluster-secret"));
    let output = command.args([shell, "--metaserver", &metaserver]).args(arguments).output().expect("the shell starts");
    (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.code())
}

/// A figure of `fsadmin report`; none while it does not tell.
fn figure(report: &str, name: &str) -> Option<u64> {
    let line = report.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(": "));
    line?.parse().ok()
}

/// Puts objects of one block each, whose blocks are files of their own or lie in segments.
fn fill(cluster: &Cluster) {
    let client = cluster.client(1);
    for n in 0..OBJECTS {
        assert_eq!(client.put(&format!("/photos/object-{n}"), body(n)).status, 200);
    }
}

fn body(n: u64) -> Vec<u8> {
    noise(n, if n.is_multiple_of(2) { 400_000 } else { 20_000 })
}

#[track_caller]
fn check_all(cluster: &Cluster) {
    for n in 0..OBJECTS {
        let answer = cluster.client(1).get(&format!("/photos/object-{n}"));
        assert_eq!(answer.status, 200, "object {n}");
        assert!(answer.body == body(n), "object {n} is what was put");
    }
}

/// How many blocks each worker says that it has; none of one that does not answer.
fn block_counts(cluster: &Cluster) -> Vec<u64> {
    let (report, _) = weir(cluster, "fsadmin", &["report", "capacity"]);
    let of = |address: String| {
        let line = report.lines().find(|line| line.starts_with(&address) && !line.contains("LOST"))?;
        line.split_whitespace().rev().nth(1)?.parse().ok()
    };
    cluster.of_role("worker").into_iter().map(|worker| of(worker.address.to_string()).unwrap_or(0)).collect()
}

/// All blocks have all their copies, and nothing else is there.
#[track_caller]
fn await_whole(cluster: &Cluster) {
    eventually(REPAIR_SECONDS, "each block has its copies, and no others", || {
        let (report, _) = weir(cluster, "fsadmin", &["report"]);
        let is = |name: &str, count| figure(&report, name) == Some(count);
        is("Blocks With All Copies", OBJECTS)
            && is("Surplus Copies", 0)
            && is("Damaged Or Missing Copies", 0)
            && block_counts(cluster).iter().sum::<u64>() == 2 * OBJECTS
    });
}

#[test]
fn copies_of_a_killed_worker_are_made_on_others_and_dropped_when_it_is_back() {
    let mut cluster = start();
    fill(&cluster);
    await_whole(&cluster);
    assert!(block_counts(&cluster)[0] > 0);
    let listed = weir(&cluster, "fs", &["ls", "/photos"]).0;
    assert_eq!(listed.matches(" 100% /photos/").count() as u64, OBJECTS, "{listed}");

    cluster.kill("worker-1");
    eventually(REPAIR_SECONDS, "the loss shows", || {
        weir(&cluster, "fs", &["ls", "/photos"]).0.contains(" 50% /photos/")
    });
    eventually(REPAIR_SECONDS, "the others have all copies", || block_counts(&cluster) == [0, OBJECTS, OBJECTS]);
    eventually(REPAIR_SECONDS, "that shows, too", || {
        let listed = weir(&cluster, "fs", &["ls", "/photos"]).0;
        listed.matches(" 100% /photos/").count() as u64 == OBJECTS
    });
    check_all(&cluster);

    cluster.restart("worker-1");
    await_whole(&cluster);
    check_all(&cluster);
    cluster.assert_well();
}

#[test]
fn a_damaged_block_file_and_one_that_is_gone_are_repaired() {
    let mut cluster = start();
    fill(&cluster);
    await_whole(&cluster);
    let files = |cluster: &Cluster| -> Vec<PathBuf> {
        let data = cluster.process("worker-2").data.expect("a worker has a folder");
        files_under(&data)
    };
    let is_block = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "block");
    let blocks: Vec<PathBuf> = files(&cluster).into_iter().filter(is_block).collect();
    cluster.kill("worker-2");
    let mut damaged = fs::read(&blocks[0]).expect("a block's file can be read");
    damaged[9_000] ^= 1;
    fs::write(&blocks[0], &damaged).expect("a block's file can be written");
    fs::remove_file(&blocks[1]).expect("a block's file can be removed");
    cluster.restart("worker-2");
    eventually(REPAIR_SECONDS, "a read finds the damage, and gives what was put", || {
        check_all(&cluster);
        !fs::read(&blocks[0]).is_ok_and(|now| now == damaged)
    });
    await_whole(&cluster);
    let is_set_aside = |path: &PathBuf| path.components().any(|part| part.as_os_str() == "quarantine");
    eventually(REPAIR_SECONDS, "what was set aside is gone", || !files(&cluster).iter().any(is_set_aside));
    check_all(&cluster);
    cluster.assert_well();
}

#[test]
fn a_worker_is_emptied_by_command_and_taken_back() {
    let cluster = start();
    fill(&cluster);
    let [first, second] = ["worker-1", "worker-2"].map(|name| cluster.process(name).address.to_string());
    let fsadmin = |arguments: &[&str]| weir(&cluster, "fsadmin", arguments);
    let (said, code) = fsadmin(&["decommissionWorker", "-a", "127.0.0.1:1"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("127.0.0.1:1 is not a worker's"), "{said}");
    let (said, code) = fsadmin(&["decommissionWorker", "-a", &second, "-w", "2m"]);
    assert_eq!((said, code), (format!("Empty: {second}\n"), Some(0)));
    await_whole(&cluster);
    assert_eq!(block_counts(&cluster)[1], 0);
    let (report, _) = fsadmin(&["report", "capacity"]);
    assert!(report.lines().any(|line| line.starts_with(&second) && line.contains("DRAINED")), "{report}");
    check_all(&cluster);

    let (said, code) = fsadmin(&["decommissionWorker", "-a", &first, "-w", "1s"]);
    assert_eq!(code, Some(3), "two copies do not fit on the one that is left: {said}");
    assert_eq!(fsadmin(&["enableWorker", "-a", &format!("{first},{second}")]).1, Some(0));
    assert_eq!(fsadmin(&["rebalance"]).1, Some(0));
    eventually(REPAIR_SECONDS, "the emptied worker gets its share", || block_counts(&cluster)[1] > 0);
    await_whole(&cluster);
    check_all(&cluster);
    cluster.assert_well();
}

#[test]
fn copies_are_spread_again_when_a_worker_is_in_another_zone() {
    let mut cluster = start();
    for (name, zone) in [("worker-1", "a"), ("worker-2", "b"), ("worker-3", "b")] {
        cluster.kill(name);
        cluster.restart_with(name, &["--set", &format!("worker.zone={zone}")]);
    }
    eventually(REPAIR_SECONDS, "all workers are back", || {
        weir(&cluster, "fsadmin", &["report"]).0.contains("Live Workers: 3")
    });
    fill(&cluster);
    // The gateway may have placed the first ones before it learnt the zones.
    eventually(REPAIR_SECONDS, "each block has a copy on the one worker of zone a", || {
        block_counts(&cluster)[0] == OBJECTS
    });
    await_whole(&cluster);

    // Now the first one is in zone b with the second, and the third alone in another.
    for (name, zone) in [("worker-1", "b"), ("worker-3", "c")] {
        cluster.kill(name);
        cluster.restart_with(name, &["--set", &format!("worker.zone={zone}")]);
    }
    eventually(REPAIR_SECONDS, "each block has a copy in the zone of the third worker", || {
        check_all(&cluster);
        block_counts(&cluster)[2] == OBJECTS
    });
    await_whole(&cluster);
    eventually(REPAIR_SECONDS, "that shows", || {
        let (report, _) = weir(&cluster, "fsadmin", &["report"]);
        figure(&report, "Blocks Not Spread As They Could Be") == Some(0)
    });
    check_all(&cluster);
    cluster.assert_well();
}
