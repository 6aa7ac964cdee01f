//! Whom policies and ACLs let in together. The rule is in [`super::super::acl`].

use super::*;
use crate::auth::Directory;
use crate::auth::acl::{Canned, owners_alone};
use crate::auth::caller::Proof;
use weir_proto::account::{ACCOUNT_CANONICAL_ID, ANONYMOUS_CANONICAL_ID};
use weir_proto::v1::access_entry::Entry;
use weir_proto::{BucketName, ObjectKey};
use weir_service::peer_auth::ClusterSecret;
use weir_service::sealing::Sealer;

const ALLOW_LISTING: &str = r#"{"Statement":{"Effect":"Allow","Action":"s3:ListBucket","Resource":"*"}}"#;
const DENY: &str = r#"{"Statement":{"Effect":"Deny","Action":"s3:*","Resource":"*"}}"#;
const DENY_ALL: &str =
    r#"{"Statement":{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::photos/*"}}"#;
const PUBLIC: &str = r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"s3:GetObject",
    "Resource":"arn:aws:s3:::photos/open/*"}}"#;

/// What the user alice has, and what the bucket photos says.
#[derive(Clone, Default)]
struct World {
    inline: &'static str,
    bounded: bool,
    bucket: v1::BucketAccess,
}

impl World {
    /// ACLs count, and the bucket's is this one.
    fn with_acl(acl: Canned) -> Self {
        let ownership = v1::ObjectOwnership::ObjectWriter.into();
        let bucket = v1::BucketAccess { ownership, acl: Some(acl.on_bucket()), ..Default::default() };
        Self { bucket, ..Self::default() }
    }

    fn access(&self, identity: Identity) -> Access {
        let inline = Some(self.inline).filter(|document| !document.is_empty());
        let inline = inline.map(|document| v1::NamedDocument { name: "own".into(), document: document.into() });
        let boundary_policy = if self.bounded { "listing".into() } else { String::new() };
        let permissions =
            v1::Permissions { inline_policies: inline.into_iter().collect(), boundary_policy, ..Default::default() };
        let version = v1::PolicyVersion { number: 1, document: ALLOW_LISTING.into(), created_ms: 0 };
        let entries = [
            Entry::User(v1::User {
                name: "alice".into(),
                id: "AIDA1".into(),
                permissions: Some(permissions),
                ..Default::default()
            }),
            Entry::Role(v1::Role { name: "reader".into(), id: "AROA1".into(), ..Default::default() }),
            Entry::Policy(v1::ManagedPolicy {
                name: "listing".into(),
                versions: vec![version],
                default_version: 1,
                ..Default::default()
            }),
            Entry::Bucket(v1::BucketAccess { bucket: "photos".into(), ..self.bucket.clone() }),
        ];
        let mut directory = Directory::default();
        directory.apply(entries.map(|entry| v1::AccessEntry { entry: Some(entry) }));
        let sealer = Sealer::new(&ClusterSecret::new("a secret of 32 characters or more").unwrap());
        let rules = Arc::new(Rules::new(directory, &Rules::default(), &sealer));
        Access::of(rules, &Caller::new(identity, String::new(), None, Proof::None), Facts::default)
    }

    /// May they, before an object is open?
    fn may(&self, action: &'static str, identity: Identity) -> bool {
        let (bucket, key) = names();
        let resource = match action.ends_with("Bucket") || action.contains("BucketAcl") {
            true => Resource::Bucket(&bucket),
            false => Resource::Object(&bucket, &key),
        };
        self.access(identity).allows(action, &resource)
    }

    /// Which of anonymous callers, alice and a role's session may, before an object is open?
    fn let_in(&self, action: &'static str) -> [bool; 3] {
        callers().map(|identity| self.may(action, identity))
    }

    /// Which of them may once this object is open, and is it left to its ACL?
    fn let_in_by(&self, action: &'static str, object: &v1::Object) -> [bool; 3] {
        let (bucket, key) = names();
        let need = Need { action, resource: Resource::Object(&bucket, &key) };
        callers().map(|identity| {
            let access = self.access(identity);
            let before = access.begin(&[need]).is_ok();
            assert_eq!(before, access.turns_on_object(&need) || access.require(&need).is_ok());
            let after = access.require_of(&need, object).is_ok();
            assert!(before || !after);
            after
        })
    }
}

fn names() -> (BucketName, ObjectKey) {
    (BucketName::new("photos").unwrap(), ObjectKey::new("cat").unwrap())
}

fn callers() -> [Identity; 3] {
    let path = String::from("/");
    let alice = Identity::User { name: "alice".into(), path: path.clone(), id: "AIDA1".into() };
    let role = Identity::AssumedRole { role: "reader".into(), path, role_id: "AROA1".into(), session: "s".into() };
    [Identity::Anonymous, alice, role]
}

fn object(owner: &str, acl: Option<v1::Acl>) -> v1::Object {
    let attributes = Some(v1::Attributes { acl, ..Default::default() });
    v1::Object { owner: owner.into(), attributes, ..Default::default() }
}

#[test]
fn a_buckets_acl_lets_in_whom_no_policy_mentions() {
    for (acl, listing, putting) in [
        (Canned::Private, [false; 3], [false; 3]),
        (Canned::PublicRead, [true; 3], [false; 3]),
        (Canned::PublicReadWrite, [true; 3], [true; 3]),
        (Canned::AuthenticatedRead, [false, true, true], [false; 3]),
        (Canned::LogDeliveryWrite, [false; 3], [false; 3]),
    ] {
        let world = World::with_acl(acl);
        assert_eq!(world.let_in("s3:ListBucket"), listing, "{acl:?}");
        assert_eq!(world.let_in("s3:PutObject"), putting, "{acl:?}");
        for action in ["s3:GetBucketAcl", "s3:PutBucketAcl", "s3:DeleteBucket", "s3:GetObject"] {
            assert_eq!(world.let_in(action), [false; 3], "{acl:?} {action}");
        }
    }
}

#[test]
fn an_acl_counts_only_where_it_is_on_and_nothing_denies() {
    let public = World::with_acl(Canned::PublicRead);
    let block = |block| v1::BucketAccess { public_access_block: Some(block), ..public.bucket.clone() };
    let policy = |text: &str| v1::BucketAccess { policy_document: text.into(), ..public.bucket.clone() };
    let shared = object(ACCOUNT_CANONICAL_ID, Some(Canned::PublicRead.on_object(ACCOUNT_CANONICAL_ID).unwrap()));
    assert_eq!(public.let_in_by("s3:GetObject", &shared), [true; 3]);
    let enforced = v1::BucketAccess { ownership: 0, ..public.bucket.clone() };
    let ignoring = block(v1::PublicAccessBlock { ignore_public_acls: true, ..Default::default() });
    let restricted = v1::PublicAccessBlock { restrict_public_buckets: true, ..Default::default() };
    let restricting = v1::BucketAccess { policy_document: PUBLIC.into(), ..block(restricted) };
    for (world, expected) in [
        (World { bucket: enforced, ..World::default() }, [false; 3]),
        (World { bucket: ignoring, ..World::default() }, [false; 3]),
        (World { bucket: policy(DENY_ALL), ..World::default() }, [false; 3]),
        (World { bucket: restricting, ..World::default() }, [false, true, true]),
        (World { bucket: block(restricted), ..World::default() }, [true; 3]),
        (World { inline: DENY, ..public.clone() }, [true, false, true]),
        (World { bounded: true, ..public.clone() }, [true; 3]),
    ] {
        assert_eq!(world.let_in_by("s3:GetObject", &shared), expected, "{:?} {}", world.bucket, world.inline);
    }
}

#[test]
fn an_objects_acl_gives_what_it_says_and_nothing_more() {
    let world = World::with_acl(Canned::Private);
    let own = |canned: Canned| object(ACCOUNT_CANONICAL_ID, Some(canned.on_object(ACCOUNT_CANONICAL_ID).unwrap()));
    let full = |group: &str| {
        let grantee = Some(v1::grant::Grantee::Group(group.into()));
        let grant = v1::Grant { grantee, permission: v1::Permission::FullControl.into() };
        object(ACCOUNT_CANONICAL_ID, Some(v1::Acl { grants: vec![grant], ..owners_alone(ACCOUNT_CANONICAL_ID) }))
    };
    for (object, read, acp) in [
        (object(ACCOUNT_CANONICAL_ID, None), [false; 3], [false; 3]),
        (object("", None), [false; 3], [false; 3]),
        (object(ANONYMOUS_CANONICAL_ID, None), [true, false, false], [true, false, false]),
        (own(Canned::PublicRead), [true; 3], [false; 3]),
        (own(Canned::AuthenticatedRead), [false, true, true], [false; 3]),
        (own(Canned::BucketOwnerFullControl), [false; 3], [false; 3]),
        (full("AllUsers"), [true; 3], [true; 3]),
        (full("AuthenticatedUsers"), [false, true, true], [false, true, true]),
        (full("LogDelivery"), [false; 3], [false; 3]),
    ] {
        assert_eq!(world.let_in_by("s3:GetObject", &object), read, "{object:?}");
        assert_eq!(world.let_in_by("s3:GetObjectAcl", &object), acp, "{object:?}");
        assert_eq!(world.let_in_by("s3:PutObjectAcl", &object), acp, "{object:?}");
        assert_eq!(world.let_in_by("s3:GetObjectTagging", &object), [false; 3], "{object:?}");
    }
    // What is for everyone with a key stays within the boundary.
    let bounded = World { bounded: true, ..world };
    assert_eq!(bounded.let_in_by("s3:GetObject", &own(Canned::AuthenticatedRead)), [false, false, true]);
    assert_eq!(bounded.let_in_by("s3:GetObject", &own(Canned::PublicRead)), [true; 3]);
}

#[test]
fn whom_write_lets_in_sets_the_acl_of_what_it_makes_and_takes_away_its_own() {
    let world = World::with_acl(Canned::PublicReadWrite);
    let (bucket, key) = names();
    let resource = Resource::Object(&bucket, &key);
    let need = |action| Need { action, resource };
    let stranger = world.access(Identity::Anonymous);
    assert!(stranger.begin(&[need("s3:PutObject"), need("s3:PutObjectAcl")]).is_ok());
    assert!(stranger.begin(&[need("s3:PutObject"), need("s3:PutObjectTagging")]).is_err());
    let condition = |access: &Access| access.own_alone("s3:DeleteObject", &resource, None);
    assert_eq!(condition(&stranger).unwrap().owner, ANONYMOUS_CANONICAL_ID);
    let [_, alice, _] = callers();
    assert_eq!(condition(&world.access(alice)), None);
    assert_eq!(condition(&Access::everything()), None);
    let given = v1::Precondition { if_match: vec!["aa".into()], ..Default::default() };
    let both = stranger.own_alone("s3:PutObject", &resource, Some(given.clone())).unwrap();
    assert_eq!((both.if_match, both.owner.as_str()), (given.if_match, ANONYMOUS_CANONICAL_ID));
    assert!(World::with_acl(Canned::PublicRead).access(Identity::Anonymous).begin(&[need("s3:PutObject")]).is_err());
}
