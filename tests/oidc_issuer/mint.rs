//! Makes tokens, good ones and bad ones.

use crate::keys::{Keys, KeysError};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64_URL;
use ring::hmac;
use ring::signature::{RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256};
use serde::Deserialize;
use serde_json::{Map, Value};

/// What token is wanted. The key goes with the algorithm; its name is whatever is asked for.
#[derive(Deserialize)]
pub struct Order {
    /// RS256, RS384, RS512, PS256, ES256, ES384; `HS256` with the published modulus for a secret; `none`.
    alg: String,
    kid: Option<String>,
    /// More of the header.
    #[serde(default)]
    header: Map<String, Value>,
    claims: Map<String, Value>,
}

#[derive(Debug, thiserror::Error)]
pub enum MintError {
    #[error(transparent)]
    Keys(#[from] KeysError),
    #[error("{0} is not an algorithm")]
    Algorithm(String),
}

pub fn mint(keys: &Keys, order: &Order) -> Result<String, MintError> {
    let mut header = order.header.clone();
    header.insert("alg".into(), order.alg.clone().into());
    header.entry("typ").or_insert("JWT".into());
    if let Some(kid) = &order.kid {
        header.insert("kid".into(), kid.clone().into());
    }
    let part = |object: &Map<String, Value>| BASE64_URL.encode(Value::Object(object.clone()).to_string());
    let signed = format!("{}.{}", part(&header), part(&order.claims));
    let signature = sign(keys, &order.alg, signed.as_bytes())?;
    Ok(format!("{signed}.{}", BASE64_URL.encode(signature)))
}

fn sign(keys: &Keys, algorithm: &str, signed: &[u8]) -> Result<Vec<u8>, MintError> {
    Ok(match algorithm {
        "RS256" => keys.sign_rsa(&RSA_PKCS1_SHA256, signed)?,
        "RS384" => keys.sign_rsa(&RSA_PKCS1_SHA384, signed)?,
        "RS512" => keys.sign_rsa(&RSA_PKCS1_SHA512, signed)?,
        "PS256" => keys.sign_rsa(&RSA_PSS_SHA256, signed)?,
        "ES256" => keys.sign_ec(signed)?,
        "ES384" => keys.sign_ec384(signed)?,
        "HS256" => {
            let secret = hmac::Key::new(hmac::HMAC_SHA256, keys.published_modulus());
            hmac::sign(&secret, signed).as_ref().to_vec()
        }
        "none" => Vec::new(),
        other => return Err(MintError::Algorithm(other.to_owned())),
    })
}
