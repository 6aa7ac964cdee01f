//! The signing key of a day, region and service, and what is signed with it.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>

use super::chunks::ChunkChain;
use super::{ALGORITHM, Scope};
use crate::auth::time;
use crate::body::ChunkVerifier;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use std::fmt;

pub(super) const SIGNATURE_BYTES: usize = 32;

/// A verified signature: what the signatures of its body's chunks are chained to.
#[derive(Clone)]
pub struct Signed {
    pub(super) key: Hmac<Sha256>,
    pub(super) time: String,
    pub(super) scope: String,
    /// In hexadecimal.
    pub(super) signature: String,
}

impl Signed {
    /// Checks the signatures of the chunks and of the trailer of this request's body.
    pub fn chunk_verifier(&self) -> Box<dyn ChunkVerifier> {
        Box::new(ChunkChain::new(self.clone()))
    }
}

impl fmt::Debug for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signed").field("scope", &self.scope).finish_non_exhaustive()
    }
}

/// The key of a scope, ready to be used several times.
pub(super) fn signing_key(secret: &str, scope: &Scope) -> Hmac<Sha256> {
    let secret = [b"AWS4", secret.as_bytes()].concat();
    let date = mac(&keyed(&secret), scope.date.as_bytes());
    let region = mac(&keyed(&date), scope.region.as_bytes());
    let service = mac(&keyed(&region), scope.service.as_bytes());
    keyed(&mac(&keyed(&service), scope.terminator.as_bytes()))
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes a key of any length")
}

fn mac(key: &Hmac<Sha256>, text: &[u8]) -> [u8; SIGNATURE_BYTES] {
    let mut mac = key.clone();
    mac.update(text);
    mac.finalize().into_bytes().into()
}

/// The text under the signature of a request.
pub(super) fn string_to_sign(unix_seconds: i64, scope: &str, canonical: &str) -> String {
    format!("{ALGORITHM}\n{}\n{scope}\n{}", time::basic(unix_seconds), hex::encode(Sha256::digest(canonical)))
}

/// In constant time. `signature` is in hexadecimal.
pub(super) fn matches(key: &Hmac<Sha256>, text: &str, signature: &str) -> bool {
    let mut given = [0; SIGNATURE_BYTES];
    if hex::decode_to_slice(signature, &mut given).is_err() {
        return false;
    }
    let mut mac = key.clone();
    mac.update(text.as_bytes());
    mac.verify_slice(&given).is_ok()
}
