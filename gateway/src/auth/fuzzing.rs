//! Requests with any signature, and requests that a client signs.

use super::sigv2::{self, Naming};
use super::sigv4::client::Wish;
use super::sigv4::{self, Signed};
use super::testing::{SUITE_SECRET, Vector};
use crate::error::{ErrorCode, S3Error};
use crate::route::{Query, decoded};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use std::collections::BTreeMap;
use weir_service::fuzzing::Input;

const REGION: &str = "us-east-1";
const STAMP: &str = "20130524T000000Z";
const STAMP_MS: i64 = 1_369_353_600_000;
/// HTTP has room for no more in the heads that a server takes.
const HEADERS_MAX: usize = 100;

/// A request's head: its first line, then its headers. Lines that can't be either are left out.
fn request(bytes: &[u8]) -> Vector {
    let mut input = Input::new(bytes);
    let first = input.text_line();
    let (method, target) = first.split_once(' ').unwrap_or(("GET", &first));
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut headers = HeaderMap::new();
    while !input.is_empty() && headers.len() < HEADERS_MAX {
        let line = input.line();
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let name = HeaderName::from_bytes(&line[..colon]);
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(line[colon + 1..].trim_ascii())) {
            headers.append(name, value);
        }
    }
    let method = Method::from_bytes(method.as_bytes()).unwrap_or(Method::GET);
    Vector { name: first.clone(), method, path: path.to_owned(), query: query.to_owned(), headers }
}

/// The same request with something else asked for.
fn altered(vector: &Vector) -> [Vector; 3] {
    let method = if vector.method == Method::PUT { Method::GET } else { Method::PUT };
    let mut more = vector.clone();
    more.headers.append("x-amz-fuzz", HeaderValue::from_static("1"));
    [Vector { method, ..vector.clone() }, Vector { path: format!("{}x", vector.path), ..vector.clone() }, more]
}

/// `Authorization` of Version 4: what verifies covers the request, and what a client signs verifies.
pub fn sigv4_header(bytes: &[u8]) {
    let vector = request(bytes);
    if verified_v4(&vector, SUITE_SECRET, false).is_ok() {
        for altered in altered(&vector) {
            assert!(verified_v4(&altered, SUITE_SECRET, false).is_err(), "{vector:?} verifies as {altered:?}");
        }
        assert!(verified_v4(&vector, "another", false).is_err());
    }
    check_client(&vector, None);
}

/// The same of presigned URLs.
pub fn sigv4_query(bytes: &[u8]) {
    let vector = request(bytes);
    if verified_v4(&vector, SUITE_SECRET, true).is_ok() {
        for altered in altered(&vector) {
            assert!(verified_v4(&altered, SUITE_SECRET, true).is_err(), "{vector:?} verifies as {altered:?}");
        }
        assert!(verified_v4(&vector, "another", true).is_err());
    }
    check_client(&vector, Some(600));
}

fn verified_v4(vector: &Vector, secret: &str, by_query: bool) -> Result<Signed, S3Error> {
    let query = Query::parse(&vector.query)?;
    let claim = match by_query {
        false => sigv4::Claim::from_header(&vector.headers)?,
        true => sigv4::Claim::from_query(&query)?,
    };
    // Neither decides here: requests of any day and region go on.
    let _ = claim.check_scope(REGION, &["s3"]);
    let _ = claim.check_time(STAMP_MS);
    assert!(!claim.access_key_id().is_empty());
    claim.verify(secret, &vector.head(), claim.payload_line(&vector.headers, &query)?)
}

/// Has a client sign what the request means; it must verify.
fn check_client(vector: &Vector, expires_s: Option<u32>) {
    let Some(path) = decoded(vector.path.as_bytes(), false).filter(|path| path.starts_with('/')) else { return };
    let Ok(query) = Query::parse(&vector.query) else { return };
    let is_of_signer = |name: &str| name.starts_with("x-amz-") || matches!(name, "authorization" | "host" | "date");
    let text = |(name, value): (&HeaderName, &HeaderValue)| {
        let value = std::str::from_utf8(value.as_bytes()).ok()?;
        (!is_of_signer(name.as_str())).then(|| (name.as_str().to_owned(), value.to_owned()))
    };
    let pairs = query.pairs().filter(|(name, _)| !name.starts_with("X-Amz-"));
    let wish = Wish {
        method: vector.method.clone(),
        path,
        query: pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        headers: vector.headers.iter().filter_map(text).collect::<BTreeMap<_, _>>(),
        payload_line: "UNSIGNED-PAYLOAD".to_owned(),
        access_key_id: "AKID".to_owned(),
        secret: SUITE_SECRET.to_owned(),
        region: REGION.to_owned(),
        service: "s3".to_owned(),
        stamp: STAMP.to_owned(),
        expires_s,
    };
    let signed = wish.signed();
    if let Err(error) = verified_v4(&signed, SUITE_SECRET, expires_s.is_some()) {
        panic!("{} is refused as {signed:?}: {error}", vector.name);
    }
}

/// Version 2, in headers or, without Authorization, in the query.
pub fn sigv2(bytes: &[u8]) {
    let vector = request(bytes);
    let base_path = if vector.path.starts_with("/api/v1/s3") { "/api/v1/s3" } else { "" };
    for naming in [Naming { host_bucket: None, base_path }, Naming { host_bucket: Some("johnsmith"), base_path }] {
        if verified_v2(&vector, naming, SUITE_SECRET).is_ok() {
            for altered in altered(&vector) {
                let refused = verified_v2(&altered, naming, SUITE_SECRET).map_err(|error| error.code());
                assert!(refused.is_err(), "{vector:?} verifies as {altered:?}");
            }
            assert_eq!(verified_v2(&vector, naming, "another").unwrap_err().code(), ErrorCode::SignatureDoesNotMatch);
        }
    }
}

fn verified_v2(vector: &Vector, naming: Naming<'_>, secret: &str) -> Result<(), S3Error> {
    let query = Query::parse(&vector.query)?;
    let claim = match vector.headers.contains_key("authorization") {
        true => sigv2::Claim::from_header(&vector.headers)?,
        false => sigv2::Claim::from_query(&query, &vector.headers)?,
    };
    let _ = claim.check_time(STAMP_MS);
    claim.verify(secret, &vector.head(), &query, naming)
}
