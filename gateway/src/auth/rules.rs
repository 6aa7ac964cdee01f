//! The directory of access, ready to decide by: secrets opened, documents read. What can't be opened or read refuses.

use super::Identity;
use super::directory::Directory;
use super::policy::{DocumentKind, PolicyDocument, PolicyError};
use super::token::Session;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use weir_proto::v1;
use weir_service::sealing::{ACCESS_KEY_PURPOSE, Sealer};

/// As of one version.
#[derive(Default)]
pub struct Rules {
    pub directory: Directory,
    /// By access key id, of active keys.
    secrets: HashMap<String, Arc<str>>,
    users: HashMap<String, Read<v1::User>>,
    groups: HashMap<String, Read<v1::Group>>,
    policies: HashMap<String, Read<v1::ManagedPolicy>>,
    /// Of managed policies, by id.
    policy_names: HashMap<String, String>,
    roles: HashMap<String, Read<v1::Role>>,
    buckets: HashMap<String, Read<v1::BucketAccess>>,
}

/// An entry and its own documents, which are read again only when it changes.
struct Read<T> {
    source: Arc<T>,
    documents: Vec<Arc<PolicyDocument>>,
}

/// What an identity may do by its own policies.
#[derive(Clone, Debug, Default)]
pub struct Grants {
    pub documents: Vec<Arc<PolicyDocument>>,
    pub boundary: Option<Arc<PolicyDocument>>,
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules").field("version", &self.directory.version).finish_non_exhaustive()
    }
}

impl Grants {
    /// Of one who is gone.
    fn of_nobody() -> Self {
        Self { documents: vec![Arc::new(PolicyDocument::refusing_everything())], boundary: None }
    }
}

impl Rules {
    /// `known` are the rules of an earlier version: what did not change is taken over.
    pub fn new(directory: Directory, known: &Self, sealer: &Sealer) -> Self {
        let inline = |permissions: Option<&v1::Permissions>| {
            let policies = permissions.map_or(&[][..], |permissions| &permissions.inline_policies);
            policies.iter().map(|policy| read(&DocumentKind::Identity, &policy.document, &policy.name)).collect()
        };
        Self {
            secrets: secrets(&directory, sealer),
            users: read_all(&directory.users, &known.users, |user| inline(user.permissions.as_ref())),
            groups: read_all(&directory.groups, &known.groups, |group| inline(group.permissions.as_ref())),
            roles: read_all(&directory.roles, &known.roles, |role| inline(role.permissions.as_ref())),
            policies: read_all(&directory.policies, &known.policies, |policy| {
                let version = policy.versions.iter().find(|version| version.number == policy.default_version);
                let document = version.map_or("", |version| version.document.as_str());
                vec![read(&DocumentKind::Identity, document, &policy.name)]
            }),
            policy_names: directory.policies.iter().map(|(name, policy)| (policy.id.clone(), name.clone())).collect(),
            buckets: read_all(&directory.buckets, &known.buckets, |bucket| {
                let kind = DocumentKind::Bucket { bucket: bucket.bucket.clone() };
                let text = Some(bucket.policy_document.as_str()).filter(|text| !text.is_empty());
                let parse = |text| PolicyDocument::parse(&kind, text)?.bound_to(&bucket.policy_principals);
                text.map(|text| or_refusing(parse(text), &bucket.bucket)).into_iter().collect()
            }),
            directory,
        }
    }

    /// The user of an active access key, and the key's secret.
    pub fn key(&self, access_key_id: &str) -> Option<(&v1::User, &str)> {
        let key = self.directory.access_keys.get(access_key_id)?;
        Some((self.directory.users.get(&key.user_name)?, self.secrets.get(access_key_id)?))
    }

    /// What an identity may do by its own policies. One that is gone may do nothing, whoever has its name.
    pub fn grants_of(&self, identity: &Identity) -> Grants {
        let mut grants = Grants::default();
        match identity {
            Identity::Anonymous | Identity::Root => {}
            Identity::User { name, id, .. } => {
                let known = self.users.get(name).filter(|known| known.source.id == *id);
                let Some(Read { source: user, documents }) = known else { return Grants::of_nobody() };
                self.add(&mut grants, user.permissions.as_ref(), documents);
                for Read { source: group, documents } in user.groups.iter().filter_map(|name| self.groups.get(name)) {
                    self.add(&mut grants, group.permissions.as_ref(), documents);
                }
                grants.boundary = self.boundary(user.permissions.as_ref());
            }
            Identity::AssumedRole { role, role_id, .. } => {
                let known = self.roles.get(role).filter(|known| known.source.id == *role_id);
                let Some(Read { source: role, documents }) = known else { return Grants::of_nobody() };
                self.add(&mut grants, role.permissions.as_ref(), documents);
                grants.boundary = self.boundary(role.permissions.as_ref());
            }
        }
        grants
    }

    fn add(&self, grants: &mut Grants, permissions: Option<&v1::Permissions>, inline: &[Arc<PolicyDocument>]) {
        grants.documents.extend_from_slice(inline);
        let attached = permissions.map_or(&[][..], |permissions| &permissions.attached_policies);
        grants.documents.extend(attached.iter().map(|name| self.managed(name)));
    }

    fn boundary(&self, permissions: Option<&v1::Permissions>) -> Option<Arc<PolicyDocument>> {
        let name = permissions.map(|permissions| permissions.boundary_policy.as_str()).filter(|name| !name.is_empty());
        name.map(|name| self.managed(name))
    }

    /// A managed policy; one that is not there refuses: it might have.
    fn managed(&self, name: &str) -> Arc<PolicyDocument> {
        let known = self.policies.get(name).and_then(|policy| policy.documents.first());
        known.cloned().unwrap_or_else(|| Arc::new(PolicyDocument::refusing_everything()))
    }

    /// The same by its id: another policy of its name is not meant.
    fn managed_by_id(&self, id: &str) -> Arc<PolicyDocument> {
        self.managed(self.policy_names.get(id).map_or("", String::as_str))
    }

    /// What a session's own policies allow; none: they do not restrict it.
    pub fn session_documents(&self, session: &Session) -> Option<Vec<Arc<PolicyDocument>>> {
        let policies = &session.policies;
        let inline = policies.inline.iter().map(|text| read(&DocumentKind::Session, text, "a session's policy"));
        let documents: Vec<_> = inline.chain(policies.managed_ids.iter().map(|id| self.managed_by_id(id))).collect();
        (!documents.is_empty()).then_some(documents)
    }

    /// What a bucket says about access; none: nothing.
    pub fn bucket(&self, bucket: &str) -> Option<&v1::BucketAccess> {
        self.buckets.get(bucket).map(|read| &*read.source)
    }

    pub fn bucket_policy(&self, bucket: &str) -> Option<&PolicyDocument> {
        self.buckets.get(bucket).and_then(|read| read.documents.first()).map(|document| &**document)
    }

    /// Does any bucket have a policy?
    pub fn has_bucket_policies(&self) -> bool {
        self.buckets.values().any(|read| !read.documents.is_empty())
    }
}

fn secrets(directory: &Directory, sealer: &Sealer) -> HashMap<String, Arc<str>> {
    let active = directory.access_keys.values().filter(|key| key.active);
    active
        .filter_map(|key| {
            let opened = sealer.open(ACCESS_KEY_PURPOSE, &key.access_key_id, &key.sealed_secret);
            match opened.ok().and_then(|secret| String::from_utf8(secret).ok()) {
                Some(secret) => Some((key.access_key_id.clone(), secret.into())),
                None => {
                    tracing::warn!(
                        access_key_id = key.access_key_id,
                        "the secret of an access key can't be opened: it was sealed under another cluster secret"
                    );
                    None
                }
            }
        })
        .collect()
}

fn read_all<'a, T: 'a>(
    entries: impl IntoIterator<Item = (&'a String, &'a Arc<T>)>,
    known: &HashMap<String, Read<T>>,
    documents: impl Fn(&T) -> Vec<Arc<PolicyDocument>>,
) -> HashMap<String, Read<T>> {
    let entries = entries.into_iter().map(|(name, source)| {
        let unchanged = known.get(name).filter(|read| Arc::ptr_eq(&read.source, source));
        let documents = unchanged.map_or_else(|| documents(source), |read| read.documents.clone());
        (name.clone(), Read { source: source.clone(), documents })
    });
    entries.collect()
}

fn read(kind: &DocumentKind, text: &str, what: &str) -> Arc<PolicyDocument> {
    or_refusing(PolicyDocument::parse(kind, text), what)
}

fn or_refusing(document: Result<PolicyDocument, PolicyError>, what: &str) -> Arc<PolicyDocument> {
    let document = document.unwrap_or_else(|error| {
        tracing::error!(what, "a policy document can't be read, and refuses everything: {error}");
        PolicyDocument::refusing_everything()
    });
    Arc::new(document)
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
