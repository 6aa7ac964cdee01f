//! Secrets that leave memory, sealed: encrypted and authenticated under a key that comes from the cluster's secret.
//! And secrets that are kept nowhere: derived from the cluster's secret whenever they are needed.
//!
//! A sealed text is a random nonce (12 bytes), the ciphertext and its tag (16 bytes): AES-256-GCM, RFC 5116. It opens
//! only for the purpose and the name that it was sealed for, so that one user's secret can't be passed off as another's.

use crate::clock::Clock;
use crate::peer_auth::ClusterSecret;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;
use std::fmt;

/// Secrets of access keys are sealed for this purpose, and for the key's id as their name.
pub const ACCESS_KEY_PURPOSE: &str = "access key";

const KEY_PURPOSE: &[u8] = b"weir seal v1";
const DERIVATION_PURPOSE: &[u8] = b"weir derive v1";

/// It was sealed under another secret, for another purpose or name, or is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it can't be opened: it was sealed under another cluster secret, or is damaged")]
pub struct SealError;

/// Seals, opens and derives. Every role that knows the cluster's secret has the same.
pub struct Sealer {
    key: LessSafeKey,
    derivation: hmac::Key,
}

impl Sealer {
    pub fn new(secret: &ClusterSecret) -> Self {
        // The key has the algorithm's length, and no other length fails.
        let key = UnboundKey::new(&AES_256_GCM, &secret.derive(KEY_PURPOSE)).expect("AES-256 takes 32 bytes");
        let derivation = hmac::Key::new(hmac::HMAC_SHA256, &secret.derive(DERIVATION_PURPOSE));
        Self { key: LessSafeKey::new(key), derivation }
    }

    /// Seals a text for one purpose and name, such as `access key` and the key's id.
    ///
    /// # Errors
    /// [`SealError`] for texts of more than 64 GiB.
    pub fn seal(&self, clock: &dyn Clock, purpose: &str, name: &str, text: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0; NONCE_LEN];
        clock.random(&mut nonce);
        let mut sealed = text.to_vec();
        let tag = self
            .key
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(subject(purpose, name)),
                &mut sealed,
            )
            .map_err(|_| SealError)?;
        Ok([&nonce, sealed.as_slice(), tag.as_ref()].concat())
    }

    /// # Errors
    /// [`SealError`].
    pub fn open(&self, purpose: &str, name: &str, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE_LEN).ok_or(SealError)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError)?;
        let mut text = sealed.to_vec();
        let about = Aad::from(subject(purpose, name));
        let length = self.key.open_in_place(nonce, about, &mut text).map_err(|_| SealError)?.len();
        text.truncate(length);
        Ok(text)
    }

    /// A secret of its own for one purpose and name: HMAC-SHA256 of both (RFC 2104), always the same. Who knows some of
    /// them learns nothing of the others.
    pub fn derive_secret(&self, purpose: &str, name: &str) -> [u8; 32] {
        let tag = hmac::sign(&self.derivation, &subject(purpose, name));
        let mut secret = [0; 32];
        // HMAC-SHA256's tags have 32 bytes.
        secret.copy_from_slice(tag.as_ref());
        secret
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(hidden)")
    }
}

/// The length before the purpose keeps `ab` + `c` apart from `a` + `bc`.
fn subject(purpose: &str, name: &str) -> Vec<u8> {
    [&(purpose.len() as u64).to_be_bytes(), purpose.as_bytes(), name.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    fn sealer(secret: &str) -> Sealer {
        Sealer::new(&ClusterSecret::new(secret).unwrap())
    }

    #[test]
    fn what_is_sealed_opens_only_as_what_it_was_sealed_for() {
        let one = sealer("a secret of 32 characters or more");
        let sealed = one.seal(&SystemClock, "key", "AKIA1", b"hush").unwrap();
        assert!(!sealed.windows(4).any(|window| window == b"hush"));
        assert_eq!(one.open("key", "AKIA1", &sealed).unwrap(), b"hush");
        assert_eq!(sealer("a secret of 32 characters or more").open("key", "AKIA1", &sealed).unwrap(), b"hush");
        assert_eq!(one.open("key", "AKIA2", &sealed), Err(SealError));
        assert_eq!(one.open("keyA", "KIA1", &sealed), Err(SealError));
        assert_eq!(one.open("token", "AKIA1", &sealed), Err(SealError));
        assert_eq!(sealer("another secret of 32 characters or more").open("key", "AKIA1", &sealed), Err(SealError));
    }

    #[test]
    fn damage_is_found() {
        let one = sealer("a secret of 32 characters or more");
        let sealed = one.seal(&SystemClock, "key", "", b"hush").unwrap();
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            assert_eq!(one.open("key", "", &damaged), Err(SealError), "byte {at}");
            assert_eq!(one.open("key", "", &sealed[..at]), Err(SealError), "{at} bytes");
        }
    }

    #[test]
    fn the_same_text_is_never_sealed_the_same_way() {
        let one = sealer("a secret of 32 characters or more");
        let seal = || one.seal(&SystemClock, "key", "", b"hush").unwrap();
        assert_ne!(seal(), seal());
    }

    #[test]
    fn derived_secrets_are_the_same_for_the_same_purpose_name_and_cluster_alone() {
        let one = sealer("a secret of 32 characters or more");
        let secret = one.derive_secret("key", "ASIA1");
        assert_eq!(sealer("a secret of 32 characters or more").derive_secret("key", "ASIA1"), secret);
        let others = [
            one.derive_secret("key", "ASIA2"),
            one.derive_secret("keyA", "SIA1"),
            one.derive_secret("token", "ASIA1"),
            sealer("another secret of 32 characters or more").derive_secret("key", "ASIA1"),
            [0; 32],
        ];
        assert!(!others.contains(&secret));
    }
}
