//! Objects: put, got, looked at, deleted.

use weir_tests::digest::etag;
use weir_tests::{Server, digest, noise};

/// Around what decides how a body is stored: inline, in a segment, as a file, in several blocks.
const SIZES: [usize; 17] = [
    0,
    1,
    8 << 10,
    (8 << 10) + 1,
    15_000,
    15_001,
    (64 << 10) - 1,
    64 << 10,
    (64 << 10) + 1,
    256 << 10,
    (256 << 10) + 1,
    (1 << 20) - 1,
    1 << 20,
    (1 << 20) + 1,
    (5 << 20) - 1,
    5 << 20,
    (5 << 20) + 1,
];

#[test]
fn bodies_of_all_sizes_come_back() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("sizes");
    for (seed, size) in SIZES.into_iter().enumerate() {
        let body = noise(seed as u64, size);
        let path = format!("{bucket}/{size}");
        let put = client.put(&path, body.clone()).expect(200);
        assert_eq!(put.must("etag"), etag(&body));
        assert_eq!(put.must("content-length"), "0");
        let got = client.get(&path).expect(200);
        assert!(got.body == body, "{size} bytes came back as {} others", got.body.len());
        assert_eq!(got.must("content-length"), size.to_string());
        assert_eq!(got.must("etag"), etag(&body));
        assert_eq!(got.must("accept-ranges"), "bytes");
        assert!(got.must("last-modified").ends_with(" GMT"));
        let head = client.head(&path).expect(200);
        assert_eq!(head.must("content-length"), size.to_string());
        assert_eq!(head.must("etag"), etag(&body));
        assert_eq!(head.must("last-modified"), got.must("last-modified"));
    }
}

#[test]
fn an_object_put_again_is_wholly_the_new_one() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("put-again");
    let path = format!("{bucket}/k");
    for size in [3 << 20, 10, 0, 70_000, 2 << 20] {
        let body = noise(size as u64, size);
        let put = client.request("PUT", &path).header(&format!("x-amz-meta-of-{size}"), "x").body(body.clone());
        put.send().expect(200);
        let got = client.get(&path).expect(200);
        assert!(got.body == body);
        let metadata: Vec<_> = got.headers.iter().filter(|(name, _)| name.starts_with("x-amz-meta-")).collect();
        assert_eq!(metadata.len(), 1, "{got:?}");
    }
    assert_eq!(client.get(&bucket).expect(200).xml().all("Contents").count(), 1);
}

#[test]
fn headers_and_metadata_come_back_as_they_were_sent() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("headers");
    let path = format!("{bucket}/k");
    let sent = [
        ("content-type", "text/plain; charset=utf-8"),
        ("cache-control", "max-age=60, private"),
        ("content-disposition", "attachment; filename=\"a b.txt\""),
        ("content-encoding", "gzip"),
        ("content-language", "de, en"),
        ("expires", "Wed, 21 Oct 2026 07:28:00 GMT"),
        ("x-amz-meta-colour", "blue, green"),
        ("x-amz-meta-two-words", " two  words "),
        ("x-amz-meta-rfc2047", "=?UTF-8?B?w7w=?="),
        ("x-amz-meta-empty", ""),
    ];
    client.request("PUT", &path).headers(&sent).body("not really gzip").send().expect(200);
    for answer in [client.get(&path).expect(200), client.head(&path).expect(200)] {
        for (name, value) in sent {
            assert_eq!(answer.must(name), value.trim(), "{name}");
        }
    }
    // What is compressed is stored as it is.
    assert_eq!(client.get(&path).expect(200).body, b"not really gzip");
    client.put(&path, "x").expect(200);
    let plain = client.head(&path).expect(200);
    assert_eq!(plain.must("content-type"), "binary/octet-stream");
    assert!(plain.header("content-encoding").is_none() && plain.header("x-amz-meta-colour").is_none());
}

#[test]
fn metadata_names_are_compared_without_case() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("metadata-case");
    let put = client.request("PUT", &format!("{bucket}/k")).header("X-Amz-Meta-MixedCase", "Value");
    put.body("x").send().expect(200);
    assert_eq!(client.head(&format!("{bucket}/k")).expect(200).must("x-amz-meta-mixedcase"), "Value");
}

#[test]
fn ranges_of_all_three_forms_are_served() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("ranges");
    for size in [100usize, 9_000, 300_000, (3 << 20) + 17] {
        let body = noise(9, size);
        let path = format!("{bucket}/{size}");
        client.put(&path, body.clone()).expect(200);
        let middle = size / 2;
        let within = [
            (format!("bytes=0-{}", size - 1), 0..size),
            ("bytes=0-0".to_owned(), 0..1),
            (format!("bytes={middle}-"), middle..size),
            (format!("bytes={}-", size - 1), size - 1..size),
            (format!("bytes=7-{middle}"), 7..middle + 1),
            ("bytes=-1".to_owned(), size - 1..size),
            ("bytes=-50".to_owned(), size - 50..size),
            (format!("bytes=-{}", size + 10), 0..size),
            (format!("bytes=3-{}", size * 2), 3..size),
            ("bytes=50-18446744073709551615".to_owned(), 50..size),
        ];
        for (range, expected) in within {
            let got = client.request("GET", &path).header("range", &range).send().expect(206);
            assert!(got.body == body[expected.clone()], "{range} of {size}: {} bytes", got.body.len());
            let content_range = format!("bytes {}-{}/{size}", expected.start, expected.end - 1);
            assert_eq!(got.must("content-range"), content_range);
            assert_eq!(got.must("content-length"), expected.len().to_string());
            assert_eq!(got.must("etag"), etag(&body));
            let head = client.request("HEAD", &path).header("range", &range).send().expect(206);
            assert_eq!(head.must("content-range"), content_range);
        }
        for beyond in [format!("bytes={size}-"), format!("bytes={}-{}", size + 5, size + 9), "bytes=-0".to_owned()] {
            let refused = client.request("GET", &path).header("range", &beyond).send();
            let refused = refused.expect_error(416, "InvalidRange");
            assert_eq!(refused.must("content-range"), format!("bytes */{size}"));
            assert_eq!(client.request("HEAD", &path).header("range", &beyond).send().expect(416).body, b"");
        }
        // What is not one range is ignored, as RFC 9110, 14.2, has it.
        for ignored in ["bytes=5-3", "bytes=a-b", "bytes=", "items=0-1", "bytes=0-1,4-5", "bytes=-", "0-1"] {
            let got = client.request("GET", &path).header("range", ignored).send().expect(200);
            assert!(got.body == body, "{ignored}");
        }
    }
}

#[test]
fn an_empty_object_has_no_range() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("empty-range");
    client.put(&format!("{bucket}/k"), "").expect(200);
    client.request("GET", &format!("{bucket}/k")).header("range", "bytes=0-").send().expect_error(416, "InvalidRange");
    let got = client.get(&format!("{bucket}/k")).expect(200);
    assert_eq!(got.must("content-length"), "0");
}

#[test]
fn answers_headers_can_be_overridden() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("overrides");
    let put = client.request("PUT", &format!("{bucket}/k")).header("content-type", "text/plain").body("x");
    put.send().expect(200);
    let query = "response-content-type=image%2Fpng&response-cache-control=no-store&response-content-language=fr\
                 &response-content-disposition=attachment%3B%20filename%3D%22x%22&response-content-encoding=br\
                 &response-expires=Thu%2C%2001%20Jan%202026%2000%3A00%3A00%20GMT";
    for method in ["GET", "HEAD"] {
        let answer = client.request(method, &format!("{bucket}/k?{query}")).signed_by_nobody().send().expect(200);
        assert_eq!(answer.must("content-type"), "image/png");
        assert_eq!(answer.must("cache-control"), "no-store");
        assert_eq!(answer.must("content-language"), "fr");
        assert_eq!(answer.must("content-disposition"), "attachment; filename=\"x\"");
        assert_eq!(answer.must("content-encoding"), "br");
        assert_eq!(answer.must("expires"), "Thu, 01 Jan 2026 00:00:00 GMT");
    }
    assert_eq!(client.head(&format!("{bucket}/k")).expect(200).must("content-type"), "text/plain");
    let broken = client.request("GET", &format!("{bucket}/k?response-content-type=a%0D%0Ax-evil:1")).signed_by_nobody();
    let broken = broken.send();
    assert!(broken.status == 400 || broken.header("x-evil").is_none(), "{broken}");
}

#[test]
fn deleting_is_idempotent() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("deleting");
    client.put(&format!("{bucket}/k"), noise(1, 100_000)).expect(200);
    for _ in 0..2 {
        assert_eq!(client.delete(&format!("{bucket}/k")).expect(204).body, b"");
        client.get(&format!("{bucket}/k")).expect_error(404, "NoSuchKey");
        assert_eq!(client.head(&format!("{bucket}/k")).expect(404).body, b"");
    }
}

#[test]
fn many_objects_are_deleted_at_once() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("delete-many");
    let keys: Vec<String> = (0..1000).map(|number| format!("k{number:04}")).collect();
    crate::listing::fill(&client, &bucket, &keys);
    client.put(&format!("{bucket}/stays"), "x").expect(200);
    let named =
        |keys: &[String]| -> String { keys.iter().map(|key| format!("<Object><Key>{key}</Key></Object>")).collect() };
    let verbose = format!("<Delete>{}</Delete>", named(&keys[..10]));
    // An MD5 and a CRC will do alike; so does neither, since a curl sends none.
    let request = client.request("POST", &format!("{bucket}?delete"));
    let answer = request.header("content-md5", &digest::content_md5(verbose.as_bytes())).body(verbose).send();
    assert_eq!(answer.expect(200).xml().texts("Deleted", "Key"), keys[..10]);
    let quiet = format!(
        "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>{}</Delete>",
        named(&keys)
    );
    let request = client.request("POST", &format!("{bucket}?delete"));
    let answer =
        request.header("x-amz-checksum-crc32", &digest::checksum("crc32", quiet.as_bytes())).body(quiet).send();
    let answer = answer.expect(200).xml();
    assert_eq!((answer.name.as_str(), answer.children.len()), ("DeleteResult", 0));
    assert_eq!(client.get(&bucket).expect(200).xml().texts("Contents", "Key"), ["stays"]);
    let wrong =
        client.request("POST", &format!("{bucket}?delete")).header("content-md5", &digest::content_md5(b"other"));
    let wrong = wrong.body("<Delete><Object><Key>stays</Key></Object></Delete>").send();
    wrong.expect_error(400, "BadDigest");
    client.head(&format!("{bucket}/stays")).expect(200);
}

#[test]
fn readers_of_an_object_that_is_put_again_get_one_version_each() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("one-version");
    let path = format!("{bucket}/k");
    let versions: Vec<Vec<u8>> = (0..4).map(|seed| noise(seed, (1 << 20) + 40_000 * seed as usize)).collect();
    client.put(&path, versions[0].clone()).expect(200);
    std::thread::scope(|scope| {
        let (client, path, versions) = (&client, &path, &versions);
        for writer in 0..2 {
            scope.spawn(move || {
                for round in 0..10 {
                    client.put(path, versions[(round + writer) % 4].clone()).expect(200);
                }
            });
        }
        for _ in 0..3 {
            scope.spawn(move || {
                for _ in 0..15 {
                    let got = client.get(path).expect(200);
                    let version = versions.iter().find(|version| etag(version) == got.must("etag")).unwrap();
                    assert!(got.body == *version, "bytes of several versions in one answer");
                }
            });
        }
    });
}

#[test]
fn a_folder_marker_is_an_object_like_any_other() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("markers");
    client.put(&format!("{bucket}/dir/"), "").expect(200);
    client.put(&format!("{bucket}/dir/file"), "x").expect(200);
    client.put(&format!("{bucket}/dir"), "y").expect(200);
    assert_eq!(client.get(&bucket).expect(200).xml().texts("Contents", "Key"), ["dir", "dir/", "dir/file"]);
    client.delete(&format!("{bucket}/dir/")).expect(204);
    client.head(&format!("{bucket}/dir/")).expect(404);
    assert_eq!(client.get(&bucket).expect(200).xml().texts("Contents", "Key"), ["dir", "dir/file"]);
}
