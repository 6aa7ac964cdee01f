//! Bodies whose length or digest is not told, or told wrongly, on each route that reads a body.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html>,
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html>

use super::case::{BAD_ARGUMENT, BAD_REQUEST, Case, Refusal};
use super::payloads::{declared, frame};
use super::routes::{Body, Route, routes};
use super::scene::Scene;
use super::watch::Watch;
use weir_tests::digest::{CHECKSUMS, base64_of, checksum, content_md5};
use weir_tests::framing::{SIGNED, SIGNED_TRAILER, UNSIGNED_TRAILER};
use weir_tests::sign::{Draft, sha256_hex, v4};

const NO_LENGTH: Refusal = Refusal(411, "MissingContentLength");
const BAD_DIGEST: Refusal = Refusal(400, "BadDigest");
const INVALID_DIGEST: Refusal = Refusal(400, "InvalidDigest");

fn with_body(scene: &Scene) -> Vec<Route> {
    routes(scene).into_iter().filter(|route| route.body != Body::Nothing).collect()
}

/// A request that is signed rightly, its body framed.
fn signed(scene: &Scene, route: &Route, kind: &str) -> Draft {
    let hash = sha256_hex(&route.draft.body);
    let kind = if kind.is_empty() { &hash } else { kind };
    let mut draft = declared(route, kind);
    let seed = scene.signer().sign_header(&mut draft, kind);
    frame(&mut draft, kind, &seed);
    draft
}

/// The empty kind stands for a hash.
const KINDS: [&str; 5] = ["", v4::UNSIGNED_PAYLOAD, SIGNED, SIGNED_TRAILER, UNSIGNED_TRAILER];

#[test]
fn a_body_of_unknown_length_is_taken_where_its_payload_tells_its_end() {
    for kind in KINDS {
        let scene = Scene::set();
        for route in with_body(&scene) {
            let answer = signed(&scene, &route, kind).request(&scene.client).chunked().send();
            assert_eq!(answer.status, route.served, "{}, {kind}: {answer}", route.name);
        }
    }
}

/// Data has to have a length. A document that is not there is an empty one, which is not what was signed.
fn without_length(route: &Route, kind: &str) -> Refusal {
    match (route.name, kind) {
        ("PutObject" | "PutObject of a strange key" | "UploadPart", "" | v4::UNSIGNED_PAYLOAD) => NO_LENGTH,
        (_, "") => Refusal(400, "XAmzContentSHA256Mismatch"),
        ("PutBucketPolicy", v4::UNSIGNED_PAYLOAD) => Refusal(400, "MalformedPolicy"),
        ("PutBucketAcl" | "PutObjectAcl", v4::UNSIGNED_PAYLOAD) => Refusal(400, "MissingSecurityHeader"),
        (_, v4::UNSIGNED_PAYLOAD) => Refusal(400, "MalformedXML"),
        (_, _) => Refusal(400, "IncompleteBody"),
    }
}

#[test]
fn a_body_without_length_and_without_chunks_is_refused() {
    let scene = Scene::shared();
    let mut watch = Watch::begin(&scene);
    for route in with_body(&scene) {
        for kind in KINDS {
            let draft = signed(&scene, &route, kind);
            // There is no body, for HTTP: what would follow is the next request.
            let head = Draft { body: Vec::new(), ..draft.clone() }.request(&scene.client).without_length().head_bytes();
            let mut connection = scene.server.connect();
            connection.send(&head).unwrap();
            let answer = connection.read_answer("PUT").unwrap();
            let case = Case::new(&route, &format!("no length, {kind}"), draft, without_length(&route, kind));
            watch.answer(&case.what, &answer, &[]);
            watch.complain(case.complaint(&answer));
        }
    }
    watch.end();
}

#[test]
fn a_body_that_is_cut_off_stores_nothing() {
    let scene = Scene::shared();
    let mut watch = Watch::begin(&scene);
    for route in with_body(&scene) {
        for kind in KINDS {
            let draft = signed(&scene, &route, kind);
            for at in [0, 1, draft.body.len() / 2, draft.body.len() - 1] {
                let head = draft.request(&scene.client).head_bytes();
                let mut connection = scene.server.connect();
                connection.send(&[&head[..], &draft.body[..at]].concat()).unwrap();
                connection.stream().shutdown(std::net::Shutdown::Write).unwrap();
                // Who is gone may be answered or not.
                if let Ok(answer) = connection.read_answer("PUT") {
                    let what = format!("{} cut at {at}, {kind}", route.name);
                    watch.answer(&what, &answer, &[]);
                    if answer.status < 400 || answer.status >= 500 {
                        watch.complain(Some(format!("{what}: {answer}")));
                    }
                }
            }
        }
    }
    watch.end();
}

#[test]
fn a_digest_that_is_wrong_is_refused_everywhere() {
    let scene = Scene::shared();
    let mut cases = Vec::new();
    for route in with_body(&scene) {
        // The checksums of CompleteMultipartUpload are those of the object.
        let is_of_object = route.name == "CompleteMultipartUpload";
        let mut add = |what: &str, headers: &[(&str, String)], refusal| {
            let mut draft = route.draft.clone();
            let payload = sha256_hex(&draft.body);
            draft.add_header("x-amz-content-sha256", &payload);
            headers.iter().for_each(|(name, value)| draft.add_header(name, value));
            scene.signer().sign_header(&mut draft, &payload);
            cases.push(Case::new(&route, what, draft, refusal));
        };
        let md5 = |value: &str| vec![("content-md5", value.to_owned())];
        add("another MD5", &md5(&content_md5(b"other")), BAD_DIGEST);
        add("an MD5 of 15 bytes", &md5(&base64_of(&[0; 15])), INVALID_DIGEST);
        add("an MD5 of 17 bytes", &md5(&base64_of(&[0; 17])), INVALID_DIGEST);
        add("an MD5 in hexadecimal", &md5(&"0".repeat(32)), INVALID_DIGEST);
        add("an empty MD5", &md5(""), INVALID_DIGEST);
        let twice = [md5(&content_md5(&route.draft.body)), md5(&content_md5(b"other"))].concat();
        add("two MD5s", &twice, BAD_ARGUMENT);
        if is_of_object {
            continue;
        }
        for name in CHECKSUMS {
            let header = format!("x-amz-checksum-{name}");
            let of = |value: String| vec![(header.as_str(), value)];
            add(&format!("another {name}"), &of(checksum(name, b"other")), BAD_DIGEST);
            add(&format!("a {name} of two bytes"), &of("AAA=".to_owned()), BAD_REQUEST);
            add(&format!("a {name} of no base64"), &of("!".to_owned()), BAD_REQUEST);
        }
        let crc32 = ("x-amz-checksum-crc32", checksum("crc32", &route.draft.body));
        let sha1 = ("x-amz-checksum-sha1", checksum("sha1", &route.draft.body));
        let algorithm = |name: &str| ("x-amz-sdk-checksum-algorithm", name.to_owned());
        add("two checksums", &[crc32.clone(), sha1], BAD_REQUEST);
        add("a checksum twice", &[crc32.clone(), crc32.clone()], BAD_REQUEST);
        add("an unknown checksum", &[("x-amz-checksum-adler32", "AAAA".to_owned())], BAD_REQUEST);
        add("another algorithm than its checksum", &[crc32, algorithm("SHA1")], BAD_REQUEST);
        add("an algorithm without its checksum", &[algorithm("CRC32")], BAD_REQUEST);
        add("an unknown algorithm", &[algorithm("ADLER32")], BAD_REQUEST);
        add("a trailer without chunks", &[("x-amz-trailer", "x-amz-checksum-crc32".to_owned())], BAD_REQUEST);
    }
    scene.refuses(cases);
}
