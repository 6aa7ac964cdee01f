//! AWS's Security Token Service: temporary credentials for identities that are known, and for those that an issuer of
//! OpenID Connect tokens vouches for. One file for each action.
//! <https://docs.aws.amazon.com/STS/latest/APIReference/welcome.html>
//!
//! | file | subject |
//! |---|---|
//! | [`action`] | the actions by name |
//! | [`role`] | what both ways of taking a role have in common |
//! | [`session_policies`] | what bounds a session |
//! | [`trust`] | may this one take that role? |
//! | [`refusal`] | failures in the words of STS |

mod action;
mod assume_role;
mod assume_role_with_web_identity;
mod get_access_key_info;
mod get_caller_identity;
mod get_session_token;
mod refusal;
mod role;
mod session_policies;
mod trust;

pub use action::StsAction;

use crate::auth::policy::{Facts, Sources};
use crate::auth::token::{Session, SessionTokens, TemporaryCredentials};
use crate::auth::{Directory, Identity};
use crate::oidc::TokenVerifier;
use crate::query_api::{Parameters, QueryAnswer, QueryError, QueryErrorCode};
use crate::xml::Writer;
use std::sync::Arc;
use weir_service::clock::Clock;

/// The shortest session, in seconds.
const DURATION_MIN_SECONDS: u32 = 900;
const HOUR_SECONDS: u32 = 3_600;

/// What the actions use.
pub struct StsApi {
    tokens: SessionTokens,
    verifier: TokenVerifier,
    clock: Arc<dyn Clock>,
    /// The id of the root key; empty: none.
    root_access_key_id: String,
}

/// A request, and what is known of whoever sent it.
#[derive(Clone, Copy)]
pub struct StsRequest<'a> {
    pub parameters: &'a Parameters,
    pub identity: &'a Identity,
    /// Where it was sent under temporary credentials.
    pub session: Option<&'a Session>,
    /// Condition keys of the request.
    pub facts: &'a Facts,
    pub directory: &'a Directory,
    /// The policies of whoever asks; `bucket` is not looked at.
    pub sources: Sources<'a>,
}

impl StsApi {
    pub fn new(
        tokens: SessionTokens,
        verifier: TokenVerifier,
        clock: Arc<dyn Clock>,
        root_access_key_id: impl Into<String>,
    ) -> Self {
        Self { tokens, verifier, clock, root_access_key_id: root_access_key_id.into() }
    }

    /// TemporaryCredentials from now on for so many seconds. Answers tell times in whole seconds, and so the end is one.
    fn issue(
        &self,
        session: impl FnOnce(i64, i64) -> Session,
        seconds: u32,
    ) -> Result<(Session, TemporaryCredentials), QueryError> {
        let now_ms = self.clock.now_ms();
        let session = session(now_ms, (now_ms / 1000 + i64::from(seconds)) * 1000);
        let credentials = self.tokens.issue(&session)?;
        Ok((session, credentials))
    }
}

/// Performs an action.
///
/// # Errors
/// `MissingAuthenticationToken` and `AccessDenied` for those who may not; what the action refuses with.
pub async fn perform(api: &StsApi, action: StsAction, request: &StsRequest<'_>) -> Result<QueryAnswer, QueryError> {
    check_credentials(action, request)?;
    match action {
        StsAction::AssumeRole => assume_role::assume_role(api, request),
        StsAction::AssumeRoleWithWebIdentity => {
            assume_role_with_web_identity::assume_role_with_web_identity(api, request).await
        }
        StsAction::GetAccessKeyInfo => get_access_key_info::get_access_key_info(api, request),
        StsAction::GetCallerIdentity => get_caller_identity::get_caller_identity(request),
        StsAction::GetSessionToken => get_session_token::get_session_token(api, request),
    }
}

/// What can be called with which credentials.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_sts-comparison.html>
fn check_credentials(action: StsAction, request: &StsRequest<'_>) -> Result<(), QueryError> {
    let needs_credentials = action != StsAction::AssumeRoleWithWebIdentity;
    if needs_credentials && *request.identity == Identity::Anonymous {
        return Err(QueryErrorCode::MissingAuthenticationToken.into());
    }
    let is_of_role = matches!(request.identity, Identity::AssumedRole { .. });
    let is_open_to_sessions = match action {
        StsAction::AssumeRole | StsAction::AssumeRoleWithWebIdentity | StsAction::GetCallerIdentity => true,
        StsAction::GetAccessKeyInfo => is_of_role,
        StsAction::GetSessionToken => false,
    };
    if request.session.is_some() && !is_open_to_sessions {
        let message = format!("Cannot call {} with session credentials", action.name());
        return Err(QueryError::new(QueryErrorCode::AccessDenied, message));
    }
    Ok(())
}

fn write_credentials(xml: &mut Writer, credentials: &TemporaryCredentials) {
    xml.within("Credentials", |xml| {
        xml.text("AccessKeyId", &credentials.access_key_id);
        xml.text("SecretAccessKey", &credentials.secret_access_key);
        xml.text("SessionToken", &credentials.session_token);
        xml.time_in_seconds("Expiration", credentials.expires_ms);
    });
}

#[cfg(test)]
mod testing;
