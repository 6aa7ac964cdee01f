//! What of a request its signature covers.

use http::header::{ACCEPT_ENCODING, HOST};
use http::{HeaderMap, HeaderValue, Method};

/// Where a proxy that rewrites Accept-Encoding keeps what the client sent, and signed.
const ORIGINAL_ACCEPT_ENCODING: &str = "x-original-accept-encoding";

/// The head of a request, as it was sent.
#[derive(Clone, Copy, Debug)]
pub struct SignedHead<'a> {
    pub method: &'a Method,
    /// Not decoded, with the base path.
    pub path: &'a str,
    /// Not decoded, without its question mark; empty if there is none.
    pub query: &'a str,
    pub headers: &'a HeaderMap,
    /// The host that the client named: HTTP/2 has `:authority` in place of the Host header.
    pub host: &'a str,
    /// Only behind a proxy that sets or removes it: x-original-accept-encoding is taken for what the client signed
    /// as Accept-Encoding.
    pub trusts_original_accept_encoding: bool,
}

impl<'a> SignedHead<'a> {
    /// The values of a header that was signed, in their order. `name` is in lower case.
    pub(super) fn values(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let name = if name == ACCEPT_ENCODING.as_str() && self.has_original_accept_encoding() {
            ORIGINAL_ACCEPT_ENCODING
        } else {
            name
        };
        let authority = (name == HOST.as_str() && !self.headers.contains_key(HOST)).then_some(self.host.as_bytes());
        authority.into_iter().chain(self.headers.get_all(name).into_iter().map(HeaderValue::as_bytes))
    }

    fn has_original_accept_encoding(&self) -> bool {
        self.trusts_original_accept_encoding && self.headers.contains_key(ORIGINAL_ACCEPT_ENCODING)
    }
}
