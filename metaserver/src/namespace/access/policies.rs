//! Managed policies and their versions.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_managed-versioning.html>

use super::directory::Directory;
use super::limits::{MAX_POLICIES, MAX_POLICY_VERSIONS};
use super::outcome::{Context, Outcome, room, unused};
use super::random::{IdKind, id};
use super::validate;
use crate::error::Error;
use weir_proto::v1::access_entry::Entry;
use weir_proto::v1::{
    AccessKind, CreatePolicy, CreatePolicyVersion, DeletePolicy, DeletePolicyVersion, ManagedPolicy, Permissions,
    PolicyVersion, SetDefaultPolicyVersion,
};

pub(super) fn create(context: &Context<'_>, request: &CreatePolicy) -> Result<Outcome, Error> {
    validate::long_name("name", &request.name)?;
    let path = validate::path(&request.path)?;
    validate::description(&request.description)?;
    validate::policy_document(&request.document)?;
    let policies = &context.directory.policies;
    unused(policies.keys(), "policy", &request.name)?;
    room("policies", policies.values().filter(|policy| !policy.built_in).count(), MAX_POLICIES)?;
    let created_ms = context.clock.now_ms();
    Ok(Outcome::put(Entry::Policy(ManagedPolicy {
        name: request.name.clone(),
        path,
        id: id(context.clock, IdKind::ManagedPolicy),
        description: request.description.clone(),
        created_ms,
        updated_ms: created_ms,
        versions: vec![PolicyVersion { number: 1, document: request.document.clone(), created_ms }],
        default_version: 1,
        built_in: false,
        last_version: 1,
    })))
}

/// A copy of a policy that may be changed.
fn changeable(context: &Context<'_>, name: &'static str, policy: &str) -> Result<ManagedPolicy, Error> {
    validate::long_name(name, policy)?;
    let policy = context.directory.policy(policy)?;
    match policy.built_in {
        true => Err(Error::invalid(name, "this policy is part of the system and can't be changed")),
        false => Ok(policy.clone()),
    }
}

fn no_version(number: u32) -> Error {
    Error::NoSuchEntity { kind: "version of the policy", name: format!("v{number}") }
}

pub(super) fn create_version(context: &Context<'_>, request: &CreatePolicyVersion) -> Result<Outcome, Error> {
    validate::policy_document(&request.document)?;
    let mut policy = changeable(context, "policy_name", &request.policy_name)?;
    room("versions of a policy", policy.versions.len(), MAX_POLICY_VERSIONS)?;
    let created_ms = context.clock.now_ms();
    let Some(number) = policy.last_version.checked_add(1) else {
        return Err(Error::limit("versions of a policy ever", u32::MAX as usize));
    };
    policy.last_version = number;
    policy.versions.insert(0, PolicyVersion { number, document: request.document.clone(), created_ms });
    if request.set_as_default {
        policy.default_version = number;
    }
    policy.updated_ms = created_ms;
    Ok(Outcome::put(Entry::Policy(policy)))
}

pub(super) fn set_default_version(context: &Context<'_>, request: &SetDefaultPolicyVersion) -> Result<Outcome, Error> {
    let mut policy = changeable(context, "policy_name", &request.policy_name)?;
    if !policy.versions.iter().any(|version| version.number == request.number) {
        return Err(no_version(request.number));
    }
    if policy.default_version == request.number {
        return Ok(Outcome::unchanged(AccessKind::Policy, &policy.name));
    }
    policy.default_version = request.number;
    policy.updated_ms = context.clock.now_ms();
    Ok(Outcome::put(Entry::Policy(policy)))
}

pub(super) fn delete_version(context: &Context<'_>, request: &DeletePolicyVersion) -> Result<Outcome, Error> {
    let mut policy = changeable(context, "policy_name", &request.policy_name)?;
    let Some(at) = policy.versions.iter().position(|version| version.number == request.number) else {
        return Err(no_version(request.number));
    };
    if policy.default_version == request.number {
        return Err(Error::DeleteConflict { name: policy.name, detail: "this version of the policy is the default" });
    }
    policy.versions.remove(at);
    policy.updated_ms = context.clock.now_ms();
    Ok(Outcome::put(Entry::Policy(policy)))
}

pub(super) fn delete(context: &Context<'_>, request: &DeletePolicy) -> Result<Outcome, Error> {
    let policy = changeable(context, "name", &request.name)?;
    let mut holders = permissions(context.directory);
    let held = if holders.any(|held| held.attached_policies.contains(&policy.name)) {
        "the policy is still attached"
    } else if permissions(context.directory).any(|held| held.boundary_policy == policy.name) {
        "the policy is still a boundary"
    } else if policy.versions.len() > 1 {
        "the policy still has other versions than the default"
    } else {
        return Ok(Outcome::removed(AccessKind::Policy, &policy.name));
    };
    Err(Error::DeleteConflict { name: policy.name, detail: held })
}

/// Those of everyone who has some.
fn permissions(directory: &Directory) -> impl Iterator<Item = &Permissions> {
    let users = directory.users.values().filter_map(|user| user.permissions.as_ref());
    let groups = directory.groups.values().filter_map(|group| group.permissions.as_ref());
    let roles = directory.roles.values().filter_map(|role| role.permissions.as_ref());
    users.chain(groups).chain(roles)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::namespace::access::testing::{
        DOCUMENT, attach, bound, create_policy, create_role, create_user, delete_policy, detach, holder,
    };
    use crate::testing::Fixture;
    use weir_proto::v1::change_access_request::Change;

    fn new_version(name: &str, set_as_default: bool) -> Change {
        let (policy_name, document) = (name.into(), "x ".repeat(6_144));
        Change::CreatePolicyVersion(CreatePolicyVersion { policy_name, document, set_as_default })
    }

    fn set_default(name: &str, number: u32) -> Change {
        Change::SetDefaultPolicyVersion(SetDefaultPolicyVersion { policy_name: name.into(), number })
    }

    fn delete_version(name: &str, number: u32) -> Change {
        Change::DeletePolicyVersion(DeletePolicyVersion { policy_name: name.into(), number })
    }

    async fn changed(fixture: &Fixture, change: Change) -> (Vec<u32>, u32) {
        let Some(Entry::Policy(policy)) = fixture.changed(change).await else { panic!() };
        (policy.versions.iter().map(|version| version.number).collect(), policy.default_version)
    }

    #[tokio::test]
    async fn a_policy_has_five_versions_at_most_and_no_number_comes_twice() {
        let fixture = Fixture::new().await;
        assert_eq!(changed(&fixture, create_policy("readers")).await, (vec![1], 1));
        assert_eq!(changed(&fixture, new_version("readers", false)).await, (vec![2, 1], 1));
        assert_eq!(changed(&fixture, new_version("readers", true)).await, (vec![3, 2, 1], 3));
        let default = fixture.refusal(delete_version("readers", 3)).await;
        assert!(matches!(default, Error::DeleteConflict { .. }));
        assert_eq!(changed(&fixture, set_default("readers", 1)).await, (vec![3, 2, 1], 1));
        assert_eq!(changed(&fixture, delete_version("readers", 3)).await, (vec![2, 1], 1));
        let fixture = fixture.restart().await;
        assert_eq!(changed(&fixture, new_version("readers", false)).await, (vec![4, 2, 1], 1));
        for _ in 0..2 {
            fixture.changed(new_version("readers", false)).await;
        }
        assert!(matches!(fixture.refusal(new_version("readers", false)).await, Error::LimitExceeded { .. }));
        for number in [0, 3, 7] {
            assert!(matches!(fixture.refusal(set_default("readers", number)).await, Error::NoSuchEntity { .. }));
            assert!(matches!(fixture.refusal(delete_version("readers", number)).await, Error::NoSuchEntity { .. }));
        }
        fixture.check_access().await;
        fixture.restart().await.check_access().await;
    }

    #[tokio::test]
    async fn a_policy_goes_when_nobody_holds_it() {
        let fixture = Fixture::new().await;
        for change in [create_user("one"), create_role("one"), create_policy("p")] {
            fixture.changed(change).await;
        }
        let (user, role) = (|| holder(AccessKind::User, "one"), || holder(AccessKind::Role, "one"));
        for (make, undo) in [
            (attach(user(), "p"), detach(user(), "p")),
            (bound(role(), "p"), bound(role(), "")),
            (new_version("p", false), delete_version("p", 2)),
        ] {
            fixture.changed(make).await;
            assert!(matches!(fixture.refusal(delete_policy("p")).await, Error::DeleteConflict { .. }));
            fixture.changed(undo).await;
        }
        assert_eq!(fixture.changed(delete_policy("p")).await, None);
        assert!(matches!(fixture.refusal(delete_policy("p")).await, Error::NoSuchEntity { .. }));
        fixture.check_access().await;
    }

    #[tokio::test]
    async fn what_is_part_of_the_system_is_not_changed_nor_made_again() {
        let fixture = Fixture::new().await;
        let name = "AdministratorAccess";
        for change in [delete_policy(name), new_version(name, true), set_default(name, 1), delete_version(name, 1)] {
            assert!(matches!(fixture.refusal(change).await, Error::Invalid { .. }));
        }
        for taken in [name, "administratoraccess"] {
            assert!(matches!(fixture.refusal(create_policy(taken)).await, Error::EntityExists { .. }));
        }
        let update =
            CreatePolicy {
                name: "p".into(), document: DOCUMENT.into(), description: "…".into(), path: String::new()
            };
        assert!(matches!(fixture.refusal(Change::CreatePolicy(update)).await, Error::Invalid { .. }));
        assert_eq!(fixture.namespace.access.version(), 1, "nothing was changed");
    }
}
