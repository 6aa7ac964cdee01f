//! How bodies travel: in aws-chunks, in chunks of HTTP, after `100 Continue`, one behind the other.

use std::io::Write as _;
use weir_tests::digest::{self, etag};
use weir_tests::framing::{self, SIGNED, SIGNED_TRAILER, UNSIGNED_TRAILER};
use weir_tests::{Server, noise};

type Headers<'a> = &'a [(&'a str, &'a str)];

#[test]
fn a_body_in_aws_chunks_is_stored_without_them() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("aws-chunks");
    let path = format!("{bucket}/k");
    for (size, chunk) in [(0, 8192), (1, 8192), (100_000, 8192), (70_000, 65_536), ((2 << 20) + 5, 128 << 10)] {
        let body = noise(3, size);
        let crc = digest::checksum("crc32", &body);
        let trailer = [("x-amz-checksum-crc32", crc.as_str())];
        let requests = [
            (UNSIGNED_TRAILER, framing::unsigned(&body, chunk, &trailer), true),
            (SIGNED, framing::signed(&body, chunk, &[]), false),
            (SIGNED_TRAILER, framing::signed(&body, chunk, &trailer), true),
        ];
        for (kind, framed, trailed) in requests {
            for by_transfer_chunks in [false, true] {
                let mut request =
                    client.request("PUT", &path).signed_by_nobody().chunked_as(kind, size, framed.clone());
                if trailed {
                    request = request.header("x-amz-trailer", "x-amz-checksum-crc32");
                }
                if by_transfer_chunks {
                    request = request.chunked();
                }
                let put = request.send().expect(200);
                assert_eq!(put.must("etag"), etag(&body), "{kind} {size}");
                let got = client.get(&path).expect(200);
                assert!(got.body == body, "{kind} {size}: {} bytes", got.body.len());
                assert!(got.header("content-encoding").is_none(), "aws-chunked is not part of the object");
            }
        }
    }
}

#[test]
fn other_content_codings_survive_the_aws_chunks() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("codings");
    let request = client.request("PUT", &format!("{bucket}/k")).header("content-encoding", "aws-chunked,gzip");
    let request = request.header("x-amz-content-sha256", UNSIGNED_TRAILER).header("x-amz-decoded-content-length", "3");
    request.body(framing::unsigned(b"abc", 2, &[])).send().expect(200);
    let got = client.get(&format!("{bucket}/k")).expect(200);
    assert_eq!((got.body.as_slice(), got.must("content-encoding")), (b"abc".as_slice(), "gzip"));
}

#[test]
fn a_body_of_unknown_length_is_stored_or_refused_for_its_length() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("no-length");
    let put = client.request("PUT", &format!("{bucket}/k")).chunked().body(noise(1, 200_000)).send();
    if put.status == 200 {
        assert!(client.get(&format!("{bucket}/k")).expect(200).body == noise(1, 200_000));
    } else {
        put.expect_error(411, "MissingContentLength");
        client.head(&format!("{bucket}/k")).expect(404);
    }
}

#[test]
fn a_client_that_asks_first_is_told_to_go_on() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("asks-first");
    for body in [noise(1, 100_000), Vec::new()] {
        let mut connection = server.connect();
        let request = client.request("PUT", &format!("{bucket}/k")).header("expect", "100-continue").body(body.clone());
        connection.send(&request.head_bytes()).unwrap();
        assert_eq!(connection.read_head().unwrap().status, 100);
        connection.send(&body).unwrap();
        assert_eq!(connection.read_answer("PUT").unwrap().expect(200).must("etag"), etag(&body));
        // The connection serves the next request.
        connection.send(format!("GET {bucket}/k HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).unwrap();
        assert!(connection.read_answer("GET").unwrap().expect(200).body == body);
    }
}

#[test]
fn a_client_that_asks_first_is_refused_before_it_sends() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("refused-first");
    client.put(&format!("{bucket}/there"), "old").expect(200);
    let refused: [(&str, Headers<'_>, u16, &str); 5] = [
        ("/nowhere-at-all/k", &[], 404, "NoSuchBucket"),
        ("/refused-first/there", &[("if-none-match", "*")], 412, "PreconditionFailed"),
        ("/refused-first/k", &[("content-md5", "nonsense")], 400, "InvalidDigest"),
        ("/refused-first/k?lifecycle", &[], 501, "NotImplemented"),
        ("/refused-first/k?partNumber=1&uploadId=987654", &[], 404, "NoSuchUpload"),
    ];
    for (path, headers, status, code) in refused {
        let mut connection = server.connect();
        let request =
            client.request("PUT", path).header("expect", "100-continue").headers(headers).body(noise(1, 50_000));
        connection.send(&request.head_bytes()).unwrap();
        let answer = connection.read_answer("PUT").unwrap();
        assert!(!answer.continued, "{path} was told to go on");
        answer.expect_error(status, code);
    }
    assert_eq!(client.get(&format!("{bucket}/there")).expect(200).body, b"old");
}

#[test]
fn requests_on_one_connection_are_answered_in_their_order() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("pipelined");
    let mut connection = server.connect();
    let mut sent = Vec::new();
    for number in 0..10 {
        let request = client.request("PUT", &format!("{bucket}/{number}")).body(vec![b'0' + number; 10]);
        sent.extend(request.head_bytes());
        sent.extend(vec![b'0' + number; 10]);
        sent.extend(format!("GET {bucket}/{number} HTTP/1.1\r\nHost: localhost\r\n\r\n").bytes());
    }
    connection.stream().write_all(&sent).unwrap();
    for number in 0..10 {
        connection.read_answer("PUT").unwrap().expect(200);
        assert_eq!(connection.read_answer("GET").unwrap().expect(200).body, vec![b'0' + number; 10]);
    }
}
