//! Ranges of bytes.
//! RFC 9110, 14.1.2 and 14.2; <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html>

use crate::error::S3Error;
use http::header::RANGE;
use http::{HeaderMap, HeaderValue};
use weir_proto::v1;
use weir_proto::v1::byte_range::{Form, FromTo};

/// The range that is asked for. None also for what is not one range of bytes: several ranges and broken ones are
/// ignored, and the whole is sent.
pub fn asked(headers: &HeaderMap) -> Option<v1::ByteRange> {
    let mut values = headers.get_all(RANGE).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => parse(value.to_str().ok()?),
        _ => None,
    }
}

fn parse(value: &str) -> Option<v1::ByteRange> {
    let (unit, range) = value.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = range.trim().split_once('-')?;
    let form = match (first.trim(), last.trim()) {
        ("", suffix) => Form::Suffix(number(suffix)?),
        (first, "") => Form::From(number(first)?),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if first > last {
                return None;
            }
            Form::FromTo(FromTo { first, last })
        }
    };
    Some(v1::ByteRange { form: Some(form) })
}

/// A number that is too large for any object stays too large.
fn number(digits: &str) -> Option<u64> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(digits.parse().unwrap_or(u64::MAX))
}

/// `bytes FIRST-LAST/SIZE`. `length_bytes` is not 0.
pub fn content_range(offset_bytes: u64, length_bytes: u64, size_bytes: u64) -> String {
    format!("bytes {offset_bytes}-{}/{size_bytes}", offset_bytes + length_bytes.saturating_sub(1))
}

/// What x-amz-copy-source-range asks for: both ends must be told.
///
/// # Errors
/// `InvalidArgument`.
pub fn of_copy_source(headers: &HeaderMap) -> Result<Option<v1::ByteRange>, S3Error> {
    let Some(value) = headers.get("x-amz-copy-source-range") else { return Ok(None) };
    let range = value.to_str().ok().filter(|text| text.starts_with("bytes=")).and_then(parse);
    match range {
        Some(range @ v1::ByteRange { form: Some(Form::FromTo(_)) }) => Ok(Some(range)),
        _ => Err(invalid_copy_range(value)),
    }
}

fn invalid_copy_range(value: &HeaderValue) -> S3Error {
    S3Error::invalid_argument(
        "x-amz-copy-source-range",
        String::from_utf8_lossy(value.as_bytes()),
        "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the \
         zero-based offsets of the first and last bytes to copy",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(value: &str) -> Option<Form> {
        parse(value).and_then(|range| range.form)
    }

    #[test]
    fn all_three_forms_are_read() {
        let from_to = |first, last| Some(Form::FromTo(FromTo { first, last }));
        for (value, expected) in [
            ("bytes=0-0", from_to(0, 0)),
            ("bytes=5-9", from_to(5, 9)),
            ("Bytes=5-9", from_to(5, 9)),
            ("bytes= 5-9 ", from_to(5, 9)),
            ("bytes=5-", Some(Form::From(5))),
            ("bytes=-5", Some(Form::Suffix(5))),
            ("bytes=-0", Some(Form::Suffix(0))),
            ("bytes=5-18446744073709551615", from_to(5, u64::MAX)),
            ("bytes=5-99999999999999999999999", from_to(5, u64::MAX)),
            ("bytes=99999999999999999999999-", Some(Form::From(u64::MAX))),
        ] {
            assert_eq!(form(value), expected, "{value}");
        }
    }

    #[test]
    fn what_is_not_one_range_is_none() {
        for value in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=5-3",
            "bytes=a-b",
            "bytes=1-b",
            "items=0-1",
            "0-1",
            "bytes=0-1,4-5",
            "bytes=+1-2",
            "bytes=--1",
            "bytes=1--2",
            "bytes=0x1-2",
            "bytes 0-1",
        ] {
            assert_eq!(form(value), None, "{value}");
        }
        let mut twice = HeaderMap::new();
        twice.append(RANGE, "bytes=0-1".parse().unwrap());
        twice.append(RANGE, "bytes=4-5".parse().unwrap());
        assert_eq!(asked(&twice), None);
    }

    #[test]
    fn a_copy_source_range_has_both_ends() {
        let range = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("x-amz-copy-source-range", value.parse().unwrap());
            of_copy_source(&headers)
        };
        assert!(range("bytes=0-9").unwrap().is_some());
        for value in ["bytes=0-", "bytes=-5", "0-5", "bytes=a-b", "bytes=5-3", "", "bytes=0-1,2-3"] {
            assert!(range(value).is_err(), "{value}");
        }
        assert!(of_copy_source(&HeaderMap::new()).unwrap().is_none());
    }

    #[test]
    fn content_range_tells_first_last_and_size() {
        assert_eq!(content_range(5, 10, 100), "bytes 5-14/100");
        assert_eq!(content_range(0, 1, 1), "bytes 0-0/1");
    }
}
