//! Forms as browsers send them.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html>

use crate::bad_forms::{assert_empty, conditions, refused};
use weir_tests::digest::{checksum, content_md5, etag};
use weir_tests::form::{BOUNDARY, content_type, policy};
use weir_tests::{Form, Server, noise, path_of};

const MIB: usize = 1 << 20;

#[test]
fn a_form_stores_its_file_with_what_its_fields_say() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("post-form");
    let tags = "<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag></TagSet></Tagging>";
    let form = Form::new()
        .fields(&[
            ("key", "user/mary/${filename}"),
            ("acl", "private"),
            ("Content-Type", "image/png"),
            ("Cache-Control", "no-cache"),
            ("Content-Disposition", "inline"),
            ("Expires", "0"),
            ("x-amz-meta-UUID", "14365123651274"),
            ("x-amz-meta-name", "${filename}"),
            ("x-amz-storage-class", "STANDARD"),
            ("tagging", tags),
        ])
        .file("C:\\Program Files\\directory1\\photo.jpg", b"some bytes")
        .field("submit", "Upload to Amazon S3");
    let answer = form.post(&client, &bucket).expect(204);
    assert_eq!((answer.must("etag"), answer.body.len()), (etag(b"some bytes").as_str(), 0));
    assert_eq!(answer.must("location"), format!("http://{}{bucket}/user/mary/photo.jpg", server.address()));
    assert_eq!(answer.must("x-amz-checksum-crc64nvme"), checksum("crc64nvme", b"some bytes"));
    let stored = client.get(&format!("{bucket}/user/mary/photo.jpg")).expect(200);
    assert_eq!(stored.body, b"some bytes");
    for (name, value) in [
        ("content-type", "image/png"),
        ("cache-control", "no-cache"),
        ("content-disposition", "inline"),
        ("expires", "0"),
        ("x-amz-meta-uuid", "14365123651274"),
        ("x-amz-meta-name", "photo.jpg"),
        ("x-amz-tagging-count", "1"),
    ] {
        assert_eq!(stored.must(name), value);
    }
    let plain = Form::new().field("key", "plain").part(b"Content-Disposition: form-data; name=\"file\"\r\n", b"text");
    plain.post(&client, &format!("{bucket}/")).expect(204);
    assert_eq!(client.get(&format!("{bucket}/plain")).expect(200).must("content-type"), "binary/octet-stream");
}

#[test]
fn a_form_may_come_by_any_name_of_its_bucket() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("post-names");
    let form = |key: &str| Form::new().field("key", key).file("f", key);
    form("path").post(&client, &bucket).expect(204);
    form("base").post(&server.base_path_client(), &bucket).expect(204);
    let answer = form("host").post(&server.bucket_client("post-names"), "/").expect(204);
    let port = server.address().port();
    assert_eq!(answer.must("location"), format!("http://post-names.s3.test:{port}/host"));
    for key in ["path", "base", "host"] {
        assert_eq!(client.get(&format!("{bucket}/{key}")).expect(200).text(), key);
    }
    let nowhere = form("k").post(&client, "/post-nowhere");
    nowhere.expect_error(404, "NoSuchBucket");
}

#[test]
fn a_form_says_how_it_is_answered() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("post-answers");
    let asking = |fields: &[(&str, &str)]| {
        Form::new().field("key", "a/ü & b").fields(fields).file("f", "x").post(&client, &bucket)
    };
    assert_eq!(asking(&[("success_action_status", "200")]).expect(200).body, b"");
    assert_eq!(asking(&[("success_action_status", "204")]).expect(204).body, b"");
    assert_eq!(asking(&[("success_action_status", "404")]).expect(204).body, b"");
    let created = asking(&[("success_action_status", "201")]).expect(201);
    let document = created.xml();
    let location = format!("http://{}{bucket}/{}", server.address(), path_of("a/ü & b"));
    assert_eq!(document.name, "PostResponse");
    assert_eq!(document.get("Location"), location);
    assert_eq!(document.get("Bucket"), "post-answers");
    assert_eq!(document.get("Key"), "a/ü & b");
    assert_eq!(document.get("ETag"), etag(b"x"));
    assert_eq!(created.must("location"), location);
    assert!(!created.text().contains("xmlns"), "{created}");

    let md5 = etag(b"x").replace('"', "%22");
    let redirected = asking(&[("success_action_redirect", "https://example.com/done?a=b"), ("redirect", "http://no/")]);
    let target = format!("https://example.com/done?a=b&bucket=post-answers&key=a%2F%C3%BC%20%26%20b&etag={md5}");
    assert_eq!(redirected.expect(303).must("location"), target);
    asking(&[("redirect", "http://example.com/")]).expect(303);
    for wrong in ["/relative", "javascript:alert(1)", "http://", "http://example.com/\r\nset-cookie: a=b", ""] {
        let answer = asking(&[("success_action_redirect", wrong)]).expect(204);
        assert_eq!(answer.header("set-cookie"), None, "{wrong}");
    }
    // One that fails is not redirected.
    let failed = Form::new().fields(&[("key", ""), ("success_action_redirect", "http://example.com/")]).file("f", "x");
    failed.post(&client, &bucket).expect_error(400, "UserKeyMustBeSpecified");
}

#[test]
fn a_file_of_any_size_and_content_comes_back() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("post-sizes");
    let lookalike = format!("\r\n--{}\r\n--", &BOUNDARY[..BOUNDARY.len() - 1]).repeat(2_000);
    let mut files = vec![lookalike.into_bytes(), b"\r\n".repeat(20_000), format!("--{BOUNDARY}--").into_bytes()];
    files.extend([0, 1, 8 << 10, (8 << 10) + 1, MIB - 1, MIB, 3 * MIB + 7].map(|size| noise(size as u64, size)));
    for (number, file) in files.iter().enumerate() {
        let form = Form::new().field("key", format!("{number}")).file("f", file);
        assert_eq!(form.post(&client, &bucket).expect(204).must("etag"), etag(file));
        let chunked = Form::new().field("key", format!("chunked-{number}")).file("f", file);
        let request = client.request("POST", &bucket).header("content-type", &content_type());
        request.body(chunked.body()).chunked().send().expect(204);
        for key in [format!("{number}"), format!("chunked-{number}")] {
            assert!(client.get(&format!("{bucket}/{key}")).expect(200).body == *file, "{key}: other bytes came back");
        }
    }
}

#[test]
fn keys_of_forms_are_opaque() {
    let server = Server::shared();
    let client = server.client();
    let (bucket, victim) = (client.bucket("post-keys"), client.bucket("post-victim"));
    for key in ["../post-victim/k", "/", "a//b", ".", "..", "%2e%2e/x", "a\\b", "../../etc/passwd", "ünï", "a\nb"] {
        Form::new().field("key", key).file("f", key).post(&client, &bucket).expect(204);
        assert_eq!(client.get(&format!("{bucket}/{}", path_of(key))).expect(200).text(), key);
    }
    assert_empty(&client, &victim);
    // A file's name is no path either.
    Form::new().field("key", "in/${filename}").file("../../x/evil.sh", "x").post(&client, &bucket).expect(204);
    client.head(&format!("{bucket}/in/evil.sh")).expect(200);
    let empty = client.bucket("post-bad-keys");
    let of = |key: &[u8]| Form::new().field("key", key).file("f", "x");
    refused(&client, &empty, &of(&[b'k'; 1025]), 400, "KeyTooLongError");
    refused(&client, &empty, &of(b""), 400, "UserKeyMustBeSpecified");
    refused(&client, &empty, &of(b"a\0b"), 400, "InvalidArgument");
    refused(&client, &empty, &of(b"\xFF\xFE"), 400, "MalformedPOSTRequest");
    refused(&client, &empty, &Form::new().file("f", "x"), 400, "UserKeyMustBeSpecified");
    of(&[b'k'; 1024]).post(&client, &empty).expect(204);
}

#[test]
fn a_form_within_its_policy_is_stored() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("post-policy");
    let more = ", {\"acl\": \"private\"}, [\"eq\", \"$Content-Type\", \"text/plain\"], [\"starts-with\", \
                \"$x-amz-meta-tag\", \"\"], [\"content-length-range\", 5, 10], {\"success_action_status\": \"201\"}";
    let form = |size: usize| {
        Form::new()
            .fields(&[("KEY", "user/eric/${filename}"), ("acl", "private"), ("content-type", "text/plain")])
            .fields(&[("x-amz-meta-tag", ""), ("success_action_status", "201"), ("x-ignore-what", "ever")])
            .fields(&[("AWSAccessKeyId", "nobody"), ("Policy", &policy(&conditions(&bucket, more)))])
            .field("signature", "of no key")
            .file(&format!("{size}"), noise(1, size))
    };
    for size in [5, 10] {
        form(size).post(&client, &bucket).expect(201);
        client.head(&format!("{bucket}/user/eric/{size}")).expect(200);
    }
    // What a form names of its bucket must be named, and be true.
    let named = Form::new().fields(&[("key", "user/eric/b"), ("bucket", "post-policy")]);
    named.field("policy", policy(&conditions(&bucket, ""))).file("f", "x").post(&client, &bucket).expect(204);
}

#[test]
fn digests_in_fields_are_verified() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("post-digests");
    let content = noise(8, 100_000);
    let form = |fields: &[(&str, &str)]| Form::new().field("key", "k").fields(fields).file("f", &content);
    for (fields, code) in [
        (&[("Content-MD5", content_md5(b"other").as_str())][..], "BadDigest"),
        (&[("Content-MD5", "nonsense")], "InvalidDigest"),
        (&[("x-amz-checksum-sha256", &checksum("sha256", b"other"))], "BadDigest"),
        (&[("x-amz-checksum-crc32", "sailorjerry")], "InvalidRequest"),
        (&[("x-amz-checksum-algorithm", "SHA256")], "InvalidRequest"),
        (
            &[("x-amz-checksum-algorithm", "SHA1"), ("x-amz-checksum-crc32", &checksum("crc32", &content))],
            "InvalidRequest",
        ),
        (&[("x-amz-sdk-checksum-algorithm", "CRC32")], "InvalidRequest"),
    ] {
        refused(&client, &bucket, &form(fields), 400, code);
    }
    form(&[("content-md5", &content_md5(&content))]).post(&client, &bucket).expect(204);
    for name in ["crc32", "crc32c", "crc64nvme", "sha1", "sha256"] {
        let header = format!("x-amz-checksum-{name}");
        let value = checksum(name, &content);
        let algorithm = name.to_ascii_uppercase();
        let fields = [("x-amz-checksum-algorithm", algorithm.as_str()), (header.as_str(), value.as_str())];
        assert_eq!(form(&fields).post(&client, &bucket).expect(204).must(&header), value);
    }
}
