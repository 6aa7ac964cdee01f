//! Addresses of issuers and of what they point to: who may be asked, and how.

use crate::auth::provider_name;
use http::Uri;
use http::uri::Scheme;
use std::net::IpAddr;

/// The longest URL of an issuer, as IAM has it.
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateOpenIDConnectProvider.html>
pub const ISSUER_MAX_BYTES: usize = 255;
/// The longest URL that an issuer may point to.
const ENDPOINT_MAX_BYTES: usize = 2048;
/// OpenID Connect Discovery 1.0, 4.
const CONFIGURATION_PATH: &str = "/.well-known/openid-configuration";

/// Why a URL is no issuer's, or is not asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    #[error("it has more than {max_bytes} bytes")]
    TooLong { max_bytes: usize },
    #[error("it is not a URL with a host")]
    Malformed,
    #[error("it must begin with https://; http:// is for issuers on a loopback address, such as http://127.0.0.1:8080")]
    Insecure,
    #[error("a URL of an issuer has no user, no query and no fragment")]
    NotAnIssuer,
}

/// The URL of an issuer. It is what its tokens name as `iss`, character by character.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerUrl {
    text: String,
    endpoint: Endpoint,
}

impl IssuerUrl {
    /// # Errors
    /// [`UrlError`] for what is not `https://HOST[:PORT][/PATH]`, or the same with `http` on a loopback address.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        if text.len() > ISSUER_MAX_BYTES {
            return Err(UrlError::TooLong { max_bytes: ISSUER_MAX_BYTES });
        }
        let endpoint = Endpoint::parse(text, Clear::OnLoopback)?;
        if text.contains(['?', '#', '@']) {
            return Err(UrlError::NotAnIssuer);
        }
        Ok(Self { text: text.to_owned(), endpoint })
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Without the scheme: the name of the provider, and what its condition keys begin with.
    pub fn provider(&self) -> &str {
        provider_name(&self.text)
    }

    /// Where it says where its keys are.
    pub(super) fn configuration(&self) -> Endpoint {
        let path = self.endpoint.path.trim_end_matches('/');
        Endpoint { path: format!("{path}{CONFIGURATION_PATH}"), ..self.endpoint.clone() }
    }

    /// A URL that this issuer points to. Who is asked over TLS can't point to where there is none.
    pub(super) fn points_to(&self, text: &str) -> Result<Endpoint, UrlError> {
        if text.len() > ENDPOINT_MAX_BYTES {
            return Err(UrlError::TooLong { max_bytes: ENDPOINT_MAX_BYTES });
        }
        Endpoint::parse(text, if self.endpoint.secure { Clear::Never } else { Clear::OnLoopback })
    }
}

/// When a URL may be asked without TLS.
#[derive(Clone, Copy)]
enum Clear {
    Never,
    OnLoopback,
}

/// Where a document is fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub secure: bool,
    /// A name, or an address without brackets.
    pub host: String,
    pub port: u16,
    /// What stands in the `Host` header.
    pub authority: String,
    /// With the query, if there is one.
    pub path: String,
}

impl Endpoint {
    fn parse(text: &str, clear: Clear) -> Result<Self, UrlError> {
        let uri: Uri = text.parse().map_err(|_| UrlError::Malformed)?;
        let authority = uri.authority().ok_or(UrlError::Malformed)?;
        let (whole, in_brackets) = (authority.as_str(), authority.host());
        let host = in_brackets.trim_start_matches('[').trim_end_matches(']');
        // The library lets characters beyond ASCII pass in paths, and drops fragments.
        if host.is_empty() || whole.contains('@') || text.contains('#') || !text.is_ascii() {
            return Err(UrlError::Malformed);
        }
        let secure = match (uri.scheme(), clear) {
            (Some(scheme), _) if *scheme == Scheme::HTTPS => true,
            (Some(scheme), Clear::OnLoopback) if *scheme == Scheme::HTTP && is_loopback(host) => false,
            _ => return Err(UrlError::Insecure),
        };
        // The library takes `host:` and `host:99999` for hosts without a port.
        let port = match whole.strip_prefix(in_brackets) {
            Some("") if secure => 443,
            Some("") => 80,
            rest => rest.and_then(decimal_port).ok_or(UrlError::Malformed)?,
        };
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Ok(Self { secure, host: host.to_owned(), port, authority: whole.to_owned(), path })
    }
}

/// Of `:PORT`.
fn decimal_port(text: &str) -> Option<u16> {
    text.strip_prefix(':').filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok()
}

/// `localhost` is what the machine's own resolver says that it is.
fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_asked_below_its_own_path() {
        let at = |text: &str| {
            let Endpoint { secure, host, port, authority, path } = IssuerUrl::parse(text).unwrap().configuration();
            (secure, host, port, authority, path)
        };
        let path = "/.well-known/openid-configuration";
        let expected = |secure, host: &str, port, authority: &str, before: &str| {
            (secure, host.to_owned(), port, authority.to_owned(), format!("{before}{path}"))
        };
        assert_eq!(at("https://id.example.com"), expected(true, "id.example.com", 443, "id.example.com", ""));
        assert_eq!(at("https://id.example.com/"), expected(true, "id.example.com", 443, "id.example.com", ""));
        assert_eq!(
            at("https://id.example.com:8443/realms/a/"),
            expected(true, "id.example.com", 8443, "id.example.com:8443", "/realms/a")
        );
        assert_eq!(at("http://127.0.0.1:9000"), expected(false, "127.0.0.1", 9000, "127.0.0.1:9000", ""));
        assert_eq!(at("http://[::1]/x"), expected(false, "::1", 80, "[::1]", "/x"));
        assert_eq!(at("http://localhost:9000"), expected(false, "localhost", 9000, "localhost:9000", ""));
    }

    #[test]
    fn a_provider_is_the_url_without_its_scheme() {
        assert_eq!(IssuerUrl::parse("https://id.example.com/eu").unwrap().provider(), "id.example.com/eu");
    }

    #[test]
    fn what_is_not_https_is_asked_on_loopback_alone() {
        for text in [
            "http://id.example.com",
            "http://10.0.0.1",
            "http://127.0.0.1.example.com",
            "http://localhost.example.com",
            "ftp://id.example.com",
            "file://localhost/etc/passwd",
        ] {
            assert_eq!(IssuerUrl::parse(text), Err(UrlError::Insecure), "{text}");
        }
        let secure = IssuerUrl::parse("https://id.example.com").unwrap();
        assert!(secure.points_to("https://keys.example.net/v1?set=2").is_ok());
        assert_eq!(secure.points_to("http://127.0.0.1/keys"), Err(UrlError::Insecure));
        assert_eq!(secure.points_to("http://keys.example.net/"), Err(UrlError::Insecure));
        let clear = IssuerUrl::parse("http://127.0.0.1:9000").unwrap();
        assert!(clear.points_to("http://127.0.0.1:9001/keys").is_ok());
        assert_eq!(clear.points_to("http://10.0.0.1/keys"), Err(UrlError::Insecure));
    }

    #[test]
    fn urls_that_could_mean_something_else_are_refused() {
        for text in [
            "",
            "id.example.com",
            "/path",
            "https://",
            "https:///path",
            "https://a@b.example.com",
            "https://b.example.com:",
            "https://b.example.com:99999",
            "https://b.example.com:x",
            "https://b example.com",
            "https://b.example.com/#x",
            "https://b.example.com/?a=b",
            "https://b.example.com/\u{e9}",
        ] {
            assert!(IssuerUrl::parse(text).is_err(), "{text}");
        }
        let long = format!("https://{}.example.com", "a".repeat(ISSUER_MAX_BYTES));
        assert_eq!(IssuerUrl::parse(&long), Err(UrlError::TooLong { max_bytes: ISSUER_MAX_BYTES }));
        let issuer = IssuerUrl::parse("https://id.example.com").unwrap();
        assert!(issuer.points_to(&format!("https://id.example.com/{}", "a".repeat(ENDPOINT_MAX_BYTES))).is_err());
    }
}
