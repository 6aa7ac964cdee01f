//! What bounds a session: `Policy` and `PolicyArns`.
//! <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>

use crate::auth::Directory;
use crate::auth::policy::{DocumentKind, PolicyDocument};
use crate::auth::token::SessionPolicies;
use crate::query_api::{ARN, Parameters, QueryError, QueryErrorCode, TextRule};

pub(super) const POLICY: &str = "Policy";
pub(super) const POLICY_ARNS: &str = "PolicyArns";
/// Managed policies of a session.
const POLICY_ARNS_MAX: usize = 10;

const POLICY_TEXT: TextRule = TextRule {
    length: 1..=2048,
    pattern: "[\\u0009\\u000A\\u000D\\u0020-\\u00FF]+",
    matches: |text| text.chars().all(|c| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{ff}')),
};

/// # Errors
/// `MalformedPolicyDocument`; `ValidationError` for texts that are too long and for policies that do not exist.
pub(super) fn of(parameters: &Parameters, directory: &Directory) -> Result<SessionPolicies, QueryError> {
    let inline = parameters.text(POLICY, &POLICY_TEXT)?;
    if let Some(text) = inline {
        PolicyDocument::parse(&DocumentKind::Session, text)
            .map_err(|error| QueryError::new(QueryErrorCode::MalformedPolicyDocument, error.to_string()))?;
    }
    let mut managed_ids = Vec::new();
    for structure in parameters.structures(POLICY_ARNS, &["arn"], POLICY_ARNS_MAX)?.unwrap_or_default() {
        let arn = structure.get("arn").copied().unwrap_or_default();
        ARN.check("PolicyArns.member.arn", arn)?;
        let policy = directory.policy_by_arn(arn).ok_or_else(|| no_such_policy(arn))?;
        managed_ids.push(policy.id.clone());
    }
    Ok(SessionPolicies { inline: inline.map(str::to_owned), managed_ids })
}

fn no_such_policy(arn: &str) -> QueryError {
    QueryError::new(QueryErrorCode::ValidationError, format!("The policy {arn} does not exist."))
}
