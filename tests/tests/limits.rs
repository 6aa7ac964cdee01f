//! Every limit at one less, exactly, and one more.

use crate::multipart::{Upload, document};
use std::fmt::Write as _;
use weir_tests::digest::etag;
use weir_tests::{Answer, Client, Server};

fn keys(client: &Client, bucket: &str) -> Vec<String> {
    client.get(bucket).expect(200).xml().texts("Contents", "Key")
}

#[test]
fn a_key_has_at_most_1024_bytes() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("key-length");
    for (letter, width) in [("k", 1), ("é", 2), ("%2F", 1)] {
        for bytes in [1023, 1024, 1025] {
            let mut key = letter.repeat(bytes / width);
            key.push_str(&"x".repeat(bytes % width));
            let path = format!("{bucket}/{}", if letter == "é" { weir_tests::path_of(&key) } else { key });
            let answers = [
                client.put(&path, "x"),
                client.get(&path),
                client
                    .request("PUT", &path)
                    .header("x-amz-copy-source", &path)
                    .header("x-amz-metadata-directive", "REPLACE")
                    .send(),
                client.post(&format!("{path}?uploads"), ""),
                client.delete(&path),
            ];
            for answer in answers {
                if bytes <= 1024 {
                    assert!(answer.status < 300, "{bytes}: {answer}");
                } else {
                    answer.expect_error(400, "KeyTooLongError");
                }
            }
            let head = client.head(&path);
            assert_eq!(head.status, if bytes <= 1024 { 404 } else { 400 });
        }
    }
    assert!(keys(&client, &bucket).is_empty());
}

#[test]
fn metadata_has_at_most_2048_bytes() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("metadata-size");
    for (size, fits) in [(2047, true), (2048, true), (2049, false)] {
        // The sum of names, without their prefix, and values, over two headers.
        let (first, second) = ("a".repeat(1000), "b".repeat(size - 1000 - "one".len() - "two".len()));
        let headers = [("x-amz-meta-one", first.as_str()), ("x-amz-meta-two", second.as_str())];
        let path = format!("{bucket}/{size}");
        let answers = [
            client.request("PUT", &path).headers(&headers).body("x").send(),
            client.request("POST", &format!("{path}?uploads")).headers(&headers).send(),
        ];
        for answer in answers {
            if fits {
                answer.expect(200);
            } else {
                answer.expect_error(400, "MetadataTooLarge");
            }
        }
        assert_eq!(client.head(&path).status, if fits { 200 } else { 404 });
    }
}

#[test]
fn a_delete_names_at_most_1000_keys_and_at_least_one() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("delete-count");
    client.put(&format!("{bucket}/k1000"), "x").expect(200);
    for (count, fits) in [(0, false), (1, true), (999, true), (1000, true), (1001, false)] {
        let objects: String = (0..count).map(|number| format!("<Object><Key>k{number}</Key></Object>")).collect();
        let answer = client.post(&format!("{bucket}?delete"), format!("<Delete>{objects}</Delete>"));
        if fits {
            assert_eq!(answer.expect(200).xml().all("Deleted").count(), count);
        } else {
            answer.expect_error(400, "MalformedXML");
        }
    }
    assert_eq!(keys(&client, &bucket), ["k1000"]);
}

#[test]
fn part_numbers_go_from_1_to_10000() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("part-numbers");
    let upload = Upload::begin(&client, &format!("{bucket}/k"), &[]);
    client.put(&format!("{bucket}/source"), "x").expect(200);
    for (number, fits) in [
        ("0", false),
        ("1", true),
        ("10000", true),
        ("10001", false),
        ("-1", false),
        ("x", false),
        ("", false),
        ("4294967297", false),
        ("1.5", false),
    ] {
        let put = client.put(&upload.part_path(number), "x");
        let copy =
            client.request("PUT", &upload.part_path(number)).header("x-amz-copy-source", "/part-numbers/source").send();
        for answer in [put, copy] {
            if fits {
                answer.expect(200);
            } else {
                answer.expect_error(400, "InvalidArgument");
            }
        }
        if !fits {
            client.get(&format!("{bucket}/source?partNumber={number}")).expect_error(400, "InvalidArgument");
        }
    }
    assert_eq!(upload.listed("").texts("Part", "PartNumber"), ["1", "10000"]);
    for (number, code) in [(0, "InvalidArgument"), (10_001, "InvalidArgument")] {
        let refused = upload.complete(&[(number, etag(b"x"))]);
        assert!(
            matches!(refused.code().as_str(), "MalformedXML" | "InvalidPart") || refused.code() == code,
            "{refused}"
        );
        assert_eq!(refused.status, 400);
    }
    client.delete(&upload.whole()).expect(204);
}

#[test]
fn a_complete_lists_at_most_10000_parts() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("part-count");
    let upload = Upload::begin(&client, &format!("{bucket}/k"), &[]);
    upload.part(1, b"x");
    let listed = |count: u32| document(&(1..=count).map(|number| (number, etag(b"x"))).collect::<Vec<_>>());
    // 10,000 are read, and found not to be there; 10,001 are not read.
    upload.complete_by(&listed(9_999), &[]).expect_error(400, "InvalidPart");
    upload.complete_by(&listed(10_000), &[]).expect_error(400, "InvalidPart");
    upload.complete_by(&listed(10_001), &[]).expect_error(400, "MalformedXML");
    upload.complete_by(&listed(1), &[]).expect(200);
}

#[test]
fn pages_of_all_listings_are_clamped_or_refused() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("page-sizes");
    let upload = Upload::begin(&client, &format!("{bucket}/k"), &[]);
    upload.part(1, b"x");
    for (path, name) in [
        (format!("{bucket}?uploads&max-uploads="), "MaxUploads"),
        (format!("{}&max-parts=", upload.whole()), "MaxParts"),
        (format!("{bucket}?max-keys="), "MaxKeys"),
    ] {
        for wrong in ["-1", "x", "1e3", "99999999999999999999"] {
            client.get(&format!("{path}{wrong}")).expect_error(400, "InvalidArgument");
        }
        for (asked, given) in
            [("0", "0"), ("1", "1"), ("999", "999"), ("1000", "1000"), ("1001", "1000"), ("1000000000", "1000")]
        {
            let page = client.get(&format!("{path}{asked}")).expect(200).xml();
            // S3 itself echoes what was asked in some of these and clamps silently.
            assert!([asked, given].contains(&page.get(name)), "{path}{asked}");
            let count = page.all("Upload").count() + page.all("Part").count();
            assert!(count <= asked.parse::<usize>().unwrap());
        }
    }
    for marker in ["-1", "x", "99999999999999999999"] {
        client.get(&format!("{}&part-number-marker={marker}", upload.whole())).expect_error(400, "InvalidArgument");
    }
    client.delete(&upload.whole()).expect(204);
}

#[test]
fn an_object_has_at_most_ten_tags() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("tag-count");
    let tags = |count: usize| (0..count).map(|number| format!("k{number}=v")).collect::<Vec<_>>().join("&");
    let put = |name: &str, value: &str| {
        client.request("PUT", &format!("{bucket}/{name}")).header("x-amz-tagging", value).body("x").send()
    };
    put("9", &tags(9)).expect(200);
    put("10", &tags(10)).expect(200);
    let refused = put("11", &tags(11));
    assert!(refused.status == 400 && ["BadRequest", "InvalidTag"].contains(&refused.code().as_str()), "{refused}");
    put("long", &format!("{}={}", "k".repeat(128), "v".repeat(256))).expect(200);
    for wrong in [
        format!("{}=v", "k".repeat(129)),
        format!("k={}", "v".repeat(257)),
        "a=1&a=2".into(),
        "=v".into(),
        "k=%zz".into(),
    ] {
        assert_eq!(put("wrong", &wrong).expect_refusal().status, 400, "{wrong}");
    }
    assert_eq!(keys(&client, &bucket), ["10", "9", "long"]);
}

#[test]
fn bucket_names_follow_the_rules() {
    let server = Server::shared();
    let client = server.client();
    for name in ["abc", &"a".repeat(62), &"b".repeat(63), "a.b-c", "0digits9"] {
        client.put(&format!("/{name}"), "").expect(200);
        client.delete(&format!("/{name}")).expect(204);
    }
    for name in [
        "ab",
        &"a".repeat(64),
        "-ab",
        "ab-",
        "Upper",
        "under_score",
        "a..b",
        "192.168.5.4",
        "xn--a",
        "a-s3alias",
        "%C3%BCber",
        "a%20b",
        "a%2Fb",
        ".ab",
        "%2e%2e%2e",
    ] {
        client.put(&format!("/{name}"), "").expect_error(400, "InvalidBucketName");
        let head = client.head(&format!("/{name}"));
        assert!(matches!(head.status, 400 | 404), "{head}");
    }
}

#[test]
fn headers_are_bounded_in_size_and_number() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("header-limits");
    let send = |count: usize, size: usize| -> Answer {
        let mut connection = server.connect();
        let mut head = format!("PUT {bucket}/k HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n");
        for number in 0..count {
            write!(head, "x-more-{number}: {}\r\n", "v".repeat(size)).unwrap();
        }
        head.push_str("\r\n");
        // The server may close before all is sent.
        connection.send(head.as_bytes()).ok();
        connection.read_answer("PUT").unwrap()
    };
    // Two of the 100 are the request's own.
    assert_eq!(send(98, 10).status, 200);
    for (count, size) in [(99, 10), (1000, 1), (90, 1000), (1, 70_000)] {
        let answer = send(count, size);
        assert!(matches!(answer.status, 400 | 431), "{count} of {size}: {answer}");
    }
    server.assert_alive();
}

#[test]
fn a_document_is_bounded_before_it_is_parsed() {
    let server = Server::start_with("[gateway]\nxml_max_bytes = 2000\n");
    let client = server.client();
    let bucket = client.bucket("xml-size");
    let delete = |size: usize| {
        let frame = "<Delete><Object><Key>k</Key></Object></Delete>";
        let body = frame.replace("</Delete>", &format!("{}</Delete>", " ".repeat(size - frame.len())));
        assert_eq!(body.len(), size);
        client.post(&format!("{bucket}?delete"), body)
    };
    delete(1999).expect(200);
    delete(2000).expect(200);
    for size in [2001, 100_000, 5 << 20] {
        let refused = delete(size);
        assert_eq!(refused.status, 400, "{refused}");
        assert!(["MalformedXML", "EntityTooLarge"].contains(&refused.code().as_str()), "{refused}");
    }
    // The same without a length.
    let body = format!("<Delete>{}</Delete>", " ".repeat(1 << 20));
    let refused = client.request("POST", &format!("{bucket}?delete")).chunked().body(body).send();
    assert_eq!(refused.status, 400, "{refused}");
    server.assert_alive();
}

#[test]
fn an_object_has_at_most_the_allowed_size() {
    let server =
        Server::start_with("[gateway]\nput_max_bytes = 1000000\npart_min_bytes = 1\nbase_path_part_min_bytes = 1\n");
    let client = server.client();
    let bucket = client.bucket("object-size");
    let path = format!("{bucket}/k");
    for (size, fits) in [(999_999, true), (1_000_000, true), (1_000_001, false)] {
        let body = vec![b'x'; size];
        let framed = weir_tests::framing::unsigned(&body, 65_536, &[]);
        let answers = [
            client.put(&path, body.clone()),
            client.request("PUT", &path).chunked_as(weir_tests::framing::UNSIGNED_TRAILER, size, framed).send(),
        ];
        for answer in answers {
            if fits {
                answer.expect(200);
            } else {
                answer.expect_error(400, "EntityTooLarge");
            }
        }
        client.delete(&path).expect(204);
    }
    // The length alone is enough to refuse: nothing of the body is waited for.
    let mut connection = server.connect();
    let head = format!(
        "PUT {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999\r\nExpect: 100-continue\r\n\r\n"
    );
    connection.send(head.as_bytes()).unwrap();
    let answer = connection.read_answer("PUT").unwrap();
    assert!(!answer.continued);
    answer.expect_error(400, "EntityTooLarge");
    client.head(&path).expect(404);
}
