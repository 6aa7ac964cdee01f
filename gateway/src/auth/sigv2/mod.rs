//! Signature Version 2, which old clients and many makers of presigned URLs still speak: what a request claims
//! ([`Claim`]), and whether its signature says the same.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html>
//!
//! It covers less than Version 4: neither the body, nor the host, nor what is in a query beside [`string_to_sign`]'s
//! parameters.
//!
//! A form's policy is signed without a request: [`PolicyClaim`].

mod claim;
mod policy;
mod string_to_sign;
#[cfg(test)]
mod vector_tests;

pub use claim::Claim;
pub use policy::PolicyClaim;
pub use string_to_sign::Naming;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;

/// Is this the signature, in base64, of `text`? Takes as long for every wrong one.
fn verifies(secret: &str, text: &[u8], signature: &str) -> bool {
    let Ok(signature) = BASE64.decode(signature) else { return false };
    // HMAC takes keys of any length.
    let mut mac = Hmac::<Sha1>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(text);
    mac.verify_slice(&signature).is_ok()
}
