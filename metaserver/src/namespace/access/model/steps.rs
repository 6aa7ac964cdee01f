//! What a random history of the directory is made of. Names are few, so that histories meet; two differ in case alone.

use proptest::prelude::*;
use weir_proto::v1::AccessKind;

pub const USERS: [&str; 4] = ["alice", "Alice", "bob", "carol"];
pub const GROUPS: [&str; 3] = ["admins", "readers", "READERS"];
pub const ROLES: [&str; 2] = ["backup", "audit"];
/// The last one is part of the system.
pub const POLICIES: [&str; 4] = ["p1", "p2", "P2", "IAMFullAccess"];
pub const INLINE: [&str; 2] = ["x", "y"];
pub const BUCKETS: [&str; 2] = ["first", "second"];

#[derive(Clone, Debug)]
pub enum Step {
    CreateUser {
        name: usize,
    },
    RenameUser {
        from: usize,
        to: usize,
    },
    DeleteUser {
        name: usize,
    },
    CreateKey {
        user: usize,
    },
    DeleteKey {
        nth: usize,
    },
    CreateGroup {
        name: usize,
    },
    RenameGroup {
        from: usize,
        to: usize,
    },
    DeleteGroup {
        name: usize,
    },
    Membership {
        group: usize,
        user: usize,
        member: bool,
    },
    CreateRole {
        name: usize,
    },
    DeleteRole {
        name: usize,
    },
    CreatePolicy {
        name: usize,
    },
    DeletePolicy {
        name: usize,
    },
    CreateVersion {
        policy: usize,
        set_as_default: bool,
    },
    SetDefault {
        policy: usize,
        number: u32,
    },
    DeleteVersion {
        policy: usize,
        number: u32,
    },
    PutInline {
        holder: Holder,
        name: usize,
        characters: usize,
    },
    DeleteInline {
        holder: Holder,
        name: usize,
    },
    Attach {
        holder: Holder,
        policy: usize,
    },
    Detach {
        holder: Holder,
        policy: usize,
    },
    SetBoundary {
        holder: Holder,
        policy: Option<usize>,
    },
    CreateBucket {
        bucket: usize,
        ownership: i32,
    },
    DeleteBucket {
        bucket: usize,
    },
    Trust {
        role: usize,
        user: usize,
    },
    SetBucketPolicy {
        bucket: usize,
        bytes: usize,
        /// Whom it names.
        user: Option<usize>,
    },
    /// A gateway asks for what has changed since it asked last.
    Follow,
    Restart,
}

#[derive(Clone, Copy, Debug)]
pub struct Holder {
    pub kind: AccessKind,
    name: usize,
}

impl Holder {
    pub fn name(self) -> &'static str {
        match self.kind {
            AccessKind::Group => GROUPS[self.name % GROUPS.len()],
            AccessKind::Role => ROLES[self.name % ROLES.len()],
            _ => USERS[self.name % USERS.len()],
        }
    }
}

fn holder() -> impl Strategy<Value = Holder> {
    let kind = prop_oneof![Just(AccessKind::User), Just(AccessKind::Group), Just(AccessKind::Role)];
    (kind, 0usize..4).prop_map(|(kind, name)| Holder { kind, name })
}

pub fn step() -> impl Strategy<Value = Step> {
    let (user, group, role, policy) = (0..USERS.len(), 0..GROUPS.len(), 0..ROLES.len(), 0..POLICIES.len());
    let (inline, bucket) = (0..INLINE.len(), 0..BUCKETS.len());
    prop_oneof![
        4 => user.clone().prop_map(|name| Step::CreateUser { name }),
        2 => (user.clone(), user.clone()).prop_map(|(from, to)| Step::RenameUser { from, to }),
        2 => user.clone().prop_map(|name| Step::DeleteUser { name }),
        3 => user.clone().prop_map(|user| Step::CreateKey { user }),
        2 => (0usize..3).prop_map(|nth| Step::DeleteKey { nth }),
        3 => group.clone().prop_map(|name| Step::CreateGroup { name }),
        2 => (group.clone(), group.clone()).prop_map(|(from, to)| Step::RenameGroup { from, to }),
        1 => group.clone().prop_map(|name| Step::DeleteGroup { name }),
        4 => (group, user.clone(), prop::bool::weighted(0.7))
            .prop_map(|(group, user, member)| Step::Membership { group, user, member }),
        2 => role.clone().prop_map(|name| Step::CreateRole { name }),
        1 => role.clone().prop_map(|name| Step::DeleteRole { name }),
        3 => (role, user.clone()).prop_map(|(role, user)| Step::Trust { role, user }),
        3 => policy.clone().prop_map(|name| Step::CreatePolicy { name }),
        2 => policy.clone().prop_map(|name| Step::DeletePolicy { name }),
        3 => (policy.clone(), any::<bool>())
            .prop_map(|(policy, set_as_default)| Step::CreateVersion { policy, set_as_default }),
        1 => (policy.clone(), 0u32..5).prop_map(|(policy, number)| Step::SetDefault { policy, number }),
        2 => (policy.clone(), 0u32..5).prop_map(|(policy, number)| Step::DeleteVersion { policy, number }),
        3 => (holder(), inline.clone(), 1usize..1_500)
            .prop_map(|(holder, name, characters)| Step::PutInline { holder, name, characters }),
        2 => (holder(), inline).prop_map(|(holder, name)| Step::DeleteInline { holder, name }),
        3 => (holder(), policy.clone()).prop_map(|(holder, policy)| Step::Attach { holder, policy }),
        2 => (holder(), policy.clone()).prop_map(|(holder, policy)| Step::Detach { holder, policy }),
        2 => (holder(), prop::option::of(policy)).prop_map(|(holder, policy)| Step::SetBoundary { holder, policy }),
        2 => (bucket.clone(), 0i32..4).prop_map(|(bucket, ownership)| Step::CreateBucket { bucket, ownership }),
        1 => bucket.clone().prop_map(|bucket| Step::DeleteBucket { bucket }),
        1 => bucket.clone().prop_map(|bucket| Step::SetBucketPolicy { bucket, bytes: 0, user: None }),
        3 => (bucket, 1usize..20_480, prop::option::of(user))
            .prop_map(|(bucket, bytes, user)| Step::SetBucketPolicy { bucket, bytes, user }),
        3 => Just(Step::Follow),
        1 => Just(Step::Restart),
    ]
}
