//! Who is asking, and what they may do.
//!
//! | module | subject |
//! |---|---|
//! | `kind` | the ways to say who sent a request |
//! | `gate` | lets a request in or not: the keys, and whether it was signed with one |
//! | [`sigv4`], [`sigv2`] | the signatures |
//! | `caller`, `identity` | who it is |
//! | `directory` | what is known of users, keys, groups, policies, roles |
//! | `need` | what an operation needs to be allowed |
//! | [`policy`] | documents, and what they decide |
//! | [`token`] | temporary credentials |

mod arn;
mod caller;
mod directory;
mod gate;
mod identity;
mod kind;
mod need;
pub mod policy;
pub mod sigv2;
pub mod sigv4;
mod time;
pub mod token;

pub use arn::{group_arn, local_policy_arn, policy_arn, provider_arn, user_arn};
pub use caller::{Caller, Credentials, Proof, check_expected_owner};
pub use directory::{Directory, provider_name};
pub use gate::{AccessError, Gate, Presented, hoist};
pub use identity::{Identity, role_arn};
pub use kind::Authentication;
pub use need::{Need, Resource, needs};

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
