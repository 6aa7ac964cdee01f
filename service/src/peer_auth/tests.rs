use super::answering::Verifier;
use super::proof::{Claim, HEADER, Number, welcome, welcomed};
use super::*;
use crate::clock::{ManualClock, SystemClock};
use http::HeaderMap;
use tonic::Code;

const PATH: &str = "/weir.v1.Blocks/ReadBlock";

fn secret(text: &str) -> ClusterSecret {
    ClusterSecret::new(text).unwrap()
}

fn own_secret() -> ClusterSecret {
    secret("a secret of thirty-two characters")
}

fn connection() -> Verifier {
    Verifier::new(own_secret(), &SystemClock)
}

/// The number that a connection greets with.
fn number_of(verifier: &Verifier) -> Number {
    let caller = Number::random(&SystemClock);
    let answer = verifier.greet(&headers(&caller.header())).unwrap();
    let text = answer.headers()[HEADER].to_str().unwrap();
    welcomed(text, &own_secret(), caller).expect("a member proves itself")
}

fn headers(proof: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(HEADER, proof.parse().unwrap());
    headers
}

fn refusal(verifier: &Verifier, path: &str, proof: &str) -> Code {
    verifier.check(path, &headers(proof)).unwrap_err().code()
}

#[test]
fn a_proof_holds_once() {
    let verifier = connection();
    let number = number_of(&verifier);
    let proof = Claim { number, counter: 0 }.proof(&own_secret(), PATH);
    verifier.check(PATH, &headers(&proof)).unwrap();
    assert_eq!(refusal(&verifier, PATH, &proof), Code::Unauthenticated);
    let next = Claim { number, counter: 1 }.proof(&own_secret(), PATH);
    verifier.check(PATH, &headers(&next)).unwrap();
}

#[test]
fn a_proof_is_worth_nothing_on_another_connection() {
    let (one, other) = (connection(), connection());
    let proof = Claim { number: number_of(&one), counter: 0 }.proof(&own_secret(), PATH);
    // A member may have made it in good faith, so it is told to try again; whoever overheard it gets no further.
    assert_eq!(refusal(&other, PATH, &proof), Code::Unavailable);
    assert_eq!(refusal(&other, PATH, &proof), Code::Unavailable);
}

#[test]
fn a_proof_of_another_secret_or_for_another_method_is_refused() {
    let verifier = connection();
    let claim = Claim { number: number_of(&verifier), counter: 0 };
    assert_eq!(
        refusal(&verifier, PATH, &claim.proof(&secret("another secret of 32 characters or more"), PATH)),
        Code::Unauthenticated
    );
    let proof = claim.proof(&own_secret(), PATH);
    assert_eq!(refusal(&verifier, "/weir.v1.Admin/Backup", &proof), Code::Unauthenticated);
    verifier.check(PATH, &headers(&proof)).unwrap();
}

#[test]
fn no_proof_two_proofs_and_nonsense_are_refused() {
    let verifier = connection();
    assert_eq!(verifier.check(PATH, &HeaderMap::new()).unwrap_err().code(), Code::Unauthenticated);
    let proof = Claim { number: number_of(&verifier), counter: 0 }.proof(&own_secret(), PATH);
    let zeros = "0".repeat(64);
    for nonsense in ["", "1.2.3", "a.b.c", &format!("{zeros}.0.{zeros}"), &format!("{proof}.1"), &proof[1..]] {
        assert_eq!(refusal(&verifier, PATH, nonsense), Code::Unauthenticated, "{nonsense}");
    }
    let mut twice = headers(&proof);
    twice.append(HEADER, proof.parse().unwrap());
    assert_eq!(verifier.check(PATH, &twice).unwrap_err().code(), Code::Unauthenticated);
}

#[test]
fn any_change_of_a_proof_breaks_it() {
    let verifier = connection();
    let proof = Claim { number: number_of(&verifier), counter: 7 }.proof(&own_secret(), PATH);
    for at in 0..proof.len() {
        let mut changed = proof.clone().into_bytes();
        changed[at] = if changed[at] == b'0' { b'1' } else { b'0' };
        let changed = String::from_utf8(changed).unwrap();
        assert_eq!(refusal(&verifier, PATH, &changed), Code::Unauthenticated, "{at}");
    }
    verifier.check(PATH, &headers(&proof)).unwrap();
}

#[test]
fn a_caller_knows_a_member_from_a_stranger() {
    let clock = ManualClock::at(0);
    let (caller, server) = (Number::random(&clock), Number::random(&clock));
    let answer = welcome(&own_secret(), caller, server);
    assert_eq!(welcomed(&answer, &own_secret(), caller), Some(server));
    assert_eq!(welcomed(&answer, &own_secret(), server), None, "it answers another greeting");
    assert_eq!(
        welcomed(&welcome(&secret("another secret of 32 characters or more"), caller, server), &own_secret(), caller),
        None
    );
    for nonsense in ["", ".", &server.header(), &format!("{answer}.")] {
        assert_eq!(welcomed(nonsense, &own_secret(), caller), None, "{nonsense}");
    }
    assert_eq!(connection().greet(&HeaderMap::new()).unwrap_err().code(), Code::Unauthenticated);
    assert_eq!(connection().greet(&headers("7")).unwrap_err().code(), Code::Unauthenticated);
}

#[test]
fn every_connection_has_a_number_of_its_own() {
    assert_ne!(number_of(&connection()), number_of(&connection()));
}

#[test]
fn a_secret_is_long_enough_and_never_shown() {
    assert_eq!(ClusterSecret::new("").unwrap_err(), SecretError::Missing);
    assert_eq!(ClusterSecret::new(&"é".repeat(31)).unwrap_err(), SecretError::TooShort { length: 31 });
    assert_eq!(format!("{:?}", secret("a secret of thirty-two characters")), "ClusterSecret(hidden)");
}

#[test]
fn a_role_has_a_secret_or_certificates() {
    let error = ClusterCredentials::from_settings(&ServiceSettings::default()).unwrap_err();
    assert!(error.to_string().contains("WEIR_CLUSTER_SECRET"), "{error}");
    assert!(error.to_string().contains("cluster_certificate"), "{error}");
    let settings = ServiceSettings { cluster_certificate: "/no/such/file".into(), ..ServiceSettings::default() };
    let error = ClusterCredentials::from_settings(&settings).unwrap_err();
    assert!(error.to_string().contains("/no/such/file"), "{error}");
}
