//! What never became a request, for whoever writes down what was asked.
//!
//! A client that leaves in the middle of a head asked for nothing, and a TLS handshake that fails came to no request:
//! neither is told.

use super::Peer;
use std::error::Error as _;
use std::fmt;
use std::sync::Arc;

/// Why there is no request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The connection is over the cap, or over that of its address.
    NoPlace,
    /// RFC 9112, 3 and 5.
    MalformedHead,
    /// Its head could be understood in two ways: see [`super::screen`].
    AmbiguousHead,
    UriTooLong,
    /// More bytes or more headers than are taken.
    HeadTooLarge,
    /// The head was begun and not finished in time.
    HeadTimeout,
    /// An HTTP/2 connection was ended for what came over it: its streams with it.
    BrokenHttp2,
}

impl Refusal {
    pub fn name(self) -> &'static str {
        match self {
            Self::NoPlace => "NoPlace",
            Self::MalformedHead => "MalformedHead",
            Self::AmbiguousHead => "AmbiguousHead",
            Self::UriTooLong => "UriTooLong",
            Self::HeadTooLarge => "HeadTooLarge",
            Self::HeadTimeout => "HeadTimeout",
            Self::BrokenHttp2 => "BrokenHttp2",
        }
    }

    /// What the client is answered; none: nothing.
    pub fn status(self) -> Option<u16> {
        match self {
            Self::NoPlace => Some(503),
            Self::MalformedHead | Self::AmbiguousHead => Some(400),
            Self::UriTooLong => Some(414),
            Self::HeadTooLarge => Some(431),
            Self::HeadTimeout | Self::BrokenHttp2 => None,
        }
    }

    /// What hyper ended a connection for; none: for no fault of a head, or for one of which a request's answer told.
    pub(super) fn of(error: &hyper::Error, is_ambiguous: bool) -> Option<Self> {
        let of_http2 = error.source().and_then(|source| source.downcast_ref::<h2::Error>());
        if of_http2.is_some_and(|error| error.is_go_away() && error.is_library()) {
            return Some(Self::BrokenHttp2);
        }
        if !error.is_parse() {
            return None;
        }
        Some(match error.is_parse_too_large() {
            _ if is_ambiguous => Self::AmbiguousHead,
            // hyper tells the two apart by its words alone.
            true if error.to_string() == "URI too long" => Self::UriTooLong,
            true => Self::HeadTooLarge,
            false => Self::MalformedHead,
        })
    }
}

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The connection's other end, also where that is a trusted proxy: no head says whom it speaks for.
    pub peer: Peer,
    pub refusal: Refusal,
}

/// Is told of each of them, and must neither block nor wait. Cheap to clone.
#[derive(Clone, Default)]
pub struct RefusalObserver(Option<Arc<dyn Fn(Refused) + Send + Sync>>);

impl RefusalObserver {
    pub fn new(observe: impl Fn(Refused) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(observe)))
    }

    pub(super) fn tell(&self, peer: Peer, refusal: Refusal) {
        if let Some(observe) = &self.0 {
            observe(Refused { peer, refusal });
        }
    }
}

impl fmt::Debug for RefusalObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RefusalObserver").field(&self.0.is_some()).finish()
    }
}
