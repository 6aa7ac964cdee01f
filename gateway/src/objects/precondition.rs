//! Preconditions as far as they can be told before a commit, which decides them for good. RFC 9110, 13.2.2.

use weir_proto::v1::{Object, Precondition, Reason};
use weir_proto::{Failure, ObjectKey};

/// Is what the client expects of the object true?
///
/// # Errors
/// `NO_SUCH_KEY` when it must exist, `NOT_OWNER`, `PRECONDITION_FAILED`.
pub(super) fn check(precondition: &Precondition, object: Option<&Object>, key: &ObjectKey) -> Result<(), Failure> {
    let matches = |tags: &[String], object: &Object| tags.iter().any(|tag| tag == "*" || *tag == object.etag);
    let failed = |name| Err(Failure::new(Reason::PreconditionFailed, key.to_string(), format!("{name} does not hold")));
    let Some(object) = object else {
        return if precondition.if_match.is_empty() {
            Ok(())
        } else {
            Err(Failure::new(Reason::NoSuchKey, key.to_string(), "there is no such key"))
        };
    };
    if !precondition.owner.is_empty() && precondition.owner != object.owner {
        return Err(Failure::new(Reason::NotOwner, key.to_string(), "what is there is someone else's"));
    }
    // S3 compares whole seconds: that is all that an HTTP date holds.
    let modified_s = object.modified_ms.div_euclid(1000);
    if !precondition.if_match.is_empty() {
        if !matches(&precondition.if_match, object) {
            return failed("If-Match");
        }
    } else if precondition.if_unmodified_since_ms.is_some_and(|since| modified_s > since.div_euclid(1000)) {
        return failed("If-Unmodified-Since");
    }
    if !precondition.if_none_match.is_empty() {
        if matches(&precondition.if_none_match, object) {
            return failed("If-None-Match");
        }
    } else if precondition.if_modified_since_ms.is_some_and(|since| modified_s <= since.div_euclid(1000)) {
        return failed("If-Modified-Since");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(precondition: &Precondition, object: Option<&Object>) -> Option<Reason> {
        let key = ObjectKey::new("k").unwrap();
        check(precondition, object, &key).err().map(|failure| failure.reason)
    }

    #[test]
    fn tags_are_compared_with_the_object_that_is_there() {
        let object = Object { etag: "aa".into(), ..Default::default() };
        let if_match = |tag: &str| Precondition { if_match: vec![tag.into()], ..Default::default() };
        let if_none_match = |tag: &str| Precondition { if_none_match: vec![tag.into()], ..Default::default() };
        assert_eq!(reason(&if_match("aa"), Some(&object)), None);
        assert_eq!(reason(&if_match("*"), Some(&object)), None);
        assert_eq!(reason(&if_match("bb"), Some(&object)), Some(Reason::PreconditionFailed));
        assert_eq!(reason(&if_match("*"), None), Some(Reason::NoSuchKey));
        assert_eq!(reason(&if_none_match("*"), Some(&object)), Some(Reason::PreconditionFailed));
        assert_eq!(reason(&if_none_match("bb"), Some(&object)), None);
        assert_eq!(reason(&if_none_match("*"), None), None);
    }

    #[test]
    fn whose_it_is_counts_where_something_is() {
        let object = Object { owner: "aa".into(), ..Default::default() };
        let of = |owner: &str| Precondition { owner: owner.into(), ..Default::default() };
        assert_eq!(reason(&of("aa"), Some(&object)), None);
        assert_eq!(reason(&of("bb"), Some(&object)), Some(Reason::NotOwner));
        assert_eq!(reason(&of("bb"), None), None);
    }

    #[test]
    fn times_are_compared_in_seconds_and_give_way_to_tags() {
        let object = Object { etag: "aa".into(), modified_ms: 5_900, ..Default::default() };
        let since = |ms| Precondition { if_modified_since_ms: Some(ms), ..Default::default() };
        let until = |ms| Precondition { if_unmodified_since_ms: Some(ms), ..Default::default() };
        assert_eq!(reason(&since(5_000), Some(&object)), Some(Reason::PreconditionFailed));
        assert_eq!(reason(&since(4_000), Some(&object)), None);
        assert_eq!(reason(&until(5_000), Some(&object)), None);
        assert_eq!(reason(&until(4_000), Some(&object)), Some(Reason::PreconditionFailed));
        let both = Precondition { if_match: vec!["aa".into()], ..until(4_000) };
        assert_eq!(reason(&both, Some(&object)), None);
    }
}
