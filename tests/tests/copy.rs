//! CopyObject and UploadPartCopy.

use crate::multipart::{Upload, document};
use weir_tests::digest::etag;
use weir_tests::{Answer, Client, Server, noise};

const MIB: usize = 1 << 20;

fn copy(client: &Client, source: &str, to: &str, headers: &[(&str, &str)]) -> Answer {
    client.request("PUT", to).header("x-amz-copy-source", source).headers(headers).send()
}

#[test]
fn copies_of_all_sizes_outlive_their_source() {
    let server = Server::shared();
    let client = server.client();
    client.bucket("copy-from");
    client.bucket("copy-to");
    for size in [0, 10, 20_000, 400_000, 3 * MIB + 5] {
        let body = noise(size as u64, size);
        client.put("/copy-from/k", body.clone()).expect(200);
        for source in ["/copy-from/k", "copy-from/k"] {
            let answer = copy(&client, source, "/copy-to/k", &[]).expect(200).xml();
            assert_eq!((answer.name.as_str(), answer.get("ETag")), ("CopyObjectResult", etag(&body).as_str()));
            assert!(answer.get("LastModified").ends_with('Z'));
        }
        client.delete("/copy-from/k").expect(204);
        assert!(client.get("/copy-to/k").expect(200).body == body, "{size}");
        // And back, and the middle one goes: the bytes are held by what refers to them.
        copy(&client, "/copy-to/k", "/copy-from/again", &[]).expect(200);
        client.delete("/copy-to/k").expect(204);
        assert!(client.get("/copy-from/again").expect(200).body == body, "{size}");
    }
}

#[test]
fn a_copy_moves_no_data() {
    let server = Server::start();
    let client = server.client();
    client.bucket("no-data");
    let body = noise(1, 20 * MIB);
    client.put("/no-data/k", body.clone()).expect(200);
    let before = server.block_bytes();
    for number in 0..20 {
        copy(&client, "/no-data/k", &format!("/no-data/copy{number}"), &[]).expect(200);
    }
    let grown = server.block_bytes() - before;
    assert!(grown < MIB as u64, "20 copies took {grown} bytes");
    client.delete("/no-data/k").expect(204);
    assert!(client.get("/no-data/copy19").expect(200).body == body);
}

#[test]
fn the_directives_decide_what_of_the_source_is_kept() {
    let server = Server::shared();
    let client = server.client();
    client.bucket("directives");
    let put = client.request("PUT", "/directives/k").headers(&[
        ("content-type", "text/plain"),
        ("cache-control", "no-store"),
        ("x-amz-meta-a", "old"),
    ]);
    put.body("x").send().expect(200);
    let new = [("content-type", "image/png"), ("x-amz-meta-b", "new")];

    copy(&client, "/directives/k", "/directives/kept", &new).expect(200);
    let kept = client.head("/directives/kept").expect(200);
    assert_eq!((kept.must("content-type"), kept.must("x-amz-meta-a")), ("text/plain", "old"));
    assert_eq!((kept.must("cache-control"), kept.header("x-amz-meta-b")), ("no-store", None));

    let replace = [new[0], new[1], ("x-amz-metadata-directive", "REPLACE")];
    copy(&client, "/directives/k", "/directives/replaced", &replace).expect(200);
    let replaced = client.head("/directives/replaced").expect(200);
    assert_eq!((replaced.must("content-type"), replaced.must("x-amz-meta-b")), ("image/png", "new"));
    assert_eq!((replaced.header("cache-control"), replaced.header("x-amz-meta-a")), (None, None));

    copy(&client, "/directives/k", "/directives/x", &[("x-amz-metadata-directive", "KEEP")])
        .expect_error(400, "InvalidArgument");
    client.head("/directives/x").expect(404);
}

#[test]
fn tags_are_copied_or_replaced() {
    let server = Server::shared();
    let client = server.client();
    client.bucket("tagged");
    client.request("PUT", "/tagged/k").header("x-amz-tagging", "a=1&b=two%20words").body("x").send().expect(200);
    let count = |key: &str| client.head(key).expect(200).header("x-amz-tagging-count").map(str::to_owned);
    assert_eq!(count("/tagged/k").as_deref(), Some("2"));
    copy(&client, "/tagged/k", "/tagged/kept", &[("x-amz-tagging", "c=3")]).expect(200);
    assert_eq!(count("/tagged/kept").as_deref(), Some("2"));
    copy(&client, "/tagged/k", "/tagged/new", &[("x-amz-tagging", "c=3"), ("x-amz-tagging-directive", "REPLACE")])
        .expect(200);
    assert_eq!(count("/tagged/new").as_deref(), Some("1"));
    copy(&client, "/tagged/k", "/tagged/none", &[("x-amz-tagging-directive", "REPLACE")]).expect(200);
    assert_eq!(count("/tagged/none"), None);
}

#[test]
fn an_object_is_copied_onto_itself_only_to_change_something() {
    let server = Server::shared();
    let client = server.client();
    client.bucket("self-copy");
    let body = noise(1, 300_000);
    client.request("PUT", "/self-copy/k").header("x-amz-meta-a", "old").body(body.clone()).send().expect(200);
    copy(&client, "/self-copy/k", "/self-copy/k", &[]).expect_error(400, "InvalidRequest");
    let replace = [("x-amz-metadata-directive", "REPLACE"), ("x-amz-meta-a", "new")];
    for _ in 0..3 {
        copy(&client, "/self-copy/k", "/self-copy/k", &replace).expect(200);
    }
    let got = client.get("/self-copy/k").expect(200);
    assert!(got.body == body);
    assert_eq!(got.must("x-amz-meta-a"), "new");
}

#[test]
fn a_copy_obeys_the_conditions_on_its_source() {
    let server = Server::shared();
    let client = server.client();
    client.bucket("source-conditions");
    client.put("/source-conditions/k", "x").expect(200);
    let tag = etag(b"x");
    let (past, future) = ("Sat, 01 Jan 2000 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT");
    let cases: [(&[(&str, &str)], u16); 10] = [
        (&[("x-amz-copy-source-if-match", &tag)], 200),
        (&[("x-amz-copy-source-if-match", "\"other\"")], 412),
        (&[("x-amz-copy-source-if-none-match", "\"other\"")], 200),
        (&[("x-amz-copy-source-if-none-match", &tag)], 412),
        (&[("x-amz-copy-source-if-modified-since", past)], 200),
        // A date in the future is none that a source can be newer than, yet S3 ignores it: both are seen.
        (&[("x-amz-copy-source-if-unmodified-since", future)], 200),
        (&[("x-amz-copy-source-if-unmodified-since", past)], 412),
        (&[("x-amz-copy-source-if-match", &tag), ("x-amz-copy-source-if-unmodified-since", past)], 200),
        (&[("x-amz-copy-source-if-none-match", &tag), ("x-amz-copy-source-if-modified-since", past)], 412),
        (&[("x-amz-copy-source-if-match", "*")], 200),
    ];
    for (number, (headers, status)) in cases.into_iter().enumerate() {
        let to = format!("/source-conditions/{number}");
        let answer = copy(&client, "/source-conditions/k", &to, headers);
        if status == 200 {
            answer.expect(200);
        } else {
            answer.expect_error(412, "PreconditionFailed");
            client.head(&to).expect(404);
        }
    }
}

#[test]
fn a_source_that_is_not_there_or_no_source_is_told() {
    let server = Server::shared();
    let client = server.client();
    client.bucket("bad-source");
    let to = "/bad-source/to";
    for (source, status, code) in [
        ("/bad-source/missing", 404, "NoSuchKey"),
        ("/no-such-bucket-at-all/k", 404, "NoSuchBucket"),
        ("", 400, "InvalidArgument"),
        ("/", 400, "InvalidArgument"),
        ("bad-source", 400, "InvalidArgument"),
        ("/bad-source/", 400, "InvalidArgument"),
    ] {
        copy(&client, source, to, &[]).expect_error(status, code);
    }
    for source in ["/../etc/passwd", "/bad-source/%zz%", "/BAD_SOURCE/k", "/bad-source/k?versionId=x"] {
        copy(&client, source, to, &[]).expect_refusal();
    }
    client.head(to).expect(404);
    copy(&client, "/bad-source/k", "/no-such-bucket-at-all/k", &[]).expect_error(404, "NoSuchBucket");
}

#[test]
fn a_multipart_object_keeps_its_etag_and_parts_when_copied() {
    let server = Server::shared();
    let client = server.client();
    client.bucket("copy-multipart");
    let upload = Upload::begin(&client, "/copy-multipart/k", &[]);
    let parts = [noise(1, 5 * MIB), noise(2, 100)];
    upload.part(1, &parts[0]);
    upload.part(2, &parts[1]);
    upload.complete(&[(1, etag(&parts[0])), (2, etag(&parts[1]))]).expect(200);
    copy(&client, "/copy-multipart/k", "/copy-multipart/copy", &[]).expect(200);
    let copied = client.get("/copy-multipart/copy").expect(200);
    assert!(copied.body == parts.concat());
    client.delete("/copy-multipart/k").expect(204);
    assert!(client.get("/copy-multipart/copy").expect(200).body == parts.concat());
}

#[test]
fn parts_are_copied_whole_and_by_range() {
    let server = Server::shared();
    let client = server.client();
    client.bucket("part-copy");
    let body = noise(1, 12 * MIB + 77);
    client.put("/part-copy/source", body.clone()).expect(200);
    client.put("/part-copy/small", "inline").expect(200);
    let upload = Upload::begin(&client, "/part-copy/k", &[]);
    // Along the blocks' edges, across them, the whole, and a source without blocks.
    let ranges = [Some((0, 6 * MIB - 1)), Some((3, 5 * MIB + 100)), Some((6 * MIB, 12 * MIB + 76)), None];
    let (mut listed, mut expected) = (Vec::new(), Vec::new());
    for (number, range) in ranges.into_iter().enumerate() {
        let mut request =
            client.request("PUT", &upload.part_path(number + 1)).header("x-amz-copy-source", "/part-copy/source");
        let part = match range {
            Some((first, last)) => {
                request = request.header("x-amz-copy-source-range", &format!("bytes={first}-{last}"));
                &body[first..=last]
            }
            None => &body[..],
        };
        let answer = request.send().expect(200).xml();
        assert_eq!((answer.name.as_str(), answer.get("ETag")), ("CopyPartResult", etag(part).as_str()), "{range:?}");
        listed.push((number as u32 + 1, etag(part)));
        expected.extend_from_slice(part);
    }
    let last = client.request("PUT", &upload.part_path(9)).header("x-amz-copy-source", "/part-copy/small").send();
    assert_eq!(last.expect(200).xml().get("ETag"), etag(b"inline"));
    listed.push((9, etag(b"inline")));
    expected.extend_from_slice(b"inline");
    client.delete("/part-copy/source").expect(204);
    upload.complete_by(&document(&listed), &[]).expect(200);
    assert!(client.get("/part-copy/k").expect(200).body == expected);
}

#[test]
fn a_part_copy_beyond_its_source_is_refused() {
    let server = Server::shared();
    let client = server.client();
    client.bucket("part-beyond");
    client.put("/part-beyond/source", noise(1, 1000)).expect(200);
    let upload = Upload::begin(&client, "/part-beyond/k", &[]);
    for range in ["bytes=0-1000", "bytes=1000-2000", "bytes=5-3", "bytes=0-", "bytes=-5", "0-5", "bytes=a-b"] {
        let request = client.request("PUT", &upload.part_path(1)).header("x-amz-copy-source", "/part-beyond/source");
        let refused = request.header("x-amz-copy-source-range", range).send();
        let told = matches!(
            (refused.status, refused.code().as_str()),
            (416, "InvalidRange") | (400, "InvalidArgument" | "InvalidRange")
        );
        assert!(told, "{range}: {refused}");
    }
    assert_eq!(upload.listed("").all("Part").count(), 0);
    client.delete(&upload.whole()).expect(204);
}
