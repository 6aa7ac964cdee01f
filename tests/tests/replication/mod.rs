//! Copies on several workers, with real processes: workers that die or are paused in the middle of a write or a read
//! are noticed by nobody.

mod cluster;

use cluster::Cluster;
use std::time::{Duration, Instant};
use weir_tests::noise;

const MIB: usize = 1 << 20;
/// An unoptimised server needs seconds for what an optimised one does at once.
const OBJECT_BYTES: usize = if cfg!(debug_assertions) { 48 * MIB } else { 200 * MIB };
const FRAME_BYTES: usize = 256 << 10;
/// Blocks that are longer than what gateways keep of one, so that they are cut.
const SETTINGS: &str = "[gateway]\nblock_max_bytes = 16777216\nlocal_reads = false\n";
const LOCAL_SETTINGS: &str = "[gateway]\nblock_max_bytes = 16777216\n";
/// A write goes on within ten seconds of a failure, and a read too.
const RECOVERY: Duration = Duration::from_secs(10);

/// Sends an object, and calls `disturb` after these bytes of it. Returns the longest time that the gateway took nothing.
fn put_disturbed(cluster: &Cluster, path: &str, body: &[u8], disturb: &mut dyn FnMut(usize)) -> Duration {
    let client = cluster.client();
    let mut connection = client.open().unwrap();
    let head = client.request("PUT", path).without_length().header("content-length", &body.len().to_string());
    connection.send(&head.head_bytes()).unwrap();
    let (mut sent, mut longest) = (0, Duration::ZERO);
    for frame in body.chunks(FRAME_BYTES) {
        let began = Instant::now();
        connection.send(frame).unwrap();
        longest = longest.max(began.elapsed());
        sent += frame.len();
        disturb(sent);
    }
    let began = Instant::now();
    connection.read_answer("PUT").unwrap().expect(200);
    longest.max(began.elapsed())
}

#[test]
fn a_write_goes_on_when_its_workers_are_killed_and_paused() {
    let mut cluster = Cluster::start(4, SETTINGS);
    cluster.client().bucket("kept");
    let body = noise(1, OBJECT_BYTES);
    let (mut killed, mut paused) = (None, None);
    let mut before = cluster.block_bytes();
    let processes = cluster.workers();
    let longest = put_disturbed(&cluster, "/kept/object", &body, &mut |sent| {
        if sent != OBJECT_BYTES / 3 && sent != OBJECT_BYTES * 2 / 3 {
            return;
        }
        // One that has got something of this object, and is still there.
        let now = cluster.block_bytes();
        let has_grown = |worker: &usize| now[*worker] > before[*worker] && killed != Some(*worker);
        let worker = (0..4).find(has_grown).expect("somewhere it is");
        before = now;
        if killed.is_none() {
            processes[worker].kill9();
            killed = Some(worker);
        } else {
            processes[worker].pause();
            paused = Some(worker);
        }
    });
    println!("killed {killed:?}, paused {paused:?}; the longest wait was {longest:?}");
    assert!(longest < RECOVERY, "{longest:?}");
    // The one that is paused answers nothing, and what is read is there all the same.
    let began = Instant::now();
    assert!(cluster.client().get("/kept/object").expect(200).body == body);
    println!("read after {:?}", began.elapsed());
    assert!(killed.is_some() && paused.is_some());
    processes[paused.unwrap()].resume();
    cluster.assert_well(killed);
}

#[test]
fn a_read_goes_on_when_its_workers_are_killed_and_paused() {
    read_disturbed(SETTINGS);
}

#[test]
fn a_read_from_files_goes_on_too() {
    read_disturbed(LOCAL_SETTINGS);
}

fn read_disturbed(settings: &str) {
    let mut cluster = Cluster::start(4, settings);
    let client = cluster.client();
    client.bucket("kept");
    let body = noise(2, OBJECT_BYTES);
    client.put("/kept/object", body.clone()).expect(200);
    let processes = cluster.workers();
    let mut connection = client.open().unwrap();
    connection.send(&client.request("GET", "/kept/object").head_bytes()).unwrap();
    let head = connection.read_head().unwrap();
    let mut read = Vec::new();
    let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
    connection
        .read_body(&head, "GET", &mut |data| {
            longest = longest.max(last.elapsed());
            let before = read.len();
            read.extend_from_slice(data);
            // Every block has three copies on four workers: one of the two that are left has it.
            for (at, act) in [(OBJECT_BYTES / 3, true), (OBJECT_BYTES / 2, false)] {
                if before < at && read.len() >= at {
                    if act { processes[0].kill9() } else { processes[1].pause() }
                }
            }
            last = Instant::now();
        })
        .unwrap();
    println!("the longest wait was {longest:?}");
    assert!(read == body);
    assert!(longest < RECOVERY, "{longest:?}");
    processes[1].resume();
    cluster.assert_well(Some(0));
}

#[test]
fn with_too_few_workers_a_write_is_refused_until_there_are_more() {
    let mut cluster = Cluster::start(2, SETTINGS);
    let client = cluster.client();
    client.bucket("kept");
    client.put("/kept/two-of-three", noise(3, MIB)).expect(200);
    cluster.workers()[0].kill9();
    let refused = client.put("/kept/one-of-three", noise(3, MIB)).expect(503);
    assert!(refused.header("retry-after").is_some());
    assert!(client.get("/kept/two-of-three").expect(200).body == noise(3, MIB));
    cluster.fsadmin(&["bucket", "set", "kept", "--replication", "1"]);
    weir_tests::eventually(5, "the bucket's own number holds", || client.put("/kept/one", noise(3, MIB)).status == 200);
    assert!(client.get("/kept/one").expect(200).body == noise(3, MIB));
    cluster.assert_well(Some(0));
}
