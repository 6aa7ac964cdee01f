//! The canonical request: the one form of a request that client and server sign.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html#create-canonical-request>
//!
//! S3 differs from the other services: a path is encoded once, and neither `.` nor `//` is taken out of it.

use crate::auth::SignedHead;

const HEX: &[u8; 16] = b"0123456789ABCDEF";
/// The parameter that can't sign itself.
const SIGNATURE: &[u8] = b"X-Amz-Signature";

/// Bytes that are never encoded: RFC 3986, 2.3.
const UNRESERVED: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_alphanumeric() || matches!(byte as u8, b'-' | b'.' | b'_' | b'~');
        byte += 1;
    }
    table
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// `/` stays, `+` is a plus sign.
    Path,
    /// `/` is encoded, `+` is a space.
    Query,
}

/// How the path and the query are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// Decoded and encoded again, so that it does not matter which characters the client encoded, nor in which case of
    /// the digits; the query in order.
    Canonical,
    /// As curl signs them before its version 8.
    AsSent,
}

/// `signed_headers` are names in lower case and in order, with semicolons between them.
pub(super) fn request(head: &SignedHead<'_>, target: Target, signed_headers: &str, payload: &str) -> Vec<u8> {
    let headers_bytes: usize = head.headers.values().map(http::HeaderValue::len).sum();
    let target_bytes = head.path.len() + head.query.len();
    let mut out = Vec::with_capacity(256 + 2 * target_bytes + 2 * signed_headers.len() + headers_bytes);
    out.extend_from_slice(head.method.as_str().as_bytes());
    out.push(b'\n');
    match target {
        Target::Canonical => {
            push_encoded(&mut out, head.path.as_bytes(), Part::Path);
            out.push(b'\n');
            push_query(&mut out, head.query.as_bytes());
        }
        Target::AsSent => {
            out.extend_from_slice(head.path.as_bytes());
            out.push(b'\n');
            out.extend_from_slice(head.query.as_bytes());
        }
    }
    out.push(b'\n');
    push_headers(&mut out, head, signed_headers);
    out.push(b'\n');
    out.extend_from_slice(signed_headers.as_bytes());
    out.push(b'\n');
    out.extend_from_slice(payload.as_bytes());
    out
}

/// A parameter in the buffer of encoded ones: where its name begins and ends, and where its value ends.
type Parameter = (usize, usize, usize);

/// Sorted by name, then by value, both as they are encoded.
fn push_query(out: &mut Vec<u8>, query: &[u8]) {
    let mut encoded = Vec::with_capacity(2 * query.len());
    let mut parameters: Vec<Parameter> = Vec::new();
    for piece in query.split(|byte| *byte == b'&').filter(|piece| !piece.is_empty()) {
        let (name, value) = match piece.iter().position(|byte| *byte == b'=') {
            Some(at) => (&piece[..at], &piece[at + 1..]),
            None => (piece, &piece[..0]),
        };
        let begin = encoded.len();
        push_encoded(&mut encoded, name, Part::Query);
        let name_end = encoded.len();
        if encoded[begin..name_end] == *SIGNATURE {
            encoded.truncate(begin);
            continue;
        }
        push_encoded(&mut encoded, value, Part::Query);
        parameters.push((begin, name_end, encoded.len()));
    }
    let name = |&(begin, name_end, _): &Parameter| &encoded[begin..name_end];
    let value = |&(_, name_end, end): &Parameter| &encoded[name_end..end];
    parameters.sort_unstable_by(|a, b| name(a).cmp(name(b)).then_with(|| value(a).cmp(value(b))));
    for (at, parameter) in parameters.iter().enumerate() {
        if at > 0 {
            out.push(b'&');
        }
        out.extend_from_slice(name(parameter));
        out.push(b'=');
        out.extend_from_slice(value(parameter));
    }
}

fn push_headers(out: &mut Vec<u8>, head: &SignedHead<'_>, signed_headers: &str) {
    for name in signed_headers.split(';') {
        out.extend_from_slice(name.as_bytes());
        for (at, value) in head.values(name).enumerate() {
            out.push(if at == 0 { b':' } else { b',' });
            push_folded(out, value);
        }
        if head.values(name).next().is_none() {
            out.push(b':');
        }
        out.push(b'\n');
    }
}

/// Without white space at its ends, and with one space for each run of it inside.
fn push_folded(out: &mut Vec<u8>, value: &[u8]) {
    let words = value.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty());
    for (at, word) in words.enumerate() {
        if at > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(word);
    }
}

/// Undoes the encoding of the raw bytes, and encodes what was meant. A percent sign that begins no escape means
/// itself.
fn push_encoded(out: &mut Vec<u8>, raw: &[u8], part: Part) {
    let mut rest = raw;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let meant = match byte {
            b'%' => match escaped(rest) {
                Some(byte) => {
                    rest = &rest[2..];
                    byte
                }
                None => b'%',
            },
            b'+' if part == Part::Query => b' ',
            byte => byte,
        };
        if UNRESERVED[usize::from(meant)] || meant == b'/' && part == Part::Path {
            out.push(meant);
        } else {
            out.extend_from_slice(&[b'%', HEX[usize::from(meant >> 4)], HEX[usize::from(meant & 15)]]);
        }
    }
}

/// The byte that the two digits at the start stand for.
fn escaped(rest: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(*rest.get(at)?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(0)? << 4 | digit(1)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, HeaderName, HeaderValue, Method};

    fn canonical_query(query: &str) -> String {
        let mut out = Vec::new();
        push_query(&mut out, query.as_bytes());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_path_is_encoded_once_whatever_the_client_encoded() {
        for (path, canonical) in [
            ("/", "/"),
            ("/b/a%20b/a+b", "/b/a%20b/a%2Bb"),
            ("/b/%c3%bc/%E4%B8%AD", "/b/%C3%BC/%E4%B8%AD"),
            ("/b/é", "/b/%C3%A9"),
            ("/b/!*'()~=&:@$,;", "/b/%21%2A%27%28%29~%3D%26%3A%40%24%2C%3B"),
            ("/b/%21%2A%27%28%29%7E%3D%26%3A", "/b/%21%2A%27%28%29~%3D%26%3A"),
            ("/b/100%25/100%/%zz/%4", "/b/100%25/100%25/%25zz/%254"),
            ("/b/a%2Fb", "/b/a/b"),
            ("/b/%252F", "/b/%252F"),
            ("/b//a//./../b/", "/b//a//./../b/"),
        ] {
            let mut out = Vec::new();
            push_encoded(&mut out, path.as_bytes(), Part::Path);
            assert_eq!(String::from_utf8(out).unwrap(), canonical, "{path}");
        }
    }

    #[test]
    fn a_query_is_sorted_by_its_encoded_names_and_values() {
        for (query, canonical) in [
            ("", ""),
            ("&&", ""),
            ("b=2&a=1", "a=1&b=2"),
            ("a=2&a=1&a=&A=3", "A=3&a=&a=1&a=2"),
            ("acl&b=", "acl=&b="),
            ("a=b+c&d=e%2Bf&g=%20", "a=b%20c&d=e%2Bf&g=%20"),
            // By names, not by pairs as text: `-` and `.` come before `=`.
            ("k-x=2&k=1&k.y=3&k0=4", "k=1&k-x=2&k.y=3&k0=4"),
            ("k=%c3%bc~!*'()&l=a=b&m=a:b/c", "k=%C3%BC~%21%2A%27%28%29&l=a%3Db&m=a%3Ab%2Fc"),
            ("=1", "=1"),
            ("X-Amz-Signature=x&X-Amz-Signatures=y&X%2DAmz-Signature=z", "X-Amz-Signatures=y"),
        ] {
            assert_eq!(canonical_query(query), canonical, "{query}");
        }
    }

    fn headers(named: &[(&str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&str, &str)| {
            (name.parse::<HeaderName>().unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap())
        };
        let mut headers = HeaderMap::new();
        for (name, value) in named.iter().map(pair) {
            headers.append(name, value);
        }
        headers
    }

    fn canonical_headers(named: &[(&str, &str)], signed: &str, trusts_original: bool) -> String {
        let headers = headers(named);
        let head = SignedHead {
            method: &Method::GET,
            path: "/",
            query: "",
            headers: &headers,
            host: "authority.test",
            trusts_original_accept_encoding: trusts_original,
        };
        String::from_utf8(request(&head, Target::Canonical, signed, "HASH")).unwrap()
    }

    #[test]
    fn values_of_a_header_are_folded_and_joined() {
        let named = [
            ("host", "h.test:9000"),
            ("x-amz-meta-s", "  a   b \t c  "),
            ("x-amz-meta-s", "é"),
            ("x-amz-meta-t", ""),
            ("not-signed", "x"),
        ];
        assert_eq!(
            canonical_headers(&named, "gone;host;x-amz-meta-s;x-amz-meta-t", false),
            "GET\n/\n\ngone:\nhost:h.test:9000\nx-amz-meta-s:a b c,é\nx-amz-meta-t:\n\n\
             gone;host;x-amz-meta-s;x-amz-meta-t\nHASH"
        );
    }

    #[test]
    fn without_a_host_header_the_authority_is_the_host() {
        assert_eq!(canonical_headers(&[], "host", false), "GET\n/\n\nhost:authority.test\n\nhost\nHASH");
    }

    #[test]
    fn what_a_proxy_kept_of_accept_encoding_counts_only_where_it_is_trusted() {
        let named = [("accept-encoding", "gzip"), ("x-original-accept-encoding", "identity")];
        assert!(canonical_headers(&named, "accept-encoding;host", false).contains("accept-encoding:gzip\n"));
        assert!(canonical_headers(&named, "accept-encoding;host", true).contains("accept-encoding:identity\n"));
        assert!(canonical_headers(&named[..1], "accept-encoding;host", true).contains("accept-encoding:gzip\n"));
    }

    #[test]
    fn a_target_as_it_was_sent_is_left_alone() {
        let headers = HeaderMap::new();
        let head = SignedHead {
            method: &Method::GET,
            path: "/b/(1)",
            query: "b&a=%2f",
            headers: &headers,
            host: "h",
            trusts_original_accept_encoding: false,
        };
        let text = |target| String::from_utf8(request(&head, target, "host", "HASH")).unwrap();
        assert_eq!(text(Target::AsSent), "GET\n/b/(1)\nb&a=%2f\nhost:h\n\nhost\nHASH");
        assert_eq!(text(Target::Canonical), "GET\n/b/%281%29\na=%2F&b=\nhost:h\n\nhost\nHASH");
    }
}
