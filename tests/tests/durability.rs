//! Damage on the disk, and crashes: the documented outcome, and nothing that was acknowledged is lost.

use crate::multipart::Upload;
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use weir_tests::digest::etag;
use weir_tests::server::files_under;
use weir_tests::{Client, Server, eventually, noise};

const MIB: usize = 1 << 20;
/// Twice what is promised, since other sessions run beside this one.
const RESTART_SECONDS: u64 = 10;
const DAMAGED_BLOCKS: &str = "weir_worker_damaged_blocks_total";

/// Objects of each kind of storage, an open upload, and a few deletes.
fn fill(client: &Client) -> BTreeMap<String, Vec<u8>> {
    client.bucket("kept");
    let mut objects = BTreeMap::new();
    for (seed, size) in [0, 10, 8_000, 9_000, 100_000, 300_000, 3 * MIB].into_iter().enumerate() {
        let path = format!("/kept/{size}");
        let body = noise(seed as u64, size);
        client.put(&path, body.clone()).expect(200);
        objects.insert(path, body);
    }
    let upload = Upload::begin(client, "/kept/multipart", &[]);
    let (first, last) = (noise(50, 5 * MIB), noise(51, 1000));
    upload.part(1, &first);
    upload.part(2, &last);
    upload.complete(&[(1, etag(&first)), (2, etag(&last))]).expect(200);
    objects.insert("/kept/multipart".to_owned(), [first, last].concat());
    client.request("PUT", "/kept/copy").header("x-amz-copy-source", "/kept/100000").send().expect(200);
    objects.insert("/kept/copy".to_owned(), noise(4, 100_000));
    client.put("/kept/deleted", "x").expect(200);
    client.delete("/kept/deleted").expect(204);
    objects
}

fn check(client: &Client, objects: &BTreeMap<String, Vec<u8>>) {
    for (path, body) in objects {
        assert!(client.get(path).expect(200).body == *body, "{path}");
    }
    let keys: Vec<String> = objects.keys().map(|path| path["/kept/".len()..].to_owned()).collect();
    assert_eq!(client.get("/kept").expect(200).xml().texts("Contents", "Key"), keys);
    client.get("/kept/deleted").expect_error(404, "NoSuchKey");
    client.put("/kept/written-after", noise(99, 200_000)).expect(200);
    assert!(client.get("/kept/written-after").expect(200).body == noise(99, 200_000));
    client.delete("/kept/written-after").expect(204);
}

fn index_of(server: &Server) -> PathBuf {
    server.data().join("meta/index")
}

/// Stops the server by `stop`, does `damage`, starts it again: everything is there, and the log says `told`.
fn survives(stop: fn(&mut Server), damage: fn(&Server), told: &str) {
    let mut server = Server::start();
    let objects = fill(&server.client());
    stop(&mut server);
    let before = server.log().len();
    damage(&server);
    server.restart();
    let log = server.log()[before..].to_owned();
    assert!(log.contains(told), "the log does not say {told:?}:\n{log}");
    check(&server.client(), &objects);
    server.assert_alive();
}

fn orderly(server: &mut Server) {
    assert!(server.stop().success(), "{}", server.log());
}

fn overwrite(path: &Path, offset: u64, bytes: &[u8]) {
    OpenOptions::new().write(true).open(path).unwrap().write_all_at(bytes, offset).unwrap();
}

#[test]
fn a_server_stopped_in_order_keeps_everything() {
    survives(orderly, |_| {}, "");
}

#[test]
fn a_killed_server_keeps_everything() {
    survives(Server::kill9, |_| {}, "");
}

#[test]
fn a_missing_index_is_rebuilt() {
    survives(orderly, |server| fs::remove_dir_all(index_of(server)).unwrap(), "the index was rebuilt");
    survives(Server::kill9, |server| fs::remove_dir_all(index_of(server)).unwrap(), "the index was rebuilt");
}

#[test]
fn an_index_of_noise_is_rebuilt() {
    survives(
        Server::kill9,
        |server| {
            for file in files_under(&index_of(server)) {
                let length = fs::metadata(&file).unwrap().len().max(1000);
                fs::write(&file, noise(length, usize::try_from(length).unwrap())).unwrap();
            }
        },
        "the index was rebuilt",
    );
}

#[test]
fn an_index_cut_short_is_rebuilt() {
    survives(
        orderly,
        |server| {
            for file in files_under(&index_of(server)) {
                OpenOptions::new().write(true).open(&file).unwrap().set_len(100).unwrap();
            }
        },
        "the index was rebuilt",
    );
}

#[test]
fn bytes_flipped_all_over_the_index_change_no_answer() {
    survives(
        orderly,
        |server| {
            for file in files_under(&index_of(server)) {
                let length = fs::metadata(&file).unwrap().len();
                for offset in (64..length).step_by(997) {
                    overwrite(&file, offset, &[0xA5]);
                }
            }
        },
        "",
    );
}

#[test]
fn a_torn_tail_of_the_journal_is_cut() {
    survives(
        Server::kill9,
        |server| {
            let journal = files_under(&server.data().join("meta/journal"));
            let segment = journal.iter().rfind(|path| path.extension().is_some_and(|end| end == "journal"));
            // The last segment that has frames; one may be prepared ahead.
            let used = journal.iter().filter(|path| fs::read(path).unwrap()[64..].iter().any(|&byte| byte != 0));
            let segment = used.max().or(segment).unwrap();
            let bytes = fs::read(segment).unwrap();
            let end = bytes.iter().rposition(|&byte| byte != 0).unwrap() as u64 + 1;
            // The beginning of a frame that never became whole.
            let torn = [b"WFRM".to_vec(), noise(1, 300)].concat();
            overwrite(segment, end.next_multiple_of(8), &torn);
        },
        "tail",
    );
}

/// Finds bytes of an object among the blocks and flips one of them.
fn flip(server: &Server, body: &[u8], offset: usize) {
    let needle = &body[offset..offset + 24];
    for file in files_under(&server.data().join("blocks")) {
        let bytes = fs::read(&file).unwrap();
        if let Some(at) = bytes.windows(needle.len()).position(|window| window == needle) {
            overwrite(&file, at as u64, &[!needle[0]]);
            return;
        }
    }
    panic!("the object's bytes are in no file");
}

#[test]
fn a_flipped_byte_in_a_block_is_never_served() {
    for (size, offset) in [(20_000, 0), (20_000, 19_000), (200_000, 130_000), (400_000, 10), (400_000, 399_900)] {
        let mut server = Server::start();
        let client = server.client();
        client.bucket("kept");
        let (damaged, sound) = (noise(1, size), noise(2, size));
        client.put("/kept/damaged", damaged.clone()).expect(200);
        client.put("/kept/sound", sound.clone()).expect(200);
        orderly(&mut server);
        flip(&server, &damaged, offset);
        server.restart();
        let client = server.client();
        // Bytes before the damaged page may be on their way already: then the connection breaks after right ones.
        let (status, body) = read_what_comes(&server, "/kept/damaged");
        assert!(status == 500 || status == 200 && body.len() < size, "{status}");
        if status == 200 {
            assert!(body == damaged[..body.len()], "a wrong byte was served");
        }
        if offset == 0 || offset == 10 {
            assert_eq!(status, 500);
            client.get("/kept/damaged").expect_error(500, "InternalError");
        }
        assert!(server.metric(DAMAGED_BLOCKS) >= 1.0, "{}", server.admin("/metrics"));
        assert!(server.log().contains("damaged"), "{}", server.log());
        assert!(client.get("/kept/sound").expect(200).body == sound);
        assert_eq!(client.head("/kept/damaged").expect(200).must("content-length"), size.to_string());
        // It can be written anew, and deleted.
        client.put("/kept/damaged", damaged.clone()).expect(200);
        assert!(client.get("/kept/damaged").expect(200).body == damaged);
        client.delete("/kept/damaged").expect(204);
        server.assert_alive();
    }
}

/// The status, and the bytes until the answer's end or the connection's.
fn read_what_comes(server: &Server, path: &str) -> (u16, Vec<u8>) {
    let mut connection = server.connect();
    connection.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).unwrap();
    let head = connection.read_head().unwrap();
    let mut body = Vec::new();
    connection.read_body(&head, "GET", &mut |piece| body.extend_from_slice(piece)).ok();
    let status = head.status;
    (status, if status == 200 { body } else { Vec::new() })
}

#[test]
fn damage_in_a_later_block_breaks_the_connection_after_right_bytes() {
    let server = Server::start_with("[gateway]\nblock_max_bytes = 1048576\n");
    let client = server.client();
    client.bucket("kept");
    let body = noise(1, 8 * MIB);
    client.put("/kept/k", body.clone()).expect(200);
    flip(&server, &body, 6 * MIB + 300_000);
    let (status, read) = read_what_comes(&server, "/kept/k");
    assert_eq!(status, 200);
    assert!(read.len() < body.len(), "the whole was served");
    assert!(read == body[..read.len()], "a wrong byte was served");
    assert!(read.len() <= 6 * MIB + 300_000);
    // What is not damaged can still be read.
    let range = client.request("GET", "/kept/k").header("range", "bytes=0-5242879").send().expect(206);
    assert!(range.body == body[..5 * MIB]);
    let range = client.request("GET", "/kept/k").header("range", "bytes=7340032-").send().expect(206);
    assert!(range.body == body[7 * MIB..]);
    assert!(server.metric(DAMAGED_BLOCKS) >= 1.0);
    server.assert_alive();
}

#[test]
fn a_missing_block_is_an_error_not_an_empty_object() {
    let mut server = Server::start();
    server.client().bucket("kept");
    let body = noise(1, 400_000);
    server.client().put("/kept/k", body.clone()).expect(200);
    server.client().put("/kept/sound", "x").expect(200);
    orderly(&mut server);
    for file in files_under(&server.data().join("blocks/files")) {
        fs::remove_file(file).unwrap();
    }
    server.restart();
    let (status, read) = read_what_comes(&server, "/kept/k");
    assert!(status == 500 || status == 200 && read.is_empty(), "{status}");
    assert_eq!(server.client().get("/kept/sound").expect(200).body, b"x");
    server.assert_alive();
}

#[test]
fn only_one_process_has_a_data_folder() {
    let server = Server::start();
    let mut command = std::process::Command::new(weir_tests::binary::weir());
    command.args(["standalone", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--data"]);
    command.arg(server.data());
    let second = command.current_dir(server.data()).output().unwrap();
    assert!(!second.status.success());
    let said = String::from_utf8_lossy(&[second.stdout, second.stderr].concat()).into_owned();
    assert!(said.contains("data") && !said.contains("panicked"), "{said}");
    server.assert_alive();
}

#[test]
fn upload_ids_and_open_uploads_survive_a_crash() {
    let mut server = Server::start();
    let client = server.client();
    client.bucket("kept");
    let upload = Upload::begin(&client, "/kept/k", &[("x-amz-meta-a", "b")]);
    assert_eq!(upload.id, "2");
    let part = noise(1, 300_000);
    upload.part(1, &part);
    server.kill9();
    server.restart();
    let next = Upload::begin(&client, "/kept/k", &[]);
    assert_eq!(next.id, "3");
    assert_eq!(upload.listed("").texts("Part", "ETag"), [etag(&part)]);
    upload.complete(&[(1, etag(&part))]).expect(200);
    assert_eq!(client.head("/kept/k").expect(200).must("x-amz-meta-a"), "b");
    server.kill9();
    server.restart();
    // The first result is remembered over the crash.
    let again = upload.complete(&[(1, etag(&part))]).expect(200).xml();
    assert_eq!(again.get("ETag"), weir_tests::digest::multipart_etag(&[&part]));
    assert!(client.get("/kept/k").expect(200).body == part);
}

/// One writer's keys, and which version of each was acknowledged last.
type Acknowledged = BTreeMap<String, Option<u64>>;

fn content(key: &str, version: u64) -> Vec<u8> {
    let size = [20, 9_000, 60_000, 400_000][version as usize % 4];
    [format!("{key} {version} ").into_bytes(), noise(version, size)].concat()
}

/// Puts and deletes keys of its own until the server is gone. A write in doubt at the end may or may not have happened.
fn write_until_it_ends(
    client: &Client,
    writer: usize,
    over: &AtomicBool,
    from: u64,
) -> (Acknowledged, Option<(String, Option<u64>)>) {
    let mut acknowledged = Acknowledged::new();
    for version in from.. {
        let key = format!("/load/{writer}-{}", version % 7);
        let delete = version % 5 == 4;
        let wanted = (!delete).then_some(version);
        let request = if delete {
            client.request("DELETE", &key)
        } else {
            client.request("PUT", &key).body(content(&key, version))
        };
        match request.try_send() {
            Ok(answer) if answer.status < 300 => drop(acknowledged.insert(key, wanted)),
            _ => return (acknowledged, Some((key, wanted))),
        }
        if over.load(Ordering::SeqCst) {
            break;
        }
    }
    (acknowledged, None)
}

#[test]
fn kill_9_under_load_loses_nothing_acknowledged() {
    let mut server = Server::start();
    server.client().bucket("load");
    let mut known = Acknowledged::new();
    for round in 0..6u64 {
        let over = AtomicBool::new(false);
        let results: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|writer| {
                    let (client, over) = (server.client(), &over);
                    scope.spawn(move || write_until_it_ends(&client, writer, over, round * 100_000))
                })
                .collect();
            std::thread::sleep(Duration::from_millis(200 + 137 * round));
            server.kill9();
            over.store(true, Ordering::SeqCst);
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let began = Instant::now();
        server.restart();
        assert!(began.elapsed() < Duration::from_secs(RESTART_SECONDS), "{:?}", began.elapsed());
        for (acknowledged, doubt) in results {
            known.extend(acknowledged);
            if let Some((key, wanted)) = doubt {
                settle(&server.client(), &mut known, key, wanted);
            }
        }
        for (key, version) in &known {
            let answer = server.client().get(key);
            match version {
                Some(version) => assert!(answer.expect(200).body == content(key, *version), "{key} {version}"),
                None => drop(answer.expect_error(404, "NoSuchKey")),
            }
        }
    }
    assert_space_comes_back(&mut server, &known);
}

/// A write in doubt happened wholly or not at all; from here on it is one of the two for good.
fn settle(client: &Client, known: &mut Acknowledged, key: String, wanted: Option<u64>) {
    let answer = client.get(&key);
    let matches = |version: Option<u64>| match version {
        Some(version) => answer.status == 200 && answer.body == content(&key, version),
        None => answer.status == 404,
    };
    let before = known.get(&key).copied().flatten();
    let now = if matches(wanted) { wanted } else { before };
    assert!(matches(now), "{key} is neither as before ({before:?}) nor as wanted ({wanted:?}): {}", answer.status);
    known.insert(key, now);
}

/// Uncommitted blocks of the crashed rounds are reclaimed: what is left is what is referenced.
fn assert_space_comes_back(server: &mut Server, known: &Acknowledged) {
    for key in known.keys() {
        server.client().delete(key).expect(204);
    }
    eventually(60, "block files of crashed rounds are reclaimed", || {
        files_under(&server.data().join("blocks/files")).is_empty()
    });
}
