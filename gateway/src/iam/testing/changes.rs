//! What each change comes to: AWS's rules of what may be made and deleted, without its limits.

use super::state::State;
use weir_proto::v1::access_entry::Entry;
use weir_proto::v1::change_access_request::Change;
use weir_proto::v1::{self, AccessKind, Reason};
use weir_proto::{Failure, v1::AccessName};

const ACCESS_KEYS_MAX: usize = 2;
const POLICY_VERSIONS_MAX: usize = 5;

#[derive(Default)]
pub(super) struct Outcome {
    pub entries: Vec<Entry>,
    /// What was made or changed, as it is now.
    pub shown: Option<Entry>,
    pub secret: String,
}

impl Outcome {
    fn put(entry: Entry) -> Self {
        Self { shown: Some(entry), ..Self::default() }
    }

    fn removed(kind: AccessKind, name: &str) -> Self {
        Self { entries: vec![removal(kind, name)], ..Self::default() }
    }
}

fn removal(kind: AccessKind, name: &str) -> Entry {
    Entry::Removed(AccessName { kind: kind.into(), name: name.to_owned() })
}

fn refused(reason: Reason, name: &str) -> Failure {
    Failure::new(reason, name, format!("{name}: refused"))
}

fn no_such(name: &str) -> Failure {
    refused(Reason::NoSuchEntity, name)
}

fn unused(taken: bool, name: &str) -> Result<(), Failure> {
    if taken { Err(refused(Reason::EntityExists, name)) } else { Ok(()) }
}

fn free(held: bool, name: &str) -> Result<(), Failure> {
    if held { Err(refused(Reason::DeleteConflict, name)) } else { Ok(()) }
}

fn holds_policies(permissions: Option<&v1::Permissions>) -> bool {
    permissions.is_some_and(|held| !held.inline_policies.is_empty() || !held.attached_policies.is_empty())
}

fn bounded(boundary_policy: String) -> Option<v1::Permissions> {
    Some(v1::Permissions { boundary_policy, ..Default::default() })
}

pub(super) fn decide(state: &mut State, change: Change) -> Result<Outcome, Failure> {
    match change {
        Change::CreateUser(create) => create_user(state, create),
        Change::UpdateUser(update) => update_user(state, update),
        Change::DeleteUser(delete) => {
            let user = state.user(&delete.name)?;
            let has_keys = !state.directory.access_keys_of(&user.name).is_empty();
            free(has_keys || !user.groups.is_empty() || holds_policies(user.permissions.as_ref()), &user.name)?;
            Ok(Outcome::removed(AccessKind::User, &user.name))
        }
        Change::CreateAccessKey(create) => create_access_key(state, &create.user_name),
        Change::UpdateAccessKey(update) => {
            let key = state.access_key(&update.access_key_id, &update.user_name)?;
            Ok(Outcome::put(Entry::AccessKey(v1::AccessKey { active: update.active, ..key })))
        }
        Change::DeleteAccessKey(delete) => {
            let key = state.access_key(&delete.access_key_id, &delete.user_name)?;
            Ok(Outcome::removed(AccessKind::AccessKey, &key.access_key_id))
        }
        Change::CreateGroup(create) => {
            unused(state.directory.groups.contains_key(&create.name), &create.name)?;
            let v1::CreateGroup { name, path } = create;
            let (id, created_ms) = (state.new_id("AGPA"), state.now_ms);
            Ok(Outcome::put(Entry::Group(v1::Group { name, path, id, created_ms, permissions: None })))
        }
        Change::UpdateGroup(update) => update_group(state, update),
        Change::DeleteGroup(delete) => {
            let group = state.group(&delete.name)?;
            let has_members = state.directory.members_of(&group.name).next().is_some();
            free(has_members || holds_policies(group.permissions.as_ref()), &group.name)?;
            Ok(Outcome::removed(AccessKind::Group, &group.name))
        }
        Change::ChangeMembership(change) => change_membership(state, change),
        Change::PutInlinePolicy(_)
        | Change::DeleteInlinePolicy(_)
        | Change::AttachPolicy(_)
        | Change::DetachPolicy(_)
        | Change::SetBoundary(_)
        | Change::SetTags(_) => change_holder(state, change),
        Change::CreatePolicy(_)
        | Change::CreatePolicyVersion(_)
        | Change::SetDefaultPolicyVersion(_)
        | Change::DeletePolicyVersion(_)
        | Change::DeletePolicy(_) => change_policy(state, change),
        Change::CreateRole(create) => create_role(state, create),
        Change::UpdateRole(update) => {
            let mut role = state.role(&update.name)?;
            role.description = update.description.unwrap_or(role.description);
            role.max_session_seconds = update.max_session_seconds.unwrap_or(role.max_session_seconds);
            if let Some(trust_document) = update.trust_document {
                role.trust_document = trust_document;
                role.trust_principals = state.principals(update.trust_principals)?;
            }
            Ok(Outcome::put(Entry::Role(role)))
        }
        Change::DeleteRole(delete) => {
            let role = state.role(&delete.name)?;
            free(holds_policies(role.permissions.as_ref()), &role.name)?;
            Ok(Outcome::removed(AccessKind::Role, &role.name))
        }
        Change::PutOidcProvider(put) => put_provider(state, put),
        Change::DeleteOidcProvider(delete) => {
            let known = state.directory.providers.contains_key(&delete.name);
            if known {
                Ok(Outcome::removed(AccessKind::OidcProvider, &delete.name))
            } else {
                Err(no_such(&delete.name))
            }
        }
        // Not a matter of IAM.
        Change::SetBucketAccess(set) => Err(refused(Reason::NoSuchBucket, &set.bucket)),
    }
}

impl State {
    fn user(&self, name: &str) -> Result<v1::User, Failure> {
        self.directory.users.get(name).map(|user| (**user).clone()).ok_or_else(|| no_such(name))
    }

    fn group(&self, name: &str) -> Result<v1::Group, Failure> {
        self.directory.groups.get(name).map(|group| (**group).clone()).ok_or_else(|| no_such(name))
    }

    fn role(&self, name: &str) -> Result<v1::Role, Failure> {
        self.directory.roles.get(name).map(|role| (**role).clone()).ok_or_else(|| no_such(name))
    }

    fn principals(&self, arns: Vec<String>) -> Result<Vec<v1::PrincipalId>, Failure> {
        let id = |arn: String| {
            let user = self.directory.users.values().find(|user| crate::auth::user_arn(&user.path, &user.name) == arn);
            let user = user.ok_or_else(|| refused(Reason::NoSuchPrincipal, &arn))?;
            Ok(v1::PrincipalId { id: user.id.clone(), arn })
        };
        arns.into_iter().map(id).collect()
    }

    fn policy(&self, name: &str) -> Result<v1::ManagedPolicy, Failure> {
        self.directory.policies.get(name).map(|policy| (**policy).clone()).ok_or_else(|| no_such(name))
    }

    fn access_key(&self, id: &str, user_name: &str) -> Result<v1::AccessKey, Failure> {
        let key = self.directory.access_keys.get(id).filter(|key| user_name.is_empty() || key.user_name == user_name);
        key.map(|key| (**key).clone()).ok_or_else(|| no_such(id))
    }

    fn is_used(&self, policy_name: &str) -> bool {
        let uses = |permissions: &Option<v1::Permissions>| {
            permissions.as_ref().is_some_and(|held| {
                held.boundary_policy == policy_name || held.attached_policies.iter().any(|name| name == policy_name)
            })
        };
        let directory = &self.directory;
        directory.users.values().any(|user| uses(&user.permissions))
            || directory.groups.values().any(|group| uses(&group.permissions))
            || directory.roles.values().any(|role| uses(&role.permissions))
    }
}

fn create_user(state: &mut State, create: v1::CreateUser) -> Result<Outcome, Failure> {
    let v1::CreateUser { name, path, tags, boundary_policy } = create;
    unused(state.directory.users.keys().any(|taken| taken.eq_ignore_ascii_case(&name)), &name)?;
    let (id, created_ms, permissions) = (state.new_id("AIDA"), state.now_ms, bounded(boundary_policy));
    let groups = Vec::new();
    Ok(Outcome::put(Entry::User(v1::User { name, path, id, created_ms, permissions, groups, tags })))
}

fn update_user(state: &State, update: v1::UpdateUser) -> Result<Outcome, Failure> {
    let mut user = state.user(&update.name)?;
    user.path = update.new_path.unwrap_or(user.path);
    let new_name = update.new_name.unwrap_or_else(|| user.name.clone());
    if new_name == user.name {
        return Ok(Outcome::put(Entry::User(user)));
    }
    unused(state.directory.users.contains_key(&new_name), &new_name)?;
    let mut entries = vec![removal(AccessKind::User, &user.name)];
    for key in state.directory.access_keys_of(&user.name) {
        entries.push(Entry::AccessKey(v1::AccessKey { user_name: new_name.clone(), ..(**key).clone() }));
    }
    user.name = new_name;
    Ok(Outcome { entries, ..Outcome::put(Entry::User(user)) })
}

fn create_access_key(state: &mut State, user_name: &str) -> Result<Outcome, Failure> {
    let user = state.user(user_name)?;
    if state.directory.access_keys_of(user_name).len() >= ACCESS_KEYS_MAX {
        return Err(refused(Reason::LimitExceeded, user_name));
    }
    let key = v1::AccessKey {
        access_key_id: state.new_id("AKIA").replacen("AKIA0", "AKIA", 1),
        user_name: user.name,
        active: true,
        created_ms: state.now_ms,
        ..Default::default()
    };
    let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned();
    Ok(Outcome { secret, ..Outcome::put(Entry::AccessKey(key)) })
}

fn update_group(state: &State, update: v1::UpdateGroup) -> Result<Outcome, Failure> {
    let mut group = state.group(&update.name)?;
    group.path = update.new_path.unwrap_or(group.path);
    let new_name = update.new_name.unwrap_or_else(|| group.name.clone());
    if new_name == group.name {
        return Ok(Outcome::put(Entry::Group(group)));
    }
    unused(state.directory.groups.contains_key(&new_name), &new_name)?;
    let mut entries = vec![removal(AccessKind::Group, &group.name)];
    for member in state.directory.members_of(&group.name) {
        let mut member = (**member).clone();
        member.groups.retain(|name| *name != group.name);
        member.groups.push(new_name.clone());
        member.groups.sort();
        entries.push(Entry::User(member));
    }
    group.name = new_name;
    Ok(Outcome { entries, ..Outcome::put(Entry::Group(group)) })
}

fn change_membership(state: &State, change: v1::ChangeMembership) -> Result<Outcome, Failure> {
    let group = state.group(&change.group_name)?;
    let mut user = state.user(&change.user_name)?;
    let was_member = user.groups.contains(&group.name);
    user.groups.retain(|name| *name != group.name);
    match (change.member, was_member) {
        (true, _) => user.groups.push(group.name),
        (false, true) => {}
        (false, false) => return Err(no_such(&user.name)),
    }
    user.groups.sort();
    Ok(Outcome::put(Entry::User(user)))
}

/// A change of what a user, a group or a role has.
fn change_holder(state: &State, change: Change) -> Result<Outcome, Failure> {
    let holder = match &change {
        Change::PutInlinePolicy(put) => put.holder.clone(),
        Change::DeleteInlinePolicy(delete) => delete.holder.clone(),
        Change::AttachPolicy(attach) => attach.holder.clone(),
        Change::DetachPolicy(detach) => detach.holder.clone(),
        Change::SetBoundary(set) => set.holder.clone(),
        Change::SetTags(set) => set.holder.clone(),
        _ => None,
    };
    let holder = holder.ok_or_else(|| refused(Reason::InvalidRequest, "holder"))?;
    Ok(Outcome::put(match holder.kind() {
        AccessKind::User => {
            let mut user = state.user(&holder.name)?;
            change_held(state, change, user.permissions.get_or_insert_default(), &mut user.tags)?;
            Entry::User(user)
        }
        AccessKind::Group => {
            let mut group = state.group(&holder.name)?;
            change_held(state, change, group.permissions.get_or_insert_default(), &mut Vec::new())?;
            Entry::Group(group)
        }
        AccessKind::Role => {
            let mut role = state.role(&holder.name)?;
            change_held(state, change, role.permissions.get_or_insert_default(), &mut role.tags)?;
            Entry::Role(role)
        }
        _ => return Err(refused(Reason::InvalidRequest, &holder.name)),
    }))
}

fn change_held(
    state: &State,
    change: Change,
    held: &mut v1::Permissions,
    tags: &mut Vec<v1::Tag>,
) -> Result<(), Failure> {
    match change {
        Change::PutInlinePolicy(put) => {
            held.inline_policies.retain(|policy| policy.name != put.policy_name);
            held.inline_policies.push(v1::NamedDocument { name: put.policy_name, document: put.document });
            held.inline_policies.sort_by(|one, other| one.name.cmp(&other.name));
        }
        Change::DeleteInlinePolicy(delete) => {
            let before = held.inline_policies.len();
            held.inline_policies.retain(|policy| policy.name != delete.policy_name);
            if held.inline_policies.len() == before {
                return Err(no_such(&delete.policy_name));
            }
        }
        Change::AttachPolicy(attach) => {
            let name = state.policy(&attach.policy_name)?.name;
            held.attached_policies.retain(|attached| *attached != name);
            held.attached_policies.push(name);
            held.attached_policies.sort();
        }
        Change::DetachPolicy(detach) => {
            let at = held.attached_policies.iter().position(|attached| *attached == detach.policy_name);
            held.attached_policies.remove(at.ok_or_else(|| no_such(&detach.policy_name))?);
        }
        Change::SetBoundary(set) => held.boundary_policy = set.policy_name,
        Change::SetTags(set) => *tags = set.tags,
        _ => return Err(refused(Reason::InvalidRequest, "change")),
    }
    Ok(())
}

fn change_policy(state: &mut State, change: Change) -> Result<Outcome, Failure> {
    let policy = match change {
        Change::CreatePolicy(create) => create_policy(state, create)?,
        Change::CreatePolicyVersion(create) => {
            let mut policy = state.policy(&create.policy_name)?;
            if policy.versions.len() >= POLICY_VERSIONS_MAX {
                return Err(refused(Reason::LimitExceeded, &policy.name));
            }
            let number = policy.versions[0].number + 1;
            let (document, created_ms) = (create.document, state.now_ms);
            policy.versions.insert(0, v1::PolicyVersion { number, document, created_ms });
            if create.set_as_default {
                (policy.default_version, policy.updated_ms) = (number, created_ms);
            }
            policy
        }
        Change::SetDefaultPolicyVersion(set) => {
            let mut policy = state.policy(&set.policy_name)?;
            if !policy.versions.iter().any(|version| version.number == set.number) {
                return Err(no_such(&set.policy_name));
            }
            (policy.default_version, policy.updated_ms) = (set.number, state.now_ms);
            policy
        }
        Change::DeletePolicyVersion(delete) => {
            let mut policy = state.policy(&delete.policy_name)?;
            free(policy.default_version == delete.number, &policy.name)?;
            let at = policy.versions.iter().position(|version| version.number == delete.number);
            policy.versions.remove(at.ok_or_else(|| no_such(&delete.policy_name))?);
            policy
        }
        Change::DeletePolicy(delete) => {
            let policy = state.policy(&delete.name)?;
            free(policy.versions.len() > 1 || state.is_used(&policy.name), &policy.name)?;
            return Ok(Outcome::removed(AccessKind::Policy, &policy.name));
        }
        _ => return Err(refused(Reason::InvalidRequest, "change")),
    };
    Ok(Outcome::put(Entry::Policy(policy)))
}

fn create_policy(state: &mut State, create: v1::CreatePolicy) -> Result<v1::ManagedPolicy, Failure> {
    let v1::CreatePolicy { name, path, description, document } = create;
    unused(state.directory.policies.contains_key(&name), &name)?;
    let (id, created_ms) = (state.new_id("ANPA"), state.now_ms);
    let versions = vec![v1::PolicyVersion { number: 1, document, created_ms }];
    let updated_ms = created_ms;
    let policy =
        v1::ManagedPolicy { name, path, id, description, created_ms, updated_ms, versions, ..Default::default() };
    Ok(v1::ManagedPolicy { default_version: 1, ..policy })
}

fn create_role(state: &mut State, create: v1::CreateRole) -> Result<Outcome, Failure> {
    unused(state.directory.roles.contains_key(&create.name), &create.name)?;
    let trust_principals = state.principals(create.trust_principals)?;
    let v1::CreateRole { name, path, description, trust_document, max_session_seconds, tags, boundary_policy, .. } =
        create;
    Ok(Outcome::put(Entry::Role(v1::Role {
        name,
        path,
        id: state.new_id("AROA"),
        description,
        created_ms: state.now_ms,
        trust_document,
        max_session_seconds: if max_session_seconds == 0 { 3600 } else { max_session_seconds },
        permissions: bounded(boundary_policy),
        tags,
        trust_principals,
    })))
}

fn put_provider(state: &State, put: v1::PutOidcProvider) -> Result<Outcome, Failure> {
    let mut provider = put.provider.ok_or_else(|| refused(Reason::InvalidRequest, "provider"))?;
    let name = crate::auth::provider_name(&provider.url);
    provider.created_ms = match (state.directory.providers.get(name), put.create) {
        (None, true) => state.now_ms,
        (Some(known), false) => known.created_ms,
        (Some(_), true) => return Err(refused(Reason::EntityExists, name)),
        (None, false) => return Err(no_such(name)),
    };
    Ok(Outcome::put(Entry::OidcProvider(provider)))
}
