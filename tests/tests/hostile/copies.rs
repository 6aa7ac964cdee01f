//! CopyObject and UploadPartCopy from sources that are none, are not there, or that the caller may not read; and
//! deletions key by key.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html>,
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPartCopy.html>

use super::case::{BAD_ARGUMENT, BAD_REQUEST, Case, DENIED, Refusal};
use super::scene::{Scene, root};
use jiff::Timestamp;
use weir_tests::digest::etag;
use weir_tests::sign::{Draft, Keys, sha256_hex, v4};

const NO_KEY: Refusal = Refusal(404, "NoSuchKey");
const NO_BUCKET: Refusal = Refusal(404, "NoSuchBucket");
const FAILED: Refusal = Refusal(412, "PreconditionFailed");
const SOURCE: &str = "x-amz-copy-source";
const RANGE: &str = "x-amz-copy-source-range";

type Headers<'a> = Vec<(&'a str, String)>;

fn source(text: &str) -> Headers<'static> {
    vec![(SOURCE, text.to_owned())]
}

fn from_b(name: &'static str, value: &str) -> Headers<'static> {
    vec![(SOURCE, "/held/b".to_owned()), (name, value.to_owned())]
}

/// Both ways to copy: the name, and what is written.
fn targets(scene: &Scene) -> [(&'static str, String); 2] {
    let part = format!("/held/upload?partNumber=2&uploadId={}", scene.upload_id);
    [("CopyObject", "/held/copy".to_owned()), ("UploadPartCopy", part)]
}

fn draft(scene: &Scene, keys: &Keys, target: &str, headers: &Headers<'_>) -> Draft {
    let mut draft = Draft::new("PUT", &scene.host, target);
    for (name, value) in headers {
        draft.add_header(name, value);
    }
    let payload = sha256_hex(b"");
    draft.add_header("x-amz-content-sha256", &payload);
    v4::Signer::new(keys, Timestamp::now(), super::scene::REGION).sign_header(&mut draft, &payload);
    draft
}

#[test]
fn a_copy_of_what_is_no_source_is_refused() {
    let scene = Scene::shared();
    let long = format!("/held/{}", "k".repeat(1025));
    let of_both: Vec<(&str, Headers<'_>, Refusal)> = vec![
        ("an empty source", source(""), BAD_ARGUMENT),
        ("a slash", source("/"), BAD_ARGUMENT),
        ("a bucket alone", source("/held"), BAD_ARGUMENT),
        ("a bucket and a slash", source("held/"), BAD_ARGUMENT),
        ("no bucket", source("//b"), BAD_ARGUMENT),
        ("a broken escape", source("/held/%zz"), BAD_ARGUMENT),
        ("half an escape", source("/held/b%2"), BAD_ARGUMENT),
        ("a null byte", source("/held/b%00"), BAD_ARGUMENT),
        ("an empty version", source("/held/b?versionId="), BAD_ARGUMENT),
        ("two sources", vec![(SOURCE, "/held/b".to_owned()), (SOURCE, "/held/a".to_owned())], BAD_ARGUMENT),
        ("a bucket in capitals", source("/HELD/b"), Refusal(400, "InvalidBucketName")),
        ("a bucket of dots", source("/../held/b"), Refusal(400, "InvalidBucketName")),
        ("a key that is too long", source(&long), Refusal(400, "KeyTooLongError")),
        ("an unknown version", source("/held/b?versionId=nonsense"), Refusal(404, "NoSuchVersion")),
        ("an access point", source("arn:aws:s3:us-east-1:1:accesspoint/a/object/b"), Refusal(501, "NotImplemented")),
        ("a missing key", source("/held/missing"), NO_KEY),
        ("a missing bucket", source("/nowhere/b"), NO_BUCKET),
        ("a key that looks like a path", source("/held/../held/b"), NO_KEY),
        ("an escape of an escape", source("/held/%2562"), NO_KEY),
        ("another etag", from_b("x-amz-copy-source-if-match", "\"0\""), FAILED),
        ("the same etag", from_b("x-amz-copy-source-if-none-match", &etag(b"held content")), FAILED),
        (
            "changed since tomorrow",
            from_b("x-amz-copy-source-if-unmodified-since", "Sat, 01 Jan 2000 00:00:00 GMT"),
            FAILED,
        ),
        ("somebody's source", from_b("x-amz-source-expected-bucket-owner", "111122223333"), DENIED),
        ("somebody's target", from_b("x-amz-expected-bucket-owner", "111122223333"), DENIED),
    ];
    let of_objects: Vec<(&str, Headers<'_>, Refusal)> = vec![
        ("an unknown directive", from_b("x-amz-metadata-directive", "MERGE"), BAD_ARGUMENT),
        ("an unknown directive for tags", from_b("x-amz-tagging-directive", "MERGE"), BAD_ARGUMENT),
        ("an unknown class", from_b("x-amz-storage-class", "FROZEN"), Refusal(400, "InvalidStorageClass")),
    ];
    let of_parts: Vec<(&str, Headers<'_>, Refusal)> = [
        "bytes=5-3",
        "bytes=0-",
        "bytes=-5",
        "0-5",
        "bytes=a-b",
        "bytes=0-1,3-4",
        "bytes=0-99999999999999999999999",
        "bytes=",
        "",
    ]
    .map(|range| ("a range that is none", from_b(RANGE, range), BAD_ARGUMENT))
    .into();
    let beyond = ["bytes=0-12", "bytes=12-13", "bytes=99999-999999"]
        .map(|range| ("a range beyond the end", from_b(RANGE, range), BAD_ARGUMENT));
    let [(object, object_target), (part, part_target)] = targets(&scene);
    let mut cases = Vec::new();
    let mut add = |name: &str, target: &str, rows: &[(&str, Headers<'_>, Refusal)]| {
        for (what, headers, refusal) in rows {
            let draft = draft(&scene, &root(), target, headers);
            cases.push(Case {
                what: format!("{name}: {what} {headers:?}"),
                draft,
                refusal: *refusal,
                hidden: Vec::new(),
            });
        }
    };
    add(object, &object_target, &of_both);
    add(part, &part_target, &of_both);
    add(object, &object_target, &of_objects);
    add(part, &part_target, &of_parts);
    add(part, &part_target, &beyond);
    add(object, "/held/b", &[("onto itself", source("/held/b"), BAD_REQUEST)]);
    add(object, "/nowhere/b", &[("into no bucket", source("/held/b"), NO_BUCKET)]);
    scene.refuses(cases);
}

#[test]
fn who_may_only_write_copies_and_learns_nothing() {
    let scene = Scene::shared();
    let mut cases = Vec::new();
    for (name, target) in targets(&scene) {
        for what in [
            "/held/b",
            "/held/%62",
            "held/b",
            "/held/b?versionId=null",
            "/held/missing",
            "/held/../empty/k",
            "/empty/k",
            "/nowhere/b",
        ] {
            for more in [vec![], vec![(RANGE, "bytes=0-1")], vec![("x-amz-copy-source-if-none-match", "*")]] {
                let mut headers = source(what);
                headers.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
                let draft = draft(&scene, &scene.writer, &target, &headers);
                let what = format!("{name}: {headers:?} by a writer");
                cases.push(Case { what, draft, refusal: DENIED, hidden: Vec::new() });
            }
        }
    }
    for (method, target) in [
        ("GET", "/held/b"),
        ("HEAD", "/held/b"),
        ("GET", "/held/missing"),
        ("HEAD", "/held/missing"),
        ("GET", "/held/missing?tagging"),
        ("GET", "/held?list-type=2"),
        ("GET", "/nowhere/b"),
        ("DELETE", "/held/b"),
        ("DELETE", "/held/missing"),
        ("DELETE", "/held"),
        ("GET", "/held?policy"),
        ("DELETE", "/held?policy"),
        ("GET", "/"),
    ] {
        let mut draft =
            Draft::new(method, &scene.host, target).with_header("x-amz-content-sha256", v4::UNSIGNED_PAYLOAD);
        v4::Signer::new(&scene.writer, Timestamp::now(), super::scene::REGION)
            .sign_header(&mut draft, v4::UNSIGNED_PAYLOAD);
        cases.push(Case { what: format!("{method} {target} by a writer"), draft, refusal: DENIED, hidden: Vec::new() });
    }
    scene.refuses(cases);
}

/// A policy speaks of a key, and not of the ways to spell it.
#[test]
fn an_explicit_deny_holds_however_the_key_is_spelt() {
    let scene = Scene::shared();
    let mut cases = Vec::new();
    for path in [
        "/held/closed",
        "/held/close%64",
        "/held/%63%6c%6f%73%65%64",
        "/%68eld/closed",
        "/api/v1/s3/held/closed",
        "/api/v1/s3/held/%63losed",
    ] {
        for query in ["", "?partNumber=1", "?versionId=null", "?response-content-type=text/html"] {
            for method in ["GET", "HEAD"] {
                let mut draft = Draft::new(method, &scene.host, &format!("{path}{query}"))
                    .with_header("x-amz-content-sha256", v4::UNSIGNED_PAYLOAD);
                scene.signer().sign_header(&mut draft, v4::UNSIGNED_PAYLOAD);
                cases.push(Case {
                    what: format!("{method} {path}{query}"),
                    draft,
                    refusal: DENIED,
                    hidden: Vec::new(),
                });
            }
        }
    }
    for (name, target) in targets(&scene) {
        for what in ["/held/closed", "held/close%64", "%2Fheld%2Fclosed", "/held/closed?versionId=null"] {
            let draft = draft(&scene, &root(), &target, &source(what));
            cases.push(Case { what: format!("{name} of {what}"), draft, refusal: DENIED, hidden: Vec::new() });
        }
    }
    scene.refuses(cases);
}
