//! Roles, which others may take.
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html>

use super::limits::MAX_ROLES;
use super::outcome::{Context, Outcome, room, unused};
use super::principals;
use super::random::{IdKind, id};
use super::validate;
use crate::error::Error;
use weir_proto::v1::access_entry::Entry;
use weir_proto::v1::{AccessKind, CreateRole, DeleteRole, Permissions, Role, UpdateRole};

pub(super) fn create(context: &Context<'_>, request: &CreateRole) -> Result<Outcome, Error> {
    validate::name("name", &request.name)?;
    let path = validate::path(&request.path)?;
    validate::description(&request.description)?;
    validate::trust_document(&request.trust_document)?;
    let max_session_seconds = validate::max_session_seconds(request.max_session_seconds)?;
    let tags = validate::tags(&request.tags)?;
    let directory = context.directory;
    if !request.boundary_policy.is_empty() {
        validate::long_name("boundary_policy", &request.boundary_policy)?;
        directory.policy(&request.boundary_policy)?;
    }
    unused(directory.roles.keys(), "role", &request.name)?;
    room("roles", directory.roles.len(), MAX_ROLES)?;
    Ok(Outcome::put(Entry::Role(Role {
        name: request.name.clone(),
        path,
        id: id(context.clock, IdKind::Role),
        description: request.description.clone(),
        created_ms: context.clock.now_ms(),
        trust_document: request.trust_document.clone(),
        max_session_seconds,
        permissions: Some(Permissions { boundary_policy: request.boundary_policy.clone(), ..Default::default() }),
        tags,
        trust_principals: principals::resolve(directory, &request.trust_principals)?,
    })))
}

pub(super) fn update(context: &Context<'_>, request: &UpdateRole) -> Result<Outcome, Error> {
    validate::name("name", &request.name)?;
    let mut role = context.directory.role(&request.name)?.clone();
    if let Some(description) = &request.description {
        validate::description(description)?;
        role.description.clone_from(description);
    }
    if let Some(seconds) = request.max_session_seconds {
        role.max_session_seconds = validate::max_session_seconds(seconds)?;
    }
    if let Some(trust_document) = &request.trust_document {
        validate::trust_document(trust_document)?;
        role.trust_document.clone_from(trust_document);
        role.trust_principals = principals::resolve(context.directory, &request.trust_principals)?;
    } else {
        principals::of_no_document("trust_principals", &request.trust_principals)?;
    }
    Ok(Outcome::put(Entry::Role(role)))
}

pub(super) fn delete(context: &Context<'_>, request: &DeleteRole) -> Result<Outcome, Error> {
    validate::name("name", &request.name)?;
    let role = context.directory.role(&request.name)?;
    let permissions = role.permissions.clone().unwrap_or_default();
    let held = if !permissions.inline_policies.is_empty() {
        "the role still has inline policies"
    } else if !permissions.attached_policies.is_empty() {
        "policies are still attached to the role"
    } else {
        return Ok(Outcome::removed(AccessKind::Role, &role.name));
    };
    Err(Error::DeleteConflict { name: role.name.clone(), detail: held })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::namespace::access::testing::{DOCUMENT, attach, create_role, detach, holder};
    use crate::testing::Fixture;
    use weir_proto::v1::change_access_request::Change;

    #[tokio::test]
    async fn a_role_is_made_changed_and_removed() {
        let fixture = Fixture::new().await;
        let Some(Entry::Role(role)) = fixture.changed(create_role("backup")).await else { panic!() };
        assert_eq!((&role.id[..4], role.max_session_seconds, role.path.as_str()), ("AROA", 3_600, "/"));
        let update = UpdateRole {
            name: "backup".into(),
            description: Some("café".into()),
            max_session_seconds: Some(7_200),
            ..Default::default()
        };
        let Some(Entry::Role(updated)) = fixture.changed(Change::UpdateRole(update)).await else { panic!() };
        let expected = Role { description: "café".into(), max_session_seconds: 7_200, ..role };
        assert_eq!(updated, expected);
        assert_eq!(updated.trust_document, DOCUMENT);
        let fixture = fixture.restart().await;
        fixture.check_access().await;
        let attached = || holder(AccessKind::Role, "backup");
        let delete = || Change::DeleteRole(DeleteRole { name: "backup".into() });
        fixture.changed(attach(attached(), "IAMFullAccess")).await;
        assert!(matches!(fixture.refusal(delete()).await, Error::DeleteConflict { .. }));
        fixture.changed(detach(attached(), "IAMFullAccess")).await;
        assert!(matches!(fixture.refusal(create_role("BACKUP")).await, Error::EntityExists { .. }));
        assert_eq!(fixture.changed(delete()).await, None);
        assert!(matches!(fixture.refusal(delete()).await, Error::NoSuchEntity { .. }));
        fixture.check_access().await;
    }
}
