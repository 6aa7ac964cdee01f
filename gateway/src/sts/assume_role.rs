//! AssumeRole: temporary credentials of a role for someone with credentials of the account.
//! <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>

use super::role::{DURATION, ROLE_ARN, ROLE_SESSION_NAME, RoleRequest};
use super::session_policies::{POLICY, POLICY_ARNS};
use super::trust::{TrustAsk, trusts_caller};
use super::{StsApi, StsRequest};
use crate::auth::Identity;
use crate::auth::policy::Facts;
use crate::query_api::{QueryAnswer, QueryError, QueryErrorCode, TextRule};
use weir_proto::v1::Tag;

const EXTERNAL_ID: &str = "ExternalId";
const TAGS: &str = "Tags";
/// There is no second factor, no source identity and no tag that outlives its session: whoever asks for one is refused.
const KNOWN: &[&str] = &[ROLE_ARN, ROLE_SESSION_NAME, DURATION, POLICY, POLICY_ARNS, EXTERNAL_ID, TAGS];

const EXTERNAL_ID_TEXT: TextRule = TextRule {
    length: 2..=1224,
    pattern: "[\\w+=,.@:\\/-]*",
    matches: |text| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+=,.@:/-".contains(&byte)),
};

pub(super) fn assume_role(api: &StsApi, request: &StsRequest<'_>) -> Result<QueryAnswer, QueryError> {
    let parameters = request.parameters;
    parameters.check_known(KNOWN)?;
    if *request.identity == Identity::Root {
        return Err(QueryError::new(QueryErrorCode::AccessDenied, "Roles may not be assumed by root accounts."));
    }
    let asked = RoleRequest::of(parameters, request.directory)?;
    let external_id = parameters.text(EXTERNAL_ID, &EXTERNAL_ID_TEXT)?;
    let tags = parameters.tags(TAGS)?.unwrap_or_default();

    let facts = facts(request.facts, asked.session_name, external_id, &tags);
    let actions: &[&str] = if tags.is_empty() { &["sts:AssumeRole"] } else { &["sts:AssumeRole", "sts:TagSession"] };
    let trusted = asked
        .role(request.directory)
        .filter(|role| trusts_caller(request, &TrustAsk { role, role_arn: asked.role_arn, actions, facts: &facts }));
    // Whether there is such a role is not for everyone to know.
    let role = trusted.ok_or_else(|| refused(request.identity, asked.role_arn))?;

    let is_chained = matches!(request.identity, Identity::AssumedRole { .. });
    let seconds = asked.duration_seconds(&role, is_chained)?;
    let session = asked.begin(api, &role, seconds, tags, None)?;
    Ok(session.answer(|_| {}))
}

/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html>
fn facts(of_request: &Facts, session_name: &str, external_id: Option<&str>, tags: &[Tag]) -> Facts {
    let mut facts = of_request.clone();
    facts.add("sts:RoleSessionName", session_name);
    if let Some(external_id) = external_id {
        facts.add("sts:ExternalId", external_id);
    }
    for tag in tags {
        facts.add(&format!("aws:RequestTag/{}", tag.key), tag.value.clone());
        facts.add("aws:TagKeys", tag.key.clone());
    }
    facts
}

fn refused(identity: &Identity, role_arn: &str) -> QueryError {
    let message = format!("User: {identity} is not authorized to perform: sts:AssumeRole on resource: {role_arn}");
    QueryError::new(QueryErrorCode::AccessDenied, message)
}

#[cfg(test)]
#[path = "assume_role_tests.rs"]
mod tests;
