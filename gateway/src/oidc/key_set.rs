//! The keys that an issuer signs with, as it publishes them.
//! RFC 7517; RFC 7518, 6.2 and 6.3.

use super::algorithm::{Algorithm, Scheme};
use super::json;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64_URL;
use ring::signature::{RsaPublicKeyComponents, UnparsedPublicKey};
use serde::Deserialize;

/// Keys of an issuer that are looked at.
const KEY_MAX_COUNT: usize = 100;
/// Signatures with shorter RSA keys are not taken: RFC 7518, 3.3.
const RSA_MODULUS_MIN_BYTES: usize = 256;
/// An uncompressed point of a curve follows. SEC 1, 2.3.3.
const UNCOMPRESSED: u8 = 4;

/// Why no key confirms a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyError {
    /// The token names none, and there are several.
    NotNamed,
    /// There is none of that name.
    Unknown,
    /// The key is not for this algorithm, or the signature is another's.
    WrongSignature,
}

/// An issuer's keys. What is for other purposes, or can't be used, is left out: RFC 7517, 5.
#[derive(Debug, Default)]
pub(super) struct KeySet {
    keys: Vec<Key>,
}

#[derive(Debug)]
struct Key {
    id: Option<String>,
    /// The one that it may be used with; none: any that fits.
    algorithm: Option<Algorithm>,
    material: Material,
}

#[derive(Debug)]
enum Material {
    Rsa(RsaPublicKeyComponents<Vec<u8>>),
    /// A point.
    P256(Vec<u8>),
    P384(Vec<u8>),
}

#[derive(Deserialize)]
struct KeySetDocument {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct KeyDocument {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl KeySet {
    /// None for what is no set of keys. A set may come out empty.
    pub fn parse(document: &[u8]) -> Option<Self> {
        let KeySetDocument { keys } = json::object(document)?;
        let objects = keys.into_iter().filter(serde_json::Value::is_object);
        let documents = objects.filter_map(|key| serde_json::from_value::<KeyDocument>(key).ok());
        Some(Self { keys: documents.filter_map(Key::of).take(KEY_MAX_COUNT).collect() })
    }

    /// # Errors
    /// [`KeyError`].
    pub fn verify(
        &self,
        algorithm: Algorithm,
        key_id: Option<&str>,
        signed: &[u8],
        signature: &[u8],
    ) -> Result<(), KeyError> {
        let named = || self.keys.iter().filter(|key| key_id.is_none() || key.id.as_deref() == key_id);
        match (key_id, named().count()) {
            (_, 0) => return Err(KeyError::Unknown),
            (None, 2..) => return Err(KeyError::NotNamed),
            (None | Some(_), _) => {}
        }
        let confirmed = named().any(|key| key.confirms(algorithm, signed, signature));
        if confirmed { Ok(()) } else { Err(KeyError::WrongSignature) }
    }
}

impl Key {
    fn of(document: KeyDocument) -> Option<Self> {
        if document.purpose.as_deref().is_some_and(|purpose| purpose != "sig")
            || document.key_ops.as_ref().is_some_and(|operations| !operations.iter().any(|name| name == "verify"))
        {
            return None;
        }
        let algorithm = match &document.alg {
            Some(name) => Some(Algorithm::of(name)?),
            None => None,
        };
        Some(Self { material: Material::of(&document)?, id: document.kid, algorithm })
    }

    /// An algorithm is used with the keys that were made for it: RFC 8725, 3.1.
    fn confirms(&self, algorithm: Algorithm, signed: &[u8], signature: &[u8]) -> bool {
        if self.algorithm.is_some_and(|own| own != algorithm) {
            return false;
        }
        match (algorithm.scheme(), &self.material) {
            (Scheme::Rsa(parameters), Material::Rsa(key)) => key.verify(parameters, signed, signature).is_ok(),
            (Scheme::P256(parameters), Material::P256(point)) | (Scheme::P384(parameters), Material::P384(point)) => {
                UnparsedPublicKey::new(parameters, point).verify(signed, signature).is_ok()
            }
            (Scheme::Rsa(_) | Scheme::P256(_) | Scheme::P384(_), _) => false,
        }
    }
}

impl Material {
    fn of(document: &KeyDocument) -> Option<Self> {
        match (document.kty.as_str(), document.crv.as_deref()) {
            ("RSA", _) => {
                let (n, e) = (integer(document.n.as_deref()?)?, integer(document.e.as_deref()?)?);
                (n.len() >= RSA_MODULUS_MIN_BYTES).then_some(Self::Rsa(RsaPublicKeyComponents { n, e }))
            }
            ("EC", Some("P-256")) => point(document, 32).map(Self::P256),
            ("EC", Some("P-384")) => point(document, 48).map(Self::P384),
            _ => None,
        }
    }
}

/// A number without leading zeros, as `ring` wants it.
fn integer(text: &str) -> Option<Vec<u8>> {
    let bytes = BASE64_URL.decode(text).ok()?;
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    Some(bytes[zeros..].to_vec())
}

/// Whether the point is on its curve shows when it is used.
fn point(document: &KeyDocument, coordinate_bytes: usize) -> Option<Vec<u8>> {
    let coordinate = |text: Option<&str>| {
        let bytes = BASE64_URL.decode(text?).ok()?;
        (bytes.len() == coordinate_bytes).then_some(bytes)
    };
    let (x, y) = (coordinate(document.x.as_deref())?, coordinate(document.y.as_deref())?);
    Some([&[UNCOMPRESSED][..], &x, &y].concat())
}

#[cfg(test)]
#[path = "key_set_tests.rs"]
mod tests;
