//! Clients that go away: nothing half-made is seen, and the space comes back.

use crate::multipart::Upload;
use std::net::Shutdown;
use weir_tests::digest::etag;
use weir_tests::framing::{UNSIGNED_TRAILER, unsigned};
use weir_tests::{Server, eventually, noise};

const MIB: usize = 1 << 20;
/// What may stay: the rest of a preallocated segment, folders.
const SLACK_BYTES: u64 = MIB as u64;
const SPACE_SECONDS: u64 = 30;

fn server() -> Server {
    Server::start_with("[gateway]\nblock_max_bytes = 1048576\n[worker]\nsegment_bytes = 4194304\n")
}

/// Sends a part of a request and goes, in one of three ways.
fn send_and_go(server: &Server, bytes: &[u8], way: usize) {
    let mut connection = server.connect();
    connection.send(bytes).unwrap();
    match way % 3 {
        0 => {}
        1 => connection.stream().shutdown(Shutdown::Write).unwrap(),
        _ => connection.stream().shutdown(Shutdown::Both).unwrap(),
    }
}

#[test]
fn a_client_that_goes_in_mid_body_leaves_nothing() {
    let server = server();
    let client = server.client();
    let bucket = client.bucket("gone");
    client.put(&format!("{bucket}/old"), noise(9, 100_000)).expect(200);
    let upload = Upload::begin(&client, &format!("{bucket}/upload"), &[]);
    upload.part(1, &noise(9, 100_000));
    let before = server.block_bytes();

    let body = noise(1, 12 * MIB);
    let framed = unsigned(&body, 64 << 10, &[]);
    let mut most = before;
    for (way, sent) in [0, 1, 100_000, 5 * MIB + 1, 9 * MIB, 12 * MIB - 1].into_iter().enumerate() {
        let plain = client.request("PUT", &format!("{bucket}/old")).body(body.clone());
        let part = client.request("PUT", &upload.part_path(1)).body(body.clone());
        let chunked =
            client.request("PUT", &format!("{bucket}/new")).chunked_as(UNSIGNED_TRAILER, body.len(), framed.clone());
        for (request, body) in [(plain, &body), (part, &body), (chunked, &framed)] {
            let mut bytes = request.head_bytes();
            bytes.extend_from_slice(&body[..sent]);
            send_and_go(&server, &bytes, way);
            most = most.max(server.block_bytes());
        }
    }
    assert!(most > before + SLACK_BYTES, "nothing was written, so nothing is shown");
    assert!(client.get(&format!("{bucket}/old")).expect(200).body == noise(9, 100_000));
    client.head(&format!("{bucket}/new")).expect(404);
    assert_eq!(upload.listed("").texts("Part", "ETag"), [etag(&noise(9, 100_000))]);
    eventually(SPACE_SECONDS, "the space of what was never committed comes back", || {
        server.block_bytes() <= before + SLACK_BYTES
    });
    assert!(client.get(&format!("{bucket}/old")).expect(200).body == noise(9, 100_000));
    server.assert_alive();
}

#[test]
fn refused_bodies_take_no_space() {
    let server = server();
    let client = server.client();
    let bucket = client.bucket("refused");
    client.put(&format!("{bucket}/old"), noise(9, 100_000)).expect(200);
    let before = server.block_bytes();
    for _ in 0..4 {
        let request = client
            .request("PUT", &format!("{bucket}/old"))
            .header("content-md5", &weir_tests::digest::content_md5(b"x"));
        request.body(noise(1, 5 * MIB)).send().expect_error(400, "BadDigest");
    }
    eventually(SPACE_SECONDS, "the space of refused bodies comes back", || {
        server.block_bytes() <= before + SLACK_BYTES
    });
    assert!(client.get(&format!("{bucket}/old")).expect(200).body == noise(9, 100_000));
}

#[test]
fn what_is_deleted_replaced_or_aborted_gives_its_space_back() {
    let server = server();
    let client = server.client();
    let bucket = client.bucket("space");
    client.put(&format!("{bucket}/kept"), noise(9, 3 * MIB)).expect(200);
    // The small parts below go to the segment that is made, whole, for this one.
    client.put(&format!("{bucket}/kept-small"), noise(9, 100_000)).expect(200);
    let before = server.block_bytes();
    let body = noise(1, 6 * MIB);
    client.put(&format!("{bucket}/deleted"), body.clone()).expect(200);
    client.put(&format!("{bucket}/replaced"), body.clone()).expect(200);
    let aborted = Upload::begin(&client, &format!("{bucket}/aborted"), &[]);
    aborted.part(1, &body);
    let completed = Upload::begin(&client, &format!("{bucket}/completed"), &[]);
    completed.part(1, b"small");
    completed.part(2, &body);
    completed.part(3, &body);
    completed.part(3, b"replaced");
    let copy = client.request("PUT", &format!("{bucket}/copy")).header("x-amz-copy-source", "/space/deleted");
    copy.send().expect(200);
    assert!(server.block_bytes() > before + 28 * MIB as u64);

    client.delete(&format!("{bucket}/deleted")).expect(204);
    client.put(&format!("{bucket}/replaced"), "small").expect(200);
    client.delete(&aborted.whole()).expect(204);
    completed.complete(&[(1, etag(b"small"))]).expect(200);
    // The copy still holds its blocks.
    let held = before + 6 * MIB as u64;
    eventually(SPACE_SECONDS, "the space comes back but for the copy's", || server.block_bytes() <= held + SLACK_BYTES);
    assert!(client.get(&format!("{bucket}/copy")).expect(200).body == body);
    client.delete(&format!("{bucket}/copy")).expect(204);
    eventually(SPACE_SECONDS, "the copy's space comes back", || server.block_bytes() <= before + SLACK_BYTES);
    assert!(client.get(&format!("{bucket}/kept")).expect(200).body == noise(9, 3 * MIB));
}

#[test]
fn a_reader_that_goes_does_no_harm() {
    let server = server();
    let client = server.client();
    let bucket = client.bucket("reader");
    let body = noise(1, 20 * MIB);
    client.put(&format!("{bucket}/k"), body.clone()).expect(200);
    for _ in 0..20 {
        let mut connection = server.connect();
        connection.send(&client.request("GET", &format!("{bucket}/k")).head_bytes()).unwrap();
        connection.read_head().unwrap().expect(200);
    }
    assert!(client.get(&format!("{bucket}/k")).expect(200).body == body);
    // A reader that is let read on gets the version that it began with, though it is gone meanwhile.
    let mut connection = server.connect();
    connection.send(&client.request("GET", &format!("{bucket}/k")).head_bytes()).unwrap();
    let head = connection.read_head().unwrap();
    client.delete(&format!("{bucket}/k")).expect(204);
    std::thread::sleep(std::time::Duration::from_secs(3));
    let mut read = Vec::new();
    connection.read_body(&head, "GET", &mut |piece| read.extend_from_slice(piece)).unwrap();
    assert!(read == body, "{} bytes", read.len());
    server.assert_alive();
}
