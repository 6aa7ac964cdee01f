//! The directory as it is in memory: every entry by kind and name.

use super::built_in;
use crate::error::Error;
use prost::Message;
use std::collections::BTreeMap;
use std::sync::Arc;
use weir_proto::v1::access_entry::Entry;
use weir_proto::v1::{AccessKey, AccessKind, AccessName, BucketAccess, Group, ManagedPolicy, OidcProvider, Role, User};

/// What an entry is called.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name {
    pub kind: AccessKind,
    pub name: String,
}

impl Name {
    pub fn new(kind: AccessKind, name: impl Into<String>) -> Self {
        Self { kind, name: name.into() }
    }

    /// Of an entry, or of one that is gone; none for a name of no kind.
    pub fn of(entry: &Entry) -> Option<Self> {
        let (kind, name) = match entry {
            Entry::User(user) => (AccessKind::User, &user.name),
            Entry::AccessKey(key) => (AccessKind::AccessKey, &key.access_key_id),
            Entry::Group(group) => (AccessKind::Group, &group.name),
            Entry::Policy(policy) => (AccessKind::Policy, &policy.name),
            Entry::Role(role) => (AccessKind::Role, &role.name),
            Entry::OidcProvider(provider) => {
                return Some(Self::new(AccessKind::OidcProvider, without_scheme(provider)));
            }
            Entry::Bucket(bucket) => (AccessKind::Bucket, &bucket.bucket),
            Entry::Removed(name) => return Self::try_from(name).ok(),
        };
        Some(Self::new(kind, name))
    }

    /// The entry that says that it is gone.
    pub fn removed(self) -> Entry {
        Entry::Removed(self.into())
    }
}

impl From<Name> for AccessName {
    fn from(name: Name) -> Self {
        Self { kind: name.kind.into(), name: name.name }
    }
}

/// Fails for a kind that is not known.
impl TryFrom<&AccessName> for Name {
    type Error = Error;

    fn try_from(name: &AccessName) -> Result<Self, Error> {
        match AccessKind::try_from(name.kind) {
            Ok(kind) if kind != AccessKind::Unspecified => Ok(Self::new(kind, &name.name)),
            _ => Err(Error::invalid("kind", "it is not known")),
        }
    }
}

/// A provider's URL without its scheme: what it is called.
pub(super) fn without_scheme(provider: &OidcProvider) -> &str {
    provider.url.split_once("://").map_or(&provider.url, |(_, rest)| rest)
}

type Entries<M> = BTreeMap<String, Arc<M>>;

/// Everything. Cheap to clone: entries are shared.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Directory {
    pub users: Entries<User>,
    pub keys: Entries<AccessKey>,
    pub groups: Entries<Group>,
    /// With those that are part of the system.
    pub policies: Entries<ManagedPolicy>,
    pub roles: Entries<Role>,
    pub providers: Entries<OidcProvider>,
    pub buckets: Entries<BucketAccess>,
    /// Of all entries.
    bytes: i64,
}

impl Directory {
    /// One that has nothing but what is part of the system.
    pub fn new() -> Self {
        let mut directory = Self {
            users: Entries::new(),
            keys: Entries::new(),
            groups: Entries::new(),
            policies: Entries::new(),
            roles: Entries::new(),
            providers: Entries::new(),
            buckets: Entries::new(),
            bytes: 0,
        };
        built_in::policies().into_iter().for_each(|policy| directory.apply(Entry::Policy(policy)));
        directory
    }

    /// All entries as messages, in bytes.
    pub fn bytes(&self) -> i64 {
        self.bytes
    }

    /// By how many bytes these entries make it larger.
    pub fn growth(&self, entries: &[Entry]) -> i64 {
        let before = |entry| Name::of(entry).map_or(0, |name| self.entry_bytes(&name));
        entries.iter().map(|entry| message_bytes(entry) - before(entry)).sum()
    }

    /// Puts an entry in the place of the one of its name, or removes it.
    pub fn apply(&mut self, entry: Entry) {
        let Some(name) = Name::of(&entry) else { return };
        self.bytes += message_bytes(&entry) - self.entry_bytes(&name);
        match entry {
            Entry::User(user) => put(&mut self.users, name, user),
            Entry::AccessKey(key) => put(&mut self.keys, name, key),
            Entry::Group(group) => put(&mut self.groups, name, group),
            Entry::Policy(policy) => put(&mut self.policies, name, policy),
            Entry::Role(role) => put(&mut self.roles, name, role),
            Entry::OidcProvider(provider) => put(&mut self.providers, name, provider),
            Entry::Bucket(bucket) => put(&mut self.buckets, name, bucket),
            Entry::Removed(_) => self.remove(&name),
        }
    }

    fn remove(&mut self, Name { kind, name }: &Name) {
        match kind {
            AccessKind::Unspecified => None,
            AccessKind::User => self.users.remove(name).map(drop),
            AccessKind::AccessKey => self.keys.remove(name).map(drop),
            AccessKind::Group => self.groups.remove(name).map(drop),
            AccessKind::Policy => self.policies.remove(name).map(drop),
            AccessKind::Role => self.roles.remove(name).map(drop),
            AccessKind::OidcProvider => self.providers.remove(name).map(drop),
            AccessKind::Bucket => self.buckets.remove(name).map(drop),
        };
    }

    /// The entry of a name; one that says that it is gone, when there is none.
    pub fn entry(&self, name: &Name) -> Entry {
        self.find(name).unwrap_or_else(|| name.clone().removed())
    }

    pub fn find(&self, Name { kind, name }: &Name) -> Option<Entry> {
        match kind {
            AccessKind::Unspecified => None,
            AccessKind::User => copy(&self.users, name).map(Entry::User),
            AccessKind::AccessKey => copy(&self.keys, name).map(Entry::AccessKey),
            AccessKind::Group => copy(&self.groups, name).map(Entry::Group),
            AccessKind::Policy => copy(&self.policies, name).map(Entry::Policy),
            AccessKind::Role => copy(&self.roles, name).map(Entry::Role),
            AccessKind::OidcProvider => copy(&self.providers, name).map(Entry::OidcProvider),
            AccessKind::Bucket => copy(&self.buckets, name).map(Entry::Bucket),
        }
    }

    fn entry_bytes(&self, name: &Name) -> i64 {
        self.find(name).as_ref().map_or(0, message_bytes)
    }

    /// The names of all entries.
    pub fn names(&self) -> Vec<Name> {
        fn of<M>(kind: AccessKind, entries: &Entries<M>) -> impl Iterator<Item = Name> {
            entries.keys().map(move |name| Name::new(kind, name))
        }
        of(AccessKind::User, &self.users)
            .chain(of(AccessKind::AccessKey, &self.keys))
            .chain(of(AccessKind::Group, &self.groups))
            .chain(of(AccessKind::Policy, &self.policies))
            .chain(of(AccessKind::Role, &self.roles))
            .chain(of(AccessKind::OidcProvider, &self.providers))
            .chain(of(AccessKind::Bucket, &self.buckets))
            .collect()
    }

    /// The access keys of a user.
    pub fn keys_of(&self, user_name: &str) -> impl Iterator<Item = &AccessKey> {
        self.keys.values().map(|key| &**key).filter(move |key| key.user_name == user_name)
    }

    /// The users that are in a group.
    pub fn members(&self, group_name: &str) -> impl Iterator<Item = &User> {
        self.users.values().map(|user| &**user).filter(move |user| user.groups.iter().any(|name| name == group_name))
    }

    pub fn user(&self, name: &str) -> Result<&User, Error> {
        known(&self.users, "user", name)
    }

    pub fn key(&self, access_key_id: &str) -> Result<&AccessKey, Error> {
        known(&self.keys, "access key", access_key_id)
    }

    pub fn group(&self, name: &str) -> Result<&Group, Error> {
        known(&self.groups, "group", name)
    }

    pub fn policy(&self, name: &str) -> Result<&ManagedPolicy, Error> {
        known(&self.policies, "policy", name)
    }

    pub fn role(&self, name: &str) -> Result<&Role, Error> {
        known(&self.roles, "role", name)
    }
}

fn known<'a, M>(entries: &'a Entries<M>, kind: &'static str, name: &str) -> Result<&'a M, Error> {
    match entries.get(name) {
        Some(entry) => Ok(entry),
        None => Err(Error::NoSuchEntity { kind, name: name.to_owned() }),
    }
}

fn put<M>(entries: &mut Entries<M>, name: Name, message: M) {
    entries.insert(name.name, Arc::new(message));
}

fn copy<M: Clone>(entries: &Entries<M>, name: &str) -> Option<M> {
    entries.get(name).map(|entry| M::clone(entry))
}

/// 0 for one that is gone.
fn message_bytes(entry: &Entry) -> i64 {
    let bytes = match entry {
        Entry::User(user) => user.encoded_len(),
        Entry::AccessKey(key) => key.encoded_len(),
        Entry::Group(group) => group.encoded_len(),
        Entry::Policy(policy) => policy.encoded_len(),
        Entry::Role(role) => role.encoded_len(),
        Entry::OidcProvider(provider) => provider.encoded_len(),
        Entry::Bucket(bucket) => bucket.encoded_len(),
        Entry::Removed(_) => 0,
    };
    // Far less than the memory of a machine.
    bytes as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str, path: &str) -> Entry {
        Entry::User(User { name: name.into(), path: path.into(), ..Default::default() })
    }

    #[test]
    fn entries_come_and_go_and_their_bytes_are_counted() {
        let mut directory = Directory::new();
        let empty = directory.bytes();
        assert!(directory.policies.len() > 3 && empty > 0);
        let (alice, longer) = (user("alice", "/"), user("alice", "/much/longer/"));
        assert_eq!(directory.growth(std::slice::from_ref(&alice)), message_bytes(&alice));
        directory.apply(alice);
        assert_eq!(directory.growth(std::slice::from_ref(&longer)), 12);
        directory.apply(longer.clone());
        assert_eq!(directory.bytes(), empty + message_bytes(&longer));
        let name = Name::of(&longer).unwrap();
        assert_eq!(directory.entry(&name), longer);
        assert_eq!(directory.names().len(), directory.policies.len() + 1);
        let gone = name.clone().removed();
        directory.apply(gone.clone());
        assert_eq!((directory.bytes(), directory.entry(&name)), (empty, gone));
        assert!(matches!(directory.user("alice"), Err(Error::NoSuchEntity { kind: "user", .. })));
    }

    #[test]
    fn a_provider_is_called_by_its_url_without_the_scheme() {
        let provider = OidcProvider { url: "https://id.example.com/realm".into(), ..Default::default() };
        assert_eq!(Name::of(&Entry::OidcProvider(provider)).unwrap().name, "id.example.com/realm");
    }
}
