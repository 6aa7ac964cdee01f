//! POST Object: the form that a browser sends, and the policy that says what it may hold.
//!
//! | module | subject |
//! |---|---|
//! | [`form`] | the body of the request, up to its file |
//! | [`fields`] | the fields before the file: names, values, `${filename}` |
//! | [`file`] | the file, and what may follow it |
//! | [`part`], [`parameters`], [`boundary`] | the headers of parts and of the request |
//! | [`policy`] | the policy document: read, and held against the fields |
//! | [`redirect`] | where a browser is sent afterwards |
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html>,
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-UsingHTTPPOST.html>. The form's framing is that of RFC 7578 and
//! RFC 2046, 5.1. Nothing here knows who sent the form: its signature is another's subject.

mod boundary;
mod error;
mod fields;
mod file;
mod form;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod parameters;
mod part;
mod policy;
mod redirect;

pub use error::FormError;
pub use fields::FIELDS_MAX_BYTES;
pub use fields::{FIELDS_MAX_COUNT, Fields};
pub use file::{FileStream, REST_MAX_BYTES};
pub use form::Form;
pub use policy::{Policy, PolicyError};
pub use redirect::redirect_to;
