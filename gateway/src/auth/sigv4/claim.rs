//! What a request says of its signature: who signed it, when, for what, and which headers.

use super::ALGORITHM;
use super::canonical::{SignedHead, normal_path};
use super::key::{Signed, matches, signing_key, string_to_sign};
use crate::auth::time;
use crate::error::{ErrorCode, S3Error};
use crate::route::Query;
use http::HeaderMap;
use http::header::{AUTHORIZATION, DATE};

/// How far the clocks of client and server may differ.
const SKEW_MAX_SECONDS: i64 = 15 * 60;
/// A presigned URL holds a week at most.
const EXPIRES_MAX_SECONDS: i64 = 604_800;
const TERMINATOR: &str = "aws4_request";
const SIGNATURE_DIGITS: usize = 64;
/// More than any client signs.
const SIGNED_HEADERS_MAX_COUNT: usize = 100;
const SIGNATURE_PARAMETER: &str = "X-Amz-Signature";

/// Where the signature stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Header,
    /// Of a presigned URL, which holds for so long.
    Query {
        expires_seconds: i64,
    },
    /// In a form, over its policy.
    Form,
}

impl Place {
    fn malformed(self, message: String) -> S3Error {
        let code = match self {
            Self::Header | Self::Form => ErrorCode::AuthorizationHeaderMalformed,
            Self::Query { .. } => ErrorCode::AuthorizationQueryParametersError,
        };
        S3Error::with_message(code, message)
    }

    /// As S3 begins its messages about it.
    fn subject(self) -> &'static str {
        match self {
            Self::Header => "The authorization header is malformed",
            Self::Query { .. } => "Error parsing the X-Amz-Credential parameter",
            Self::Form => "The form's credential is malformed",
        }
    }
}

/// What the key was made for: `DATE/REGION/SERVICE/aws4_request`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    pub date: String,
    pub region: String,
    pub service: String,
    pub terminator: String,
}

impl Scope {
    fn text(&self) -> String {
        format!("{}/{}/{}/{}", self.date, self.region, self.service, self.terminator)
    }
}

/// A signature as the request states it, not yet checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    pub place: Place,
    pub access_key_id: String,
    pub scope: Scope,
    /// Lower case, in the order of the request; empty for forms.
    pub signed_headers: Vec<String>,
    /// 64 hexadecimal digits.
    pub signature: String,
    /// Seconds since 1970.
    pub time: i64,
    /// Of temporary credentials.
    pub session_token: Option<String>,
}

impl Claim {
    /// From `Authorization: AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…`.
    ///
    /// # Errors
    /// `InvalidArgument` for another kind of authorization or two of them, `AuthorizationHeaderMalformed`,
    /// `AccessDenied` without a date.
    pub fn from_header(headers: &HeaderMap) -> Result<Self, S3Error> {
        let value = single(headers, AUTHORIZATION.as_str())?.unwrap_or_default();
        let Some(fields) = value.strip_prefix(ALGORITHM).filter(|rest| rest.starts_with(' ')) else {
            return Err(S3Error::invalid_argument("Authorization", "", "Unsupported Authorization Type"));
        };
        let place = Place::Header;
        let malformed = |what: &str| place.malformed(format!("{}; {what}.", place.subject()));
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for field in fields.split(',').map(str::trim) {
            let (name, value) = field.split_once('=').ok_or_else(|| malformed("a field has no value"))?;
            let slot = match name {
                "Credential" => &mut credential,
                "SignedHeaders" => &mut signed_headers,
                "Signature" => &mut signature,
                _ => return Err(malformed("it has a field that is not known")),
            };
            if slot.replace(value).is_some() {
                return Err(malformed("a field comes twice"));
            }
        }
        let credential = credential.ok_or_else(|| malformed("the Credential is missing"))?;
        let signed_headers = signed_headers.ok_or_else(|| malformed("the SignedHeaders are missing"))?;
        let signature = signature.ok_or_else(|| malformed("the Signature is missing"))?;
        let date = match (single(headers, "x-amz-date")?, single(headers, DATE.as_str())?) {
            (Some(date), _) | (None, Some(date)) => time::parse_any(date),
            (None, None) => None,
        };
        let no_date = || denied("AWS authentication requires a valid Date or x-amz-date header");
        let session_token = single(headers, "x-amz-security-token")?.map(str::to_owned);
        Self::new(place, credential, signed_headers, signature, date.ok_or_else(no_date)?, session_token)
    }

    /// From the parameters of a presigned URL.
    ///
    /// # Errors
    /// `AuthorizationQueryParametersError`.
    pub fn from_query(query: &Query) -> Result<Self, S3Error> {
        let refused =
            |message: &str| S3Error::with_message(ErrorCode::AuthorizationQueryParametersError, message.to_owned());
        let parameter = |name: &str| {
            query.get(name).filter(|value| !value.is_empty()).ok_or_else(|| {
                refused(
                    "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, \
                     X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.",
                )
            })
        };
        if parameter("X-Amz-Algorithm")? != ALGORITHM {
            return Err(refused("X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\""));
        }
        let (credential, signature) = (parameter("X-Amz-Credential")?, parameter(SIGNATURE_PARAMETER)?);
        let signed_headers = parameter("X-Amz-SignedHeaders")?;
        let date = time::parse_basic(parameter("X-Amz-Date")?)
            .ok_or_else(|| refused("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\""))?;
        let expires = parameter("X-Amz-Expires")?;
        let expires: i64 = expires.parse().map_err(|_| refused("X-Amz-Expires should be a number"))?;
        match expires {
            ..=0 => return Err(refused("X-Amz-Expires must be positive")),
            1..=EXPIRES_MAX_SECONDS => {}
            _ => {
                return Err(refused(
                    "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less \
                     than 604800 seconds",
                ));
            }
        }
        let session_token = query.get("X-Amz-Security-Token").map(str::to_owned);
        let place = Place::Query { expires_seconds: expires };
        Self::new(place, credential, signed_headers, signature, date, session_token)
    }

    /// From the fields of a form, whose names are in lower case.
    ///
    /// # Errors
    /// `AuthorizationHeaderMalformed`, `InvalidArgument` for a missing field or another algorithm.
    pub fn from_form<'a>(field: impl Fn(&str) -> Option<&'a str>) -> Result<Self, S3Error> {
        let required = |name: &str| {
            let message = format!("Bucket POST must contain a field named '{name}'.");
            field(name).ok_or_else(|| S3Error::invalid_argument(name, "", message))
        };
        let algorithm = required("x-amz-algorithm")?;
        if algorithm != ALGORITHM {
            return Err(S3Error::invalid_argument("x-amz-algorithm", algorithm, "Unsupported Authorization Type"));
        }
        let date = required("x-amz-date")?;
        let date = time::parse_basic(date)
            .ok_or_else(|| S3Error::invalid_argument("x-amz-date", date, "The date is not in ISO 8601 basic format"))?;
        let (credential, signature) = (required("x-amz-credential")?, required("x-amz-signature")?);
        Self::new(Place::Form, credential, "", signature, date, field("x-amz-security-token").map(str::to_owned))
    }

    fn new(
        place: Place,
        credential: &str,
        signed_headers: &str,
        signature: &str,
        time: i64,
        session_token: Option<String>,
    ) -> Result<Self, S3Error> {
        let malformed = |what: &str| place.malformed(format!("{}; {what}.", place.subject()));
        // A key's id may have slashes in it.
        let mut parts = credential.rsplitn(5, '/');
        let (Some(terminator), Some(service), Some(region), Some(date), Some(access_key_id)) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(malformed(
                "the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\"",
            ));
        };
        if access_key_id.is_empty() {
            return Err(malformed("the access key id is empty"));
        }
        if signature.len() != SIGNATURE_DIGITS || !signature.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(malformed("the Signature is not 64 hexadecimal digits"));
        }
        let names: Vec<String> =
            signed_headers.split(';').filter(|n| !n.is_empty()).map(str::to_ascii_lowercase).collect();
        if place != Place::Form && (names.is_empty() || names.len() > SIGNED_HEADERS_MAX_COUNT) {
            return Err(malformed("the SignedHeaders name no header, or too many"));
        }
        let scope = Scope {
            date: date.to_owned(),
            region: region.to_owned(),
            service: service.to_owned(),
            terminator: terminator.to_owned(),
        };
        let (access_key_id, signature) = (access_key_id.to_owned(), signature.to_ascii_lowercase());
        Ok(Self { place, access_key_id, scope, signed_headers: names, signature, time, session_token })
    }

    /// Was it made for this region, for one of these services, and on the day of its own time?
    ///
    /// # Errors
    /// `AuthorizationHeaderMalformed` or `AuthorizationQueryParametersError`, with the region that is expected.
    pub fn check_scope(&self, region: &str, services: &[&str]) -> Result<(), S3Error> {
        let malformed = |what: String| self.place.malformed(format!("{}; {what}", self.place.subject()));
        let Scope { date, region: given, service, terminator } = &self.scope;
        if given != region {
            return Err(
                malformed(format!("the region '{given}' is wrong; expecting '{region}'")).element("Region", region)
            );
        }
        if !services.contains(&service.as_str()) {
            let expected = services.first().copied().unwrap_or_default();
            return Err(malformed(format!(
                "incorrect service \"{service}\". This endpoint belongs to \"{expected}\"."
            )));
        }
        if terminator != TERMINATOR {
            return Err(malformed(format!(
                "incorrect terminal \"{terminator}\". This endpoint uses \"{TERMINATOR}\"."
            )));
        }
        let time = time::basic(self.time);
        if time.get(..8) != Some(date.as_str()) {
            return Err(malformed(format!(
                "Invalid credential date \"{date}\". This date is not the same as X-Amz-Date: \"{time}\"."
            )));
        }
        Ok(())
    }

    /// Is it near enough to the present, or not expired yet?
    ///
    /// # Errors
    /// `RequestTimeTooSkewed`, `AccessDenied` for presigned URLs and forms.
    pub fn check_time(&self, now_ms: i64) -> Result<(), S3Error> {
        let now = now_ms.div_euclid(1000);
        match self.place {
            Place::Header => time::check_skew(self.time, now, SKEW_MAX_SECONDS),
            Place::Query { .. } if self.time - now > SKEW_MAX_SECONDS => {
                Err(denied("Request is not yet valid").element("ServerTime", time::extended(now)))
            }
            Place::Query { expires_seconds } if now - self.time > expires_seconds => Err(denied("Request has expired")
                .element("X-Amz-Expires", expires_seconds.to_string())
                .element("Expires", time::extended(self.time + expires_seconds))
                .element("ServerTime", time::extended(now))),
            // A form's policy says how long it holds.
            Place::Query { .. } | Place::Form => Ok(()),
        }
    }

    /// Compares the signature of a request with what the secret makes of its head. `payload` is the hash of the body in
    /// hexadecimal, or what stands in its place.
    ///
    /// # Errors
    /// `AccessDenied` for headers that have to be signed and are not, `SignatureDoesNotMatch`.
    pub fn verify(&self, secret: &str, head: &SignedHead<'_>, payload: &str) -> Result<Signed, S3Error> {
        let unsigned = head.unsigned(&self.signed_headers);
        if !unsigned.is_empty() {
            return Err(denied("There were headers present in the request which were not signed")
                .element("HeadersNotSigned", unsigned.join(", ")));
        }
        let (key, scope) = (signing_key(secret, &self.scope), self.scope.text());
        let left_out = matches!(self.place, Place::Query { .. }).then_some(SIGNATURE_PARAMETER);
        let canonical = |path: &str| head.canonical(path, &self.signed_headers, left_out, payload);
        let (as_sent, normal) = (canonical(head.path), normal_path(head.path));
        let text = string_to_sign(self.time, &scope, &as_sent);
        // Some clients sign what they send, others the canonical form of it: both name the same key.
        let is_match = matches(&key, &text, &self.signature)
            || normal != head.path
                && matches(&key, &string_to_sign(self.time, &scope, &canonical(&normal)), &self.signature);
        if !is_match {
            return Err(self.mismatch(&text, Some(&as_sent)));
        }
        Ok(Signed { key, time: time::basic(self.time), scope, signature: self.signature.clone() })
    }

    /// Compares the signature of a form's policy, which is in base64 as it was sent.
    ///
    /// # Errors
    /// `SignatureDoesNotMatch`.
    pub fn verify_policy(&self, secret: &str, policy: &str) -> Result<(), S3Error> {
        match matches(&signing_key(secret, &self.scope), policy, &self.signature) {
            true => Ok(()),
            false => Err(self.mismatch(policy, None)),
        }
    }

    fn mismatch(&self, text: &str, canonical: Option<&str>) -> S3Error {
        let spaced = |text: &str| {
            hex::encode(text).as_bytes().chunks(2).map(String::from_utf8_lossy).collect::<Vec<_>>().join(" ")
        };
        let error = S3Error::new(ErrorCode::SignatureDoesNotMatch)
            .element("AWSAccessKeyId", &self.access_key_id)
            .element("StringToSign", text)
            .element("SignatureProvided", &self.signature)
            .element("StringToSignBytes", spaced(text));
        match canonical {
            Some(canonical) => {
                error.element("CanonicalRequest", canonical).element("CanonicalRequestBytes", spaced(canonical))
            }
            None => error,
        }
    }
}

/// A header that may come once.
fn single<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, S3Error> {
    let mut values = headers.get_all(name).iter();
    let Some(first) = values.next() else { return Ok(None) };
    match (first.to_str(), values.next()) {
        (Ok(value), None) => Ok(Some(value.trim())),
        _ => Err(S3Error::invalid_argument(
            name,
            "",
            format!("The header {name} is given more than once, or is not text"),
        )),
    }
}

fn denied(message: &'static str) -> S3Error {
    S3Error::with_message(ErrorCode::AccessDenied, message)
}

#[cfg(test)]
#[path = "claim_tests.rs"]
mod tests;
