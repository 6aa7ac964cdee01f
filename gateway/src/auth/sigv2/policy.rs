//! The signature under the policy of a form.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/HTTPPOSTForms.html>

use super::verifies;
use crate::auth::form::required;
use crate::auth::mismatch::Mismatch;
use crate::error::S3Error;

/// What a form's fields say of who signed its policy. The policy itself says how long it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyClaim<'a> {
    access_key_id: &'a str,
    signature: &'a str,
    security_token: Option<&'a str>,
}

impl<'a> PolicyClaim<'a> {
    /// `field` gives the value of a field; it is asked for names in lower case, and their case does not count in
    /// forms.
    ///
    /// # Errors
    /// `InvalidArgument` for a field that is missing.
    pub fn from_form(field: impl Fn(&str) -> Option<&'a str>) -> Result<Self, S3Error> {
        Ok(Self {
            access_key_id: required(&field, "AWSAccessKeyId")?,
            signature: required(&field, "Signature")?,
            security_token: field("x-amz-security-token"),
        })
    }

    pub fn access_key_id(&self) -> &'a str {
        self.access_key_id
    }

    pub fn security_token(&self) -> Option<&'a str> {
        self.security_token
    }

    /// Was this policy signed with this secret? It is the field as it came: in base64.
    ///
    /// # Errors
    /// `SignatureDoesNotMatch`.
    pub fn verify(&self, secret: &str, policy_base64: &str) -> Result<(), S3Error> {
        if verifies(secret, policy_base64.as_bytes(), self.signature) {
            return Ok(());
        }
        Err(S3Error::from(Mismatch {
            access_key_id: self.access_key_id,
            signature: self.signature,
            string_to_sign: policy_base64.as_bytes(),
            canonical_request: None,
        }))
    }
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
