//! What is signed of a request: its canonical form.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>

use crate::route::Query;
use http::{HeaderMap, Method};
use std::fmt::Write as _;

/// The parts of a request's head that a signature covers.
#[derive(Clone, Copy, Debug)]
pub struct SignedHead<'a> {
    pub method: &'a Method,
    /// As it was sent: with the base path, and with its escapes.
    pub path: &'a str,
    pub query: &'a Query,
    pub headers: &'a HeaderMap,
    /// What Host or `:authority` says.
    pub host: &'a str,
}

impl SignedHead<'_> {
    /// The canonical request. `path` is the canonical URI, `left_out` the parameter that holds the signature itself,
    /// `payload` the body's hash or what stands for it.
    pub fn canonical(&self, path: &str, signed_headers: &[String], left_out: Option<&str>, payload: &str) -> String {
        let mut text = String::with_capacity(512);
        let query = canonical_query(self.query, left_out);
        let _ = write!(text, "{}\n{path}\n{query}\n", self.method);
        for name in signed_headers {
            text.push_str(name);
            text.push(':');
            self.write_values(&mut text, name);
            text.push('\n');
        }
        text.push('\n');
        text.push_str(&signed_headers.join(";"));
        text.push('\n');
        text.push_str(payload);
        text
    }

    /// The values of a header, trimmed, with inner runs of spaces folded, joined by commas.
    fn write_values(&self, text: &mut String, name: &str) {
        if name == "host" {
            text.push_str(self.host);
            return;
        }
        for (at, value) in self.headers.get_all(name).iter().enumerate() {
            if at > 0 {
                text.push(',');
            }
            let value = String::from_utf8_lossy(value.as_bytes());
            for (at, word) in value.split_ascii_whitespace().enumerate() {
                if at > 0 {
                    text.push(' ');
                }
                text.push_str(word);
            }
        }
    }

    /// `x-amz-*` headers and `host` that are not among the signed ones, in order.
    pub fn unsigned(&self, signed_headers: &[String]) -> Vec<String> {
        let is_signed = |name: &str| signed_headers.iter().any(|signed| signed == name);
        let mut unsigned: Vec<String> = (self.headers.keys().map(http::HeaderName::as_str))
            .filter(|name| name.starts_with("x-amz-") && !is_signed(name))
            .map(str::to_owned)
            .collect();
        if !is_signed("host") {
            unsigned.push("host".to_owned());
        }
        unsigned.sort();
        unsigned
    }
}

/// Names and values encoded anew, in the order of the encoded names.
fn canonical_query(query: &Query, left_out: Option<&str>) -> String {
    let mut pairs: Vec<(String, String)> = query
        .pairs()
        .filter(|(name, _)| Some(*name) != left_out)
        .map(|(name, value)| (encoded(name.as_bytes()), encoded(value.as_bytes())))
        .collect();
    pairs.sort();
    let mut text = String::new();
    for (name, value) in pairs {
        if !text.is_empty() {
            text.push('&');
        }
        let _ = write!(text, "{name}={value}");
    }
    text
}

/// A path as a client that encodes by the rules would have sent it: every byte is escaped that has to be, and no other,
/// in upper case. An escaped slash stays one.
pub fn normal_path(raw: &str) -> String {
    let bytes = raw.as_bytes();
    let mut text = String::with_capacity(raw.len());
    let mut at = 0;
    while at < bytes.len() {
        let escaped = (bytes[at] == b'%')
            .then(|| raw.get(at + 1..at + 3))
            .flatten()
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match escaped {
            Some(byte) => {
                push_encoded(&mut text, byte);
                at += 3;
            }
            None if bytes[at] == b'/' => {
                text.push('/');
                at += 1;
            }
            None => {
                push_encoded(&mut text, bytes[at]);
                at += 1;
            }
        }
    }
    text
}

/// `UriEncode` of S3's documentation, slashes included.
pub fn encoded(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        push_encoded(&mut text, byte);
    }
    text
}

fn push_encoded(text: &mut String, byte: u8) {
    if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
        text.push(char::from(byte));
    } else {
        let _ = write!(text, "%{byte:02X}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_escaped_where_it_has_to_be() {
        for (raw, normal) in [
            ("/b/a b", "/b/a%20b"),
            ("/b/a%20b", "/b/a%20b"),
            ("/b/%7Ea~", "/b/~a~"),
            ("/b/(a)+*'", "/b/%28a%29%2B%2A%27"),
            ("/b/a%2fb", "/b/a%2Fb"),
            ("/b/%c3%a9", "/b/%C3%A9"),
            ("/b/é", "/b/%C3%A9"),
            ("/b//../.", "/b//../."),
            ("/b/%", "/b/%25"),
            ("/b/%+1", "/b/%25%2B1"),
            ("/b/%é", "/b/%25%C3%A9"),
        ] {
            assert_eq!(normal_path(raw), normal, "{raw}");
        }
    }

    #[test]
    fn a_query_is_sorted_by_its_encoded_names() {
        let query = Query::parse("b=2&a%2F=1&a=c+d&X-Amz-Signature=00&uploads").unwrap();
        assert_eq!(canonical_query(&query, Some("X-Amz-Signature")), "a=c%20d&a%2F=1&b=2&uploads=");
    }

    #[test]
    fn amazon_s_headers_and_the_host_have_to_be_signed() {
        let mut headers = HeaderMap::new();
        for name in ["x-amz-date", "x-amz-acl", "range"] {
            headers.insert(name, "a".parse().unwrap());
        }
        let query = Query::default();
        let head = SignedHead { method: &Method::GET, path: "/", query: &query, headers: &headers, host: "h" };
        assert_eq!(head.unsigned(&["x-amz-date".into()]), ["host", "x-amz-acl"]);
        assert_eq!(head.unsigned(&["host".into(), "x-amz-acl".into(), "x-amz-date".into()]), [""; 0]);
    }
}
