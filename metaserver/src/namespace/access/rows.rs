//! How an entry lies in the store: one record of its kind, its documents and its tags.

use super::directory::{Directory, Name};
use crate::namespace::transaction::Transaction;
use crate::records::holder::{HolderKind, HolderName};
use crate::records::managed_policy::{self, ManagedPolicyRecord, VersionRecord};
use crate::records::oidc_provider::{self, OidcProviderRecord};
use crate::records::policy_document::{self, Document};
use crate::records::principal::{self, PrincipalRecord};
use crate::records::role::{self, RoleRecord};
use crate::records::tag::{self, TagRecord};
use crate::records::user::{self, UserRecord};
use crate::records::{Record, encode};
use crate::records::{
    access_key::{self, AccessKeyRecord},
    bucket_access::{self, BucketAccessRecord},
    group::{self, GroupRecord},
};
use crate::store::Write;
use bytes::Bytes;
use std::collections::BTreeMap;
use weir_proto::v1::access_entry::Entry;
use weir_proto::v1::{
    AccessKey, BucketAccess, Group, ManagedPolicy, NamedDocument, OidcProvider, Permissions, PolicyVersion,
    PrincipalId, Role, Tag, User,
};

/// The rows of one entry, by key.
#[derive(Default)]
struct Rows(BTreeMap<Bytes, Bytes>);

/// Writes what makes the entries of the directory those that are given: the rows that differ.
pub(super) fn write(transaction: &mut Transaction, directory: &Directory, entries: &[Entry]) {
    let mut before = Rows::default();
    let mut after = Rows::default();
    for entry in entries {
        if let Some(known) = Name::of(entry).and_then(|name| directory.find(&name)) {
            before.add(&known);
        }
        after.add(entry);
    }
    for key in before.0.keys().filter(|key| !after.0.contains_key(*key)) {
        transaction.delete(key.clone());
    }
    for (key, value) in after.0 {
        if before.0.get(&key) != Some(&value) {
            transaction.write(Write::Put { key, value });
        }
    }
}

impl Rows {
    fn add(&mut self, entry: &Entry) {
        match entry {
            Entry::User(user) => self.add_user(user),
            Entry::AccessKey(key) => self.add_key(key),
            Entry::Group(group) => self.add_group(group),
            Entry::Policy(policy) => self.add_policy(policy),
            Entry::Role(role) => self.add_role(role),
            Entry::OidcProvider(provider) => self.add_provider(provider),
            Entry::Bucket(bucket) => self.add_bucket(bucket),
            Entry::Removed(_) => {}
        }
    }

    fn put<R: Record>(&mut self, key: Bytes, record: &R) {
        self.0.insert(key, encode(record));
    }

    fn add_user(&mut self, user: &User) {
        let permissions = user.permissions.clone().unwrap_or_default();
        let holder = HolderName::new(HolderKind::User, &user.name);
        self.add_inline(&holder, &permissions);
        self.add_tags(&holder, &user.tags);
        let record = UserRecord {
            path: user.path.clone(),
            id: user.id.clone(),
            created_ms: user.created_ms,
            attached_policies: permissions.attached_policies,
            boundary_policy: permissions.boundary_policy,
            groups: user.groups.clone(),
        };
        self.put(user::key(&user.name), &record);
    }

    fn add_key(&mut self, key: &AccessKey) {
        let record = AccessKeyRecord {
            user_name: key.user_name.clone(),
            sealed_secret: key.sealed_secret.clone(),
            active: key.active,
            created_ms: key.created_ms,
        };
        self.put(access_key::key(&key.access_key_id), &record);
    }

    fn add_group(&mut self, group: &Group) {
        let permissions = group.permissions.clone().unwrap_or_default();
        self.add_inline(&HolderName::new(HolderKind::Group, &group.name), &permissions);
        let record = GroupRecord {
            path: group.path.clone(),
            id: group.id.clone(),
            created_ms: group.created_ms,
            attached_policies: permissions.attached_policies,
        };
        self.put(group::key(&group.name), &record);
    }

    fn add_policy(&mut self, policy: &ManagedPolicy) {
        let holder = HolderName::new(HolderKind::ManagedPolicy, &policy.name);
        for version in &policy.versions {
            self.add_document(&holder, &Document::Version(version.number), &version.document);
        }
        let version =
            |version: &PolicyVersion| VersionRecord { number: version.number, created_ms: version.created_ms };
        let record = ManagedPolicyRecord {
            path: policy.path.clone(),
            id: policy.id.clone(),
            description: policy.description.clone(),
            created_ms: policy.created_ms,
            updated_ms: policy.updated_ms,
            versions: policy.versions.iter().map(version).collect(),
            default_version: policy.default_version,
            last_version: policy.last_version,
        };
        self.put(managed_policy::key(&policy.name), &record);
    }

    fn add_role(&mut self, role: &Role) {
        let permissions = role.permissions.clone().unwrap_or_default();
        let holder = HolderName::new(HolderKind::Role, &role.name);
        self.add_document(&holder, &Document::Trust, &role.trust_document);
        self.add_principals(&holder, &role.trust_principals);
        self.add_inline(&holder, &permissions);
        self.add_tags(&holder, &role.tags);
        let record = RoleRecord {
            path: role.path.clone(),
            id: role.id.clone(),
            description: role.description.clone(),
            created_ms: role.created_ms,
            max_session_seconds: role.max_session_seconds,
            attached_policies: permissions.attached_policies,
            boundary_policy: permissions.boundary_policy,
        };
        self.put(role::key(&role.name), &record);
    }

    fn add_provider(&mut self, provider: &OidcProvider) {
        let record = OidcProviderRecord {
            url: provider.url.clone(),
            client_ids: provider.client_ids.clone(),
            thumbprints: provider.thumbprints.clone(),
            created_ms: provider.created_ms,
        };
        self.put(oidc_provider::key(super::directory::without_scheme(provider)), &record);
    }

    fn add_bucket(&mut self, bucket: &BucketAccess) {
        if !bucket.policy_document.is_empty() {
            let holder = HolderName::new(HolderKind::Bucket, &bucket.bucket);
            self.add_document(&holder, &Document::Bucket, &bucket.policy_document);
            self.add_principals(&holder, &bucket.policy_principals);
        }
        let record = BucketAccessRecord {
            bucket_id: bucket.bucket_id,
            public_access_block: bucket.public_access_block,
            ownership: bucket.ownership,
            acl: bucket.acl.as_ref().map(Into::into),
            replication: bucket.replication,
            coding: bucket.coding,
        };
        self.put(bucket_access::key(&bucket.bucket), &record);
    }

    fn add_inline(&mut self, holder: &HolderName, permissions: &Permissions) {
        for NamedDocument { name, document } in &permissions.inline_policies {
            self.add_document(holder, &Document::Inline(name.clone()), document);
        }
    }

    fn add_document(&mut self, holder: &HolderName, document: &Document, text: &str) {
        for (piece, record) in (0..).zip(policy_document::cut(text)) {
            self.put(policy_document::key(holder, document, piece), &record);
        }
    }

    fn add_principals(&mut self, holder: &HolderName, principals: &[PrincipalId]) {
        for PrincipalId { arn, id } in principals {
            self.put(principal::key(holder, arn), &PrincipalRecord { id: id.clone() });
        }
    }

    fn add_tags(&mut self, holder: &HolderName, tags: &[Tag]) {
        for tag in tags {
            self.put(tag::key(holder, &tag.key), &TagRecord { value: tag.value.clone() });
        }
    }
}
