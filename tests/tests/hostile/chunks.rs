//! Chunks and trailers that are not what was signed or declared, under a right signature of the request, on each route
//! that reads a body.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html>,
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html>

use super::case::{BAD_REQUEST, Case, MISMATCH, Refusal};
use super::payloads::{CHUNK_BYTES, declared, trailer};
use super::routes::{Body, Route, routes};
use super::scene::{REGION, Scene};
use jiff::Timestamp;
use weir_tests::framing::{self, SIGNED, SIGNED_TRAILER, UNSIGNED_TRAILER};
use weir_tests::sign::chunks::SignedBody;
use weir_tests::sign::{Draft, Keys, v4};

const INCOMPLETE: Refusal = Refusal(400, "IncompleteBody");
const BAD_TRAILER: Refusal = Refusal(400, "MalformedTrailerError");
const BAD_DIGEST: Refusal = Refusal(400, "BadDigest");
const CHUNK_SIGNATURE: &str = "chunk-signature=";

/// What is done to a signed body, when its chunks are signed and before it is framed.
type OfChunks = (&'static str, Refusal, fn(&mut SignedBody));
/// What is done to the bytes of a body.
type OfBytes = (&'static str, Refusal, fn(Vec<u8>) -> Vec<u8>);
/// What is done to the headers before they are signed.
type OfHeaders = (&'static str, Refusal, fn(&mut Draft));

/// Both kinds of signed bodies have chunks.
const OF_CHUNKS: [OfChunks; 9] = [
    ("an altered byte", MISMATCH, |body| body.chunks[0].data[0] ^= 1),
    ("an altered byte of the last chunk but one", MISMATCH, |body| {
        let at = body.chunks.len() - 2;
        body.chunks[at].data[0] ^= 1;
    }),
    ("two chunks in each other's place", MISMATCH, |body| body.chunks.swap(0, 1)),
    ("a chunk that is missing", MISMATCH, |body| drop(body.chunks.remove(0))),
    ("a chunk that comes twice", MISMATCH, |body| {
        let first = body.chunks[0].clone();
        body.chunks[1] = first;
    }),
    ("a signature of zeros", MISMATCH, |body| body.chunks[0].signature = "0".repeat(64)),
    ("the signature of another chunk", MISMATCH, |body| {
        body.chunks[0].signature = body.chunks[1].signature.clone();
    }),
    ("a wrong last signature", MISMATCH, |body| {
        let last = body.chunks.len() - 1;
        body.chunks[last].signature = body.chunks[0].signature.clone();
    }),
    ("a chunk cut in two under one signature", MISMATCH, |body| {
        let mut first = body.chunks[0].clone();
        body.chunks[0].data.truncate(1);
        first.data.remove(0);
        body.chunks.insert(1, first);
    }),
];

/// Of those with a trailer.
const OF_TRAILERS: [OfChunks; 7] = [
    ("a trailer with another value", MISMATCH, |body| body.trailer[0].1 = "AAAAAA==".to_owned()),
    ("a trailer with another name", MISMATCH, |body| body.trailer[0].0 = "x-amz-checksum-crc32c".to_owned()),
    ("one more trailer", MISMATCH, |body| body.trailer.push(("x-amz-meta-a".to_owned(), "b".to_owned()))),
    ("no trailer", MISMATCH, |body| body.trailer.clear()),
    ("a wrong signature of the trailer", MISMATCH, |body| body.trailer_signature = Some("0".repeat(64))),
    ("a short signature of the trailer", BAD_TRAILER, |body| body.trailer_signature = Some("00".to_owned())),
    ("no signature of the trailer", BAD_TRAILER, |body| body.trailer_signature = None),
];

/// Of the bytes of all three kinds.
const OF_BYTES: [OfBytes; 9] = [
    ("no last chunk", INCOMPLETE, |body| {
        let end =
            body.windows(3).rposition(|piece| piece[0] == b'\n' && piece[1] == b'0' && !piece[2].is_ascii_hexdigit());
        body[..=end.unwrap_or(0)].to_vec()
    }),
    ("half of it", INCOMPLETE, |body| body[..body.len() / 2 - body.len() / 2 % 2].to_vec()),
    ("nothing", INCOMPLETE, |_| Vec::new()),
    ("a negative size", BAD_REQUEST, |body| [b"-", &body[..]].concat()),
    ("a size with a plus", BAD_REQUEST, |body| [b"+", &body[..]].concat()),
    ("a size beyond 64 bits", BAD_REQUEST, |body| [b"10000000000000000", &body[..]].concat()),
    ("a size of no digits", BAD_REQUEST, |body| [b"x", &body[..]].concat()),
    ("an extension of 1 MB", BAD_REQUEST, |body| [b"2;", &vec![b'y'; 1 << 20][..], b"\r\n", &body[..]].concat()),
    ("a line of 1 MB", BAD_REQUEST, |body| [&vec![b'0'; 1 << 20][..], &body[..]].concat()),
];

const OF_HEADERS: [OfHeaders; 8] = [
    ("a longer decoded length", INCOMPLETE, |draft| set_length(draft, &(draft.body.len() + 1).to_string())),
    ("a shorter decoded length", INCOMPLETE, |draft| set_length(draft, &(draft.body.len() - 1).to_string())),
    ("a decoded length of 0", INCOMPLETE, |draft| set_length(draft, "0")),
    ("a negative decoded length", Refusal(400, "InvalidArgument"), |draft| set_length(draft, "-1")),
    ("a decoded length beyond 64 bits", Refusal(400, "InvalidArgument"), |draft| set_length(draft, &"9".repeat(30))),
    ("no decoded length", Refusal(411, "MissingContentLength"), |draft| {
        draft.set_header("x-amz-decoded-content-length", None);
    }),
    ("two decoded lengths", Refusal(400, "InvalidArgument"), |draft| {
        draft.add_header("x-amz-decoded-content-length", "1");
    }),
    ("a trailer of no checksum", BAD_REQUEST, |draft| draft.set_header("x-amz-trailer", Some(b"x-amz-meta-a"))),
];

fn set_length(draft: &mut Draft, length: &str) {
    draft.set_header("x-amz-decoded-content-length", Some(length.as_bytes()));
}

/// A request whose body is not framed yet, with what its chunks are signed by, and its trailer.
struct Signed {
    draft: Draft,
    seed: v4::Seed,
    trailer: Vec<(&'static str, String)>,
}

impl Signed {
    fn new(scene: &Scene, route: &Route, kind: &str, of_headers: fn(&mut Draft)) -> Self {
        let mut draft = declared(route, kind);
        let trailer = trailer(&draft);
        of_headers(&mut draft);
        let seed = scene.signer().sign_header(&mut draft, kind);
        Self { draft, seed, trailer }
    }

    fn body(&self, kind: &str) -> SignedBody {
        let trailer: Vec<(&str, &str)> = self.trailer.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let trailer = (kind == SIGNED_TRAILER).then_some(&trailer[..]);
        SignedBody::new(&self.seed, &self.draft.body, CHUNK_BYTES, trailer)
    }

    fn framed(&self, kind: &str) -> Vec<u8> {
        if kind == UNSIGNED_TRAILER {
            let trailer: Vec<(&str, &str)> = self.trailer.iter().map(|(name, value)| (*name, value.as_str())).collect();
            return framing::unsigned(&self.draft.body, CHUNK_BYTES, &trailer);
        }
        self.body(kind).framed()
    }

    fn case(&self, route: &Route, kind: &str, what: &str, refusal: Refusal, body: Vec<u8>) -> Case {
        let mut case = Case::new(route, &format!("{kind}, {what}"), self.draft.clone().with_body(body), refusal);
        // What the chunks should be signed by is nobody's to know.
        case.hidden = vec![hex::encode(&self.seed.key)];
        case
    }
}

fn cases_of(scene: &Scene, route: &Route, kind: &str) -> Vec<Case> {
    let right = Signed::new(scene, route, kind, |_| {});
    let mut cases = Vec::new();
    let of_trailers = if kind == SIGNED_TRAILER { &OF_TRAILERS[..] } else { &[] };
    if kind != UNSIGNED_TRAILER {
        for (what, refusal, edit) in OF_CHUNKS.iter().chain(of_trailers) {
            let mut body = right.body(kind);
            edit(&mut body);
            cases.push(right.case(route, kind, what, *refusal, body.framed()));
        }
        let others = v4::Signer::new(&Keys::new("ROOTKEY", "a guess"), Timestamp::now(), REGION);
        let seed = v4::Seed { key: others.key(), ..right.seed.clone() };
        let by_another_key = Signed { seed, draft: right.draft.clone(), trailer: right.trailer.clone() };
        cases.push(right.case(route, kind, "chunks signed by another key", MISMATCH, by_another_key.framed(kind)));
        let text = String::from_utf8_lossy(&right.framed(kind)).replace(CHUNK_SIGNATURE, "signature=");
        cases.push(right.case(route, kind, "another extension", BAD_REQUEST, text.into_bytes()));
    }
    for (what, refusal, edit) in OF_BYTES {
        cases.push(right.case(route, kind, what, refusal, edit(right.framed(kind))));
    }
    for (what, refusal, of_headers) in OF_HEADERS {
        let signed = Signed::new(scene, route, kind, of_headers);
        cases.push(signed.case(route, kind, what, refusal, signed.framed(kind)));
    }
    if kind != SIGNED {
        let signed = Signed { trailer: vec![("x-amz-checksum-crc32", "AAAAAA==".to_owned())], ..right };
        cases.push(signed.case(route, kind, "a wrong checksum", BAD_DIGEST, signed.framed(kind)));
    }
    cases
}

pub fn cases(scene: &Scene) -> Vec<Case> {
    let routes = routes(scene).into_iter().filter(|route| route.body != Body::Nothing);
    let kinds = [SIGNED, SIGNED_TRAILER, UNSIGNED_TRAILER];
    routes.flat_map(|route| kinds.map(|kind| cases_of(scene, &route, kind))).flatten().collect()
}

#[test]
fn chunks_that_are_not_what_was_signed_are_refused_everywhere() {
    let scene = Scene::shared();
    scene.refuses(cases(&scene));
}
