//! Signature Version 4: what a request claims ([`Claim`]), and whether its signature says the same.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html>,
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html>,
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>
//!
//! 1. [`Claim::from_header`] or [`Claim::from_query`]: who, when, for which region, which headers.
//! 2. [`Claim::check_scope`] and [`Claim::check_time`], in any order.
//! 3. [`Claim::verify`] with the secret of that access key. Nothing of a claim is true before.
//! 4. [`Signed::chunk_verifier`] for a body in signed chunks.
//!
//! A form's policy is signed without a request: [`PolicyClaim`].

mod canonical;
mod chunks;
mod claim;
#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod client;
mod credential;
mod key;
mod policy;
#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod vector_tests;

pub use chunks::Signed;
pub use claim::Claim;
pub use policy::PolicyClaim;

/// The one algorithm that is served. Its asymmetric sister `AWS4-ECDSA-P256-SHA256` is for several regions.
const ALGORITHM: &str = "AWS4-HMAC-SHA256";
