use super::*;
use crate::auth::sigv4::UNSIGNED_PAYLOAD;
use http::{HeaderValue, Method};
use proptest::prelude::*;

const SECRET: &str = "a secret of the test's own";
const NOW: i64 = 1_369_353_600;

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(*name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

fn authorization(credential: &str, signed: &str, signature: &str) -> String {
    format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={signed}, Signature={signature}")
}

fn of_header(authorization: &str) -> Result<Claim, S3Error> {
    Claim::from_header(&headers(&[("authorization", authorization), ("x-amz-date", "20130524T000000Z")]))
}

const CREDENTIAL: &str = "AKIA1/20130524/us-east-1/s3/aws4_request";

fn query(changes: &[(&str, &str)]) -> String {
    let signature = "0".repeat(64);
    let mut parameters = vec![
        ("X-Amz-Algorithm", ALGORITHM),
        ("X-Amz-Credential", CREDENTIAL),
        ("X-Amz-Date", "20130524T000000Z"),
        ("X-Amz-Expires", "60"),
        ("X-Amz-SignedHeaders", "host"),
        ("X-Amz-Signature", &signature),
    ];
    for (name, value) in changes {
        parameters.retain(|(known, _)| known != name);
        parameters.push((name, value));
    }
    let pairs = parameters.iter().filter(|(_, value)| *value != "absent");
    pairs.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

#[test]
fn a_header_that_is_none_is_refused() {
    let zeros = "0".repeat(64);
    let well_formed = authorization(CREDENTIAL, "host;x-amz-date", &zeros);
    assert_eq!(of_header(&well_formed).unwrap().access_key_id, "AKIA1");
    assert_eq!(
        of_header(&authorization("a/b/20130524/r/s3/aws4_request", "host", &zeros)).unwrap().access_key_id,
        "a/b"
    );
    for (text, code) in [
        ("Bearer x".to_owned(), ErrorCode::InvalidArgument),
        ("AWS4-HMAC-SHA256".to_owned(), ErrorCode::InvalidArgument),
        ("AWS4-HMAC-SHA512 Credential=a".to_owned(), ErrorCode::InvalidArgument),
        ("AWS4-HMAC-SHA256 ".to_owned(), ErrorCode::InvalidArgument),
        ("AWS4-HMAC-SHA256 Credential".to_owned(), ErrorCode::AuthorizationHeaderMalformed),
        (format!("{well_formed}, Signature={zeros}"), ErrorCode::AuthorizationHeaderMalformed),
        (format!("{well_formed}, More=1"), ErrorCode::AuthorizationHeaderMalformed),
        (format!("{well_formed},"), ErrorCode::AuthorizationHeaderMalformed),
        (authorization("AKIA1/20130524/us-east-1/s3", "host", &zeros), ErrorCode::AuthorizationHeaderMalformed),
        (authorization("/20130524/us-east-1/s3/aws4_request", "host", &zeros), ErrorCode::AuthorizationHeaderMalformed),
        (authorization(CREDENTIAL, "", &zeros), ErrorCode::AuthorizationHeaderMalformed),
        (authorization(CREDENTIAL, &"a;".repeat(101), &zeros), ErrorCode::AuthorizationHeaderMalformed),
        (authorization(CREDENTIAL, "host", &zeros[1..]), ErrorCode::AuthorizationHeaderMalformed),
        (authorization(CREDENTIAL, "host", &"g".repeat(64)), ErrorCode::AuthorizationHeaderMalformed),
    ] {
        assert_eq!(of_header(&text).unwrap_err().code(), code, "{text}");
    }
}

#[test]
fn a_request_has_one_date_and_one_authorization() {
    let text = authorization(CREDENTIAL, "host", &"0".repeat(64));
    let code = |pairs: &[(&'static str, &str)]| Claim::from_header(&headers(pairs)).err().map(|error| error.code());
    assert_eq!(code(&[("authorization", &text), ("date", "Fri, 24 May 2013 00:00:00 GMT")]), None);
    assert_eq!(code(&[("authorization", &text), ("date", "20130524T000000Z")]), None);
    assert_eq!(code(&[("authorization", &text)]), Some(ErrorCode::AccessDenied));
    assert_eq!(code(&[("authorization", &text), ("x-amz-date", "now")]), Some(ErrorCode::AccessDenied));
    let twice = [("authorization", text.as_str()), ("authorization", &text), ("x-amz-date", "20130524T000000Z")];
    assert_eq!(code(&twice), Some(ErrorCode::InvalidArgument));
    let dates = [("authorization", text.as_str()), ("x-amz-date", "20130524T000000Z"), ("x-amz-date", "x")];
    assert_eq!(code(&dates), Some(ErrorCode::InvalidArgument));
}

#[test]
fn a_presigned_query_is_whole_and_holds_a_week_at_most() {
    let claim = |changes: &[(&str, &str)]| Claim::from_query(&Query::parse(&query(changes)).unwrap());
    assert_eq!(claim(&[]).unwrap().place, Place::Query { expires_seconds: 60 });
    assert!(claim(&[("X-Amz-Expires", "604800")]).is_ok());
    for change in [
        ("X-Amz-Expires", "0"),
        ("X-Amz-Expires", "-1"),
        ("X-Amz-Expires", "604801"),
        ("X-Amz-Expires", "1e3"),
        ("X-Amz-Expires", "99999999999999999999"),
        ("X-Amz-Expires", "absent"),
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA1"),
        ("X-Amz-Algorithm", "absent"),
        ("X-Amz-Credential", "AKIA1"),
        ("X-Amz-Credential", "absent"),
        ("X-Amz-Date", "Fri"),
        ("X-Amz-Date", "absent"),
        ("X-Amz-SignedHeaders", "absent"),
        ("X-Amz-SignedHeaders", ";"),
        ("X-Amz-Signature", "00"),
        ("X-Amz-Signature", "absent"),
    ] {
        let code = claim(&[change]).err().map(|error| error.code());
        assert_eq!(code, Some(ErrorCode::AuthorizationQueryParametersError), "{change:?}");
    }
}

#[test]
fn a_scope_is_of_this_region_and_service_and_of_its_own_day() {
    let check = |credential: &str| {
        let claim = of_header(&authorization(credential, "host", &"0".repeat(64))).unwrap();
        claim.check_scope("us-east-1", &["s3"]).err()
    };
    assert!(check(CREDENTIAL).is_none());
    for credential in [
        "AKIA1/20130524/eu-west-1/s3/aws4_request",
        "AKIA1/20130524/us-east-1/ec2/aws4_request",
        "AKIA1/20130524/us-east-1/s3/aws5_request",
        "AKIA1/20130525/us-east-1/s3/aws4_request",
        "AKIA1/2013/us-east-1/s3/aws4_request",
    ] {
        let error = check(credential).unwrap();
        assert_eq!(error.code(), ErrorCode::AuthorizationHeaderMalformed, "{credential}");
    }
    let error = check("AKIA1/20130524/eu-west-1/s3/aws4_request").unwrap();
    assert!(error.message().contains("expecting 'us-east-1'"), "{}", error.message());
}

#[test]
fn a_header_holds_a_quarter_of_an_hour_and_a_url_until_it_expires() {
    let at = |claim: &Claim, seconds: i64| claim.check_time((NOW + seconds) * 1000).err().map(|error| error.code());
    let header = of_header(&authorization(CREDENTIAL, "host", &"0".repeat(64))).unwrap();
    for (seconds, expected) in [(0, None), (900, None), (-900, None)] {
        assert_eq!(at(&header, seconds), expected);
    }
    for seconds in [901, -901, 100_000_000] {
        assert_eq!(at(&header, seconds), Some(ErrorCode::RequestTimeTooSkewed));
    }
    let url = Claim::from_query(&Query::parse(&query(&[])).unwrap()).unwrap();
    for (seconds, expected) in [
        (0, None),
        (60, None),
        (61, Some(ErrorCode::AccessDenied)),
        (-900, None),
        (-901, Some(ErrorCode::AccessDenied)),
    ] {
        assert_eq!(at(&url, seconds), expected, "{seconds}");
    }
}

/// A signer by the letter of the documentation, that shares nothing with the code under test but the primitives.
fn sign(secret: &str, canonical: &str) -> String {
    use hmac::{Hmac, KeyInit as _, Mac as _};
    use sha2::{Digest as _, Sha256};
    let mac = |key: &[u8], text: &str| {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
        mac.update(text.as_bytes());
        mac.finalize().into_bytes().to_vec()
    };
    let key = ["20130524", "us-east-1", "s3", "aws4_request"]
        .iter()
        .fold(format!("AWS4{secret}").into_bytes(), |key, text| mac(&key, text));
    let hash = hex::encode(Sha256::digest(canonical));
    let text = format!("AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n{hash}");
    hex::encode(mac(&key, &text))
}

/// One request: method, path, value of a header, payload.
fn verified(signature: &str, method: &Method, path: &str, value: &str, query: &str, payload: &str) -> bool {
    let signed = "host;x-amz-date;x-amz-meta-a";
    let text = authorization(CREDENTIAL, signed, signature);
    let headers = headers(&[("authorization", &text), ("x-amz-date", "20130524T000000Z"), ("x-amz-meta-a", value)]);
    let query = Query::parse(query).unwrap();
    let head = SignedHead { method, path, query: &query, headers: &headers, host: "weir.test" };
    Claim::from_header(&headers).unwrap().verify(SECRET, &head, payload).is_ok()
}

proptest! {
    #[test]
    fn a_signature_holds_for_the_request_that_was_signed_and_for_no_other(
        key in "[a-z0-9/_.~-]{1,30}", value in "[!-~]{1,20}", prefix in "[a-z]{0,8}", flipped in 0usize..64,
    ) {
        let path = format!("/api/v1/s3/bucket/{key}");
        let canonical = format!(
            "PUT\n{path}\nprefix={prefix}\nhost:weir.test\nx-amz-date:20130524T000000Z\nx-amz-meta-a:{value}\n\n\
             host;x-amz-date;x-amz-meta-a\n{UNSIGNED_PAYLOAD}"
        );
        let signature = sign(SECRET, &canonical);
        let query = format!("prefix={prefix}");
        let is_verified = |signature: &str, method, path: &str, value: &str, query: &str, payload: &str| {
            verified(signature, &method, path, value, query, payload)
        };
        prop_assert!(is_verified(&signature, Method::PUT, &path, &value, &query, UNSIGNED_PAYLOAD));
        prop_assert!(!is_verified(&signature, Method::GET, &path, &value, &query, UNSIGNED_PAYLOAD));
        prop_assert!(!is_verified(&signature, Method::PUT, &(path.clone() + "a"), &value, &query, UNSIGNED_PAYLOAD));
        prop_assert!(!is_verified(&signature, Method::PUT, &path, &(value.clone() + "a"), &query, UNSIGNED_PAYLOAD));
        prop_assert!(!is_verified(&signature, Method::PUT, &path, &value, &(query.clone() + "a"), UNSIGNED_PAYLOAD));
        prop_assert!(!is_verified(&signature, Method::PUT, &path, &value, &(query.clone() + "&b"), UNSIGNED_PAYLOAD));
        prop_assert!(!is_verified(&signature, Method::PUT, &path, &value, &query, &"0".repeat(64)));
        prop_assert!(!is_verified(&sign("another", &canonical), Method::PUT, &path, &value, &query, UNSIGNED_PAYLOAD));
        let mut tampered = signature.clone().into_bytes();
        tampered[flipped] = if tampered[flipped] == b'0' { b'1' } else { b'0' };
        let tampered = String::from_utf8(tampered).unwrap();
        prop_assert!(!is_verified(&tampered, Method::PUT, &path, &value, &query, UNSIGNED_PAYLOAD));
    }
}

#[test]
fn headers_of_amazon_and_the_host_have_to_be_signed() {
    let zeros = "0".repeat(64);
    let refused = |signed: &str| {
        let text = authorization(CREDENTIAL, signed, &zeros);
        let headers =
            headers(&[("authorization", &text), ("x-amz-date", "20130524T000000Z"), ("x-amz-acl", "private")]);
        let query = Query::default();
        let head = SignedHead { method: &Method::GET, path: "/", query: &query, headers: &headers, host: "h" };
        Claim::from_header(&headers).unwrap().verify(SECRET, &head, UNSIGNED_PAYLOAD).unwrap_err()
    };
    assert_eq!(refused("host;x-amz-date").code(), ErrorCode::AccessDenied);
    assert_eq!(refused("x-amz-acl;x-amz-date").code(), ErrorCode::AccessDenied);
    assert_eq!(refused("host;x-amz-acl;x-amz-date").code(), ErrorCode::SignatureDoesNotMatch);
}

#[test]
fn a_mismatch_shows_what_was_signed_and_not_the_secret() {
    let text = authorization(CREDENTIAL, "host;x-amz-date", &"0".repeat(64));
    let headers = headers(&[("authorization", &text), ("x-amz-date", "20130524T000000Z")]);
    let query = Query::default();
    let head = SignedHead { method: &Method::GET, path: "/b/k", query: &query, headers: &headers, host: "h" };
    let error = Claim::from_header(&headers).unwrap().verify(SECRET, &head, UNSIGNED_PAYLOAD).unwrap_err();
    let shown = format!("{error:?}");
    assert!(shown.contains("GET\\n/b/k\\n\\nhost:h\\n"), "{shown}");
    assert!(!shown.contains(SECRET), "{shown}");
}
