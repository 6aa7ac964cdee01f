//! Is a request's head one that can be understood in one way only? hyper lets some pass that are not.
//! RFC 9112, 3.2 and 6; RFC 9113, 8.3.1.

use crate::error::{ErrorCode, S3Error};
use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::request::Parts;
use http::{Method, Version};

/// The host that the client names, with its port.
///
/// # Errors
/// `InvalidRequest` for no host, two, or one that is none; for an absolute address of another host; for a length
/// beside a transfer coding, and for more than one length. `MethodNotAllowed` for CONNECT.
pub fn check(parts: &Parts) -> Result<String, S3Error> {
    if parts.method == Method::CONNECT {
        return Err(S3Error::new(ErrorCode::MethodNotAllowed).element("Method", "CONNECT"));
    }
    check_framing(parts)?;
    let mut hosts = parts.headers.get_all(HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (_, Some(_)) => return Err(refused("The request has more than one Host header")),
        (Some(host), None) => Some(host.to_str().map_err(|_| refused("The Host header is not valid"))?.trim()),
        (None, None) => None,
    };
    let authority = parts.uri.authority().map(|authority| authority.as_str());
    let host = match (authority, host) {
        (Some(authority), Some(host)) if !authority.eq_ignore_ascii_case(host) => {
            return Err(refused("The Host header and the address name different hosts"));
        }
        (Some(authority), _) => authority,
        (None, Some(host)) => host,
        // HTTP/1.0 has no Host header.
        (None, None) if parts.version <= Version::HTTP_10 => "",
        (None, None) => return Err(refused("The request has no Host header")),
    };
    let is_valid =
        host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'[' | b']'));
    if !is_valid || host.is_empty() && parts.version > Version::HTTP_10 {
        return Err(refused("The Host header is not valid"));
    }
    Ok(host.to_owned())
}

fn check_framing(parts: &Parts) -> Result<(), S3Error> {
    let lengths = parts.headers.get_all(CONTENT_LENGTH).iter().count();
    if lengths > 1 {
        return Err(refused("The request has more than one Content-Length header"));
    }
    if lengths > 0 && parts.headers.contains_key(TRANSFER_ENCODING) {
        return Err(refused("The request has both a Content-Length and a Transfer-Encoding header"));
    }
    Ok(())
}

fn refused(message: &'static str) -> S3Error {
    S3Error::with_message(ErrorCode::InvalidRequest, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn checked(version: Version, uri: &str, headers: &[(&str, &str)]) -> Result<String, ErrorCode> {
        let mut request = Request::builder().version(version).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        check(&request.body(()).unwrap().into_parts().0).map_err(|error| error.code())
    }

    #[test]
    fn one_host_is_named() {
        let host = |host: &str| checked(Version::HTTP_11, "/b/k", &[("host", host)]);
        for name in ["localhost", "localhost:39999", "127.0.0.1:39999", "[::1]:39999", "a_b.example-1.com"] {
            assert_eq!(host(name), Ok(name.to_owned()));
        }
        for name in ["", "a b", "a/b", "a@b", "a,b", "a?b"] {
            assert_eq!(host(name), Err(ErrorCode::InvalidRequest), "{name}");
        }
        assert!(checked(Version::HTTP_11, "/", &[]).is_err());
        assert!(checked(Version::HTTP_11, "/", &[("host", "a"), ("host", "a")]).is_err());
        assert_eq!(checked(Version::HTTP_10, "/", &[]), Ok(String::new()));
    }

    #[test]
    fn an_absolute_address_names_the_same_host() {
        let absolute = |host: &str| checked(Version::HTTP_11, "http://a.test:80/b", &[("host", host)]);
        assert_eq!(absolute("a.test:80"), Ok("a.test:80".into()));
        assert_eq!(absolute("A.Test:80"), Ok("a.test:80".into()));
        assert!(absolute("b.test:80").is_err());
        assert_eq!(checked(Version::HTTP_2, "http://a.test/b", &[]), Ok("a.test".into()));
        assert!(checked(Version::HTTP_2, "http://a.test/b", &[("host", "b.test")]).is_err());
    }

    #[test]
    fn a_body_has_one_framing() {
        let framed = |headers: &[(&str, &str)]| {
            let headers: Vec<_> = [("host", "x")].iter().chain(headers).copied().collect();
            checked(Version::HTTP_11, "/", &headers).is_ok()
        };
        assert!(framed(&[("content-length", "5")]));
        assert!(framed(&[("transfer-encoding", "chunked")]));
        assert!(!framed(&[("content-length", "5"), ("transfer-encoding", "chunked")]));
        assert!(!framed(&[("content-length", "5"), ("content-length", "5")]));
    }
}
