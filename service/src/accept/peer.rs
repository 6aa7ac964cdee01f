//! Who a request comes from.

use std::net::SocketAddr;

/// The client of a request. Every request has one among its extensions, unless its connection was gone at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    pub address: SocketAddr,
    /// Did the client use TLS?
    pub secure: bool,
}
