//! What a signed request claims, and whether its signature bears it out.

use super::string_to_sign::{Dated, Naming, string_to_sign};
use super::verifies;
use crate::auth::SignedHead;
use crate::auth::headers::{authorization, single};
use crate::auth::mismatch::Mismatch;
use crate::auth::time::{RequestTime, expired};
use crate::error::{ErrorCode, S3Error};
use crate::route::Query;
use http::HeaderMap;
use std::borrow::Cow;

const SCHEME: &str = "AWS ";
const SECURITY_TOKEN: &str = "x-amz-security-token";

/// How a request carries its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Carrier<'a> {
    Header {
        time: RequestTime<'a>,
    },
    /// A presigned URL.
    Query {
        /// Seconds since 1970, as the client wrote them.
        expires: &'a str,
        expires_s: i64,
    },
}

/// What a request says of its sender. Nothing of it is known to be true before [`Claim::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim<'a> {
    carrier: Carrier<'a>,
    access_key_id: &'a str,
    signature: Cow<'a, str>,
    security_token: Option<&'a str>,
}

impl<'a> Claim<'a> {
    /// Of `Authorization: AWS AWSAccessKeyId:Signature`.
    ///
    /// # Errors
    /// `InvalidArgument` for another form and for headers that come twice; `AccessDenied` for no date.
    pub fn from_header(headers: &'a HeaderMap) -> Result<Self, S3Error> {
        let value = authorization(headers)?;
        let parts = value.strip_prefix(SCHEME).and_then(|rest| rest.trim().rsplit_once(':'));
        let (access_key_id, signature) = match parts {
            Some((access_key_id, signature)) if !access_key_id.is_empty() && !signature.is_empty() => {
                (access_key_id, signature)
            }
            _ => {
                let message = "AWS authorization header is invalid.  Expected AwsAccessKeyId:signature";
                return Err(S3Error::invalid_argument("Authorization", value, message));
            }
        };
        Ok(Self {
            carrier: Carrier::Header { time: RequestTime::of_headers(headers)? },
            access_key_id,
            signature: Cow::Borrowed(signature),
            security_token: single(headers, SECURITY_TOKEN)?,
        })
    }

    /// Of a presigned URL's `AWSAccessKeyId`, `Expires` and `Signature`.
    ///
    /// # Errors
    /// `AccessDenied` for a parameter that is missing, and for a time that is none.
    pub fn from_query(query: &'a Query, headers: &'a HeaderMap) -> Result<Self, S3Error> {
        let (Some(access_key_id), Some(expires), Some(signature)) =
            (query.get("AWSAccessKeyId"), query.get("Expires"), query.get("Signature"))
        else {
            let message = "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters";
            return Err(S3Error::with_message(ErrorCode::AccessDenied, message));
        };
        let is_number = !expires.is_empty() && expires.bytes().all(|byte| byte.is_ascii_digit());
        let expires_s = is_number.then(|| expires.parse().ok()).flatten().ok_or_else(|| {
            let message = format!("Invalid date (should be seconds since epoch): {expires}");
            S3Error::with_message(ErrorCode::AccessDenied, message)
        })?;
        let in_query = query.names().find(|name| name.eq_ignore_ascii_case(SECURITY_TOKEN));
        Ok(Self {
            carrier: Carrier::Query { expires, expires_s },
            access_key_id,
            // Some clients leave the plus signs of base64 as they are, which decode to spaces.
            signature: if signature.contains(' ') {
                Cow::Owned(signature.replace(' ', "+"))
            } else {
                Cow::Borrowed(signature)
            },
            security_token: match single(headers, SECURITY_TOKEN)? {
                Some(token) => Some(token),
                None => in_query.and_then(|name| query.get(name)),
            },
        })
    }

    pub fn access_key_id(&self) -> &'a str {
        self.access_key_id
    }

    /// Temporary credentials come with one. It is part of what is signed.
    pub fn security_token(&self) -> Option<&'a str> {
        self.security_token
    }

    /// Is it time? A header counts for 15 minutes, a presigned URL until it expires.
    ///
    /// # Errors
    /// `RequestTimeTooSkewed`; for presigned URLs `AccessDenied`.
    pub fn check_time(&self, now_ms: i64) -> Result<(), S3Error> {
        match &self.carrier {
            Carrier::Header { time } => time.check_skew(now_ms),
            Carrier::Query { expires_s, .. } => {
                let expires_ms = expires_s.saturating_mul(1000);
                if now_ms > expires_ms { Err(expired(expires_ms, now_ms)) } else { Ok(()) }
            }
        }
    }

    /// Was this head signed with this secret?
    ///
    /// # Errors
    /// `SignatureDoesNotMatch`; `InvalidArgument` for what can't be signed line by line.
    pub fn verify(
        &self,
        secret: &str,
        head: &SignedHead<'_>,
        query: &Query,
        naming: Naming<'_>,
    ) -> Result<(), S3Error> {
        let dated = match &self.carrier {
            Carrier::Header { .. } => Dated::ByHeader,
            Carrier::Query { expires, .. } => Dated::Expires(expires),
        };
        let before_resource = string_to_sign(head, query, dated)?;
        let mut shown = None;
        for resource in naming.resources(head.path, query)? {
            let text = [&before_resource[..], resource.as_bytes()].concat();
            if verifies(secret, &text, &self.signature) {
                return Ok(());
            }
            shown.get_or_insert(text);
        }
        Err(S3Error::from(Mismatch {
            access_key_id: self.access_key_id,
            signature: &self.signature,
            string_to_sign: shown.as_deref().unwrap_or_default(),
            canonical_request: None,
        }))
    }
}

#[cfg(test)]
#[path = "claim_tests.rs"]
mod tests;
