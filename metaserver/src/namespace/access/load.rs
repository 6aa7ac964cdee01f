//! Reads the directory from the store.

use super::directory::Directory;
use crate::error::Error;
use crate::namespace::scan_all;
use crate::records::access_key::{self, AccessKeyRecord};
use crate::records::bucket_access::{self, BucketAccessRecord};
use crate::records::counter::{self, Counter, CounterRecord};
use crate::records::group::{self, GroupRecord};
use crate::records::holder::{HolderKind, HolderName};
use crate::records::key::{KeyWriter, Kind, successor};
use crate::records::managed_policy::{self, ManagedPolicyRecord};
use crate::records::oidc_provider::OidcProviderRecord;
use crate::records::policy_document::{self, Document, PolicyDocumentRecord};
use crate::records::principal::{self, PrincipalRecord};
use crate::records::role::{self, RoleRecord};
use crate::records::tag::{self, TagRecord};
use crate::records::user::{self, UserRecord};
use crate::records::{Record, RecordError, decode};
use crate::store::Store;
use bytes::Bytes;
use std::collections::BTreeMap;
use weir_proto::v1::access_entry::Entry;
use weir_proto::v1::{
    AccessKey, BucketAccess, Group, ManagedPolicy, NamedDocument, OidcProvider, Permissions, PolicyVersion,
    PrincipalId, Role, Tag, User,
};

/// The version of what the store holds.
pub(super) async fn version(store: &dyn Store) -> Result<u64, Error> {
    let key = counter::key(Counter::AccessVersion);
    match store.get(&key).await? {
        None => Ok(0),
        Some(value) => Ok(decode::<CounterRecord>(&key, value)?.value),
    }
}

/// The directory as of one version, and that version.
pub(super) async fn load(store: &dyn Store) -> Result<(u64, Directory), Error> {
    loop {
        let before = version(store).await?;
        let directory = Loader::default().read(store).await;
        // Pages of different versions do not fit together; nor do they have to be whole.
        if version(store).await? == before {
            return Ok((before, directory?));
        }
    }
}

/// Documents, principals and tags of the holders that were not read yet.
#[derive(Default)]
struct Loader {
    documents: BTreeMap<HolderName, Vec<(Document, String)>>,
    principals: BTreeMap<HolderName, Vec<PrincipalId>>,
    tags: BTreeMap<HolderName, Vec<Tag>>,
}

impl Loader {
    async fn read(mut self, store: &dyn Store) -> Result<Directory, Error> {
        self.read_documents(store).await?;
        self.read_principals(store).await?;
        self.read_tags(store).await?;
        let mut entries = Vec::new();
        let mut read = Entries { store, entries: &mut entries };
        read.of_kind(|key, record| Ok(Entry::User(self.user(user::name(key)?, record)))).await?;
        read.of_kind(|key, record| Ok(Entry::AccessKey(access_key(access_key::name(key)?, record)))).await?;
        read.of_kind(|key, record| Ok(Entry::Group(self.group(group::name(key)?, record)))).await?;
        read.of_kind(|key, record| self.policy(key, record).map(Entry::Policy)).await?;
        read.of_kind(|key, record| Ok(Entry::Role(self.role(role::name(key)?, record)))).await?;
        read.of_kind(|_, record| Ok(Entry::OidcProvider(provider(record)))).await?;
        read.of_kind(|key, record| Ok(Entry::Bucket(self.bucket(bucket_access::name(key)?, record)))).await?;
        self.refuse_the_rest()?;
        let mut directory = Directory::new();
        entries.into_iter().for_each(|entry| directory.apply(entry));
        Ok(directory)
    }

    async fn read_documents(&mut self, store: &dyn Store) -> Result<(), Error> {
        let mut pieces: BTreeMap<(HolderName, Document), Vec<(u64, PolicyDocumentRecord)>> = BTreeMap::new();
        each(store, |key, record| {
            let (holder, document, piece) = policy_document::name(key)?;
            pieces.entry((holder, document)).or_default().push((piece, record));
            Ok(())
        })
        .await?;
        for ((holder, document), pieces) in pieces {
            let text = policy_document::join(&pieces).map_err(|detail| {
                RecordError::new(Kind::PolicyDocument, &policy_document::key(&holder, &document, 0), detail)
            })?;
            self.documents.entry(holder).or_default().push((document, text));
        }
        Ok(())
    }

    async fn read_principals(&mut self, store: &dyn Store) -> Result<(), Error> {
        each(store, |key, record: PrincipalRecord| {
            let (holder, arn) = principal::name(key)?;
            self.principals.entry(holder).or_default().push(PrincipalId { arn, id: record.id });
            Ok(())
        })
        .await
    }

    async fn read_tags(&mut self, store: &dyn Store) -> Result<(), Error> {
        each(store, |key, record: TagRecord| {
            let (holder, key) = tag::name(key)?;
            self.tags.entry(holder).or_default().push(Tag { key, value: record.value });
            Ok(())
        })
        .await
    }

    /// What belongs to nobody would be inherited by the next of its name.
    fn refuse_the_rest(&self) -> Result<(), RecordError> {
        let documents = self.documents.iter().flat_map(|(holder, documents)| {
            documents.iter().map(move |(document, _)| policy_document::key(holder, document, 0))
        });
        if let Some(key) = documents.into_iter().next() {
            return Err(RecordError::new(Kind::PolicyDocument, &key, "it belongs to nobody"));
        }
        let mut principals = self
            .principals
            .iter()
            .flat_map(|(holder, principals)| principals.iter().map(move |named| principal::key(holder, &named.arn)));
        if let Some(key) = principals.next() {
            return Err(RecordError::new(Kind::Principal, &key, "it belongs to nobody"));
        }
        let mut tags =
            self.tags.iter().flat_map(|(holder, tags)| tags.iter().map(move |tag| tag::key(holder, &tag.key)));
        match tags.next() {
            Some(key) => Err(RecordError::new(Kind::Tag, &key, "it belongs to nobody")),
            None => Ok(()),
        }
    }

    fn take_documents(&mut self, kind: HolderKind, name: &str) -> Vec<(Document, String)> {
        self.documents.remove(&HolderName::new(kind, name)).unwrap_or_default()
    }

    fn take_principals(&mut self, kind: HolderKind, name: &str) -> Vec<PrincipalId> {
        self.principals.remove(&HolderName::new(kind, name)).unwrap_or_default()
    }

    fn take_tags(&mut self, kind: HolderKind, name: &str) -> Vec<Tag> {
        self.tags.remove(&HolderName::new(kind, name)).unwrap_or_default()
    }

    fn user(&mut self, name: String, record: UserRecord) -> User {
        let permissions = Permissions {
            attached_policies: record.attached_policies,
            inline_policies: inline(self.take_documents(HolderKind::User, &name)),
            boundary_policy: record.boundary_policy,
        };
        User {
            tags: self.take_tags(HolderKind::User, &name),
            name,
            path: record.path,
            id: record.id,
            created_ms: record.created_ms,
            permissions: Some(permissions),
            groups: record.groups,
        }
    }

    fn group(&mut self, name: String, record: GroupRecord) -> Group {
        let permissions = Permissions {
            attached_policies: record.attached_policies,
            inline_policies: inline(self.take_documents(HolderKind::Group, &name)),
            boundary_policy: String::new(),
        };
        Group { name, path: record.path, id: record.id, created_ms: record.created_ms, permissions: Some(permissions) }
    }

    fn policy(&mut self, key: &[u8], record: ManagedPolicyRecord) -> Result<ManagedPolicy, RecordError> {
        let name = managed_policy::name(key)?;
        let mut documents: BTreeMap<Document, String> =
            self.take_documents(HolderKind::ManagedPolicy, &name).into_iter().collect();
        let mut versions = Vec::with_capacity(record.versions.len());
        for version in record.versions {
            let document = documents.remove(&Document::Version(version.number)).ok_or_else(|| {
                RecordError::new(Kind::ManagedPolicy, key, format!("the document of v{} is missing", version.number))
            })?;
            versions.push(PolicyVersion { number: version.number, document, created_ms: version.created_ms });
        }
        Ok(ManagedPolicy {
            name,
            path: record.path,
            id: record.id,
            description: record.description,
            created_ms: record.created_ms,
            updated_ms: record.updated_ms,
            versions,
            default_version: record.default_version,
            built_in: false,
            last_version: record.last_version,
        })
    }

    fn role(&mut self, name: String, record: RoleRecord) -> Role {
        let (trust, inline_documents): (Vec<_>, Vec<_>) = self
            .take_documents(HolderKind::Role, &name)
            .into_iter()
            .partition(|(document, _)| *document == Document::Trust);
        let permissions = Permissions {
            attached_policies: record.attached_policies,
            inline_policies: inline(inline_documents),
            boundary_policy: record.boundary_policy,
        };
        Role {
            tags: self.take_tags(HolderKind::Role, &name),
            trust_principals: self.take_principals(HolderKind::Role, &name),
            name,
            path: record.path,
            id: record.id,
            description: record.description,
            created_ms: record.created_ms,
            // Without one nobody may take it.
            trust_document: trust.into_iter().map(|(_, text)| text).next().unwrap_or_default(),
            max_session_seconds: record.max_session_seconds,
            permissions: Some(permissions),
        }
    }

    fn bucket(&mut self, bucket: String, record: BucketAccessRecord) -> BucketAccess {
        let policy = self.take_documents(HolderKind::Bucket, &bucket);
        BucketAccess {
            policy_principals: self.take_principals(HolderKind::Bucket, &bucket),
            bucket,
            bucket_id: record.bucket_id,
            policy_document: policy.into_iter().map(|(_, text)| text).next().unwrap_or_default(),
            public_access_block: record.public_access_block,
            ownership: record.ownership,
            acl: record.acl.as_ref().map(Into::into),
            replication: record.replication,
            coding: record.coding,
        }
    }
}

/// The entries that are read, kind by kind.
struct Entries<'a> {
    store: &'a dyn Store,
    entries: &'a mut Vec<Entry>,
}

impl Entries<'_> {
    async fn of_kind<R: Record>(
        &mut self,
        mut entry: impl FnMut(&[u8], R) -> Result<Entry, RecordError>,
    ) -> Result<(), Error> {
        each(self.store, |key, record| {
            self.entries.push(entry(key, record)?);
            Ok(())
        })
        .await
    }
}

/// Runs `apply` on every record of a kind.
async fn each<R: Record>(
    store: &dyn Store,
    mut apply: impl FnMut(&[u8], R) -> Result<(), RecordError>,
) -> Result<(), Error> {
    let start = KeyWriter::new(R::KIND).done();
    let end = successor(&start);
    scan_all(store, start, end, |key: Bytes, value| apply(&key, decode(&key, value)?)).await
}

fn inline(documents: Vec<(Document, String)>) -> Vec<NamedDocument> {
    let named = |(document, text)| match document {
        Document::Inline(name) => Some(NamedDocument { name, document: text }),
        Document::Version(_) | Document::Trust | Document::Bucket => None,
    };
    documents.into_iter().filter_map(named).collect()
}

fn access_key(access_key_id: String, record: AccessKeyRecord) -> AccessKey {
    AccessKey {
        access_key_id,
        user_name: record.user_name,
        sealed_secret: record.sealed_secret,
        active: record.active,
        created_ms: record.created_ms,
    }
}

fn provider(record: OidcProviderRecord) -> OidcProvider {
    OidcProvider {
        url: record.url,
        client_ids: record.client_ids,
        thumbprints: record.thumbprints,
        created_ms: record.created_ms,
    }
}
