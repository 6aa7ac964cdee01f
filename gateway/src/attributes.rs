//! What a client sets on an object beside its bytes, from headers and back to them.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html>,
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html>

use crate::answer::Answer;
use crate::error::{ErrorCode, S3Error};
use crate::header_text::{to_text, to_value};
use crate::route::decoded;
use http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_TYPE, EXPIRES, HeaderName,
};
use http::{HeaderMap, HeaderValue};
use std::collections::HashSet;
use weir_proto::v1;

/// Names and values of all user metadata together, in bytes.
pub const METADATA_MAX_BYTES: usize = 2048;
/// The same for the headers that S3 itself defines.
const SYSTEM_MAX_BYTES: usize = 2048;
const TAGS_MAX_COUNT: usize = 10;
const TAG_KEY_MAX_CHARACTERS: usize = 128;
const TAG_VALUE_MAX_CHARACTERS: usize = 256;
/// All tags together: characters may have four bytes, and a record has its limit.
const TAGS_MAX_BYTES: usize = 6144;

const META_PREFIX: &str = "x-amz-meta-";
const STORED: [HeaderName; 6] =
    [CONTENT_TYPE, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE, EXPIRES];
const DEFAULT_CONTENT_TYPE: HeaderValue = HeaderValue::from_static("binary/octet-stream");

/// Headers that would have to be obeyed, and are not: by their beginning.
const UNSUPPORTED: [&str; 6] = [
    "x-amz-server-side-encryption",
    "x-amz-copy-source-server-side-encryption",
    "x-amz-object-lock-",
    "x-amz-website-redirect-location",
    "x-amz-write-offset-bytes",
    "x-amz-object-annotation",
];

/// Headers, metadata, tags and storage class of a new object; not its ACL.
///
/// # Errors
/// `MetadataTooLarge`, `InvalidTag`, `InvalidStorageClass`, and what [`refuse_unsupported`] refuses.
pub fn of_new_object(headers: &HeaderMap) -> Result<v1::Attributes, S3Error> {
    refuse_unsupported(headers)?;
    Ok(v1::Attributes {
        headers: stored_headers(headers)?,
        metadata: metadata(headers)?,
        tags: tags(headers)?,
        storage_class: storage_class(headers)?,
        acl: None,
    })
}

/// Refuses headers whose sender would be wrong to think that they were obeyed: encryption, locks, redirects.
///
/// # Errors
/// `NotImplemented` with the header's name.
pub fn refuse_unsupported(headers: &HeaderMap) -> Result<(), S3Error> {
    for name in headers.keys() {
        if UNSUPPORTED.iter().any(|unsupported| name.as_str().starts_with(unsupported)) {
            return Err(S3Error::not_implemented(name.as_str()).element("Header", name.as_str()));
        }
    }
    Ok(())
}

/// The values of all headers of that name, as one.
fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let mut values = headers.get_all(name).iter();
    let mut text = to_text(values.next()?.as_bytes());
    for value in values {
        text.push(',');
        text.push_str(&to_text(value.as_bytes()));
    }
    Some(text)
}

fn stored_headers(headers: &HeaderMap) -> Result<Vec<v1::Header>, S3Error> {
    let mut stored = Vec::new();
    let mut bytes = 0;
    for name in &STORED {
        let Some(mut value) = joined(headers, name) else { continue };
        if *name == CONTENT_ENCODING {
            value = without_aws_chunked(&value);
        }
        if !value.is_empty() {
            bytes += name.as_str().len() + value.len();
            stored.push(v1::Header { name: name.as_str().to_owned(), value });
        }
    }
    check_size(bytes, SYSTEM_MAX_BYTES)?;
    Ok(stored)
}

/// The framing of the body is not part of the object; other codings are.
fn without_aws_chunked(value: &str) -> String {
    if !value.to_ascii_lowercase().contains("aws-chunked") {
        return value.to_owned();
    }
    let codings = value.split(',').map(str::trim);
    codings
        .filter(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case("aws-chunked"))
        .collect::<Vec<_>>()
        .join(",")
}

fn metadata(headers: &HeaderMap) -> Result<Vec<v1::Header>, S3Error> {
    let mut metadata = Vec::new();
    let mut bytes = 0;
    for name in headers.keys() {
        let Some(short) = name.as_str().strip_prefix(META_PREFIX).filter(|short| !short.is_empty()) else { continue };
        let values = headers.get_all(name).iter();
        bytes += short.len() + values.map(HeaderValue::len).sum::<usize>();
        let value = joined(headers, name).unwrap_or_default();
        metadata.push(v1::Header { name: short.to_owned(), value });
    }
    check_size(bytes, METADATA_MAX_BYTES)?;
    Ok(metadata)
}

fn check_size(bytes: usize, max_bytes: usize) -> Result<(), S3Error> {
    if bytes <= max_bytes {
        return Ok(());
    }
    Err(S3Error::new(ErrorCode::MetadataTooLarge)
        .element("Size", bytes.to_string())
        .element("MaxSizeAllowed", max_bytes.to_string()))
}

/// The tags of x-amz-tagging, which is written as a query is.
///
/// # Errors
/// `InvalidTag`; `BadRequest` for too many.
pub fn tags(headers: &HeaderMap) -> Result<Vec<v1::Tag>, S3Error> {
    let Some(value) = headers.get("x-amz-tagging") else { return Ok(Vec::new()) };
    let mut tags: Vec<v1::Tag> = Vec::new();
    for piece in value.as_bytes().split(|&byte| byte == b'&').filter(|piece| !piece.is_empty()) {
        let at = piece.iter().position(|&byte| byte == b'=').unwrap_or(piece.len());
        let (key, value) = (&piece[..at], piece.get(at + 1..).unwrap_or_default());
        let (Some(key), Some(value)) = (decoded(key, true), decoded(value, true)) else {
            return Err(S3Error::invalid_argument(
                "x-amz-tagging",
                String::from_utf8_lossy(piece),
                "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag \
                 name duplicates.",
            ));
        };
        tags.push(v1::Tag { key, value });
    }
    check_tags(&tags)?;
    Ok(tags)
}

/// Are these tags that an object may have?
///
/// # Errors
/// `InvalidTag`; `BadRequest` for too many.
pub fn check_tags(tags: &[v1::Tag]) -> Result<(), S3Error> {
    let invalid = |message: &'static str| S3Error::with_message(ErrorCode::InvalidTag, message);
    if tags.len() > TAGS_MAX_COUNT {
        return Err(S3Error::with_message(ErrorCode::BadRequest, "Object tags cannot be greater than 10"));
    }
    let mut keys = HashSet::new();
    for tag in tags {
        if tag.key.is_empty() || tag.key.chars().count() > TAG_KEY_MAX_CHARACTERS {
            return Err(invalid("The TagKey you have provided is invalid"));
        }
        if tag.value.chars().count() > TAG_VALUE_MAX_CHARACTERS {
            return Err(invalid("The TagValue you have provided is invalid"));
        }
        if tag.key.to_ascii_lowercase().starts_with("aws:") {
            return Err(invalid("System tags cannot be added/updated by requester"));
        }
        if tag.key.chars().chain(tag.value.chars()).any(|character| character.is_control()) {
            return Err(invalid("The tag has a control character"));
        }
        if !keys.insert(tag.key.as_str()) {
            return Err(invalid("Cannot provide multiple Tags with the same key"));
        }
    }
    if tags.iter().map(|tag| tag.key.len() + tag.value.len()).sum::<usize>() > TAGS_MAX_BYTES {
        return Err(invalid("The tags are too long together"));
    }
    Ok(())
}

fn storage_class(headers: &HeaderMap) -> Result<String, S3Error> {
    match headers.get("x-amz-storage-class").map(HeaderValue::as_bytes) {
        // Reduced redundancy promises less than what is given.
        None | Some(b"STANDARD" | b"REDUCED_REDUNDANCY") => Ok("STANDARD".to_owned()),
        Some(other) => Err(S3Error::new(ErrorCode::InvalidStorageClass)
            .element("StorageClassRequested", String::from_utf8_lossy(other))),
    }
}

/// Puts what a client set on an object into the answer to a read.
pub fn put_headers(answer: &mut Answer, attributes: Option<&v1::Attributes>) {
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, DEFAULT_CONTENT_TYPE);
    let Some(attributes) = attributes else { return };
    for header in &attributes.headers {
        if let (Ok(name), Some(value)) = (HeaderName::try_from(&header.name), to_value(&header.value)) {
            headers.insert(name, value);
        }
    }
    for header in &attributes.metadata {
        let name = HeaderName::try_from(format!("{META_PREFIX}{}", header.name));
        if let (Ok(name), Some(value)) = (name, to_value(&header.value)) {
            headers.insert(name, value);
        }
    }
    if !attributes.tags.is_empty() {
        headers.insert("x-amz-tagging-count", HeaderValue::from(attributes.tags.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&str, &str)| {
            (HeaderName::try_from(*name).unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap())
        };
        pairs.iter().map(pair).collect()
    }

    fn code(pairs: &[(&str, &str)]) -> Option<ErrorCode> {
        of_new_object(&headers(pairs)).err().map(|error| error.code())
    }

    #[test]
    fn what_was_set_is_put_back() {
        let sent = headers(&[
            ("content-type", "text/plain"),
            ("content-encoding", "aws-chunked, gzip"),
            ("expires", "0"),
            ("x-amz-meta-a", "b"),
            ("x-amz-meta-empty", ""),
            ("x-amz-meta-raw", "café"),
            ("x-amz-tagging", "k=v"),
            ("x-amz-request-id", "forged"),
            ("etag", "forged"),
        ]);
        let attributes = of_new_object(&sent).unwrap();
        let mut answer = answer::empty(http::StatusCode::OK);
        put_headers(&mut answer, Some(&attributes));
        let got = answer.headers();
        assert_eq!(
            (&got["content-type"], &got["content-encoding"], &got["expires"]),
            (
                &HeaderValue::from_static("text/plain"),
                &HeaderValue::from_static("gzip"),
                &HeaderValue::from_static("0")
            )
        );
        assert_eq!((got["x-amz-meta-a"].as_bytes(), got["x-amz-meta-empty"].as_bytes()), (&b"b"[..], &b""[..]));
        assert_eq!(got["x-amz-meta-raw"].as_bytes(), "café".as_bytes());
        assert_eq!(got["x-amz-tagging-count"], "1");
        assert!(!got.contains_key("x-amz-request-id") && !got.contains_key("etag"));
    }

    #[test]
    fn the_framing_is_no_coding_of_the_object() {
        for (sent, kept) in [
            ("aws-chunked", ""),
            ("AWS-Chunked", ""),
            ("aws-chunked,gzip", "gzip"),
            ("gzip, aws-chunked", "gzip"),
            ("gzip, br", "gzip, br"),
            ("aws-chunked,,gzip , br", "gzip,br"),
        ] {
            assert_eq!(without_aws_chunked(sent), kept, "{sent}");
        }
    }

    #[test]
    fn an_object_without_a_type_has_the_default() {
        let mut answer = answer::empty(http::StatusCode::OK);
        put_headers(&mut answer, None);
        assert_eq!(answer.headers()["content-type"], "binary/octet-stream");
        assert!(of_new_object(&headers(&[("content-type", "")])).unwrap().headers.is_empty());
    }

    #[test]
    fn metadata_has_at_most_two_kilobytes() {
        let sized = |bytes: usize| code(&[("x-amz-meta-name", &"v".repeat(bytes - 4))]);
        assert_eq!(sized(2047), None);
        assert_eq!(sized(2048), None);
        assert_eq!(sized(2049), Some(ErrorCode::MetadataTooLarge));
        assert_eq!(code(&[("cache-control", &"v".repeat(2100))]), Some(ErrorCode::MetadataTooLarge));
    }

    #[test]
    fn metadata_of_one_name_is_joined() {
        let attributes = of_new_object(&headers(&[("x-amz-meta-a", "1"), ("x-amz-meta-a", "2")])).unwrap();
        assert_eq!(attributes.metadata, [v1::Header { name: "a".into(), value: "1,2".into() }]);
    }

    #[test]
    fn tags_are_a_query_within_limits() {
        let tags_of = |value: &str| tags(&headers(&[("x-amz-tagging", value)]));
        assert_eq!(tags_of("").unwrap(), []);
        let tag = |key: &str, value: &str| v1::Tag { key: key.into(), value: value.into() };
        assert_eq!(
            tags_of("a=1&b=two%20words&c+d=&e").unwrap(),
            [tag("a", "1"), tag("b", "two words"), tag("c d", ""), tag("e", "")]
        );
        let many = |count: usize| (0..count).map(|n| format!("k{n}=v")).collect::<Vec<_>>().join("&");
        assert!(tags_of(&many(10)).is_ok());
        assert_eq!(tags_of(&many(11)).unwrap_err().code(), ErrorCode::BadRequest);
        assert!(tags_of(&format!("{}={}", "k".repeat(128), "v".repeat(256))).is_ok());
        for wrong in [
            &format!("{}=v", "k".repeat(129)),
            &format!("k={}", "v".repeat(257)),
            "a=1&a=2",
            "=v",
            "k=%zz",
            "AWS:x=1",
            "a=%01",
        ] {
            assert!(tags_of(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_would_have_to_be_obeyed_is_refused() {
        for header in [
            "x-amz-server-side-encryption",
            "x-amz-server-side-encryption-customer-algorithm",
            "x-amz-server-side-encryption-aws-kms-key-id",
            "x-amz-object-lock-mode",
            "x-amz-object-lock-legal-hold",
            "x-amz-website-redirect-location",
            "x-amz-write-offset-bytes",
        ] {
            assert_eq!(code(&[(header, "x")]), Some(ErrorCode::NotImplemented), "{header}");
        }
    }

    #[test]
    fn there_is_one_storage_class() {
        assert_eq!(code(&[("x-amz-storage-class", "STANDARD")]), None);
        assert_eq!(code(&[("x-amz-storage-class", "REDUCED_REDUNDANCY")]), None);
        for class in ["GLACIER", "STANDARD_IA", "", "standard"] {
            assert_eq!(code(&[("x-amz-storage-class", class)]), Some(ErrorCode::InvalidStorageClass), "{class}");
        }
    }
}
