//! Requests signed as clients sign them: rightly, or wrongly in just the way that a test wants. Nothing here is taken
//! from the gateway, so that both can't be wrong in the same way; AWS's published examples are the tests.
//!
//! A [`Draft`] is a request that was not sent yet. [`v4::Signer`] and [`v2::Signer`] put a signature into its headers or
//! its query; what is changed in the draft after that is what the signature does not cover. [`chunks`] signs a body
//! chunk by chunk, [`form`] the policy of a form.

pub mod chunks;
pub mod form;
pub mod v2;
pub mod v4;

use crate::{Client, Request, decoded};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

/// An access key with its secret; temporary ones have a session token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    pub access: String,
    pub secret: String,
    pub token: Option<String>,
}

impl Keys {
    pub fn new(access: &str, secret: &str) -> Self {
        Self { access: access.to_owned(), secret: secret.to_owned(), token: None }
    }
}

/// A request that was not sent yet, each piece as it will be sent.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    pub method: String,
    /// Percent-encoded.
    pub path: String,
    /// Percent-encoded names and values; a name without a value has no `=`.
    pub query: Vec<(String, Option<String>)>,
    /// The value of Host.
    pub host: String,
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
}

impl Draft {
    /// `target` is a path with or without a query.
    pub fn new(method: &str, host: &str, target: &str) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let parameter = |piece: &str| match piece.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (piece.to_owned(), None),
        };
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.split('&').filter(|piece| !piece.is_empty()).map(parameter).collect(),
            host: host.to_owned(),
            ..Self::default()
        }
    }

    #[must_use]
    pub fn with_header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.add_header(name, value);
        self
    }

    #[must_use]
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub fn add_header(&mut self, name: &str, value: impl AsRef<[u8]>) {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
    }

    /// Puts this value in the place of all that a header has; None takes the header away.
    pub fn set_header(&mut self, name: &str, value: Option<&[u8]>) {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        if let Some(value) = value {
            self.add_header(name, value);
        }
    }

    /// The first header of that name; empty: none.
    pub fn header(&self, name: &str) -> String {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map_or_else(String::new, |(_, value)| String::from_utf8_lossy(value).into_owned())
    }

    pub fn add_parameter(&mut self, name: &str, value: &str) {
        self.query.push((name.to_owned(), Some(value.to_owned())));
    }

    /// Puts this value in the place of a parameter's; None takes the parameter away.
    pub fn set_parameter(&mut self, name: &str, value: Option<&str>) {
        match value {
            Some(value) => {
                let others = self.query.iter_mut().filter(|(known, _)| known == name);
                others.for_each(|(_, old)| *old = Some(value.to_owned()));
            }
            None => self.query.retain(|(known, _)| known != name),
        }
    }

    /// A parameter's value as it is sent.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name)?.1.as_deref()
    }

    /// Path and query as they are sent.
    pub fn target(&self) -> String {
        let pieces: Vec<String> = self
            .query
            .iter()
            .map(|(name, value)| value.as_ref().map_or_else(|| name.clone(), |value| format!("{name}={value}")))
            .collect();
        if pieces.is_empty() { self.path.clone() } else { format!("{}?{}", self.path, pieces.join("&")) }
    }

    /// The request to be sent by this client.
    pub fn request<'a>(&self, client: &'a Client) -> Request<'a> {
        let request = client.request(&self.method, &self.target()).host(&self.host).body(self.body.clone());
        self.headers.iter().fold(request, |request, (name, value)| request.header_bytes(name, value))
    }

    /// Names and values of the query, decoded, in the order of the request.
    fn decoded_query(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let decoded_pair =
            |(name, value): &(String, Option<String>)| (decoded(name), decoded(value.as_deref().unwrap_or_default()));
        self.query.iter().map(decoded_pair).collect()
    }
}

/// HMAC-SHA256 of the pieces one after the other.
pub fn hmac_sha256(key: &[u8], pieces: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    pieces.iter().for_each(|piece| mac.update(piece));
    mac.finalize().into_bytes().to_vec()
}

pub fn sha256_hex(data: &[u8]) -> String {
    hex::encode(Sha256::digest(data))
}
