//! The keys of the issuer: `rsa`, which is known to everyone, and `ec` and `ec384`, which are new in each run.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64_URL;
use ring::error::{KeyRejected, Unspecified};
use ring::rand::SystemRandom;
use ring::rsa::{KeyPair as RsaKeyPair, KeyPairComponents, PublicKeyComponents};
use ring::signature::{
    self, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    KeyPair as _, RsaEncoding,
};
use serde_json::{Value, json};

/// The key of RFC 7515, A.2. Making one of its own would take the process longer than all else that it does.
mod rfc7515 {
    pub const N: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
    pub const E: &str = "AQAB";
    pub const D: &str = "Eq5xpGnNCivDflJsRQBXHx1hdR1k6Ulwe2JZD50LpXyWPEAeP88vLNO97IjlA7_GQ5sLKMgvfTeXZx9SE-7YwVol2NXOoAJe46sui395IW_GO-pWJ1O0BkTGoVEn2bKVRUCgu-GjBVaYLU6f3l9kJfFNS3E0QbVdxzubSu3Mkqzjkn439X0M_V51gfpRLI9JYanrC4D4qAdGcopV_0ZHHzQlBjudU2QvXt4ehNYTCBr6XCLQUShb1juUO1ZdiYoFaFQT5Tw8bGUl_x_jTj3ccPDVZFD9pIuhLhBOneufuBiB4cS98l2SR_RQyGWSeWjnczT0QU91p1DhOVRuOopznQ";
    pub const P: &str = "4BzEEOtIpmVdVEZNCqS7baC4crd0pqnRH_5IB3jw3bcxGn6QLvnEtfdUdiYrqBdss1l58BQ3KhooKeQTa9AB0Hw_Py5PJdTJNPY8cQn7ouZ2KKDcmnPGBY5t7yLc1QlQ5xHdwW1VhvKn-nXqhJTBgIPgtldC-KDV5z-y2XDwGUc";
    pub const Q: &str = "uQPEfgmVtjL0Uyyx88GZFF1fOunH3-7cepKmtH4pxhtCoHqpWmT8YAmZxaewHgHAjLYsp1ZSe7zFYHj7C6ul7TjeLQeZD_YwD66t62wDmpe_HlB-TnBA-njbglfIsRLtXlnDzQkv5dTltRJ11BKBBypeeF6689rjcJIDEz9RWdc";
    pub const DP: &str = "BwKfV3Akq5_MFZDFZCnW-wzl-CCo83WoZvnLQwCTeDv8uzluRSnm71I3QCLdhrqE2e9YkxvuxdBfpT_PI7Yz-FOKnu1R6HsJeDCjn12Sk3vmAktV2zb34MCdy7cpdTh_YVr7tss2u6vneTwrA86rZtu5Mbr1C1XsmvkxHQAdYo0";
    pub const DQ: &str = "h_96-mK1R_7glhsum81dZxjTnYynPbZpHziZjeeHcXYsXaaMwkOlODsWa7I9xXDoRwbKgB719rrmI2oKr6N3Do9U0ajaHF-NKJnwgjMd2w9cjz3_-kyNlxAr2v4IKhGNpmM5iIgOS1VZnOZ68m6_pbLBSp3nssTdlqvd0tIiTHU";
    pub const QI: &str = "IYd7DHOhrWvxkwPQsRM2tOgrjbcrfvtQJipd-DlcxyVuuM9sQLdgjVk2oy26F0EmpScGLq2MowX7fhd_QJQ3ydy5cY7YIBi87w93IKLEdfnbJtoOPLUW0ITrJReOgo1cq9SbsxYawBgfp_gh6A5603k2-ZQwVK0JKSHuLFkuQ3U";
}

#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    #[error("no key can be made, or nothing signed with it")]
    Unspecified,
    #[error("a key was rejected: {0}")]
    Rejected(KeyRejected),
    #[error("a key is not base64: {0}")]
    Base64(#[from] base64::DecodeError),
}

impl From<Unspecified> for KeysError {
    fn from(_: Unspecified) -> Self {
        Self::Unspecified
    }
}

impl From<KeyRejected> for KeysError {
    fn from(error: KeyRejected) -> Self {
        Self::Rejected(error)
    }
}

pub struct Keys {
    random: SystemRandom,
    rsa: RsaKeyPair,
    ec: EcdsaKeyPair,
    ec384: EcdsaKeyPair,
    rotations: u32,
}

impl Keys {
    pub fn new() -> Result<Self, KeysError> {
        let random = SystemRandom::new();
        Ok(Self {
            rsa: rsa()?,
            ec: pair(&ECDSA_P256_SHA256_FIXED_SIGNING, &random)?,
            ec384: pair(&ECDSA_P384_SHA384_FIXED_SIGNING, &random)?,
            random,
            rotations: 0,
        })
    }

    pub fn rotate(&mut self) -> Result<(), KeysError> {
        self.ec = pair(&ECDSA_P256_SHA256_FIXED_SIGNING, &self.random)?;
        self.rotations += 1;
        Ok(())
    }

    fn ec_name(&self) -> String {
        if self.rotations == 0 { "ec".to_owned() } else { format!("ec-{}", self.rotations) }
    }

    /// The set of keys that is published.
    pub fn document(&self) -> Value {
        json!({"keys": [
            {"kid": "rsa", "kty": "RSA", "use": "sig", "n": rfc7515::N, "e": rfc7515::E},
            curve(&self.ec_name(), "P-256", &self.ec),
            curve("ec384", "P-384", &self.ec384),
        ]})
    }

    /// What someone who knows no more than the published keys could take for a secret.
    pub fn published_modulus(&self) -> &'static [u8] {
        rfc7515::N.as_bytes()
    }

    pub fn sign_rsa(&self, encoding: &'static dyn RsaEncoding, signed: &[u8]) -> Result<Vec<u8>, KeysError> {
        let mut signature = vec![0; self.rsa.public().modulus_len()];
        self.rsa.sign(encoding, &self.random, signed, &mut signature)?;
        Ok(signature)
    }

    pub fn sign_ec(&self, signed: &[u8]) -> Result<Vec<u8>, KeysError> {
        Ok(self.ec.sign(&self.random, signed)?.as_ref().to_vec())
    }

    pub fn sign_ec384(&self, signed: &[u8]) -> Result<Vec<u8>, KeysError> {
        Ok(self.ec384.sign(&self.random, signed)?.as_ref().to_vec())
    }
}

fn rsa() -> Result<RsaKeyPair, KeysError> {
    let number = |text: &str| BASE64_URL.decode(text);
    let components = KeyPairComponents {
        public_key: PublicKeyComponents { n: number(rfc7515::N)?, e: number(rfc7515::E)? },
        d: number(rfc7515::D)?,
        p: number(rfc7515::P)?,
        q: number(rfc7515::Q)?,
        dP: number(rfc7515::DP)?,
        dQ: number(rfc7515::DQ)?,
        qInv: number(rfc7515::QI)?,
    };
    Ok(signature::RsaKeyPair::from_components(&components)?)
}

fn pair(algorithm: &'static EcdsaSigningAlgorithm, random: &SystemRandom) -> Result<EcdsaKeyPair, KeysError> {
    let document = EcdsaKeyPair::generate_pkcs8(algorithm, random)?;
    Ok(EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), random)?)
}

fn curve(name: &str, curve: &str, pair: &EcdsaKeyPair) -> Value {
    // One byte says that the point is not compressed, then x and y follow.
    let point = &pair.public_key().as_ref()[1..];
    let (x, y) = point.split_at(point.len() / 2);
    json!({"kid": name, "kty": "EC", "use": "sig", "crv": curve, "x": BASE64_URL.encode(x), "y": BASE64_URL.encode(y)})
}
