//! Presigned URLs of Signature Version 4, with each defect, on each route.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html>

use super::case::{
    BAD_ARGUMENT, BAD_QUERY, BAD_TOKEN, Case, DENIED, Defect, MISMATCH, Signs, SignsV4, changed, elsewhere, other_end,
    signed, strange_parameters, strangers,
};
use super::routes::{Route, routes};
use super::scene::{Scene, root};
use super::v4_header::{scopes, shifted};
use weir_tests::sign::{Draft, Keys, v4};

const SIGNATURE: &str = "X-Amz-Signature";
const EXPIRES: &str = "X-Amz-Expires";
const DATE: &str = "X-Amz-Date";
const SIGNED_HEADERS: &str = "X-Amz-SignedHeaders";

/// Signs for a time.
pub struct Presigner {
    pub signer: v4::Signer,
    pub expires: String,
}

impl Presigner {
    pub fn new(scene: &Scene) -> Self {
        Self { signer: scene.signer(), expires: "900".to_owned() }
    }

    pub fn sign(&self, draft: &mut Draft) {
        self.signer.sign_query(draft, &self.expires, v4::UNSIGNED_PAYLOAD);
    }
}

impl Signs for Presigner {
    fn keys(&mut self) -> &mut Keys {
        &mut self.signer.keys
    }
}

impl SignsV4 for Presigner {
    fn v4(&mut self) -> &mut v4::Signer {
        &mut self.signer
    }
}

pub fn lives() -> Vec<Defect<Presigner>> {
    let lasting = |what, before: fn(&mut Presigner, &mut Draft)| signed(what, BAD_QUERY, before);
    vec![
        signed("expired a second ago", DENIED, |presigner, _| {
            shifted(&mut presigner.signer, -10);
            presigner.expires = "599".to_owned();
        }),
        signed("expired last year", DENIED, |presigner, _| shifted(&mut presigner.signer, -60 * 24 * 365)),
        signed("not valid for another 16 minutes", DENIED, |presigner, _| shifted(&mut presigner.signer, 16)),
        signed("not valid this year", DENIED, |presigner, _| shifted(&mut presigner.signer, 60 * 24 * 366)),
        lasting("no time to live", |presigner, _| presigner.expires = "0".to_owned()),
        lasting("a negative time to live", |presigner, _| presigner.expires = "-1".to_owned()),
        lasting("a time to live with a plus", |presigner, _| presigner.expires = "%2B60".to_owned()),
        lasting("a week and a second", |presigner, _| presigner.expires = "604801".to_owned()),
        lasting("a time to live beyond 32 bits", |presigner, _| presigner.expires = "4294967297".to_owned()),
        lasting("a time to live beyond 64 bits", |presigner, _| presigner.expires = "9".repeat(30)),
        lasting("a time to live that is no number", |presigner, _| presigner.expires = "1e3".to_owned()),
        lasting("an empty time to live", |presigner, _| presigner.expires.clear()),
        changed("a longer time to live", MISMATCH, |draft| draft.set_parameter(EXPIRES, Some("901"))),
    ]
}

pub fn malformed() -> Vec<Defect<Presigner>> {
    let without = |what, after: fn(&mut Draft)| changed(what, BAD_QUERY, after);
    let besides = |what, after: fn(&mut Draft)| changed(what, BAD_ARGUMENT, after);
    vec![
        without("no algorithm", |draft| draft.set_parameter("X-Amz-Algorithm", None)),
        without("no credential", |draft| draft.set_parameter("X-Amz-Credential", None)),
        without("no date", |draft| draft.set_parameter(DATE, None)),
        without("no time to live", |draft| draft.set_parameter(EXPIRES, None)),
        without("no signed headers", |draft| draft.set_parameter(SIGNED_HEADERS, None)),
        without("no signature", |draft| draft.set_parameter(SIGNATURE, None)),
        without("another algorithm", |draft| draft.set_parameter("X-Amz-Algorithm", Some("AWS4-HMAC-SHA512"))),
        without("a date that is none", |draft| draft.set_parameter(DATE, Some("20260230T000000Z"))),
        without("a date of another form", |draft| draft.set_parameter(DATE, Some("2026-01-01T00:00:00Z"))),
        without("an empty credential", |draft| draft.set_parameter("X-Amz-Credential", Some(""))),
        without("headers in capitals", |draft| draft.set_parameter(SIGNED_HEADERS, Some("Host"))),
        without("headers in no order", |draft| draft.set_parameter(SIGNED_HEADERS, Some("z%3Bhost"))),
        without("empty signed headers", |draft| draft.set_parameter(SIGNED_HEADERS, Some(""))),
        without("a line end in the signed headers", |draft| draft.set_parameter(SIGNED_HEADERS, Some("host%0Ax"))),
        besides("a header of Version 4 besides", |draft| {
            let signer = v4::Signer::new(&root(), jiff::Timestamp::now(), super::scene::REGION);
            signer.sign_header(draft, v4::UNSIGNED_PAYLOAD);
        }),
        besides("a header of Version 2 besides", |draft| draft.add_header("authorization", "AWS ROOTKEY:AAAA")),
        besides("an empty Authorization besides", |draft| draft.add_header("authorization", "")),
        besides("parameters of Version 2 besides", |draft| {
            strange_parameters(draft, &["AWSAccessKeyId", "Signature", "Expires"]);
        }),
    ]
}

/// Which of two parameters was meant can't be known, whoever is asked.
pub fn doubled() -> Vec<Defect<Presigner>> {
    let twice = |what, after: fn(&mut Draft)| changed(what, BAD_ARGUMENT, after);
    vec![
        twice("two signatures", |draft| draft.add_parameter(SIGNATURE, "00")),
        twice("two times to live", |draft| draft.add_parameter(EXPIRES, "900")),
        twice("two credentials", |draft| draft.add_parameter("X-Amz-Credential", "x")),
        twice("two algorithms", |draft| draft.add_parameter("X-Amz-Algorithm", v4::ALGORITHM)),
        twice("two dates", |draft| draft.add_parameter(DATE, "20260101T000000Z")),
        twice("two lists of signed headers", |draft| draft.add_parameter(SIGNED_HEADERS, "host")),
        twice("an escaped second signature", |draft| draft.add_parameter("X-Amz%2DSignature", "00")),
    ]
}

pub fn signatures() -> Vec<Defect<Presigner>> {
    let edited = |what, after: fn(&mut Draft)| changed(what, MISMATCH, after);
    vec![
        edited("another last digit", |draft| {
            let other = other_end(draft.parameter(SIGNATURE).unwrap_or_default().to_owned());
            draft.set_parameter(SIGNATURE, Some(&other));
        }),
        edited("a signature that is cut", |draft| draft.set_parameter(SIGNATURE, Some("00"))),
        edited("a signature of no digits", |draft| draft.set_parameter(SIGNATURE, Some(&"x".repeat(64)))),
        edited("an empty signature", |draft| draft.set_parameter(SIGNATURE, Some(""))),
        edited("one more parameter", |draft| draft.add_parameter("x-id", "x")),
        edited("a parameter of the signature in small letters", |draft| draft.add_parameter("x-amz-expires", "900")),
        edited("another host", |draft| draft.host = "elsewhere.test".to_owned()),
        changed("metadata that is not signed", DENIED, |draft| draft.add_header("x-amz-meta-mark", "a")),
        changed("metadata in the query that is not signed", MISMATCH, |draft| {
            draft.add_parameter("x-amz-meta-mark", "a");
        }),
        changed("an ACL that is not signed", DENIED, |draft| draft.add_header("x-amz-acl", "public-read")),
        changed("a token that is not signed", BAD_TOKEN, |draft| draft.add_parameter("X-Amz-Security-Token", "x")),
        signed("a host that is not signed", DENIED, |presigner: &mut Presigner, draft| {
            draft.add_header("x-mark", "a");
            presigner.signer.unsigned_headers.push("host".to_owned());
        }),
    ]
}

fn defects() -> Vec<Defect<Presigner>> {
    [strangers(), scopes(BAD_QUERY), elsewhere(), lives(), malformed(), doubled(), signatures()]
        .into_iter()
        .flatten()
        .collect()
}

fn case(scene: &Scene, route: &Route, defect: &Defect<Presigner>) -> Case {
    let (mut draft, mut presigner) = (route.draft.clone(), Presigner::new(scene));
    (defect.before)(&mut presigner, &mut draft);
    presigner.sign(&mut draft);
    (defect.after)(&mut draft);
    Case::new(route, defect.what, draft, defect.refusal)
}

pub fn cases(scene: &Scene) -> Vec<Case> {
    let defects = defects();
    routes(scene).iter().flat_map(|route| defects.iter().map(|defect| case(scene, route, defect))).collect()
}

#[test]
fn a_presigned_url_of_version_4_with_any_defect_is_refused_everywhere() {
    let scene = Scene::shared();
    scene.refuses(cases(&scene));
}

#[test]
fn each_route_is_served_to_who_presigns_by_version_4() {
    let scene = Scene::set();
    for route in routes(&scene) {
        let mut draft = route.draft.clone();
        Presigner::new(&scene).sign(&mut draft);
        let answer = draft.request(&scene.client).send();
        assert_eq!(answer.status, route.served, "{}: {answer}", route.name);
    }
}
