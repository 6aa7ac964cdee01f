//! The boundary between the parts of a form, from the request's Content-Type. RFC 2046, 5.1.1.

use super::error::{FormError, malformed};
use super::parameters::parameters;
use http::HeaderMap;
use http::header::CONTENT_TYPE;

const BOUNDARY_MAX_BYTES: usize = 70;

/// # Errors
/// [`FormError::NotMultipart`] for another type; a malformed form for a boundary that is missing, given twice or not
/// one.
pub fn boundary(headers: &HeaderMap) -> Result<Vec<u8>, FormError> {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let value = match (values.next(), values.next()) {
        (None, _) => return Err(FormError::NotMultipart),
        (Some(_), Some(_)) => return Err(malformed("the request has more than one Content-Type header").into()),
        (Some(value), None) => value.as_bytes(),
    };
    let end = value.iter().position(|&byte| byte == b';').unwrap_or(value.len());
    if !value[..end].trim_ascii().eq_ignore_ascii_case(b"multipart/form-data") {
        return Err(FormError::NotMultipart);
    }
    let found = parameters(&value[end..]).ok_or_else(|| malformed("the Content-Type header can't be read"))?;
    let mut boundaries = found.into_iter().filter(|(name, _)| name == "boundary").map(|(_, value)| value);
    match (boundaries.next(), boundaries.next()) {
        (None, _) => Err(malformed("the Content-Type header names no boundary").into()),
        (Some(_), Some(_)) => Err(malformed("the Content-Type header names more than one boundary").into()),
        (Some(boundary), None) if is_boundary(&boundary) => Ok(boundary),
        (Some(_), None) => Err(malformed("the boundary in the Content-Type header is not one").into()),
    }
}

fn is_boundary(text: &[u8]) -> bool {
    (1..=BOUNDARY_MAX_BYTES).contains(&text.len())
        && text.iter().all(|&byte| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte))
        && !text.ends_with(b" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::BodyError;
    use http::HeaderValue;

    fn of(values: &[&str]) -> Result<String, FormError> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(CONTENT_TYPE, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        boundary(&headers).map(|boundary| String::from_utf8(boundary).unwrap())
    }

    #[test]
    fn a_boundary_is_one_to_seventy_characters() {
        for (value, expected) in [
            ("multipart/form-data; boundary=9431149156168", "9431149156168"),
            ("multipart/form-data;boundary=\"a b:c\"", "a b:c"),
            ("Multipart/Form-Data ; charset=utf-8; BOUNDARY=----WebKitFormBoundaryAbC", "----WebKitFormBoundaryAbC"),
        ] {
            assert_eq!(of(&[value]).unwrap(), expected, "{value}");
        }
        assert!(of(&[&format!("multipart/form-data; boundary={}", "b".repeat(70))]).is_ok());
    }

    #[test]
    fn other_types_are_no_forms() {
        for value in ["application/x-www-form-urlencoded", "multipart/mixed; boundary=b", "multipart", "", "text/plain"]
        {
            assert_eq!(of(&[value]), Err(FormError::NotMultipart), "{value}");
        }
        assert_eq!(of(&[]), Err(FormError::NotMultipart));
    }

    #[test]
    fn what_is_no_boundary_is_malformed() {
        let long = format!("multipart/form-data; boundary={}", "b".repeat(71));
        for values in [
            &["multipart/form-data"][..],
            &["multipart/form-data; charset=utf-8"],
            &["multipart/form-data; boundary="],
            &["multipart/form-data; boundary=\"\""],
            &["multipart/form-data; boundary=\"a \""],
            &["multipart/form-data; boundary=a; boundary=b"],
            &["multipart/form-data; boundary=a&b"],
            &["multipart/form-data; boundary=\"a"],
            &[&long],
            &["multipart/form-data; boundary=a", "multipart/form-data; boundary=b"],
        ] {
            assert!(matches!(of(values), Err(FormError::Body(BodyError::MalformedForm { .. }))), "{values:?}");
        }
    }
}
