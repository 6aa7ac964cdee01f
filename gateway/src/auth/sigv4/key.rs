//! The key that signs one day's requests to one service in one region.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html#derive-signing-key>

use super::credential::{Credential, TERMINAL};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use std::fmt;

pub(super) const SIGNATURE_BYTES: usize = 32;

#[derive(Clone)]
pub(super) struct SigningKey(Hmac<Sha256>);

impl SigningKey {
    pub fn derive(secret: &str, credential: &Credential<'_>) -> Self {
        let first = keyed(&[b"AWS4", secret.as_bytes()].concat());
        let parts = [credential.date, credential.region, credential.service, TERMINAL];
        Self(parts.iter().fold(first, |mut mac, part| {
            mac.update(part.as_bytes());
            keyed(&mac.finalize().into_bytes())
        }))
    }

    /// Is this the signature, in hexadecimal, of these pieces? Takes as long for every wrong one.
    pub fn verifies(&self, pieces: &[&[u8]], signature: &str) -> bool {
        let mut bytes = [0; SIGNATURE_BYTES];
        if hex::decode_to_slice(signature, &mut bytes).is_err() {
            return false;
        }
        let mut mac = self.0.clone();
        pieces.iter().for_each(|piece| mac.update(piece));
        mac.verify_slice(&bytes).is_ok()
    }
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    // HMAC takes keys of any length.
    Hmac::new_from_slice(key).expect("HMAC takes a key of any length")
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(hidden)")
    }
}
