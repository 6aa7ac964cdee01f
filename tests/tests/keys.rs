//! Keys are opaque bytes: what goes in comes out and lists exactly, by each way to name a bucket.

use std::collections::BTreeSet;
use weir_tests::xml::Element;
use weir_tests::{Client, Server, decoded, path_of, query_of};

/// Keys that an XML 1.0 document can carry.
fn printable_keys() -> BTreeSet<String> {
    let mut keys: BTreeSet<String> = [
        "plain",
        "a",
        "a/b",
        "a/b/",
        "a/",
        "a.txt",
        "with space",
        " leading",
        "trailing ",
        "two  spaces",
        "a+b",
        "+",
        "100%",
        "%41",
        "%2F",
        "%25",
        "%",
        "%zz",
        "what?",
        "?",
        "?uploads",
        "hash#tag",
        "#",
        "a=b&c=d",
        "a;b,c",
        "a:b@c!d$e*f(g)",
        "quote'\"<>",
        "&amp;",
        "]]>",
        "back\\slash",
        "..\\x",
        "{}[]|^`~",
        "ünïcödé",
        "日本/語",
        "🦀",
        "e\u{301}",
        "é",
        "//",
        "/",
        "a//b",
        "/leading",
        "trailing//",
        ".",
        "..",
        "./a",
        "../a",
        "a/./b",
        "a/../b",
        "x/..",
        "x/.",
        "...",
        "../..",
        "/../etc/passwd",
        "tab\tkey",
        "new\nline",
        "return\rkey",
        "\n",
        "api/v1/s3/x",
        "\u{7f}delete",
        "\u{feff}bom",
        "index.html",
        "con",
        "weir.sock",
        "~",
        "-",
        "_",
        "*",
    ]
    .into_iter()
    .map(str::to_owned)
    .collect();
    keys.insert("k".repeat(1024));
    keys.insert("é".repeat(512));
    keys.insert(format!("{}x", "d/".repeat(511)));
    // Longer than a name in a file system may be.
    keys.insert(format!("deep/{}", "n".repeat(900)));
    keys
}

/// Keys that only `encoding-type=url` can list.
fn unprintable_keys() -> BTreeSet<String> {
    let mut keys: BTreeSet<String> =
        (1u8..0x20).filter(|byte| !b"\t\n\r".contains(byte)).map(|byte| format!("c{}k", char::from(byte))).collect();
    keys.insert("\u{fffe}".into());
    keys.insert("\u{ffff}".into());
    keys
}

fn listed_keys(listing: &Element) -> Vec<String> {
    listing.texts("Contents", "Key")
}

fn decoded_keys(listing: &Element) -> Vec<String> {
    assert_eq!(listing.get("EncodingType"), "url");
    let keys = listed_keys(listing);
    assert!(keys.iter().all(|key| key.is_ascii() && !key.contains([' ', '+', '%']) || key.contains('%')), "{keys:?}");
    keys.iter().map(|key| String::from_utf8(decoded(key)).unwrap()).collect()
}

/// Puts, gets, heads, copies, lists and deletes each key. `bucket` is the path of the bucket for this client, empty
/// with the virtual-host style.
fn session(client: &Client, bucket_name: &str, bucket: &str, printable: bool, keys: &BTreeSet<String>) {
    for key in keys {
        client.put(&format!("{bucket}/{}", path_of(key)), key.as_bytes()).expect(200);
    }
    for key in keys {
        let path = format!("{bucket}/{}", path_of(key));
        assert_eq!(client.get(&path).expect(200).body, key.as_bytes(), "{key:?}");
        assert_eq!(client.head(&path).expect(200).must("content-length"), key.len().to_string(), "{key:?}");
    }
    let in_order: Vec<String> = keys.iter().cloned().collect();
    let at = |query: &str| client.get(&format!("{bucket}/?{query}")).expect(200);
    if printable {
        for query in ["", "list-type=2"] {
            let listing = at(query);
            assert!(!listing.body.contains(&b'\r'), "a raw carriage return is a line feed to each parser");
            assert_eq!(listed_keys(&listing.xml()), in_order, "{query}");
        }
    }
    assert_eq!(decoded_keys(&at("encoding-type=url").xml()), in_order);
    assert_eq!(decoded_keys(&at("encoding-type=url&list-type=2").xml()), in_order);
    for key in keys {
        let found = at(&format!("list-type=2&encoding-type=url&prefix={}&max-keys=1", query_of(key))).xml();
        assert_eq!(
            decoded_keys(&found),
            std::slice::from_ref(key),
            "the first key with the prefix of the key itself is the key"
        );
        assert_eq!(decoded(found.get("Prefix")), key.as_bytes());
    }
    copy_each(client, bucket_name, bucket, keys);
    delete_each(client, bucket, keys);
    assert!(listed_keys(&at("list-type=2").xml()).is_empty());
}

fn copy_each(client: &Client, bucket_name: &str, bucket: &str, keys: &BTreeSet<String>) {
    let mut copy = "the copy".to_owned();
    for key in keys {
        // To a fixed key, and back to the key itself under another name: both sides are named by each key.
        let source = format!("{bucket_name}/{}", path_of(key));
        let to_copy = format!("{bucket}/{}", path_of(&copy));
        client.request("PUT", &to_copy).header("x-amz-copy-source", &source).send().expect(200);
        assert_eq!(client.get(&to_copy).expect(200).body, key.as_bytes(), "{key:?}");
        let back = format!("{bucket}/{}", path_of(key));
        let source = format!("/{bucket_name}/{}", path_of(&copy));
        client.request("PUT", &back).header("x-amz-copy-source", &source).send().expect(200);
        assert_eq!(client.get(&back).expect(200).body, key.as_bytes(), "{key:?}");
        client.delete(&to_copy).expect(204);
        copy = "the copy".to_owned();
    }
}

/// Half of the keys one by one, the other half in one request.
fn delete_each(client: &Client, bucket: &str, keys: &BTreeSet<String>) {
    let (ones, together): (Vec<_>, Vec<_>) = keys.iter().enumerate().partition(|(number, _)| number % 2 == 0);
    for (_, key) in ones {
        let path = format!("{bucket}/{}", path_of(key));
        client.delete(&path).expect(204);
        client.get(&path).expect_error(404, "NoSuchKey");
    }
    let expressible = |key: &&String| {
        !key.chars().any(|c| c < ' ' && !"\t\n\r".contains(c) || ('\u{fffe}'..='\u{ffff}').contains(&c))
    };
    let together: Vec<&String> = together.into_iter().map(|(_, key)| key).collect();
    let named: Vec<&String> = together.iter().copied().filter(expressible).collect();
    if !named.is_empty() {
        let objects: String = named.iter().map(|key| format!("<Object><Key>{}</Key></Object>", escaped(key))).collect();
        let answer = client.post(&format!("{bucket}/?delete"), format!("<Delete>{objects}</Delete>")).expect(200).xml();
        let deleted: BTreeSet<String> = answer.texts("Deleted", "Key").into_iter().collect();
        assert_eq!(deleted, named.iter().map(|key| (*key).clone()).collect());
    }
    for key in together.iter().filter(|key| !expressible(key)) {
        client.delete(&format!("{bucket}/{}", path_of(key))).expect(204);
    }
}

fn escaped(key: &str) -> String {
    key.chars()
        .map(|c| if "<>&'\"\t\n\r".contains(c) { format!("&#{};", u32::from(c)) } else { c.to_string() })
        .collect()
}

#[test]
fn all_keys_go_in_and_come_out_at_the_root() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("keys-root");
    session(&client, "keys-root", &bucket, true, &printable_keys());
    session(&client, "keys-root", &bucket, false, &unprintable_keys());
    client.delete(&bucket).expect(204);
}

#[test]
fn all_keys_go_in_and_come_out_at_the_base_path() {
    let server = Server::shared();
    let client = server.base_path_client();
    let bucket = client.bucket("keys-base");
    session(&client, "keys-base", &bucket, true, &printable_keys());
    session(&client, "keys-base", &bucket, false, &unprintable_keys());
    client.delete(&bucket).expect(204);
}

#[test]
fn all_keys_go_in_and_come_out_by_virtual_host() {
    let server = Server::shared();
    server.client().bucket("keys-host");
    let client = server.bucket_client("keys-host");
    session(&client, "keys-host", "", true, &printable_keys());
    session(&client, "keys-host", "", false, &unprintable_keys());
    client.delete("/").expect(204);
}

#[test]
fn the_ways_to_name_a_bucket_lead_to_the_same_objects() {
    let server = Server::shared();
    let (root, base) = (server.client(), server.base_path_client());
    root.bucket("one-bucket");
    let host = server.bucket_client("one-bucket");
    root.put("/one-bucket/a%20b/%2E%2E/c", "1").expect(200);
    assert_eq!(base.get("/one-bucket/a%20b/../c").expect(200).body, b"1");
    assert_eq!(host.get("/a%20b/..%2Fc").expect(200).body, b"1");
    // A dotted bucket's name is the whole of what stands before the domain.
    root.bucket("dotted.bucket");
    server.bucket_client("dotted.bucket").put("/k", "2").expect(200);
    assert_eq!(root.get("/dotted.bucket/k").expect(200).body, b"2");
    // The base path is a key like any other when the host names the bucket.
    host.put("/api/v1/s3/k", "3").expect(200);
    assert_eq!(root.get("/one-bucket/api/v1/s3/k").expect(200).body, b"3");
}

#[test]
fn a_key_is_decoded_once() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("decoded-once");
    client.put(&format!("{bucket}/%252F"), "x").expect(200);
    assert_eq!(listed_keys(&client.get(&bucket).expect(200).xml()), ["%2F"]);
    client.get(&format!("{bucket}/%2F")).expect_error(404, "NoSuchKey");
    client.put(&format!("{bucket}/copy"), "").expect(200);
    let copy = client.request("PUT", &format!("{bucket}/copy")).header("x-amz-copy-source", "/decoded-once/%252F");
    copy.send().expect(200);
    assert_eq!(client.get(&format!("{bucket}/copy")).expect(200).body, b"x");
}

#[test]
fn a_null_byte_is_stored_exactly_or_refused() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("null-byte");
    let put = client.put(&format!("{bucket}/a%00b"), "x");
    if put.status == 200 {
        assert_eq!(client.get(&format!("{bucket}/a%00b")).expect(200).body, b"x");
        client.get(&format!("{bucket}/a")).expect_error(404, "NoSuchKey");
        let listing = client.get(&format!("{bucket}?encoding-type=url")).expect(200).xml();
        assert_eq!(listed_keys(&listing), ["a%00b"]);
    } else {
        assert_eq!(put.status, 400, "{put}");
        assert!(listed_keys(&client.get(&bucket).expect(200).xml()).is_empty());
    }
}

#[test]
fn a_key_of_bytes_that_are_not_utf8_is_stored_exactly_or_refused() {
    let server = Server::shared();
    let client = server.client();
    let bucket = client.bucket("not-utf8");
    let put = client.put(&format!("{bucket}/a%FFb"), "x");
    if put.status == 200 {
        assert_eq!(client.get(&format!("{bucket}/a%FFb")).expect(200).body, b"x");
        let listing = client.get(&format!("{bucket}?encoding-type=url")).expect(200).xml();
        assert_eq!(listed_keys(&listing), ["a%FFb"]);
    } else {
        assert_eq!(put.status, 400, "{put}");
    }
    server.assert_alive();
}

#[test]
fn the_first_segment_of_the_base_path_is_no_bucket() {
    let server = Server::shared();
    let refused = server.client().put("/api", "").expect_refusal();
    assert!(refused.xml().get("Message").contains("api"), "{refused}");
    let refused = server.base_path_client().put("/api", "").expect_refusal();
    assert!(refused.xml().get("Message").contains("api"), "{refused}");
}
