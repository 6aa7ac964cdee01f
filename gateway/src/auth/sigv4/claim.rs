//! What a signed request claims, and whether its signature bears it out.

use super::ALGORITHM;
use super::canonical::{self, Target};
use super::chunks::Signed;
use super::credential::{Credential, Place, header_malformed};
use super::key::SigningKey;
use crate::auth::SignedHead;
use crate::auth::headers::{authorization, single};
use crate::auth::mismatch::Mismatch;
use crate::auth::time::{MAX_SKEW_MS, RequestTime, expired, iso8601};
use crate::error::{ErrorCode, S3Error};
use crate::route::Query;
use http::HeaderMap;
use sha2::{Digest as _, Sha256};

/// The longest life of a presigned URL, in seconds: seven days.
pub const MAX_EXPIRES_S: u32 = 604_800;

const CONTENT_SHA256: &str = "x-amz-content-sha256";
const SECURITY_TOKEN: &str = "x-amz-security-token";
const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";
const COMPONENTS: &str =
    "the authorization header requires three components: Credential, SignedHeaders, and Signature.";
const PARAMETERS: &str = "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, \
    X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.";
const SIGNED_HEADERS: &str =
    "SignedHeaders must be names of headers in lower case and in order, separated by semicolons.";

/// How a request carries its signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carrier {
    Header,
    /// A presigned URL, valid for so many seconds.
    Query {
        expires_s: u32,
    },
}

/// What a request says of its sender. Nothing of it is known to be true before [`Claim::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim<'a> {
    carrier: Carrier,
    credential: Credential<'a>,
    /// In lower case and in order, with semicolons between them.
    signed_headers: &'a str,
    signature: &'a str,
    time: RequestTime<'a>,
    security_token: Option<&'a str>,
}

impl<'a> Claim<'a> {
    /// Of `Authorization: AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…`.
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-auth-using-authorization-header.html>
    ///
    /// # Errors
    /// `AuthorizationHeaderMalformed`; `InvalidArgument` for another scheme and for headers that come twice;
    /// `AccessDenied` for no date and for an empty Authorization.
    pub fn from_header(headers: &'a HeaderMap) -> Result<Self, S3Error> {
        let value = authorization(headers)?;
        let components = match value.strip_prefix(ALGORITHM) {
            Some(rest) if rest.is_empty() || rest.starts_with([' ', '\t']) => rest,
            _ => return Err(S3Error::invalid_argument("Authorization", value, "Unsupported Authorization Type")),
        };
        let [credential, signed_headers, signature] = three_components(components)?;
        let claim = Self {
            carrier: Carrier::Header,
            credential: Credential::parse(credential, Place::Header)?,
            signed_headers,
            signature,
            time: RequestTime::of_headers(headers)?,
            security_token: single(headers, SECURITY_TOKEN)?,
        };
        if !is_list_of_names(signed_headers) {
            return Err(header_malformed(SIGNED_HEADERS));
        }
        Ok(claim)
    }

    /// Of a presigned URL's `X-Amz-…` parameters.
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html>
    ///
    /// # Errors
    /// `AuthorizationQueryParametersError`.
    pub fn from_query(query: &'a Query) -> Result<Self, S3Error> {
        let required = |name| query.get(name).ok_or_else(|| parameters_error(PARAMETERS));
        let algorithm = required("X-Amz-Algorithm")?;
        let credential = required("X-Amz-Credential")?;
        let signature = required("X-Amz-Signature")?;
        let date = required("X-Amz-Date")?;
        let signed_headers = required("X-Amz-SignedHeaders")?;
        let expires = required("X-Amz-Expires")?;
        if algorithm != ALGORITHM {
            return Err(parameters_error("X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\""));
        }
        let no_date = || parameters_error("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"");
        if !is_list_of_names(signed_headers) {
            return Err(parameters_error(SIGNED_HEADERS));
        }
        Ok(Self {
            carrier: Carrier::Query { expires_s: expires_s(expires)? },
            credential: Credential::parse(credential, Place::Query)?,
            signed_headers,
            signature,
            time: RequestTime::basic(date).ok_or_else(no_date)?,
            security_token: query.get("X-Amz-Security-Token"),
        })
    }

    pub fn access_key_id(&self) -> &'a str {
        self.credential.access_key_id
    }

    /// Temporary credentials come with one. It is part of what is signed.
    pub fn security_token(&self) -> Option<&'a str> {
        self.security_token
    }

    /// The last line of the canonical request to S3: what x-amz-content-sha256 says of the body, `UNSIGNED-PAYLOAD`
    /// for a presigned URL that says nothing. (Other services sign the body's SHA-256 and send no such header.)
    ///
    /// # Errors
    /// `InvalidRequest` when the header is missing, `InvalidArgument` when it comes twice or can't be one.
    pub fn payload_line(&self, headers: &'a HeaderMap, query: &'a Query) -> Result<&'a str, S3Error> {
        let header = single(headers, CONTENT_SHA256)?.filter(|value| !value.is_empty());
        let line = match self.carrier {
            Carrier::Header => header.ok_or_else(|| {
                let message = "Missing required header for this request: x-amz-content-sha256";
                S3Error::with_message(ErrorCode::InvalidRequest, message)
            })?,
            Carrier::Query { .. } => header
                .or_else(|| query.get("X-Amz-Content-Sha256"))
                .filter(|value| !value.is_empty())
                .unwrap_or(UNSIGNED_PAYLOAD),
        };
        // A line end would move what is signed from one line to another.
        if line.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(line)
        } else {
            Err(S3Error::invalid_argument(CONTENT_SHA256, line, "This is not a hash of a payload."))
        }
    }

    /// Is the signature meant for this region, one of these services, and the day of the request's time?
    ///
    /// # Errors
    /// `AuthorizationHeaderMalformed` or `AuthorizationQueryParametersError`; for another region with `Region`, the
    /// right one.
    pub fn check_scope(&self, region: &str, services: &[&str]) -> Result<(), S3Error> {
        self.credential.check(self.time.day(), region, services)
    }

    /// Is it time? A header counts for 15 minutes; a presigned URL from 15 minutes before its time until it expires.
    ///
    /// # Errors
    /// `RequestTimeTooSkewed`; for presigned URLs `AccessDenied`.
    pub fn check_time(&self, now_ms: i64) -> Result<(), S3Error> {
        match self.carrier {
            Carrier::Header => self.time.check_skew(now_ms),
            Carrier::Query { expires_s } => {
                let expires_ms = self.time.unix_ms.saturating_add(i64::from(expires_s) * 1000);
                if now_ms.saturating_add(MAX_SKEW_MS) < self.time.unix_ms {
                    Err(S3Error::with_message(ErrorCode::AccessDenied, "Request is not yet valid")
                        .element("X-Amz-Date", self.time.sent)
                        .element("ServerTime", iso8601(now_ms)))
                } else if now_ms > expires_ms {
                    Err(expired(expires_ms, now_ms).element("X-Amz-Expires", expires_s.to_string()))
                } else {
                    Ok(())
                }
            }
        }
    }

    /// Was this head signed with this secret? `payload_line` is that of [`Claim::payload_line`], or the SHA-256 of
    /// the body in hexadecimal.
    ///
    /// # Errors
    /// `SignatureDoesNotMatch`; `AccessDenied` when Host or an x-amz-* header is there and not signed.
    pub fn verify(&self, secret: &str, head: &SignedHead<'_>, payload_line: &str) -> Result<Signed, S3Error> {
        self.check_coverage(head.headers, payload_line)?;
        let key = SigningKey::derive(secret, &self.credential);
        let request = |target| canonical::request(head, target, self.signed_headers, payload_line);
        let verifies = |string_to_sign: &str| key.verifies(&[string_to_sign.as_bytes()], self.signature);
        let canonical = request(Target::Canonical);
        let string_to_sign = self.string_to_sign(&canonical);
        let verifies_as_sent = || match self.carrier {
            Carrier::Header => {
                let as_sent = request(Target::AsSent);
                as_sent != canonical && verifies(&self.string_to_sign(&as_sent))
            }
            Carrier::Query { .. } => false,
        };
        if !verifies(&string_to_sign) && !verifies_as_sent() {
            return Err(S3Error::from(Mismatch {
                access_key_id: self.credential.access_key_id,
                signature: self.signature,
                string_to_sign: string_to_sign.as_bytes(),
                canonical_request: Some(&canonical),
            }));
        }
        Ok(Signed::new(key, &self.time, self.credential.scope(), self.signature))
    }

    /// Whoever passes a signature on must not be able to add what changes its meaning.
    fn check_coverage(&self, headers: &HeaderMap, payload_line: &str) -> Result<(), S3Error> {
        let is_signed = |name: &str| self.signed_headers.split(';').any(|signed| signed == name);
        // The payload's line says what this header says.
        let is_payload_line =
            |name: &str| name == CONTENT_SHA256 && headers.get(name).is_some_and(|value| value == payload_line);
        let must_be = |name: &&str| name.starts_with("x-amz-") && !is_payload_line(name);
        let names = headers.keys().map(http::HeaderName::as_str).filter(must_be);
        let missing: Vec<&str> = std::iter::once("host").chain(names).filter(|name| !is_signed(name)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let message = "There were headers present in the request which were not signed";
        Err(S3Error::with_message(ErrorCode::AccessDenied, message).element("HeadersNotSigned", missing.join(", ")))
    }

    fn string_to_sign(&self, request: &[u8]) -> String {
        let hash = hex::encode(Sha256::digest(request));
        [ALGORITHM, &self.time.stamp, self.credential.scope(), &hash].join("\n")
    }
}

fn parameters_error(message: &'static str) -> S3Error {
    S3Error::with_message(ErrorCode::AuthorizationQueryParametersError, message)
}

/// `Credential=…`, `SignedHeaders=…` and `Signature=…`, in any order and each once.
fn three_components(text: &str) -> Result<[&str; 3], S3Error> {
    let mut found = [None; 3];
    for component in text.split(',') {
        let (name, value) = component.trim().split_once('=').ok_or_else(|| header_malformed(COMPONENTS))?;
        let place = match name {
            "Credential" => &mut found[0],
            "SignedHeaders" => &mut found[1],
            "Signature" => &mut found[2],
            _ => return Err(header_malformed(COMPONENTS)),
        };
        if place.replace(value).is_some() {
            return Err(header_malformed(COMPONENTS));
        }
    }
    match found {
        [Some(credential), Some(signed_headers), Some(signature)] => Ok([credential, signed_headers, signature]),
        _ => Err(header_malformed(COMPONENTS)),
    }
}

/// Names of headers (RFC 9110, 5.6.2) in lower case, each after the one before it.
fn is_list_of_names(text: &str) -> bool {
    let is_name = |name: &str| {
        let is_of_name =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&byte);
        !name.is_empty() && name.bytes().all(is_of_name)
    };
    text.split(';').all(is_name) && text.split(';').is_sorted_by(|a, b| a < b)
}

fn expires_s(text: &str) -> Result<u32, S3Error> {
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(parameters_error("X-Amz-Expires should be a number"));
    }
    // What does not fit is far over a week.
    match digits.parse().unwrap_or(u32::MAX) {
        _ if is_negative => Err(parameters_error("X-Amz-Expires must be non-negative")),
        0 => Err(parameters_error("X-Amz-Expires must be at least one second")),
        seconds if seconds <= MAX_EXPIRES_S => Ok(seconds),
        _ => Err(parameters_error(
            "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than \
             604800 seconds",
        )),
    }
}

#[cfg(test)]
#[path = "claim_tests.rs"]
mod tests;
