//! Access control lists, and who owns objects.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html>,
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html>
//!
//! Whom an ACL lets in, in one account:
//!
//! 1. Under BucketOwnerEnforced, the default, no ACL is looked at.
//! 2. An ACL is asked where policies say neither yes nor no. Whatever is denied stays denied.
//! 3. A grant to AllUsers is for everyone, as a bucket policy's `"Principal": "*"` is: neither a permissions boundary
//!    nor a session policy that is silent about it takes it away. IgnorePublicAcls does, for everyone;
//!    RestrictPublicBuckets does for strangers where the policy is public.
//! 4. A grant to AuthenticatedUsers is for everyone with a key, users without any policy and sessions of roles too,
//!    within their boundary and their session policy. IgnorePublicAcls takes it away.
//! 5. A grant to a canonical id is for the account that has it. The account's lets in whoever has the root keys, who
//!    may do everything anyway; what its users and roles may do is a matter of their policies. Anonymous callers have
//!    an id of their own, and with it what they made where they own it.
//! 6. Who is let in by WRITE makes objects, and sets the ACL of what it makes. It replaces and deletes what is its
//!    own, and uploads nothing in parts, as on S3; users and roles are the bucket's owner in this, and do it with every
//!    object.
//!
//! | file | subject |
//! |---|---|
//! | `grants` | whom and what a grant names |
//! | `canned` | ACLs that have a name |
//! | `given` | what a request says about an ACL |
//! | `settings` | what a bucket says about ACLs, and what may be set under that |
//! | `judge` | whom an ACL lets in |

mod canned;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod given;
mod grants;
mod judge;
mod settings;

pub use canned::Canned;
pub use given::Given;
pub use grants::{
    MAX_GRANTS, grantee_of_id, grantee_of_uri, group_uri, is_owners_alone, is_public, owners_alone, permission_name,
    permission_of,
};
pub use judge::{By, bucket_permission, let_in, object_permission};
pub use settings::{AclSettings, NewBucket, NewObject, ownership_name, ownership_of};
