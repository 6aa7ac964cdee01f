//! What connections may take. Each number is a setting or a named constant, and bounds what one client can hold.

use super::refused::RefusalObserver;
use crate::config::GatewaySettings;
use crate::trusted_proxies::TrustedProxies;
use bytes::Bytes;
use std::time::Duration;

const REFUSAL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n";
/// With `max_buf_size` 64 KiB hyper takes in bodies a third faster than with its default, and holds less.
const BUFFER_MAX_BYTES: usize = 64 << 10;

/// What connections may take.
#[derive(Clone, Debug)]
pub struct Limits {
    pub protocols: Protocols,
    /// Open connections, in all.
    pub connection_max_count: usize,
    /// Open connections of one address; of an IPv6 address, of its network of 64 bits. Trusted proxies are exempt:
    /// their connections are those of many.
    pub connection_max_count_per_address: usize,
    /// The request line and headers together, in bytes. HTTP/1 answers 431 beyond it (414 for the URI). HTTP/2 counts
    /// 32 bytes more for each header, RFC 9113, 6.5.2.
    pub header_max_bytes: usize,
    /// Headers of a request. Beyond it the answer is 431.
    pub header_max_count: usize,
    /// What HTTP/1 reads or writes at a time at most, in bytes; at least `header_max_bytes` and 8 KiB.
    pub buffer_max_bytes: usize,
    /// From the first byte of a head (for the first one: from the connection, with its TLS handshake) to its end.
    pub header_timeout: Duration,
    /// Between two requests.
    pub idle_timeout: Duration,
    /// An answer that the client takes nothing of for so long is given up.
    pub write_timeout: Duration,
    pub http2: Http2Limits,
    /// Whose word about the client's address is taken.
    pub trusted_proxies: TrustedProxies,
    /// The whole answer that an HTTP/1 connection over the cap gets, as it goes over the wire; empty: none.
    pub refusal: Bytes,
    /// Who is told of what never became a request.
    pub observer: RefusalObserver,
}

/// What a listener speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocols {
    Http1AndHttp2,
    /// All else is closed.
    Http2,
}

/// What HTTP/2 connections may take besides.
#[derive(Clone, Copy, Debug)]
pub struct Http2Limits {
    /// How many there may be. Each holds several times what one of HTTP/1 does, and keeps it while it is idle. Beyond it
    /// TLS agrees on HTTP/1.1 alone, and who insists is told to go.
    pub connection_max_count: usize,
    /// Requests in flight on a connection.
    pub stream_max_count: u32,
    /// What a client may send of one body, and of all, before it is read.
    pub stream_window_bytes: u32,
    pub connection_window_bytes: u32,
    pub frame_max_bytes: u32,
    /// What is held of an answer that the client has not made room for.
    pub send_buffer_bytes: usize,
    /// Requests that the client took back before they were begun, or whose breaking of the protocol this side had to
    /// reset; and by how many the requests that were taken back before their answer may outnumber the answered ones.
    /// Beyond it the connection is closed: CVE-2023-44487.
    pub reset_max_count: usize,
    /// A connection whose peer does not answer pings is closed; none: no pings are sent.
    pub ping: Option<Ping>,
}

/// Pings, RFC 9113, 6.7.
#[derive(Clone, Copy, Debug)]
pub struct Ping {
    pub interval: Duration,
    pub timeout: Duration,
}

impl Default for Http2Limits {
    /// For clients that are strangers.
    fn default() -> Self {
        Self {
            connection_max_count: 1_500,
            stream_max_count: 100,
            stream_window_bytes: 1 << 20,
            connection_window_bytes: 4 << 20,
            frame_max_bytes: 16 << 10,
            send_buffer_bytes: 256 << 10,
            reset_max_count: 100,
            ping: None,
        }
    }
}

impl From<&GatewaySettings> for Limits {
    fn from(settings: &GatewaySettings) -> Self {
        Self {
            protocols: Protocols::Http1AndHttp2,
            connection_max_count: settings.connection_max_count,
            connection_max_count_per_address: settings.connection_max_count_per_address,
            header_max_bytes: settings.header_max_bytes,
            header_max_count: settings.header_max_count,
            buffer_max_bytes: BUFFER_MAX_BYTES.max(settings.header_max_bytes),
            header_timeout: Duration::from_millis(settings.header_timeout_ms),
            idle_timeout: Duration::from_millis(settings.idle_timeout_ms),
            write_timeout: Duration::from_millis(settings.body_idle_timeout_ms),
            http2: Http2Limits { connection_max_count: settings.http2_connection_max_count, ..Http2Limits::default() },
            trusted_proxies: TrustedProxies::of_checked(&settings.trusted_proxies),
            refusal: Bytes::from_static(REFUSAL),
            observer: RefusalObserver::default(),
        }
    }
}
