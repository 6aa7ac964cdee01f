//! Managed policies.
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_Policy.html>

use super::document::{self, DocumentKind};
use super::named_policy::{changeable_policy, policy_of};
use super::paging::Paging;
use super::policy_entities::{Usage, UsageFilter, usage_filter};
use super::rules::{POLICY_DESCRIPTION, POLICY_NAME, POLICY_PATH};
use super::{Call, gone};
use crate::auth::policy_arn;
use crate::query_api::{QueryAnswer, QueryError};
use crate::xml::Writer;
use weir_proto::v1;
use weir_proto::v1::access_entry::Entry;
use weir_proto::v1::change_access_request::Change;

/// Whose policies are listed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    All,
    BuiltIn,
    Local,
}

pub async fn create_policy(call: &Call<'_>) -> Result<QueryAnswer, QueryError> {
    let create = v1::CreatePolicy {
        name: call.parameters.required("PolicyName", &POLICY_NAME)?.to_owned(),
        path: call.parameters.text("Path", &POLICY_PATH)?.unwrap_or("/").to_owned(),
        description: call.parameters.text("Description", &POLICY_DESCRIPTION)?.unwrap_or_default().to_owned(),
        document: document::required(call.parameters, "PolicyDocument", DocumentKind::Managed)?.to_owned(),
    };
    let Entry::Policy(policy) = call.make(Change::CreatePolicy(create)).await? else { return Err(gone()) };
    Ok(whole(&policy, Usage::default()))
}

pub fn get_policy(call: &Call<'_>) -> Result<QueryAnswer, QueryError> {
    let policy = policy_of(call, "PolicyArn")?;
    Ok(whole(policy, Usage::of(call.directory, &policy.name)))
}

/// Without descriptions, as AWS lists them.
pub fn list_policies(call: &Call<'_>) -> Result<QueryAnswer, QueryError> {
    let scopes = [("All", Scope::All), ("AWS", Scope::BuiltIn), ("Local", Scope::Local)];
    let scope = call.parameters.choice("Scope", &scopes)?.unwrap_or(Scope::All);
    let only_attached = call.parameters.boolean("OnlyAttached")?.unwrap_or(false);
    let prefix = call.parameters.text("PathPrefix", &POLICY_PATH)?.unwrap_or("/");
    let filter = usage_filter(call)?;
    let usage = Usage::of_all(call.directory);
    let usage_of = |policy: &v1::ManagedPolicy| usage.get(policy.name.as_str()).copied().unwrap_or_default();
    let is_wanted = |policy: &v1::ManagedPolicy| {
        let of_scope = match scope {
            Scope::All => true,
            Scope::BuiltIn => policy.built_in,
            Scope::Local => !policy.built_in,
        };
        let usage = usage_of(policy);
        let of_usage = match filter {
            UsageFilter::All => !only_attached || usage.attachments > 0,
            UsageFilter::Permissions => usage.attachments > 0,
            UsageFilter::Boundary => usage.boundaries > 0,
        };
        of_scope && of_usage && policy.path.starts_with(prefix)
    };
    let policies = call.directory.policies.iter().filter(|(_, policy)| is_wanted(policy));
    let page = Paging::of(call.parameters)?.take(policies);
    Ok(QueryAnswer::with(|xml| {
        page.write(xml, "Policies", |xml, policy| write_policy(xml, policy, usage_of(policy), false));
    }))
}

pub async fn delete_policy(call: &Call<'_>) -> Result<QueryAnswer, QueryError> {
    let name = changeable_policy(call)?.name.clone();
    call.settle(Change::DeletePolicy(v1::DeletePolicy { name })).await
}

fn whole(policy: &v1::ManagedPolicy, usage: Usage) -> QueryAnswer {
    QueryAnswer::with(|xml| {
        xml.within("Policy", |xml| write_policy(xml, policy, usage, true));
    })
}

/// What answers show of a policy; its description where it is asked for by itself.
pub fn write_policy(xml: &mut Writer, policy: &v1::ManagedPolicy, usage: Usage, with_description: bool) {
    xml.text("PolicyName", &policy.name).text("PolicyId", &policy.id).text("Arn", &policy_arn(policy));
    xml.text("Path", &policy.path).text("DefaultVersionId", &format!("v{}", policy.default_version));
    xml.number("AttachmentCount", usage.attachments).number("PermissionsBoundaryUsageCount", usage.boundaries);
    xml.boolean("IsAttachable", true);
    if with_description && !policy.description.is_empty() {
        xml.text("Description", &policy.description);
    }
    xml.time_in_seconds("CreateDate", policy.created_ms).time_in_seconds("UpdateDate", policy.updated_ms);
}
