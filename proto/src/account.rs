//! The one account of an installation, and who owns what.
//!
//! Users, groups and roles belong to the account, as AWS's do: whatever one of them makes is the account's, and what
//! each may do is a matter of policies. What anonymous callers make is owned by nobody in particular.

/// As it stands in ARNs: `arn:aws:iam::000000000000:user/alice`.
pub const ACCOUNT_ID: &str = "000000000000";

/// The account as an owner and a grantee in ACLs.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/finding-canonical-user-id.html>
pub const ACCOUNT_CANONICAL_ID: &str = "3e7b9c1f5a2d4860b8e6f09d7c3a51e24f8d6b0a9c7e1352d4f6a8b0c2e4f618";

/// What the account is called where an owner has a name.
pub const ACCOUNT_NAME: &str = "weir";

/// Who makes something without saying who. The id is the one that S3 shows.
pub const ANONYMOUS_CANONICAL_ID: &str = "65a011a29cdf8ec533ec3d1ccaae921c";
