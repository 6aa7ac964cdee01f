//! What is proved, and how it goes over the wire.

use super::ClusterSecret;
use crate::clock::Clock;
use hmac::Mac as _;
use http::{HeaderMap, HeaderValue};

/// The method of the greeting. It is answered before any service is asked.
pub(super) const HELLO_PATH: &str = "/weir.v1.Peer/Hello";
/// A call's proof; the numbers of a greeting and of its answer.
pub(super) const HEADER: &str = "weir-peer";
/// In an answer: the proof was for another connection, so this one is to be greeted.
pub(super) const STALE_HEADER: &str = "weir-peer-stale";

/// These keep the proofs apart from each other and from any other use of the secret.
const CALL_PURPOSE: &[u8] = b"weir peer call v2\0";
const GREETING_PURPOSE: &[u8] = b"weir peer greeting v2\0";
const NUMBER_BYTES: usize = 32;
const MAC_BYTES: usize = 32;

/// A number that no one has used before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Number([u8; NUMBER_BYTES]);

impl Number {
    pub fn random(clock: &dyn Clock) -> Self {
        let mut bytes = [0; NUMBER_BYTES];
        clock.random(&mut bytes);
        Self(bytes)
    }

    pub fn header(&self) -> String {
        hex::encode(self.0)
    }

    pub fn parse(text: &str) -> Option<Self> {
        bytes(text).map(Self)
    }
}

/// What a call proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    /// The server's, of this connection.
    pub number: Number,
    pub counter: u64,
}

impl Claim {
    /// The proof for a method's path.
    pub fn proof(&self, secret: &ClusterSecret, path: &str) -> String {
        let mac = secret.mac(CALL_PURPOSE, &[&self.number.0, &self.counter.to_be_bytes(), path.as_bytes()]);
        format!("{}.{}.{}", self.number.header(), self.counter, hex::encode(mac.finalize().into_bytes()))
    }

    /// What a proof claims, if it holds. The comparison takes the same time wherever they differ.
    pub fn proved(proof: &str, secret: &ClusterSecret, path: &str) -> Option<Self> {
        let mut fields = proof.split('.');
        let claim = Self { number: Number::parse(fields.next()?)?, counter: fields.next()?.parse().ok()? };
        let mac: [u8; MAC_BYTES] = bytes(fields.next()?)?;
        if fields.next().is_some() {
            return None;
        }
        let own = secret.mac(CALL_PURPOSE, &[&claim.number.0, &claim.counter.to_be_bytes(), path.as_bytes()]);
        own.verify_slice(&mac).ok().map(|()| claim)
    }
}

/// The server's answer to a greeting: its number, proved for the caller's.
pub(super) fn welcome(secret: &ClusterSecret, caller: Number, server: Number) -> String {
    let mac = secret.mac(GREETING_PURPOSE, &[&caller.0, &server.0]);
    format!("{}.{}", server.header(), hex::encode(mac.finalize().into_bytes()))
}

/// The server's number in such an answer, if its proof holds.
pub(super) fn welcomed(answer: &str, secret: &ClusterSecret, caller: Number) -> Option<Number> {
    let (number, mac) = answer.split_once('.')?;
    let (server, mac): (Number, [u8; MAC_BYTES]) = (Number::parse(number)?, bytes(mac)?);
    let own = secret.mac(GREETING_PURPOSE, &[&caller.0, &server.0]);
    own.verify_slice(&mac).ok().map(|()| server)
}

/// The one header of this name, if it is text.
pub(super) fn only<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

/// Digits, dots and hexadecimal digits are always a valid header; a proof is not to be shown in logs.
pub(super) fn insert(headers: &mut HeaderMap, text: &str) {
    if let Ok(mut value) = HeaderValue::from_str(text) {
        value.set_sensitive(true);
        headers.insert(HEADER, value);
    }
}

fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).ok().map(|()| bytes)
}
