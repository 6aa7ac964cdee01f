//! The ACL of an object, an upload or a bucket, as a part of its record. Canonical user ids are hexadecimal digits, and
//! are stored as the bytes that they stand for: a hundred grants take 4 KB.

use bytes::Bytes;
use weir_proto::v1;
use weir_proto::v1::grant::Grantee;

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct AclRecord {
    #[prost(bytes = "bytes", tag = "1")]
    pub owner: Bytes,
    #[prost(message, repeated, tag = "2")]
    pub grants: Vec<AclGrant>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct AclGrant {
    /// Empty: a group is meant.
    #[prost(bytes = "bytes", tag = "1")]
    pub canonical_id: Bytes,
    #[prost(enumeration = "AclGroup", tag = "2")]
    pub group: i32,
    #[prost(enumeration = "v1::Permission", tag = "3")]
    pub permission: i32,
}

/// A group that S3 knows.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#specifying-grantee-predefined-groups>
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum AclGroup {
    None = 0,
    AllUsers = 1,
    AuthenticatedUsers = 2,
    LogDelivery = 3,
}

impl AclGroup {
    /// By the last segment of its URI; `None` for one that S3 does not know.
    pub fn of(name: &str) -> Self {
        [Self::AllUsers, Self::AuthenticatedUsers, Self::LogDelivery]
            .into_iter()
            .find(|group| group.name() == name)
            .unwrap_or(Self::None)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::None => "",
            Self::AllUsers => "AllUsers",
            Self::AuthenticatedUsers => "AuthenticatedUsers",
            Self::LogDelivery => "LogDelivery",
        }
    }
}

/// Of an ACL that was validated: its ids are hexadecimal and its groups are known.
impl From<&v1::Acl> for AclRecord {
    fn from(acl: &v1::Acl) -> Self {
        Self { owner: id(&acl.owner), grants: acl.grants.iter().map(Into::into).collect() }
    }
}

impl From<&v1::Grant> for AclGrant {
    fn from(grant: &v1::Grant) -> Self {
        let (canonical_id, group) = match &grant.grantee {
            Some(Grantee::CanonicalId(canonical_id)) => (id(canonical_id), AclGroup::None),
            Some(Grantee::Group(name)) => (Bytes::new(), AclGroup::of(name)),
            None => (Bytes::new(), AclGroup::None),
        };
        Self { canonical_id, group: group.into(), permission: grant.permission }
    }
}

impl From<&AclRecord> for v1::Acl {
    fn from(acl: &AclRecord) -> Self {
        Self { owner: hex::encode(&acl.owner), grants: acl.grants.iter().map(Into::into).collect() }
    }
}

impl From<&AclGrant> for v1::Grant {
    fn from(grant: &AclGrant) -> Self {
        let grantee = match grant.group() {
            AclGroup::None => Grantee::CanonicalId(hex::encode(&grant.canonical_id)),
            group @ (AclGroup::AllUsers | AclGroup::AuthenticatedUsers | AclGroup::LogDelivery) => {
                Grantee::Group(group.name().to_owned())
            }
        };
        Self { grantee: Some(grantee), permission: grant.permission }
    }
}

fn id(canonical_id: &str) -> Bytes {
    hex::decode(canonical_id).unwrap_or_default().into()
}

/// An ACL with so many grants, most of them to different users.
#[cfg(test)]
pub(crate) fn sample(grant_count: u64) -> v1::Acl {
    let grantee = |n: u64| match n % 10 {
        0 => Grantee::Group("AllUsers".into()),
        1 => Grantee::Group("AuthenticatedUsers".into()),
        2 => Grantee::Group("LogDelivery".into()),
        _ => Grantee::CanonicalId(format!("{n:064x}")),
    };
    let grants = (0..grant_count).map(|n| v1::Grant { grantee: Some(grantee(n)), permission: 1 + (n % 5) as i32 });
    v1::Acl { owner: weir_proto::account::ACCOUNT_CANONICAL_ID.into(), grants: grants.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::Message as _;

    #[test]
    fn an_acl_comes_out_as_it_went_in_and_takes_half_the_space() {
        let acl = sample(100);
        let record = AclRecord::from(&acl);
        assert_eq!(v1::Acl::from(&record), acl);
        assert!(record.encoded_len() < 4_000, "{} bytes", record.encoded_len());
        assert_eq!(AclRecord::decode(&record.encode_to_vec()[..]).unwrap(), record);
    }

    #[test]
    fn groups_are_known_by_the_last_segment_of_their_uri() {
        assert_eq!(AclGroup::of("AllUsers"), AclGroup::AllUsers);
        assert_eq!(AclGroup::of("allusers"), AclGroup::None);
        assert_eq!(AclGroup::of(""), AclGroup::None);
    }
}
