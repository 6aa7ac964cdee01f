//! The form of a request: `application/x-www-form-urlencoded`, decoded once, each name once.

use super::{QueryError, QueryErrorCode};
use crate::route::decoded;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use std::collections::BTreeMap;
use std::fmt;

/// The longest form, in bytes: the largest policy document with each of its bytes percent-encoded, and the rest.
pub const FORM_MAX_BYTES: usize = 128 << 10;
const FORM: &str = "application/x-www-form-urlencoded";
/// The most parameters: 50 tags have 100, and nothing has more.
pub const PARAMETERS_MAX: usize = 256;
/// The longest name has some 40 bytes.
const NAME_MAX_BYTES: usize = 128;

/// The parameters of a request.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Parameters {
    pub(super) values: BTreeMap<String, String>,
}

impl Parameters {
    /// The parameters of a request's query and of its body together.
    ///
    /// # Errors
    /// `RequestEntityTooLarge` beyond [`FORM_MAX_BYTES`]. `MalformedQueryString` for a broken escape, for what is not
    /// UTF-8 or not text that a document can carry, for a name that comes twice (which of the two was meant can't be
    /// known) and for more than [`PARAMETERS_MAX`] of them.
    pub fn parse(query: &str, form: &[u8]) -> Result<Self, QueryError> {
        if query.len().saturating_add(form.len()) > FORM_MAX_BYTES {
            return Err(QueryError::form_too_large());
        }
        let mut values = BTreeMap::new();
        for pieces in [query.as_bytes(), form] {
            for piece in pieces.split(|&byte| byte == b'&').filter(|piece| !piece.is_empty()) {
                let (name, value) = parse_piece(piece)?;
                if values.len() == PARAMETERS_MAX {
                    return Err(malformed("The request has too many parameters."));
                }
                if values.insert(name, value).is_some() {
                    return Err(malformed("A parameter may be given once."));
                }
            }
        }
        Ok(Self { values })
    }

    /// A parameter's value, empty or not.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// `Action`.
    ///
    /// # Errors
    /// `MissingAction`.
    pub fn action(&self) -> Result<&str, QueryError> {
        self.get("Action").filter(|action| !action.is_empty()).ok_or_else(|| QueryErrorCode::MissingAction.into())
    }
}

/// Is a request's body a form? That is how a POST of this protocol is told from S3's.
pub fn is_form(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    let essence = value.as_bytes().split(|&byte| byte == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(FORM.as_bytes())
}

/// Names alone: a value may be a token.
impl fmt::Debug for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.values.keys()).finish()
    }
}

fn parse_piece(piece: &[u8]) -> Result<(String, String), QueryError> {
    let (name, value) = match piece.iter().position(|&byte| byte == b'=') {
        Some(at) => (&piece[..at], &piece[at + 1..]),
        None => (piece, &[][..]),
    };
    let decode = |raw| {
        let text = decoded(raw, true).ok_or_else(|| malformed("The request is not a form in UTF-8."))?;
        if text.chars().all(is_text) { Ok(text) } else { Err(malformed("A parameter holds a control character.")) }
    };
    let name = decode(name)?;
    if name.is_empty() || name.len() > NAME_MAX_BYTES {
        return Err(malformed("A parameter's name is empty or too long."));
    }
    Ok((name, decode(value)?))
}

/// What XML 1.0 can carry. <https://www.w3.org/TR/xml/#charsets>
fn is_text(character: char) -> bool {
    !matches!(character, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')
}

fn malformed(message: &'static str) -> QueryError {
    QueryError::new(QueryErrorCode::MalformedQueryString, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;

    fn parsed(query: &str, form: &str) -> Result<Parameters, QueryErrorCode> {
        Parameters::parse(query, form.as_bytes()).map_err(|error| error.code())
    }

    #[test]
    fn names_and_values_are_decoded_once() {
        let parameters = parsed("", "Action=GetUser&Path=%2Fa+b%2F&Empty=&None&&Twice=%2541&a=b=c").unwrap();
        assert_eq!(parameters.action().unwrap(), "GetUser");
        assert_eq!(parameters.get("Path"), Some("/a b/"));
        assert_eq!(parameters.get("Empty"), Some(""));
        assert_eq!(parameters.get("None"), Some(""));
        assert_eq!(parameters.get("Twice"), Some("%41"));
        assert_eq!(parameters.get("a"), Some("b=c"));
        assert_eq!(parameters.get("path"), None);
    }

    #[test]
    fn query_and_body_are_one() {
        let parameters = parsed("Action=GetUser", "UserName=alice").unwrap();
        assert_eq!((parameters.get("Action"), parameters.get("UserName")), (Some("GetUser"), Some("alice")));
        assert_eq!(parsed("UserName=alice", "UserName=bob"), Err(QueryErrorCode::MalformedQueryString));
    }

    #[test]
    fn what_can_not_be_understood_in_one_way_is_refused() {
        let long = "n".repeat(NAME_MAX_BYTES + 1);
        for form in
            ["a=%", "a=%zz", "a=%FF", "%=1", "a=1&a=1", "a=1&%61=2", "=1", "a=%00", "a=%1F", "a=%EF%BF%BE", &long]
        {
            assert_eq!(parsed("", form), Err(QueryErrorCode::MalformedQueryString), "{form}");
        }
        assert!(parsed("", "a=%09%0A%0D").is_ok());
    }

    #[test]
    fn a_form_has_limits() {
        let of_length = |length: usize| format!("a={}", "x".repeat(length - 2));
        assert!(parsed("", &of_length(FORM_MAX_BYTES)).is_ok());
        assert_eq!(parsed("", &of_length(FORM_MAX_BYTES + 1)), Err(QueryErrorCode::RequestEntityTooLarge));
        assert_eq!(parsed("b", &of_length(FORM_MAX_BYTES)), Err(QueryErrorCode::RequestEntityTooLarge));
        let of_count = |count: usize| (0..count).map(|index| format!("p{index}=&")).collect::<String>();
        assert!(parsed("", &of_count(PARAMETERS_MAX)).is_ok());
        assert_eq!(parsed("", &of_count(PARAMETERS_MAX + 1)), Err(QueryErrorCode::MalformedQueryString));
        assert!(parsed("", &format!("{}=", "n".repeat(NAME_MAX_BYTES))).is_ok());
    }

    #[test]
    fn a_form_is_known_by_its_content_type() {
        let is = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(CONTENT_TYPE, value.parse().unwrap());
            }
            is_form(&headers)
        };
        for value in [FORM, "application/x-www-form-urlencoded; charset=utf-8", "Application/X-WWW-Form-Urlencoded ;a"]
        {
            assert!(is(&[value]), "{value}");
        }
        for value in ["", "multipart/form-data", "application/x-www-form-urlencoded2", "text/xml"] {
            assert!(!is(&[value]), "{value}");
        }
        assert!(!is(&[]) && !is(&[FORM, FORM]));
    }

    #[test]
    fn values_are_not_shown_to_a_log() {
        let shown = format!("{:?}", parsed("", "WebIdentityToken=secret").unwrap());
        assert_eq!(shown, "[\"WebIdentityToken\"]");
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_or_refused(form in any::<Vec<u8>>()) {
            let _ = Parameters::parse("", &form);
        }

        #[test]
        fn what_is_encoded_comes_back(
            values in proptest::collection::btree_map("[A-Za-z.0-9]{1,20}", "[ -~é日]{0,30}", 0..10)
        ) {
            let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
            let piece = |(name, value): (&String, &String)| format!("{}={}", encode(name), encode(value));
            let pieces: Vec<_> = values.iter().map(piece).collect();
            let parameters = parsed("", &pieces.join("&")).unwrap();
            prop_assert_eq!(parameters.values, values);
        }
    }
}
