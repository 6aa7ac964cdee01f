//! Whom an ACL lets in. The rule is written down in the [module](super).

use super::grants::{ALL_USERS, AUTHENTICATED_USERS, is_public_grant};
use crate::auth::Identity;
use weir_proto::v1::grant::Grantee;
use weir_proto::v1::{Acl, Grant, Permission};

/// What a grant rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Everyone is meant, or the caller itself: nothing bounds it.
    Itself,
    /// Everyone with a key: within what bounds the caller.
    Key,
}

/// The permission of a bucket's ACL that stands for an action; none: none does.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#acl-access-policy-permission-mapping>
pub fn bucket_permission(action: &str) -> Option<Permission> {
    match action {
        "s3:ListBucket" | "s3:ListBucketVersions" | "s3:ListBucketMultipartUploads" => Some(Permission::Read),
        "s3:PutObject" | "s3:DeleteObject" => Some(Permission::Write),
        "s3:GetBucketAcl" => Some(Permission::ReadAcp),
        "s3:PutBucketAcl" => Some(Permission::WriteAcp),
        _ => None,
    }
}

/// The same of an object's.
pub fn object_permission(action: &str) -> Option<Permission> {
    match action {
        "s3:GetObject" => Some(Permission::Read),
        "s3:GetObjectAcl" => Some(Permission::ReadAcp),
        "s3:PutObjectAcl" => Some(Permission::WriteAcp),
        _ => None,
    }
}

/// Does it let this one do that? None: no.
pub fn let_in(acl: &Acl, identity: &Identity, permission: Permission, ignores_public: bool) -> Option<By> {
    let gives = |grant: &&Grant| [permission, Permission::FullControl].contains(&grant.permission());
    let counts = |grant: &&Grant| !(ignores_public && is_public_grant(grant));
    let grants = acl.grants.iter().filter(gives).filter(counts);
    let found = grants.filter_map(|grant| meant(grant.grantee.as_ref()?, identity));
    found.min_by_key(|by| *by == By::Key)
}

/// Is it the one that a grant is for?
fn meant(grantee: &Grantee, identity: &Identity) -> Option<By> {
    match (grantee, identity) {
        (Grantee::Group(name), _) if name == ALL_USERS => Some(By::Itself),
        (Grantee::Group(name), Identity::Root | Identity::User { .. } | Identity::AssumedRole { .. })
            if name == AUTHENTICATED_USERS =>
        {
            Some(By::Key)
        }
        (Grantee::CanonicalId(id), Identity::Anonymous) if id == identity.canonical_id() => Some(By::Itself),
        // Root keys under a session policy are still the account's.
        (Grantee::CanonicalId(id), Identity::Root) if id == identity.canonical_id() => Some(By::Key),
        // The account's id is not for its users and roles; nobody delivers logs.
        (Grantee::CanonicalId(_) | Grantee::Group(_), _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::grants::{LOG_DELIVERY, grant, owners_alone};
    use super::*;
    use weir_proto::account::{ACCOUNT_CANONICAL_ID, ANONYMOUS_CANONICAL_ID};

    fn identities() -> [Identity; 4] {
        let (name, path) = (String::from("alice"), String::from("/"));
        let user = Identity::User { name, path: path.clone(), id: "AIDA1".into() };
        let role = Identity::AssumedRole { role: "r".into(), path, role_id: "AROA1".into(), session: "s".into() };
        [Identity::Anonymous, Identity::Root, user, role]
    }

    #[test]
    fn each_grantee_means_whom_the_rule_says() {
        use By::{Itself, Key};
        let group = |name: &str| Grantee::Group(name.into());
        let id = |id: &str| Grantee::CanonicalId(id.into());
        for (grantee, expected, ignoring_public) in [
            (group(ALL_USERS), [Some(Itself); 4], [None; 4]),
            (group(AUTHENTICATED_USERS), [None, Some(Key), Some(Key), Some(Key)], [None; 4]),
            (group(LOG_DELIVERY), [None; 4], [None; 4]),
            (id(ACCOUNT_CANONICAL_ID), [None, Some(Key), None, None], [None, Some(Key), None, None]),
            (id(ANONYMOUS_CANONICAL_ID), [Some(Itself), None, None, None], [Some(Itself), None, None, None]),
        ] {
            let acl = Acl { grants: vec![grant(grantee.clone(), Permission::Read)], ..Default::default() };
            let judged = |ignoring| identities().map(|identity| let_in(&acl, &identity, Permission::Read, ignoring));
            assert_eq!(judged(false), expected, "{grantee:?}");
            assert_eq!(judged(true), ignoring_public, "{grantee:?}");
        }
    }

    #[test]
    fn a_permission_is_itself_and_full_control_is_all() {
        let all = [Permission::Read, Permission::Write, Permission::ReadAcp, Permission::WriteAcp];
        for given in all.into_iter().chain([Permission::FullControl]) {
            let acl = Acl { grants: vec![grant(Grantee::Group(ALL_USERS.into()), given)], ..Default::default() };
            for asked in all {
                let expected = asked == given || given == Permission::FullControl;
                let judged = let_in(&acl, &Identity::Anonymous, asked, false);
                assert_eq!(judged.is_some(), expected, "{asked:?} by {given:?}");
            }
        }
    }

    #[test]
    fn the_grant_that_bounds_least_decides() {
        let mut acl = owners_alone(ACCOUNT_CANONICAL_ID);
        acl.grants.push(grant(Grantee::Group(AUTHENTICATED_USERS.into()), Permission::Read));
        let [_, _, user, _] = identities();
        assert_eq!(let_in(&acl, &user, Permission::Read, false), Some(By::Key));
        acl.grants.push(grant(Grantee::Group(ALL_USERS.into()), Permission::Read));
        assert_eq!(let_in(&acl, &user, Permission::Read, false), Some(By::Itself));
        assert_eq!(let_in(&acl, &user, Permission::Write, false), None);
    }

    #[test]
    fn actions_are_those_of_s3s_mapping() {
        for (action, expected) in [
            ("s3:ListBucket", Some(Permission::Read)),
            ("s3:ListBucketMultipartUploads", Some(Permission::Read)),
            ("s3:PutObject", Some(Permission::Write)),
            ("s3:GetBucketAcl", Some(Permission::ReadAcp)),
            ("s3:PutBucketAcl", Some(Permission::WriteAcp)),
            ("s3:GetObject", None),
            ("s3:DeleteBucket", None),
            ("s3:PutBucketPolicy", None),
            ("s3:GetBucketLocation", None),
        ] {
            assert_eq!(bucket_permission(action), expected, "{action}");
        }
        for (action, expected) in [
            ("s3:GetObject", Some(Permission::Read)),
            ("s3:GetObjectAcl", Some(Permission::ReadAcp)),
            ("s3:PutObjectAcl", Some(Permission::WriteAcp)),
            ("s3:GetObjectTagging", None),
            ("s3:PutObject", None),
        ] {
            assert_eq!(object_permission(action), expected, "{action}");
        }
    }
}
