//! What lies in the store: one file for each kind of record, with its key, its value and their tests.
//!
//! A key is the kind's tag byte and the parts of its name, encoded so that byte order is the order of the parts
//! ([`key`]). A value is a message in an envelope with a format version and a checksum ([`value`]). Byte tags and
//! message fields are never given another meaning.

pub mod access_key;
pub mod acl;
pub mod block;
pub mod bucket;
pub mod bucket_access;
pub mod coded;
pub mod condemned;
pub mod content;
pub mod counter;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
pub mod grant;
pub mod group;
pub mod holder;
pub mod inline;
pub mod key;
mod kind;
pub mod managed_policy;
pub mod manifest;
pub mod object;
pub mod oidc_provider;
pub mod part;
pub mod policy_document;
pub mod principal;
pub mod reclaim;
pub mod result;
pub mod role;
pub mod session;
pub mod tag;
pub mod upload;
pub mod usage;
pub mod user;
pub mod value;
pub mod worker;

pub use value::{Record, RecordError, decode, encode};

/// The longest value that a record is made to have, in bytes; the store takes a little more.
pub const MAX_RECORD_BYTES: usize = 15_000;

#[cfg(test)]
pub(crate) mod testing {
    use super::{Record, decode, encode};
    use crate::store::MAX_VALUE_BYTES;

    /// What goes in comes out, fits the store, and no flipped bit passes.
    pub fn round_trips<R: Record + PartialEq + std::fmt::Debug>(record: &R) {
        let value = encode(record);
        assert!(value.len() <= MAX_VALUE_BYTES, "{} bytes", value.len());
        assert_eq!(&decode::<R>(b"key", value.clone()).unwrap(), record);
        for at in [0, 3, 5, value.len() / 2, value.len() - 1] {
            let mut damaged = value.to_vec();
            damaged[at] ^= 0x10;
            assert!(decode::<R>(b"key", damaged.into()).is_err(), "byte {at}");
        }
    }
}
