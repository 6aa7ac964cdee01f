//! AssumeRoleWithWebIdentity: temporary credentials of a role for someone whom an issuer vouches for. It needs no
//! credentials: the issuer's token is what proves.
//! <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html>

use super::role::{DURATION, ROLE_ARN, ROLE_SESSION_NAME, RoleRequest};
use super::session_policies::{POLICY, POLICY_ARNS};
use super::trust::{TrustAsk, trusts_federated};
use super::{StsApi, StsRequest};
use crate::auth::policy::Facts;
use crate::oidc::{TOKEN_MAX_BYTES, VerifiedToken};
use crate::query_api::{QueryAnswer, QueryError, QueryErrorCode, TextRule};

const TOKEN: &str = "WebIdentityToken";
/// `ProviderId` is for the access tokens of other protocols.
const KNOWN: &[&str] = &[ROLE_ARN, ROLE_SESSION_NAME, DURATION, POLICY, POLICY_ARNS, TOKEN];
const ACTION: &str = "sts:AssumeRoleWithWebIdentity";

const TOKEN_TEXT: TextRule = TextRule { length: 4..=TOKEN_MAX_BYTES, pattern: "", matches: |_| true };

pub(super) async fn assume_role_with_web_identity(
    api: &StsApi,
    request: &StsRequest<'_>,
) -> Result<QueryAnswer, QueryError> {
    let parameters = request.parameters;
    parameters.check_known(KNOWN)?;
    // Its value is a secret, which the error of a rule would show.
    let token = parameters.get(TOKEN).unwrap_or_default();
    if TOKEN_TEXT.check(TOKEN, token).is_err() {
        let message = format!("The WebIdentityToken is missing, or has not 4 to {TOKEN_MAX_BYTES} characters.");
        return Err(QueryError::new(QueryErrorCode::ValidationError, message));
    }
    let asked = RoleRequest::of(parameters, request.directory)?;
    let verified = api.verifier.verify(token, |name| request.directory.providers.get(name).cloned()).await?;

    let facts = facts(request.facts, asked.session_name, &verified);
    let trusted = asked.role(request.directory).filter(|role| {
        trusts_federated(&TrustAsk { role, role_arn: asked.role_arn, actions: &[ACTION], facts: &facts })
    });
    let role = trusted
        .ok_or_else(|| QueryError::new(QueryErrorCode::AccessDenied, format!("Not authorized to perform {ACTION}")))?;

    let seconds = asked.duration_seconds(&role, false)?;
    let issuer = request.directory.providers.get(&verified.web_identity.provider).map(|provider| provider.url.clone());
    let web_identity = verified.web_identity.clone();
    let session = asked.begin(api, &role, seconds, Vec::new(), Some(web_identity))?;
    Ok(session.answer(|xml| {
        xml.text("SubjectFromWebIdentityToken", &verified.web_identity.subject);
        xml.text("Provider", &issuer.unwrap_or_default());
        xml.text("Audience", &verified.web_identity.audience);
    }))
}

fn facts(of_request: &Facts, session_name: &str, verified: &VerifiedToken) -> Facts {
    let mut facts = of_request.clone();
    facts.add("sts:RoleSessionName", session_name);
    for (key, values) in verified.condition_keys() {
        for value in values {
            facts.add(&key, value);
        }
    }
    facts
}

#[cfg(test)]
mod tests {
    use super::super::testing::Account;
    use crate::auth::Identity;
    use crate::query_api::QueryErrorCode;
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64_URL;

    const FORM: &str = "Action=AssumeRoleWithWebIdentity&RoleSessionName=monday-1\
                        &RoleArn=arn:aws:iam::000000000000:role/reader";

    fn form(token: &str) -> String {
        format!("{FORM}&WebIdentityToken={token}")
    }

    #[tokio::test]
    async fn a_token_that_is_none_is_refused_and_not_shown() {
        let account = Account::new();
        for token in ["", "abc", &"x".repeat(super::TOKEN_MAX_BYTES + 1)] {
            let error = account.ask(&Identity::Anonymous, &form(token)).await.unwrap_err();
            assert_eq!(error.code(), QueryErrorCode::ValidationError);
            assert!(token.is_empty() || !error.message().contains(token));
        }
        assert_eq!(account.refused(&Identity::Anonymous, FORM).await, QueryErrorCode::ValidationError);
        assert_eq!(account.refused(&Identity::Anonymous, &form("a.b.c")).await, QueryErrorCode::InvalidIdentityToken);
    }

    #[tokio::test]
    async fn a_token_of_an_issuer_that_is_not_registered_is_refused() {
        let claims = r#"{"iss":"https://id.example.com","sub":"a","aud":"app","exp":9999999999,"iat":0}"#;
        let token = format!("{}.{}.c2ln", BASE64_URL.encode(r#"{"alg":"ES256","kid":"a"}"#), BASE64_URL.encode(claims));
        let error = Account::new().ask(&Identity::Anonymous, &form(&token)).await.unwrap_err();
        assert_eq!(error.code(), QueryErrorCode::InvalidIdentityToken);
        assert_eq!(error.message(), "no OpenID Connect provider is registered for the token's issuer");
    }

    #[tokio::test]
    async fn parameters_of_other_protocols_are_refused() {
        let form = format!("{}&ProviderId=www.amazon.com", form("a.b.c"));
        let code = Account::new().refused(&Identity::Anonymous, &form).await;
        assert_eq!(code, QueryErrorCode::InvalidQueryParameter);
    }
}
