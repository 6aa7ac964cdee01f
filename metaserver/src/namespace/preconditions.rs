//! Conditional requests: RFC 9110, 13.1 and 13.2.2, as S3 uses them on writes.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html>

use crate::error::Error;
use crate::records::content::etag;
use crate::records::object::ObjectRecord;
use weir_proto::v1::Precondition;

/// Decides whether a request may go on, on the object as it is.
///
/// # Errors
/// [`Error::NoSuchKey`]: it must match, and there is none. [`Error::NotOwner`],
/// [`Error::PreconditionFailed`].
pub(crate) fn check(
    precondition: Option<&Precondition>,
    object: Option<&ObjectRecord>,
    resource: impl Fn() -> String,
) -> Result<(), Error> {
    let Some(precondition) = precondition else { return Ok(()) };
    let failed = |condition| Err(Error::PreconditionFailed { resource: resource(), condition });
    let Some(object) = object else {
        return if restricts_to_existing(precondition) {
            Err(Error::NoSuchKey { resource: resource() })
        } else {
            Ok(())
        };
    };
    if !precondition.owner.is_empty() && precondition.owner != object.owner {
        return Err(Error::NotOwner { resource: resource() });
    }
    let etag = etag(&object.md5, object.part_count);
    let lists = |tags: &[String]| tags.iter().any(|tag| tag == "*" || *tag == etag);
    // HTTP dates have whole seconds.
    let modified_s = object.modified_ms.div_euclid(1_000);
    if !precondition.if_match.is_empty() {
        if !lists(&precondition.if_match) {
            return failed("If-Match");
        }
    } else if precondition.if_unmodified_since_ms.is_some_and(|since| modified_s > since.div_euclid(1_000)) {
        return failed("If-Unmodified-Since");
    }
    if !precondition.if_none_match.is_empty() {
        if lists(&precondition.if_none_match) {
            return failed("If-None-Match");
        }
    } else if precondition.if_modified_since_ms.is_some_and(|since| modified_s <= since.div_euclid(1_000)) {
        return failed("If-Modified-Since");
    }
    Ok(())
}

fn restricts_to_existing(precondition: &Precondition) -> bool {
    !precondition.if_match.is_empty()
}

/// Whether it restricts at all what is there, and does not only ask whose it is.
pub(crate) fn restricts(precondition: Option<&Precondition>) -> bool {
    precondition.is_some_and(|given| *given != Precondition { owner: given.owner.clone(), ..Default::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object() -> ObjectRecord {
        ObjectRecord { md5: vec![0xAA; 16].into(), part_count: 2, modified_ms: 5_700, ..Default::default() }
    }

    fn verdict(precondition: Precondition, object: Option<&ObjectRecord>) -> &'static str {
        match check(Some(&precondition), object, String::new) {
            Ok(()) => "go on",
            Err(Error::PreconditionFailed { condition, .. }) => condition,
            Err(Error::NoSuchKey { .. }) => "no such key",
            Err(Error::NotOwner { .. }) => "someone else's",
            Err(error) => panic!("{error}"),
        }
    }

    fn tags(tags: &[&str]) -> Vec<String> {
        tags.iter().map(|tag| (*tag).to_owned()).collect()
    }

    #[test]
    fn whose_it_is_comes_first() {
        let object = ObjectRecord { owner: "aa".into(), ..object() };
        let of = |owner: &str| Precondition { owner: owner.into(), ..Default::default() };
        let unless_there = |owner| Precondition { if_none_match: tags(&["*"]), ..of(owner) };
        for (condition, expected) in [
            (of("aa"), "go on"),
            (of("bb"), "someone else's"),
            (unless_there("aa"), "If-None-Match"),
            (unless_there("bb"), "someone else's"),
        ] {
            assert_eq!(verdict(condition.clone(), Some(&object)), expected, "{condition:?}");
            assert_eq!(verdict(condition, None), "go on");
        }
        assert!(!restricts(Some(&of("aa"))) && restricts(Some(&unless_there("aa"))) && !restricts(None));
    }

    #[test]
    fn conditions_are_decided_as_rfc_9110_orders_them() {
        let object = object();
        let etag = format!("{}-2", "aa".repeat(16));
        let there = Some(&object);
        let condition = Precondition::default;
        assert_eq!(verdict(condition(), there), "go on");
        assert_eq!(verdict(condition(), None), "go on");
        for (tag, expected) in [(etag.as_str(), "go on"), ("*", "go on"), ("bb", "If-Match")] {
            assert_eq!(verdict(Precondition { if_match: tags(&["x", tag]), ..condition() }, there), expected);
        }
        assert_eq!(verdict(Precondition { if_match: tags(&["*"]), ..condition() }, None), "no such key");
        for (tag, expected) in [(etag.as_str(), "If-None-Match"), ("*", "If-None-Match"), ("bb", "go on")] {
            assert_eq!(verdict(Precondition { if_none_match: tags(&[tag]), ..condition() }, there), expected);
            assert_eq!(verdict(Precondition { if_none_match: tags(&[tag]), ..condition() }, None), "go on");
        }
        for (since, expected) in [(4_000, "If-Unmodified-Since"), (5_000, "go on"), (9_000, "go on")] {
            assert_eq!(verdict(Precondition { if_unmodified_since_ms: Some(since), ..condition() }, there), expected);
        }
        for (since, expected) in [(4_000, "go on"), (5_000, "If-Modified-Since"), (9_000, "If-Modified-Since")] {
            assert_eq!(verdict(Precondition { if_modified_since_ms: Some(since), ..condition() }, there), expected);
        }
        // A tag that was compared makes the date beside it void.
        let both = Precondition { if_match: tags(&[&etag]), if_unmodified_since_ms: Some(0), ..condition() };
        assert_eq!(verdict(both, there), "go on");
        let both = Precondition { if_none_match: tags(&["bb"]), if_modified_since_ms: Some(9_000), ..condition() };
        assert_eq!(verdict(both, there), "go on");
    }
}
