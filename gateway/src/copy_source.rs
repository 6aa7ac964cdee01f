//! What x-amz-copy-source names.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html>

use crate::error::{ErrorCode, S3Error};
use crate::route::decoded;
use http::{HeaderMap, HeaderValue};
use weir_proto::{BucketName, ObjectKey};

pub const HEADER: &str = "x-amz-copy-source";

/// The bucket and key of a copy's source. It is decoded once, as a query is: a plus is a space, which is why clients
/// write `%2B`. The slash before the bucket may be left out.
///
/// # Errors
/// `InvalidArgument` when it names no object or comes twice, `InvalidBucketName`, `KeyTooLongError`, `NoSuchVersion` for any version
/// but `null`, `NotImplemented` for access points.
pub fn parse(headers: &HeaderMap) -> Result<(BucketName, ObjectKey), S3Error> {
    let mut values = headers.get_all(HEADER).iter().map(HeaderValue::as_bytes);
    let (raw, another) = (values.next().unwrap_or_default(), values.next());
    if let Some(another) = another {
        let message = "This header may be given once.";
        return Err(S3Error::invalid_argument(HEADER, String::from_utf8_lossy(another), message));
    }
    let invalid = || {
        let value = String::from_utf8_lossy(raw);
        S3Error::invalid_argument(
            HEADER,
            value,
            "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
        )
    };
    if raw.starts_with(b"arn:") {
        return Err(S3Error::not_implemented("a copy's source by its ARN"));
    }
    let (path, version) = split_version(raw);
    check_version(version)?;
    let path = path.strip_prefix(b"/").unwrap_or(path);
    // An escaped slash may stand between bucket and key: some clients encode the whole.
    let path = decoded(path, true).filter(|path| !path.contains('\0')).ok_or_else(invalid)?;
    let path = path.strip_prefix('/').unwrap_or(&path);
    let (bucket, key) = path.split_once('/').ok_or_else(invalid)?;
    if bucket.is_empty() || key.is_empty() {
        return Err(invalid());
    }
    Ok((BucketName::new(bucket)?, ObjectKey::new(key.to_owned())?))
}

/// `?versionId=` is found before the path is decoded: an escaped question mark belongs to the key.
fn split_version(raw: &[u8]) -> (&[u8], Option<&[u8]>) {
    const MARK: &[u8] = b"?versionId=";
    match raw.windows(MARK.len()).rposition(|window| window == MARK) {
        Some(at) => (&raw[..at], Some(&raw[at + MARK.len()..])),
        None => (raw, None),
    }
}

fn check_version(version: Option<&[u8]>) -> Result<(), S3Error> {
    match version {
        None | Some(b"null") => Ok(()),
        Some(b"") => Err(S3Error::invalid_argument("versionId", "", "Version id cannot be the empty string")),
        Some(other) => Err(S3Error::new(ErrorCode::NoSuchVersion).element("VersionId", String::from_utf8_lossy(other))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(value: &str) -> Result<(String, String), ErrorCode> {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        match parse(&headers) {
            Ok((bucket, key)) => Ok((bucket.to_string(), key.to_string())),
            Err(error) => Err(error.code()),
        }
    }

    #[test]
    fn a_source_is_decoded_once() {
        for (value, key) in [
            ("/bbb/k", "k"),
            ("bbb/k", "k"),
            ("%2Fbbb%2Fk", "k"),
            ("/bbb/a%20b", "a b"),
            ("/bbb/a+b", "a b"),
            ("/bbb/a%2Bb", "a+b"),
            ("/bbb/%252F", "%2F"),
            ("/bbb/a/../b//c", "a/../b//c"),
            ("/bbb//k", "/k"),
            ("/bbb/a%3FversionId=x", "a?versionId=x"),
            ("/bbb/a?b", "a?b"),
            ("/bbb/k?versionId=null", "k"),
            ("/bbb/é", "é"),
        ] {
            assert_eq!(source(value), Ok(("bbb".into(), key.into())), "{value}");
        }
    }

    #[test]
    fn two_sources_are_refused() {
        let mut headers = HeaderMap::new();
        headers.append(HEADER, HeaderValue::from_static("/bbb/k"));
        headers.append(HEADER, HeaderValue::from_static("/bbb/k"));
        assert_eq!(parse(&headers).unwrap_err().code(), ErrorCode::InvalidArgument);
    }

    #[test]
    fn what_names_no_object_is_refused() {
        for (value, code) in [
            ("", ErrorCode::InvalidArgument),
            ("/", ErrorCode::InvalidArgument),
            ("bbb", ErrorCode::InvalidArgument),
            ("/bbb/", ErrorCode::InvalidArgument),
            ("/bbb/%zz", ErrorCode::InvalidArgument),
            ("/bbb/%FF", ErrorCode::InvalidArgument),
            ("/bbb/a%00b", ErrorCode::InvalidArgument),
            ("/Upper/k", ErrorCode::InvalidBucketName),
            ("/../etc/passwd", ErrorCode::InvalidBucketName),
            ("/bbb/k?versionId=abc", ErrorCode::NoSuchVersion),
            ("/bbb/k?versionId=", ErrorCode::InvalidArgument),
            ("arn:aws:s3:eu-west-1:1:accesspoint/a/object/k", ErrorCode::NotImplemented),
        ] {
            assert_eq!(source(value), Err(code), "{value}");
        }
    }
}
