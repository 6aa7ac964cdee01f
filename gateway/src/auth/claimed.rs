//! The access key that a request names, whether or not it proves anything: for the audit log, where guessing shows.

use super::Authentication;
use crate::route::Query;
use http::HeaderMap;
use http::header::AUTHORIZATION;

/// What follows the id in a credential of Version 4: date, region, service and `aws4_request`.
const SCOPE_PARTS: usize = 4;

/// The id that a request names in its head; none where it has not the form of one, since what stands there instead may
/// be a secret.
pub fn claimed_access_key_id<'a>(kind: Authentication, headers: &'a HeaderMap, query: &'a Query) -> Option<&'a str> {
    let authorization = || headers.get(AUTHORIZATION)?.to_str().ok();
    match kind {
        Authentication::Anonymous | Authentication::PostForm => None,
        Authentication::V4Header => {
            let (_, rest) = authorization()?.split_once("Credential=")?;
            of_credential(rest.split(',').next()?.trim())
        }
        Authentication::V4Query => of_credential(query.get("X-Amz-Credential")?),
        Authentication::V2Header => {
            let (id, _signature) = authorization()?.strip_prefix("AWS ")?.trim().rsplit_once(':')?;
            Some(id).filter(|id| !id.is_empty())
        }
        Authentication::V2Query => query.get("AWSAccessKeyId").filter(|id| !id.is_empty()),
    }
}

/// The same of a form. `field` is asked for names in lower case.
pub fn claimed_by_form<'a>(field: impl Fn(&str) -> Option<&'a str>) -> Option<&'a str> {
    let by_v2 = || field("awsaccesskeyid").filter(|id| !id.is_empty());
    field("x-amz-credential").and_then(of_credential).or_else(by_v2)
}

fn of_credential(text: &str) -> Option<&str> {
    text.rsplitn(SCOPE_PARTS + 1, '/').nth(SCOPE_PARTS).filter(|id| !id.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Method;

    fn claimed(authorization: Option<&str>, query: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        if let Some(value) = authorization {
            headers.insert(AUTHORIZATION, value.parse().unwrap());
        }
        let query = Query::parse(query).unwrap();
        let kind = Authentication::of(&Method::GET, &headers, &query);
        claimed_access_key_id(kind, &headers, &query).map(str::to_owned)
    }

    #[test]
    fn each_way_to_sign_names_a_key() {
        let v4 =
            "AWS4-HMAC-SHA256 SignedHeaders=host, Credential=AK/ID/20260101/us-east-1/s3/aws4_request, Signature=s";
        assert_eq!(claimed(Some(v4), "").as_deref(), Some("AK/ID"));
        assert_eq!(claimed(Some("AWS AK:ID:signature"), "").as_deref(), Some("AK:ID"));
        let query = "X-Amz-Credential=AKID%2F20260101%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Signature=s";
        assert_eq!(claimed(None, query).as_deref(), Some("AKID"));
        assert_eq!(claimed(None, "AWSAccessKeyId=AKID&Signature=s&Expires=1").as_deref(), Some("AKID"));
        let form = |name: &str| (name == "x-amz-credential").then_some("AKID/20260101/us-east-1/s3/aws4_request");
        assert_eq!(claimed_by_form(form), Some("AKID"));
        assert_eq!(claimed_by_form(|name| (name == "awsaccesskeyid").then_some("AKID")), Some("AKID"));
    }

    #[test]
    fn what_has_not_the_form_of_a_key_is_none() {
        for value in
            ["Bearer token", "Basic dTpw", "AWS secret", "AWS :signature", "AWS4-HMAC-SHA256 Credential=secret"]
        {
            assert_eq!(claimed(Some(value), ""), None, "{value}");
        }
        let bare = "AWS4-HMAC-SHA256 Credential=/20260101/us-east-1/s3/aws4_request, SignedHeaders=a, Signature=b";
        assert_eq!(claimed(Some(bare), ""), None);
        for query in ["X-Amz-Credential=secret&X-Amz-Signature=s", "X-Amz-Signature=s", "Signature=s", ""] {
            assert_eq!(claimed(None, query), None, "{query}");
        }
        assert_eq!(claimed_by_form(|_| None), None);
    }
}
