//! What a bucket says about access (policy, public access block, ownership of objects, ACL) and about its blocks: how
//! many copies of each there are to be, or how they are coded.

use super::limits::{MAX_BUCKET_POLICY_BYTES, MAX_GRANTS, MAX_REPLICATION};
use super::outcome::{Context, Outcome};
use super::principals;
use crate::error::Error;
use crate::records::acl::AclGroup;
use weir_coding::Scheme;
use weir_proto::v1::access_entry::Entry;
use weir_proto::v1::grant::Grantee;
use weir_proto::v1::{
    AccessKind, Acl, BucketAccess, CreateBucketRequest, ObjectOwnership, Permission, SetBucketAccess,
};

/// A canonical user id, in characters.
const MAX_CANONICAL_ID_CHARS: usize = 64;

/// What a new bucket says from its first moment on; none: nothing.
pub(crate) fn of_new_bucket(request: &CreateBucketRequest, bucket_id: u64) -> Result<Option<Entry>, Error> {
    ownership(request.ownership)?;
    if let Some(given) = &request.acl {
        acl(given)?;
    }
    let access = BucketAccess {
        bucket: request.name.clone(),
        bucket_id,
        ownership: request.ownership,
        acl: request.acl.clone(),
        ..Default::default()
    };
    Ok(is_set(&access).then_some(Entry::Bucket(access)))
}

pub(super) fn set(context: &Context<'_>, request: &SetBucketAccess) -> Result<Outcome, Error> {
    let before = context.directory.buckets.get(&request.bucket).filter(|known| known.bucket_id == context.bucket_id);
    let mut access = match before {
        Some(before) => BucketAccess::clone(before),
        None => BucketAccess { bucket: request.bucket.clone(), bucket_id: context.bucket_id, ..Default::default() },
    };
    if let Some(policy_document) = &request.policy_document {
        policy(policy_document)?;
        access.policy_document.clone_from(policy_document);
        access.policy_principals.clear();
    }
    match request.policy_document.as_ref().is_some_and(|document| !document.is_empty()) {
        true => access.policy_principals = principals::resolve(context.directory, &request.policy_principals)?,
        false => principals::of_no_document("policy_principals", &request.policy_principals)?,
    }
    match (&request.public_access_block, request.remove_public_access_block) {
        (Some(_), true) => return Err(Error::invalid("public_access_block", "it is set or removed, not both")),
        (Some(block), false) => access.public_access_block = Some(*block),
        (None, true) => access.public_access_block = None,
        (None, false) => {}
    }
    if let Some(given) = request.ownership {
        ownership(given)?;
        access.ownership = given;
    }
    if let Some(given) = &request.acl {
        acl(given)?;
        access.acl = Some(given.clone());
    }
    keeping(request, &mut access)?;
    Ok(match is_set(&access) {
        true => Outcome::put(Entry::Bucket(access)),
        false => Outcome::removed(AccessKind::Bucket, &request.bucket),
    })
}

/// How its blocks are kept: so many copies, or coded.
fn keeping(request: &SetBucketAccess, access: &mut BucketAccess) -> Result<(), Error> {
    match (request.replication, request.coding) {
        (None, None) => {}
        (Some(_), Some(_)) => {
            return Err(Error::invalid("coding", "a bucket's blocks are replicated or coded, not both"));
        }
        (Some(replication), None) => {
            if replication > MAX_REPLICATION {
                return Err(Error::invalid("replication", format!("it is at most {MAX_REPLICATION}")));
            }
            (access.replication, access.coding) = (replication, None);
        }
        (None, Some(coding)) => {
            let scheme = Scheme::new(coding.data_shards, coding.parity_shards);
            scheme.map_err(|error| Error::invalid("coding", error.to_string()))?;
            (access.replication, access.coding) = (0, Some(coding));
        }
    }
    Ok(())
}

fn is_set(access: &BucketAccess) -> bool {
    !access.policy_document.is_empty()
        || access.public_access_block.is_some()
        || access.ownership() != ObjectOwnership::Unset
        || access.acl.is_some()
        || access.replication != 0
        || access.coding.is_some()
}

fn ownership(ownership: i32) -> Result<(), Error> {
    match ObjectOwnership::try_from(ownership) {
        Ok(_) => Ok(()),
        Err(_) => Err(Error::invalid("ownership", "it is not known")),
    }
}

fn policy(document: &str) -> Result<(), Error> {
    if document.len() > MAX_BUCKET_POLICY_BYTES {
        return Err(Error::limit("bytes of a bucket's policy", MAX_BUCKET_POLICY_BYTES));
    }
    if document.chars().any(|c| c.is_control() && !c.is_whitespace()) {
        return Err(Error::invalid("policy_document", "it has no control characters"));
    }
    Ok(())
}

/// An ACL of a bucket or an object.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html>
pub(crate) fn acl(acl: &Acl) -> Result<(), Error> {
    canonical_id("owner", &acl.owner)?;
    if acl.grants.len() > MAX_GRANTS {
        return Err(Error::limit("grants of an ACL", MAX_GRANTS));
    }
    for grant in &acl.grants {
        match &grant.grantee {
            Some(Grantee::CanonicalId(id)) => canonical_id("grantee", id)?,
            Some(Grantee::Group(name)) if AclGroup::of(name) != AclGroup::None => {}
            Some(Grantee::Group(_)) => return Err(Error::invalid("grantee", "S3 has no such group")),
            None => return Err(Error::invalid("grantee", "it is missing")),
        }
        if matches!(Permission::try_from(grant.permission), Ok(Permission::Unspecified) | Err(_)) {
            return Err(Error::invalid("permission", "it is not known"));
        }
    }
    Ok(())
}

fn canonical_id(what: &'static str, id: &str) -> Result<(), Error> {
    let is_digits = id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if id.is_empty() || id.len() > MAX_CANONICAL_ID_CHARS || !id.len().is_multiple_of(2) || !is_digits {
        let rule = "a canonical user id has up to 64 lower-case hexadecimal digits, an even number of them";
        return Err(Error::invalid(what, rule));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::acl::sample;
    use crate::records::key::Kind;
    use crate::testing::Fixture;
    use std::sync::atomic::Ordering;
    use weir_proto::v1::change_access_request::Change;
    use weir_proto::v1::{CodingScheme, DeleteBucketRequest, Grant, PublicAccessBlock};

    fn set(change: SetBucketAccess) -> Change {
        Change::SetBucketAccess(SetBucketAccess { bucket: "photos".into(), ..change })
    }

    fn with_policy(document: &str) -> Change {
        set(SetBucketAccess { policy_document: Some(document.into()), ..Default::default() })
    }

    async fn delete(fixture: &Fixture) -> Result<(), Error> {
        let request = DeleteBucketRequest { name: "photos".into(), ..Default::default() };
        fixture.namespace.delete_bucket(&request).await.map(drop)
    }

    #[tokio::test]
    async fn members_are_set_one_by_one_and_the_others_stay() {
        let fixture = Fixture::new().await;
        fixture.bucket("photos").await;
        let policy = "é".repeat(MAX_BUCKET_POLICY_BYTES / 2);
        let block = PublicAccessBlock { block_public_acls: true, ..Default::default() };
        fixture.changed(with_policy(&policy)).await;
        fixture.changed(set(SetBucketAccess { public_access_block: Some(block), ..Default::default() })).await;
        fixture.changed(set(SetBucketAccess { ownership: Some(3), ..Default::default() })).await;
        let last = fixture.changed(set(SetBucketAccess { acl: Some(sample(100)), ..Default::default() })).await;
        let Some(Entry::Bucket(access)) = last else { panic!() };
        assert_eq!((access.policy_document, access.public_access_block), (policy, Some(block)));
        assert_eq!((access.ownership, access.acl), (3, Some(sample(100))));
        fixture.check_access().await;
        let fixture = fixture.restart().await;
        fixture.check_access().await;
        let none = SetBucketAccess { remove_public_access_block: true, ownership: Some(0), ..Default::default() };
        fixture.changed(set(none)).await;
        let Some(Entry::Bucket(access)) = fixture.changed(with_policy("")).await else { panic!() };
        assert_eq!((access.policy_document.as_str(), access.public_access_block), ("", None));
        assert!(access.acl.is_some());
        fixture.check_access().await;
    }

    #[tokio::test]
    async fn how_many_copies_a_bucket_wants_outlasts_a_restart_and_other_settings() {
        let fixture = Fixture::new().await;
        fixture.bucket("photos").await;
        let replication = |copies| set(SetBucketAccess { replication: Some(copies), ..Default::default() });
        fixture.changed(replication(2)).await;
        fixture.changed(with_policy("{}")).await;
        assert!(matches!(fixture.refusal(replication(17)).await, Error::Invalid { .. }));
        let fixture = fixture.restart().await;
        fixture.check_access().await;
        let Some(Entry::Bucket(access)) = fixture.changed(with_policy("")).await else { panic!() };
        assert_eq!(access.replication, 2);
        assert_eq!(fixture.changed(replication(0)).await, None, "nothing is left to say");
        fixture.check_access().await;
    }

    #[tokio::test]
    async fn a_bucket_is_coded_or_replicated() {
        let fixture = Fixture::new().await;
        fixture.bucket("photos").await;
        let scheme = |data_shards, parity_shards| Some(CodingScheme { data_shards, parity_shards });
        let coding = |data, parity| set(SetBucketAccess { coding: scheme(data, parity), ..Default::default() });
        let replication = |copies| set(SetBucketAccess { replication: Some(copies), ..Default::default() });
        fixture.changed(replication(2)).await;
        fixture.changed(coding(4, 2)).await;
        for (data, parity) in [(0, 0), (1, 2), (4, 0), (17, 2), (4, 9), (u32::MAX, 2)] {
            assert!(matches!(fixture.refusal(coding(data, parity)).await, Error::Invalid { .. }), "{data}+{parity}");
        }
        let both = set(SetBucketAccess { replication: Some(2), coding: scheme(4, 2), ..Default::default() });
        assert!(matches!(fixture.refusal(both).await, Error::Invalid { .. }));
        let fixture = fixture.restart().await;
        fixture.check_access().await;
        let Some(Entry::Bucket(access)) = fixture.changed(with_policy("{}")).await else { panic!() };
        assert_eq!((access.replication, access.coding), (0, scheme(4, 2)), "what was set last, whatever else is set");
        fixture.changed(with_policy("")).await;
        assert_eq!(fixture.changed(replication(0)).await, None, "nothing is left to say");
        fixture.check_access().await;
    }

    #[tokio::test]
    async fn a_bucket_without_any_has_no_entry() {
        let fixture = Fixture::new().await;
        fixture.bucket("photos").await;
        assert_eq!(fixture.changed(with_policy("")).await, None);
        assert_eq!(fixture.namespace.access.version(), 1);
        fixture.changed(with_policy("{}")).await;
        assert_eq!(fixture.changed(with_policy("")).await, None);
        assert_eq!(fixture.rows(Kind::BucketAccess).await, []);
        fixture.check_access().await;
    }

    #[tokio::test]
    async fn what_is_wrong_is_refused() {
        let fixture = Fixture::new().await;
        assert!(matches!(fixture.refusal(with_policy("{}")).await, Error::NoSuchBucket { .. }));
        fixture.bucket("photos").await;
        let both = SetBucketAccess {
            public_access_block: Some(PublicAccessBlock::default()),
            remove_public_access_block: true,
            ..Default::default()
        };
        let acl = Some(Acl { owner: "weir".into(), ..Default::default() });
        for wrong in [
            set(both),
            set(SetBucketAccess { ownership: Some(9), ..Default::default() }),
            set(SetBucketAccess { acl, ..Default::default() }),
            with_policy("{\0}"),
            Change::SetBucketAccess(SetBucketAccess { bucket: "UPPER".into(), ..Default::default() }),
        ] {
            assert!(matches!(fixture.refusal(wrong).await, Error::Invalid { .. }));
        }
        let large = "x".repeat(MAX_BUCKET_POLICY_BYTES + 1);
        assert!(matches!(fixture.refusal(with_policy(&large)).await, Error::LimitExceeded { .. }));
        assert_eq!(fixture.namespace.access.version(), 1, "nothing was changed");
    }

    #[tokio::test]
    async fn a_bucket_has_its_acl_from_its_first_moment_to_its_last() {
        let fixture = Fixture::new().await;
        fixture.bucket("takes-ids").await;
        let create = CreateBucketRequest {
            name: "photos".into(),
            ownership: ObjectOwnership::ObjectWriter.into(),
            acl: Some(sample(2)),
            ..Default::default()
        };
        let before = fixture.store.commits.load(Ordering::SeqCst);
        fixture.namespace.create_bucket(&create).await.unwrap();
        assert_eq!(fixture.store.commits.load(Ordering::SeqCst), before + 1);
        let (_, entries) = fixture.fetched(1);
        assert_eq!(entries.len(), 1);
        let again = fixture.namespace.create_bucket(&create).await;
        assert!(matches!(again, Err(Error::BucketExists { .. })));
        fixture.check_access().await;
        delete(&fixture).await.unwrap();
        assert!(matches!(fixture.fetched(2).1.into_values().next(), Some(Entry::Removed(_))));
        fixture.check_access().await;
        fixture.bucket("photos").await;
        assert_eq!(fixture.changed(with_policy("")).await, None, "the new bucket has nothing of the old one");
        let wrong = CreateBucketRequest { name: "other".into(), ownership: 9, ..Default::default() };
        assert!(matches!(fixture.namespace.create_bucket(&wrong).await, Err(Error::Invalid { .. })));
        fixture.drain().await;
        fixture.check(true).await;
    }

    #[tokio::test]
    async fn settings_race_with_the_buckets_deletion_and_nothing_is_left() {
        for turns in 0..30 {
            let fixture = Fixture::new().await;
            fixture.bucket("photos").await;
            let sets = (0..4).map(|n| fixture.change(with_policy(&format!("{{{n}}}"))));
            let deleting = async {
                for _ in 0..turns {
                    tokio::task::yield_now().await;
                }
                delete(&fixture).await
            };
            let (sets, deleted) = tokio::join!(futures::future::join_all(sets), deleting);
            deleted.unwrap();
            for refused in sets.into_iter().filter_map(Result::err) {
                assert!(matches!(refused, Error::NoSuchBucket { .. }), "{refused}");
            }
            assert_eq!(fixture.rows(Kind::BucketAccess).await, []);
            assert_eq!(fixture.rows(Kind::PolicyDocument).await, []);
            fixture.check_access().await;
        }
    }

    #[test]
    fn an_acl_names_whom_s3_knows() {
        assert!(acl(&sample(100)).is_ok());
        assert!(matches!(acl(&sample(101)), Err(Error::LimitExceeded { .. })));
        let with = |grantee, permission| Acl { grants: vec![Grant { grantee, permission }], ..sample(0) };
        let id = |id: &str| Some(Grantee::CanonicalId(id.into()));
        let group = |name: &str| Some(Grantee::Group(name.into()));
        assert!(acl(&with(id("65a011a29cdf8ec533ec3d1ccaae921c"), 1)).is_ok());
        for wrong in [
            with(None, 1),
            with(id(""), 1),
            with(id("abc"), 1),
            with(id("AB"), 1),
            with(id(&"ab".repeat(33)), 1),
            with(group("Everyone"), 1),
            with(group(""), 1),
            with(group("AllUsers"), 0),
            with(group("AllUsers"), 6),
            Acl { owner: "weir".into(), ..sample(0) },
        ] {
            assert!(matches!(acl(&wrong), Err(Error::Invalid { .. })), "{wrong:?}");
        }
    }
}
