//! What AWS published, and what clients sent.

use super::{Claim, Signed};
use crate::auth::testing::{SECRET, SUITE_SECRET, Vector};
use crate::body::{BodyError, ChunkSeal, ChunkVerifier};
use crate::error::{ErrorCode, S3Error};
use crate::route::Query;

const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const MAY_24_2013_MS: i64 = 1_369_353_600_000;

/// AWS's test suite for signers, `aws-sig-v4-test-suite`, without what normalizes a path, which S3 does not, and
/// without headers of several lines, which HTTP no longer has.
const SUITE: &str = include_str!("vectors/suite.txt");
const SUITE_PRESIGNED: &str = include_str!("vectors/suite_presigned.txt");
/// The examples of S3's documentation of Signature Version 4.
const S3_EXAMPLES: &str = include_str!("vectors/s3_examples.txt");
/// Recorded from clients.
const CLIENTS: &str = include_str!("vectors/clients.txt");

fn claim<'a>(vector: &'a Vector, query: &'a Query) -> Claim<'a> {
    if vector.headers.contains_key("authorization") {
        Claim::from_header(&vector.headers).unwrap()
    } else {
        Claim::from_query(query).unwrap()
    }
}

fn verified(vector: &Vector, secret: &str) -> Result<Signed, S3Error> {
    // The suite repeats parameters, which this gateway refuses for other reasons.
    let query = Query::parse(&vector.query).unwrap_or_default();
    let claim = claim(vector, &query);
    claim.check_scope("us-east-1", &["s3"])?;
    claim.verify(secret, &vector.head(), claim.payload_line(&vector.headers, &query)?)
}

#[test]
fn the_test_suite_of_aws_verifies() {
    let vectors = Vector::all(SUITE);
    assert_eq!(vectors.len(), 29);
    for vector in vectors {
        let payload = vector.headers.get("x-amz-content-sha256").map_or(EMPTY_SHA256, |value| value.to_str().unwrap());
        let claim = Claim::from_header(&vector.headers).unwrap();
        assert_eq!(claim.access_key_id(), "AKIDEXAMPLE");
        claim.check_scope("us-east-1", &["service"]).unwrap();
        claim.verify(SUITE_SECRET, &vector.head(), payload).unwrap_or_else(|error| panic!("{}: {error}", vector.name));
        assert!(claim.verify(SECRET, &vector.head(), payload).is_err(), "{}", vector.name);
    }
}

#[test]
fn the_presigned_part_of_the_test_suite_verifies() {
    let vectors = Vector::all(SUITE_PRESIGNED);
    assert_eq!(vectors.len(), 5);
    for vector in vectors {
        let query = vector.parsed_query();
        let claim = Claim::from_query(&query).unwrap();
        claim.check_scope("us-east-1", &["service"]).unwrap();
        claim
            .verify(SUITE_SECRET, &vector.head(), EMPTY_SHA256)
            .unwrap_or_else(|error| panic!("{}: {error}", vector.name));
    }
}

#[test]
fn the_examples_of_the_documentation_verify() {
    let vectors = Vector::all(S3_EXAMPLES);
    assert_eq!(vectors.len(), 7);
    for vector in vectors {
        let query = vector.parsed_query();
        claim(&vector, &query).check_time(MAY_24_2013_MS).unwrap();
        verified(&vector, SECRET).unwrap_or_else(|error| panic!("{}: {error}", vector.name));
        assert_eq!(verified(&vector, SUITE_SECRET).unwrap_err().code(), ErrorCode::SignatureDoesNotMatch);
    }
}

#[test]
fn what_clients_send_verifies() {
    let vectors = Vector::all(CLIENTS);
    assert_eq!(vectors.len(), 13);
    for vector in vectors {
        verified(&vector, SUITE_SECRET).unwrap_or_else(|error| panic!("{}: {error}", vector.name));
        assert!(verified(&vector, SECRET).is_err(), "{}", vector.name);
        let moved = Vector { path: format!("{}x", vector.path), ..vector };
        assert_eq!(verified(&moved, SUITE_SECRET).unwrap_err().code(), ErrorCode::SignatureDoesNotMatch);
    }
}

/// The body of the two examples of chunks: 65,536 letters `a`, 1,024 more, the last chunk.
const CHUNKS_BYTES: [usize; 3] = [65_536, 1_024, 0];
const CHUNK_SIGNATURES: [&str; 3] = [
    "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
    "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
    "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
];
const CHUNK_SIGNATURES_WITH_TRAILER: [&str; 3] = [
    "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
    "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
    "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
];
const TRAILER: &[u8] = b"x-amz-checksum-crc32c:sOO8/Q==\n";
const TRAILER_SIGNATURE: &str = "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435";

fn chain(example: &str) -> Box<dyn ChunkVerifier> {
    let vector = Vector::all(S3_EXAMPLES).into_iter().find(|vector| vector.name == example).unwrap();
    verified(&vector, SECRET).unwrap().chunk_verifier()
}

/// Feeds the chunks in pieces; the number of seals that held.
fn sealed(chain: &mut dyn ChunkVerifier, letter: u8, signatures: &[&str]) -> usize {
    let chunks = CHUNKS_BYTES.iter().zip(signatures);
    let holds = |(length, signature): (&usize, &&str)| {
        for piece in vec![letter; *length].chunks(1000) {
            chain.data(piece);
        }
        chain.seal(ChunkSeal::Chunk, signature).is_ok()
    };
    chunks.map(holds).take_while(|holds| *holds).count()
}

#[test]
fn the_chunks_of_the_documentation_verify() {
    assert_eq!(sealed(&mut *chain("PUT Object in chunks"), b'a', &CHUNK_SIGNATURES), 3);
    let upper_case = CHUNK_SIGNATURES.map(str::to_uppercase);
    let upper_case: Vec<&str> = upper_case.iter().map(String::as_str).collect();
    assert_eq!(sealed(&mut *chain("PUT Object in chunks"), b'a', &upper_case), 3);
}

#[test]
fn altered_or_exchanged_chunks_do_not_verify() {
    assert_eq!(sealed(&mut *chain("PUT Object in chunks"), b'b', &CHUNK_SIGNATURES), 0);
    let [first, second, last] = CHUNK_SIGNATURES;
    assert_eq!(sealed(&mut *chain("PUT Object in chunks"), b'a', &[first, last, second]), 1);
    assert_eq!(sealed(&mut *chain("PUT Object in chunks"), b'a', &[second, first, last]), 0);
    assert_eq!(sealed(&mut *chain("PUT Object in chunks"), b'a', &CHUNK_SIGNATURES_WITH_TRAILER), 0);
    for broken in ["", "ad", &first[1..], &format!("{first}00"), &"g".repeat(64)] {
        assert_eq!(sealed(&mut *chain("PUT Object in chunks"), b'a', &[broken]), 0, "{broken}");
    }
    // Without its first chunk.
    let mut chain = chain("PUT Object in chunks");
    chain.data(&[b'a'; 1024]);
    assert_eq!(chain.seal(ChunkSeal::Chunk, second), Err(BodyError::ChunkSignatureMismatch));
}

#[test]
fn the_trailer_of_the_documentation_verifies_and_no_other() {
    let after_chunks = || {
        let mut chain = chain("PUT Object in chunks with a trailer");
        assert_eq!(sealed(&mut *chain, b'a', &CHUNK_SIGNATURES_WITH_TRAILER), 3);
        chain
    };
    assert_eq!(after_chunks().seal(ChunkSeal::Trailer(TRAILER), TRAILER_SIGNATURE), Ok(()));
    for trailer in [&b"x-amz-checksum-crc32c:sOO8/R==\n"[..], b"", b"x-amz-checksum-crc32c:sOO8/Q==\na:b\n"] {
        let outcome = after_chunks().seal(ChunkSeal::Trailer(trailer), TRAILER_SIGNATURE);
        assert_eq!(outcome, Err(BodyError::ChunkSignatureMismatch));
    }
    let as_chunk = after_chunks().seal(ChunkSeal::Chunk, TRAILER_SIGNATURE);
    assert_eq!(as_chunk, Err(BodyError::ChunkSignatureMismatch));
}
