//! `Authorization: AWS4-HMAC-SHA256 …`, with each defect, on each route.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-auth-using-authorization-header.html>

use super::case::{
    BAD_ARGUMENT, BAD_HEADER, BAD_REQUEST, BAD_TOKEN, Case, DENIED, Defect, MISMATCH, Refusal, SKEWED, SignsV4,
    changed, edit_header, elsewhere, other_end, signed, strange_parameters, strangers,
};
use super::routes::{Body, Route, routes};
use super::scene::{Scene, root};
use jiff::{SignedDuration, Timestamp};
use weir_tests::sign::{Draft, sha256_hex, v4};

const MARK: &str = "x-amz-meta-mark";
const AUTHORIZATION: &str = "authorization";

/// Signed so much later, or earlier.
pub fn shifted(signer: &mut v4::Signer, minutes: i64) {
    signer.time += SignedDuration::from_mins(minutes);
    signer.date = day(signer.time);
}

/// What a scope can have wrong.
pub fn scopes<S: SignsV4>(refusal: Refusal) -> Vec<Defect<S>> {
    let of = |what, before: fn(&mut S, &mut Draft)| signed(what, refusal, before);
    vec![
        of("yesterday's scope", |signer, _| signer.v4().date = day(signer.v4().time - SignedDuration::from_hours(24))),
        of("tomorrow's scope", |signer, _| signer.v4().date = day(signer.v4().time + SignedDuration::from_hours(24))),
        of("a scope of no day", |signer, _| signer.v4().date = "today".to_owned()),
        of("a scope of nine digits", |signer, _| signer.v4().date.push('0')),
        of("another region", |signer, _| signer.v4().region = "us-east-1".to_owned()),
        of("no region", |signer, _| signer.v4().region.clear()),
        of("another service", |signer, _| signer.v4().service = "iam".to_owned()),
        of("another end of the scope", |signer, _| signer.v4().terminator = "aws2_request".to_owned()),
        of("no end of the scope", |signer, _| signer.v4().terminator.clear()),
        of("no key id", |signer, _| signer.v4().keys.access.clear()),
    ]
}

/// As a scope has it.
fn day(time: Timestamp) -> String {
    time.strftime("%Y%m%d").to_string()
}

pub fn times() -> Vec<Defect<v4::Signer>> {
    vec![
        signed("16 minutes behind", SKEWED, |signer, _| shifted(signer, -16)),
        signed("16 minutes ahead", SKEWED, |signer, _| shifted(signer, 16)),
        signed("a year behind", SKEWED, |signer, _| shifted(signer, -60 * 24 * 365)),
        signed("a hundred years ahead", SKEWED, |signer, _| shifted(signer, 60 * 24 * 36_500)),
        changed("no date", DENIED, |draft| draft.set_header("x-amz-date", None)),
        changed("a date that is none", DENIED, |draft| draft.set_header("x-amz-date", Some(b"20260230T000000Z"))),
        changed("two dates", BAD_ARGUMENT, |draft| draft.add_header("x-amz-date", "20260101T000000Z")),
    ]
}

pub fn coverage() -> Vec<Defect<v4::Signer>> {
    let marked = |what, after| Defect {
        what,
        before: |_: &mut v4::Signer, draft: &mut Draft| draft.add_header(MARK, "a"),
        after,
        refusal: MISMATCH,
    };
    vec![
        signed("a host that is not signed", DENIED, |signer, _| signer.unsigned_headers.push("host".to_owned())),
        signed("a date that is not signed", DENIED, |signer, _| signer.unsigned_headers.push("x-amz-date".to_owned())),
        changed("metadata that is not signed", DENIED, |draft| draft.add_header(MARK, "a")),
        changed("an ACL that is not signed", DENIED, |draft| draft.add_header("x-amz-acl", "public-read")),
        changed("a directive that is not signed", DENIED, |draft| {
            draft.add_header("x-amz-metadata-directive", "REPLACE");
        }),
        marked("a signed header with another value", |draft| draft.set_header(MARK, Some(b"b"))),
        marked("a signed header with one more value", |draft| draft.add_header(MARK, "b")),
        marked("a signed header that is gone", |draft| draft.set_header(MARK, None)),
        changed("another host", MISMATCH, |draft| draft.host = "elsewhere.test".to_owned()),
        changed("one more parameter", MISMATCH, |draft| draft.add_parameter("x-id", "x")),
        changed("a token that is not signed", BAD_TOKEN, |draft| draft.add_header("x-amz-security-token", "x")),
    ]
}

pub fn malformed() -> Vec<Defect<v4::Signer>> {
    let without = |what, after: fn(&mut Draft)| changed(what, BAD_HEADER, after);
    vec![
        changed("an empty Authorization", DENIED, |draft| draft.set_header(AUTHORIZATION, Some(b""))),
        changed("two Authorizations", BAD_ARGUMENT, |draft| {
            let same = draft.header(AUTHORIZATION);
            draft.add_header(AUTHORIZATION, same);
        }),
        changed("a right and a wrong Authorization", BAD_ARGUMENT, |draft| {
            draft.add_header(AUTHORIZATION, "AWS ROOTKEY:AAAAAAAAAAAAAAAAAAAAAAAAAAA=");
        }),
        changed("a bearer", BAD_ARGUMENT, |draft| draft.set_header(AUTHORIZATION, Some(b"Bearer ROOTKEY"))),
        changed("a password", BAD_ARGUMENT, |draft| draft.set_header(AUTHORIZATION, Some(b"Basic Uk9PVEtFWTp4"))),
        changed("another algorithm", BAD_ARGUMENT, |draft| {
            edit_header(draft, AUTHORIZATION, |text| text.replace("SHA256", "SHA512"));
        }),
        changed("letters that are not ASCII", BAD_ARGUMENT, |draft| {
            edit_header(draft, AUTHORIZATION, |text| text.replace("ROOTKEY", "RÖÖTKEY"));
        }),
        changed("parameters of Version 4 besides", BAD_ARGUMENT, |draft| {
            strange_parameters(draft, &["X-Amz-Credential"]);
        }),
        changed("a whole presigned query besides", BAD_ARGUMENT, |draft| {
            let signer = v4::Signer::new(&root(), Timestamp::now(), super::scene::REGION);
            signer.sign_query(draft, "60", v4::UNSIGNED_PAYLOAD);
        }),
        changed("parameters of Version 2 besides", BAD_ARGUMENT, |draft| {
            strange_parameters(draft, &["AWSAccessKeyId", "Signature", "Expires"]);
        }),
        without("nothing but the algorithm", |draft| draft.set_header(AUTHORIZATION, Some(v4::ALGORITHM.as_bytes()))),
        without("7 KB of nothing", |draft| {
            draft.set_header(AUTHORIZATION, Some(format!("{} {}", v4::ALGORITHM, "x".repeat(7000)).as_bytes()));
        }),
        without("no credential", |draft| edit_header(draft, AUTHORIZATION, |text| text.replace("Credential=", "C="))),
        without("no signed headers", |draft| {
            edit_header(draft, AUTHORIZATION, |text| text.replace("SignedHeaders=", "S="));
        }),
        without("no signature", |draft| {
            edit_header(draft, AUTHORIZATION, |text| text.rsplit_once(',').unwrap().0.to_owned());
        }),
        without("a signature twice", |draft| edit_header(draft, AUTHORIZATION, |text| format!("{text}, Signature=00"))),
        without("no commas", |draft| edit_header(draft, AUTHORIZATION, |text| text.replace(',', ""))),
        without("headers in capitals", |draft| edit_header(draft, AUTHORIZATION, |text| text.replace("host", "Host"))),
        without("headers in no order", |draft| {
            edit_header(draft, AUTHORIZATION, |text| text.replace("SignedHeaders=", "SignedHeaders=z;"));
        }),
        without("a header signed twice", |draft| {
            edit_header(draft, AUTHORIZATION, |text| text.replace("host;", "host;host;"));
        }),
    ]
}

pub fn signatures() -> Vec<Defect<v4::Signer>> {
    let edited = |what, after: fn(&mut Draft)| changed(what, MISMATCH, after);
    vec![
        edited("another last digit", |draft| edit_header(draft, AUTHORIZATION, other_end)),
        edited("a signature that is cut", |draft| {
            edit_header(draft, AUTHORIZATION, |mut text| {
                text.pop();
                text
            });
        }),
        edited("a signature that is longer", |draft| edit_header(draft, AUTHORIZATION, |text| text + "00")),
        edited("a signature of no digits", |draft| {
            edit_header(draft, AUTHORIZATION, |text| text.replace("Signature=", "Signature=xy"));
        }),
        edited("an empty signature", |draft| {
            edit_header(draft, AUTHORIZATION, |text| format!("{}Signature=", text.split_once("Signature=").unwrap().0));
        }),
    ]
}

fn payloads() -> Vec<Defect<v4::Signer>> {
    const NAME: &str = "x-amz-content-sha256";
    vec![
        changed("no hash", BAD_REQUEST, |draft| draft.set_header(NAME, None)),
        changed("an empty hash", BAD_REQUEST, |draft| draft.set_header(NAME, Some(b""))),
        changed("two hashes", BAD_ARGUMENT, |draft| draft.add_header(NAME, sha256_hex(b""))),
        changed("another hash", MISMATCH, |draft| draft.set_header(NAME, Some(sha256_hex(b"x").as_bytes()))),
        changed("no hash any more", MISMATCH, |draft| draft.set_header(NAME, Some(v4::UNSIGNED_PAYLOAD.as_bytes()))),
    ]
}

fn defects() -> Vec<Defect<v4::Signer>> {
    [strangers(), scopes(BAD_HEADER), times(), elsewhere(), coverage(), malformed(), signatures(), payloads()]
        .into_iter()
        .flatten()
        .collect()
}

/// The request of a route, signed with a defect. The right signature is nobody's to know.
fn case(scene: &Scene, route: &Route, defect: &Defect<v4::Signer>) -> Case {
    let (mut draft, mut signer) = (route.draft.clone(), scene.signer());
    draft.add_header("x-amz-content-sha256", sha256_hex(&draft.body));
    (defect.before)(&mut signer, &mut draft);
    let payload = draft.header("x-amz-content-sha256");
    signer.sign_header(&mut draft, &payload);
    (defect.after)(&mut draft);
    Case::new(route, defect.what, draft, defect.refusal)
}

pub fn cases(scene: &Scene) -> Vec<Case> {
    let (routes, defects) = (routes(scene), defects());
    let mut cases: Vec<Case> =
        routes.iter().flat_map(|route| defects.iter().map(|defect| case(scene, route, defect))).collect();
    let another_body: Defect<v4::Signer> =
        changed("another body", Refusal(400, "XAmzContentSHA256Mismatch"), |draft| draft.body[0] ^= 1);
    let with_body = routes.iter().filter(|route| route.body != Body::Nothing);
    cases.extend(with_body.map(|route| case(scene, route, &another_body)));
    cases
}

#[test]
fn a_header_of_version_4_with_any_defect_is_refused_everywhere() {
    let scene = Scene::shared();
    scene.refuses(cases(&scene));
}

#[test]
fn each_route_is_served_to_who_signs_a_header_of_version_4() {
    let scene = Scene::set();
    for route in routes(&scene) {
        let answer = scene.as_someone(&root(), route.draft.clone());
        assert_eq!(answer.status, route.served, "{}: {answer}", route.name);
    }
}
