//! Each kind of payload under wrong credentials, on each route that changes something: what the body is declared to be
//! never decides whether the signature counts. And kinds that are none, under right ones.

use super::case::{BAD_ARGUMENT, Case, Defect, MISMATCH, Refusal, changed, elsewhere, signed, strangers};
use super::routes::{Body, Route, routes};
use super::scene::{Scene, root};
use super::v4_header::{coverage, scopes, signatures, times};
use super::{case::BAD_HEADER, v4_query};
use weir_tests::digest::checksum;
use weir_tests::framing::{self, SIGNED, SIGNED_TRAILER, UNSIGNED_TRAILER};
use weir_tests::sign::chunks::SignedBody;
use weir_tests::sign::{Draft, v4};

pub const ECDSA: &str = "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD";
const ECDSA_TRAILER: &str = "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER";
const NOT_SERVED: Refusal = Refusal(501, "NotImplemented");
/// Small, so that each body has several.
pub const CHUNK_BYTES: usize = 2;
const TRAILER: &str = "x-amz-checksum-crc32";

/// A route's request with its body declared to be of this kind, and not framed yet.
pub fn declared(route: &Route, kind: &str) -> Draft {
    let mut draft = route.draft.clone();
    draft.add_header("x-amz-content-sha256", kind);
    if kind.starts_with("STREAMING") {
        draft.add_header("content-encoding", "aws-chunked");
        draft.add_header("x-amz-decoded-content-length", draft.body.len().to_string());
        if kind.ends_with("TRAILER") && !draft.body.is_empty() {
            draft.add_header("x-amz-trailer", TRAILER);
        }
    }
    draft
}

/// The trailer that belongs to a body.
pub fn trailer(draft: &Draft) -> Vec<(&'static str, String)> {
    if draft.header("x-amz-trailer").is_empty() { vec![] } else { vec![(TRAILER, checksum("crc32", &draft.body))] }
}

/// Puts a body into chunks, and signs those if the kind wants that.
pub fn frame(draft: &mut Draft, kind: &str, seed: &v4::Seed) {
    let trailer = trailer(draft);
    let trailer: Vec<(&str, &str)> = trailer.iter().map(|(name, value)| (*name, value.as_str())).collect();
    draft.body = match kind {
        SIGNED => SignedBody::new(seed, &draft.body, CHUNK_BYTES, None).framed(),
        SIGNED_TRAILER => SignedBody::new(seed, &draft.body, CHUNK_BYTES, Some(&trailer)).framed(),
        UNSIGNED_TRAILER => framing::unsigned(&draft.body, CHUNK_BYTES, &trailer),
        _ => return,
    };
}

fn in_header(scene: &Scene, route: &Route, kind: &str, defect: &Defect<v4::Signer>) -> Case {
    let (mut draft, mut signer) = (declared(route, kind), scene.signer());
    (defect.before)(&mut signer, &mut draft);
    let seed = signer.sign_header(&mut draft, kind);
    frame(&mut draft, kind, &seed);
    (defect.after)(&mut draft);
    Case::new(route, &format!("{kind}, {}", defect.what), draft, defect.refusal)
}

fn in_query(scene: &Scene, route: &Route, kind: &str, defect: &Defect<v4_query::Presigner>) -> Case {
    let (mut draft, mut presigner) = (declared(route, kind), v4_query::Presigner::new(scene));
    (defect.before)(&mut presigner, &mut draft);
    let seed = presigner.signer.sign_query(&mut draft, &presigner.expires, kind);
    frame(&mut draft, kind, &seed);
    (defect.after)(&mut draft);
    Case::new(route, &format!("{kind} presigned, {}", defect.what), draft, defect.refusal)
}

const KINDS: [&str; 6] = [v4::UNSIGNED_PAYLOAD, SIGNED, SIGNED_TRAILER, UNSIGNED_TRAILER, ECDSA, ECDSA_TRAILER];

pub fn cases(scene: &Scene) -> Vec<Case> {
    let header: Vec<Defect<v4::Signer>> =
        [strangers(), scopes(BAD_HEADER), times(), coverage(), signatures()].into_iter().flatten().collect();
    let query: Vec<Defect<v4_query::Presigner>> =
        [strangers(), elsewhere(), v4_query::lives(), v4_query::signatures()].into_iter().flatten().collect();
    let mut cases = Vec::new();
    for route in routes(scene).iter().filter(|route| route.changes()) {
        for kind in KINDS {
            cases.extend(header.iter().map(|defect| in_header(scene, route, kind, defect)));
            cases.extend(query.iter().map(|defect| in_query(scene, route, kind, defect)));
        }
    }
    cases
}

/// What no client may declare, and what this server does not serve.
fn unknown_kinds(scene: &Scene) -> Vec<Case> {
    let unknown = [
        "nonsense",
        "UNSIGNED",
        "unsigned-payload",
        "STREAMING-NONSENSE",
        "STREAMING-UNSIGNED-PAYLOAD",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b8555",
    ];
    let kinds = unknown.map(|kind| (kind, BAD_ARGUMENT)).into_iter();
    let kinds: Vec<_> = kinds.chain([(ECDSA, NOT_SERVED), (ECDSA_TRAILER, NOT_SERVED)]).collect();
    let mut cases = Vec::new();
    for route in &routes(scene) {
        for (kind, refusal) in &kinds {
            cases.push(in_header(scene, route, kind, &changed("signed rightly", *refusal, |_| {})));
            cases.push(in_query(scene, route, kind, &changed("signed rightly", *refusal, |_| {})));
            let wrong = signed("a wrong secret", MISMATCH, |signer: &mut v4::Signer, _| signer.keys.secret.push('x'));
            cases.push(in_header(scene, route, kind, &wrong));
        }
    }
    cases
}

#[test]
fn no_kind_of_payload_lets_wrong_credentials_in() {
    let scene = Scene::shared();
    scene.refuses(cases(&scene));
}

#[test]
fn a_kind_of_payload_that_is_none_is_refused_everywhere() {
    let scene = Scene::shared();
    scene.refuses(unknown_kinds(&scene));
}

#[test]
fn each_kind_of_payload_is_taken_from_who_signs_rightly() {
    for kind in [v4::UNSIGNED_PAYLOAD, SIGNED, SIGNED_TRAILER, UNSIGNED_TRAILER] {
        let scene = Scene::set();
        for route in routes(&scene).iter().filter(|route| route.body != Body::Nothing) {
            let mut draft = declared(route, kind);
            let seed = v4::Signer { keys: root(), ..scene.signer() }.sign_header(&mut draft, kind);
            frame(&mut draft, kind, &seed);
            let answer = draft.request(&scene.client).send();
            assert_eq!(answer.status, route.served, "{}, {kind}: {answer}", route.name);
        }
    }
}
