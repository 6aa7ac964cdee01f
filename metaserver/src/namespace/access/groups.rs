//! Groups of users, and who is in them. A user names its groups.
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateGroup.html>

use super::directory::Name;
use super::limits::{MAX_GROUPS, MAX_GROUPS_PER_USER};
use super::outcome::{Context, Outcome, room, unused};
use super::random::{IdKind, id};
use super::validate;
use crate::error::Error;
use weir_proto::v1::access_entry::Entry;
use weir_proto::v1::{AccessKind, ChangeMembership, CreateGroup, DeleteGroup, Group, Permissions, UpdateGroup, User};

pub(super) fn create(context: &Context<'_>, request: &CreateGroup) -> Result<Outcome, Error> {
    validate::long_name("name", &request.name)?;
    let path = validate::path(&request.path)?;
    unused(context.directory.groups.keys(), "group", &request.name)?;
    room("groups", context.directory.groups.len(), MAX_GROUPS)?;
    Ok(Outcome::put(Entry::Group(Group {
        name: request.name.clone(),
        path,
        id: id(context.clock, IdKind::Group),
        created_ms: context.clock.now_ms(),
        permissions: Some(Permissions::default()),
    })))
}

/// Its members name it by its new name.
pub(super) fn update(context: &Context<'_>, request: &UpdateGroup) -> Result<Outcome, Error> {
    validate::long_name("name", &request.name)?;
    let new_path = request.new_path.as_deref().map(validate::path).transpose()?;
    if let Some(new_name) = &request.new_name {
        validate::long_name("new_name", new_name)?;
    }
    let directory = context.directory;
    let mut group = directory.group(&request.name)?.clone();
    if let Some(new_path) = new_path {
        group.path = new_path;
    }
    let mut members = Vec::new();
    if let Some(new_name) = request.new_name.as_ref().filter(|new_name| **new_name != group.name) {
        let others = directory.groups.keys().filter(|taken| **taken != group.name);
        unused(others, "group", new_name)?;
        group.name.clone_from(new_name);
        let moved = |user: &User| with_group(&without_group(user, &request.name), new_name);
        members.extend(directory.members(&request.name).map(moved).map(Entry::User));
    }
    let mut outcome = Outcome::moved(Name::new(AccessKind::Group, &request.name), Entry::Group(group));
    outcome.entries.extend(members);
    Ok(outcome)
}

pub(super) fn delete(context: &Context<'_>, request: &DeleteGroup) -> Result<Outcome, Error> {
    validate::long_name("name", &request.name)?;
    let group = context.directory.group(&request.name)?;
    let permissions = group.permissions.clone().unwrap_or_default();
    let held = if context.directory.members(&group.name).next().is_some() {
        "the group still has members"
    } else if !permissions.inline_policies.is_empty() {
        "the group still has inline policies"
    } else if !permissions.attached_policies.is_empty() {
        "policies are still attached to the group"
    } else {
        return Ok(Outcome::removed(AccessKind::Group, &group.name));
    };
    Err(Error::DeleteConflict { name: group.name.clone(), detail: held })
}

pub(super) fn change_membership(context: &Context<'_>, request: &ChangeMembership) -> Result<Outcome, Error> {
    validate::long_name("group_name", &request.group_name)?;
    validate::name("user_name", &request.user_name)?;
    let group = context.directory.group(&request.group_name)?;
    let user = context.directory.user(&request.user_name)?;
    let is_member = user.groups.contains(&group.name);
    match (request.member, is_member) {
        (true, true) => Ok(Outcome::unchanged(AccessKind::User, &user.name)),
        (true, false) => {
            room("groups a user", user.groups.len(), MAX_GROUPS_PER_USER)?;
            Ok(Outcome::put(Entry::User(with_group(user, &group.name))))
        }
        (false, true) => Ok(Outcome::put(Entry::User(without_group(user, &group.name)))),
        (false, false) => Err(Error::NoSuchEntity { kind: "member of the group", name: user.name.clone() }),
    }
}

fn with_group(user: &User, group: &str) -> User {
    let mut user = user.clone();
    user.groups.push(group.to_owned());
    user.groups.sort_unstable();
    user
}

fn without_group(user: &User, group: &str) -> User {
    let mut user = user.clone();
    user.groups.retain(|name| name != group);
    user
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::namespace::access::testing::{
        DOCUMENT, attach, create_group, create_user, detach, holder, membership, put_inline, rename_group, rename_user,
    };
    use crate::testing::Fixture;
    use weir_proto::v1::DeleteInlinePolicy;
    use weir_proto::v1::change_access_request::Change;

    fn delete_group(name: &str) -> Change {
        Change::DeleteGroup(DeleteGroup { name: name.into() })
    }

    #[tokio::test]
    async fn the_members_of_a_renamed_group_stay_its_members() {
        let fixture = Fixture::new().await;
        for name in ["alice", "bob"] {
            fixture.changed(create_user(name)).await;
        }
        for name in ["admins", "readers", "writers"] {
            fixture.changed(create_group(name)).await;
            fixture.changed(membership(name, "alice", true)).await;
        }
        fixture.changed(membership("readers", "bob", true)).await;
        let Some(Entry::Group(group)) = fixture.changed(rename_group("readers", "zebras")).await else { panic!() };
        assert_eq!((group.name.as_str(), &group.id[..4]), ("zebras", "AGPA"));
        assert_eq!(fixture.user("alice").unwrap().groups, ["admins", "writers", "zebras"]);
        assert_eq!(fixture.user("bob").unwrap().groups, ["zebras"]);
        fixture.changed(rename_user("bob", "carol")).await;
        assert_eq!(fixture.user("carol").unwrap().groups, ["zebras"]);
        assert!(matches!(fixture.refusal(rename_group("zebras", "ADMINS")).await, Error::EntityExists { .. }));
        fixture.check_access().await;
        let fixture = fixture.restart().await;
        fixture.check_access().await;
        assert_eq!(fixture.user("carol").unwrap().groups, ["zebras"]);
    }

    #[tokio::test]
    async fn a_user_is_in_ten_groups_at_most_and_once_in_each() {
        let fixture = Fixture::new().await;
        fixture.changed(create_user("alice")).await;
        for n in 0..=MAX_GROUPS_PER_USER {
            fixture.changed(create_group(&format!("g{n}"))).await;
        }
        for n in 0..MAX_GROUPS_PER_USER {
            fixture.changed(membership(&format!("g{n}"), "alice", true)).await;
        }
        let version = fixture.namespace.access.version();
        fixture.changed(membership("g3", "alice", true)).await;
        assert_eq!(fixture.namespace.access.version(), version, "she is in it already");
        assert!(matches!(fixture.refusal(membership("g10", "alice", true)).await, Error::LimitExceeded { .. }));
        fixture.changed(membership("g3", "alice", false)).await;
        assert!(matches!(fixture.refusal(membership("g3", "alice", false)).await, Error::NoSuchEntity { .. }));
        assert!(matches!(fixture.refusal(membership("none", "alice", true)).await, Error::NoSuchEntity { .. }));
        assert!(matches!(fixture.refusal(membership("g3", "nobody", true)).await, Error::NoSuchEntity { .. }));
    }

    #[tokio::test]
    async fn a_group_goes_when_nobody_is_in_it_and_nothing_hangs_on_it() {
        let fixture = Fixture::new().await;
        let admins = || holder(AccessKind::Group, "admins");
        fixture.changed(create_user("alice")).await;
        fixture.changed(create_group("admins")).await;
        let inline = Change::DeleteInlinePolicy(DeleteInlinePolicy { holder: admins(), policy_name: "own".into() });
        for (make, undo) in [
            (membership("admins", "alice", true), membership("admins", "alice", false)),
            (attach(admins(), "IAMFullAccess"), detach(admins(), "IAMFullAccess")),
            (put_inline(admins(), "own", DOCUMENT), inline),
        ] {
            fixture.changed(make).await;
            assert!(matches!(fixture.refusal(delete_group("admins")).await, Error::DeleteConflict { .. }));
            fixture.changed(undo).await;
        }
        assert_eq!(fixture.changed(delete_group("admins")).await, None);
        fixture.check_access().await;
    }
}
