//! Fields of a form that say who signed its policy.

use crate::error::S3Error;

/// A field that must be there. `field` is asked for its name in lower case.
///
/// # Errors
/// `InvalidArgument`, in S3's words for a field that is not there or comes after the file.
pub(super) fn required<'a>(field: impl Fn(&str) -> Option<&'a str>, name: &'static str) -> Result<&'a str, S3Error> {
    field(&name.to_ascii_lowercase()).ok_or_else(|| {
        let message = format!(
            "Bucket POST must contain a field named '{name}'.  If it is specified, please check the order of the fields."
        );
        S3Error::invalid_argument(name, "", message)
    })
}
