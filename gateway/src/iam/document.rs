//! Policy documents: what is checked before one is sent to the metaserver, and how answers carry one.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>

use crate::auth::policy::{self, PolicyDocument};
use crate::query_api::{Parameters, QueryError, QueryErrorCode, TextRule};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The longest document with its white space, which the limits do not count. A form has room for it with each byte
/// encoded.
const DOCUMENT_MAX_BYTES: usize = 32 << 10;

const DOCUMENT: TextRule = TextRule {
    length: 1..=DOCUMENT_MAX_BYTES,
    pattern: "[\\u0009\\u000A\\u000D\\u0020-\\u00FF]+",
    matches: |text| text.chars().all(|c| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{ff}')),
};

/// Everything but the unreserved characters of RFC 3986, 2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What a document is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DocumentKind {
    Managed,
    UserInline,
    GroupInline,
    RoleInline,
    /// Who may take a role.
    Trust,
}

impl DocumentKind {
    /// In characters, white space not counted. Of inline policies, all of a holder's together: the metaserver adds up.
    pub fn max_characters(self) -> usize {
        match self {
            Self::Managed => 6144,
            Self::UserInline | Self::Trust => 2048,
            Self::GroupInline => 5120,
            Self::RoleInline => 10_240,
        }
    }
}

/// The document in the parameter `name`.
///
/// # Errors
/// `ValidationError` for one that is not there or has characters that none may have; whatever [`check`] says.
pub fn required<'a>(parameters: &'a Parameters, name: &str, kind: DocumentKind) -> Result<&'a str, QueryError> {
    let text = parameters.required(name, &DOCUMENT)?;
    check(kind, text)?;
    Ok(text)
}

/// The trust policy in the parameter `name`, and the ARNs that it names as principals.
///
/// # Errors
/// As [`required`].
pub fn trust(parameters: &Parameters, name: &str) -> Result<(String, Vec<String>), QueryError> {
    let text = parameters.required(name, &DOCUMENT)?;
    Ok((text.to_owned(), check(DocumentKind::Trust, text)?.principal_arns()))
}

/// Checks a document.
///
/// # Errors
/// `LimitExceeded`, `MalformedPolicyDocument`.
pub fn check(kind: DocumentKind, text: &str) -> Result<PolicyDocument, QueryError> {
    let characters = text.chars().filter(|c| !c.is_ascii_whitespace()).count();
    if characters > kind.max_characters() {
        let message = format!("Cannot exceed quota for PolicySize: {}", kind.max_characters());
        return Err(QueryError::new(QueryErrorCode::LimitExceeded, message));
    }
    let read_as = match kind {
        DocumentKind::Managed | DocumentKind::UserInline | DocumentKind::GroupInline | DocumentKind::RoleInline => {
            policy::DocumentKind::Identity
        }
        DocumentKind::Trust => policy::DocumentKind::Trust,
    };
    let read = PolicyDocument::parse(&read_as, text);
    read.map_err(|error| QueryError::new(QueryErrorCode::MalformedPolicyDocument, error.to_string()))
}

/// As answers carry it: percent-encoded.
pub fn encoded(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(kind: DocumentKind, text: &str) -> Option<QueryErrorCode> {
        check(kind, text).err().map(|error| error.code())
    }

    #[test]
    fn a_document_has_its_size_without_white_space() {
        let document = |kind: DocumentKind, characters: usize| {
            let (who, what) = match kind {
                DocumentKind::Trust => (r#" "Principal" : "*" ,"#, ""),
                _ => ("", "\n\t, \"Resource\" : \"*\""),
            };
            let text = |sid: usize| {
                let sid = "x".repeat(sid);
                format!(
                    "{{ \"Statement\" :{{ \"Effect\":\"Allow\",{who} \"Action\":\"*\" {what}, \"Sid\":\"{sid}\" }} }}"
                )
            };
            let around = text(0).chars().filter(|c| !c.is_ascii_whitespace()).count();
            text(characters - around)
        };
        for kind in [
            DocumentKind::Managed,
            DocumentKind::UserInline,
            DocumentKind::GroupInline,
            DocumentKind::RoleInline,
            DocumentKind::Trust,
        ] {
            assert_eq!(code(kind, &document(kind, kind.max_characters())), None);
            assert_eq!(code(kind, &document(kind, kind.max_characters() + 1)), Some(QueryErrorCode::LimitExceeded));
        }
    }

    #[test]
    fn a_document_is_an_object_of_json() {
        let deep = "[".repeat(6000);
        for text in ["", "x", "[]", "\"a\"", "1", "{", "{}", "{}{}", "{\"a\":}", &deep] {
            assert_eq!(code(DocumentKind::Managed, text), Some(QueryErrorCode::MalformedPolicyDocument), "{text}");
        }
    }

    #[test]
    fn characters_that_no_document_has_are_refused() {
        let form = |text: &str| Parameters::parse("", format!("D={}", encoded(text)).as_bytes()).unwrap();
        let read = |text: &str| {
            let parameters = form(text);
            required(&parameters, "D", DocumentKind::Managed).map(str::to_owned).map_err(|error| error.code())
        };
        let text = r#"{"Statement": {"Sid": "é", "Effect": "Allow", "Action": "*", "Resource": "*"}}"#;
        assert_eq!(read(text), Ok(text.to_owned()));
        assert_eq!(read("{\"Sid\": \"日\"}"), Err(QueryErrorCode::ValidationError));
        assert_eq!(read(""), Err(QueryErrorCode::ValidationError));
        assert_eq!(read(&" ".repeat(DOCUMENT_MAX_BYTES + 1)), Err(QueryErrorCode::ValidationError));
        assert_eq!(
            required(&form("{}"), "Other", DocumentKind::Trust).unwrap_err().code(),
            QueryErrorCode::ValidationError
        );
    }

    #[test]
    fn answers_carry_a_document_percent_encoded() {
        assert_eq!(encoded("{\"Resource\": \"a/*~\"}"), "%7B%22Resource%22%3A%20%22a%2F%2A~%22%7D");
    }
}
