//! What a bucket says about ACLs, and what may be set under that.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html>,
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html>

use super::given::check_count;
use super::{Canned, Given, is_owners_alone, is_public, owners_alone};
use crate::error::{ErrorCode, S3Error};
use http::HeaderMap;
use weir_proto::account::ACCOUNT_CANONICAL_ID;
use weir_proto::v1::{Acl, BucketAccess, ObjectOwnership};

const OWNERSHIP: &str = "x-amz-object-ownership";
const OWNERSHIPS: [(&str, ObjectOwnership); 3] = [
    ("BucketOwnerEnforced", ObjectOwnership::BucketOwnerEnforced),
    ("BucketOwnerPreferred", ObjectOwnership::BucketOwnerPreferred),
    ("ObjectWriter", ObjectOwnership::ObjectWriter),
];

/// As documents write it; none: S3 has no such setting.
pub fn ownership_of(name: &str) -> Option<ObjectOwnership> {
    OWNERSHIPS.iter().find(|(known, _)| *known == name).map(|(_, ownership)| *ownership)
}

/// What GetBucketOwnershipControls says; none: there are none. The default is one, as on every bucket that S3 made
/// since April 2023.
pub fn ownership_name(ownership: ObjectOwnership) -> Option<&'static str> {
    let ownership = match ownership {
        ObjectOwnership::Unset => ObjectOwnership::BucketOwnerEnforced,
        set => set,
    };
    OWNERSHIPS.iter().find(|(_, known)| *known == ownership).map(|(name, _)| *name)
}

/// What of a bucket's settings is about ACLs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AclSettings {
    ownership: ObjectOwnership,
    blocks_public: bool,
    pub ignores_public: bool,
}

/// Whose a new object is, and its ACL.
#[derive(Clone, Debug, PartialEq)]
pub struct NewObject {
    pub owner: String,
    /// None: the owner's alone.
    pub acl: Option<Acl>,
}

/// What a new bucket says from its first moment on.
#[derive(Clone, Debug, PartialEq)]
pub struct NewBucket {
    pub ownership: ObjectOwnership,
    /// None: the owner's alone.
    pub acl: Option<Acl>,
}

impl NewBucket {
    /// # Errors
    /// `InvalidBucketAclWithObjectOwnership` for an ACL where ACLs are off; `InvalidArgument` for an ownership that
    /// S3 does not have; those of [`Given::of_headers`].
    pub fn of_headers(headers: &HeaderMap) -> Result<Self, S3Error> {
        let ownership = match headers.get(OWNERSHIP) {
            None => ObjectOwnership::Unset,
            Some(value) => {
                let name = String::from_utf8_lossy(value.as_bytes());
                let message = "Invalid x-amz-object-ownership header";
                ownership_of(&name).ok_or_else(|| S3Error::invalid_argument(OWNERSHIP, name, message))?
            }
        };
        let acl = Given::of_headers(headers)?.map(bucket_acl);
        let acl = acl.filter(|acl| *acl != owners_alone(ACCOUNT_CANONICAL_ID));
        if is_enforced(ownership) && acl.as_ref().is_some_and(|acl| !is_owners_alone(acl)) {
            return Err(ErrorCode::InvalidBucketAclWithObjectOwnership.into());
        }
        Ok(Self { ownership, acl })
    }
}

impl AclSettings {
    /// Of a bucket that says this, or nothing.
    pub fn of(access: Option<&BucketAccess>) -> Self {
        let block = access.and_then(|access| access.public_access_block).unwrap_or_default();
        Self {
            ownership: access.map_or(ObjectOwnership::Unset, BucketAccess::ownership),
            blocks_public: block.block_public_acls,
            ignores_public: block.ignore_public_acls,
        }
    }

    /// Do ACLs mean anything?
    pub fn are_on(&self) -> bool {
        !is_enforced(self.ownership)
    }

    /// Whose an object is, of which this owner is stored.
    pub fn owner_of<'a>(&self, stored: &'a str) -> &'a str {
        if stored.is_empty() || !self.are_on() { ACCOUNT_CANONICAL_ID } else { stored }
    }

    /// What an object that this one writes gets.
    ///
    /// # Errors
    /// `AccessControlListNotSupported`; `AccessDenied` for a public ACL where those are blocked; those of
    /// [`Given::of_headers`].
    pub fn new_object(&self, headers: &HeaderMap, writer: &str) -> Result<NewObject, S3Error> {
        let given = Given::of_headers(headers)?;
        let is_given_away = self.ownership == ObjectOwnership::BucketOwnerPreferred
            && given == Some(Given::Canned(Canned::BucketOwnerFullControl));
        let owner = if is_given_away { ACCOUNT_CANONICAL_ID } else { self.owner_of(writer) };
        let acl = given.map(|given| self.object_acl(given, owner)).transpose()?.flatten();
        Ok(NewObject { owner: owner.to_owned(), acl })
    }

    /// What an object of this owner has from now on; none: the owner's alone.
    ///
    /// # Errors
    /// As [`AclSettings::new_object`].
    pub fn object_acl(&self, given: Given, owner: &str) -> Result<Option<Acl>, S3Error> {
        let acl = match given {
            Given::Canned(canned) => canned.on_object(owner)?,
            Given::Grants(grants) => Acl { owner: owner.to_owned(), grants },
        };
        self.check(&acl)?;
        Ok((acl != owners_alone(owner)).then_some(acl))
    }

    /// What the bucket has from now on.
    ///
    /// # Errors
    /// As [`AclSettings::new_object`].
    pub fn bucket_acl(&self, given: Given) -> Result<Acl, S3Error> {
        let acl = bucket_acl(given);
        self.check(&acl)?;
        Ok(acl)
    }

    fn check(&self, acl: &Acl) -> Result<(), S3Error> {
        check_count(acl.grants.len())?;
        if !self.are_on() && !is_owners_alone(acl) {
            return Err(ErrorCode::AccessControlListNotSupported.into());
        }
        if self.blocks_public && is_public(acl) {
            let message = "Public ACLs are prevented by the BlockPublicAcls setting of the bucket";
            return Err(S3Error::with_message(ErrorCode::AccessDenied, message));
        }
        Ok(())
    }
}

/// Of a bucket, whose owner is the account.
fn bucket_acl(given: Given) -> Acl {
    match given {
        Given::Canned(canned) => canned.on_bucket(),
        Given::Grants(grants) => Acl { owner: ACCOUNT_CANONICAL_ID.to_owned(), grants },
    }
}

fn is_enforced(ownership: ObjectOwnership) -> bool {
    match ownership {
        ObjectOwnership::Unset | ObjectOwnership::BucketOwnerEnforced => true,
        ObjectOwnership::BucketOwnerPreferred | ObjectOwnership::ObjectWriter | ObjectOwnership::Removed => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_proto::account::ANONYMOUS_CANONICAL_ID;
    use weir_proto::v1::PublicAccessBlock;

    const ENFORCED: ObjectOwnership = ObjectOwnership::BucketOwnerEnforced;
    const PREFERRED: ObjectOwnership = ObjectOwnership::BucketOwnerPreferred;
    const WRITER: ObjectOwnership = ObjectOwnership::ObjectWriter;

    fn settings(ownership: ObjectOwnership, blocks_public: bool) -> AclSettings {
        let public_access_block =
            Some(PublicAccessBlock { block_public_acls: blocks_public, ..PublicAccessBlock::default() });
        let ownership = ownership.into();
        AclSettings::of(Some(&BucketAccess { ownership, public_access_block, ..BucketAccess::default() }))
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn where_acls_are_off_only_the_owners_full_control_is_taken() {
        let own = format!("id={ACCOUNT_CANONICAL_ID}");
        for (header, value, expected) in [
            ("x-amz-acl", "private", None),
            ("x-amz-acl", "bucket-owner-full-control", None),
            ("x-amz-grant-full-control", own.as_str(), None),
            ("x-amz-grant-read", own.as_str(), Some(ErrorCode::AccessControlListNotSupported)),
            ("x-amz-acl", "public-read", Some(ErrorCode::AccessControlListNotSupported)),
            ("x-amz-acl", "authenticated-read", Some(ErrorCode::AccessControlListNotSupported)),
            ("x-amz-acl", "nonsense", Some(ErrorCode::InvalidArgument)),
        ] {
            let headers = headers(&[(header, value)]);
            for settings in [AclSettings::of(None), settings(ENFORCED, false)] {
                let made = settings.new_object(&headers, ANONYMOUS_CANONICAL_ID);
                assert_eq!(made.as_ref().err().map(|error| error.code()), expected, "{header}: {value}");
                if let Ok(made) = made {
                    assert_eq!(made, NewObject { owner: ACCOUNT_CANONICAL_ID.into(), acl: None });
                }
            }
            let made = settings(WRITER, false).new_object(&headers, ACCOUNT_CANONICAL_ID);
            assert_eq!(made.is_ok(), value != "nonsense", "{header}: {value}");
        }
    }

    #[test]
    fn an_object_is_its_writers_or_the_buckets_owners() {
        for (ownership, acl, owner) in [
            (ENFORCED, "private", ACCOUNT_CANONICAL_ID),
            (PREFERRED, "private", ANONYMOUS_CANONICAL_ID),
            (PREFERRED, "bucket-owner-full-control", ACCOUNT_CANONICAL_ID),
            (WRITER, "private", ANONYMOUS_CANONICAL_ID),
            (WRITER, "bucket-owner-full-control", ANONYMOUS_CANONICAL_ID),
            (ObjectOwnership::Removed, "private", ANONYMOUS_CANONICAL_ID),
        ] {
            let headers = headers(&[("x-amz-acl", acl)]);
            let made = settings(ownership, false).new_object(&headers, ANONYMOUS_CANONICAL_ID).unwrap();
            assert_eq!(made.owner, owner, "{ownership:?} {acl}");
            let is_shared = made.acl.is_some();
            assert_eq!(is_shared, acl == "bucket-owner-full-control" && owner == ANONYMOUS_CANONICAL_ID);
        }
        assert_eq!(settings(WRITER, false).owner_of(""), ACCOUNT_CANONICAL_ID);
        assert_eq!(settings(WRITER, false).owner_of(ANONYMOUS_CANONICAL_ID), ANONYMOUS_CANONICAL_ID);
        assert_eq!(settings(ENFORCED, false).owner_of(ANONYMOUS_CANONICAL_ID), ACCOUNT_CANONICAL_ID);
    }

    #[test]
    fn public_acls_are_refused_where_they_are_blocked() {
        let code = |acl: &str| {
            let made = settings(WRITER, true).new_object(&headers(&[("x-amz-acl", acl)]), ACCOUNT_CANONICAL_ID);
            made.err().map(|error| error.code())
        };
        for public in ["public-read", "public-read-write", "authenticated-read"] {
            assert_eq!(code(public), Some(ErrorCode::AccessDenied), "{public}");
        }
        for private in ["private", "bucket-owner-read", "bucket-owner-full-control"] {
            assert_eq!(code(private), None, "{private}");
        }
        let bucket = |canned| settings(WRITER, true).bucket_acl(Given::Canned(canned)).err().map(|error| error.code());
        assert_eq!(bucket(Canned::PublicReadWrite), Some(ErrorCode::AccessDenied));
        assert_eq!(bucket(Canned::LogDeliveryWrite), None);
    }

    #[test]
    fn a_new_bucket_has_an_acl_only_where_acls_are_on() {
        let made =
            |pairs: &[(&'static str, &str)]| NewBucket::of_headers(&headers(pairs)).map_err(|error| error.code());
        let none = NewBucket { ownership: ObjectOwnership::Unset, acl: None };
        assert_eq!(made(&[]), Ok(none.clone()));
        assert_eq!(made(&[("x-amz-acl", "private")]), Ok(none));
        let both = made(&[("x-amz-acl", "public-read"), (OWNERSHIP, "ObjectWriter")]).unwrap();
        assert_eq!(both, NewBucket { ownership: WRITER, acl: Some(Canned::PublicRead.on_bucket()) });
        let refused = Err(ErrorCode::InvalidBucketAclWithObjectOwnership);
        assert_eq!(made(&[("x-amz-acl", "public-read")]), refused);
        assert_eq!(made(&[("x-amz-acl", "public-read"), (OWNERSHIP, "BucketOwnerEnforced")]), refused);
        assert_eq!(made(&[(OWNERSHIP, "Nobody")]), Err(ErrorCode::InvalidArgument));
    }

    #[test]
    fn the_default_is_told_and_what_was_taken_away_is_not() {
        assert_eq!(ownership_name(ObjectOwnership::Unset), Some("BucketOwnerEnforced"));
        assert_eq!(ownership_name(ObjectOwnership::Removed), None);
        for (name, ownership) in OWNERSHIPS {
            assert_eq!((ownership_of(name), ownership_name(ownership)), (Some(ownership), Some(name)));
        }
        assert_eq!(ownership_of("bucketownerenforced"), None);
    }
}
