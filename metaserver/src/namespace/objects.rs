//! The current version of an object: how it is read, and how one commit puts another in its place.

use super::Namespace;
use super::transaction::Transaction;
use crate::error::Error;
use crate::records::acl::AclRecord;
use crate::records::content::etag;
use crate::records::decode;
use crate::records::inline::{self, InlineRecord};
use crate::records::manifest::{self, Manifest, ManifestChunk};
use crate::records::object::{self, ObjectRecord};
use crate::records::reclaim::{self, Garbage, ReclaimRecord};
use crate::records::usage::Usage;
use bytes::Bytes;
use weir_proto::v1;
use weir_proto::{BucketName, ObjectKey};
use weir_service::planted::{Fault, planted};

/// What a failure names an object by.
pub(crate) fn resource(bucket: &BucketName, key: &ObjectKey) -> String {
    format!("{bucket}/{key}")
}

/// What lies under a name, as it was read.
#[derive(Clone, Debug)]
pub(crate) struct Current {
    bucket_id: u64,
    name: Bytes,
    value: Option<Bytes>,
    pub record: Option<ObjectRecord>,
}

impl Current {
    /// From the value under the object's key.
    pub fn of(bucket_id: u64, name: &Bytes, value: Option<Bytes>) -> Result<Self, Error> {
        let record = match &value {
            None => None,
            Some(value) => Some(decode(&object::key(bucket_id, name), value.clone())?),
        };
        Ok(Self { bucket_id, name: name.clone(), value, record })
    }

    fn key(&self) -> Bytes {
        object::key(self.bucket_id, &self.name)
    }

    pub fn is_same_place(&self, other: &Self) -> bool {
        (self.bucket_id, &self.name) == (other.bucket_id, &other.name)
    }

    /// It is still what was read.
    pub fn guard(&self, transaction: &mut Transaction) {
        transaction.unchanged(self.key(), self.value.clone());
    }
}

/// Bytes or manifest chunks that are written beside an object's record.
#[derive(Debug, Default)]
pub(crate) struct Beside {
    pub inline: Option<Bytes>,
    pub chunks: Vec<ManifestChunk>,
}

/// What happens to the content of the version that is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OldContent {
    /// Nothing refers to it any more: it goes to the reclaim queue.
    Reclaimed,
    /// Another record of the same commit takes it over.
    Moved,
}

/// Puts a version in the place of the current one.
pub(crate) fn put(
    transaction: &mut Transaction,
    current: &Current,
    record: &ObjectRecord,
    beside: Beside,
    old_content: OldContent,
    now_ms: i64,
) {
    if !planted(Fault::PreconditionBeforeTheCommit) {
        current.guard(transaction);
    }
    transaction.put(current.key(), record);
    let inline_key = inline::key(current.bucket_id, &current.name);
    match beside.inline {
        Some(data) if !data.is_empty() => {
            transaction.put(inline_key, &InlineRecord { object_id: record.object_id, data });
        }
        _ if current.record.as_ref().is_some_and(has_inline_bytes) => transaction.delete(inline_key),
        _ => {}
    }
    put_chunks(transaction, record.manifest.as_ref(), &beside.chunks);
    if let (Some(old), OldContent::Reclaimed) = (&current.record, old_content)
        && !planted(Fault::OverwrittenNotReclaimed)
    {
        discard(transaction, old.object_id, old.manifest.as_ref(), now_ms);
    }
    let (old_count, old_bytes) = current.record.as_ref().map_or((0, 0), |old| (1, old.size_bytes));
    let old_count = if planted(Fault::OverwriteCountedTwice) { 0 } else { old_count };
    transaction.add(Usage::Objects(current.bucket_id), 1 - old_count);
    transaction.add(Usage::Bytes(current.bucket_id), amount(record.size_bytes) - amount(old_bytes));
}

/// Removes the current version, if there is one.
pub(crate) fn remove(transaction: &mut Transaction, current: &Current, old_content: OldContent, now_ms: i64) {
    let Some(old) = &current.record else { return };
    current.guard(transaction);
    if !planted(Fault::DeletedRowLeft) {
        transaction.delete(current.key());
    }
    if has_inline_bytes(old) {
        transaction.delete(inline::key(current.bucket_id, &current.name));
    }
    if old_content == OldContent::Reclaimed {
        discard(transaction, old.object_id, old.manifest.as_ref(), now_ms);
    }
    transaction.add(Usage::Objects(current.bucket_id), -1);
    transaction.add(Usage::Bytes(current.bucket_id), -amount(old.size_bytes));
}

pub(crate) fn put_chunks(transaction: &mut Transaction, manifest: Option<&Manifest>, chunks: &[ManifestChunk]) {
    if let Some(manifest) = manifest {
        for (number, chunk) in (0..).zip(chunks) {
            transaction.put(manifest::key(manifest.manifest_id, number), chunk);
        }
    }
}

/// Queues content for reclaim, whatever its size: the entry takes its manifest over.
pub(crate) fn discard(transaction: &mut Transaction, object_id: u64, manifest: Option<&Manifest>, now_ms: i64) {
    let Some(manifest) = manifest else { return };
    if manifest.chunk_count > 0 || manifest.parts.iter().any(|part| !part.extents.is_empty()) {
        let record = ReclaimRecord { since_ms: now_ms, manifest: Some(manifest.clone()) };
        transaction.put(reclaim::key(Garbage::Content(object_id)), &record);
    }
}

fn has_inline_bytes(record: &ObjectRecord) -> bool {
    record.inline && record.size_bytes > 0
}

/// A size as an amount of usage: sizes are at most 5 TiB.
fn amount(size_bytes: u64) -> i64 {
    i64::try_from(size_bytes).unwrap_or(i64::MAX)
}

/// Another record of the same version: neither its content nor what a listing shows of it is another.
pub(crate) fn amend(transaction: &mut Transaction, current: &Current, record: &ObjectRecord) {
    current.guard(transaction);
    transaction.put(current.key(), record);
}

/// An object as the contract shows it, without its ACL: GetObject alone gives that.
pub(crate) fn message(key: &[u8], record: &ObjectRecord) -> v1::Object {
    let mut attributes = record.attributes.clone().unwrap_or_default();
    attributes.storage_class.clone_from(&record.storage_class);
    v1::Object {
        key: Bytes::copy_from_slice(key),
        object_id: record.object_id,
        size_bytes: record.size_bytes,
        etag: etag(&record.md5, record.part_count),
        modified_ms: record.modified_ms,
        attributes: Some(attributes),
        checksum: record.checksum.clone().map(Into::into),
        part_count: record.part_count,
        owner: record.owner.clone(),
    }
}

/// The same with its ACL.
pub(crate) fn message_with_acl(key: &[u8], record: &ObjectRecord) -> v1::Object {
    let mut object = message(key, record);
    object.attributes.get_or_insert_default().acl = record.acl.as_ref().map(Into::into);
    object
}

/// What a client sets on an object, as its record keeps it.
#[derive(Clone, Debug, Default)]
pub(crate) struct SplitAttributes {
    pub storage_class: String,
    /// All but the other two; none: there is nothing else.
    pub attributes: Option<v1::Attributes>,
    pub acl: Option<AclRecord>,
}

impl SplitAttributes {
    pub fn of(attributes: Option<v1::Attributes>) -> Self {
        let mut attributes = attributes.unwrap_or_default();
        let storage_class = std::mem::take(&mut attributes.storage_class);
        let acl = attributes.acl.take().map(|acl| AclRecord::from(&acl));
        let attributes = (attributes != v1::Attributes::default()).then_some(attributes);
        Self { storage_class, attributes, acl }
    }
}

impl Namespace {
    /// Whether an object is no longer the version that was read: then a missing chunk or block is no damage.
    pub(crate) async fn is_replaced(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
        object_id: u64,
    ) -> Result<bool, Error> {
        let read = self.read_in([bucket], |[id]| vec![object::key(id, key.as_bytes())]).await;
        match read {
            Err(Error::NoSuchBucket { .. }) => Ok(true),
            Err(error) => Err(error),
            Ok(([view], mut values)) => {
                let current = Current::of(view.id(), key.as_bytes(), values.pop().flatten())?;
                Ok(current.record.is_none_or(|record| record.object_id != object_id))
            }
        }
    }

    /// Turns damage that is none, because the object has changed since it was read, into [`Error::Raced`].
    pub(crate) async fn unless_replaced<T>(
        &self,
        result: Result<T, Error>,
        bucket: &BucketName,
        key: &ObjectKey,
        object_id: u64,
    ) -> Result<T, Error> {
        match result {
            Err(Error::Record(_)) if self.is_replaced(bucket, key, object_id).await? => Err(Error::Raced),
            result => result,
        }
    }
}
