//! The texts of a change, checked where they enter.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html#reference_iam-quotas-names>

use super::limits::{
    MAX_CLIENT_ID_CHARS, MAX_CLIENT_IDS, MAX_CLIENT_IDS_BYTES, MAX_DESCRIPTION_CHARS, MAX_DOCUMENT_BYTES,
    MAX_LONG_NAME_CHARS, MAX_NAME_CHARS, MAX_PATH_CHARS, MAX_POLICY_CHARS, MAX_PROVIDER_URL_CHARS, MAX_SESSION_SECONDS,
    MAX_TAG_KEY_CHARS, MAX_TAG_VALUE_CHARS, MAX_TAGS, MAX_THUMBPRINTS, MIN_SESSION_SECONDS,
};
use crate::error::Error;
use std::collections::HashSet;
use std::ops::RangeInclusive;
use weir_proto::v1::{OidcProvider, Tag};

/// What ids of temporary credentials begin with.
const TEMPORARY_KEY_PREFIX: &str = "ASIA";
const ACCESS_KEY_ID_CHARS: RangeInclusive<usize> = 3..=128;
const SECRET_CHARS: RangeInclusive<usize> = 8..=128;
/// SHA-1 in hexadecimal digits.
const THUMBPRINT_CHARS: usize = 40;
/// AWS keeps tag keys with this beginning to itself, in any case.
const RESERVED_TAG_PREFIX: &str = "aws:";
/// Hosts of issuers that may be asked without TLS.
const LOOPBACK_HOSTS: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

fn is_name_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_+=,.@-".contains(c)
}

fn chars(what: &'static str, text: &str, allowed: RangeInclusive<usize>) -> Result<(), Error> {
    // A text of so many bytes has too many characters in any case, and is not counted.
    let count = if text.len() > 4 * allowed.end() { text.len() } else { text.chars().count() };
    if allowed.contains(&count) {
        return Ok(());
    }
    Err(Error::invalid(what, format!("it has {} to {} characters, not {count}", allowed.start(), allowed.end())))
}

fn only(what: &'static str, text: &str, rule: &'static str, is_allowed: impl Fn(char) -> bool) -> Result<(), Error> {
    if text.chars().all(is_allowed) { Ok(()) } else { Err(Error::invalid(what, rule)) }
}

fn name_up_to(what: &'static str, name: &str, max_chars: usize) -> Result<(), Error> {
    chars(what, name, 1..=max_chars)?;
    only(what, name, "it has letters, digits and _+=,.@- only", is_name_character)
}

/// A user's or role's name.
pub(super) fn name(what: &'static str, name: &str) -> Result<(), Error> {
    name_up_to(what, name, MAX_NAME_CHARS)
}

/// A group's or policy's name.
pub(super) fn long_name(what: &'static str, name: &str) -> Result<(), Error> {
    name_up_to(what, name, MAX_LONG_NAME_CHARS)
}

/// A path as it is kept: `/` unless it is given.
pub(super) fn path(path: &str) -> Result<String, Error> {
    if path.is_empty() {
        return Ok("/".to_owned());
    }
    chars("path", path, 1..=MAX_PATH_CHARS)?;
    only("path", path, "it has printable ASCII characters without spaces only", |c| c.is_ascii_graphic())?;
    let is_closed = path == "/" || (path.len() > 1 && path.starts_with('/') && path.ends_with('/'));
    if !is_closed {
        return Err(Error::invalid("path", "it begins and ends with a slash"));
    }
    Ok(path.to_owned())
}

pub(super) fn description(description: &str) -> Result<(), Error> {
    chars("description", description, 0..=MAX_DESCRIPTION_CHARS)?;
    only("description", description, "it has characters up to U+00FF only, and no control characters", is_document_text)
}

/// What AWS allows in documents and descriptions: U+0009, U+000A, U+000D and U+0020 to U+00FF.
fn is_document_text(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{ff}')
}

/// Characters that AWS counts of a document.
pub(super) fn counted_chars(document: &str) -> usize {
    document.chars().filter(|c| !c.is_whitespace()).count()
}

fn document(what: &'static str, document: &str, max_chars: usize) -> Result<(), Error> {
    if document.len() > MAX_DOCUMENT_BYTES {
        return Err(Error::limit("bytes of a policy document", MAX_DOCUMENT_BYTES));
    }
    only(what, document, "it has characters up to U+00FF only, and no control characters", is_document_text)?;
    match counted_chars(document) {
        0 => Err(Error::invalid(what, "it is empty")),
        count if count > max_chars => {
            Err(Error::limit("characters of a policy document without white space", max_chars))
        }
        _ => Ok(()),
    }
}

/// A version of a managed policy.
pub(super) fn policy_document(text: &str) -> Result<(), Error> {
    document("document", text, MAX_POLICY_CHARS)
}

pub(super) fn inline_document(text: &str, max_chars: usize) -> Result<(), Error> {
    document("document", text, max_chars)
}

pub(super) fn trust_document(text: &str) -> Result<(), Error> {
    document("trust_document", text, super::limits::MAX_TRUST_CHARS)
}

/// A role's longest session, as it is kept: an hour unless it is given.
pub(super) fn max_session_seconds(seconds: u32) -> Result<u32, Error> {
    match seconds {
        0 => Ok(MIN_SESSION_SECONDS),
        MIN_SESSION_SECONDS..=MAX_SESSION_SECONDS => Ok(seconds),
        _ => {
            let rule = format!("it is from {MIN_SESSION_SECONDS} to {MAX_SESSION_SECONDS}, not {seconds}");
            Err(Error::invalid("max_session_seconds", rule))
        }
    }
}

/// Tags as they are kept: by key, ascending.
pub(super) fn tags(tags: &[Tag]) -> Result<Vec<Tag>, Error> {
    if tags.len() > MAX_TAGS {
        return Err(Error::limit("tags", MAX_TAGS));
    }
    let rule = "it has letters, digits, spaces and _.:/=+-@ only";
    let is_allowed = |c: char| c.is_alphanumeric() || (c.is_whitespace() && !c.is_control()) || "_.:/=+-@".contains(c);
    let mut seen = HashSet::with_capacity(tags.len());
    for tag in tags {
        chars("tag key", &tag.key, 1..=MAX_TAG_KEY_CHARS)?;
        chars("tag value", &tag.value, 0..=MAX_TAG_VALUE_CHARS)?;
        only("tag key", &tag.key, rule, is_allowed)?;
        only("tag value", &tag.value, rule, is_allowed)?;
        let folded = tag.key.to_lowercase();
        if folded.starts_with(RESERVED_TAG_PREFIX) {
            return Err(Error::invalid("tag key", "it does not begin with aws:"));
        }
        if !seen.insert(folded) {
            return Err(Error::invalid("tag key", "it is there once, in whatever case"));
        }
    }
    let mut sorted = tags.to_vec();
    sorted.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(sorted)
}

pub(super) fn access_key_id(id: &str) -> Result<(), Error> {
    chars("access_key_id", id, ACCESS_KEY_ID_CHARS)?;
    only("access_key_id", id, "it has letters, digits and _.@- only", |c| {
        c.is_ascii_alphanumeric() || "_.@-".contains(c)
    })
}

/// An access key that an operator gives: its id and secret; none when one is to be made.
pub(super) fn given_key<'a>(id: &'a str, secret: &'a str) -> Result<Option<(&'a str, &'a str)>, Error> {
    if id.is_empty() && secret.is_empty() {
        return Ok(None);
    }
    access_key_id(id)?;
    if id.starts_with(TEMPORARY_KEY_PREFIX) {
        return Err(Error::invalid("access_key_id", "it does not begin with ASIA: those are temporary credentials"));
    }
    chars("secret_access_key", secret, SECRET_CHARS)?;
    let rule = "it has printable ASCII characters without spaces only";
    only("secret_access_key", secret, rule, |c| c.is_ascii_graphic())?;
    Ok(Some((id, secret)))
}

/// What a provider is called: its URL without the scheme.
pub(super) fn provider_name(name: &str) -> Result<(), Error> {
    chars("url", name, 1..=MAX_PROVIDER_URL_CHARS)?;
    let rule = "it has printable ASCII characters only, and no query, fragment or user";
    only("url", name, rule, |c| c.is_ascii_graphic() && !"?#@\\\"<>".contains(c))
}

/// An issuer: `https`, or `http` on this machine.
/// <https://openid.net/specs/openid-connect-core-1_0.html#IssuerIdentifier>
pub(super) fn provider(provider: &OidcProvider) -> Result<(), Error> {
    chars("url", &provider.url, 1..=MAX_PROVIDER_URL_CHARS)?;
    let Some((scheme, name)) = provider.url.split_once("://") else {
        return Err(Error::invalid("url", "it begins with https://"));
    };
    provider_name(name)?;
    let authority = name.split('/').next().unwrap_or_default();
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() => host,
        _ => authority,
    };
    let is_host = |c: char| c.is_ascii_alphanumeric() || "-.[]:".contains(c);
    if host.is_empty() || !host.chars().all(is_host) {
        return Err(Error::invalid("url", "it names a host"));
    }
    if scheme != "https" && !(scheme == "http" && LOOPBACK_HOSTS.contains(&host)) {
        return Err(Error::invalid("url", "it begins with https://, or with http:// for a host on loopback"));
    }
    client_ids(&provider.client_ids)?;
    if provider.thumbprints.len() > MAX_THUMBPRINTS {
        return Err(Error::limit("thumbprints of a provider", MAX_THUMBPRINTS));
    }
    let is_thumbprint = |text: &String| text.len() == THUMBPRINT_CHARS && text.bytes().all(|b| b.is_ascii_hexdigit());
    if !provider.thumbprints.iter().all(is_thumbprint) {
        return Err(Error::invalid("thumbprints", "each has 40 hexadecimal digits"));
    }
    Ok(())
}

fn client_ids(client_ids: &[String]) -> Result<(), Error> {
    if client_ids.len() > MAX_CLIENT_IDS {
        return Err(Error::limit("client ids of a provider", MAX_CLIENT_IDS));
    }
    for client_id in client_ids {
        chars("client_ids", client_id, 1..=MAX_CLIENT_ID_CHARS)?;
        only("client_ids", client_id, "each has printable ASCII characters only", |c| matches!(c, ' '..='~'))?;
    }
    if client_ids.iter().map(String::len).sum::<usize>() > MAX_CLIENT_IDS_BYTES {
        return Err(Error::limit("bytes of a provider's client ids", MAX_CLIENT_IDS_BYTES));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_characters_and_lengths_of_aws() {
        assert!(name("name", "a_B9+=,.@-").is_ok() && name("name", &"n".repeat(64)).is_ok());
        assert!(long_name("name", &"n".repeat(128)).is_ok());
        for wrong in ["", "a b", "a/b", "é", "a\0", "a*", "a:b", &"n".repeat(65), &"n".repeat(1 << 20)] {
            assert!(matches!(name("name", wrong), Err(Error::Invalid { .. })), "{}", &wrong[..wrong.len().min(9)]);
        }
        assert!(long_name("name", &"n".repeat(129)).is_err());
    }

    #[test]
    fn a_path_begins_and_ends_with_a_slash() {
        assert_eq!(path("").unwrap(), "/");
        for right in ["/", "/a/", "/a/b/", "/!~/", "//"] {
            assert_eq!(path(right).unwrap(), right);
        }
        for wrong in ["a", "/a", "a/", "/a b/", "/é/", &format!("/{}/", "p".repeat(511))] {
            assert!(path(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn white_space_of_a_document_does_not_count() {
        let spaced = |count: usize| " x\n".repeat(count);
        assert!(policy_document(&spaced(6_144)).is_ok());
        assert!(matches!(policy_document(&spaced(6_145)), Err(Error::LimitExceeded { .. })));
        assert!(matches!(policy_document(&" ".repeat(33_000)), Err(Error::LimitExceeded { .. })));
        for wrong in ["", " \n", "{\0}", "{☃}", "{\u{7}}"] {
            assert!(matches!(policy_document(wrong), Err(Error::Invalid { .. })), "{wrong:?}");
        }
        assert!(trust_document(&"x".repeat(2_048)).is_ok() && trust_document(&"x".repeat(2_049)).is_err());
    }

    #[test]
    fn tags_are_sorted_and_there_once() {
        let tag = |key: &str, value: &str| Tag { key: key.into(), value: value.into() };
        let sorted = tags(&[tag("z", ""), tag("cost center", "größe 9_.:/=+-@")]).unwrap();
        assert_eq!(sorted.iter().map(|tag| tag.key.as_str()).collect::<Vec<_>>(), ["cost center", "z"]);
        for wrong in
            [tag("", "x"), tag("aws:x", ""), tag("AWS:x", ""), tag("a\nb", ""), tag("a*", ""), tag("a", "\u{0}")]
        {
            assert!(tags(std::slice::from_ref(&wrong)).is_err(), "{wrong:?}");
        }
        assert!(tags(&[tag("a", "1"), tag("A", "2")]).is_err());
        assert!(tags(&[tag(&"k".repeat(128), &"v".repeat(256))]).is_ok());
        assert!(tags(&[tag(&"k".repeat(129), "")]).is_err() && tags(&[tag("k", &"v".repeat(257))]).is_err());
        let many = |count: u32| (0..count).map(|n| tag(&n.to_string(), "")).collect::<Vec<_>>();
        assert!(tags(&many(50)).is_ok() && matches!(tags(&many(51)), Err(Error::LimitExceeded { .. })));
    }

    #[test]
    fn a_given_key_is_whole_and_can_be_signed_with() {
        assert_eq!(given_key("", "").unwrap(), None);
        assert_eq!(given_key("abc", "12345678").unwrap(), Some(("abc", "12345678")));
        for (id, secret) in [
            ("", "12345678"),
            ("abc", ""),
            ("ab", "12345678"),
            ("a/b/c", "12345678"),
            ("abc", "1234567"),
            ("abc", "with a space"),
            ("abc", "ümlaute12"),
            ("ASIAEXAMPLE", "12345678"),
        ] {
            assert!(given_key(id, secret).is_err(), "{id} {secret}");
        }
        assert!(given_key(&"k".repeat(128), &"s".repeat(128)).is_ok());
        assert!(given_key(&"k".repeat(129), "12345678").is_err());
    }

    #[test]
    fn an_issuer_is_asked_over_tls_unless_it_is_this_machine() {
        let of = |url: &str| provider(&OidcProvider { url: url.into(), ..Default::default() });
        for right in [
            "https://id.example.com",
            "https://id.example.com:8443/realms/one",
            "http://127.0.0.1:5556",
            "http://localhost/x",
            "http://[::1]:80",
        ] {
            assert!(of(right).is_ok(), "{right}");
        }
        for wrong in [
            "",
            "id.example.com",
            "http://id.example.com",
            "http://127.0.0.1.example.com",
            "https://",
            "https:///x",
            "https://a@b",
            "https://a?b",
            "https://a#b",
            "https://a b",
            "ftp://a",
            &format!("https://{}", "a".repeat(248)),
        ] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
        let with = |client_ids: Vec<String>, thumbprints: Vec<String>| {
            provider(&OidcProvider { url: "https://a".into(), client_ids, thumbprints, created_ms: 0 })
        };
        assert!(with(vec!["app 1".into(); 100], vec!["0f".repeat(20); 5]).is_ok());
        assert!(with(vec!["app".into(); 101], vec![]).is_err() && with(vec![String::new()], vec![]).is_err());
        assert!(with(vec!["c".repeat(255); 100], vec![]).is_err());
        assert!(with(vec![], vec!["0f".repeat(20); 6]).is_err() && with(vec![], vec!["xy".repeat(20)]).is_err());
    }

    #[test]
    fn a_session_is_an_hour_to_twelve() {
        assert_eq!(max_session_seconds(0).unwrap(), 3_600);
        assert_eq!(max_session_seconds(43_200).unwrap(), 43_200);
        assert!(max_session_seconds(3_599).is_err() && max_session_seconds(43_201).is_err());
    }
}
