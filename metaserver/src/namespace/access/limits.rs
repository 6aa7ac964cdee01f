//! How much there may be of what: AWS's quotas, and bounds of our own where AWS has none that bounds memory.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>

/// In all.
pub const MAX_USERS: usize = 5_000;
pub const MAX_GROUPS: usize = 300;
/// Those that are part of the system are not counted.
pub const MAX_POLICIES: usize = 1_500;
pub const MAX_ROLES: usize = 1_000;
pub const MAX_PROVIDERS: usize = 100;

pub const MAX_ACCESS_KEYS_PER_USER: usize = 2;
pub const MAX_GROUPS_PER_USER: usize = 10;
/// Of a user, a group or a role.
pub const MAX_ATTACHED_POLICIES: usize = 10;
pub const MAX_POLICY_VERSIONS: usize = 5;
pub const MAX_TAGS: usize = 50;
pub const MAX_CLIENT_IDS: usize = 100;
pub const MAX_THUMBPRINTS: usize = 5;

/// Of users and roles, in characters.
pub const MAX_NAME_CHARS: usize = 64;
/// Of groups and policies, in characters.
pub const MAX_LONG_NAME_CHARS: usize = 128;
pub const MAX_PATH_CHARS: usize = 512;
pub const MAX_DESCRIPTION_CHARS: usize = 1_000;
pub const MAX_TAG_KEY_CHARS: usize = 128;
pub const MAX_TAG_VALUE_CHARS: usize = 256;
pub const MAX_PROVIDER_URL_CHARS: usize = 255;
pub const MAX_CLIENT_ID_CHARS: usize = 255;

/// All inline policies of a user together, in characters that are not white space.
pub const MAX_USER_INLINE_CHARS: usize = 2_048;
pub const MAX_GROUP_INLINE_CHARS: usize = 5_120;
pub const MAX_ROLE_INLINE_CHARS: usize = 10_240;
/// In characters that are not white space.
pub const MAX_POLICY_CHARS: usize = 6_144;
pub const MAX_TRUST_CHARS: usize = 2_048;
/// Copies of a block: as many as `metaserver.replication` may ask for.
pub const MAX_REPLICATION: u32 = weir_service::config::REPLICATION_MAX;
/// A bucket's policy, in bytes.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-policies.html>
pub const MAX_BUCKET_POLICY_BYTES: usize = 20 << 10;

/// A document of a user, a group, a role or a policy with its white space, in bytes.
pub const MAX_DOCUMENT_BYTES: usize = 32 << 10;
/// Users, roles and sessions that a document names: more do not fit into a bucket's policy.
pub const MAX_PRINCIPALS: usize = 600;
/// All inline policies of a user, a group or a role with their white space, in bytes.
pub const MAX_INLINE_BYTES: usize = 64 << 10;
/// Inline policies of a user, a group or a role.
pub const MAX_INLINE_POLICIES: usize = 200;
/// All client ids of a provider, in bytes: they lie in one record.
pub const MAX_CLIENT_IDS_BYTES: usize = 12_000;
/// Grants of an ACL.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html>
pub const MAX_GRANTS: usize = 100;

/// The whole directory as messages of the contract, in bytes: every gateway keeps a copy in memory.
pub const MAX_DIRECTORY_BYTES: i64 = 64 << 20;

/// How long the credentials of someone who takes a role may hold.
pub const MIN_SESSION_SECONDS: u32 = 3_600;
pub const MAX_SESSION_SECONDS: u32 = 43_200;

/// Changes that are remembered for gateways that know a version from before them. Who has missed more gets everything.
pub const MAX_LOGGED_CHANGES: usize = 4_096;
/// The longest time that a gateway waits for a change, in milliseconds.
pub const MAX_PATIENCE_MS: u64 = 10_000;
/// Entries of one batch of an answer, in bytes; a single entry may be a little larger.
pub const BATCH_BYTES: usize = 1 << 20;
