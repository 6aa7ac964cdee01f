//! Lets requests in or not: which keys there are, and whether a request was signed with one of them.

use super::caller::{Caller, Credentials, Proof};
use super::{Authentication, Identity, sigv2, sigv4};
use crate::body::Payload;
use crate::error::{ErrorCode, S3Error};
use crate::route::Query;
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderName, HeaderValue};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use weir_service::clock::Clock;
use weir_service::config::settings::GatewaySettings;

const CONTENT_SHA256: &str = "x-amz-content-sha256";
/// Services whose requests are answered here, S3 first.
const S3: &[&str] = &["s3"];

/// Headers that a presigned URL may carry in its query instead. Checksums are not among them: some clients sign that of
/// an empty body, whatever the body will be.
const HOISTED: [&str; 4] = ["x-amz-acl", CONTENT_SHA256, "x-amz-storage-class", "x-amz-tagging"];
const HOISTED_METADATA: &str = "x-amz-meta-";

/// Why a gateway with these settings can't be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    #[error("gateway.access_key and gateway.secret_key are set together, or neither is")]
    HalfAPair,
    #[error(
        "without keys anyone who reaches {address} could do anything there: set gateway.access_key and \
         gateway.secret_key, or set gateway.listen to a loopback address such as 127.0.0.1:39999"
    )]
    OpenToStrangers { address: SocketAddr },
}

/// Knows the keys.
#[derive(Clone)]
pub struct Gate {
    mode: Mode,
    region: String,
    base_path: String,
    takes_version_2: bool,
    clock: Arc<dyn Clock>,
}

#[derive(Clone)]
enum Mode {
    /// No keys: whoever reaches the listener may do anything, whatever credentials the request carries.
    Open,
    Keys {
        root: Arc<RootKey>,
    },
}

struct RootKey {
    access_key_id: String,
    secret: String,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("is_open", &self.is_open()).field("region", &self.region).finish_non_exhaustive()
    }
}

/// A request as its sender proves who it is by it.
#[derive(Clone, Copy, Debug)]
pub struct Presented<'a> {
    pub parts: &'a Parts,
    pub query: &'a Query,
    /// What Host or `:authority` says.
    pub host: &'a str,
    /// The bucket, if the host names it.
    pub host_bucket: Option<&'a str>,
}

impl Gate {
    /// # Errors
    /// [`AccessError::HalfAPair`].
    pub fn new(settings: &GatewaySettings, clock: Arc<dyn Clock>) -> Result<Self, AccessError> {
        let mode = match (settings.access_key.is_empty(), settings.secret_key.is_empty()) {
            (true, true) => Mode::Open,
            (false, false) => {
                let (access_key_id, secret) = (settings.access_key.clone(), settings.secret_key.clone());
                Mode::Keys { root: Arc::new(RootKey { access_key_id, secret }) }
            }
            (true, false) | (false, true) => return Err(AccessError::HalfAPair),
        };
        Ok(Self {
            mode,
            region: settings.region.clone(),
            base_path: settings.base_path.trim_end_matches('/').to_owned(),
            takes_version_2: settings.signature_v2,
            clock,
        })
    }

    /// Does everyone get in?
    pub fn is_open(&self) -> bool {
        matches!(self.mode, Mode::Open)
    }

    /// May this gateway be served at this address?
    ///
    /// # Errors
    /// [`AccessError::OpenToStrangers`].
    pub fn check_listener(&self, address: SocketAddr) -> Result<(), AccessError> {
        match self.mode {
            Mode::Open if !address.ip().to_canonical().is_loopback() => Err(AccessError::OpenToStrangers { address }),
            Mode::Open | Mode::Keys { .. } => Ok(()),
        }
    }

    /// Who a request comes from. Who proves nothing is [`Identity::Anonymous`]; who proves it wrongly is refused.
    ///
    /// # Errors
    /// `InvalidAccessKeyId`, `SignatureDoesNotMatch`, `RequestTimeTooSkewed`, `AccessDenied`, and those of malformed
    /// headers, queries and scopes.
    pub fn admit(&self, kind: Authentication, presented: &Presented<'_>) -> Result<Caller, S3Error> {
        match &self.mode {
            Mode::Open => Ok(Caller::everyone()),
            Mode::Keys { root } => {
                refuse_two_ways(presented)?;
                match kind {
                    // A form proves itself by its fields.
                    Authentication::Anonymous | Authentication::PostForm => Ok(Caller::anonymous()),
                    Authentication::V4Header => self.by_v4_header(root, presented),
                    Authentication::V4Query => self.by_v4_query(root, presented),
                    Authentication::V2Header => {
                        self.by_v2(root, presented, sigv2::Claim::from_header(&presented.parts.headers))
                    }
                    Authentication::V2Query => self.by_v2(root, presented, sigv2::Claim::from_query(presented.query)),
                }
            }
        }
    }

    fn by_v4_header(&self, root: &RootKey, presented: &Presented<'_>) -> Result<Caller, S3Error> {
        let claim = sigv4::Claim::from_header(&presented.parts.headers)?;
        let payload = content_sha256(presented).ok_or_else(|| {
            let message = "Missing required header for this request: x-amz-content-sha256";
            S3Error::with_message(ErrorCode::InvalidRequest, message)
        })?;
        self.by_v4(root, presented, &claim, payload)
    }

    fn by_v4_query(&self, root: &RootKey, presented: &Presented<'_>) -> Result<Caller, S3Error> {
        let claim = sigv4::Claim::from_query(presented.query)?;
        let payload = content_sha256(presented).or_else(|| presented.query.get("X-Amz-Content-Sha256"));
        self.by_v4(root, presented, &claim, payload.unwrap_or(sigv4::UNSIGNED_PAYLOAD))
    }

    fn by_v4(
        &self,
        root: &RootKey,
        presented: &Presented<'_>,
        claim: &sigv4::Claim,
        payload: &str,
    ) -> Result<Caller, S3Error> {
        let parts = presented.parts;
        claim.check_scope(&self.region, S3)?;
        claim.check_time(self.clock.now_ms())?;
        let credentials = root.find(&claim.access_key_id, claim.session_token.as_deref())?;
        let head = sigv4::SignedHead {
            method: &parts.method,
            path: parts.uri.path(),
            query: presented.query,
            headers: &parts.headers,
            host: presented.host,
        };
        let signed = claim.verify(&root.secret, &head, payload)?;
        let proof = match claim.place {
            sigv4::Place::Header => Proof::V4Header(signed),
            sigv4::Place::Query { .. } | sigv4::Place::Form => Proof::V4Query(signed),
        };
        Ok(Caller::new(credentials, proof))
    }

    fn by_v2(
        &self,
        root: &RootKey,
        presented: &Presented<'_>,
        claim: Result<sigv2::Claim, S3Error>,
    ) -> Result<Caller, S3Error> {
        if !self.takes_version_2 {
            let message =
                "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.";
            return Err(S3Error::with_message(ErrorCode::InvalidRequest, message));
        }
        let claim = claim?;
        claim.check_time(self.clock.now_ms())?;
        let credentials = root.find(&claim.access_key_id, claim.session_token.as_deref())?;
        let parts = presented.parts;
        let head = sigv2::SignedHead {
            method: &parts.method,
            path: parts.uri.path(),
            query: presented.query,
            headers: &parts.headers,
            host_bucket: presented.host_bucket,
        };
        claim.verify(&root.secret, &head, &self.base_path)?;
        Ok(Caller::new(credentials, Proof::V2))
    }
}

impl RootKey {
    fn find(&self, access_key_id: &str, session_token: Option<&str>) -> Result<Credentials, S3Error> {
        if access_key_id != self.access_key_id {
            return Err(S3Error::new(ErrorCode::InvalidAccessKeyId).element("AWSAccessKeyId", access_key_id));
        }
        match session_token {
            None => Ok(Credentials { identity: Identity::Root, access_key_id: access_key_id.to_owned() }),
            // Only temporary credentials have one.
            Some(_) => Err(ErrorCode::InvalidToken.into()),
        }
    }
}

/// Which of two signatures was meant, and which was checked, must never be a question.
fn refuse_two_ways(presented: &Presented<'_>) -> Result<(), S3Error> {
    let in_query =
        ["X-Amz-Algorithm", "X-Amz-Signature", "Signature"].iter().filter(|p| presented.query.has(p)).count();
    // Version 4 has two of these parameters.
    let is_mixed = presented.query.has("Signature") && in_query > 1;
    if is_mixed || in_query > 0 && presented.parts.headers.contains_key(AUTHORIZATION) {
        let message = "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string \
                       parameter or the Authorization header should be specified";
        return Err(S3Error::invalid_argument("Authorization", "", message));
    }
    Ok(())
}

fn content_sha256<'a>(presented: &Presented<'a>) -> Option<&'a str> {
    let value = presented.parts.headers.get(CONTENT_SHA256)?;
    value.to_str().ok().map(str::trim).filter(|value| !value.is_empty())
}

/// Takes what a presigned URL carries in its query for headers, where the request has no such header. To be called
/// after its signature was checked: parameters are signed as what they are.
pub fn hoist(parts: &mut Parts, query: &Query) {
    for (name, value) in query.pairs() {
        let lower = name.to_ascii_lowercase();
        let is_header = HOISTED.contains(&lower.as_str()) || lower.starts_with(HOISTED_METADATA);
        if let (true, Ok(name), Ok(value)) = (is_header, HeaderName::try_from(lower), HeaderValue::try_from(value)) {
            parts.headers.entry(name).or_insert(value);
        }
    }
}

/// May a body of this kind be taken under this proof? Signatures of chunks need a key that they are made with.
///
/// # Errors
/// `AccessDenied`.
pub(super) fn check_payload(proof: &Proof, payload: Payload) -> Result<(), S3Error> {
    match (proof, payload) {
        (Proof::Everyone | Proof::V4Header(_) | Proof::V4Query(_), _) => Ok(()),
        (Proof::None | Proof::V2 | Proof::Form, Payload::Streaming(kind)) if kind.is_signed() => {
            let message = "The chunks of the body are signed, and the request is not signed with Signature Version 4";
            Err(S3Error::with_message(ErrorCode::AccessDenied, message))
        }
        (
            Proof::None | Proof::V2 | Proof::Form,
            Payload::Undeclared | Payload::Unsigned | Payload::Sha256(_) | Payload::Streaming(_),
        ) => Ok(()),
    }
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
