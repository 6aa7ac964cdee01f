//! Tokens of OpenID Connect: whether an issuer that is registered says who someone is.
//!
//! A token is parsed strictly ([`token`], [`claims`]), its issuer is found among those that are registered, its times
//! and its audience are checked, and at last its signature, with the keys that the issuer publishes ([`key_set`],
//! [`key_cache`]). Nobody but issuers that an administrator has registered is asked for anything ([`endpoint`],
//! [`fetch`]). Thumbprints of certificates that IAM keeps with an issuer are not used: certificates are checked against
//! authorities ([`roots`]), as AWS does with most issuers.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_oidc.html>

mod algorithm;
mod claims;
mod endpoint;
mod fetch;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod json;
mod key_cache;
mod key_set;
mod roots;
mod token;

pub use endpoint::{ISSUER_MAX_BYTES, IssuerUrl, UrlError};
pub use roots::RootsError;
pub use token::TOKEN_MAX_BYTES;

use crate::auth::token::WebIdentity;
use crate::auth::{provider_arn, provider_name};
use claims::Claims;
use fetch::Fetcher;
use key_cache::KeyCache;
use key_set::{KeyError, KeySet};
use roots::Roots;
use std::path::Path;
use std::sync::Arc;
use token::UnverifiedToken;
use weir_proto::v1::OidcProvider;
use weir_service::clock::Clock;

/// Why a token is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OidcError {
    #[error("the token is malformed: {0}")]
    Malformed(&'static str),
    #[error("the token is signed with {0:?}; RS256, RS384, RS512, PS256, ES256 and ES384 are taken")]
    UnsupportedAlgorithm(String),
    #[error("no OpenID Connect provider is registered for the token's issuer")]
    UnknownIssuer,
    #[error("the token was made for another audience")]
    WrongAudience,
    #[error("the token has expired")]
    Expired,
    #[error("the token is not valid yet")]
    NotYetValid,
    #[error("the token does not name its key, and its issuer has several")]
    KeyNotNamed,
    #[error("the token's issuer has no such key")]
    UnknownKey,
    #[error("the token's signature is not that of its issuer")]
    WrongSignature,
    #[error("the token's issuer can't be asked for its keys: {0}")]
    Unreachable(String),
}

/// What a token says, confirmed by its issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedToken {
    pub web_identity: WebIdentity,
    /// How the subject was authenticated: `amr`.
    pub methods: Vec<String>,
}

impl VerifiedToken {
    /// What trust policies may ask about.
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html#condition-keys-wif>
    pub fn condition_keys(&self) -> Vec<(String, Vec<String>)> {
        let WebIdentity { provider, audience, subject } = &self.web_identity;
        let mut keys = vec![
            ("aws:FederatedProvider".to_owned(), vec![provider_arn(provider)]),
            (format!("{provider}:aud"), vec![audience.clone()]),
            (format!("{provider}:sub"), vec![subject.clone()]),
        ];
        if !self.methods.is_empty() {
            keys.push((format!("{provider}:amr"), self.methods.clone()));
        }
        keys
    }
}

/// Verifies tokens. One for a gateway: it keeps the keys of issuers.
pub struct TokenVerifier {
    keys: KeyCache,
    clock: Arc<dyn Clock>,
}

impl TokenVerifier {
    /// Issuers' certificates are checked against those of a PEM file, or those that the machine trusts.
    ///
    /// # Errors
    /// [`RootsError`] for a file that can't be read or has no certificates.
    pub fn new(authorities: Option<&Path>, clock: Arc<dyn Clock>) -> Result<Self, RootsError> {
        let fetcher = Fetcher::new(Roots::new(authorities)?);
        Ok(Self { keys: KeyCache::new(fetcher, clock.clone()), clock })
    }

    /// Whom a token speaks of. `find` gives the provider that is registered under a name: its URL without the scheme.
    ///
    /// # Errors
    /// [`OidcError`].
    pub async fn verify(
        &self,
        token: &str,
        find: impl FnOnce(&str) -> Option<Arc<OidcProvider>>,
    ) -> Result<VerifiedToken, OidcError> {
        let token = UnverifiedToken::parse(token)?;
        let claims = Claims::parse(&token.claims)?;
        // The scheme counts too: who may speak for http://HOST does not speak for https://HOST.
        let provider = find(provider_name(&claims.iss)).filter(|provider| provider.url == claims.iss);
        let provider = provider.ok_or(OidcError::UnknownIssuer)?;
        let issuer = IssuerUrl::parse(&provider.url).map_err(|_| OidcError::UnknownIssuer)?;
        let verified = claims.check(&provider, issuer.provider(), self.clock.now_ms())?;
        self.check_signature(&issuer, &token).await?;
        Ok(verified)
    }

    async fn check_signature(&self, issuer: &IssuerUrl, token: &UnverifiedToken<'_>) -> Result<(), OidcError> {
        let check = |keys: &KeySet| {
            keys.verify(token.algorithm, token.key_id.as_deref(), token.signed.as_bytes(), &token.signature)
        };
        // What is signed with a key that is not known yet is a reason to ask the issuer again. A bad signature is none,
        // unless the key has no name by which it could be known.
        let suffice = |keys: &KeySet| match check(keys) {
            Ok(()) | Err(KeyError::NotNamed) => true,
            Err(KeyError::Unknown) => false,
            Err(KeyError::WrongSignature) => token.key_id.is_some(),
        };
        let keys = self.keys.keys(issuer, suffice).await?;
        check(&keys).map_err(|error| match error {
            KeyError::NotNamed => OidcError::KeyNotNamed,
            KeyError::Unknown => OidcError::UnknownKey,
            KeyError::WrongSignature => OidcError::WrongSignature,
        })
    }
}
