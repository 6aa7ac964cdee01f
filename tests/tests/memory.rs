//! Memory stays flat whatever the size and number of bodies. Slow and large: run by `tests/slow/run`, in release.

use std::sync::{Arc, Barrier};
use weir_tests::{Client, Connection, Server, noise};

const GIB: u64 = 1 << 30;
const MIB: usize = 1 << 20;
const RSS_MAX_BYTES: u64 = 300 << 20;
/// A reader has a frame of 1 MiB on its way and one read ahead; these come on top, for 200 of them.
const READERS_RSS_MAX_BYTES: u64 = RSS_MAX_BYTES + (200 << 20);
const BIG_BYTES: u64 = 5 * GIB;

#[track_caller]
fn assert_peak(server: &Server, when: &str, max_bytes: u64) {
    let peak = server.peak_rss_bytes();
    println!("{when}: {} MiB resident at most, {} MiB now", peak >> 20, server.rss_bytes() >> 20);
    assert!(peak < max_bytes, "{when}: {peak} bytes resident");
}

fn begin_put(client: &Client, path: &str, length: u64) -> Connection {
    let mut connection = Connection::open(client.address()).unwrap();
    let head = format!("PUT {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n");
    connection.send(head.as_bytes()).unwrap();
    connection
}

#[test]
#[ignore = "moves 10 GiB"]
fn five_gib_go_in_and_out_in_little_memory() {
    let server = Server::start();
    let client = server.client();
    client.bucket("big");
    let piece = noise(1, 8 * MIB);
    let mut connection = begin_put(&client, "/big/k", BIG_BYTES);
    for _ in 0..BIG_BYTES / piece.len() as u64 {
        connection.send(&piece).unwrap();
    }
    connection.read_answer("PUT").unwrap().expect(200);
    assert_peak(&server, "after a PUT of 5 GiB", RSS_MAX_BYTES);

    connection.send(b"GET /big/k HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let head = connection.read_head().unwrap().expect(200);
    let mut offset = 0u64;
    let mut check = |bytes: &[u8]| {
        let mut rest = bytes;
        while !rest.is_empty() {
            let at = (offset % piece.len() as u64) as usize;
            let length = rest.len().min(piece.len() - at);
            assert!(rest[..length] == piece[at..at + length], "a wrong byte near {offset}");
            rest = &rest[length..];
            offset += length as u64;
        }
    };
    connection.read_body(&head, "GET", &mut check).unwrap();
    assert_eq!(offset, BIG_BYTES);
    assert_peak(&server, "after a GET of 5 GiB", RSS_MAX_BYTES);
}

#[test]
#[ignore = "200 threads of uploads"]
fn two_hundred_uploads_at_once_take_little_memory() {
    let server = Server::start();
    let client = Arc::new(server.client());
    client.bucket("many");
    let body = Arc::new(noise(1, 16 * MIB));
    let all_half_way = Arc::new(Barrier::new(200));
    std::thread::scope(|scope| {
        for number in 0..200 {
            let (client, body, all_half_way) = (client.clone(), body.clone(), all_half_way.clone());
            scope.spawn(move || {
                let path = format!("/many/{number}");
                let mut connection = begin_put(&client, &path, body.len() as u64);
                // Half of each body is there before any is whole. What a server does not take yet waits in the socket:
                // so what is sent here is small enough to be taken.
                connection.send(&body[..MIB / 8]).unwrap();
                all_half_way.wait();
                connection.send(&body[MIB / 8..]).unwrap();
                connection.read_answer("PUT").unwrap().expect(200);
            });
        }
    });
    assert_peak(&server, "after 200 uploads at the same time", RSS_MAX_BYTES);
    std::thread::scope(|scope| {
        for number in 0..200 {
            let (server, body) = (&server, body.clone());
            scope.spawn(move || {
                let mut connection = server.connect();
                connection.send(format!("GET /many/{number} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).unwrap();
                let head = connection.read_head().unwrap().expect(200);
                let mut rest = body.as_slice();
                let mut check = |bytes: &[u8]| rest = rest.strip_prefix(bytes).expect("the right bytes");
                connection.read_body(&head, "GET", &mut check).unwrap();
                assert!(rest.is_empty());
            });
        }
    });
    assert_peak(&server, "after 200 downloads at the same time", READERS_RSS_MAX_BYTES);
}

#[test]
#[ignore = "thousands of connections"]
fn readers_that_do_not_read_take_little_memory() {
    let server = Server::start();
    let client = server.client();
    client.bucket("slow");
    client.put("/slow/k", noise(1, 64 * MIB)).expect(200);
    let mut readers = Vec::new();
    for _ in 0..200 {
        let mut connection = server.connect();
        connection.send(b"GET /slow/k HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        connection.read_head().unwrap();
        readers.push(connection);
    }
    let half_open: Vec<Connection> = (0..2000)
        .map(|_| {
            let mut connection = server.connect();
            connection.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n").unwrap();
            connection
        })
        .collect();
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert_peak(&server, "with 200 readers that do not read and 2,000 half-open requests", READERS_RSS_MAX_BYTES);
    drop((readers, half_open));
    server.assert_alive();
}
