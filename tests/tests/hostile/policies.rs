//! Policies made to be slow, to be as long as they may be, and to be told a false address.

use super::case::{Case, DENIED};
use super::scene::{Scene, root};
use std::time::{Duration, Instant};
use weir_tests::sign::{Draft, sha256_hex};

/// A decision by the worst policy takes less than this in a debug build.
const DECISION_MAX: Duration = Duration::from_secs(2);
const POLICY_MAX_BYTES: usize = 20 << 10;

fn policy(statement: &str) -> String {
    format!("{{\"Version\":\"2012-10-17\",\"Statement\":[{{\"Effect\":\"Allow\",\"Principal\":\"*\",{statement}}}]}}")
}

/// Many stars, and an end that nothing has: each way to share the key out among them would be tried by a matcher that
/// goes back.
#[test]
fn stars_without_end_are_matched_in_linear_time() {
    let scene = Scene::set();
    let key = "a".repeat(1000);
    scene.as_root("PUT", &format!("/held/{key}"), "x").expect(200);
    let stars = "*a".repeat(5_000);
    for (what, statement) in [
        ("a resource", format!("\"Action\":\"s3:GetObject\",\"Resource\":\"arn:aws:s3:::held/{stars}b\"")),
        ("question marks", {
            let marks = "*?".repeat(5_000);
            format!("\"Action\":\"s3:GetObject\",\"Resource\":\"arn:aws:s3:::held/{marks}b\"")
        }),
        ("an action", format!("\"Action\":\"s3:{}x\",\"Resource\":\"arn:aws:s3:::held/*\"", "*e*t".repeat(2_000))),
        ("a condition", {
            let condition = format!("\"Condition\":{{\"StringLike\":{{\"aws:UserAgent\":\"{stars}b\"}}}}");
            format!("\"Action\":\"s3:GetObject\",\"Resource\":\"arn:aws:s3:::held/*\",{condition}")
        }),
        ("many resources", {
            let resources: Vec<String> =
                (0..60).map(|number| format!("\"arn:aws:s3:::held/{}{number}\"", "*a".repeat(140))).collect();
            format!("\"Action\":\"s3:GetObject\",\"Resource\":[{}]", resources.join(","))
        }),
    ] {
        let answer = scene.as_root("PUT", "/held?policy", policy(&statement));
        assert!(matches!((answer.status, what), (204, _) | (400, "an action")), "{what}: {answer}");
        let began = Instant::now();
        let agent = "a".repeat(1000);
        let asked = Draft::new("GET", &scene.host, &format!("/held/{key}")).with_header("user-agent", agent);
        assert_eq!(asked.request(&scene.client).send().status, 403, "{what}");
        assert!(began.elapsed() < DECISION_MAX, "{what}: {:?}", began.elapsed());
    }
    scene.server.assert_well();
}

#[test]
fn a_policy_has_at_most_20_kilobytes() {
    let scene = Scene::set();
    let of_length = |bytes: usize| {
        let right = policy("\"Action\":\"s3:GetObject\",\"Resource\":\"arn:aws:s3:::held/*\"");
        let id = bytes - right.len() - "\"Id\":\"\",".len();
        right.replacen('{', &format!("{{\"Id\":\"{}\",", "i".repeat(id)), 1)
    };
    for (bytes, fits) in [(POLICY_MAX_BYTES - 1, true), (POLICY_MAX_BYTES, true), (POLICY_MAX_BYTES + 1, false)] {
        scene.as_root("DELETE", "/held?policy", "").expect(204);
        let answer = scene.as_root("PUT", "/held?policy", of_length(bytes));
        if fits {
            answer.expect(204);
            assert_eq!(scene.as_root("GET", "/held?policy", "").expect(200).body.len(), bytes);
        } else {
            answer.expect_error(400, "MalformedPolicy");
            scene.as_root("GET", "/held?policy", "").expect_error(404, "NoSuchBucketPolicy");
        }
    }
}

/// Without a trusted proxy, who is connected is who asks.
#[test]
fn a_forged_address_is_nobodys() {
    let scene = Scene::set();
    let from_inside = "\"Condition\":{\"IpAddress\":{\"aws:SourceIp\":\"10.1.2.3/32\"}}";
    let secure = "\"Condition\":{\"Bool\":{\"aws:SecureTransport\":\"true\"}}";
    for condition in [from_inside, secure] {
        let statement =
            format!("\"Action\":\"s3:*\",\"Resource\":[\"arn:aws:s3:::held\",\"arn:aws:s3:::held/*\"],{condition}");
        scene.as_root("PUT", "/held?policy", policy(&statement)).expect(204);
        let mut cases = Vec::new();
        for (name, value) in [
            ("x-forwarded-for", "10.1.2.3"),
            ("x-forwarded-for", "10.1.2.3, 127.0.0.1"),
            ("x-real-ip", "10.1.2.3"),
            ("forwarded", "for=10.1.2.3;proto=https"),
            ("x-client-ip", "10.1.2.3"),
            ("true-client-ip", "10.1.2.3"),
            ("cf-connecting-ip", "10.1.2.3"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "held.s3.test"),
            ("x-forwarded-user", "root"),
            ("x-amz-security-token", ""),
            ("aws:sourceip", "10.1.2.3"),
        ] {
            for target in ["/held/a", "/held"] {
                let draft = Draft::new("GET", &scene.host, target).with_header(name, value);
                let what = format!("GET {target} with {name}: {value}");
                // A colon ends the name of a header: this one is not what it says.
                cases.push(Case { what, draft, refusal: DENIED, hidden: Vec::new() });
            }
        }
        scene.refuses(cases);
    }
}

/// Headers that only the server may set, and the user's data in a coding that would grow, come back as they are or not
/// at all.
#[test]
fn what_a_client_says_is_stored_as_it_is_or_not_at_all() {
    let scene = Scene::set();
    // It is not even gzip: what is stored is not looked into.
    let content = weir_tests::noise(7, 20_000);
    let put = Draft::new("PUT", &scene.host, "/held/coded")
        .with_header("content-encoding", "gzip")
        .with_header("content-type", "text/plain")
        .with_header("x-amz-meta-a", "b")
        .with_header("etag", "\"forged\"")
        .with_header("last-modified", "Sat, 01 Jan 2000 00:00:00 GMT")
        .with_header("x-weir-owner", "forged")
        .with_header("server", "forged")
        .with_body(content.clone());
    scene.as_someone(&root(), put).expect(200);
    let got = scene.as_root("GET", "/held/coded", "").expect(200);
    assert!(got.body == content && got.must("content-encoding") == "gzip");
    assert!(got.headers.iter().all(|(_, value)| !value.contains("forged") && !value.contains("Jan 2000")), "{got}");
    // Nor is a document.
    let delete = b"<Delete><Object><Key>a</Key></Object></Delete>";
    let stored = [&[0x78, 0x01, 1, delete.len() as u8, 0, !(delete.len() as u8), 0xFF], &delete[..]].concat();
    for coding in ["gzip", "deflate", "br", "identity, deflate"] {
        let mut draft = Draft::new("POST", &scene.host, "/held?delete").with_header("content-encoding", coding);
        draft.body.clone_from(&stored);
        draft.add_header("x-amz-checksum-sha256", weir_tests::digest::checksum("sha256", &stored));
        assert_eq!(sha256_hex(&draft.body), sha256_hex(&stored));
        scene.as_someone(&root(), draft).expect_error(400, "MalformedXML");
    }
    scene.as_root("GET", "/held/a", "").expect(200);
}
