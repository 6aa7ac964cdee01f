//! Signature Version 2, in the Authorization header and in the query, for requests that name the bucket in the path.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html>

use super::{Draft, Keys};
use crate::digest::base64_of;
use crate::query_of;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use sha1::Sha1;

/// What of a query is signed: the names that choose an operation, and those that override headers of the answer.
const SIGNED_PARAMETERS: [&str; 26] = [
    "acl",
    "cors",
    "delete",
    "lifecycle",
    "location",
    "logging",
    "notification",
    "ownershipControls",
    "partNumber",
    "policy",
    "policyStatus",
    "publicAccessBlock",
    "requestPayment",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "versions",
];

/// Signs requests. Each field may be made wrong.
#[derive(Clone, Debug)]
pub struct Signer {
    pub keys: Keys,
    pub time: Timestamp,
}

impl Signer {
    pub fn new(keys: &Keys, time: Timestamp) -> Self {
        Self { keys: keys.clone(), time }
    }

    /// Adds `date`, the session token if there is one, and `authorization`.
    pub fn sign_header(&self, draft: &mut Draft) {
        let date = self.time.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string();
        draft.add_header("date", &date);
        if let Some(token) = &self.keys.token {
            draft.add_header("x-amz-security-token", token);
        }
        let signature = self.signature(draft, &date, canonical_headers(draft.headers.iter().cloned()));
        draft.add_header("authorization", format!("AWS {}:{signature}", self.keys.access));
    }

    /// Adds the parameters of a presigned URL. `expires` is a time in seconds since 1970, if right.
    pub fn sign_query(&self, draft: &mut Draft, expires: &str) {
        if let Some(token) = &self.keys.token {
            draft.add_parameter("x-amz-security-token", &query_of(token));
        }
        // What a URL carries for headers is signed as they are.
        let carried = draft.decoded_query().into_iter().map(|(name, value)| (text(name), value));
        let headers = canonical_headers(draft.headers.iter().cloned().chain(carried));
        let signature = self.signature(draft, expires, headers);
        draft.add_parameter("AWSAccessKeyId", &query_of(&self.keys.access));
        draft.add_parameter("Expires", expires);
        draft.add_parameter("Signature", &query_of(signature));
    }

    fn signature(&self, draft: &Draft, date: &str, headers: String) -> String {
        let (md5, content_type) = (draft.header("content-md5"), draft.header("content-type"));
        let to_sign =
            format!("{}\n{md5}\n{content_type}\n{date}\n{headers}{}", draft.method, canonical_resource(draft));
        base64_of(&hmac_sha1(&self.keys.secret, to_sign.as_bytes()))
    }
}

/// HMAC-SHA1, which is what Version 2 signs with.
pub fn hmac_sha1(secret: &str, data: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha1>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(data);
    mac.finalize().into_bytes().to_vec()
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}

fn canonical_headers(all: impl Iterator<Item = (String, Vec<u8>)>) -> String {
    let mut found: Vec<(String, String)> = all
        .map(|(name, value)| (name.to_ascii_lowercase(), text(value).trim().to_owned()))
        .filter(|(name, _)| name.starts_with("x-amz-"))
        .collect();
    found.sort();
    found.into_iter().map(|(name, value)| format!("{name}:{value}\n")).collect()
}

/// The path as it is sent, and of the query what is signed, values decoded.
fn canonical_resource(draft: &Draft) -> String {
    let mut found: Vec<String> = Vec::new();
    for ((name, value), (_, sent)) in draft.decoded_query().into_iter().zip(&draft.query) {
        let name = text(name);
        if SIGNED_PARAMETERS.contains(&name.as_str()) {
            found.push(if sent.is_some() { format!("{name}={}", text(value)) } else { name });
        }
    }
    found.sort();
    if found.is_empty() { draft.path.clone() } else { format!("{}?{}", draft.path, found.join("&")) }
}

#[cfg(test)]
mod tests {
    //! The examples of <https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html>, with the bucket in
    //! the path.

    use super::*;

    fn example_signer(time: &str) -> Signer {
        let keys = Keys::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
        Signer::new(&keys, time.parse().unwrap())
    }

    #[test]
    fn signatures_in_the_header_are_those_that_aws_publishes() {
        let get = Draft::new("GET", "s3.amazonaws.com", "/johnsmith/photos/puppy.jpg");
        let put = Draft::new("PUT", "s3.amazonaws.com", "/johnsmith/photos/puppy.jpg")
            .with_header("Content-Type", "image/jpeg")
            .with_header("Content-Length", "94328");
        let list = Draft::new("GET", "s3.amazonaws.com", "/johnsmith/?prefix=photos&max-keys=50&marker=puppy");
        let acl = Draft::new("GET", "s3.amazonaws.com", "/johnsmith/?acl");
        for (mut draft, time, signature) in [
            (get, "2007-03-27T19:36:42Z", "bWq2s1WEIj+Ydj0vQ697zp+IXMU="),
            (put, "2007-03-27T21:15:45Z", "MyyxeRY7whkBe+bq8fHCL/2kKUg="),
            (list, "2007-03-27T19:42:41Z", "htDYFYduRNen8P9ZfE/s9SuKy0U="),
            (acl, "2007-03-27T19:44:46Z", "c2WLPFtWHVgbEmeEG93a4cG37dM="),
        ] {
            example_signer(time).sign_header(&mut draft);
            assert_eq!(draft.header("authorization"), format!("AWS AKIAIOSFODNN7EXAMPLE:{signature}"), "{draft:?}");
        }
    }

    #[test]
    fn a_presigned_url_is_the_one_that_aws_publishes() {
        let mut draft = Draft::new("GET", "s3.amazonaws.com", "/johnsmith/photos/puppy.jpg");
        example_signer("2007-03-29T03:40:20Z").sign_query(&mut draft, "1175139620");
        assert_eq!(
            draft.target(),
            "/johnsmith/photos/puppy.jpg?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Expires=1175139620\
             &Signature=NpgCjnDzrM%2BWFzoENXmpNDUsSn8%3D"
        );
    }
}
