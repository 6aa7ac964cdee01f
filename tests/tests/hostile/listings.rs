//! Arguments of listings that are none, on each listing, and what they cost.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html>

use super::case::{BAD_ARGUMENT, Case};
use super::scene::Scene;
use std::time::{Duration, Instant};
use weir_tests::sign::{Draft, v4};
use weir_tests::{noise, query_of};

/// A page that is asked for with the worst arguments takes less than this in a debug build.
const PAGE_MAX: Duration = Duration::from_secs(2);

fn signed(scene: &Scene, target: &str) -> Draft {
    let mut draft = Draft::new("GET", &scene.host, target).with_header("x-amz-content-sha256", v4::UNSIGNED_PAYLOAD);
    scene.signer().sign_header(&mut draft, v4::UNSIGNED_PAYLOAD);
    draft
}

#[test]
fn arguments_that_are_none_are_refused_by_each_listing() {
    let scene = Scene::shared();
    let page = scene.as_root("GET", "/held?list-type=2&max-keys=1", "").expect(200).xml();
    let token = page.get("NextContinuationToken").to_owned();
    let parts = format!("/held/upload?uploadId={}", scene.upload_id);
    let mut targets = Vec::new();
    for (listing, size) in [
        ("/held?", "max-keys"),
        ("/held?list-type=2&", "max-keys"),
        ("/held?uploads&", "max-uploads"),
        (&format!("{parts}&"), "max-parts"),
        ("/?", "max-buckets"),
    ] {
        for wrong in ["-1", "x", "1e3", "%2B5", "1.5", "0x10", "99999999999999999999", "%20", "1%00"] {
            targets.push(format!("{listing}{size}={wrong}"));
        }
    }
    for listing in ["/held?", "/held?list-type=2&", "/held?uploads&"] {
        targets.extend(["base64", "URL", "%00"].map(|wrong| format!("{listing}encoding-type={wrong}")));
    }
    for kind in ["0", "1", "3", "-2", "two", "2%00"] {
        targets.push(format!("/held?list-type={kind}"));
    }
    let altered = |at: usize| {
        let mut bytes = token.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        String::from_utf8(bytes).unwrap()
    };
    let tokens = [
        altered(0),
        altered(3),
        altered(7),
        token[..token.len() - 2].to_owned(),
        format!("{token}AAAA"),
        "nonsense".to_owned(),
        query_of(noise(1, 300)),
        "AAAA".repeat(500),
    ];
    for token in tokens {
        targets.push(format!("/held?list-type=2&continuation-token={token}"));
    }
    for marker in ["-1", "x", "99999999999999999999"] {
        targets.push(format!("{parts}&part-number-marker={marker}"));
    }
    let cases = targets.iter().filter(|target| !target.contains(&query_of(noise(1, 300)))).map(|target| Case {
        what: target.clone(),
        draft: signed(&scene, target),
        refusal: BAD_ARGUMENT,
        hidden: Vec::new(),
    });
    scene.refuses(cases.collect::<Vec<_>>());
}

#[test]
fn a_listing_costs_little_whatever_is_asked() {
    let scene = Scene::set();
    for number in 0..300 {
        let key = format!("/held/{}{number}", "ab".repeat(400));
        scene.as_root("PUT", &key, "").expect(200);
    }
    let long = "ab".repeat(3_000);
    for arguments in [
        format!("delimiter={long}"),
        format!("prefix={long}"),
        format!("marker={long}"),
        format!("start-after={long}&list-type=2"),
        "delimiter=a&prefix=ab".to_owned(),
        format!("delimiter={}&prefix=a", "ab".repeat(399)),
        "max-keys=1000000000".to_owned(),
        "max-keys=0&delimiter=b".to_owned(),
        "delimiter=%F0%9F%A6%80&encoding-type=url".to_owned(),
    ] {
        let began = Instant::now();
        scene.as_root("GET", &format!("/held?{arguments}"), "").expect(200);
        assert!(began.elapsed() < PAGE_MAX, "{:?}: {arguments:.60}", began.elapsed());
    }
    // What does not fit into a head is not read at all.
    let answer = scene.as_root("GET", &format!("/held?delimiter={}", "d".repeat(1 << 20)), "");
    assert_eq!(answer.status, 431, "{answer}");
    scene.server.assert_well();
}
