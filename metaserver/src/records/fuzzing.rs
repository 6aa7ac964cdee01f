//! Every kind of record: what can be read of any bytes is read the same when it is written again.

use super::key::Kind;
use super::value::{FORMAT_VERSION, Record, decode, encode};
use super::{
    access_key, block, bucket, bucket_access, condemned, counter, grant, group, inline, managed_policy, manifest,
    object, oidc_provider, part, policy_document, principal, reclaim, result, role, session, tag, upload, usage, user,
    worker,
};
use bytes::Bytes;
use crc_fast::crc32_iscsi as crc32c;
use std::fmt::Debug;

/// Checks a message of one kind.
type Check = fn(&[u8]);

/// What is kept under keys of each kind.
const RECORDS: &[(Kind, Check)] = &[
    (Kind::AccessKey, check::<access_key::AccessKeyRecord>),
    (Kind::Block, check::<block::BlockRecord>),
    (Kind::Bucket, check::<bucket::BucketRecord>),
    (Kind::BucketAccess, check::<bucket_access::BucketAccessRecord>),
    (Kind::Condemned, check::<condemned::CondemnedRecord>),
    (Kind::Counter, check::<counter::CounterRecord>),
    (Kind::FinishedUpload, check::<upload::FinishedUploadRecord>),
    (Kind::Grant, check::<grant::GrantRecord>),
    (Kind::Group, check::<group::GroupRecord>),
    (Kind::Inline, check::<inline::InlineRecord>),
    (Kind::ManagedPolicy, check::<managed_policy::ManagedPolicyRecord>),
    (Kind::Manifest, check::<manifest::ManifestChunk>),
    (Kind::Object, check_object),
    (Kind::OidcProvider, check::<oidc_provider::OidcProviderRecord>),
    (Kind::Part, check::<part::PartRecord>),
    (Kind::PolicyDocument, check_document),
    (Kind::Principal, check::<principal::PrincipalRecord>),
    (Kind::Reclaim, check::<reclaim::ReclaimRecord>),
    (Kind::RequestResult, check::<result::ResultRecord>),
    (Kind::Role, check::<role::RoleRecord>),
    (Kind::Session, check::<session::SessionRecord>),
    (Kind::Tag, check::<tag::TagRecord>),
    (Kind::Upload, check::<upload::UploadRecord>),
    (Kind::User, check::<user::UserRecord>),
    (Kind::Worker, check::<worker::WorkerRecord>),
];

/// The first byte is the kind's tag; the rest is a message. With another tag all of it is a value as it is stored.
pub fn records(bytes: &[u8]) {
    let Some((tag, message)) = bytes.split_first() else { return };
    match RECORDS.iter().find(|(kind, _)| *kind as u8 == *tag) {
        Some((_, check)) => check(message),
        None => {
            let value = Bytes::copy_from_slice(bytes);
            if let Ok(record) = decode::<object::ObjectRecord>(b"key", value.clone()) {
                assert_eq!(decode::<object::ObjectRecord>(b"key", encode(&record)), Ok(record));
            }
            let _ = usage::value(b"key", Some(&value));
        }
    }
}

/// The value of a message, with the checksum that it has to have.
fn value(kind: Kind, message: &[u8]) -> Bytes {
    let covered = [&[kind as u8], message].concat();
    [&[FORMAT_VERSION][..], &crc32c(&covered).to_le_bytes(), &covered].concat().into()
}

fn check<R: Record + PartialEq + Debug>(message: &[u8]) {
    let value = value(R::KIND, message);
    let Ok(record) = decode::<R>(b"key", value.clone()) else { return };
    let again = encode(&record);
    // A negative number of 32 bits may come in five bytes, and takes ten.
    assert!(again.len() <= 3 * value.len(), "{} bytes became {}", value.len(), again.len());
    assert_eq!(decode::<R>(b"key", again), Ok(record));
    let mut damaged = value.to_vec();
    damaged[value.len() / 2] ^= 1;
    assert!(decode::<R>(b"key", damaged.into()).is_err());
}

/// A listing reads a part of the same value.
fn check_object(message: &[u8]) {
    check::<object::ObjectRecord>(message);
    check::<object::ObjectSummary>(message);
    let value = value(Kind::Object, message);
    let Ok(record) = decode::<object::ObjectRecord>(b"key", value.clone()) else { return };
    let summary = decode::<object::ObjectSummary>(b"key", value).expect("a record has its summary");
    assert_eq!(
        (summary.size_bytes, &summary.md5, summary.modified_ms),
        (record.size_bytes, &record.md5, record.modified_ms)
    );
    let parts = record.parts_in_record().to_vec();
    let (manifest, chunks) = manifest::Manifest::of(1, parts.clone());
    if chunks.is_empty() {
        assert_eq!(manifest.parts, parts);
    }
    if let Some(acl) = &record.acl {
        let shown = weir_proto::v1::Acl::from(acl);
        assert_eq!(shown.grants.len(), acl.grants.len());
    }
}

/// A document is cut into pieces and joined again.
fn check_document(message: &[u8]) {
    check::<policy_document::PolicyDocumentRecord>(message);
    if let Ok(text) = std::str::from_utf8(message) {
        let pieces: Vec<_> = (0..).zip(policy_document::cut(text)).collect();
        assert_eq!(policy_document::join(&pieces).as_deref(), Ok(text));
    }
}

/// A key of the store: what it names has a key that it begins with.
pub fn record_keys(bytes: &[u8]) {
    let begins =
        |again: Bytes| assert!(bytes.starts_with(&again), "{} is not {}", bytes.escape_ascii(), again.escape_ascii());
    let is_same = |again: Bytes| assert_eq!(bytes, again, "{}", bytes.escape_ascii());
    let _ = access_key::name(bytes).map(|name| is_same(access_key::key(&name)));
    let _ = block::name(bytes).map(|id| begins(block::key(id)));
    let _ = bucket::name(bytes).map(|name| is_same(bucket::key_of(&name)));
    let _ = bucket_access::name(bytes).map(|name| is_same(bucket_access::key(&name)));
    let _ = condemned::name(bytes).map(|(worker, block)| begins(condemned::key(worker, block)));
    let _ = grant::name(bytes).map(|first| begins(grant::key(first)));
    let _ = group::name(bytes).map(|name| is_same(group::key(&name)));
    let _ = managed_policy::name(bytes).map(|name| is_same(managed_policy::key(&name)));
    let _ = object::name(bytes).map(|key| assert_eq!(key, &bytes[object::KEY_OFFSET..]));
    let _ = part::name(bytes).map(|(upload, number)| begins(part::key(upload, number)));
    let _ = policy_document::name(bytes).map(|(holder, document, piece)| {
        begins(policy_document::key(&holder, &document, piece));
    });
    let _ = principal::name(bytes).map(|(holder, arn)| is_same(principal::key(&holder, &arn)));
    let _ = reclaim::name(bytes).map(|garbage| begins(reclaim::key(garbage)));
    let _ = role::name(bytes).map(|name| is_same(role::key(&name)));
    let _ = session::name(bytes).map(|id| begins(session::key(id)));
    let _ = tag::name(bytes).map(|(holder, key)| is_same(tag::key(&holder, &key)));
    let _ = upload::name(bytes).map(|(bucket, key, id)| begins(upload::key(bucket, &key, id)));
    let _ = usage::name(bytes).map(|found| assert_eq!(usage::name(&usage::key(found)), Ok(found)));
    let _ = user::name(bytes).map(|name| is_same(user::key(&name)));
    let _ = worker::name(bytes).map(|id| begins(worker::key(id)));
}
