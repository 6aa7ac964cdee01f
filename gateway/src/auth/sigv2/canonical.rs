//! The text under a signature of Version 2.

use crate::route::Query;
use http::header::{CONTENT_TYPE, DATE};
use http::{HeaderMap, Method};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The parameters that are signed, in their order.
const SIGNED_PARAMETERS: [&str; 38] = [
    "accelerate",
    "acl",
    "analytics",
    "cors",
    "defaultObjectAcl",
    "delete",
    "encryption",
    "inventory",
    "legal-hold",
    "lifecycle",
    "location",
    "logging",
    "metrics",
    "notification",
    "object-lock",
    "ownershipControls",
    "partNumber",
    "policy",
    "policyStatus",
    "publicAccessBlock",
    "replication",
    "requestPayment",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "restore",
    "retention",
    "select",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "versions",
];

/// The parts of a request's head that a signature covers.
#[derive(Clone, Copy, Debug)]
pub struct SignedHead<'a> {
    pub method: &'a Method,
    /// As it was sent, with its escapes.
    pub path: &'a str,
    pub query: &'a Query,
    pub headers: &'a HeaderMap,
    /// The bucket, if the host names it.
    pub host_bucket: Option<&'a str>,
}

impl SignedHead<'_> {
    /// The text of a request whose signature is in a header.
    pub fn text(&self, path: &str) -> String {
        let date = if self.headers.contains_key("x-amz-date") { String::new() } else { self.header(DATE.as_str()) };
        let (md5, kind) = (self.header("content-md5"), self.header(CONTENT_TYPE.as_str()));
        self.text_of(path, &md5, &kind, &date, &self.amazon_headers())
    }

    /// The text of a presigned URL. Headers that were signed into its query count as headers.
    pub fn presigned_text(&self, path: &str, expires: &str) -> String {
        let given = |name: &str| self.query.get(name).map_or_else(|| self.header(name), str::to_owned);
        let mut headers = self.amazon_headers();
        for (name, value) in self.query.pairs().filter(|(name, _)| name.starts_with("x-amz-")) {
            headers.entry(name.to_owned()).or_insert_with(|| value.to_owned());
        }
        self.text_of(path, &given("content-md5"), &given("content-type"), expires, &headers)
    }

    fn text_of(&self, path: &str, md5: &str, kind: &str, date: &str, headers: &BTreeMap<String, String>) -> String {
        let mut text = format!("{}\n{md5}\n{kind}\n{date}\n", self.method);
        for (name, value) in headers {
            let _ = writeln!(text, "{name}:{value}");
        }
        if let Some(bucket) = self.host_bucket {
            let _ = write!(text, "/{bucket}");
        }
        text.push_str(path);
        let mut separator = '?';
        for name in SIGNED_PARAMETERS {
            let Some(value) = self.query.get(name) else { continue };
            text.push(separator);
            text.push_str(name);
            if !value.is_empty() {
                let _ = write!(text, "={value}");
            }
            separator = '&';
        }
        text
    }

    /// A header's values, joined by commas; empty: it is not there.
    fn header(&self, name: &str) -> String {
        let values = self.headers.get_all(name).iter();
        values.map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_owned()).collect::<Vec<_>>().join(",")
    }

    fn amazon_headers(&self) -> BTreeMap<String, String> {
        let names = self.headers.keys().map(http::HeaderName::as_str).filter(|name| name.starts_with("x-amz-"));
        names.map(|name| (name.to_owned(), self.header(name))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signed_parameters_are_in_order() {
        assert!(SIGNED_PARAMETERS.is_sorted());
    }
}
