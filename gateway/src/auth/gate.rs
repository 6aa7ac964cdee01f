//! Lets requests in or not: was a request signed with a key that is known?

use super::caller::{Caller, Proof};
use super::keyring::{Found, Keyring};
use super::rules::Rules;
use super::token::SessionTokens;
use super::{Authentication, SignedHead, sigv2, sigv4};
use crate::error::{ErrorCode, S3Error};
use crate::route::Query;
use http::request::Parts;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use weir_service::clock::Clock;
use weir_service::config::settings::GatewaySettings;

/// What a scope's service has to be.
const S3: &[&str] = &["s3"];
const QUERY_SERVICES: &[&str] = &["iam", "sts"];
/// Where AWS's services without a region are.
const GLOBAL_REGION: &str = "us-east-1";

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

/// Checks signatures.
#[derive(Clone)]
pub struct Gate {
    /// None: no keys are set. Whoever reaches the listener may do anything, whatever credentials the request carries.
    keyring: Option<Keyring>,
    region: String,
    base_path: String,
    takes_version_2: bool,
    clock: Arc<dyn Clock>,
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
    pub by_base_path: bool,
}

impl<'a> Presented<'a> {
    fn head(&self) -> SignedHead<'a> {
        SignedHead {
            method: &self.parts.method,
            path: self.parts.uri.path(),
            query: self.parts.uri.query().unwrap_or_default(),
            headers: &self.parts.headers,
            host: self.host,
            trusts_original_accept_encoding: false,
        }
    }
}

impl Gate {
    /// # Errors
    /// [`AccessError::HalfAPair`].
    pub fn new(settings: &GatewaySettings, tokens: SessionTokens, clock: Arc<dyn Clock>) -> Result<Self, AccessError> {
        let keyring = match (settings.access_key.is_empty(), settings.secret_key.is_empty()) {
            (true, true) => None,
            (false, false) => Some(Keyring::new(&settings.access_key, &settings.secret_key, tokens)),
            (true, false) | (false, true) => return Err(AccessError::HalfAPair),
        };
        Ok(Self {
            keyring,
            region: settings.region.clone(),
            base_path: settings.base_path.trim_end_matches('/').to_owned(),
            takes_version_2: settings.signature_v2,
            clock,
        })
    }

    /// Does everyone get in?
    pub fn is_open(&self) -> bool {
        self.keyring.is_none()
    }

    /// May this gateway be served at this address?
    ///
    /// # Errors
    /// [`AccessError::OpenToStrangers`].
    pub fn check_listener(&self, address: SocketAddr) -> Result<(), AccessError> {
        if self.is_open() && !address.ip().to_canonical().is_loopback() {
            return Err(AccessError::OpenToStrangers { address });
        }
        Ok(())
    }

    /// Who a request to S3 comes from. Who proves nothing is anonymous; who proves it wrongly is refused.
    ///
    /// # Errors
    /// `InvalidAccessKeyId`, `SignatureDoesNotMatch`, `RequestTimeTooSkewed`, `AccessDenied`, and those of malformed
    /// headers, queries and scopes.
    pub fn admit(&self, kind: Authentication, presented: &Presented<'_>, rules: &Rules) -> Result<Caller, S3Error> {
        let Some(keyring) = &self.keyring else { return Ok(Caller::everyone()) };
        let (headers, query) = (&presented.parts.headers, presented.query);
        Authentication::check_alone(headers, query)?;
        let checked = Checked { gate: self, keyring, rules, presented };
        match kind {
            // A form proves itself by its fields.
            Authentication::Anonymous | Authentication::PostForm => Ok(Caller::anonymous()),
            Authentication::V4Header => {
                let claim = sigv4::Claim::from_header(headers)?;
                checked.by_v4(&claim, S3, claim.payload_line(headers, query)?, Proof::V4Header)
            }
            Authentication::V4Query => {
                let claim = sigv4::Claim::from_query(query)?;
                checked.by_v4(&claim, S3, claim.payload_line(headers, query)?, Proof::V4Query)
            }
            Authentication::V2Header => checked.by_v2(|| sigv2::Claim::from_header(headers)),
            Authentication::V2Query => checked.by_v2(|| sigv2::Claim::from_query(query, headers)),
        }
    }

    /// Who a request to IAM or STS comes from. `body_sha256` is the body's, in hexadecimal: these services sign it
    /// without sending it.
    ///
    /// # Errors
    /// As [`Gate::admit`].
    pub fn admit_query_api(
        &self,
        kind: Authentication,
        presented: &Presented<'_>,
        rules: &Rules,
        body_sha256: &str,
    ) -> Result<Caller, S3Error> {
        let Some(keyring) = &self.keyring else { return Ok(Caller::everyone()) };
        let (headers, query) = (&presented.parts.headers, presented.query);
        Authentication::check_alone(headers, query)?;
        let checked = Checked { gate: self, keyring, rules, presented };
        match kind {
            Authentication::Anonymous => Ok(Caller::anonymous()),
            Authentication::V4Header => {
                checked.by_v4(&sigv4::Claim::from_header(headers)?, QUERY_SERVICES, body_sha256, Proof::V4Header)
            }
            Authentication::V4Query => {
                checked.by_v4(&sigv4::Claim::from_query(query)?, QUERY_SERVICES, body_sha256, Proof::V4Query)
            }
            Authentication::PostForm | Authentication::V2Header | Authentication::V2Query => {
                Err(ErrorCode::AccessDenied.into())
            }
        }
    }

    /// Who a form comes from, by the fields that sign its policy (in base64, as it was sent). Names of fields are in lower case.
    ///
    /// # Errors
    /// As [`Gate::admit`]; `InvalidArgument` for a form that is signed in two ways.
    pub fn admit_form<'f>(
        &self,
        field: impl Fn(&str) -> Option<&'f str> + Copy,
        policy: Option<&str>,
        rules: &Rules,
    ) -> Result<Caller, S3Error> {
        let Some(keyring) = &self.keyring else { return Ok(Caller::everyone()) };
        let has_v4 = field("x-amz-signature").is_some() || field("x-amz-algorithm").is_some();
        let has_v2 = field("signature").is_some() || field("awsaccesskeyid").is_some();
        let now_ms = self.clock.now_ms();
        let missing = || S3Error::invalid_argument("policy", "", "Bucket POST must contain a field named 'policy'.");
        let (access_key_id, found, proof) = match (has_v4, has_v2) {
            (false, false) => return Ok(Caller::anonymous()),
            (true, true) => {
                let message = "Only one auth mechanism allowed in a form";
                return Err(S3Error::invalid_argument("signature", "", message));
            }
            (true, false) => {
                let claim = sigv4::PolicyClaim::from_form(field)?;
                claim.check_scope(&self.region, S3)?;
                let found = keyring.find(rules, claim.access_key_id(), claim.security_token(), now_ms)?;
                claim.verify(&found.secret, policy.ok_or_else(missing)?)?;
                (claim.access_key_id().to_owned(), found, Proof::V4Form)
            }
            (false, true) if !self.takes_version_2 => return Err(version_2_is_off()),
            (false, true) => {
                let claim = sigv2::PolicyClaim::from_form(field)?;
                let found = keyring.find(rules, claim.access_key_id(), claim.security_token(), now_ms)?;
                claim.verify(&found.secret, policy.ok_or_else(missing)?)?;
                (claim.access_key_id().to_owned(), found, Proof::V2Form)
            }
        };
        Ok(Caller::new(found.identity, access_key_id, found.session, proof))
    }
}

/// What a signature is checked by.
struct Checked<'a> {
    gate: &'a Gate,
    keyring: &'a Keyring,
    rules: &'a Rules,
    presented: &'a Presented<'a>,
}

impl Checked<'_> {
    fn by_v4(
        &self,
        claim: &sigv4::Claim<'_>,
        services: &[&str],
        payload_line: &str,
        proof: fn(sigv4::Signed) -> Proof,
    ) -> Result<Caller, S3Error> {
        let now_ms = self.gate.clock.now_ms();
        let scope = claim.check_scope(&self.gate.region, services);
        if services == QUERY_SERVICES {
            // IAM has one region, whichever the buckets are in.
            scope.or_else(|refused| claim.check_scope(GLOBAL_REGION, services).map_err(|_| refused))?;
        } else {
            scope?;
        }
        claim.check_time(now_ms)?;
        let id = claim.access_key_id();
        let Found { identity, secret, session } = self.keyring.find(self.rules, id, claim.security_token(), now_ms)?;
        let signed = claim.verify(&secret, &self.presented.head(), payload_line)?;
        Ok(Caller::new(identity, id.to_owned(), session, proof(signed)))
    }

    fn by_v2<'c>(&self, claim: impl FnOnce() -> Result<sigv2::Claim<'c>, S3Error>) -> Result<Caller, S3Error> {
        if !self.gate.takes_version_2 {
            return Err(version_2_is_off());
        }
        let (claim, now_ms) = (claim()?, self.gate.clock.now_ms());
        claim.check_time(now_ms)?;
        let id = claim.access_key_id();
        let Found { identity, secret, session } = self.keyring.find(self.rules, id, claim.security_token(), now_ms)?;
        let Presented { host_bucket, by_base_path, query, .. } = *self.presented;
        let base_path = if by_base_path { self.gate.base_path.as_str() } else { "" };
        claim.verify(&secret, &self.presented.head(), query, sigv2::Naming { host_bucket, base_path })?;
        Ok(Caller::new(identity, id.to_owned(), session, Proof::V2))
    }
}

fn version_2_is_off() -> S3Error {
    let message = "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.";
    S3Error::with_message(ErrorCode::InvalidRequest, message)
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
