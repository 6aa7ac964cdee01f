//! Copies that are lost come back, whatever took them; workers are emptied; what nobody needs goes.

mod roles;

use roles::Roles;
use std::fs;
use weir_tests::{eventually, noise};

const OBJECTS: u64 = 24;
const REPAIR_SECONDS: u64 = 60;

/// Puts objects whose blocks are files of their own, and some that lie in segments. Each is one block.
fn fill(roles: &Roles) -> u64 {
    let client = roles.client();
    for n in 0..OBJECTS {
        assert_eq!(client.put(&format!("/photos/object-{n}"), body(n)).status, 200);
    }
    // And the one that is there since the start.
    OBJECTS + 1
}

fn body(n: u64) -> Vec<u8> {
    noise(n, if n.is_multiple_of(2) { 400_000 } else { 20_000 })
}

#[track_caller]
fn check_all(roles: &Roles) {
    let client = roles.client();
    for n in 0..OBJECTS {
        let answer = client.get(&format!("/photos/object-{n}"));
        assert_eq!(answer.status, 200, "object {n}");
        assert!(answer.body == body(n), "object {n} is what was put");
    }
}

/// All blocks have all their copies, and nothing else is there.
#[track_caller]
fn await_whole(roles: &Roles, blocks: u64) {
    eventually(REPAIR_SECONDS, "each block has its copies, and no others", || {
        let figure = |name| roles.figure(name);
        figure("Blocks With All Copies") == blocks
            && figure("Surplus Copies") == 0
            && figure("Damaged Or Missing Copies") == 0
            && roles.block_counts().iter().sum::<u64>() == 2 * blocks
    });
}

#[test]
fn copies_of_a_killed_worker_are_made_on_others_and_dropped_when_it_is_back() {
    let mut roles = Roles::start(3);
    let blocks = fill(&roles);
    await_whole(&roles, blocks);
    assert!(roles.fs(&["ls", "/photos/object-0"]).contains(" 100% /photos/object-0"));
    let before = roles.block_counts();
    assert!(before[0] > 0, "{before:?}");

    roles.kill("worker-0");
    eventually(REPAIR_SECONDS, "the loss shows", || roles.figure("Under-Replicated Blocks") > 0);
    let listed = roles.fs(&["ls", "/photos"]);
    assert!(listed.contains(" 50% /photos/"), "{listed}");
    eventually(REPAIR_SECONDS, "the others have all copies", || {
        roles.figure("Blocks With All Copies") == blocks && roles.figure("Under-Replicated Blocks") == 0
    });
    assert!(!roles.fs(&["ls", "/photos"]).contains(" 50% "));
    check_all(&roles);
    assert_eq!(roles.block_counts()[1..], [blocks, blocks]);

    roles.run("worker-0");
    await_whole(&roles, blocks);
    check_all(&roles);
}

#[test]
fn a_damaged_block_file_and_one_that_is_gone_are_repaired() {
    let mut roles = Roles::start(3);
    let blocks = fill(&roles);
    let with_two = (0..3).find(|number| roles.block_files(*number).len() > 1).expect("there are many");
    await_whole(&roles, blocks);
    let name = format!("worker-{with_two}");
    let files = roles.block_files(with_two);
    roles.kill(&name);
    let mut damaged = fs::read(&files[0]).unwrap();
    damaged[9_000] ^= 1;
    fs::write(&files[0], &damaged).unwrap();
    fs::remove_file(&files[1]).unwrap();
    roles.run(&name);
    eventually(REPAIR_SECONDS, "a read finds the damage", || {
        check_all(&roles);
        fs::read(&files[0]).is_ok_and(|now| now != damaged) || !files[0].exists()
    });
    await_whole(&roles, blocks);
    assert!(files_of_quarantine(&roles, with_two).is_empty(), "what was set aside is gone");
    check_all(&roles);
}

fn files_of_quarantine(roles: &Roles, number: usize) -> Vec<std::path::PathBuf> {
    weir_tests::server::files_under(&roles.worker_folder(number).join("quarantine"))
}

#[test]
fn a_worker_is_emptied_by_command_and_taken_back() {
    let roles = Roles::start(3);
    let blocks = fill(&roles);
    let worker = roles.worker_address(1);
    let (said, code) = roles.fsadmin(&["decommissionWorker", "-a", "127.0.0.1:1"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("127.0.0.1:1 is not a worker's"), "{said}");
    let (said, code) = roles.fsadmin(&["decommissionWorker", "-a", &worker, "-w", "60s"]);
    assert_eq!((said, code), (format!("Empty: {worker}\n"), Some(0)));
    await_whole(&roles, blocks);
    assert_eq!(roles.block_counts()[1], 0);
    let (report, _) = roles.fsadmin(&["report", "capacity"]);
    assert!(report.lines().any(|line| line.starts_with(&worker) && line.contains("DRAINED")), "{report}");
    check_all(&roles);

    let other = roles.worker_address(0);
    let (said, code) = roles.fsadmin(&["decommissionWorker", "-a", &other, "-w", "1s"]);
    assert_eq!(code, Some(3), "two copies do not fit on the one that is left: {said}");
    assert_eq!(roles.fsadmin(&["enableWorker", "-a", &format!("{worker},{other}")]).1, Some(0));
    assert_eq!(roles.fsadmin(&["rebalance"]).1, Some(0));
    eventually(REPAIR_SECONDS, "the emptied worker gets its share", || roles.block_counts()[1] > 0);
    await_whole(&roles, blocks);
    check_all(&roles);
}
