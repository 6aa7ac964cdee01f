//! What a gateway knows of the metaserver's directory: users, keys, groups, policies, roles, issuers, and what buckets
//! say about access, as of one version.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use weir_proto::v1::access_entry::Entry;
use weir_proto::v1::{self, AccessKind};

/// Its entries by name. A new version is a new directory, which shares what did not change.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    pub version: u64,
    pub users: BTreeMap<String, Arc<v1::User>>,
    /// By access key id.
    pub access_keys: HashMap<String, Arc<v1::AccessKey>>,
    pub groups: BTreeMap<String, Arc<v1::Group>>,
    pub policies: BTreeMap<String, Arc<v1::ManagedPolicy>>,
    pub roles: BTreeMap<String, Arc<v1::Role>>,
    /// By URL without its scheme.
    pub providers: BTreeMap<String, Arc<v1::OidcProvider>>,
    /// Only buckets that have something set.
    pub buckets: HashMap<String, Arc<v1::BucketAccess>>,
}

impl Directory {
    /// Takes changes in: each entry replaces the one of its kind and name, or takes it away.
    pub fn apply(&mut self, entries: impl IntoIterator<Item = v1::AccessEntry>) {
        for entry in entries.into_iter().filter_map(|entry| entry.entry) {
            self.take(entry);
        }
    }

    fn take(&mut self, entry: Entry) {
        match entry {
            Entry::User(user) => {
                self.users.insert(user.name.clone(), user.into());
            }
            Entry::AccessKey(key) => {
                self.access_keys.insert(key.access_key_id.clone(), key.into());
            }
            Entry::Group(group) => {
                self.groups.insert(group.name.clone(), group.into());
            }
            Entry::Policy(policy) => {
                self.policies.insert(policy.name.clone(), policy.into());
            }
            Entry::Role(role) => {
                self.roles.insert(role.name.clone(), role.into());
            }
            Entry::OidcProvider(provider) => {
                self.providers.insert(provider_name(&provider.url).to_owned(), provider.into());
            }
            Entry::Bucket(bucket) => {
                self.buckets.insert(bucket.bucket.clone(), bucket.into());
            }
            Entry::Removed(removed) => self.remove(removed.kind(), &removed.name),
        }
    }

    fn remove(&mut self, kind: AccessKind, name: &str) {
        match kind {
            AccessKind::Unspecified => {}
            AccessKind::User => drop(self.users.remove(name)),
            AccessKind::AccessKey => drop(self.access_keys.remove(name)),
            AccessKind::Group => drop(self.groups.remove(name)),
            AccessKind::Policy => drop(self.policies.remove(name)),
            AccessKind::Role => drop(self.roles.remove(name)),
            AccessKind::OidcProvider => drop(self.providers.remove(name)),
            AccessKind::Bucket => drop(self.buckets.remove(name)),
        }
    }
}

/// A provider's URL without its scheme: its name in ARNs and condition keys.
pub fn provider_name(url: &str) -> &str {
    url.split_once("://").map_or(url, |(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(entry: Entry) -> v1::AccessEntry {
        v1::AccessEntry { entry: Some(entry) }
    }

    fn user(name: &str, path: &str) -> v1::AccessEntry {
        entry(Entry::User(v1::User { name: name.into(), path: path.into(), ..Default::default() }))
    }

    #[test]
    fn an_entry_replaces_the_one_of_its_name_and_a_removal_takes_it_away() {
        let mut directory = Directory::default();
        directory.apply([user("alice", "/"), user("bob", "/"), user("alice", "/staff/"), v1::AccessEntry::default()]);
        assert_eq!(directory.users["alice"].path, "/staff/");
        let removed = v1::AccessName { kind: AccessKind::User.into(), name: "alice".into() };
        directory.apply([entry(Entry::Removed(removed))]);
        assert_eq!(directory.users.keys().collect::<Vec<_>>(), ["bob"]);
    }

    #[test]
    fn a_removal_is_of_one_kind() {
        let mut directory = Directory::default();
        let group = v1::Group { name: "same".into(), ..Default::default() };
        directory.apply([user("same", "/"), entry(Entry::Group(group))]);
        let removed = v1::AccessName { kind: AccessKind::Group.into(), name: "same".into() };
        directory.apply([entry(Entry::Removed(removed))]);
        assert!(directory.users.contains_key("same") && directory.groups.is_empty());
    }

    #[test]
    fn a_provider_is_known_without_its_scheme() {
        let mut directory = Directory::default();
        let provider = v1::OidcProvider { url: "https://id.example.com/a".into(), ..Default::default() };
        directory.apply([entry(Entry::OidcProvider(provider))]);
        assert!(directory.providers.contains_key("id.example.com/a"));
    }
}
