//! Random changes of the directory, compared with a reference that is a few maps, and followed by a gateway that asks
//! for what has changed. In between the metaserver starts anew.

mod principals;
mod reference;
mod steps;

use super::Name;
use super::testing::{
    DOCUMENT, attach, bound, create_group, create_key, create_policy, create_role, create_user, delete_policy,
    delete_user, detach, holder, membership, put_inline, rename_group, rename_user,
};
use crate::testing::Fixture;
use proptest::prelude::*;
use reference::{Held, Policy, Reference, kind};
use std::collections::BTreeMap;
use steps::{BUCKETS, GROUPS, Holder, INLINE, POLICIES, ROLES, Step, USERS, step};
use weir_proto::v1::access_entry::Entry;
use weir_proto::v1::change_access_request::Change;
use weir_proto::v1::{self, AccessKind, AccessName, Permissions};

/// What a gateway knows.
#[derive(Default)]
struct Copy {
    version: u64,
    entries: BTreeMap<Name, Entry>,
}

struct Run {
    fixture: Fixture,
    reference: Reference,
    copy: Copy,
}

fn name_of(target: Holder) -> Option<AccessName> {
    holder(target.kind, target.name())
}

fn arn(user: &str) -> String {
    format!("arn:aws:iam::000000000000:user/{user}")
}

fn role_or_group(kind: AccessKind, name: &str) -> Change {
    match kind {
        AccessKind::Group => Change::DeleteGroup(v1::DeleteGroup { name: name.into() }),
        _ => Change::DeleteRole(v1::DeleteRole { name: name.into() }),
    }
}

impl Run {
    async fn change(&mut self, change: Change, expected: Result<(), &'static str>) {
        let before = self.fixture.namespace.access.version();
        let result = self.fixture.change(change.clone()).await;
        assert_eq!(result.as_ref().map(drop).map_err(kind), expected, "{change:?}");
        let version = self.fixture.namespace.access.version();
        match result {
            Ok(answer) => assert!(answer.version == version && version <= before + 1),
            Err(_) => assert_eq!(version, before),
        }
    }

    async fn run(mut self, step: Step) -> Self {
        match step {
            Step::CreateKey { user } => self.create_key(USERS[user]).await,
            Step::DeleteKey { nth } => self.delete_key(nth).await,
            Step::CreateBucket { bucket, ownership } => self.create_bucket(BUCKETS[bucket], ownership).await,
            Step::DeleteBucket { bucket } => self.delete_bucket(BUCKETS[bucket]).await,
            Step::Follow => self.follow(),
            Step::Restart => {
                self.fixture.check_access().await;
                let fixture = self.fixture.restart().await;
                fixture.namespace.clean_sessions().await.unwrap();
                return Self { fixture, ..self };
            }
            step => {
                let (change, expected) = self.plain(&step);
                self.change(change, expected).await;
            }
        }
        self
    }

    /// A change, and what the reference says to it.
    fn plain(&mut self, step: &Step) -> (Change, Result<(), &'static str>) {
        let reference = &mut self.reference;
        match *step {
            Step::CreateUser { name } => (create_user(USERS[name]), reference.create_user(USERS[name])),
            Step::RenameUser { from, to } => {
                (rename_user(USERS[from], USERS[to]), reference.rename_user(USERS[from], USERS[to]))
            }
            Step::DeleteUser { name } => (delete_user(USERS[name]), reference.delete(AccessKind::User, USERS[name])),
            Step::CreateGroup { name } => (create_group(GROUPS[name]), reference.create_group(GROUPS[name])),
            Step::RenameGroup { from, to } => {
                (rename_group(GROUPS[from], GROUPS[to]), reference.rename_group(GROUPS[from], GROUPS[to]))
            }
            Step::DeleteGroup { name } => {
                (role_or_group(AccessKind::Group, GROUPS[name]), reference.delete(AccessKind::Group, GROUPS[name]))
            }
            Step::Membership { group, user, member } => (
                membership(GROUPS[group], USERS[user], member),
                reference.membership(GROUPS[group], USERS[user], member),
            ),
            Step::CreateRole { name } => (create_role(ROLES[name]), reference.create_role(ROLES[name])),
            Step::DeleteRole { name } => {
                (role_or_group(AccessKind::Role, ROLES[name]), reference.delete(AccessKind::Role, ROLES[name]))
            }
            Step::CreatePolicy { name } => (create_policy(POLICIES[name]), reference.create_policy(POLICIES[name])),
            Step::DeletePolicy { name } => (delete_policy(POLICIES[name]), reference.delete_policy(POLICIES[name])),
            Step::CreateVersion { policy, set_as_default } => {
                let (policy_name, document) = (POLICIES[policy].to_owned(), "{}".to_owned());
                let expected = reference.create_version(&policy_name, set_as_default);
                let change = v1::CreatePolicyVersion { policy_name, document, set_as_default };
                (Change::CreatePolicyVersion(change), expected)
            }
            Step::SetDefault { policy, number } => {
                let change = v1::SetDefaultPolicyVersion { policy_name: POLICIES[policy].into(), number };
                (Change::SetDefaultPolicyVersion(change), reference.set_default(POLICIES[policy], number))
            }
            Step::DeleteVersion { policy, number } => {
                let change = v1::DeletePolicyVersion { policy_name: POLICIES[policy].into(), number };
                (Change::DeletePolicyVersion(change), reference.delete_version(POLICIES[policy], number))
            }
            Step::PutInline { holder, name, characters } => (
                put_inline(name_of(holder), INLINE[name], &"x ".repeat(characters)),
                reference.put_inline(holder, INLINE[name], characters),
            ),
            Step::DeleteInline { holder, name } => {
                let change = v1::DeleteInlinePolicy { holder: name_of(holder), policy_name: INLINE[name].into() };
                (Change::DeleteInlinePolicy(change), reference.delete_inline(holder, INLINE[name]))
            }
            Step::Attach { holder, policy } => {
                (attach(name_of(holder), POLICIES[policy]), reference.attach(holder, POLICIES[policy]))
            }
            Step::Detach { holder, policy } => {
                (detach(name_of(holder), POLICIES[policy]), reference.detach(holder, POLICIES[policy]))
            }
            Step::SetBoundary { holder, policy } => {
                let policy = policy.map_or("", |policy| POLICIES[policy]);
                (bound(name_of(holder), policy), reference.set_boundary(holder, policy))
            }
            Step::Trust { role, user } => {
                let change = v1::UpdateRole {
                    name: ROLES[role].into(),
                    trust_document: Some(DOCUMENT.into()),
                    trust_principals: vec![arn(USERS[user])],
                    ..Default::default()
                };
                (Change::UpdateRole(change), reference.trust(ROLES[role], USERS[user]))
            }
            Step::SetBucketPolicy { bucket, bytes, user } => {
                let change = v1::SetBucketAccess {
                    bucket: BUCKETS[bucket].into(),
                    policy_document: Some("x".repeat(bytes)),
                    policy_principals: user.map(|user| arn(USERS[user])).into_iter().collect(),
                    ..Default::default()
                };
                let user = user.map(|user| USERS[user]);
                (Change::SetBucketAccess(change), reference.set_bucket_policy(BUCKETS[bucket], bytes, user))
            }
            Step::CreateKey { .. }
            | Step::DeleteKey { .. }
            | Step::CreateBucket { .. }
            | Step::DeleteBucket { .. }
            | Step::Follow
            | Step::Restart => unreachable!("{step:?} is not plain"),
        }
    }

    async fn create_key(&mut self, user: &str) {
        let result = self.fixture.change(create_key(user)).await;
        assert_eq!(result.as_ref().map(drop).map_err(kind), self.reference.create_key(user));
        if let Ok(answer) = result {
            let Some(Entry::AccessKey(key)) = answer.entry.unwrap().entry else { panic!("a key was made") };
            assert_eq!(answer.secret_access_key.len(), 40);
            assert_eq!(self.reference.keys.insert(key.access_key_id, user.into()), None, "ids are new");
        }
    }

    async fn delete_key(&mut self, nth: usize) {
        let Some(access_key_id) = self.reference.keys.keys().nth(nth).cloned() else { return };
        let user_name = self.reference.keys.remove(&access_key_id).unwrap();
        self.change(Change::DeleteAccessKey(v1::DeleteAccessKey { access_key_id, user_name }), Ok(())).await;
    }

    async fn create_bucket(&mut self, name: &str, ownership: i32) {
        let request = v1::CreateBucketRequest { name: name.into(), ownership, ..Default::default() };
        let result = self.fixture.namespace.create_bucket(&request).await;
        assert_eq!(result.as_ref().map(drop).map_err(kind), self.reference.create_bucket(name, ownership));
    }

    async fn delete_bucket(&mut self, name: &str) {
        let request = v1::DeleteBucketRequest { name: name.into(), ..Default::default() };
        let result = self.fixture.namespace.delete_bucket(&request).await;
        assert_eq!(result.as_ref().map(drop).map_err(kind), self.reference.delete_bucket(name));
    }

    fn follow(&mut self) {
        let (complete, changed) = self.fixture.fetched(self.copy.version);
        if complete {
            self.copy.entries.clear();
        }
        for (name, entry) in changed {
            match entry {
                Entry::Removed(_) => self.copy.entries.remove(&name),
                entry => self.copy.entries.insert(name, entry),
            };
        }
        self.copy.version = self.fixture.namespace.access.version();
        let (complete, everything) = self.fixture.fetched(0);
        assert!(complete);
        assert_eq!(self.copy.entries, everything);
    }

    /// What the gateway knows is what the reference has.
    async fn end(mut self) {
        self.follow();
        let principals = std::mem::take(&mut self.reference.principals).shown();
        assert_eq!(named(&self.copy.entries), principals);
        let mut shown = Reference::default();
        for entry in std::mem::take(&mut self.copy.entries).into_values() {
            show(&mut shown, entry);
        }
        let mut expected = self.reference;
        expected.buckets.retain(|_, (ownership, bytes)| *ownership != 0 || *bytes != 0);
        assert_eq!(format!("{shown:#?}"), format!("{expected:#?}"));
        self.fixture.check_access().await;
        self.fixture.drain().await;
        self.fixture.check(true).await;
    }
}

/// By holder: what those whom documents name are called now; none: they are gone.
fn named(entries: &BTreeMap<Name, Entry>) -> BTreeMap<String, Option<String>> {
    let now = |id: &str| {
        entries.values().find_map(|entry| match entry {
            Entry::User(user) if user.id == id => Some(user.name.clone()),
            _ => None,
        })
    };
    let mut named = BTreeMap::new();
    for entry in entries.values() {
        let (holder, principals) = match entry {
            Entry::Role(role) => (format!("role {}", role.name), &role.trust_principals),
            Entry::Bucket(bucket) => (format!("bucket {}", bucket.bucket), &bucket.policy_principals),
            _ => continue,
        };
        named.extend(principals.iter().map(|principal| (holder.clone(), now(&principal.id))));
    }
    named
}

fn show(shown: &mut Reference, entry: Entry) {
    match entry {
        Entry::User(user) => {
            let held = Held { groups: user.groups.into_iter().collect(), ..held(user.permissions) };
            shown.users.insert(user.name, held);
        }
        Entry::Group(group) => drop(shown.groups.insert(group.name, held(group.permissions))),
        Entry::Role(role) => drop(shown.roles.insert(role.name, held(role.permissions))),
        Entry::AccessKey(key) => drop(shown.keys.insert(key.access_key_id, key.user_name)),
        Entry::Policy(policy) if policy.built_in => {}
        Entry::Policy(policy) => {
            let versions = policy.versions.iter().map(|version| version.number).collect();
            let (default, last) = (policy.default_version, policy.last_version);
            shown.policies.insert(policy.name, Policy { versions, default, last });
        }
        Entry::Bucket(bucket) => {
            shown.buckets.insert(bucket.bucket, (bucket.ownership, bucket.policy_document.len()));
        }
        Entry::OidcProvider(_) | Entry::Removed(_) => panic!("{entry:?} was not made"),
    }
}

fn held(permissions: Option<Permissions>) -> Held {
    let permissions = permissions.unwrap();
    Held {
        attached: permissions.attached_policies.into_iter().collect(),
        inline: permissions
            .inline_policies
            .into_iter()
            .map(|policy| (policy.name, policy.document.len() / 2))
            .collect(),
        boundary: permissions.boundary_policy,
        ..Held::default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn random_changes_match_the_reference(steps in prop::collection::vec(step(), 1..120)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut run = Run { fixture: Fixture::new().await, reference: Reference::default(), copy: Copy::default() };
            for step in steps {
                run = run.run(step).await;
            }
            run.end().await;
        });
    }
}
