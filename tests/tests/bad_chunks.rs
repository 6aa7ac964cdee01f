//! aws-chunked bodies whose framing is broken: refused, and the old object stays.

use weir_tests::framing::{self, SIGNED, SIGNED_TRAILER, UNSIGNED_TRAILER};
use weir_tests::{Answer, Server, digest, noise};

struct Target {
    server: std::sync::Arc<Server>,
    path: String,
}

impl Target {
    fn new(bucket: &str) -> Self {
        let server = Server::shared();
        let path = format!("{}/k", server.client().bucket(bucket));
        server.client().put(&path, "old").expect(200);
        Self { server, path }
    }

    fn put(&self, kind: &str, length: &str, body: Vec<u8>, headers: &[(&str, &str)]) -> Answer {
        let client = self.server.client();
        let request = client.request("PUT", &self.path).signed_by_nobody().header("content-encoding", "aws-chunked");
        let request = request.header("x-amz-content-sha256", kind).header("x-amz-decoded-content-length", length);
        request.headers(headers).body(body).send()
    }

    /// Each is refused with 400 (or another refusal), and changes nothing.
    #[track_caller]
    fn refuses(&self, what: &str, answer: &Answer) {
        assert!((400..500).contains(&answer.status) || answer.status == 501, "{what}: {answer}");
        assert_eq!(self.server.client().get(&self.path).expect(200).body, b"old", "{what}");
    }
}

#[test]
fn chunks_that_do_not_parse_are_refused() {
    let target = Target::new("bad-chunks");
    let signature = "a".repeat(64);
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("no chunk at all", b"".to_vec()),
        ("plain bytes", b"hello".to_vec()),
        ("no last chunk", b"5\r\nhello\r\n".to_vec()),
        ("a last chunk cut short", b"5\r\nhello\r\n0\r".to_vec()),
        ("a chunk cut short", b"5\r\nhel".to_vec()),
        ("a chunk longer than it says", b"5\r\nhello!\r\n0\r\n\r\n".to_vec()),
        ("a chunk without its line's end", b"5\r\nhello0\r\n\r\n".to_vec()),
        ("a bare line feed", b"5\nhello\n0\n\n".to_vec()),
        ("a negative size", b"-5\r\nhello\r\n0\r\n\r\n".to_vec()),
        ("a size with a plus", b"+5\r\nhello\r\n0\r\n\r\n".to_vec()),
        ("a size with 0x", b"0x5\r\nhello\r\n0\r\n\r\n".to_vec()),
        ("a size that is no number", b"five\r\nhello\r\n0\r\n\r\n".to_vec()),
        ("no size", b"\r\nhello\r\n0\r\n\r\n".to_vec()),
        ("a huge size", b"ffffffffffffffff\r\nhello\r\n0\r\n\r\n".to_vec()),
        ("a size beyond 64 bits", b"10000000000000005\r\nhello\r\n0\r\n\r\n".to_vec()),
        ("a size of a million digits", [vec![b'0'; 1_000_000], b"5\r\nhello\r\n0\r\n\r\n".to_vec()].concat()),
        (
            "an extension of 1 MB",
            [b"5;x=".to_vec(), vec![b'y'; 1_000_000], b"\r\nhello\r\n0\r\n\r\n".to_vec()].concat(),
        ),
        ("bytes after the end", b"5\r\nhello\r\n0\r\n\r\nmore".to_vec()),
        ("a chunk after the last", b"5\r\nhello\r\n0\r\n5\r\nhello\r\n0\r\n\r\n".to_vec()),
        ("a trailer that was not declared", b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n".to_vec()),
        (
            "a trailer of 1 MB",
            [b"5\r\nhello\r\n0\r\nx:".to_vec(), vec![b'y'; 1_000_000], b"\r\n\r\n".to_vec()].concat(),
        ),
        ("a trailer without a colon", b"5\r\nhello\r\n0\r\nnonsense\r\n\r\n".to_vec()),
        ("signed chunks in an unsigned body's place", format!("5;chunk-signature={signature}\r\nhell").into_bytes()),
    ];
    for (what, body) in cases {
        let answer = target.put(UNSIGNED_TRAILER, "5", body, &[]);
        target.refuses(what, &answer);
    }
    target.server.assert_alive();
}

#[test]
fn the_decoded_length_is_the_length() {
    let target = Target::new("decoded-length");
    for kind in [UNSIGNED_TRAILER, SIGNED, SIGNED_TRAILER] {
        let data = noise(1, 100_000);
        let framed = |data: &[u8]| match kind {
            UNSIGNED_TRAILER => framing::unsigned(data, 8192, &[]),
            _ => framing::signed(data, 8192, &[]),
        };
        for length in ["99999", "100001", "0", "-1", "x", "18446744073709551616", ""] {
            let answer = target.put(kind, length, framed(&data), &[]);
            target.refuses(&format!("{kind} said to be {length}"), &answer);
        }
        let client = target.server.client();
        let missing = client.request("PUT", &target.path).signed_by_nobody().header("x-amz-content-sha256", kind);
        let answer = missing.header("content-encoding", "aws-chunked").body(framed(&data)).send();
        target.refuses(&format!("{kind} without its length"), &answer);
    }
}

#[test]
fn signed_chunks_that_do_not_parse_are_refused() {
    let target = Target::new("bad-signed");
    let right = "a".repeat(64);
    for (what, body) in [
        ("no signature", b"5\r\nhello\r\n0\r\n\r\n".to_vec()),
        ("an empty signature", b"5;chunk-signature=\r\nhello\r\n0;chunk-signature=\r\n\r\n".to_vec()),
        ("a short signature", b"5;chunk-signature=abc\r\nhello\r\n0;chunk-signature=abc\r\n\r\n".to_vec()),
        ("another extension", format!("5;signature={right}\r\nhello\r\n0;signature={right}\r\n\r\n").into_bytes()),
        ("no last chunk", format!("5;chunk-signature={right}\r\nhello\r\n").into_bytes()),
        ("a last chunk cut short", format!("5;chunk-signature={right}\r\nhello\r\n0;chunk-sig").into_bytes()),
        (
            "a signature of 1 MB",
            [b"5;chunk-signature=".to_vec(), vec![b'a'; 1_000_000], b"\r\nhello\r\n".to_vec()].concat(),
        ),
    ] {
        let answer = target.put(SIGNED, "5", body, &[]);
        target.refuses(what, &answer);
    }
    target.server.assert_alive();
}

#[test]
fn a_trailer_that_is_declared_must_come() {
    let target = Target::new("missing-trailer");
    let data = noise(1, 20_000);
    let right = digest::checksum("crc32", &data);
    let declared = [("x-amz-trailer", "x-amz-checksum-crc32")];
    let cases: Vec<(&str, Vec<(&str, &str)>)> = vec![
        ("missing", vec![]),
        ("another one", vec![("x-amz-checksum-crc32c", &right)]),
        ("twice", vec![("x-amz-checksum-crc32", &right), ("x-amz-checksum-crc32", &right)]),
        ("one more", vec![("x-amz-checksum-crc32", &right), ("x-amz-meta-more", "x")]),
        ("wrong", vec![("x-amz-checksum-crc32", "AAAAAA==")]),
        ("malformed", vec![("x-amz-checksum-crc32", "AAAA")]),
    ];
    for (what, trailer) in cases {
        let answer = target.put(UNSIGNED_TRAILER, "20000", framing::unsigned(&data, 8192, &trailer), &declared);
        target.refuses(what, &answer);
    }
    let answer =
        target.put(UNSIGNED_TRAILER, "20000", framing::unsigned(&data, 8192, &[]), &[("x-amz-trailer", "etag")]);
    target.refuses("a trailer that none may declare", &answer);
}

#[test]
fn an_unknown_kind_of_payload_is_refused() {
    let target = Target::new("unknown-kind");
    let kinds = [
        "STREAMING-NONSENSE",
        "STREAMING-UNSIGNED-PAYLOAD",
        "streaming-unsigned-payload-trailer",
        "nonsense",
        "UNSIGNED",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85",
        "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD",
    ];
    for kind in kinds {
        let answer = target.put(kind, "5", framing::unsigned(b"hello", 5, &[]), &[]);
        assert!(matches!(answer.status, 400 | 403 | 501), "{kind}: {answer}");
        target.refuses(kind, &answer);
    }
}

#[test]
fn a_part_with_broken_chunks_is_not_kept() {
    let server = Server::shared();
    let client = server.client();
    client.bucket("bad-part-chunks");
    let upload = crate::multipart::Upload::begin(&client, "/bad-part-chunks/k", &[]);
    let request =
        client.request("PUT", &upload.part_path(1)).chunked_as(UNSIGNED_TRAILER, 5, b"5\r\nhello\r\n".to_vec());
    request.send().expect_refusal();
    assert_eq!(upload.listed("").all("Part").count(), 0);
    client.delete(&upload.whole()).expect(204);
}
