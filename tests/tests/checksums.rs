//! Digests and checksums: sent ahead, in trailers, or not at all; verified, stored, returned.

use crate::multipart::{Upload, document};
use weir_tests::digest::{CHECKSUMS, base64_of, checksum, composite_checksum, content_md5, etag, sha256_hex};
use weir_tests::framing::{self, UNSIGNED_TRAILER};
use weir_tests::{Answer, Server, noise};

/// A trailer's name and value, if one is sent.
type Trailer<'a> = Option<(&'a str, &'a str)>;

const MIB: usize = 1 << 20;
const MODE: (&str, &str) = ("x-amz-checksum-mode", "ENABLED");

fn header(name: &str) -> String {
    format!("x-amz-checksum-{name}")
}

fn checksum_headers(answer: &Answer) -> Vec<&str> {
    let names = answer.headers.iter().map(|(name, _)| name.as_str());
    names.filter(|name| name.starts_with("x-amz-checksum-") && *name != "x-amz-checksum-type").collect()
}

#[test]
fn each_checksum_is_verified_stored_and_returned() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("each-checksum");
    for size in [0, 11, 9_000, 300_000] {
        let body = noise(5, size);
        for name in CHECKSUMS {
            let (path, value) = (format!("{bucket}/{name}-{size}"), checksum(name, &body));
            let put = client.request("PUT", &path).header(&header(name), &value).body(body.clone()).send().expect(200);
            assert_eq!(put.must(&header(name)), value);
            let got = client.request("GET", &path).headers(&[MODE]).send().expect(200);
            assert_eq!(got.must(&header(name)), value);
            assert_eq!(got.must("x-amz-checksum-type"), "FULL_OBJECT");
            assert_eq!(checksum_headers(&got), [header(name)]);
            assert_eq!(client.request("HEAD", &path).headers(&[MODE]).send().expect(200).must(&header(name)), value);
            assert!(checksum_headers(&client.get(&path).expect(200)).is_empty(), "not asked for");
            if size > 10 {
                let ranged = client.request("GET", &path).headers(&[MODE, ("range", "bytes=0-3")]).send().expect(206);
                assert!(checksum_headers(&ranged).is_empty(), "a part of the bytes has not the checksum of all");
            }
        }
    }
}

#[test]
fn each_checksum_may_come_in_a_trailer() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("trailers");
    let body = noise(5, 200_000);
    for name in CHECKSUMS {
        let (path, value) = (format!("{bucket}/{name}"), checksum(name, &body));
        let framed = framing::unsigned(&body, 64 << 10, &[(&header(name), &value)]);
        let request = client.request("PUT", &path).chunked_as(UNSIGNED_TRAILER, body.len(), framed);
        let put = request.header("x-amz-trailer", &header(name)).send().expect(200);
        assert_eq!(put.must(&header(name)), value);
        let got = client.request("GET", &path).headers(&[MODE]).send().expect(200);
        assert!(got.body == body);
        assert_eq!(got.must(&header(name)), value);
    }
}

#[test]
fn without_a_checksum_crc64nvme_is_computed() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("no-checksum");
    let body = noise(5, 100_000);
    let put = client.put(&format!("{bucket}/k"), body.clone()).expect(200);
    assert_eq!(put.must("x-amz-checksum-crc64nvme"), checksum("crc64nvme", &body));
    let head = client.request("HEAD", &format!("{bucket}/k")).headers(&[MODE]).send().expect(200);
    assert_eq!(head.must("x-amz-checksum-crc64nvme"), checksum("crc64nvme", &body));
    assert_eq!(head.must("x-amz-checksum-type"), "FULL_OBJECT");
}

/// Sends each of these to a key that has an object, and sees the object untouched.
#[test]
fn a_wrong_digest_changes_nothing() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("wrong-digest");
    let path = format!("{bucket}/k");
    client.request("PUT", &path).header("x-amz-meta-a", "kept").body("old").send().expect(200);
    let mut cases: Vec<(String, String, u16, &str)> = vec![
        ("content-md5".into(), content_md5(b"other"), 400, "BadDigest"),
        ("content-md5".into(), "nonsense".into(), 400, "InvalidDigest"),
        ("content-md5".into(), base64_of(b"too short"), 400, "InvalidDigest"),
        ("content-md5".into(), String::new(), 400, "InvalidDigest"),
        ("x-amz-content-sha256".into(), sha256_hex(b"other"), 400, "XAmzContentSHA256Mismatch"),
        ("x-amz-checksum-nonsense".into(), "AAAA".into(), 400, "InvalidRequest"),
    ];
    for name in CHECKSUMS {
        cases.push((header(name), checksum(name, b"other"), 400, "BadDigest"));
        cases.push((header(name), "not base64!".into(), 400, "InvalidRequest"));
        cases.push((header(name), base64_of(b"x"), 400, "InvalidRequest"));
    }
    for size in [10, 100_000, 2 * MIB] {
        for (name, value, status, code) in &cases {
            let put = client.request("PUT", &path).header(name, value).body(noise(8, size)).send();
            put.expect_error(*status, code);
        }
    }
    let got = client.get(&path).expect(200);
    assert_eq!((got.body.as_slice(), got.must("x-amz-meta-a")), (b"old".as_slice(), "kept"));
    client.request("PUT", &path).header("content-md5", &content_md5(b"new")).body("new").send().expect(200);
    client.request("PUT", &path).header("x-amz-content-sha256", &sha256_hex(b"new")).body("new").send().expect(200);
    client.request("PUT", &path).header("x-amz-content-sha256", "UNSIGNED-PAYLOAD").body("new").send().expect(200);
}

#[test]
fn two_checksums_at_once_are_refused() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("two-checksums");
    let path = format!("{bucket}/k");
    let put = client.request("PUT", &path).header("x-amz-checksum-crc32", &checksum("crc32", b"x"));
    let put = put.header("x-amz-checksum-sha1", &checksum("sha1", b"x")).body("x").send();
    put.expect_error(400, "InvalidRequest");
    let crc = checksum("crc32", b"x");
    let framed = framing::unsigned(b"x", 10, &[("x-amz-checksum-crc32", &crc)]);
    let put = client.request("PUT", &path).chunked_as(UNSIGNED_TRAILER, 1, framed);
    let put = put.header("x-amz-trailer", "x-amz-checksum-crc32").header("x-amz-checksum-crc32", &crc).send();
    put.expect_error(400, "InvalidRequest");
    client.head(&path).expect(404);
}

#[test]
fn a_wrong_trailer_changes_nothing() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("wrong-trailer");
    let path = format!("{bucket}/k");
    client.put(&path, "old").expect(200);
    let body = noise(4, 100_000);
    for name in CHECKSUMS {
        let right = checksum(name, &body);
        let wrong = checksum(name, b"other");
        let (own, other) = (header(name), header(if name == "crc32" { "sha1" } else { "crc32" }));
        // (declared, sent, code)
        let cases: [(&str, Trailer<'_>, &str); 5] = [
            (&own, Some((&own, &wrong)), "BadDigest"),
            (&own, Some((&own, "not base64!")), "InvalidRequest"),
            (&own, None, ""),
            (&own, Some((&other, &right)), ""),
            ("x-amz-checksum-nonsense", Some(("x-amz-checksum-nonsense", &right)), "InvalidRequest"),
        ];
        for (declared, sent, code) in cases {
            let trailer: Vec<(&str, &str)> = sent.into_iter().collect();
            let framed = framing::unsigned(&body, 64 << 10, &trailer);
            let request = client.request("PUT", &path).chunked_as(UNSIGNED_TRAILER, body.len(), framed);
            let refused = request.header("x-amz-trailer", declared).send();
            assert_eq!(refused.status, 400, "{declared} {sent:?}: {refused}");
            if !code.is_empty() {
                refused.expect_error(400, code);
            }
        }
    }
    assert_eq!(client.get(&path).expect(200).body, b"old");
}

fn multipart(server: &Server, path: &str, algorithm: &str, kind: Option<&str>, parts: &[Vec<u8>]) -> (Answer, Answer) {
    let client = server.client();
    let mut headers = vec![("x-amz-checksum-algorithm", algorithm)];
    headers.extend(kind.map(|kind| ("x-amz-checksum-type", kind)));
    let upload = Upload::begin(&client, path, &headers);
    let name = algorithm.to_lowercase();
    let mut listed = String::new();
    for (number, part) in parts.iter().enumerate() {
        let (number, value) = (number + 1, checksum(&name, part));
        let put = client.request("PUT", &upload.part_path(number)).header(&header(&name), &value).body(part.clone());
        assert_eq!(put.send().expect(200).must(&header(&name)), value);
        let element = format!("Checksum{algorithm}");
        listed.push_str(&format!(
            "<Part><PartNumber>{number}</PartNumber><ETag>{}</ETag><{element}>{value}</{element}></Part>",
            etag(part)
        ));
    }
    let shown = upload.listed("");
    assert_eq!(shown.get("ChecksumAlgorithm"), algorithm);
    assert_eq!(shown.texts("Part", &format!("Checksum{algorithm}")).len(), parts.len());
    let body = format!("<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>");
    let completed = upload.complete_by(&body, &[]).expect(200);
    let head = client.request("HEAD", path).headers(&[MODE]).send().expect(200);
    (completed, head)
}

#[test]
fn multipart_checksums_are_composite_or_of_the_full_object() {
    let server = Server::shared();
    server.client().bucket("multipart-checksums");
    let parts = [noise(1, 5 * MIB), noise(2, 5 * MIB + 9), noise(3, 12)];
    let slices: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    let cases = [
        ("CRC32", None, "COMPOSITE"),
        ("CRC32C", None, "COMPOSITE"),
        ("SHA1", None, "COMPOSITE"),
        ("SHA256", Some("COMPOSITE"), "COMPOSITE"),
        ("CRC64NVME", None, "FULL_OBJECT"),
        ("CRC32", Some("FULL_OBJECT"), "FULL_OBJECT"),
        ("CRC32C", Some("FULL_OBJECT"), "FULL_OBJECT"),
    ];
    for (algorithm, asked, kind) in cases {
        let path = format!("/multipart-checksums/{algorithm}-{kind}");
        let (completed, head) = multipart(&server, &path, algorithm, asked, &parts);
        let name = algorithm.to_lowercase();
        let expected = match kind {
            "COMPOSITE" => composite_checksum(&name, &slices),
            _ => checksum(&name, &parts.concat()),
        };
        let result = completed.xml();
        assert_eq!(result.get(&format!("Checksum{algorithm}")), expected, "{algorithm} {kind}");
        assert_eq!(result.get("ChecksumType"), kind);
        assert_eq!(head.must(&header(&name)), expected, "{algorithm} {kind}");
        assert_eq!(head.must("x-amz-checksum-type"), kind);
    }
}

#[test]
fn a_type_that_the_algorithm_does_not_have_is_refused() {
    let server = Server::shared();
    let client = server.client();
    client.bucket("wrong-type");
    for headers in [
        vec![("x-amz-checksum-algorithm", "SHA1"), ("x-amz-checksum-type", "FULL_OBJECT")],
        vec![("x-amz-checksum-algorithm", "SHA256"), ("x-amz-checksum-type", "FULL_OBJECT")],
        vec![("x-amz-checksum-algorithm", "CRC64NVME"), ("x-amz-checksum-type", "COMPOSITE")],
        vec![("x-amz-checksum-type", "COMPOSITE")],
        vec![("x-amz-checksum-algorithm", "CRC5")],
        vec![("x-amz-checksum-algorithm", "CRC32"), ("x-amz-checksum-type", "HALF")],
    ] {
        let refused = client.request("POST", "/wrong-type/k?uploads").headers(&headers).send();
        assert_eq!(refused.status, 400, "{headers:?}: {refused}");
    }
    assert_eq!(client.get("/wrong-type?uploads").expect(200).xml().all("Upload").count(), 0);
}

#[test]
fn complete_checks_the_checksums_that_the_client_gives() {
    let server = Server::shared();
    let client = server.client();
    client.bucket("complete-checksums");
    let path = "/complete-checksums/k";
    let upload = Upload::begin(&client, path, &[("x-amz-checksum-algorithm", "CRC64NVME")]);
    upload.part(1, b"part");
    let wrong_part = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{}</ETag><ChecksumCRC64NVME>{}</ChecksumCRC64NVME>\
         </Part></CompleteMultipartUpload>",
        etag(b"part"),
        checksum("crc64nvme", b"other")
    );
    upload.complete_by(&wrong_part, &[]).expect_error(400, "InvalidPart");
    let body = document(&[(1, etag(b"part"))]);
    let wrong_whole = [("x-amz-checksum-crc64nvme", checksum("crc64nvme", b"other"))];
    let refused = upload.complete_by(&body, &[(wrong_whole[0].0, &wrong_whole[0].1)]);
    assert_eq!(refused.status, 400, "{refused}");
    client.head(path).expect(404);
    let right = checksum("crc64nvme", b"part");
    upload.complete_by(&body, &[("x-amz-checksum-crc64nvme", &right)]).expect(200);
}

#[test]
fn a_wrong_part_is_not_kept() {
    let server = Server::shared();
    let client = server.client();
    client.bucket("wrong-part");
    let upload = Upload::begin(&client, "/wrong-part/k", &[]);
    upload.part(1, b"right");
    for (name, value) in [("content-md5", content_md5(b"x")), ("x-amz-checksum-sha256", checksum("sha256", b"x"))] {
        let put = client.request("PUT", &upload.part_path(1)).header(name, &value).body(noise(1, 100_000)).send();
        put.expect_error(400, "BadDigest");
    }
    assert_eq!(upload.listed("").texts("Part", "ETag"), [etag(b"right")]);
    client.delete(&upload.whole()).expect(204);
}

#[test]
fn a_copy_has_the_checksum_of_its_source_or_the_one_asked_for() {
    let server = Server::shared();
    let client = server.client();
    client.bucket("copy-checksum");
    let body = noise(6, 50_000);
    let put = client.request("PUT", "/copy-checksum/k").header("x-amz-checksum-sha1", &checksum("sha1", &body));
    put.body(body.clone()).send().expect(200);
    let copy = |to: &str, headers: &[(&str, &str)]| {
        let request = client.request("PUT", to).header("x-amz-copy-source", "/copy-checksum/k");
        request.headers(headers).send().expect(200);
        client.request("HEAD", to).headers(&[MODE]).send().expect(200)
    };
    assert_eq!(copy("/copy-checksum/same", &[]).must("x-amz-checksum-sha1"), checksum("sha1", &body));
    let asked = copy("/copy-checksum/other", &[("x-amz-checksum-algorithm", "CRC32C")]);
    assert_eq!(asked.must("x-amz-checksum-crc32c"), checksum("crc32c", &body));
}

/// The jclouds article sends the MD5 of the whole object when it begins an upload, whose own body is empty.
#[test]
fn a_digest_of_the_object_to_come_is_accepted_when_an_upload_begins() {
    let server = Server::shared();
    let client = server.client();
    client.bucket("early-digest");
    let upload = Upload::begin(&client, "/early-digest/k", &[("content-md5", &content_md5(b"the whole to come"))]);
    client.delete(&upload.whole()).expect(204);
}
