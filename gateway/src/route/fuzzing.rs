//! What of a head says what is meant: the path, the host, the query, a range, a copy's source.

use super::{Operation, Query, Router, decoded};
use crate::{copy_source, range};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode, percent_encode};
use weir_proto::v1::ByteRange;
use weir_proto::v1::byte_range::{Form, FromTo};
use weir_service::config::settings::GatewaySettings;
use weir_service::fuzzing::Input;

fn encoded(bytes: &[u8]) -> String {
    percent_encode(bytes, NON_ALPHANUMERIC).to_string()
}

fn header(name: &'static str, value: &[u8]) -> Option<HeaderMap> {
    let value = HeaderValue::from_bytes(value).ok()?;
    Some([(HeaderName::from_static(name), value)].into_iter().collect())
}

/// A method, a host, a path and a query, a line each. What is understood is understood the same when it is written in
/// another way, and nothing is decoded twice.
pub fn key_decoding(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let method = Method::from_bytes(input.line()).unwrap_or(Method::GET);
    let [host, path, raw_query] = [input.text_line(), input.text_line(), input.text_line()];
    check_decoded(path.as_bytes());
    let Ok(query) = Query::parse(&raw_query) else { return };
    let pairs: Vec<_> =
        query.pairs().map(|(name, value)| (encoded(name.as_bytes()), encoded(value.as_bytes()))).collect();
    let rewritten = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
    assert_eq!(Query::parse(&rewritten).as_ref().ok(), Some(&query));
    let settings = GatewaySettings { domains: vec!["s3.example.com".into()], ..GatewaySettings::default() };
    let router = Router::new(&settings).expect("the settings are good");
    let headers = HeaderMap::new();
    let Ok(route) = router.route(&method, &host, &path, &query, &headers) else { return };
    let (bucket, key) = match &route.operation {
        Operation::Service(_) => return,
        Operation::Bucket(bucket, _) => (bucket, None),
        Operation::Object(bucket, key, _) => (bucket, Some(key)),
    };
    let key = key.map_or(&[][..], |key| key.as_bytes());
    assert!(!key.contains(&0));
    let path_style = format!("{}/{bucket}/{}", settings.base_path, encoded(key));
    let again = router.route(&method, "127.0.0.1", &path_style, &query, &headers);
    assert_eq!(again.map(|route| route.operation).ok().as_ref(), Some(&route.operation), "{path_style}");
    let by_host = format!("/{}", encoded(key));
    let again = router.route(&method, &format!("{bucket}.s3.example.com:443"), &by_host, &query, &headers);
    assert_eq!(again.map(|route| route.operation).ok().as_ref(), Some(&route.operation), "{by_host}");
}

/// Another decoder leaves a broken escape as it is.
fn check_decoded(raw: &[u8]) {
    let is_whole = |at: usize| raw[at + 1..].len() >= 2 && raw[at + 1..at + 3].iter().all(u8::is_ascii_hexdigit);
    let has_broken_escape = (0..raw.len()).any(|at| raw[at] == b'%' && !is_whole(at));
    let expected = percent_decode(raw).decode_utf8().ok().filter(|_| !has_broken_escape);
    assert_eq!(decoded(raw, false).as_deref(), expected.as_deref(), "{}", raw.escape_ascii());
}

/// The value of a Range header, held against the grammar of RFC 9110, 14.1.1.
pub fn range(bytes: &[u8]) {
    let Some(headers) = header("range", bytes) else { return };
    let asked = range::asked(&headers);
    let form = asked.and_then(|range: ByteRange| range.form);
    assert_eq!(form, expected_range(bytes), "{}", bytes.escape_ascii());
    if let Some(form) = form {
        let written = match form {
            Form::FromTo(FromTo { first, last }) => format!("bytes={first}-{last}"),
            Form::From(first) => format!("bytes={first}-"),
            Form::Suffix(length) => format!("bytes=-{length}"),
        };
        assert_eq!(header("range", written.as_bytes()).and_then(|headers| range::asked(&headers)), asked);
    }
    let Some(headers) = header("x-amz-copy-source-range", bytes) else { return };
    match range::of_copy_source(&headers) {
        Ok(found) => assert!(found == asked && matches!(form, Some(Form::FromTo(_)))),
        Err(error) => assert!(error.status().is_client_error()),
    }
}

/// One range, read from left to right.
fn expected_range(bytes: &[u8]) -> Option<Form> {
    let mut rest = bytes.trim_ascii_start();
    rest.split_off(..5).filter(|unit| unit.eq_ignore_ascii_case(b"bytes"))?;
    rest = rest.trim_ascii_start().strip_prefix(b"=")?.trim_ascii();
    let dash = rest.iter().position(|byte| *byte == b'-')?;
    let [first, last] = [&rest[..dash], &rest[dash + 1..]].map(<[u8]>::trim_ascii);
    if ![first, last].concat().iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = |digits: &[u8]| {
        digits.iter().fold(0_u64, |number, digit| number.saturating_mul(10).saturating_add(u64::from(digit - b'0')))
    };
    match (first.is_empty(), last.is_empty()) {
        (true, true) => None,
        (true, false) => Some(Form::Suffix(number(last))),
        (false, true) => Some(Form::From(number(first))),
        (false, false) if number(first) > number(last) => None,
        (false, false) => Some(Form::FromTo(FromTo { first: number(first), last: number(last) })),
    }
}

/// The value of x-amz-copy-source. What it names is named the same when all of it is encoded, or nothing that need not
/// be.
pub fn copy_source(bytes: &[u8]) {
    let Some(headers) = header(copy_source::HEADER, bytes) else { return };
    match copy_source::parse(&headers) {
        Ok((bucket, key)) => {
            assert!(!key.as_bytes().contains(&0));
            for (slash, separator) in [("/", "/"), ("", "%2F"), ("%2F", "/")] {
                let written = format!("{slash}{bucket}{separator}{}", encoded(key.as_bytes()));
                let again = header(copy_source::HEADER, written.as_bytes()).map(|headers| copy_source::parse(&headers));
                assert_eq!(again.and_then(Result::ok), Some((bucket.clone(), key.clone())), "{written}");
            }
        }
        Err(error) => assert!(error.status().is_client_error() || error.status().as_u16() == 501, "{error}"),
    }
}
