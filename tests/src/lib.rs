//! Tests that cross the roles: the harness, end-to-end, faults, clients and benchmarks.
//!
//! [`Server`] runs the real binary over a folder of its own, [`Cluster`] a whole cluster of them; [`Client`] is a small blocking HTTP/1.1 client, in clear or
//! over TLS, that sends exactly what it is told, malformed or not; [`Answer`] and [`xml::Element`] are what comes back.

pub mod answer;
pub mod binary;
pub mod certificates;
pub mod cluster;
pub mod collector;
pub mod crowd;
pub mod digest;
pub mod form;
pub mod framing;
pub mod http;
pub mod latency;
pub mod linear;
pub mod load;
pub mod oidc_issuer;
pub mod process;
pub mod server;
pub mod sign;
pub mod tls;
pub mod xml;

pub use answer::Answer;
pub use cluster::Cluster;
pub use form::Form;
pub use http::{Client, Connection, Request};
pub use server::Server;

/// Percent-encodes a key as a URL's path wants it: all but unreserved characters and `/`.
pub fn path_of(key: impl AsRef<[u8]>) -> String {
    encode(key.as_ref(), b"-._~/")
}

/// Percent-encodes a value of a query: all but unreserved characters.
pub fn query_of(value: impl AsRef<[u8]>) -> String {
    encode(value.as_ref(), b"-._~")
}

fn encode(bytes: &[u8], kept: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || kept.contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// Undoes percent-encoding; `+` stays a plus.
pub fn decoded(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    out
}

/// Bytes that look random and are the same for the same seed.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut out = Vec::with_capacity(length + 8);
    while out.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.extend_from_slice(&state.to_le_bytes());
    }
    out.truncate(length);
    out
}

/// Waits until `holds` does, looking every 50 ms.
///
/// # Panics
/// When it does not within `seconds`.
#[track_caller]
pub fn eventually(seconds: u64, what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(seconds);
    while !holds() {
        assert!(std::time::Instant::now() < deadline, "not within {seconds} s: {what}");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_decodes_to_itself() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(decoded(&path_of(&all)), all);
        assert_eq!(decoded(&query_of(&all)), all);
        assert_eq!(path_of("a b/c+d%"), "a%20b/c%2Bd%25");
    }

    #[test]
    fn noise_is_the_same_for_the_same_seed() {
        assert_eq!(noise(7, 100), noise(7, 100));
        assert_ne!(noise(7, 100), noise(8, 100));
        assert_eq!(noise(1, 13).len(), 13);
    }
}
