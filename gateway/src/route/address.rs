//! Where a request points: the bucket and the key that its host and its path name.

use super::query::decoded;
use crate::error::{ErrorCode, S3Error};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Address {
    /// Not checked yet. Absent: the service itself.
    pub bucket: Option<String>,
    /// Absent: the bucket itself.
    pub key: Option<String>,
    pub by_base_path: bool,
    pub by_host: bool,
}

impl Address {
    /// # Errors
    /// `InvalidURI` for a path with a broken escape, with bytes that are not UTF-8 or with a null byte.
    pub fn of(path: &str, host: &str, base_path: &str, domains: &[String]) -> Result<Self, S3Error> {
        let Some(path) = path.strip_prefix('/') else { return Err(ErrorCode::InvalidURI.into()) };
        if let Some(bucket) = bucket_of_host(host, domains) {
            let key = decode(path)?;
            return Ok(Self {
                bucket: Some(bucket),
                key: Some(key).filter(|key| !key.is_empty()),
                by_base_path: false,
                by_host: true,
            });
        }
        match below(path, base_path) {
            Some(rest) => Self::path_style(rest, true),
            None => Self::path_style(path, false),
        }
    }

    /// `path` is without its leading slash.
    fn path_style(path: &str, by_base_path: bool) -> Result<Self, S3Error> {
        if path.is_empty() {
            return Ok(Self { by_base_path, ..Self::default() });
        }
        // Cut before it is decoded: an escaped slash is not one that separates.
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        let key = Some(decode(key)?).filter(|key| !key.is_empty());
        Ok(Self { bucket: Some(decode(bucket)?), key, by_base_path, by_host: false })
    }
}

fn decode(raw: &str) -> Result<String, S3Error> {
    decoded(raw.as_bytes(), false).filter(|text| !text.contains('\0')).ok_or_else(|| ErrorCode::InvalidURI.into())
}

/// What comes after the base path and its slash, if the path is under it. Both paths are raw; `path` is without its
/// leading slash.
fn below<'a>(path: &'a str, base_path: &str) -> Option<&'a str> {
    let rest = path.strip_prefix(base_path.strip_prefix('/')?)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
}

/// The bucket that a host like `BUCKET.s3.example.com` names.
fn bucket_of_host(host: &str, domains: &[String]) -> Option<String> {
    if domains.is_empty() {
        return None;
    }
    let host = plain(host);
    let domain = domain_of(&host, domains)?;
    let bucket = host.strip_suffix(domain.as_str())?.strip_suffix('.')?;
    (!bucket.is_empty()).then(|| bucket.to_owned())
}

/// As domains are written: without port, in lower case.
fn plain(host: &str) -> String {
    without_port(host).trim_end_matches('.').to_ascii_lowercase()
}

/// The domain that a plain host is, or lies in. The longest counts, so that one may lie in another.
fn domain_of<'d>(host: &str, domains: &'d [String]) -> Option<&'d String> {
    let matching = domains.iter().filter(|domain| host == **domain || host.ends_with(&format!(".{domain}")));
    matching.max_by_key(|domain| domain.len())
}

/// Does a host lie in one of the domains?
pub fn is_of_domain(host: &str, domains: &[String]) -> bool {
    domain_of(&plain(host), domains).is_some()
}

/// A host without its port.
pub fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        // An IPv6 address has its colons within brackets.
        Some((name, port)) if !port.contains(']') => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(path: &str, host: &str) -> Option<(Option<String>, Option<String>, bool)> {
        let domains = ["s3.test".to_owned(), "deep.s3.test".to_owned()];
        let address = Address::of(path, host, "/api/v1/s3", &domains).ok()?;
        Some((address.bucket, address.key, address.by_base_path))
    }

    fn found(bucket: &str, key: &str, by_base_path: bool) -> Option<(Option<String>, Option<String>, bool)> {
        let named = |name: &str| (!name.is_empty()).then(|| name.to_owned());
        Some((named(bucket), named(key), by_base_path))
    }

    #[test]
    fn paths_name_buckets_and_keys() {
        for (path, expected) in [
            ("/", found("", "", false)),
            ("/b", found("b", "", false)),
            ("/b/", found("b", "", false)),
            ("/b/k", found("b", "k", false)),
            ("/b/k/", found("b", "k/", false)),
            ("/b//", found("b", "/", false)),
            ("/b//k", found("b", "/k", false)),
            ("/b/a//b", found("b", "a//b", false)),
            ("/b/.", found("b", ".", false)),
            ("/b/..", found("b", "..", false)),
            ("/b/../c", found("b", "../c", false)),
            ("/b/%2e%2e/c", found("b", "../c", false)),
            ("/b/a%2Fb", found("b", "a/b", false)),
            ("/b/%2F", found("b", "/", false)),
            ("/b/%252F", found("b", "%2F", false)),
            ("/b/a+b", found("b", "a+b", false)),
            ("/b/a%20b%2Bc", found("b", "a b+c", false)),
            ("/b/%C3%A9", found("b", "é", false)),
            ("/b/é", found("b", "é", false)),
            ("/b/a%5Cb", found("b", "a\\b", false)),
            ("/b%2Fk", found("b/k", "", false)),
            ("/api", found("api", "", false)),
            ("/api/v1", found("api", "v1", false)),
            ("/api/v1/s3", found("", "", true)),
            ("/api/v1/s3/", found("", "", true)),
            ("/api/v1/s3/b", found("b", "", true)),
            ("/api/v1/s3/b/", found("b", "", true)),
            ("/api/v1/s3/b/k", found("b", "k", true)),
            ("/api/v1/s3/b/../k", found("b", "../k", true)),
            ("/api/v1/s3/api/v1/s3/k", found("api", "v1/s3/k", true)),
            ("/api/v1/s3x/k", found("api", "v1/s3x/k", false)),
            ("/api/v1%2Fs3/b", found("api", "v1/s3/b", false)),
            ("/API/v1/s3/b", found("API", "v1/s3/b", false)),
        ] {
            assert_eq!(address(path, "localhost:39999"), expected, "{path}");
        }
        assert_eq!(address("//", "x").unwrap().0.as_deref(), Some(""));
        assert_eq!(address("//k", "x"), Some((Some(String::new()), Some("k".into()), false)));
    }

    #[test]
    fn paths_that_are_none_are_refused() {
        for path in ["", "*", "b/k", "/%", "/%zz", "/b/%", "/b/%2", "/b/%zz", "/b/%+1", "/b/%FF", "/b/a%00b", "/%00"] {
            assert_eq!(address(path, "x"), None, "{path}");
        }
    }

    #[test]
    fn hosts_of_a_domain_name_buckets() {
        for (host, path, expected) in [
            ("b.s3.test", "/", found("b", "", false)),
            ("b.s3.test", "/k", found("b", "k", false)),
            ("b.s3.test:39999", "/k/", found("b", "k/", false)),
            ("B.S3.Test", "/k", found("b", "k", false)),
            ("a.b.s3.test", "/k", found("a.b", "k", false)),
            ("b.s3.test.", "/k", found("b", "k", false)),
            ("b.s3.test", "/api/v1/s3/k", found("b", "api/v1/s3/k", false)),
            ("b.s3.test", "//k", found("b", "/k", false)),
            ("s3.test", "/b/k", found("b", "k", false)),
            (".s3.test", "/b/k", found("b", "k", false)),
            ("xs3.test", "/b/k", found("b", "k", false)),
            ("b.s3.test.evil.com", "/c/k", found("c", "k", false)),
            ("deep.s3.test", "/b/k", found("b", "k", false)),
            ("b.deep.s3.test", "/k", found("b", "k", false)),
            ("[::1]:39999", "/b/k", found("b", "k", false)),
            ("127.0.0.1", "/b/k", found("b", "k", false)),
            ("", "/b/k", found("b", "k", false)),
        ] {
            assert_eq!(address(path, host), expected, "{host}{path}");
        }
    }

    #[test]
    fn without_a_base_path_its_words_are_bucket_and_key() {
        let address = Address::of("/api/v1/s3/b", "x", "", &[]).unwrap();
        assert_eq!((address.bucket.as_deref(), address.key.as_deref()), (Some("api"), Some("v1/s3/b")));
    }
}
