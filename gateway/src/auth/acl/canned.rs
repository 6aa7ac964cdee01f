//! ACLs that have a name.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#canned-acl>

use super::grants::{ALL_USERS, AUTHENTICATED_USERS, LOG_DELIVERY, grant, owners_alone};
use crate::error::S3Error;
use weir_proto::account::ACCOUNT_CANONICAL_ID;
use weir_proto::v1::grant::Grantee;
use weir_proto::v1::{Acl, Grant, Permission};

/// A canned ACL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Canned {
    Private,
    PublicRead,
    PublicReadWrite,
    AuthenticatedRead,
    BucketOwnerRead,
    BucketOwnerFullControl,
    /// Of buckets.
    LogDeliveryWrite,
}

impl Canned {
    /// # Errors
    /// `InvalidArgument` for a name that S3 does not know; `NotImplemented` for `aws-exec-read`: there is no EC2 here
    /// that could read anything.
    pub fn of(name: &str) -> Result<Self, S3Error> {
        Ok(match name {
            "private" => Self::Private,
            "public-read" => Self::PublicRead,
            "public-read-write" => Self::PublicReadWrite,
            "authenticated-read" => Self::AuthenticatedRead,
            "bucket-owner-read" => Self::BucketOwnerRead,
            "bucket-owner-full-control" => Self::BucketOwnerFullControl,
            "log-delivery-write" => Self::LogDeliveryWrite,
            "aws-exec-read" => {
                return Err(S3Error::not_implemented("x-amz-acl: aws-exec-read").element("Header", "x-amz-acl"));
            }
            other => return Err(S3Error::invalid_argument("x-amz-acl", other, "The canned ACL is not known")),
        })
    }

    /// On a bucket, whose owner is the account.
    pub fn on_bucket(self) -> Acl {
        let beside = match self {
            Self::LogDeliveryWrite => {
                vec![to_group(LOG_DELIVERY, Permission::Write), to_group(LOG_DELIVERY, Permission::ReadAcp)]
            }
            // The two about the bucket's owner say nothing about a bucket: S3 ignores them there.
            Self::BucketOwnerRead | Self::BucketOwnerFullControl => Vec::new(),
            other => other.to_groups(),
        };
        with(owners_alone(ACCOUNT_CANONICAL_ID), beside)
    }

    /// On an object of this owner.
    ///
    /// # Errors
    /// `InvalidArgument` for one that only buckets may have.
    pub fn on_object(self, owner: &str) -> Result<Acl, S3Error> {
        let to_bucket_owner = |permission| match owner {
            ACCOUNT_CANONICAL_ID => Vec::new(),
            _ => vec![grant(Grantee::CanonicalId(ACCOUNT_CANONICAL_ID.to_owned()), permission)],
        };
        let beside = match self {
            Self::LogDeliveryWrite => {
                let message = "log-delivery-write is an ACL of buckets";
                return Err(S3Error::invalid_argument("x-amz-acl", "log-delivery-write", message));
            }
            Self::BucketOwnerRead => to_bucket_owner(Permission::Read),
            Self::BucketOwnerFullControl => to_bucket_owner(Permission::FullControl),
            other => other.to_groups(),
        };
        Ok(with(owners_alone(owner), beside))
    }

    /// What it gives to groups, on buckets and objects alike.
    fn to_groups(self) -> Vec<Grant> {
        match self {
            Self::PublicRead => vec![to_group(ALL_USERS, Permission::Read)],
            Self::PublicReadWrite => {
                vec![to_group(ALL_USERS, Permission::Read), to_group(ALL_USERS, Permission::Write)]
            }
            Self::AuthenticatedRead => vec![to_group(AUTHENTICATED_USERS, Permission::Read)],
            Self::Private | Self::BucketOwnerRead | Self::BucketOwnerFullControl | Self::LogDeliveryWrite => Vec::new(),
        }
    }
}

fn to_group(name: &str, permission: Permission) -> Grant {
    grant(Grantee::Group(name.to_owned()), permission)
}

fn with(mut acl: Acl, beside: Vec<Grant>) -> Acl {
    acl.grants.extend(beside);
    acl
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;
    use weir_proto::account::ANONYMOUS_CANONICAL_ID;

    /// Grants as `grantee:PERMISSION`, without the owner's.
    fn beside(acl: &Acl) -> Vec<String> {
        assert_eq!(acl.grants[0], owners_alone(&acl.owner).grants[0]);
        let shown = |grant: &Grant| match grant.grantee.as_ref().unwrap() {
            Grantee::CanonicalId(id) if id == ACCOUNT_CANONICAL_ID => format!("account:{:?}", grant.permission()),
            Grantee::CanonicalId(id) => format!("{id}:{:?}", grant.permission()),
            Grantee::Group(name) => format!("{name}:{:?}", grant.permission()),
        };
        acl.grants[1..].iter().map(shown).collect()
    }

    #[test]
    fn each_name_is_what_s3s_table_says() {
        for (name, bucket, own_object, foreign_object) in [
            ("private", &[][..], &[][..], &[][..]),
            ("public-read", &["AllUsers:Read"], &["AllUsers:Read"], &["AllUsers:Read"]),
            (
                "public-read-write",
                &["AllUsers:Read", "AllUsers:Write"],
                &["AllUsers:Read", "AllUsers:Write"],
                &["AllUsers:Read", "AllUsers:Write"],
            ),
            (
                "authenticated-read",
                &["AuthenticatedUsers:Read"],
                &["AuthenticatedUsers:Read"],
                &["AuthenticatedUsers:Read"],
            ),
            ("bucket-owner-read", &[], &[], &["account:Read"]),
            ("bucket-owner-full-control", &[], &[], &["account:FullControl"]),
        ] {
            let canned = Canned::of(name).unwrap();
            assert_eq!(beside(&canned.on_bucket()), bucket, "{name}");
            assert_eq!(beside(&canned.on_object(ACCOUNT_CANONICAL_ID).unwrap()), own_object, "{name}");
            assert_eq!(beside(&canned.on_object(ANONYMOUS_CANONICAL_ID).unwrap()), foreign_object, "{name}");
        }
        let log = Canned::of("log-delivery-write").unwrap();
        assert_eq!(beside(&log.on_bucket()), ["LogDelivery:Write", "LogDelivery:ReadAcp"]);
        assert_eq!(log.on_object(ACCOUNT_CANONICAL_ID).unwrap_err().code(), ErrorCode::InvalidArgument);
    }

    #[test]
    fn names_that_mean_nothing_here_are_refused() {
        for (name, code) in [
            ("", ErrorCode::InvalidArgument),
            ("Private", ErrorCode::InvalidArgument),
            ("public", ErrorCode::InvalidArgument),
            ("aws-exec-read", ErrorCode::NotImplemented),
        ] {
            assert_eq!(Canned::of(name).unwrap_err().code(), code, "{name}");
        }
    }
}
