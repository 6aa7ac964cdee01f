//! Signature Version 2, in the header and in presigned URLs, with each defect, on each route.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html>

use super::case::{
    BAD_ARGUMENT, BAD_TOKEN, Case, DENIED, Defect, MISMATCH, SKEWED, Signs, changed, edit_header, elsewhere, signed,
    strange_parameters, strangers,
};
use super::routes::{Route, routes};
use super::scene::{Scene, root};
use jiff::{SignedDuration, Timestamp};
use weir_tests::sign::{Draft, Keys, v2};

const AUTHORIZATION: &str = "authorization";
const SIGNATURE: &str = "Signature";
const EXPIRES: &str = "Expires";

fn shifted(signer: &mut v2::Signer, minutes: i64) {
    signer.time += SignedDuration::from_mins(minutes);
}

fn in_header() -> Vec<Defect<v2::Signer>> {
    let edited = |what, refusal, edit: fn(&mut Draft)| changed(what, refusal, edit);
    vec![
        signed("16 minutes behind", SKEWED, |signer, _| shifted(signer, -16)),
        signed("16 minutes ahead", SKEWED, |signer, _| shifted(signer, 16)),
        signed("a year behind", SKEWED, |signer, _| shifted(signer, -60 * 24 * 365)),
        edited("no date", DENIED, |draft| draft.set_header("date", None)),
        edited("a date that is none", DENIED, |draft| draft.set_header("date", Some(b"yesterday"))),
        edited("two dates", BAD_ARGUMENT, |draft| {
            let same = draft.header("date");
            draft.add_header("date", same);
        }),
        edited("another date of the same time", MISMATCH, |draft| {
            edit_header(draft, "date", |text| text.replace("+0000", "GMT"));
        }),
        edited("metadata that is not signed", MISMATCH, |draft| draft.add_header("x-amz-meta-mark", "a")),
        edited("an ACL that is not signed", MISMATCH, |draft| draft.add_header("x-amz-acl", "public-read")),
        edited("a digest that is not signed", MISMATCH, |draft| {
            draft.set_header("content-md5", Some(b"1B2M2Y8AsgTpgAmY7PhCfg=="));
        }),
        edited("a type that is not signed", MISMATCH, |draft| draft.set_header("content-type", Some(b"text/html"))),
        edited("a token that is not signed", BAD_TOKEN, |draft| draft.add_header("x-amz-security-token", "x")),
        edited("an empty Authorization", DENIED, |draft| draft.set_header(AUTHORIZATION, Some(b""))),
        edited("nothing but the scheme", BAD_ARGUMENT, |draft| draft.set_header(AUTHORIZATION, Some(b"AWS"))),
        edited("no signature", BAD_ARGUMENT, |draft| draft.set_header(AUTHORIZATION, Some(b"AWS ROOTKEY"))),
        edited("an empty signature", BAD_ARGUMENT, |draft| draft.set_header(AUTHORIZATION, Some(b"AWS ROOTKEY:"))),
        edited("no key", BAD_ARGUMENT, |draft| draft.set_header(AUTHORIZATION, Some(b"AWS :AAAA"))),
        edited("a signature of no base64", MISMATCH, |draft| draft.set_header(AUTHORIZATION, Some(b"AWS ROOTKEY:!"))),
        edited("another signature", MISMATCH, |draft| {
            edit_header(draft, AUTHORIZATION, |text| text.replace("ROOTKEY:", "ROOTKEY:AAAA"));
        }),
        edited("a signature that is cut", MISMATCH, |draft| {
            edit_header(draft, AUTHORIZATION, |text| text[..text.len() - 4].to_owned());
        }),
        edited("two Authorizations", BAD_ARGUMENT, |draft| {
            let same = draft.header(AUTHORIZATION);
            draft.add_header(AUTHORIZATION, same);
        }),
        edited("parameters of Version 4 besides", BAD_ARGUMENT, |draft| {
            strange_parameters(draft, &["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature"]);
        }),
        edited("a whole presigned query besides", BAD_ARGUMENT, |draft| {
            v2::Signer::new(&root(), Timestamp::now()).sign_query(draft, "99999999999");
        }),
    ]
}

/// Signs for a time.
struct Presigner {
    signer: v2::Signer,
    expires: String,
}

impl Signs for Presigner {
    fn keys(&mut self) -> &mut Keys {
        &mut self.signer.keys
    }
}

fn in_query() -> Vec<Defect<Presigner>> {
    let lasting = |what, before: fn(&mut Presigner, &mut Draft)| signed(what, DENIED, before);
    let edited = |what, refusal, edit: fn(&mut Draft)| changed(what, refusal, edit);
    vec![
        lasting("expired a minute ago", |presigner, _| {
            presigner.expires = (Timestamp::now().as_second() - 60).to_string();
        }),
        lasting("expired in 1970", |presigner, _| presigner.expires = "0".to_owned()),
        lasting("expired before 1970", |presigner, _| presigner.expires = "-1".to_owned()),
        lasting("an end with a plus", |presigner, _| presigner.expires = "%2B99999999999".to_owned()),
        lasting("an end beyond 64 bits", |presigner, _| presigner.expires = "9".repeat(30)),
        lasting("an end that is no number", |presigner, _| presigner.expires = "never".to_owned()),
        lasting("an empty end", |presigner, _| presigner.expires.clear()),
        edited("a later end", MISMATCH, |draft| draft.set_parameter(EXPIRES, Some("99999999999"))),
        edited("no end", DENIED, |draft| draft.set_parameter(EXPIRES, None)),
        edited("no key", DENIED, |draft| draft.set_parameter("AWSAccessKeyId", None)),
        edited("an empty key", super::case::UNKNOWN_KEY, |draft| draft.set_parameter("AWSAccessKeyId", Some(""))),
        edited("no signature", DENIED, |draft| draft.set_parameter(SIGNATURE, None)),
        edited("an empty signature", MISMATCH, |draft| draft.set_parameter(SIGNATURE, Some(""))),
        edited("a signature of no base64", MISMATCH, |draft| draft.set_parameter(SIGNATURE, Some("!"))),
        edited("another signature", MISMATCH, |draft| {
            let other = format!("AAAA{}", draft.parameter(SIGNATURE).unwrap_or_default());
            draft.set_parameter(SIGNATURE, Some(&other));
        }),
        edited("two signatures", BAD_ARGUMENT, |draft| draft.add_parameter(SIGNATURE, "AAAA")),
        edited("two ends", BAD_ARGUMENT, |draft| draft.add_parameter(EXPIRES, "99999999999")),
        edited("two keys", BAD_ARGUMENT, |draft| draft.add_parameter("AWSAccessKeyId", "ROOTKEY")),
        edited("metadata that is not signed", MISMATCH, |draft| draft.add_header("x-amz-meta-mark", "a")),
        edited("metadata in the query that is not signed", MISMATCH, |draft| {
            draft.add_parameter("x-amz-meta-mark", "a");
        }),
        edited("an ACL in the query that is not signed", MISMATCH, |draft| {
            draft.add_parameter("x-amz-acl", "public-read");
        }),
        edited("a type that is not signed", MISMATCH, |draft| draft.set_header("content-type", Some(b"text/html"))),
        edited("a token that is not signed", BAD_TOKEN, |draft| draft.add_parameter("x-amz-security-token", "x")),
        edited("a header of Version 2 besides", BAD_ARGUMENT, |draft| {
            v2::Signer::new(&root(), Timestamp::now()).sign_header(draft);
        }),
        edited("a header of Version 4 besides", BAD_ARGUMENT, |draft| {
            draft.add_header(AUTHORIZATION, "AWS4-HMAC-SHA256 Credential=x, SignedHeaders=host, Signature=x");
        }),
        edited("parameters of Version 4 besides", BAD_ARGUMENT, |draft| {
            strange_parameters(draft, &["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature"]);
        }),
    ]
}

fn header_case(route: &Route, defect: &Defect<v2::Signer>) -> Case {
    let (mut draft, mut signer) = (route.draft.clone(), v2::Signer::new(&root(), Timestamp::now()));
    (defect.before)(&mut signer, &mut draft);
    signer.sign_header(&mut draft);
    (defect.after)(&mut draft);
    Case::new(route, defect.what, draft, defect.refusal)
}

fn query_case(route: &Route, defect: &Defect<Presigner>) -> Case {
    let signer = v2::Signer::new(&root(), Timestamp::now());
    let expires = (Timestamp::now().as_second() + 900).to_string();
    let (mut draft, mut presigner) = (route.draft.clone(), Presigner { signer, expires });
    (defect.before)(&mut presigner, &mut draft);
    presigner.signer.sign_query(&mut draft, &presigner.expires);
    (defect.after)(&mut draft);
    Case::new(route, defect.what, draft, defect.refusal)
}

pub fn header_cases(scene: &Scene) -> Vec<Case> {
    let defects: Vec<Defect<v2::Signer>> = [strangers(), elsewhere(), in_header()].into_iter().flatten().collect();
    routes(scene).iter().flat_map(|route| defects.iter().map(|defect| header_case(route, defect))).collect()
}

pub fn query_cases(scene: &Scene) -> Vec<Case> {
    let defects: Vec<Defect<Presigner>> = [strangers(), elsewhere(), in_query()].into_iter().flatten().collect();
    routes(scene).iter().flat_map(|route| defects.iter().map(|defect| query_case(route, defect))).collect()
}

#[test]
fn a_header_of_version_2_with_any_defect_is_refused_everywhere() {
    let scene = Scene::shared();
    scene.refuses(header_cases(&scene));
}

#[test]
fn a_presigned_url_of_version_2_with_any_defect_is_refused_everywhere() {
    let scene = Scene::shared();
    scene.refuses(query_cases(&scene));
}

#[test]
fn each_route_is_served_to_who_signs_by_version_2() {
    let (by_header, by_query) = (Scene::set(), Scene::set());
    for (one, two) in routes(&by_header).into_iter().zip(routes(&by_query)) {
        let (mut first, mut second) = (one.draft, two.draft);
        v2::Signer::new(&root(), Timestamp::now()).sign_header(&mut first);
        v2::Signer::new(&root(), Timestamp::now()).sign_query(&mut second, "99999999999");
        for answer in [first.request(&by_header.client).send(), second.request(&by_query.client).send()] {
            assert_eq!(answer.status, one.served, "{}: {answer}", one.name);
        }
    }
}

#[test]
fn version_2_is_refused_everywhere_where_it_is_switched_off() {
    let scene = Scene::set_with("signature_v2 = false\n");
    let refusal = super::case::BAD_REQUEST;
    let switched_off = |mut case: Case| {
        case.refusal = refusal;
        case
    };
    let right_header = changed("a right header", refusal, |_| {});
    let right_query = changed("a right query", refusal, |_| {});
    let routes = routes(&scene);
    let both = routes.iter().flat_map(|route| [header_case(route, &right_header), query_case(route, &right_query)]);
    scene.refuses(both.map(switched_off));
}
