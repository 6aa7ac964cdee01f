//! HTTP that is broken or ambiguous, and addresses that are none.

use std::time::{Duration, Instant};
use weir_tests::{Server, noise, query_of};

/// Sends these bytes; the status of the answer, or nothing when the server closed without one.
fn status_of(server: &Server, bytes: &[u8]) -> Option<u16> {
    let mut connection = server.connect();
    connection.send(bytes).ok();
    connection.read_answer("GET").ok().map(|answer| answer.status)
}

#[test]
fn ambiguous_requests_are_refused() {
    ambiguous_requests_are_refused_by(&Server::shared());
}

#[test]
fn ambiguous_requests_are_refused_over_tls() {
    ambiguous_requests_are_refused_by(&Server::shared_over_tls());
}

fn ambiguous_requests_are_refused_by(server: &Server) {
    let client = server.client();
    let bucket = client.bucket("ambiguous");
    let line = format!("PUT {bucket}/k HTTP/1.1\r\n");
    let cases: Vec<(&str, String)> = vec![
        (
            "a length and chunks",
            format!("{line}Host: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ),
        (
            "chunks and a length",
            format!("{line}Host: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),
        ),
        ("two lengths", format!("{line}Host: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!")),
        ("a list of lengths", format!("{line}Host: localhost\r\nContent-Length: 5, 6\r\n\r\nhello!")),
        ("a negative length", format!("{line}Host: localhost\r\nContent-Length: -5\r\n\r\nhello")),
        ("a length with a plus", format!("{line}Host: localhost\r\nContent-Length: +5\r\n\r\nhello")),
        ("a length that is no number", format!("{line}Host: localhost\r\nContent-Length: five\r\n\r\nhello")),
        (
            "a length beyond 64 bits",
            format!("{line}Host: localhost\r\nContent-Length: 99999999999999999999\r\n\r\nhello"),
        ),
        ("an unknown transfer coding", format!("{line}Host: localhost\r\nTransfer-Encoding: gzip\r\n\r\nhello")),
        (
            "chunked before another coding",
            format!("{line}Host: localhost\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"),
        ),
        ("bare line feeds", format!("PUT {bucket}/k HTTP/1.1\nHost: localhost\nContent-Length: 5\n\nhello")),
        ("one bare line feed", format!("{line}Host: localhost\nContent-Length: 5\r\n\r\nhello")),
        ("a folded header", format!("{line}Host: localhost\r\nX-A: b\r\n c\r\nContent-Length: 5\r\n\r\nhello")),
        ("a space before the colon", format!("{line}Host: localhost\r\nContent-Length : 5\r\n\r\nhello")),
        ("a null byte in a header", format!("{line}Host: localhost\r\nX-A: b\0c\r\nContent-Length: 5\r\n\r\nhello")),
        (
            "a carriage return in a header",
            format!("{line}Host: localhost\r\nX-A: b\rc\r\nContent-Length: 5\r\n\r\nhello"),
        ),
        ("two hosts", format!("{line}Host: localhost\r\nHost: y\r\nContent-Length: 5\r\n\r\nhello")),
        ("no host", format!("{line}Content-Length: 5\r\n\r\nhello")),
        (
            "an absolute address of another host",
            format!("PUT http://other{bucket}/k HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello"),
        ),
        ("an unknown version", format!("PUT {bucket}/k HTTP/3.7\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello")),
        ("no version", format!("PUT {bucket}/k\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello")),
        (
            "a space in the address",
            format!("PUT {bucket}/k x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello"),
        ),
        (
            "a byte of no address",
            format!("PUT {bucket}/k\u{1} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello"),
        ),
        ("another protocol", "\x16\x03\x01\x02\x00\x01\x00\x01\u{fc}\x03\x03".to_owned()),
        ("noise", String::from_utf8_lossy(&noise(1, 5000)).into_owned()),
    ];
    let mut taken = Vec::new();
    for (what, bytes) in cases {
        let status = status_of(server, bytes.as_bytes());
        let refused = status.is_none_or(|status| matches!(status, 400 | 411 | 414 | 431 | 501 | 505));
        if !refused || client.head(&format!("{bucket}/k")).status != 404 {
            taken.push(format!("{what}: {status:?}"));
            client.delete(&format!("{bucket}/k")).expect(204);
        }
    }
    assert!(taken.is_empty(), "{taken:#?}");
    let long = format!("GET {bucket}/{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "u".repeat(70_000));
    let status = status_of(server, long.as_bytes());
    assert!(matches!(status, Some(400 | 414 | 431)), "an address of 70 KB: {status:?}");
    server.assert_alive();
}

#[test]
fn broken_transfer_chunks_store_nothing() {
    broken_transfer_chunks_store_nothing_at(&Server::shared());
}

#[test]
fn broken_transfer_chunks_store_nothing_over_tls() {
    broken_transfer_chunks_store_nothing_at(&Server::shared_over_tls());
}

fn broken_transfer_chunks_store_nothing_at(server: &Server) {
    let client = server.client();
    let bucket = client.bucket("transfer-chunks");
    for body in [
        "5\r\nhello\r\n",
        "x\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello!\r\n0\r\n\r\n",
        "fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        "-1\r\nhello\r\n0\r\n\r\n",
    ] {
        let mut connection = server.connect();
        let head = format!("PUT {bucket}/k HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
        connection.send(head.as_bytes()).unwrap();
        connection.stream().shutdown(std::net::Shutdown::Write).unwrap();
        if let Ok(answer) = connection.read_answer("PUT") {
            assert!((400..500).contains(&answer.status), "{body:?}: {answer}");
        }
        assert_eq!(client.head(&format!("{bucket}/k")).status, 404, "{body:?}");
    }
    server.assert_alive();
}

#[test]
fn addresses_that_are_none_are_refused() {
    let server = Server::shared();
    let (client, base) = (server.client(), server.base_path_client());
    let bucket = client.bucket("addresses");
    for path in [
        "/%".to_owned(),
        "/%zz".to_owned(),
        format!("{bucket}/%"),
        format!("{bucket}/a%2"),
        format!("{bucket}/a%zz"),
        format!("{bucket}/a%+1"),
    ] {
        for method in ["GET", "PUT", "DELETE", "POST"] {
            for client in [&client, &base] {
                let answer = client.request(method, &path).send();
                assert!(matches!(answer.status, 400 | 404 | 405 | 501), "{method} {path}: {answer}");
            }
        }
        assert_ne!(client.put(&path, "x").status, 200, "{path}");
    }
    assert!(client.get(&bucket).expect(200).xml().child("Contents").is_none());
    // A query of nothing is none.
    client.get(&format!("{bucket}?")).expect(200);
    client.get(&format!("{bucket}?&&")).expect(200);
    client.get("/?").expect(200);
    for path in ["//", "/%2F", "/..", "/../..", "/%2e%2e/", "/%00", "//k", "/./", "*"] {
        for method in ["GET", "PUT", "DELETE", "HEAD"] {
            let answer = client.request(method, path).send();
            assert!(
                (400..500).contains(&answer.status) || (method, answer.status) == ("GET", 200),
                "{method} {path}: {answer}"
            );
        }
    }
    server.assert_alive();
}

#[test]
fn dots_and_escapes_never_leave_the_bucket() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("no-escape");
    client.bucket("no-escape-victim");
    client.put("/no-escape-victim/k", "secret").expect(200);
    for key in [
        "../no-escape-victim/k",
        "%2e%2e/no-escape-victim/k",
        "..%2fno-escape-victim%2fk",
        "%2e%2e%2fno-escape-victim%2fk",
        "..%5cno-escape-victim%5ck",
        "%252e%252e/no-escape-victim/k",
    ] {
        client.get(&format!("{bucket}/{key}")).expect_error(404, "NoSuchKey");
        client.delete(&format!("{bucket}/{key}")).expect(204);
        client
            .request("PUT", &format!("{bucket}/copy"))
            .header("x-amz-copy-source", &format!("{bucket}/{key}"))
            .send()
            .expect_error(404, "NoSuchKey");
        client.put(&format!("{bucket}/{key}"), "own").expect(200);
        assert_eq!(client.get(&format!("{bucket}/{key}")).expect(200).body, b"own");
        // Some of these are the same key, escaped otherwise.
        client.delete(&format!("{bucket}/{key}")).expect(204);
    }
    assert_eq!(client.get("/no-escape-victim/k").expect(200).body, b"secret");
    // And no name of a client's is a name in the data folder.
    let files = weir_tests::server::files_under(&server.data());
    assert!(files.iter().all(|file| !file.to_string_lossy().contains("escape")), "{files:?}");
}

#[test]
fn listings_bear_any_argument() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("bears");
    for key in ["a", "b/c", "d"] {
        client.put(&format!("{bucket}/{key}"), "x").expect(200);
    }
    let long = "x".repeat(10_000);
    let noise = query_of(noise(1, 500));
    for name in [
        "marker",
        "prefix",
        "delimiter",
        "start-after",
        "continuation-token",
        "key-marker",
        "upload-id-marker",
        "encoding-type",
        "list-type",
        "fetch-owner",
    ] {
        for value in [long.as_str(), noise.as_str(), "%00", "%FF", "..%2F..", "%F0%9F%A6%80", "-1"] {
            for kind in ["", "&list-type=2", "&uploads", "&encoding-type=url"] {
                let answer = client.get(&format!("{bucket}?{name}={value}{kind}"));
                assert!(matches!(answer.status, 200 | 400 | 414 | 431 | 501), "{name}={value:.40}{kind}: {answer}");
                if answer.status == 200 && kind == "&encoding-type=url" {
                    answer.xml();
                }
            }
        }
    }
    client.get(&format!("{bucket}?encoding-type=base64")).expect_error(400, "InvalidArgument");
    client.get(&format!("{bucket}?list-type=3")).expect_refusal();
    for token in ["nonsense", "", "AAAA", "%00"] {
        let answer = client.get(&format!("{bucket}?list-type=2&continuation-token={token}"));
        assert!(answer.status == 400 || answer.status == 200, "{answer}");
    }
    server.assert_alive();
}

#[test]
fn strange_metadata_is_refused_or_kept_exactly() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("strange-metadata");
    let path = format!("{bucket}/k");
    for value in [&b"caf\xc3\xa9"[..], b"\xff\xfe", b"tab\there", b"x\x7fy", b"a,b;c=d\"e"] {
        let put = client.request("PUT", &path).header_bytes("x-amz-meta-a", value).body("x").send();
        if put.status == 200 {
            let head = client.head(&path).expect(200);
            let back = head.must("x-amz-meta-a");
            // The test's own client reads headers as UTF-8: what is not comes back as a replacement.
            assert!(
                back.as_bytes() == value || back == String::from_utf8_lossy(value) || back.starts_with("=?UTF-8?"),
                "{back}"
            );
        } else {
            assert_eq!(put.status, 400, "{put}");
        }
    }
    // Names that only a server may set are not stored.
    let reserved = [
        ("x-amz-request-id", "forged"),
        ("server", "forged"),
        ("etag", "forged"),
        ("x-amz-version-id", "forged"),
        ("x-weir-internal", "forged"),
    ];
    client.request("PUT", &path).headers(&reserved).body("x").send().expect(200);
    let got = client.get(&path).expect(200);
    assert!(got.headers.iter().all(|(_, value)| value != "forged"), "{got}");
}

/// A request inside a request: whoever reads the body as the next request deletes an object.
#[test]
fn the_body_of_a_refused_request_is_never_read_as_the_next_one() {
    the_body_of_a_refused_request_is_no_request_at(&Server::shared());
}

#[test]
fn the_body_of_a_refused_request_is_never_read_as_the_next_one_over_tls() {
    the_body_of_a_refused_request_is_no_request_at(&Server::shared_over_tls());
}

fn the_body_of_a_refused_request_is_no_request_at(server: &Server) {
    let client = server.client();
    let bucket = client.bucket("refused-bodies");
    let victim = format!("{bucket}/victim");
    client.put(&victim, "here").expect(200);
    let inner = format!("DELETE {victim} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let known = format!("Content-Length: {}\r\n\r\n{inner}", inner.len());
    let chunked = format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{inner}\r\n0\r\n\r\n", inner.len());
    let waiting = format!("Expect: 100-continue\r\n{known}");
    for body in [known, chunked, waiting] {
        for line in [
            "PUT /no-such-bucket-here/k HTTP/1.1\r\nHost: localhost\r\n".to_owned(),
            format!("PUT {bucket}/k?partNumber=0&uploadId=1 HTTP/1.1\r\nHost: localhost\r\n"),
            format!("PUT {bucket}/k HTTP/1.1\r\nHost: localhost\r\nx-amz-content-sha256: nonsense\r\n"),
            format!("PUT {bucket}/{} HTTP/1.1\r\nHost: localhost\r\n", "k".repeat(1025)),
            format!("POST {bucket}/k HTTP/1.1\r\nHost: localhost\r\n"),
            format!("GET {bucket}/missing HTTP/1.1\r\nHost: localhost\r\n"),
            format!("DELETE {bucket}/% HTTP/1.1\r\nHost: localhost\r\n"),
        ] {
            let mut connection = server.connect();
            connection.send(format!("{line}{body}").as_bytes()).unwrap();
            let answer = connection.read_answer("PUT").unwrap();
            assert!((400..500).contains(&answer.status), "{line}{body}: {answer}");
            if answer.header("connection") == Some("close") {
                assert!(connection.read_answer("DELETE").is_err(), "{line}{body}");
            } else {
                // The whole body was read: the next answer is to the next request.
                connection.send(format!("GET {victim} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).unwrap();
                assert_eq!(connection.read_answer("GET").unwrap().expect(200).body, b"here", "{line}{body}");
            }
            assert_eq!(client.get(&victim).expect(200).body, b"here", "{line}{body}");
        }
    }
    server.assert_alive();
}

const IMPATIENT: &str = "[gateway]\nheader_timeout_ms = 1000\nidle_timeout_ms = 1500\nbody_idle_timeout_ms = 1000\n";

#[test]
fn a_client_that_says_nothing_is_let_go() {
    a_client_that_says_nothing_is_let_go_by(&Server::start_with(IMPATIENT));
}

#[test]
fn a_client_that_says_nothing_is_let_go_over_tls() {
    a_client_that_says_nothing_is_let_go_by(&Server::start_over_tls_with(IMPATIENT));
}

fn a_client_that_says_nothing_is_let_go_by(server: &Server) {
    let client = server.client();
    let bucket = client.bucket("silent");
    let within = Duration::from_secs(15);
    let silent = [
        String::new(),
        "GET / HT".to_owned(),
        "GET / HTTP/1.1\r\nHost: localhost\r\n".to_owned(),
        format!("PUT {bucket}/k HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\nhalf"),
        format!("PUT {bucket}/k HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel"),
        format!("POST {bucket}?delete HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n<Delete>"),
    ];
    for bytes in silent {
        let began = Instant::now();
        let mut connection = server.connect();
        connection.send(bytes.as_bytes()).unwrap();
        if let Ok(answer) = connection.read_answer("GET") {
            assert!((400..500).contains(&answer.status), "{bytes:?}: {answer}");
        }
        assert!(connection.is_closed(), "{bytes:?}");
        assert!(began.elapsed() < within, "{bytes:?} was kept for {:?}", began.elapsed());
    }
    // A header a second keeps nobody on the line either.
    let began = Instant::now();
    let mut connection = server.connect();
    connection.send(b"GET / HTTP/1.1\r\n").unwrap();
    while connection.send(b"X-A: b\r\n").is_ok() {
        assert!(began.elapsed() < within, "kept for {:?}", began.elapsed());
        std::thread::sleep(Duration::from_millis(300));
    }
    client.head(&format!("{bucket}/k")).expect(404);
    server.assert_alive();
}
