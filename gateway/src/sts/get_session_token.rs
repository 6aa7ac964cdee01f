//! GetSessionToken: temporary credentials of one's own. They may do in S3 what their user may, and there is no policy
//! that forbids asking for them.
//! <https://docs.aws.amazon.com/STS/latest/APIReference/API_GetSessionToken.html>

use super::role::DURATION;
use super::{DURATION_MIN_SECONDS, HOUR_SECONDS, StsApi, StsRequest, write_credentials};
use crate::auth::Identity;
use crate::auth::token::{Session, SessionPolicies};
use crate::query_api::{QueryAnswer, QueryError};

const DURATION_DEFAULT_SECONDS: u32 = 12 * HOUR_SECONDS;
const DURATION_MAX_SECONDS: u32 = 36 * HOUR_SECONDS;

pub(super) fn get_session_token(api: &StsApi, request: &StsRequest<'_>) -> Result<QueryAnswer, QueryError> {
    request.parameters.check_known(&[DURATION])?;
    let asked = request.parameters.number(DURATION, DURATION_MIN_SECONDS..=DURATION_MAX_SECONDS)?;
    let mut seconds = asked.unwrap_or(DURATION_DEFAULT_SECONDS);
    if *request.identity == Identity::Root {
        seconds = seconds.min(HOUR_SECONDS);
    }
    let session = |issued_ms, expires_ms| Session {
        identity: request.identity.clone(),
        issued_ms,
        expires_ms,
        policies: SessionPolicies::default(),
        tags: Vec::new(),
        web_identity: None,
    };
    let (_, credentials) = api.issue(session, seconds)?;
    let answer = QueryAnswer::with(|xml| write_credentials(xml, &credentials));
    Ok(answer.issuing(&credentials.access_key_id, request.identity.to_string()))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Account, NOW_MS, alice, clerk, session};
    use crate::auth::Identity;
    use crate::query_api::QueryErrorCode;

    async fn lasts_seconds(identity: &Identity, form: &str) -> i64 {
        let account = Account::new();
        let session = account.session_of(&account.ask(identity, form).await.unwrap());
        assert_eq!(session.identity, *identity);
        (session.expires_ms - NOW_MS + 250) / 1000
    }

    #[tokio::test]
    async fn credentials_last_twelve_hours_or_as_asked() {
        assert_eq!(lasts_seconds(&alice(), "Action=GetSessionToken").await, 43_200);
        assert_eq!(lasts_seconds(&alice(), "Action=GetSessionToken&DurationSeconds=900").await, 900);
        assert_eq!(lasts_seconds(&alice(), "Action=GetSessionToken&DurationSeconds=129600").await, 129_600);
    }

    #[tokio::test]
    async fn the_root_has_an_hour_at_most() {
        assert_eq!(lasts_seconds(&Identity::Root, "Action=GetSessionToken").await, 3600);
        assert_eq!(lasts_seconds(&Identity::Root, "Action=GetSessionToken&DurationSeconds=129600").await, 3600);
        assert_eq!(lasts_seconds(&Identity::Root, "Action=GetSessionToken&DurationSeconds=900").await, 900);
    }

    #[tokio::test]
    async fn times_out_of_range_and_second_factors_are_refused() {
        for (more, code) in [
            ("DurationSeconds=899", QueryErrorCode::ValidationError),
            ("DurationSeconds=129601", QueryErrorCode::ValidationError),
            ("SerialNumber=arn:aws:iam::000000000000:mfa/alice", QueryErrorCode::InvalidQueryParameter),
        ] {
            let form = format!("Action=GetSessionToken&{more}");
            assert_eq!(Account::new().refused(&alice(), &form).await, code, "{more}");
        }
    }

    #[tokio::test]
    async fn temporary_credentials_get_no_more_of_them() {
        let account = Account::new();
        for identity in [alice(), clerk(), Identity::Root] {
            let session = session(identity.clone());
            let answer = account.ask_under(&identity, Some(&session), "Action=GetSessionToken").await;
            assert_eq!(answer.unwrap_err().message(), "Cannot call GetSessionToken with session credentials");
        }
    }
}
