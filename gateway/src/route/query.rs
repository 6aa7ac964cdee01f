//! The query of a request: names and values, decoded once.

use crate::error::{ErrorCode, S3Error};

/// Its parameters in their order, each name once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    parameters: Vec<(String, String)>,
}

impl Query {
    /// # Errors
    /// `InvalidURI` for a broken escape or bytes that are not UTF-8; `InvalidArgument` for a name that comes twice:
    /// which of the two was meant, and which of them was checked elsewhere, can't be known.
    pub fn parse(raw: &str) -> Result<Self, S3Error> {
        let mut parameters: Vec<(String, String)> = Vec::new();
        for piece in raw.split('&').filter(|piece| !piece.is_empty()) {
            let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
            let decode = |raw: &str| decoded(raw.as_bytes(), true).ok_or_else(|| S3Error::new(ErrorCode::InvalidURI));
            let (name, value) = (decode(name)?, decode(value)?);
            if parameters.iter().any(|(known, _)| *known == name) {
                return Err(S3Error::invalid_argument(name, value, "A query parameter may be given once."));
            }
            parameters.push((name, value));
        }
        Ok(Self { parameters })
    }

    /// A parameter's value; `?name` and `?name=` are both empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Names and values in their order.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.parameters.iter().map(|(name, _)| name.as_str())
    }
}

/// Undoes percent-encoding, once; None for a broken escape or a result that is not UTF-8.
pub fn decoded(raw: &[u8], plus_is_space: bool) -> Option<String> {
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'%' => {
                let (digits, after) = rest.split_at_checked(2)?;
                out.push(hexadecimal(digits[0])? << 4 | hexadecimal(digits[1])?);
                rest = after;
            }
            b'+' if plus_is_space => out.push(b' '),
            byte => out.push(byte),
        }
    }
    String::from_utf8(out).ok()
}

fn hexadecimal(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_decoded_once() {
        let query = Query::parse("prefix=a%2Fb+c&delimiter=%252F&uploads&&max-keys=&a%3Db=c=d").unwrap();
        assert_eq!(query.get("prefix"), Some("a/b c"));
        assert_eq!(query.get("delimiter"), Some("%2F"));
        assert_eq!(query.get("uploads"), Some(""));
        assert_eq!(query.get("max-keys"), Some(""));
        assert_eq!(query.get("a=b"), Some("c=d"));
        assert_eq!(query.get("missing"), None);
        assert!(Query::parse("").unwrap().names().next().is_none());
    }

    #[test]
    fn what_can_not_be_decoded_or_is_doubled_is_refused() {
        for (raw, code) in [
            ("a=%", ErrorCode::InvalidURI),
            ("a=%2", ErrorCode::InvalidURI),
            ("a=%zz", ErrorCode::InvalidURI),
            ("%=1", ErrorCode::InvalidURI),
            ("a=%FF", ErrorCode::InvalidURI),
            ("uploadId=1&uploadId=2", ErrorCode::InvalidArgument),
            ("a&%61", ErrorCode::InvalidArgument),
        ] {
            assert_eq!(Query::parse(raw).unwrap_err().code(), code, "{raw}");
        }
    }
}
