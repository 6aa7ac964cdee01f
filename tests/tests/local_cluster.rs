//! A cluster in one command: each role a process of its own.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;
use weir_tests::cluster::{Options, is_running};
use weir_tests::{Cluster, binary, eventually, noise};

const MIB: usize = 1 << 20;

fn pids(cluster: &Cluster) -> Vec<u32> {
    cluster.processes().iter().filter_map(|process| process.pid).collect()
}

/// `weir local-cluster` over a folder, until it ends by itself.
fn refused(data: &Path, flags: &[&str]) -> Output {
    let mut command = binary::command();
    command.arg("local-cluster").arg("--data").arg(data).args(flags).current_dir(data.parent().unwrap());
    command.output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn each_role_is_a_process_and_the_gateways_serve_the_same() {
    let mut cluster = Cluster::start();
    let table = cluster.table();
    let roles: Vec<&str> = table.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(roles, ["ROLE", "metaserver", "worker", "worker", "worker", "gateway", "gateway"]);
    for process in cluster.processes() {
        let pid = process.pid.expect("all of them run");
        assert!(is_running(pid));
        let line = table.lines().find(|line| line.contains(&format!("  {pid}  "))).expect("each has a line");
        assert!(line.contains(&process.address.to_string()) && line.starts_with(&process.role), "{line}");
        assert_eq!(process.data.is_some_and(|data| data.is_dir()), process.role != "gateway");
        assert_eq!(cluster.admin(&process.name, "/healthz").status, 200);
    }
    let secret = cluster.data().join("cluster-secret");
    assert_eq!(fs::metadata(secret).unwrap().permissions().mode() & 0o777, 0o600);

    let body = noise(1, 3 * MIB);
    cluster.client(1).bucket("films");
    cluster.client(1).put("/films/short", body.clone()).expect(200);
    assert!(cluster.client(2).get("/films/short").expect(200).body == body);

    let all = pids(&cluster);
    assert!(cluster.stop().success(), "{}", cluster.said());
    assert!(all.iter().all(|&pid| !is_running(pid)));
    assert!(pids(&cluster).is_empty());
    cluster.assert_well();
}

#[test]
fn started_again_a_cluster_has_its_objects_and_its_ports() {
    let mut cluster = Cluster::start();
    let body = noise(2, 2 * MIB);
    cluster.client(1).bucket("kept");
    cluster.client(1).put("/kept/k", body.clone()).expect(200);
    let addresses = |cluster: &Cluster| -> Vec<_> {
        cluster.processes().iter().map(|process| (process.name.clone(), process.address)).collect()
    };
    let before = addresses(&cluster);
    cluster.stop();
    cluster.start_again();
    assert_eq!(addresses(&cluster), before);
    assert!(cluster.client(2).get("/kept/k").expect(200).body == body);
    // A power cut, as far as the processes can tell.
    cluster.kill9();
    cluster.start_again();
    assert!(cluster.client(1).get("/kept/k").expect(200).body == body);
}

#[test]
fn who_is_killed_stays_dead_until_someone_starts_it() {
    let mut cluster = Cluster::start();
    let client = cluster.client(1);
    client.bucket("kept");
    client.put("/kept/k", noise(3, MIB)).expect(200);
    cluster.kill("gateway-2");
    cluster.kill("worker-3");
    std::thread::sleep(std::time::Duration::from_millis(1_500));
    assert_eq!(cluster.process("worker-3").pid, None);
    assert!(cluster.said().contains("worker-3"), "{}", cluster.said());
    assert_eq!(client.get("/").expect(200).status, 200);
    cluster.restart("gateway-2");
    cluster.restart("worker-3");
    assert!(cluster.client(2).get("/kept/k").expect(200).body == noise(3, MIB));
    assert!(cluster.stop().success());
}

#[test]
fn who_is_killed_is_started_again_if_that_is_wished() {
    let options = Options { workers: 1, gateways: 1, flags: vec!["--respawn".into()], ..Options::default() };
    let mut cluster = Cluster::start_with(options);
    cluster.client(1).bucket("kept");
    cluster.client(1).put("/kept/k", noise(4, MIB)).expect(200);
    for name in ["worker-1", "metaserver-1", "gateway-1"] {
        let before = cluster.process(name).pid;
        cluster.kill(name);
        eventually(30, "a killed process comes back", || {
            let now = cluster.process(name).pid;
            now.is_some() && now != before
        });
    }
    eventually(30, "the object can be read again", || {
        let answer = cluster.client(1).request("GET", "/kept/k").try_send();
        answer.is_ok_and(|answer| answer.status == 200 && answer.body == noise(4, MIB))
    });
}

#[test]
fn a_paused_worker_goes_on_and_ends_in_order() {
    let mut cluster = Cluster::start_with(Options { workers: 1, gateways: 1, ..Options::default() });
    cluster.client(1).bucket("kept");
    cluster.pause("worker-1");
    cluster.resume("worker-1");
    cluster.client(1).put("/kept/k", noise(5, MIB)).expect(200);
    cluster.pause("worker-1");
    let began = std::time::Instant::now();
    assert!(cluster.stop().success());
    assert!(began.elapsed().as_secs() < 30, "the paused worker was waited for");
}

#[test]
fn none_is_left_when_the_first_process_is_killed() {
    let mut cluster = Cluster::start_with(Options { workers: 2, ..Options::default() });
    let all = pids(&cluster);
    assert_eq!(all.len(), 5);
    cluster.pause("worker-2");
    cluster.kill9();
    assert!(all.iter().all(|&pid| !is_running(pid)));
}

#[test]
fn with_root_keys_every_gateway_asks_for_them() {
    let keys = [("WEIR_ROOT_ACCESS_KEY", "operator"), ("WEIR_ROOT_SECRET_KEY", "a secret of the operator's")];
    let environment = keys.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let cluster = Cluster::start_with(Options { workers: 1, environment, ..Options::default() });
    for gateway in [1, 2] {
        cluster.client(gateway).get("/").expect_error(403, "AccessDenied");
    }
}

#[test]
fn a_metaserver_that_is_lost_with_its_folder_is_replaced_by_its_standby() {
    let flags = ["--metaservers", "2", "--respawn"].map(str::to_owned).to_vec();
    let mut cluster = Cluster::start_with(Options { flags, ..Options::default() });
    let roles = |cluster: &Cluster| -> Vec<_> {
        let metaservers = cluster.processes().into_iter().filter(|process| process.name.starts_with("metaserver"));
        metaservers.map(|process| (process.name, process.role)).collect()
    };
    let role = |name: &str, role: &str| (name.to_owned(), role.to_owned());
    assert_eq!(roles(&cluster), [role("metaserver-1", "metaserver"), role("metaserver-2", "standby")]);
    assert!(cluster.table().contains("\nstandby "), "{}", cluster.table());
    let client = cluster.client(1);
    client.bucket("kept");
    let bodies = [noise(1, 100), noise(2, 3 * MIB)];
    for (number, body) in bodies.iter().enumerate() {
        client.put(&format!("/kept/{number}"), body.clone()).expect(200);
    }
    let are_kept = |cluster: &Cluster| {
        bodies.iter().enumerate().all(|(number, body)| {
            let answer = cluster.client(2).get(&format!("/kept/{number}"));
            answer.status == 200 && answer.body == *body
        })
    };

    fs::remove_dir_all(cluster.process("metaserver-1").data.expect("it has a folder")).unwrap();
    cluster.kill("metaserver-1");
    // It is started again, but not over nothing while the standby may be promoted.
    let (is_done, text) = cluster.fsadmin(&["promote", &cluster.process("metaserver-2").address.to_string()]);
    assert!(is_done && text.contains("Epoch    : 2"), "{text}");
    eventually(60, "what was acknowledged is there", || are_kept(&cluster));
    // It follows the other now, which takes no writes before.
    eventually(60, "writes are taken", || client.put("/kept/new", noise(3, MIB)).status == 200);
    assert_eq!(roles(&cluster), [role("metaserver-1", "standby"), role("metaserver-2", "metaserver")]);

    assert!(cluster.stop().success(), "{}", cluster.said());
    cluster.start_again();
    assert_eq!(roles(&cluster), [role("metaserver-1", "standby"), role("metaserver-2", "metaserver")]);
    assert!(are_kept(&cluster));
    cluster.client(1).get("/kept/new").expect(200);
    cluster.assert_well();
}

#[test]
fn what_can_not_start_says_why_and_leaves_nothing_running() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    for (flags, why) in [
        (["--metaservers", "3"], "3 is not in 1..=2"),
        (["--listen", "0.0.0.0:0"], "without keys anyone there could read and delete everything"),
        (["--workers", "0"], "0 is not in 1..=64"),
    ] {
        let output = refused(&data, &flags);
        assert_eq!((output.status.code(), said(&output).contains(why)), (Some(2), true), "{}", said(&output));
        assert!(!data.exists(), "{flags:?} has made a folder");
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = refused(&data, &["--listen", &address, "--gateways", "1"]);
    assert!(said(&output).contains(&format!("{address} is taken by another process")), "{}", said(&output));

    // A worker whose folder can't be one.
    fs::write(data.join("worker-2"), "a file").unwrap();
    let output = refused(&data, &["--listen", "127.0.0.1:0"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("worker-2 ended at its start"), "{}", said(&output));
    let record = fs::read_to_string(data.join("cluster.json")).unwrap();
    assert_eq!(record.matches("\"pid\": null").count(), 6, "{record}");
}

#[test]
fn only_one_cluster_has_a_folder_and_no_worker_is_left_out() {
    let mut cluster = Cluster::start_with(Options { workers: 2, gateways: 1, ..Options::default() });
    let output = refused(&cluster.data(), &["--listen", "127.0.0.1:0"]);
    assert!(said(&output).contains(&format!("(process {})", cluster.pid())), "{}", said(&output));
    cluster.stop();
    let output = refused(&cluster.data(), &["--listen", "127.0.0.1:0", "--workers", "1"]);
    assert!(said(&output).contains("has the blocks of 2 workers"), "{}", said(&output));
}

#[test]
fn health_tells_by_its_exit_code() {
    let mut cluster = Cluster::start_with(Options { workers: 1, gateways: 1, ..Options::default() });
    let health = |words: &[&str]| binary::command().arg("health").args(words).output().unwrap();
    let address = cluster.process("worker-1").admin_address.to_string();
    assert!(health(&[&address]).status.success());
    assert!(health(&["--alive", &address]).status.success());
    cluster.kill("worker-1");
    let output = health(&[&address]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("does not answer"), "{}", said(&output));
}
