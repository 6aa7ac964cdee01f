use super::*;
use crate::auth::testing::{SECRET, Vector};
use http::{HeaderValue, Method};

const MAY_24_2013_MS: i64 = 1_369_353_600_000;
const CREDENTIAL: &str = "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request";
const SIGNATURE: &str = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41";

fn headers(named: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in named {
        headers.append(*name, value.parse().unwrap());
    }
    headers
}

/// A header with these words after the name of the algorithm.
fn of_words(words: &str) -> HeaderMap {
    headers(&[("authorization", &format!("AWS4-HMAC-SHA256 {words}")), ("x-amz-date", "20130524T000000Z")])
}

fn presigned(replaced: &str, by: &str) -> Query {
    let query = format!(
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={CREDENTIAL}&X-Amz-Date=20130524T000000Z\
         &X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature={SIGNATURE}&X-Amz-Security-Token=token"
    );
    Query::parse(&query.replace(replaced, by)).unwrap()
}

#[test]
fn a_header_is_read_with_its_components_in_any_order() {
    for words in [
        format!("Credential={CREDENTIAL}, SignedHeaders=host;range, Signature={SIGNATURE}"),
        format!("Credential={CREDENTIAL},SignedHeaders=host;range,Signature={SIGNATURE}"),
        format!("  Signature={SIGNATURE} ,\tCredential={CREDENTIAL},  SignedHeaders=host;range "),
    ] {
        let headers = of_words(&words);
        let claim = Claim::from_header(&headers).unwrap();
        assert_eq!(claim.access_key_id(), "AKIAIOSFODNN7EXAMPLE");
        assert_eq!((claim.signed_headers, claim.signature, claim.security_token()), ("host;range", SIGNATURE, None));
    }
}

#[test]
fn headers_that_are_none_are_refused() {
    let whole = format!("Credential={CREDENTIAL}, SignedHeaders=host, Signature={SIGNATURE}");
    for words in [
        String::new(),
        "Credential".into(),
        format!("Credential={CREDENTIAL}, SignedHeaders=host"),
        format!("Credential={CREDENTIAL}, Signature={SIGNATURE}"),
        format!("SignedHeaders=host, Signature={SIGNATURE}"),
        format!("Credential={CREDENTIAL} SignedHeaders=host Signature={SIGNATURE}"),
        format!("{whole},"),
        format!("{whole}, Signature={SIGNATURE}"),
        format!("{whole}, Expires=1"),
        whole.replace("Credential", "credential"),
        whole.replace("/s3/", "/"),
        whole.replace("20130524/", "2013-05-24/"),
        whole.replace("aws4_request", "aws4"),
        whole.replace("host", ""),
        whole.replace("host", ";host"),
        whole.replace("host", "host;"),
        whole.replace("host", "Host"),
        whole.replace("host", "range;host"),
        whole.replace("host", "host;host"),
        whole.replace("host", "host; range"),
        whole.replace("host", "host;a(b)"),
    ] {
        let error = Claim::from_header(&of_words(&words)).unwrap_err();
        assert_eq!(error.code(), ErrorCode::AuthorizationHeaderMalformed, "{words}");
    }
    for (value, code) in [
        ("", ErrorCode::AccessDenied),
        ("Bearer x", ErrorCode::InvalidArgument),
        ("AWS4-HMAC-SHA256x", ErrorCode::InvalidArgument),
        ("AWS4-ECDSA-P256-SHA256 Credential=a", ErrorCode::InvalidArgument),
        ("AWS4-HMAC-SHA256", ErrorCode::AuthorizationHeaderMalformed),
    ] {
        let error = Claim::from_header(&headers(&[("authorization", value)])).unwrap_err();
        assert_eq!(error.code(), code, "{value}");
    }
    assert_eq!(Claim::from_header(&HeaderMap::new()).unwrap_err().code(), ErrorCode::AccessDenied);
}

#[test]
fn a_header_that_says_who_comes_once() {
    let words = format!("Credential={CREDENTIAL}, SignedHeaders=host, Signature={SIGNATURE}");
    for name in ["authorization", "x-amz-date", "x-amz-security-token"] {
        let mut headers = of_words(&words);
        headers.insert("x-amz-security-token", HeaderValue::from_static("token"));
        assert_eq!(Claim::from_header(&headers).unwrap().security_token(), Some("token"));
        headers.append(name, headers[name].clone());
        assert_eq!(Claim::from_header(&headers).unwrap_err().code(), ErrorCode::InvalidArgument, "{name}");
    }
    let mut headers = of_words(&words);
    headers.remove("x-amz-date");
    let error = Claim::from_header(&headers).unwrap_err();
    assert_eq!(error.message(), "AWS authentication requires a valid Date or x-amz-date header");
}

#[test]
fn a_presigned_url_is_read() {
    let query = presigned("", "");
    let claim = Claim::from_query(&query).unwrap();
    assert_eq!(claim.access_key_id(), "AKIAIOSFODNN7EXAMPLE");
    assert_eq!(claim.security_token(), Some("token"));
    assert_eq!(claim.carrier, Carrier::Query { expires_s: 86_400 });
}

#[test]
fn presigned_urls_that_are_none_are_refused() {
    for (replaced, by, message) in [
        ("X-Amz-Algorithm=", "x=", PARAMETERS),
        ("X-Amz-Credential=", "x=", PARAMETERS),
        ("X-Amz-Date=", "x=", PARAMETERS),
        ("X-Amz-Expires=", "x=", PARAMETERS),
        ("X-Amz-SignedHeaders=", "x=", PARAMETERS),
        ("X-Amz-Signature=", "x=", PARAMETERS),
        ("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1", "X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\""),
        ("=20130524T000000Z", "=2013-05-24", "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\""),
        ("=host", "=range;host", SIGNED_HEADERS),
        ("=host", "=host%0Arange", SIGNED_HEADERS),
        ("86400", "1h", "X-Amz-Expires should be a number"),
        ("86400", "", "X-Amz-Expires should be a number"),
        ("86400", "%2B1", "X-Amz-Expires should be a number"),
        ("86400", "-1", "X-Amz-Expires must be non-negative"),
        ("86400", "0", "X-Amz-Expires must be at least one second"),
    ] {
        let error = Claim::from_query(&presigned(replaced, by)).unwrap_err();
        assert_eq!((error.code(), error.message()), (ErrorCode::AuthorizationQueryParametersError, message), "{by}");
    }
    for (expires, is_valid) in [("1", true), ("604800", true), ("604801", false), ("99999999999", false)] {
        assert_eq!(Claim::from_query(&presigned("86400", expires)).is_ok(), is_valid, "{expires}");
    }
}

#[test]
fn another_scope_is_told_in_the_words_of_where_it_stands() {
    let headers = of_words(&format!("Credential={CREDENTIAL}, SignedHeaders=host, Signature={SIGNATURE}"));
    let query = presigned("", "");
    for (claim, code) in [
        (Claim::from_header(&headers).unwrap(), ErrorCode::AuthorizationHeaderMalformed),
        (Claim::from_query(&query).unwrap(), ErrorCode::AuthorizationQueryParametersError),
    ] {
        claim.check_scope("us-east-1", &["s3"]).unwrap();
        assert_eq!(claim.check_scope("us-east-1", &["iam", "sts"]).unwrap_err().code(), code);
        let error = claim.check_scope("eu-west-1", &["s3"]).unwrap_err();
        assert_eq!(error.code(), code);
        assert!(error.message().ends_with("the region 'us-east-1' is wrong; expecting 'eu-west-1'"));
        let answer = error.answer("/", "1", "h", true);
        let crate::answer::AnswerBody::Full(document) = answer.body() else { panic!("no document") };
        assert!(String::from_utf8_lossy(document).contains("<Region>eu-west-1</Region>"));
    }
    let other_day = presigned("=20130524T", "=20130525T");
    let error = Claim::from_query(&other_day).unwrap().check_scope("us-east-1", &["s3"]).unwrap_err();
    assert_eq!(error.code(), ErrorCode::AuthorizationQueryParametersError);
}

#[test]
fn a_header_counts_for_fifteen_minutes() {
    let headers = of_words(&format!("Credential={CREDENTIAL}, SignedHeaders=host, Signature={SIGNATURE}"));
    let claim = Claim::from_header(&headers).unwrap();
    for (late_ms, is_valid) in [(-900_001, false), (-900_000, true), (900_000, true), (900_001, false)] {
        let outcome = claim.check_time(MAY_24_2013_MS + late_ms).map_err(|error| error.code());
        let expected = if is_valid { Ok(()) } else { Err(ErrorCode::RequestTimeTooSkewed) };
        assert_eq!(outcome, expected, "{late_ms}");
    }
}

#[test]
fn a_presigned_url_counts_until_it_expires() {
    let query = presigned("", "");
    let claim = Claim::from_query(&query).unwrap();
    let end_ms = 86_400_000;
    for (late_ms, message) in [
        (-900_001, "Request is not yet valid"),
        (-900_000, ""),
        (0, ""),
        (end_ms, ""),
        (end_ms + 1, "Request has expired"),
    ] {
        let outcome = claim.check_time(MAY_24_2013_MS + late_ms);
        let told = outcome.as_ref().map_or_else(S3Error::message, |()| "");
        assert_eq!(told, message, "{late_ms}");
        assert!(outcome.map_or_else(|error| error.code() == ErrorCode::AccessDenied, |()| true));
    }
}

#[test]
fn the_payload_is_told_by_the_header_or_not_at_all_in_a_presigned_url() {
    let none = Query::default();
    let mut headers = of_words(&format!("Credential={CREDENTIAL}, SignedHeaders=host, Signature={SIGNATURE}"));
    let code = |headers: &HeaderMap| {
        Claim::from_header(headers).unwrap().payload_line(headers, &Query::default()).unwrap_err().code()
    };
    assert_eq!(code(&headers), ErrorCode::InvalidRequest);
    headers.insert("x-amz-content-sha256", HeaderValue::from_static(""));
    assert_eq!(code(&headers), ErrorCode::InvalidRequest);
    headers.insert("x-amz-content-sha256", HeaderValue::from_static("a b"));
    assert_eq!(code(&headers), ErrorCode::InvalidArgument);
    headers.insert("x-amz-content-sha256", HeaderValue::from_static("abc"));
    assert_eq!(Claim::from_header(&headers).unwrap().payload_line(&headers, &none).unwrap(), "abc");
    headers.append("x-amz-content-sha256", HeaderValue::from_static("abc"));
    assert_eq!(code(&headers), ErrorCode::InvalidArgument);

    let in_query = |header: Option<&'static str>, query: &str| {
        let query = presigned("=token", &format!("=token{query}"));
        let headers = header.map(|value| (CONTENT_SHA256.parse().unwrap(), HeaderValue::from_static(value)));
        let headers: HeaderMap = headers.into_iter().collect();
        let claim = Claim::from_query(&query).unwrap();
        claim.payload_line(&headers, &query).map(str::to_owned).map_err(|error| error.code())
    };
    assert_eq!(in_query(None, ""), Ok("UNSIGNED-PAYLOAD".into()));
    assert_eq!(in_query(Some(""), "&X-Amz-Content-Sha256="), Ok("UNSIGNED-PAYLOAD".into()));
    assert_eq!(in_query(None, "&X-Amz-Content-Sha256=abc"), Ok("abc".into()));
    assert_eq!(in_query(Some("def"), "&X-Amz-Content-Sha256=abc"), Ok("def".into()));
    assert_eq!(in_query(None, "&X-Amz-Content-Sha256=a%0Ab"), Err(ErrorCode::InvalidArgument));
}

/// The documentation's GET with another list of signed headers and other headers beside them.
fn coverage(signed_headers: &str, more: &[(&'static str, &str)]) -> S3Error {
    let words = format!("Credential={CREDENTIAL}, SignedHeaders={signed_headers}, Signature={SIGNATURE}");
    let mut headers = of_words(&words);
    headers.insert("host", HeaderValue::from_static("examplebucket.s3.amazonaws.com"));
    for (name, value) in more {
        headers.append(*name, value.parse().unwrap());
    }
    let head = Vector { name: String::new(), method: Method::GET, path: "/".into(), query: String::new(), headers };
    Claim::from_header(&head.headers).unwrap().verify(SECRET, &head.head(), "abc").map(drop).unwrap_err()
}

#[test]
fn host_and_every_header_of_s3_must_be_signed() {
    let not_signed = |error: S3Error| {
        assert_eq!(error.code(), ErrorCode::AccessDenied, "{error}");
        let answer = error.answer("/", "1", "h", true);
        let crate::answer::AnswerBody::Full(document) = answer.body() else { panic!("no document") };
        let document = String::from_utf8_lossy(document).into_owned();
        let (_, rest) = document.split_once("<HeadersNotSigned>").unwrap();
        rest.split_once("</HeadersNotSigned>").unwrap().0.to_owned()
    };
    assert_eq!(not_signed(coverage("x-amz-date", &[])), "host");
    assert_eq!(not_signed(coverage("host", &[])), "x-amz-date");
    let acl = [("x-amz-acl", "private")];
    assert_eq!(not_signed(coverage("host;x-amz-date", &acl)), "x-amz-acl");
    assert_eq!(not_signed(coverage("x-amz-date", &acl)), "host, x-amz-acl");
    assert_eq!(not_signed(coverage("host;x-amz-date", &[("x-amz-content-sha256", "abd")])), "x-amz-content-sha256");
    for (signed_headers, more) in [
        ("host;x-amz-acl;x-amz-date", &acl[..]),
        ("host;x-amz-date", &[("x-amz-content-sha256", "abc"), ("content-md5", "x"), ("content-type", "y")]),
        ("host;x-amz-date", &[("x-amzn-trace-id", "x"), ("amz-sdk-request", "y")]),
    ] {
        assert_eq!(coverage(signed_headers, more).code(), ErrorCode::SignatureDoesNotMatch, "{more:?}");
    }
}

#[test]
fn the_answer_to_a_mismatch_shows_both_strings_and_no_secret() {
    let error = coverage("host;x-amz-date", &[]);
    let answer = error.answer("/", "1", "h", true);
    let crate::answer::AnswerBody::Full(document) = answer.body() else { panic!("no document") };
    let document = String::from_utf8_lossy(document);
    let canonical = "GET&#xA;/&#xA;&#xA;host:examplebucket.s3.amazonaws.com&#xA;x-amz-date:20130524T000000Z&#xA;&#xA;\
                     host;x-amz-date&#xA;abc</CanonicalRequest>";
    assert!(document.contains(canonical), "{document}");
    assert!(document.contains("<StringToSign>AWS4-HMAC-SHA256&#xA;20130524T000000Z&#xA;20130524/us-east-1/s3"));
    assert!(document.contains(&format!("<SignatureProvided>{SIGNATURE}</SignatureProvided>")));
    assert!(!document.contains(SECRET) && !error.to_string().contains(SECRET));
}

#[test]
fn the_key_is_not_written_to_logs() {
    let headers = of_words(&format!("Credential={CREDENTIAL}, SignedHeaders=host, Signature={SIGNATURE}"));
    let claim = Claim::from_header(&headers).unwrap();
    let signed = Signed::new(SigningKey::derive(SECRET, &claim.credential), &claim.time, "scope", SIGNATURE);
    assert!(format!("{signed:?}").contains("SigningKey(hidden)"));
}
