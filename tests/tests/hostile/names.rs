//! Keys that look like paths, escapes or markup, wherever a request can carry one: opaque bytes, decoded once, stored
//! and told exactly. And addresses that are none.

use super::case::{BAD_ARGUMENT, Case, MISMATCH, Refusal};
use super::scene::{Scene, root};
use jiff::Timestamp;
use std::collections::BTreeSet;
use weir_tests::form::{content_type, policy};
use weir_tests::sign::form::v4_fields;
use weir_tests::sign::{Draft, v2};
use weir_tests::{Answer, Form, decoded, path_of, query_of, server};

const KEYS: [&str; 34] = [
    "..",
    "../empty/k",
    "../../etc/passwd",
    "a/../../empty/k",
    ".",
    "./k",
    "a/./k",
    "a//k",
    "/k",
    "//k",
    "k/",
    "k//",
    "%2e%2e/empty/k",
    "%2e%2e%2fempty%2fk",
    "%252e%252e",
    "..%5cempty%5ck",
    "..\\empty\\k",
    "%00",
    "%",
    "%2",
    "a+b",
    "a b",
    "a%20b",
    "a?uploads",
    "a#b",
    "a&b=c",
    "a;b",
    "<a>&amp;\"'</a>",
    "é\u{301}\u{1f980}",
    "\u{202e}gpj.exe",
    "con:",
    "${jndi:ldap://x/a}",
    "'; DROP TABLE objects; --",
    "-rf",
];

/// Every byte of a key escaped.
fn escaped(key: &str) -> String {
    key.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

fn in_xml(key: &str) -> String {
    key.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn keys_of(scene: &Scene, query: &str) -> BTreeSet<String> {
    let listed = scene.as_root("GET", &format!("/held?list-type=2&encoding-type=url{query}"), "").expect(200).xml();
    let keys = listed.texts("Contents", "Key");
    keys.iter().map(|key| String::from_utf8(decoded(&key.replace('+', " "))).unwrap()).collect()
}

/// Signed by Version 2, whose resource is the path as it is sent.
fn by_version_2(scene: &Scene, method: &str, target: &str) -> Answer {
    let mut draft = Draft::new(method, &scene.host, target);
    v2::Signer::new(&root(), Timestamp::now()).sign_header(&mut draft);
    draft.request(&scene.client).send()
}

#[test]
fn a_key_is_the_same_bytes_wherever_a_request_carries_it() {
    let scene = Scene::set();
    let there = keys_of(&scene, "");
    for key in KEYS {
        let plain = format!("/held/{}", path_of(key));
        for path in [plain.clone(), format!("/held/{}", escaped(key))] {
            scene.as_root("PUT", &path, key).expect(200);
            for answer in [scene.as_root("GET", &plain, ""), by_version_2(&scene, "GET", &path)] {
                assert_eq!(answer.expect(200).body, key.as_bytes(), "{path}");
            }
            assert!(keys_of(&scene, &format!("&prefix={}", query_of(key))).contains(key), "{key}");
            let after = keys_of(&scene, "");
            assert_eq!(after.difference(&there).map(String::as_str).collect::<Vec<_>>(), [key]);
            by_version_2(&scene, "DELETE", &path).expect(204);
            assert_eq!(keys_of(&scene, ""), there, "{path}");
        }
        // A source, a document and a form carry it each in their own escapes.
        scene.as_root("PUT", &plain, key).expect(200);
        for source in [format!("/held/{}", path_of(key)), format!("held/{}", escaped(key))] {
            let copy = Draft::new("PUT", &scene.host, "/empty/copy").with_header("x-amz-copy-source", &source);
            scene.as_someone(&root(), copy).expect(200);
            assert_eq!(scene.as_root("GET", "/empty/copy", "").expect(200).body, key.as_bytes(), "{source}");
        }
        let document = format!("<Delete><Object><Key>{}</Key></Object></Delete>", in_xml(key));
        let deleted = scene.as_root("POST", "/held?delete", document).expect(200).xml();
        assert_eq!(deleted.texts("Deleted", "Key"), [key]);
        assert_eq!(keys_of(&scene, ""), there, "{key}");
        post(&scene, key).expect(204);
        assert_eq!(scene.as_root("GET", &plain, "").expect(200).body, b"posted", "{key}");
        scene.as_root("DELETE", &plain, "").expect(204);
        assert_eq!(keys_of(&scene, ""), there, "{key}");
    }
    let listed = scene.as_root("GET", "/empty", "").expect(200).xml();
    assert_eq!(listed.texts("Contents", "Key"), ["copy"]);
    // Blocks are named by ids: no key is a path in the folder of the data.
    let data = scene.server.data();
    for file in server::files_under(&data) {
        let name = file.strip_prefix(&data).unwrap().to_string_lossy().into_owned();
        assert!(!name.contains("passwd") && !name.contains("empty") && !name.contains('%'), "{name}");
    }
    scene.server.assert_well();
}

/// A signed form whose policy allows any key.
fn post(scene: &Scene, key: &str) -> Answer {
    let any = ["$key", "$x-amz-algorithm", "$x-amz-credential", "$x-amz-date"]
        .map(|name| format!("[\"starts-with\", \"{name}\", \"\"]"));
    let policy = policy(&format!("{{\"bucket\": \"held\"}}, {}", any.join(", ")));
    let form = v4_fields(&scene.signer(), &policy)
        .iter()
        .fold(Form::new().field("key", key), |form, (name, value)| form.field(name, value));
    Draft::new("POST", &scene.host, "/held")
        .with_header("content-type", content_type())
        .with_body(form.file("f", "posted").body())
        .request(&scene.client)
        .send()
}

/// An escape that was signed as another one is another request.
#[test]
fn a_path_is_decoded_once_for_signature_and_route_alike() {
    let scene = Scene::shared();
    let mut cases = Vec::new();
    for method in ["GET", "PUT", "DELETE"] {
        for (signed, sent) in [
            ("/held/a%252fb", "/held/a%2fb"),
            ("/held/a%2fb", "/held/a%252fb"),
            ("/held/%252e%252e/empty", "/held/%2e%2e/empty"),
            ("/held/../empty/k", "/empty/k"),
            ("/empty/k", "/held/../empty/k"),
            ("/held/%2e%2e/empty/k", "/empty/k"),
            ("/held//a", "/held/a"),
            ("/held/a", "/held//a"),
            ("/held/a", "//held/a"),
            ("/held/a+b", "/held/a%20b"),
            ("/held/A", "/held/a"),
            ("/held/a%00", "/held/a"),
        ] {
            let mut draft = Draft::new(method, &scene.host, signed);
            draft.add_header("x-amz-content-sha256", "UNSIGNED-PAYLOAD");
            scene.signer().sign_header(&mut draft, "UNSIGNED-PAYLOAD");
            draft.path = sent.to_owned();
            // A bucket's name has no slash before it.
            let refusal = if sent.starts_with("//") { Refusal(400, "InvalidBucketName") } else { MISMATCH };
            let what = format!("{method} {sent}, signed as {signed}");
            cases.push(Case { what, draft, refusal, hidden: Vec::new() });
        }
    }
    scene.refuses(cases);
}

#[test]
fn addresses_that_are_none_are_refused_by_each_method() {
    let scene = Scene::shared();
    let bad_uri = Refusal(400, "InvalidURI");
    let bad_name = Refusal(400, "InvalidBucketName");
    let too_long = format!("/held/{}", "k".repeat(1025));
    let mut cases = Vec::new();
    for (target, refusal) in [
        ("/%", bad_uri),
        ("/%2", bad_uri),
        ("/%zz", bad_uri),
        ("/held/%", bad_uri),
        ("/held/a%4", bad_uri),
        ("/held/%u0041", bad_uri),
        ("/held?%", bad_uri),
        ("/held?prefix=%", bad_uri),
        ("/held?prefix=%ff%fe", bad_uri),
        ("/held/a?versionId=%c3%28", bad_uri),
        ("/held?prefix=a&prefix=b", BAD_ARGUMENT),
        ("/held/a?uploadId=1&uploadId=2", BAD_ARGUMENT),
        ("/held/a?acl&tagging", BAD_ARGUMENT),
        ("/held?policy&acl", BAD_ARGUMENT),
        ("/%00", bad_uri),
        ("/..", bad_name),
        ("/.", bad_name),
        ("/%2e%2e", bad_name),
        ("/..%2fheld", bad_name),
        ("/a", bad_name),
        ("/held%00", bad_uri),
        ("/HELD", bad_name),
        ("/held%20", bad_name),
        ("/192.168.0.1", bad_name),
        (&too_long, Refusal(400, "KeyTooLongError")),
    ] {
        for method in ["GET", "HEAD", "PUT", "POST", "DELETE"] {
            // A POST without a subresource asks for nothing of an object.
            if method == "POST" && target.starts_with("/held/") && refusal.1 == "KeyTooLongError" {
                continue;
            }
            let mut draft = Draft::new(method, &scene.host, target);
            draft.add_header("x-amz-content-sha256", "UNSIGNED-PAYLOAD");
            scene.signer().sign_header(&mut draft, "UNSIGNED-PAYLOAD");
            cases.push(Case { what: format!("{method} {target}"), draft, refusal, hidden: Vec::new() });
        }
    }
    scene.refuses(cases);
}
