//! What the tests of the directory share: changes by a word each, and the check that the store holds what is known.

use super::Name;
use super::load::load;
use crate::error::Error;
use crate::testing::Fixture;
use std::collections::BTreeMap;
use weir_proto::v1::access_entry::Entry;
use weir_proto::v1::change_access_request::Change;
use weir_proto::v1::{
    AccessKind, AccessName, AttachPolicy, ChangeAccessRequest, ChangeAccessResponse, ChangeMembership, CreateAccessKey,
    CreateGroup, CreatePolicy, CreateRole, CreateUser, DeletePolicy, DeleteUser, DetachPolicy, FetchAccessRequest,
    NamedDocument, Permissions, PutInlinePolicy, SetBoundary, UpdateGroup, UpdateUser, User,
};

/// A document without meaning: nobody here reads it.
pub(super) const DOCUMENT: &str = r#"{"Version":"2012-10-17"}"#;

impl Fixture {
    pub async fn change(&self, change: Change) -> Result<ChangeAccessResponse, Error> {
        self.namespace.change_access(&ChangeAccessRequest { request_id: None, change: Some(change) }).await
    }

    /// Makes a change, and returns what it made or changed.
    pub async fn changed(&self, change: Change) -> Option<Entry> {
        self.change(change).await.unwrap().entry.map(|entry| entry.entry.unwrap())
    }

    pub async fn refusal(&self, change: Change) -> Error {
        self.change(change).await.unwrap_err()
    }

    /// What a gateway hears that asks for everything after a version; with `complete`, of everything.
    pub fn fetched(&self, since_version: u64) -> (bool, BTreeMap<Name, Entry>) {
        let mut complete = None;
        let mut entries = BTreeMap::new();
        for batch in self.namespace.fetch_access(&FetchAccessRequest { since_version }) {
            assert_eq!(*complete.get_or_insert(batch.complete), batch.complete);
            assert_eq!(batch.version, self.namespace.access.version());
            for entry in batch.entries {
                let entry = entry.entry.unwrap();
                assert!(entries.insert(Name::of(&entry).unwrap(), entry).is_none(), "each comes once");
            }
        }
        (complete.expect("there is at least one batch"), entries)
    }

    /// The store holds what is known.
    pub async fn check_access(&self) {
        let (version, stored) = load(&*self.store).await.unwrap();
        let known = self.namespace.access.turn().await;
        assert_eq!(version, known.version);
        assert_eq!(stored, *known.directory);
    }

    pub fn user(&self, name: &str) -> Option<User> {
        self.namespace.access.known.read().directory.user(name).ok().cloned()
    }
}

pub(super) fn create_user(name: &str) -> Change {
    Change::CreateUser(CreateUser { name: name.into(), ..Default::default() })
}

pub(super) fn rename_user(name: &str, new_name: &str) -> Change {
    Change::UpdateUser(UpdateUser { name: name.into(), new_name: Some(new_name.into()), new_path: None })
}

pub(super) fn delete_user(name: &str) -> Change {
    Change::DeleteUser(DeleteUser { name: name.into() })
}

pub(super) fn create_key(user_name: &str) -> Change {
    Change::CreateAccessKey(CreateAccessKey { user_name: user_name.into(), ..Default::default() })
}

pub(super) fn create_group(name: &str) -> Change {
    Change::CreateGroup(CreateGroup { name: name.into(), path: String::new() })
}

pub(super) fn rename_group(name: &str, new_name: &str) -> Change {
    Change::UpdateGroup(UpdateGroup { name: name.into(), new_name: Some(new_name.into()), new_path: None })
}

pub(super) fn membership(group: &str, user: &str, member: bool) -> Change {
    Change::ChangeMembership(ChangeMembership { group_name: group.into(), user_name: user.into(), member })
}

pub(super) fn create_policy(name: &str) -> Change {
    Change::CreatePolicy(CreatePolicy { name: name.into(), document: DOCUMENT.into(), ..Default::default() })
}

pub(super) fn delete_policy(name: &str) -> Change {
    Change::DeletePolicy(DeletePolicy { name: name.into() })
}

pub(super) fn create_role(name: &str) -> Change {
    Change::CreateRole(CreateRole { name: name.into(), trust_document: DOCUMENT.into(), ..Default::default() })
}

pub(super) fn holder(kind: AccessKind, name: &str) -> Option<AccessName> {
    Some(AccessName { kind: kind.into(), name: name.into() })
}

pub(super) fn attach(holder: Option<AccessName>, policy: &str) -> Change {
    Change::AttachPolicy(AttachPolicy { holder, policy_name: policy.into() })
}

pub(super) fn detach(holder: Option<AccessName>, policy: &str) -> Change {
    Change::DetachPolicy(DetachPolicy { holder, policy_name: policy.into() })
}

pub(super) fn bound(holder: Option<AccessName>, policy: &str) -> Change {
    Change::SetBoundary(SetBoundary { holder, policy_name: policy.into() })
}

pub(super) fn put_inline(holder: Option<AccessName>, name: &str, document: &str) -> Change {
    Change::PutInlinePolicy(PutInlinePolicy { holder, policy_name: name.into(), document: document.into() })
}

/// The permissions in an entry.
pub(super) fn permissions(entry: Option<Entry>) -> Permissions {
    let permissions = match entry {
        Some(Entry::User(user)) => user.permissions,
        Some(Entry::Group(group)) => group.permissions,
        Some(Entry::Role(role)) => role.permissions,
        other => panic!("{other:?} holds nothing"),
    };
    permissions.unwrap()
}

pub(super) fn inline_names(policies: &[NamedDocument]) -> Vec<&str> {
    policies.iter().map(|policy| policy.name.as_str()).collect()
}
