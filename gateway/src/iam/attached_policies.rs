//! Managed policies that users, groups and roles have.
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_AttachUserPolicy.html>

use super::Call;
use super::holder::HolderKind;
use super::named_policy::policy_of;
use super::paging::Paging;
use super::rules::POLICY_PATH;
use crate::auth::{Directory, policy_arn};
use crate::query_api::{QueryAnswer, QueryError};
use crate::xml::Writer;
use weir_proto::v1;
use weir_proto::v1::change_access_request::Change;

pub async fn attach_policy(call: &Call<'_>, kind: HolderKind) -> Result<QueryAnswer, QueryError> {
    let holder = kind.named(call.holder_name(kind)?);
    let policy_name = policy_of(call, "PolicyArn")?.name.clone();
    call.settle(Change::AttachPolicy(v1::AttachPolicy { holder, policy_name })).await
}

pub async fn detach_policy(call: &Call<'_>, kind: HolderKind) -> Result<QueryAnswer, QueryError> {
    let holder = kind.named(call.holder_name(kind)?);
    let policy_name = policy_of(call, "PolicyArn")?.name.clone();
    call.settle(Change::DetachPolicy(v1::DetachPolicy { holder, policy_name })).await
}

pub fn list_attached_policies(call: &Call<'_>, kind: HolderKind) -> Result<QueryAnswer, QueryError> {
    let prefix = call.parameters.text("PathPrefix", &POLICY_PATH)?.unwrap_or("/");
    let attached = attached(call.directory, call.holder(kind)?.permissions);
    let with_prefix = attached.filter(|policy| policy.path.starts_with(prefix));
    let page = Paging::of(call.parameters)?.take(with_prefix.map(|policy| (&policy.name, policy)));
    Ok(QueryAnswer::with(|xml| page.write(xml, "AttachedPolicies", |xml, policy| write_attached(xml, policy))))
}

/// The managed policies that someone has, by name.
pub fn attached<'a>(
    directory: &'a Directory,
    permissions: &'a v1::Permissions,
) -> impl Iterator<Item = &'a v1::ManagedPolicy> {
    permissions.attached_policies.iter().filter_map(|name| directory.policies.get(name).map(|policy| &**policy))
}

/// How a policy stands in a list of what someone has.
pub fn write_attached(xml: &mut Writer, policy: &v1::ManagedPolicy) {
    xml.text("PolicyName", &policy.name).text("PolicyArn", &policy_arn(policy));
}
