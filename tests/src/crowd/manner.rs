//! What each connection of a crowd does, as bytes.

use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use std::net::SocketAddr;
use std::sync::Arc;

/// What a crowd is given to read: it ends the answer.
pub const SMALL_OBJECT: &[u8] = b"a small object";
/// The first bytes of a TLS record: enough to wait for more. RFC 8446, 5.1.
const RECORD_HEADER_BYTES: usize = 5;
const BODY_BYTES: u32 = 1_000_000;

// RFC 9113, 3.4 and 6.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const FIRST_STREAM: u32 = 1;
/// Indexed headers, and the names of literal ones that enter no table: RFC 7541, 6.1, 6.2.2 and appendix A.
const METHOD_GET: u8 = 0x82;
const SCHEME_HTTP: u8 = 0x86;
const SCHEME_HTTPS: u8 = 0x87;
const AUTHORITY: u8 = 0x01;
const PATH: u8 = 0x04;
/// A literal header of one byte and one, with a new name.
const TINY_HEADER: &[u8] = b"\0\x01x\x01y";

/// How the connections of a crowd misbehave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Says nothing; over TLS after the handshake.
    Silent,
    /// Begins a TLS handshake, and goes on a byte at a time.
    SlowHandshake,
    /// Asks for a TLS handshake, and does not end it.
    StalledHandshake,
    /// A request's head, a byte at a time.
    SlowHead,
    /// A request that is answered, and no other.
    Idle,
    /// A request's body, a byte at a time.
    SlowBody,
    /// Asks for the large object, and reads nothing.
    Unread,
    /// HTTP/2's preface alone.
    Http2Silent,
    /// The same as [`Manner::Idle`].
    Http2Idle,
    /// A HEADERS frame, a byte at a time.
    Http2SlowHead,
    /// A head in CONTINUATION frames without end, one at a time.
    Http2Continuations,
}

/// Whom a crowd talks to.
#[derive(Clone, Copy, Debug)]
pub struct Paths {
    /// An object with [`SMALL_OBJECT`] in it.
    pub small: &'static str,
    /// One that no socket's buffers hold.
    pub large: &'static str,
    /// The bucket that bodies are meant for.
    pub bucket: &'static str,
}

impl Manner {
    /// Does it send on a socket what TLS would never send?
    pub fn is_below_tls(self) -> bool {
        matches!(self, Self::SlowHandshake | Self::StalledHandshake)
    }

    pub fn protocol(self) -> &'static str {
        match self {
            Self::Http2Silent | Self::Http2Idle | Self::Http2SlowHead | Self::Http2Continuations => "h2",
            _ => "http/1.1",
        }
    }

    /// Is it answered at once, so that its deadline counts from then?
    pub fn is_answered(self) -> bool {
        matches!(self, Self::Idle | Self::Http2Idle)
    }

    pub fn reads(self) -> bool {
        self != Self::Unread
    }

    /// Is its end its deadline, and not what it does by then? Of one head's CONTINUATION frames HTTP/2 takes a few.
    pub fn is_let_be(self) -> bool {
        self != Self::Http2Continuations
    }

    /// What is sent first.
    pub fn opening(self, server: SocketAddr, paths: Paths, trust: Option<&crate::tls::Trust>) -> Vec<u8> {
        let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: {server}\r\n\r\n").into_bytes();
        let http2 = |rest: &[u8]| [PREFACE, &frame_head(0, SETTINGS, 0, 0), rest].concat();
        match self {
            Self::Silent => Vec::new(),
            Self::SlowHandshake => client_hello(server, trust)[..RECORD_HEADER_BYTES].to_vec(),
            Self::StalledHandshake => client_hello(server, trust),
            Self::SlowHead => format!("GET {} HTTP/1.1\r\nHost: {server}\r\nX-Slow: ", paths.small).into_bytes(),
            Self::Idle => get(paths.small),
            Self::SlowBody => {
                let line = format!("PUT {}/slow HTTP/1.1\r\nHost: {server}\r\n", paths.bucket);
                format!("{line}Content-Length: {BODY_BYTES}\r\n\r\n").into_bytes()
            }
            Self::Unread => get(paths.large),
            Self::Http2Silent => http2(&[]),
            Self::Http2Idle => {
                let block = header_block(server, paths.small, trust.is_some());
                http2(&[frame_head(block.len(), HEADERS, END_STREAM | END_HEADERS, FIRST_STREAM), block].concat())
            }
            Self::Http2SlowHead => http2(&frame_head(1000, HEADERS, END_STREAM | END_HEADERS, FIRST_STREAM)),
            Self::Http2Continuations => {
                let block = header_block(server, paths.small, trust.is_some());
                http2(&[frame_head(block.len(), HEADERS, END_STREAM, FIRST_STREAM), block].concat())
            }
        }
    }

    /// What is sent at each interval; empty: nothing.
    pub fn trickle(self) -> Vec<u8> {
        match self {
            Self::SlowHead | Self::SlowBody => b"x".to_vec(),
            // Neither ends what it is a part of.
            Self::SlowHandshake | Self::Http2SlowHead => vec![0],
            Self::Http2Continuations => {
                [&frame_head(TINY_HEADER.len(), CONTINUATION, 0, FIRST_STREAM)[..], TINY_HEADER].concat()
            }
            _ => Vec::new(),
        }
    }
}

fn frame_head(length: usize, kind: u8, flags: u8, stream: u32) -> Vec<u8> {
    debug_assert!(kind <= CONTINUATION && kind != DATA);
    let length = &u32::try_from(length).expect("frames here are short").to_be_bytes()[1..];
    [length, &[kind, flags], &stream.to_be_bytes()].concat()
}

fn header_block(server: SocketAddr, path: &str, over_tls: bool) -> Vec<u8> {
    let mut block = vec![METHOD_GET, if over_tls { SCHEME_HTTPS } else { SCHEME_HTTP }];
    for (name, value) in [(AUTHORITY, server.to_string()), (PATH, path.to_owned())] {
        block.extend([name, u8::try_from(value.len()).expect("values here are short")]);
        block.extend_from_slice(value.as_bytes());
    }
    block
}

fn client_hello(server: SocketAddr, trust: Option<&crate::tls::Trust>) -> Vec<u8> {
    let config = trust.expect("there are handshakes over TLS alone");
    let connection = ClientConnection::new(Arc::clone(config), ServerName::from(server.ip()));
    let mut hello = Vec::new();
    connection.expect("a client can begin").write_tls(&mut hello).expect("memory has room");
    hello
}
