//! Roles.
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_Role.html>

use super::boundaries::{boundary_parameter, write_boundary};
use super::document;
use super::holder::{Holder, HolderKind};
use super::paging::Paging;
use super::rules::{PATH, PATH_PREFIX, ROLE_DESCRIPTION, ROLE_NAME};
use super::tags::write_tags;
use super::{Call, gone};
use crate::auth::policy::as_of_now;
use crate::auth::{Directory, role_arn};
use crate::query_api::{QueryAnswer, QueryError};
use crate::xml::Writer;
use std::ops::RangeInclusive;
use weir_proto::v1;
use weir_proto::v1::access_entry::Entry;
use weir_proto::v1::change_access_request::Change;

/// How long a session of a role may be at most, in seconds.
const SESSION_SECONDS: RangeInclusive<u32> = 3600..=43_200;

pub async fn create_role(call: &Call<'_>) -> Result<QueryAnswer, QueryError> {
    let (trust_document, trust_principals) = document::trust(call.parameters, "AssumeRolePolicyDocument")?;
    let create = v1::CreateRole {
        name: call.parameters.required("RoleName", &ROLE_NAME)?.to_owned(),
        path: call.parameters.text("Path", &PATH)?.unwrap_or("/").to_owned(),
        description: description(call)?.unwrap_or_default(),
        trust_document,
        trust_principals,
        max_session_seconds: call.parameters.number("MaxSessionDuration", SESSION_SECONDS)?.unwrap_or_default(),
        tags: call.parameters.tags("Tags")?.unwrap_or_default(),
        boundary_policy: boundary_parameter(call)?.unwrap_or_default(),
    };
    let Entry::Role(role) = call.make(Change::CreateRole(create)).await? else { return Err(gone()) };
    Ok(whole(call.directory, &role))
}

pub fn get_role(call: &Call<'_>) -> Result<QueryAnswer, QueryError> {
    let name = call.holder_name(HolderKind::Role)?;
    let role = call.directory.roles.get(name).ok_or_else(|| HolderKind::Role.no_such(name))?;
    Ok(whole(call.directory, role))
}

/// Without tags and boundaries, as AWS lists them.
pub fn list_roles(call: &Call<'_>) -> Result<QueryAnswer, QueryError> {
    let prefix = call.parameters.text("PathPrefix", &PATH_PREFIX)?.unwrap_or("/");
    let roles = call.directory.roles.iter().filter(|(_, role)| role.path.starts_with(prefix));
    let page = Paging::of(call.parameters)?.take(roles);
    Ok(QueryAnswer::with(|xml| page.write(xml, "Roles", |xml, role| write_role(xml, call.directory, role))))
}

/// The answer has a result without members.
pub async fn update_role(call: &Call<'_>) -> Result<QueryAnswer, QueryError> {
    let update = v1::UpdateRole {
        name: call.holder_name(HolderKind::Role)?.to_owned(),
        description: description(call)?,
        max_session_seconds: call.parameters.number("MaxSessionDuration", SESSION_SECONDS)?,
        ..Default::default()
    };
    call.change(Change::UpdateRole(update)).await?;
    Ok(QueryAnswer::with(|_| {}))
}

pub async fn update_role_description(call: &Call<'_>) -> Result<QueryAnswer, QueryError> {
    let update = v1::UpdateRole {
        name: call.holder_name(HolderKind::Role)?.to_owned(),
        description: Some(description(call)?.ok_or_else(|| QueryError::missing("Description"))?),
        ..Default::default()
    };
    let Entry::Role(role) = call.make(Change::UpdateRole(update)).await? else { return Err(gone()) };
    Ok(whole(call.directory, &role))
}

pub async fn update_assume_role_policy(call: &Call<'_>) -> Result<QueryAnswer, QueryError> {
    let (trust_document, trust_principals) = document::trust(call.parameters, "PolicyDocument")?;
    let update = v1::UpdateRole {
        name: call.holder_name(HolderKind::Role)?.to_owned(),
        trust_document: Some(trust_document),
        trust_principals,
        ..Default::default()
    };
    call.settle(Change::UpdateRole(update)).await
}

pub async fn delete_role(call: &Call<'_>) -> Result<QueryAnswer, QueryError> {
    let name = call.holder_name(HolderKind::Role)?.to_owned();
    call.settle(Change::DeleteRole(v1::DeleteRole { name })).await
}

fn description(call: &Call<'_>) -> Result<Option<String>, QueryError> {
    Ok(call.parameters.text("Description", &ROLE_DESCRIPTION)?.map(str::to_owned))
}

fn whole(directory: &Directory, role: &v1::Role) -> QueryAnswer {
    QueryAnswer::with(|xml| {
        xml.within("Role", |xml| {
            write_role(xml, directory, role);
            write_boundary(xml, directory, Holder::of_role(role).permissions);
            write_tags(xml, &role.tags);
        });
    })
}

/// What lists show of a role.
fn write_role(xml: &mut Writer, directory: &Directory, role: &v1::Role) {
    write_role_head(xml, directory, role);
    if !role.description.is_empty() {
        xml.text("Description", &role.description);
    }
    xml.number("MaxSessionDuration", role.max_session_seconds.into());
}

/// What every answer shows of a role.
pub fn write_role_head(xml: &mut Writer, directory: &Directory, role: &v1::Role) {
    xml.text("Path", &role.path).text("RoleName", &role.name).text("RoleId", &role.id);
    xml.text("Arn", &role_arn(&role.path, &role.name)).time_in_seconds("CreateDate", role.created_ms);
    let arn_now = |principal: &v1::PrincipalId| directory.principal_arn(principal);
    let trust = as_of_now(&role.trust_document, &role.trust_principals, arn_now);
    xml.text("AssumeRolePolicyDocument", &document::encoded(&trust));
}
