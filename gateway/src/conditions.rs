//! Conditional requests: RFC 9110, 13, in the combinations that S3 knows.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-requests.html>

use crate::error::{ErrorCode, S3Error};
use http::HeaderMap;
use std::time::{SystemTime, UNIX_EPOCH};
use weir_proto::v1;

/// The four conditions on what is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// Entity tags without quotes, or `*`.
    if_match: Option<Vec<String>>,
    if_none_match: Option<Vec<String>>,
    /// Seconds since 1970.
    if_modified_since: Option<i64>,
    if_unmodified_since: Option<i64>,
}

/// What a read is to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Proceed,
    NotModified,
    /// The header that does not hold.
    Failed(&'static str),
}

impl Conditions {
    /// Of a read. A date that is none is ignored.
    pub fn of_read(headers: &HeaderMap) -> Self {
        Self::with_names(headers, ["if-match", "if-none-match", "if-modified-since", "if-unmodified-since"])
    }

    /// On the source of a copy.
    pub fn of_copy_source(headers: &HeaderMap) -> Self {
        Self::with_names(
            headers,
            [
                "x-amz-copy-source-if-match",
                "x-amz-copy-source-if-none-match",
                "x-amz-copy-source-if-modified-since",
                "x-amz-copy-source-if-unmodified-since",
            ],
        )
    }

    fn with_names(headers: &HeaderMap, [if_match, if_none_match, modified, unmodified]: [&str; 4]) -> Self {
        Self {
            if_match: tags(headers, if_match, Comparison::Strong),
            if_none_match: tags(headers, if_none_match, Comparison::Weak),
            if_modified_since: date(headers, modified),
            if_unmodified_since: date(headers, unmodified),
        }
    }

    /// What a read of an object with this entity tag, modified at this time, is to answer. If-Match outweighs
    /// If-Unmodified-Since, and If-None-Match outweighs If-Modified-Since (RFC 9110, 13.2.2).
    pub fn judge(&self, etag: &str, modified_ms: i64) -> Verdict {
        let modified = modified_ms.div_euclid(1000);
        match (&self.if_match, self.if_unmodified_since) {
            (Some(tags), _) if !matches(tags, etag) => return Verdict::Failed("If-Match"),
            (None, Some(since)) if modified > since => return Verdict::Failed("If-Unmodified-Since"),
            _ => {}
        }
        match (&self.if_none_match, self.if_modified_since) {
            (Some(tags), _) if matches(tags, etag) => Verdict::NotModified,
            (None, Some(since)) if modified <= since => Verdict::NotModified,
            _ => Verdict::Proceed,
        }
    }

    /// For the metaserver, with what is outweighed left out.
    pub fn into_precondition(self) -> Option<v1::Precondition> {
        let precondition = v1::Precondition {
            if_unmodified_since_ms: self.if_unmodified_since.filter(|_| self.if_match.is_none()).map(end_of_second_ms),
            if_modified_since_ms: self.if_modified_since.filter(|_| self.if_none_match.is_none()).map(end_of_second_ms),
            if_match: self.if_match.unwrap_or_default(),
            if_none_match: self.if_none_match.unwrap_or_default(),
            ..v1::Precondition::default()
        };
        (precondition != v1::Precondition::default()).then_some(precondition)
    }
}

/// HTTP dates have no fractions: what was modified within that second was not modified after it.
fn end_of_second_ms(seconds: i64) -> i64 {
    seconds.saturating_mul(1000).saturating_add(999)
}

/// The condition on what a write replaces.
///
/// # Errors
/// `NotImplemented` for the conditions that S3 does not take on writes: If-None-Match of a tag, both tags at once, and
/// dates.
pub fn of_write(headers: &HeaderMap) -> Result<Option<v1::Precondition>, S3Error> {
    for name in ["if-modified-since", "if-unmodified-since"] {
        if headers.contains_key(name) {
            return Err(S3Error::not_implemented(&format!("{name} on a write")));
        }
    }
    let if_match = tags(headers, "if-match", Comparison::Strong);
    let if_none_match = tags(headers, "if-none-match", Comparison::Weak);
    match (if_match, if_none_match) {
        (None, None) => Ok(None),
        (Some(tags), None) => Ok(Some(v1::Precondition { if_match: tags, ..Default::default() })),
        (None, Some(tags)) if tags == ["*"] => Ok(Some(v1::Precondition { if_none_match: tags, ..Default::default() })),
        (None, Some(_)) => Err(S3Error::not_implemented("If-None-Match of an entity tag on a write")),
        (Some(_), Some(_)) => Err(S3Error::not_implemented("If-Match together with If-None-Match")),
    }
}

/// The condition on what a delete removes.
///
/// # Errors
/// `NotImplemented` for the conditions of directory buckets.
pub fn of_delete(headers: &HeaderMap) -> Result<Option<v1::Precondition>, S3Error> {
    for name in ["x-amz-if-match-last-modified-time", "x-amz-if-match-size", "if-none-match"] {
        if headers.contains_key(name) {
            return Err(S3Error::not_implemented(&format!("{name} on a delete")));
        }
    }
    let if_match = tags(headers, "if-match", Comparison::Strong);
    Ok(if_match.map(|tags| v1::Precondition { if_match: tags, ..Default::default() }))
}

/// The condition on one of many deletes.
pub fn of_etag(etag: &str) -> v1::Precondition {
    v1::Precondition { if_match: parse_tags(etag, Comparison::Strong), ..Default::default() }
}

/// Does If-Range allow the range? RFC 9110, 13.1.5. Absent, or a value that is neither tag nor date: as if it held, and
/// as if it did not.
pub fn range_holds(headers: &HeaderMap, etag: &str, modified_ms: i64) -> bool {
    let Some(value) = headers.get("if-range") else { return true };
    let Ok(text) = value.to_str() else { return false };
    match date(headers, "if-range") {
        Some(seconds) => modified_ms.div_euclid(1000) == seconds,
        None => parse_tags(text, Comparison::Strong) == [etag],
    }
}

/// A failed condition.
pub fn failed(condition: &str) -> S3Error {
    S3Error::new(ErrorCode::PreconditionFailed).element("Condition", condition)
}

/// RFC 9110, 8.8.3.2.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Comparison {
    /// A weak tag equals none.
    Strong,
    Weak,
}

fn matches(tags: &[String], etag: &str) -> bool {
    tags.iter().any(|tag| tag == "*" || tag == etag)
}

/// The tags of all headers of that name; None when there is no such header.
fn tags(headers: &HeaderMap, name: &str, comparison: Comparison) -> Option<Vec<String>> {
    if !headers.contains_key(name) {
        return None;
    }
    let values = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
    Some(values.flat_map(|value| parse_tags(&value, comparison)).collect())
}

/// A list of tags, quoted or not. S3's own hold no comma.
fn parse_tags(list: &str, comparison: Comparison) -> Vec<String> {
    let tag = |text: &str| match text.strip_prefix("W/") {
        Some(weak) if comparison == Comparison::Weak => weak.trim_matches('"').to_owned(),
        // It stays what no tag is.
        Some(_) => text.to_owned(),
        None => text.trim_matches('"').to_owned(),
    };
    list.split(',').map(|text| tag(text.trim())).collect()
}

/// Seconds since 1970.
fn date(headers: &HeaderMap, name: &str) -> Option<i64> {
    let text = headers.get(name)?.to_str().ok()?;
    let time: SystemTime = httpdate::parse_http_date(text.trim()).ok()?;
    i64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_secs()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::HeaderName;

    const PAST: &str = "Sat, 01 Jan 2000 00:00:00 GMT";
    const MODIFIED: &str = "Mon, 12 Oct 2009 17:50:30 GMT";
    const MODIFIED_MS: i64 = 1_255_369_830_500;
    const FUTURE: &str = "Fri, 01 Jan 2100 00:00:00 GMT";

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn reads_are_judged_with_the_precedence_of_the_rfc() {
        use Verdict::{Failed, NotModified, Proceed};
        let cases: [(&[(&str, &str)], Verdict); 25] = [
            (&[], Proceed),
            (&[("if-match", "\"tag\"")], Proceed),
            (&[("if-match", "tag")], Proceed),
            (&[("if-match", "*")], Proceed),
            (&[("if-match", "\"x\", \"tag\"")], Proceed),
            (&[("if-match", "\"x\"")], Failed("If-Match")),
            (&[("if-match", "W/\"tag\"")], Failed("If-Match")),
            (&[("if-match", "")], Failed("If-Match")),
            (&[("if-none-match", "\"tag\"")], NotModified),
            (&[("if-none-match", "W/\"tag\"")], NotModified),
            (&[("if-none-match", "tag")], NotModified),
            (&[("if-none-match", "*")], NotModified),
            (&[("if-none-match", "\"x\"")], Proceed),
            (&[("if-modified-since", PAST)], Proceed),
            (&[("if-modified-since", MODIFIED)], NotModified),
            (&[("if-modified-since", FUTURE)], NotModified),
            (&[("if-modified-since", "yesterday")], Proceed),
            (&[("if-unmodified-since", PAST)], Failed("If-Unmodified-Since")),
            (&[("if-unmodified-since", MODIFIED)], Proceed),
            (&[("if-unmodified-since", "yesterday")], Proceed),
            (&[("if-match", "tag"), ("if-unmodified-since", PAST)], Proceed),
            (&[("if-none-match", "x"), ("if-modified-since", FUTURE)], Proceed),
            (&[("if-none-match", "tag"), ("if-modified-since", PAST)], NotModified),
            (&[("if-match", "x"), ("if-none-match", "tag")], Failed("If-Match")),
            (&[("if-match", "tag"), ("if-none-match", "tag")], NotModified),
        ];
        for (pairs, expected) in cases {
            let verdict = Conditions::of_read(&headers(pairs)).judge("tag", MODIFIED_MS);
            assert_eq!(verdict, expected, "{pairs:?}");
        }
    }

    #[test]
    fn a_source_is_judged_without_what_is_outweighed() {
        let precondition =
            |pairs: &[(&'static str, &str)]| Conditions::of_copy_source(&headers(pairs)).into_precondition();
        assert_eq!(precondition(&[]), None);
        let both =
            precondition(&[("x-amz-copy-source-if-match", "\"tag\""), ("x-amz-copy-source-if-unmodified-since", PAST)]);
        assert_eq!(both.unwrap(), v1::Precondition { if_match: vec!["tag".into()], ..Default::default() });
        let since = precondition(&[("x-amz-copy-source-if-modified-since", MODIFIED)]).unwrap();
        assert_eq!(since.if_modified_since_ms, Some(1_255_369_830_999));
    }

    #[test]
    fn writes_take_the_conditions_of_s3_alone() {
        let write = |pairs: &[(&'static str, &str)]| of_write(&headers(pairs));
        assert_eq!(write(&[]).unwrap(), None);
        assert_eq!(write(&[("if-none-match", "*")]).unwrap().unwrap().if_none_match, ["*"]);
        assert_eq!(write(&[("if-match", "\"a\"")]).unwrap().unwrap().if_match, ["a"]);
        for pairs in [
            &[("if-none-match", "\"a\"")][..],
            &[("if-match", "a"), ("if-none-match", "*")],
            &[("if-modified-since", PAST)],
            &[("if-unmodified-since", PAST)],
        ] {
            assert_eq!(write(pairs).unwrap_err().code(), ErrorCode::NotImplemented, "{pairs:?}");
        }
    }

    #[test]
    fn deletes_take_if_match() {
        assert_eq!(of_delete(&HeaderMap::new()).unwrap(), None);
        assert_eq!(of_delete(&headers(&[("if-match", "*")])).unwrap().unwrap().if_match, ["*"]);
        assert!(of_delete(&headers(&[("x-amz-if-match-size", "1")])).is_err());
        assert_eq!(of_etag("\"a-2\"").if_match, ["a-2"]);
    }

    #[test]
    fn if_range_needs_the_very_version() {
        let holds = |value: &str| range_holds(&headers(&[("if-range", value)]), "tag", MODIFIED_MS);
        assert!(range_holds(&HeaderMap::new(), "tag", 0));
        assert!(holds("\"tag\"") && holds(MODIFIED));
        assert!(!holds("\"x\"") && !holds("W/\"tag\"") && !holds(PAST) && !holds(FUTURE));
    }
}
