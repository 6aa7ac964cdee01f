//! The signature under the policy of a form.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-authentication-HTTPPOST.html>

use super::ALGORITHM;
use super::credential::{Credential, Place};
use super::key::SigningKey;
use crate::auth::form::required;
use crate::auth::mismatch::Mismatch;
use crate::auth::time::RequestTime;
use crate::error::S3Error;

/// What a form's fields say of who signed its policy. The policy itself says how long it counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyClaim<'a> {
    credential: Credential<'a>,
    time: RequestTime<'a>,
    signature: &'a str,
    security_token: Option<&'a str>,
}

impl<'a> PolicyClaim<'a> {
    /// `field` gives the value of a field; it is asked for names in lower case, and their case does not count in
    /// forms.
    ///
    /// # Errors
    /// `InvalidArgument` for a field that is missing or malformed.
    pub fn from_form(field: impl Fn(&str) -> Option<&'a str>) -> Result<Self, S3Error> {
        let required = |name| required(&field, name);
        let algorithm = required("X-Amz-Algorithm")?;
        if algorithm != ALGORITHM {
            let message = "X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"";
            return Err(S3Error::invalid_argument("X-Amz-Algorithm", algorithm, message));
        }
        let credential = Credential::parse(required("X-Amz-Credential")?, Place::Form)?;
        let date = required("X-Amz-Date")?;
        let time = RequestTime::basic(date).ok_or_else(|| {
            let message = "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"";
            S3Error::invalid_argument("X-Amz-Date", date, message)
        })?;
        let signature = required("X-Amz-Signature")?;
        Ok(Self { credential, time, signature, security_token: field("x-amz-security-token") })
    }

    pub fn access_key_id(&self) -> &'a str {
        self.credential.access_key_id
    }

    pub fn security_token(&self) -> Option<&'a str> {
        self.security_token
    }

    /// Is the signature meant for this region, one of these services, and the day of x-amz-date?
    ///
    /// # Errors
    /// `InvalidArgument`.
    pub fn check_scope(&self, region: &str, services: &[&str]) -> Result<(), S3Error> {
        self.credential.check(self.time.day(), region, services)
    }

    /// Was this policy signed with this secret? It is the field as it came: in base64.
    ///
    /// # Errors
    /// `SignatureDoesNotMatch`.
    pub fn verify(&self, secret: &str, policy_base64: &str) -> Result<(), S3Error> {
        let key = SigningKey::derive(secret, &self.credential);
        if key.verifies(&[policy_base64.as_bytes()], self.signature) {
            return Ok(());
        }
        Err(S3Error::from(Mismatch {
            access_key_id: self.credential.access_key_id,
            signature: self.signature,
            string_to_sign: policy_base64.as_bytes(),
            canonical_request: None,
        }))
    }
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
