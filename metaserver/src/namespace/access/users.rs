//! Users: made, moved, removed.
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateUser.html>

use super::directory::Name;
use super::limits::MAX_USERS;
use super::outcome::{Context, Outcome, room, unused};
use super::random::{IdKind, id};
use super::validate;
use crate::error::Error;
use weir_proto::v1::access_entry::Entry;
use weir_proto::v1::{AccessKey, AccessKind, CreateUser, DeleteUser, Permissions, UpdateUser, User};

pub(super) fn create(context: &Context<'_>, request: &CreateUser) -> Result<Outcome, Error> {
    validate::name("name", &request.name)?;
    let path = validate::path(&request.path)?;
    let tags = validate::tags(&request.tags)?;
    let directory = context.directory;
    if !request.boundary_policy.is_empty() {
        validate::long_name("boundary_policy", &request.boundary_policy)?;
        directory.policy(&request.boundary_policy)?;
    }
    unused(directory.users.keys(), "user", &request.name)?;
    room("users", directory.users.len(), MAX_USERS)?;
    Ok(Outcome::put(Entry::User(User {
        name: request.name.clone(),
        path,
        id: id(context.clock, IdKind::User),
        created_ms: context.clock.now_ms(),
        permissions: Some(Permissions { boundary_policy: request.boundary_policy.clone(), ..Default::default() }),
        groups: Vec::new(),
        tags,
    })))
}

/// Its access keys move along; its groups lie with it.
pub(super) fn update(context: &Context<'_>, request: &UpdateUser) -> Result<Outcome, Error> {
    validate::name("name", &request.name)?;
    let new_path = request.new_path.as_deref().map(validate::path).transpose()?;
    if let Some(new_name) = &request.new_name {
        validate::name("new_name", new_name)?;
    }
    let directory = context.directory;
    let mut user = directory.user(&request.name)?.clone();
    if let Some(new_path) = new_path {
        user.path = new_path;
    }
    let mut keys = Vec::new();
    if let Some(new_name) = request.new_name.as_ref().filter(|new_name| **new_name != user.name) {
        let others = directory.users.keys().filter(|taken| **taken != user.name);
        unused(others, "user", new_name)?;
        user.name.clone_from(new_name);
        let moved = |key: &AccessKey| AccessKey { user_name: new_name.clone(), ..key.clone() };
        keys.extend(directory.keys_of(&request.name).map(moved).map(Entry::AccessKey));
    }
    let mut outcome = Outcome::moved(Name::new(AccessKind::User, &request.name), Entry::User(user));
    outcome.entries.extend(keys);
    Ok(outcome)
}

pub(super) fn delete(context: &Context<'_>, request: &DeleteUser) -> Result<Outcome, Error> {
    validate::name("name", &request.name)?;
    let user = context.directory.user(&request.name)?;
    let permissions = user.permissions.clone().unwrap_or_default();
    let held = if context.directory.keys_of(&user.name).next().is_some() {
        "the user still has access keys"
    } else if !user.groups.is_empty() {
        "the user is still in a group"
    } else if !permissions.inline_policies.is_empty() {
        "the user still has inline policies"
    } else if !permissions.attached_policies.is_empty() {
        "policies are still attached to the user"
    } else {
        return Ok(Outcome::removed(AccessKind::User, &user.name));
    };
    Err(Error::DeleteConflict { name: user.name.clone(), detail: held })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::namespace::access::testing::{
        DOCUMENT, attach, create_group, create_key, create_user, delete_user, holder, membership, put_inline,
        rename_user,
    };
    use crate::testing::Fixture;
    use weir_proto::v1::Tag;
    use weir_proto::v1::change_access_request::Change;

    #[tokio::test]
    async fn a_renamed_user_keeps_its_id_and_its_keys() {
        let fixture = Fixture::new().await;
        let tags = vec![Tag { key: "team".into(), value: "blue".into() }];
        let request = CreateUser { name: "alice".into(), path: "/staff/".into(), tags, ..Default::default() };
        let Some(Entry::User(alice)) = fixture.changed(Change::CreateUser(request)).await else { panic!() };
        assert_eq!((alice.path.as_str(), alice.id.len(), alice.tags.len()), ("/staff/", 21, 1));
        fixture.changed(create_key("alice")).await;
        fixture.changed(create_group("admins")).await;
        fixture.changed(membership("admins", "alice", true)).await;
        fixture.changed(put_inline(holder(AccessKind::User, "alice"), "own", DOCUMENT)).await;
        let Some(Entry::User(renamed)) = fixture.changed(rename_user("alice", "Bob")).await else { panic!() };
        let permissions = renamed.permissions.clone().unwrap();
        assert_eq!((permissions.inline_policies.len(), renamed.groups.len()), (1, 1));
        assert_eq!((renamed.id, renamed.created_ms, renamed.path), (alice.id, alice.created_ms, alice.path));
        assert!(fixture.user("alice").is_none());
        let (_, entries) = fixture.fetched(0);
        let owners = entries.values().filter_map(|entry| match entry {
            Entry::AccessKey(key) => Some(key.user_name.as_str()),
            _ => None,
        });
        assert_eq!(owners.collect::<Vec<_>>(), ["Bob"]);
        fixture.check_access().await;
        fixture.restart().await.check_access().await;
    }

    #[tokio::test]
    async fn names_differ_by_more_than_case() {
        let fixture = Fixture::new().await;
        for name in ["alice", "bob"] {
            fixture.changed(create_user(name)).await;
        }
        assert!(matches!(fixture.refusal(create_user("ALICE")).await, Error::EntityExists { kind: "user", .. }));
        assert!(matches!(fixture.refusal(rename_user("bob", "Alice")).await, Error::EntityExists { .. }));
        assert!(matches!(fixture.refusal(rename_user("nobody", "x")).await, Error::NoSuchEntity { .. }));
        fixture.changed(rename_user("alice", "Alice")).await;
        assert!(fixture.user("alice").is_none() && fixture.user("Alice").is_some());
        fixture.changed(rename_user("Alice", "Alice")).await;
        fixture.check_access().await;
    }

    #[tokio::test]
    async fn a_user_goes_when_nothing_hangs_on_it_and_leaves_nothing() {
        let fixture = Fixture::new().await;
        let alice = || holder(AccessKind::User, "alice");
        let steps = [
            (create_key("alice"), None),
            (create_group("admins"), None),
            (membership("admins", "alice", true), Some(membership("admins", "alice", false))),
            (attach(alice(), "IAMFullAccess"), Some(super::super::testing::detach(alice(), "IAMFullAccess"))),
        ];
        fixture.changed(create_user("alice")).await;
        for (make, undo) in steps {
            let made = fixture.changed(make).await;
            let undo = match (undo, made) {
                (None, Some(Entry::AccessKey(key))) => {
                    let access_key_id = key.access_key_id;
                    Change::DeleteAccessKey(weir_proto::v1::DeleteAccessKey { access_key_id, user_name: String::new() })
                }
                (None, _) => continue,
                (Some(undo), _) => undo,
            };
            assert!(matches!(fixture.refusal(delete_user("alice")).await, Error::DeleteConflict { .. }));
            fixture.changed(undo).await;
        }
        let id = fixture.user("alice").unwrap().id;
        assert_eq!(fixture.changed(delete_user("alice")).await, None);
        assert!(matches!(fixture.refusal(delete_user("alice")).await, Error::NoSuchEntity { .. }));
        fixture.changed(create_user("alice")).await;
        let again = fixture.user("alice").unwrap();
        assert_ne!(again.id, id);
        assert_eq!(again.permissions, Some(Permissions::default()));
        fixture.check_access().await;
    }

    #[tokio::test]
    async fn there_is_room_for_so_many_users() {
        let fixture = Fixture::new().await;
        let mut directory = crate::namespace::access::directory::Directory::new();
        for n in 0..MAX_USERS {
            directory.apply(Entry::User(User { name: format!("u{n}"), ..Default::default() }));
        }
        let context =
            Context { directory: &directory, clock: &*fixture.clock, sealer: &crate::testing::sealer(), bucket_id: 0 };
        let refused = create(&context, &CreateUser { name: "one-more".into(), ..Default::default() });
        assert!(matches!(refused, Err(Error::LimitExceeded { allowed: MAX_USERS, .. })));
    }
}
