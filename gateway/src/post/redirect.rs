//! Where a browser is sent when its form was stored.

use http::{HeaderValue, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use weir_proto::BucketName;

/// All but RFC 3986's unreserved characters.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The URL of `success_action_redirect` with the bucket, the key and the entity tag in its query. None for what is not
/// an absolute URL of HTTP: S3 then acts as if the field were not there.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTForms.html>
pub fn redirect_to(url: &str, bucket: &BucketName, key: &str, etag: &str) -> Option<HeaderValue> {
    let parsed: Uri = url.parse().ok()?;
    parsed.host().filter(|host| !host.is_empty())?;
    if !matches!(parsed.scheme_str(), Some("http" | "https")) {
        return None;
    }
    let (page, fragment) = url.split_at(url.find('#').unwrap_or(url.len()));
    let separator = if page.contains('?') { '&' } else { '?' };
    let encoded = |text| utf8_percent_encode(text, QUERY);
    let target = format!(
        "{page}{separator}bucket={}&key={}&etag=%22{}%22{fragment}",
        encoded(bucket.as_str()),
        encoded(key),
        encoded(etag)
    );
    HeaderValue::try_from(target).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Option<String> {
        let value = redirect_to(url, &BucketName::new("photos").unwrap(), "a b/ü&c=d", "39d4")?;
        Some(value.to_str().unwrap().to_owned())
    }

    #[test]
    fn the_query_names_what_was_stored() {
        let added = "bucket=photos&key=a%20b%2F%C3%BC%26c%3Dd&etag=%2239d4%22";
        for (url, expected) in [
            ("http://example.com/done.html", format!("http://example.com/done.html?{added}")),
            ("https://example.com", format!("https://example.com?{added}")),
            ("HTTPS://example.com:8443/?a=b", format!("HTTPS://example.com:8443/?a=b&{added}")),
            ("http://example.com/page#part", format!("http://example.com/page?{added}#part")),
        ] {
            assert_eq!(target(url), Some(expected), "{url}");
        }
    }

    #[test]
    fn only_urls_of_http_are_followed() {
        for url in [
            "",
            "/relative",
            "relative",
            "example.com",
            "//example.com/x",
            "javascript:alert(1)",
            "ftp://example.com/",
            "file:///etc/passwd",
            "http://",
            "http:///x",
            "http://exa mple.com/",
            "http://example.com/\r\nSet-Cookie: a=b",
            "http://example.com/\0",
        ] {
            assert_eq!(target(url), None, "{url}");
        }
    }
}
