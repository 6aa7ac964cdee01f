//! Who is asking, and what they may do.
//!
//! | module | subject |
//! |---|---|
//! | `kind`, `claimed` | the ways to say who sent a request, and the key that it names |
//! | `gate`, `keyring` | was it signed, with a key that is known? |
//! | [`sigv4`], [`sigv2`], `signed_head` | the signatures |
//! | `hoisted` | what a presigned URL carries for headers |
//! | [`token`] | temporary credentials |
//! | `caller`, `identity` | who it is |
//! | `follow`, `directory`, `rules` | what the metaserver says of users, keys, policies and buckets |
//! | [`policy`] | documents, and what they decide |
//! | [`acl`] | access control lists, and who owns objects |
//! | `need`, `access`, `facts` | what an operation needs to be allowed, and whether it is |

mod access;
pub mod acl;
mod arn;
mod caller;
mod claimed;
mod directory;
mod facts;
mod follow;
mod form;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod gate;
mod headers;
mod hoisted;
mod identity;
mod keyring;
mod kind;
mod mismatch;
mod need;
pub mod policy;
mod rules;
mod signed_head;
pub mod sigv2;
pub mod sigv4;
#[cfg(any(test, feature = "fuzzing"))]
mod testing;
mod time;
pub mod token;

pub use access::Access;
pub use arn::{group_arn, local_policy_arn, policy_arn, provider_arn, user_arn};
pub use caller::{Caller, Proof, check_expected_owner};
pub use claimed::{claimed_access_key_id, claimed_by_form};
pub use directory::{Directory, provider_name};
pub use facts::{Described, facts_of};
pub use follow::Follower;
pub use gate::{AccessError, Gate, Presented};
pub use hoisted::hoisted;
pub use identity::{Identity, role_arn};
pub use kind::Authentication;
pub use need::{Need, Resource, creates_object, main_action, needs};
pub use rules::Rules;
pub use signed_head::SignedHead;

use weir_proto::account::{ACCOUNT_CANONICAL_ID, ACCOUNT_NAME};

/// What objects and buckets name as their owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// A canonical user id: 64 hexadecimal digits.
    pub id: &'static str,
    pub display_name: &'static str,
}

/// The account, which owns every bucket.
pub const ACCOUNT: Owner = Owner { id: ACCOUNT_CANONICAL_ID, display_name: ACCOUNT_NAME };
