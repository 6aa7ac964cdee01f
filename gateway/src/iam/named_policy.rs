//! The managed policy that a request names.

use super::Call;
use crate::auth::policy_arn;
use crate::query_api::{ARN, QueryError, QueryErrorCode};
use weir_proto::v1;

/// The managed policy whose ARN is in the parameter `name`.
///
/// # Errors
/// `ValidationError`, `NoSuchEntity`.
pub fn policy_of<'a>(call: &Call<'a>, name: &str) -> Result<&'a v1::ManagedPolicy, QueryError> {
    let arn = call.parameters.required(name, &ARN)?;
    let found = call.directory.policy_by_arn(arn);
    found.map(|policy| &**policy).ok_or_else(|| {
        QueryError::new(QueryErrorCode::NoSuchEntity, format!("Policy {arn} does not exist or is not attachable."))
    })
}

/// The same for a change of the policy itself.
///
/// # Errors
/// As [`policy_of`]; `AccessDenied` for a policy that is part of the system, as AWS answers for its own.
pub fn changeable_policy<'a>(call: &Call<'a>) -> Result<&'a v1::ManagedPolicy, QueryError> {
    let policy = policy_of(call, "PolicyArn")?;
    if policy.built_in {
        let message = format!("The policy {} is part of the system and can't be changed.", policy_arn(policy));
        return Err(QueryError::new(QueryErrorCode::AccessDenied, message));
    }
    Ok(policy)
}
