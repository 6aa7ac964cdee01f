//! Whom a server without keys answers: programs of this machine, and not the pages that a browser on it shows.
//!
//! Any site's page can send requests to 127.0.0.1 and, once the site's name points there (DNS rebinding), read the
//! answers. The page can't change what the browser says of it: the host that it took the server for, and its origin.
//! RFC 6454, 7; <https://fetch.spec.whatwg.org/#origin-header>

use crate::error::{ErrorCode, S3Error};
use crate::route::{Router, without_port};
use http::HeaderMap;
use http::header::ORIGIN;
use std::net::IpAddr;

/// # Errors
/// `AccessDenied` for a host that is neither this machine nor one of the domains, and for the page of another.
pub fn check(router: &Router, host: &str, headers: &HeaderMap) -> Result<(), S3Error> {
    // HTTP/1.0 may name none, and no browser speaks it.
    if !host.is_empty() && !is_own(router, host) {
        let message = format!(
            "A server without keys is reached by a name of this machine, such as 127.0.0.1 or localhost, or by one of \
             gateway.domains, and not as {host}"
        );
        return Err(S3Error::with_message(ErrorCode::AccessDenied, message));
    }
    for origin in headers.get_all(ORIGIN) {
        let host = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
        if !host.is_some_and(|host| is_own(router, host)) {
            let message = "A server without keys does not answer web pages of other machines";
            return Err(S3Error::with_message(ErrorCode::AccessDenied, message));
        }
    }
    Ok(())
}

fn is_own(router: &Router, host: &str) -> bool {
    // boto 2 writes the port twice.
    let name = without_port(without_port(host));
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    match address.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => router.is_of_domain(host) || is_localhost(name),
    }
}

/// RFC 6761, 6.3: no name server is asked about these.
fn is_localhost(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_service::config::settings::GatewaySettings;

    fn is_answered(host: &str, origin: Option<&str>) -> bool {
        let settings = GatewaySettings { domains: vec!["s3.test".into()], ..GatewaySettings::default() };
        let mut headers = HeaderMap::new();
        if let Some(origin) = origin {
            headers.insert(ORIGIN, origin.parse().unwrap());
        }
        check(&Router::new(&settings).unwrap(), host, &headers).is_ok()
    }

    #[test]
    fn a_host_is_this_machine_or_of_a_domain() {
        for host in [
            "",
            "127.0.0.1:39999",
            "127.0.0.1:39999:39999",
            "127.9.9.9",
            "localhost",
            "LOCALHOST.:80",
            "photos.localhost:1",
            "[::1]:39999",
            "s3.test",
            "photos.S3.test:80",
        ] {
            assert!(is_answered(host, None), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "192.0.2.1",
            "[2001:db8::1]:1",
            "0.0.0.0",
            "127.0.0.1.nip.io",
            "xs3.test",
        ] {
            assert!(!is_answered(host, None), "{host}");
        }
    }

    #[test]
    fn a_page_is_of_this_machine_too() {
        for origin in ["http://localhost:3000", "http://127.0.0.1", "https://photos.s3.test", "http://[::1]:8080"] {
            assert!(is_answered("localhost:39999", Some(origin)), "{origin}");
        }
        for origin in ["null", "http://evil.example", "http://localhost.evil.example", "https://192.0.2.1", ""] {
            assert!(!is_answered("localhost:39999", Some(origin)), "{origin}");
        }
    }
}
