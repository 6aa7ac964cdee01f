//! Whom and what a grant names.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#specifying-grantee>

use crate::error::S3Error;
use weir_proto::account::{ACCOUNT_CANONICAL_ID, ANONYMOUS_CANONICAL_ID};
use weir_proto::v1::grant::Grantee;
use weir_proto::v1::{Acl, Grant, Permission};

/// Of one ACL.
pub const MAX_GRANTS: usize = 100;

pub const ALL_USERS: &str = "AllUsers";
pub const AUTHENTICATED_USERS: &str = "AuthenticatedUsers";
pub const LOG_DELIVERY: &str = "LogDelivery";

/// Groups by their URI.
const GROUPS: [(&str, &str); 3] = [
    (ALL_USERS, "http://acs.amazonaws.com/groups/global/AllUsers"),
    (AUTHENTICATED_USERS, "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"),
    (LOG_DELIVERY, "http://acs.amazonaws.com/groups/s3/LogDelivery"),
];

const PERMISSIONS: [(&str, Permission); 5] = [
    ("FULL_CONTROL", Permission::FullControl),
    ("READ", Permission::Read),
    ("WRITE", Permission::Write),
    ("READ_ACP", Permission::ReadAcp),
    ("WRITE_ACP", Permission::WriteAcp),
];

/// # Errors
/// `InvalidArgument` for an id that nobody has. The account has one, and anonymous callers have.
pub fn grantee_of_id(id: &str) -> Result<Grantee, S3Error> {
    match id {
        ACCOUNT_CANONICAL_ID | ANONYMOUS_CANONICAL_ID => Ok(Grantee::CanonicalId(id.to_owned())),
        other => Err(S3Error::invalid_argument("CanonicalUser/ID", other, "Invalid id")),
    }
}

/// # Errors
/// `InvalidArgument` for a group that S3 does not have.
pub fn grantee_of_uri(uri: &str) -> Result<Grantee, S3Error> {
    match GROUPS.iter().find(|(_, known)| *known == uri) {
        Some((name, _)) => Ok(Grantee::Group((*name).to_owned())),
        None => Err(S3Error::invalid_argument("Group/URI", uri, "Invalid group uri")),
    }
}

/// The URI of a group; none: S3 has no such group.
pub fn group_uri(name: &str) -> Option<&'static str> {
    GROUPS.iter().find(|(known, _)| *known == name).map(|(_, uri)| *uri)
}

/// As documents write it; none: S3 has no such permission.
pub fn permission_of(name: &str) -> Option<Permission> {
    PERMISSIONS.iter().find(|(known, _)| *known == name).map(|(_, permission)| *permission)
}

/// None: it is none.
pub fn permission_name(permission: Permission) -> Option<&'static str> {
    PERMISSIONS.iter().find(|(_, known)| *known == permission).map(|(name, _)| *name)
}

pub fn grant(grantee: Grantee, permission: Permission) -> Grant {
    Grant { grantee: Some(grantee), permission: permission.into() }
}

/// What holds where nothing was set: the owner has full control.
pub fn owners_alone(owner: &str) -> Acl {
    let grants = vec![grant(Grantee::CanonicalId(owner.to_owned()), Permission::FullControl)];
    Acl { owner: owner.to_owned(), grants }
}

/// Does it give its owner full control, and nobody else anything?
pub fn is_owners_alone(acl: &Acl) -> bool {
    let is_owners = |grant: &Grant| matches!(&grant.grantee, Some(Grantee::CanonicalId(id)) if *id == acl.owner);
    acl.grants.iter().all(is_owners) && acl.grants.iter().any(|grant| grant.permission() == Permission::FullControl)
}

/// Does it grant anything to everyone, or to everyone with a key?
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html#access-control-block-public-access-policy-status>
pub fn is_public(acl: &Acl) -> bool {
    acl.grants.iter().any(is_public_grant)
}

pub fn is_public_grant(grant: &Grant) -> bool {
    matches!(&grant.grantee, Some(Grantee::Group(name)) if name == ALL_USERS || name == AUTHENTICATED_USERS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;

    #[test]
    fn grantees_are_those_that_there_are() {
        assert!(grantee_of_id(ACCOUNT_CANONICAL_ID).is_ok() && grantee_of_id(ANONYMOUS_CANONICAL_ID).is_ok());
        for id in ["", "000000000000", "weir", &"ab".repeat(32), &ACCOUNT_CANONICAL_ID.to_uppercase()] {
            assert_eq!(grantee_of_id(id).unwrap_err().code(), ErrorCode::InvalidArgument, "{id}");
        }
        for (name, uri) in GROUPS {
            assert_eq!(grantee_of_uri(uri).unwrap(), Grantee::Group(name.into()));
            assert_eq!(group_uri(name), Some(uri));
        }
        for uri in ["", "AllUsers", "http://acs.amazonaws.com/groups/global/allusers"] {
            assert_eq!(grantee_of_uri(uri).unwrap_err().code(), ErrorCode::InvalidArgument, "{uri}");
        }
    }

    #[test]
    fn an_acl_is_the_owners_alone_or_public_or_neither() {
        let id = |id: &str, permission| grant(Grantee::CanonicalId(id.into()), permission);
        let group = |name: &str, permission| grant(Grantee::Group(name.into()), permission);
        for (grants, alone, public) in [
            (vec![id("aa", Permission::FullControl)], true, false),
            (vec![id("aa", Permission::FullControl), id("aa", Permission::Read)], true, false),
            (vec![], false, false),
            (vec![id("aa", Permission::Read)], false, false),
            (vec![id("bb", Permission::FullControl)], false, false),
            (vec![id("aa", Permission::FullControl), group(LOG_DELIVERY, Permission::Write)], false, false),
            (vec![id("aa", Permission::FullControl), group(ALL_USERS, Permission::ReadAcp)], false, true),
            (vec![group(AUTHENTICATED_USERS, Permission::Read)], false, true),
        ] {
            let acl = Acl { owner: "aa".into(), grants };
            assert_eq!((is_owners_alone(&acl), is_public(&acl)), (alone, public), "{acl:?}");
        }
        assert!(is_owners_alone(&owners_alone("aa")));
    }
}
