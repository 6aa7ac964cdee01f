//! Signature Version 4: in a header, in the query of a presigned URL, in the fields of a form, and over the chunks of
//! a body.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html>
//!
//! | file | subject |
//! |---|---|
//! | `claim` | what a request says of its signature, and what can be refused without a secret |
//! | `canonical` | what is signed of a request |
//! | `key` | the signing key, and comparing in constant time |
//! | `chunks` | the chain of signatures of an aws-chunked body |

mod canonical;
mod chunks;
mod claim;
mod key;
#[cfg(test)]
mod vectors;

pub use canonical::{SignedHead, encoded};
pub use claim::{Claim, Place, Scope};
pub use key::Signed;

/// What `Authorization` and X-Amz-Algorithm say.
pub const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// What stands in place of the body's hash where it is not signed.
pub const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";
