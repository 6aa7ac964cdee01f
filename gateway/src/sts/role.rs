//! What both ways of taking a role have in common.

use super::{DURATION_MIN_SECONDS, HOUR_SECONDS, StsApi, session_policies, write_credentials};
use crate::auth::token::{Session, SessionPolicies, TemporaryCredentials, WebIdentity, packed_percent};
use crate::auth::{Directory, Identity, role_arn};
use crate::query_api::{ARN, NAME_PATTERN, Parameters, QueryAnswer, QueryError, QueryErrorCode, TextRule, is_name};
use crate::xml::Writer;
use std::sync::Arc;
use weir_proto::v1::{Role, Tag};

pub(super) const ROLE_ARN: &str = "RoleArn";
pub(super) const ROLE_SESSION_NAME: &str = "RoleSessionName";
pub(super) const DURATION: &str = "DurationSeconds";
/// What no role allows more of.
const DURATION_MAX_SECONDS: u32 = 12 * HOUR_SECONDS;

/// <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>
const SESSION_NAME: TextRule = TextRule { length: 2..=64, pattern: NAME_PATTERN, matches: is_name };

/// What is asked for.
pub(super) struct RoleRequest<'a> {
    pub role_arn: &'a str,
    pub session_name: &'a str,
    /// Absent: an hour.
    duration_seconds: Option<u32>,
    policies: SessionPolicies,
}

/// A session of a role, and its credentials.
pub(super) struct RoleSession {
    session: Session,
    credentials: TemporaryCredentials,
}

impl<'a> RoleRequest<'a> {
    /// # Errors
    /// `ValidationError`, `MalformedPolicyDocument`.
    pub fn of(parameters: &'a Parameters, directory: &Directory) -> Result<Self, QueryError> {
        Ok(Self {
            role_arn: parameters.required(ROLE_ARN, &ARN)?,
            session_name: parameters.required(ROLE_SESSION_NAME, &SESSION_NAME)?,
            duration_seconds: parameters.number(DURATION, DURATION_MIN_SECONDS..=DURATION_MAX_SECONDS)?,
            policies: session_policies::of(parameters, directory)?,
        })
    }

    /// The role that has exactly this ARN.
    pub fn role(&self, directory: &Directory) -> Option<Arc<Role>> {
        let (_, name) = self.role_arn.rsplit_once('/')?;
        directory.roles.get(name).filter(|role| role_arn(&role.path, &role.name) == self.role_arn).cloned()
    }

    /// How long the session will be. A session that was itself begun with a role's credentials has an hour at most.
    ///
    /// # Errors
    /// `ValidationError` for more than the role allows.
    pub fn duration_seconds(&self, role: &Role, is_chained: bool) -> Result<u32, QueryError> {
        let Some(seconds) = self.duration_seconds else { return Ok(HOUR_SECONDS) };
        let refused = |message| Err(QueryError::new(QueryErrorCode::ValidationError, message));
        if seconds > role.max_session_seconds.max(HOUR_SECONDS) {
            return refused("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.");
        }
        if is_chained && seconds > HOUR_SECONDS {
            return refused(
                "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
            );
        }
        Ok(seconds)
    }

    /// # Errors
    /// `PackedPolicyTooLarge`.
    pub fn begin(
        self,
        api: &StsApi,
        role: &Role,
        duration_seconds: u32,
        tags: Vec<Tag>,
        web_identity: Option<WebIdentity>,
    ) -> Result<RoleSession, QueryError> {
        let identity = Identity::AssumedRole {
            role: role.name.clone(),
            path: role.path.clone(),
            role_id: role.id.clone(),
            session: self.session_name.to_owned(),
        };
        let policies = self.policies;
        let session = |issued_ms, expires_ms| Session { identity, issued_ms, expires_ms, policies, tags, web_identity };
        let (session, credentials) = api.issue(session, duration_seconds)?;
        Ok(RoleSession { session, credentials })
    }
}

impl RoleSession {
    /// What an action answers that began it: that of [`RoleSession::write`], and `more`.
    pub fn answer(&self, more: impl FnOnce(&mut Writer)) -> QueryAnswer {
        let answer = QueryAnswer::with(|xml| {
            self.write(xml);
            more(xml);
        });
        answer.issuing(&self.credentials.access_key_id, self.session.identity.to_string())
    }

    /// `TemporaryCredentials`, `AssumedRoleUser`, and `PackedPolicySize` where there are policies or tags.
    fn write(&self, xml: &mut Writer) {
        write_credentials(xml, &self.credentials);
        xml.within("AssumedRoleUser", |xml| {
            xml.text("AssumedRoleId", &self.session.identity.user_id());
            xml.text("Arn", &self.session.identity.arn().unwrap_or_default());
        });
        let percent = packed_percent(&self.session);
        if percent > 0 {
            xml.number("PackedPolicySize", percent as u64);
        }
    }
}
