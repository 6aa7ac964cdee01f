//! What the metaserver keeps about access, as a gateway knows it: as of one version, in memory.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use weir_proto::v1::access_entry::Entry;
use weir_proto::v1::{self, AccessKind};

/// Users, keys, groups, policies, roles, issuers and what buckets say, as of one version.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    pub version: u64,
    /// By name, as all but what is said otherwise.
    pub users: BTreeMap<String, Arc<v1::User>>,
    /// By id.
    pub access_keys: HashMap<String, Arc<v1::AccessKey>>,
    pub groups: BTreeMap<String, Arc<v1::Group>>,
    pub policies: BTreeMap<String, Arc<v1::ManagedPolicy>>,
    pub roles: BTreeMap<String, Arc<v1::Role>>,
    /// By URL without its scheme.
    pub providers: BTreeMap<String, Arc<v1::OidcProvider>>,
    pub buckets: HashMap<String, Arc<v1::BucketAccess>>,
}

impl Directory {
    /// Puts what is new or changed in its place, and takes away what is gone. The version is for the caller to set.
    pub fn apply(&mut self, entries: impl IntoIterator<Item = v1::AccessEntry>) {
        for entry in entries {
            match entry.entry {
                Some(Entry::User(user)) => drop(self.users.insert(user.name.clone(), user.into())),
                Some(Entry::AccessKey(key)) => drop(self.access_keys.insert(key.access_key_id.clone(), key.into())),
                Some(Entry::Group(group)) => drop(self.groups.insert(group.name.clone(), group.into())),
                Some(Entry::Policy(policy)) => drop(self.policies.insert(policy.name.clone(), policy.into())),
                Some(Entry::Role(role)) => drop(self.roles.insert(role.name.clone(), role.into())),
                Some(Entry::OidcProvider(provider)) => {
                    drop(self.providers.insert(provider_name(&provider.url).to_owned(), provider.into()));
                }
                Some(Entry::Bucket(bucket)) => drop(self.buckets.insert(bucket.bucket.clone(), bucket.into())),
                Some(Entry::Removed(removed)) => self.remove(removed.kind(), &removed.name),
                // Of a kind that a later version has: nothing here asks for it.
                None => {}
            }
        }
    }

    fn remove(&mut self, kind: AccessKind, name: &str) {
        match kind {
            AccessKind::User => drop(self.users.remove(name)),
            AccessKind::AccessKey => drop(self.access_keys.remove(name)),
            AccessKind::Group => drop(self.groups.remove(name)),
            AccessKind::Policy => drop(self.policies.remove(name)),
            AccessKind::Role => drop(self.roles.remove(name)),
            AccessKind::OidcProvider => drop(self.providers.remove(name)),
            AccessKind::Bucket => drop(self.buckets.remove(name)),
            AccessKind::Unspecified => {}
        }
    }

    /// The keys of a user, oldest first.
    pub fn access_keys_of(&self, user_name: &str) -> Vec<&Arc<v1::AccessKey>> {
        let mut keys: Vec<_> = self.access_keys.values().filter(|key| key.user_name == user_name).collect();
        keys.sort_by(|one, other| (one.created_ms, &one.access_key_id).cmp(&(other.created_ms, &other.access_key_id)));
        keys
    }

    /// The members of a group, by name.
    pub fn members_of(&self, group_name: &str) -> impl Iterator<Item = &Arc<v1::User>> {
        self.users.values().filter(move |user| user.groups.iter().any(|group| group == group_name))
    }
}

/// A provider's name: its URL without the scheme, as it stands in its ARN.
pub fn provider_name(url: &str) -> &str {
    url.split_once("://").map_or(url, |(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(entry: Entry) -> v1::AccessEntry {
        v1::AccessEntry { entry: Some(entry) }
    }

    fn removed(kind: AccessKind, name: &str) -> v1::AccessEntry {
        entry(Entry::Removed(v1::AccessName { kind: kind.into(), name: name.into() }))
    }

    fn user(name: &str, path: &str, groups: &[&str]) -> v1::AccessEntry {
        let groups = groups.iter().map(|&group| group.to_owned()).collect();
        entry(Entry::User(v1::User { name: name.into(), path: path.into(), groups, ..Default::default() }))
    }

    fn key(id: &str, user_name: &str, created_ms: i64) -> v1::AccessEntry {
        let (access_key_id, user_name) = (id.to_owned(), user_name.to_owned());
        entry(Entry::AccessKey(v1::AccessKey { access_key_id, user_name, created_ms, ..Default::default() }))
    }

    /// One of each kind, all named `n`.
    fn one_of_each() -> Vec<v1::AccessEntry> {
        let name = || "n".to_owned();
        vec![
            user("n", "/", &[]),
            key("n", "n", 1),
            entry(Entry::Group(v1::Group { name: name(), ..Default::default() })),
            entry(Entry::Policy(v1::ManagedPolicy { name: name(), ..Default::default() })),
            entry(Entry::Role(v1::Role { name: name(), ..Default::default() })),
            entry(Entry::OidcProvider(v1::OidcProvider { url: "https://n".into(), ..Default::default() })),
            entry(Entry::Bucket(v1::BucketAccess { bucket: name(), ..Default::default() })),
        ]
    }

    fn counts(directory: &Directory) -> [usize; 7] {
        let Directory { users, access_keys, groups, policies, roles, providers, buckets, version: _ } = directory;
        [users.len(), access_keys.len(), groups.len(), policies.len(), roles.len(), providers.len(), buckets.len()]
    }

    #[test]
    fn each_kind_is_put_in_its_place_and_taken_away() {
        let mut directory = Directory::default();
        directory.apply(one_of_each());
        assert_eq!(counts(&directory), [1; 7]);
        let kinds = [
            AccessKind::User,
            AccessKind::AccessKey,
            AccessKind::Group,
            AccessKind::Policy,
            AccessKind::Role,
            AccessKind::OidcProvider,
            AccessKind::Bucket,
        ];
        for (index, kind) in kinds.into_iter().enumerate() {
            directory.apply([removed(kind, "other")]);
            assert_eq!(counts(&directory)[index], 1);
            directory.apply([removed(kind, "n")]);
            let expected: Vec<_> = (0..7).map(|at| usize::from(at > index)).collect();
            assert_eq!(counts(&directory)[..], expected);
        }
    }

    #[test]
    fn what_has_changed_replaces_what_was_there() {
        let mut directory = Directory::default();
        directory.apply([user("alice", "/", &[]), user("alice", "/staff/", &[])]);
        assert_eq!(directory.users["alice"].path, "/staff/");
        directory.apply([removed(AccessKind::User, "alice"), user("alicia", "/staff/", &[])]);
        assert_eq!(directory.users.keys().collect::<Vec<_>>(), ["alicia"]);
    }

    #[test]
    fn what_is_not_known_changes_nothing() {
        let mut directory = Directory::default();
        directory.apply(one_of_each());
        directory.apply([v1::AccessEntry { entry: None }, removed(AccessKind::Unspecified, "n")]);
        assert_eq!(counts(&directory), [1; 7]);
    }

    #[test]
    fn keys_and_members_are_found_by_whose_they_are() {
        let mut directory = Directory::default();
        directory.apply([key("K2", "alice", 1), key("K1", "alice", 2), key("K3", "bob", 0)]);
        let keys = directory.access_keys_of("alice").into_iter().map(|key| key.access_key_id.as_str());
        assert_eq!(keys.collect::<Vec<_>>(), ["K2", "K1"]);
        directory.apply([
            user("bob", "/", &["staff"]),
            user("alice", "/", &["a", "staff"]),
            user("eve", "/", &["staff2"]),
        ]);
        let members = directory.members_of("staff").map(|user| user.name.as_str());
        assert_eq!(members.collect::<Vec<_>>(), ["alice", "bob"]);
    }

    #[test]
    fn a_provider_is_known_without_its_scheme() {
        assert_eq!(provider_name("https://issuer.example/tenant"), "issuer.example/tenant");
        assert_eq!(provider_name("http://127.0.0.1:80"), "127.0.0.1:80");
    }
}
