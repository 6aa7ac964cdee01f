//! What a request says of its signature, and whether it is true.

use super::canonical::SignedHead;
use crate::auth::time;
use crate::error::{ErrorCode, S3Error};
use crate::route::Query;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderMap;
use http::header::{AUTHORIZATION, DATE};
use sha1::Sha1;

/// How far the clocks of client and server may differ.
const SKEW_MAX_SECONDS: i64 = 15 * 60;

/// Where the signature stands.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// With the time of the request, in seconds since 1970.
    Header {
        time: i64,
    },
    /// Of a presigned URL, which holds until then.
    Query {
        expires: String,
        expires_seconds: i64,
    },
    Form,
}

/// A signature as the request states it, not yet checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    place: Place,
    pub access_key_id: String,
    /// In base64.
    signature: String,
    /// Of temporary credentials.
    pub session_token: Option<String>,
}

impl Claim {
    /// From `Authorization: AWS KEY:SIGNATURE`.
    ///
    /// # Errors
    /// `InvalidArgument` when it is not of that form or comes twice, `AccessDenied` without a date.
    pub fn from_header(headers: &HeaderMap) -> Result<Self, S3Error> {
        let malformed = || {
            let message = "AWS authorization header is invalid.  Expected AwsAccessKeyId:signature";
            S3Error::invalid_argument("Authorization", "", message)
        };
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return Err(malformed()) };
        let value = value.to_str().ok().and_then(|value| value.strip_prefix("AWS ")).ok_or_else(malformed)?;
        let (access_key_id, signature) = value.trim().rsplit_once(':').ok_or_else(malformed)?;
        if access_key_id.is_empty() || signature.is_empty() {
            return Err(malformed());
        }
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let date = text("x-amz-date").or_else(|| text(DATE.as_str())).and_then(time::parse_any);
        let date = date.ok_or_else(|| denied("AWS authentication requires a valid Date or x-amz-date header"))?;
        Ok(Self {
            place: Place::Header { time: date },
            access_key_id: access_key_id.to_owned(),
            signature: signature.to_owned(),
            session_token: text("x-amz-security-token").map(str::to_owned),
        })
    }

    /// From `AWSAccessKeyId`, `Signature` and `Expires`.
    ///
    /// # Errors
    /// `AccessDenied` when one is missing, or the time can't be read.
    pub fn from_query(query: &Query) -> Result<Self, S3Error> {
        let parameter = |name: &str| query.get(name).filter(|value| !value.is_empty());
        let (Some(access_key_id), Some(signature), Some(expires)) =
            (parameter("AWSAccessKeyId"), parameter("Signature"), parameter("Expires"))
        else {
            let message = "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters";
            return Err(denied(message));
        };
        let Ok(expires_seconds) = expires.parse() else {
            return Err(denied("Invalid date (should be seconds since epoch)").element("Expires", expires));
        };
        let session_token = query.get("x-amz-security-token").map(str::to_owned);
        Ok(Self {
            place: Place::Query { expires: expires.to_owned(), expires_seconds },
            access_key_id: access_key_id.to_owned(),
            signature: signature.to_owned(),
            session_token,
        })
    }

    /// From the fields of a form, whose names are in lower case.
    ///
    /// # Errors
    /// `InvalidArgument` for a missing field.
    pub fn from_form<'a>(field: impl Fn(&str) -> Option<&'a str>) -> Result<Self, S3Error> {
        let required = |name: &str, shown: &str| {
            let message = format!("Bucket POST must contain a field named '{shown}'.");
            field(name).map(str::to_owned).ok_or_else(|| S3Error::invalid_argument(shown, "", message))
        };
        Ok(Self {
            place: Place::Form,
            access_key_id: required("awsaccesskeyid", "AWSAccessKeyId")?,
            signature: required("signature", "signature")?,
            session_token: field("x-amz-security-token").map(str::to_owned),
        })
    }

    /// Is it near enough to the present, or not expired yet?
    ///
    /// # Errors
    /// `RequestTimeTooSkewed`, `AccessDenied` for a presigned URL.
    pub fn check_time(&self, now_ms: i64) -> Result<(), S3Error> {
        let now = now_ms.div_euclid(1000);
        match self.place {
            Place::Header { time } => time::check_skew(time, now, SKEW_MAX_SECONDS),
            Place::Query { expires_seconds, .. } if now > expires_seconds => Err(denied("Request has expired")
                .element("Expires", time::extended(expires_seconds))
                .element("ServerTime", time::extended(now))),
            // A form's policy says how long it holds.
            Place::Query { .. } | Place::Form => Ok(()),
        }
    }

    /// Compares the signature of a request with what the secret makes of its head. `base_path` is the path under which
    /// S3 is served besides `/`: some clients sign it, others leave it out.
    ///
    /// # Errors
    /// `SignatureDoesNotMatch`.
    pub fn verify(&self, secret: &str, head: &SignedHead<'_>, base_path: &str) -> Result<(), S3Error> {
        let text = |path: &str| match &self.place {
            Place::Header { .. } => head.text(path),
            Place::Query { expires, .. } => head.presigned_text(path, expires),
            Place::Form => String::new(),
        };
        let below = head.path.strip_prefix(base_path).filter(|rest| !base_path.is_empty() && rest.starts_with('/'));
        let as_sent = text(head.path);
        let is_match = self.matches(secret, &as_sent) || below.is_some_and(|path| self.matches(secret, &text(path)));
        if is_match && self.place != Place::Form { Ok(()) } else { Err(self.mismatch(&as_sent)) }
    }

    /// Compares the signature of a form's policy, which is in base64 as it was sent.
    ///
    /// # Errors
    /// `SignatureDoesNotMatch`.
    pub fn verify_policy(&self, secret: &str, policy: &str) -> Result<(), S3Error> {
        if self.matches(secret, policy) { Ok(()) } else { Err(self.mismatch(policy)) }
    }

    /// In constant time.
    fn matches(&self, secret: &str, text: &str) -> bool {
        let Ok(signature) = BASE64.decode(&self.signature) else { return false };
        let mut mac = Hmac::<Sha1>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
        mac.update(text.as_bytes());
        mac.verify_slice(&signature).is_ok()
    }

    fn mismatch(&self, text: &str) -> S3Error {
        S3Error::new(ErrorCode::SignatureDoesNotMatch)
            .element("AWSAccessKeyId", &self.access_key_id)
            .element("StringToSign", text)
            .element("SignatureProvided", &self.signature)
    }
}

fn denied(message: &'static str) -> S3Error {
    S3Error::with_message(ErrorCode::AccessDenied, message)
}

#[cfg(test)]
#[path = "claim_tests.rs"]
mod tests;
