//! Documents out ([`Writer`]) and in ([`Element`]). The documents of a request are parsed strictly: what is not in the
//! schema of S3 is `MalformedXML`.

mod acl;
mod complete;
mod create_bucket;
mod delete;
mod element;
mod escape;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod ownership_controls;
mod public_access_block;
mod tagging;
mod time;
mod writer;

pub use acl::{acl_document, parse_acl};
pub use complete::parse_completion;
pub use create_bucket::{BucketConfiguration, parse_bucket_configuration};
pub use delete::{DeleteDocument, ObjectToDelete, parse_delete};
pub use element::{Element, MalformedXml};
pub use escape::url_encoded;
pub use ownership_controls::parse_ownership_controls;
pub use public_access_block::parse_public_access_block;
pub use tagging::parse_tagging;
pub use time::{write_iso8601, write_iso8601_seconds};
pub use writer::Writer;

/// Of all documents of S3 but errors.
pub const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";
