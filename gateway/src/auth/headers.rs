//! Headers that say who sends a request. Each may come once: with two of them, which was meant can't be known.

use crate::error::{ErrorCode, S3Error};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};

/// The trimmed value of a header.
///
/// # Errors
/// `InvalidArgument` when it comes twice or is not visible ASCII.
pub(super) fn single<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<Option<&'a str>, S3Error> {
    let Some(value) = single_bytes(headers, name)? else { return Ok(None) };
    match std::str::from_utf8(value) {
        Ok(text) if text.is_ascii() => Ok(Some(text)),
        _ => {
            let message = "This header may hold ASCII characters alone.";
            Err(S3Error::invalid_argument(name, String::from_utf8_lossy(value), message))
        }
    }
}

/// The same with any characters.
///
/// # Errors
/// `InvalidArgument` when it comes twice.
pub(super) fn single_bytes<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<Option<&'a [u8]>, S3Error> {
    let mut values = headers.get_all(name).iter().map(HeaderValue::as_bytes);
    match (values.next(), values.next()) {
        (first, None) => Ok(first.map(<[u8]>::trim_ascii)),
        (_, Some(second)) => {
            let second = String::from_utf8_lossy(second);
            Err(S3Error::invalid_argument(name, second, "This header may be given once."))
        }
    }
}

/// The value of Authorization.
///
/// # Errors
/// `AccessDenied` without one, `InvalidArgument` for two or what is not ASCII.
pub(super) fn authorization(headers: &HeaderMap) -> Result<&str, S3Error> {
    match single(headers, AUTHORIZATION.as_str())? {
        None | Some("") => Err(ErrorCode::AccessDenied.into()),
        Some(value) => Ok(value),
    }
}
