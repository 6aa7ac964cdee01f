//! Versions of managed policies.
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_PolicyVersion.html>

use super::document::{self, DocumentKind};
use super::named_policy::{changeable_policy, policy_of};
use super::paging::Paging;
use super::rules::VERSION_ID;
use super::{Call, gone};
use crate::query_api::{QueryAnswer, QueryError, QueryErrorCode};
use crate::xml::Writer;
use weir_proto::v1;
use weir_proto::v1::access_entry::Entry;
use weir_proto::v1::change_access_request::Change;

pub async fn create_policy_version(call: &Call<'_>) -> Result<QueryAnswer, QueryError> {
    let create = v1::CreatePolicyVersion {
        policy_name: changeable_policy(call)?.name.clone(),
        document: document::required(call.parameters, "PolicyDocument", DocumentKind::Managed)?.to_owned(),
        set_as_default: call.parameters.boolean("SetAsDefault")?.unwrap_or(false),
    };
    let Entry::Policy(policy) = call.make(Change::CreatePolicyVersion(create)).await? else { return Err(gone()) };
    // Versions are listed by falling number, so the first is the one that was made.
    let version = policy.versions.first().ok_or_else(gone)?;
    Ok(QueryAnswer::with(|xml| {
        xml.within("PolicyVersion", |xml| write_version(xml, &policy, version));
    }))
}

pub fn get_policy_version(call: &Call<'_>) -> Result<QueryAnswer, QueryError> {
    let policy = policy_of(call, "PolicyArn")?;
    let number = version_number(call)?;
    let version = policy.versions.iter().find(|version| Some(version.number) == number);
    let version = version.ok_or_else(|| no_such_version(call))?;
    Ok(QueryAnswer::with(|xml| {
        xml.within("PolicyVersion", |xml| {
            xml.text("Document", &document::encoded(&version.document));
            write_version(xml, policy, version);
        });
    }))
}

/// Newest first, without documents.
pub fn list_policy_versions(call: &Call<'_>) -> Result<QueryAnswer, QueryError> {
    let policy = policy_of(call, "PolicyArn")?;
    let by_age = |version: &v1::PolicyVersion| format!("{:010}", u32::MAX - version.number);
    let page = Paging::of(call.parameters)?.take(policy.versions.iter().map(|version| (by_age(version), version)));
    Ok(QueryAnswer::with(|xml| page.write(xml, "Versions", |xml, version| write_version(xml, policy, version))))
}

pub async fn delete_policy_version(call: &Call<'_>) -> Result<QueryAnswer, QueryError> {
    let (policy_name, number) = version_to_change(call)?;
    call.settle(Change::DeletePolicyVersion(v1::DeletePolicyVersion { policy_name, number })).await
}

pub async fn set_default_policy_version(call: &Call<'_>) -> Result<QueryAnswer, QueryError> {
    let (policy_name, number) = version_to_change(call)?;
    call.settle(Change::SetDefaultPolicyVersion(v1::SetDefaultPolicyVersion { policy_name, number })).await
}

fn version_to_change(call: &Call<'_>) -> Result<(String, u32), QueryError> {
    let policy_name = changeable_policy(call)?.name.clone();
    let number = version_number(call)?.ok_or_else(|| no_such_version(call))?;
    Ok((policy_name, number))
}

/// None: as no version is named here.
fn version_number(call: &Call<'_>) -> Result<Option<u32>, QueryError> {
    let id = call.parameters.required("VersionId", &VERSION_ID)?;
    Ok(id.strip_prefix('v').and_then(|number| number.parse().ok()))
}

fn no_such_version(call: &Call<'_>) -> QueryError {
    let of = |name| call.parameters.get(name).unwrap_or_default();
    let message = format!("Policy {} version {} does not exist.", of("PolicyArn"), of("VersionId"));
    QueryError::new(QueryErrorCode::NoSuchEntity, message)
}

/// All but the document.
pub fn write_version(xml: &mut Writer, policy: &v1::ManagedPolicy, version: &v1::PolicyVersion) {
    xml.text("VersionId", &format!("v{}", version.number));
    xml.boolean("IsDefaultVersion", version.number == policy.default_version);
    xml.time_in_seconds("CreateDate", version.created_ms);
}
