//! What a presigned URL carries in its query instead of in headers.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html>
//!
//! Every `X-Amz-…` parameter is signed with the URL, so whoever made it meant it: one that asks for encryption, for
//! another owner's bucket or for a copy must not be passed over in silence.

use crate::error::S3Error;
use crate::route::Query;
use http::{HeaderMap, HeaderName, HeaderValue};

const AMZ: &str = "x-amz-";
/// They carry the signature itself.
const OF_THE_SIGNATURE: [&str; 7] = [
    "x-amz-algorithm",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-expires",
    "x-amz-security-token",
    "x-amz-signature",
    "x-amz-signedheaders",
];
const CHECKSUM: &str = "x-amz-checksum-";
/// What follows [`CHECKSUM`] and is no algorithm.
const ABOUT_CHECKSUMS: [&str; 3] = ["algorithm", "mode", "type"];
const CHECKSUM_OF_SDK: &str = "x-amz-sdk-checksum-algorithm";

/// The headers, with what the query carries for those that are not there; None: it carries nothing. Nothing of it is
/// known to be signed.
///
/// # Errors
/// `InvalidArgument` for what no header could carry.
pub fn hoisted(headers: &HeaderMap, query: &Query) -> Result<Option<HeaderMap>, S3Error> {
    let mut all: Option<HeaderMap> = None;
    for (parameter, value) in query.pairs() {
        let name = parameter.to_ascii_lowercase();
        if !stands_for_a_header(&name) || all.as_ref().unwrap_or(headers).contains_key(&name) {
            continue;
        }
        match (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            (Ok(name), Ok(header)) => all.get_or_insert_with(|| headers.clone()).insert(name, header),
            _ => return Err(S3Error::invalid_argument(parameter, value, "No header could carry the parameter")),
        };
    }
    Ok(all)
}

fn stands_for_a_header(name: &str) -> bool {
    name.starts_with(AMZ) && !OF_THE_SIGNATURE.contains(&name) && !is_checksum(name)
}

/// Some clients sign that of an empty body, whatever the body will be.
fn is_checksum(name: &str) -> bool {
    name == CHECKSUM_OF_SDK || name.strip_prefix(CHECKSUM).is_some_and(|rest| !ABOUT_CHECKSUMS.contains(&rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_stand_for_headers_that_are_not_there() {
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-meta-a", HeaderValue::from_static("header"));
        let query = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=00&X-Amz-Security-Token=t&x-amz-meta-a=query\
                     &X-Amz-Acl=private&x-amz-meta-b=c%20d&x-amz-server-side-encryption=AES256&prefix=p\
                     &x-amz-expected-bucket-owner=111122223333&x-amz-checksum-crc32=AAAAAA%3D%3D\
                     &x-amz-sdk-checksum-algorithm=CRC32&x-amz-checksum-mode=ENABLED&X-AMZ-ACL=public-read";
        let all = hoisted(&headers, &Query::parse(query).unwrap()).unwrap().unwrap();
        let mut found: Vec<_> = all.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        found.sort_unstable();
        assert_eq!(
            found,
            [
                ("x-amz-acl", "private"),
                ("x-amz-checksum-mode", "ENABLED"),
                ("x-amz-expected-bucket-owner", "111122223333"),
                ("x-amz-meta-a", "header"),
                ("x-amz-meta-b", "c d"),
                ("x-amz-server-side-encryption", "AES256"),
            ]
        );
    }

    #[test]
    fn a_query_may_carry_none_and_must_not_carry_what_no_header_could() {
        let headers = HeaderMap::new();
        assert!(hoisted(&headers, &Query::parse("prefix=p").unwrap()).unwrap().is_none());
        assert!(hoisted(&headers, &Query::parse("x-amz-meta-a=a%0Ab").unwrap()).is_err());
    }
}
