//! How a request says who sent it.

use crate::error::S3Error;
use crate::route::Query;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, Method};

/// The ways of authentication that S3 knows. Whoever decides by them names each: a way that is added later must not
/// fall into an arm that was meant for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authentication {
    /// Nothing at all.
    Anonymous,
    /// `Authorization: AWS4-HMAC-SHA256 …`, and any other header that is not Version 2's.
    V4Header,
    /// `X-Amz-Algorithm` and what belongs to it.
    V4Query,
    /// `Authorization: AWS KEY:SIGNATURE`.
    V2Header,
    /// `AWSAccessKeyId`, `Signature` and `Expires`.
    V2Query,
    /// A form whose fields carry a policy and a signature.
    PostForm,
}

impl Authentication {
    pub const ALL: [Self; 6] =
        [Self::Anonymous, Self::V4Header, Self::V4Query, Self::V2Header, Self::V2Query, Self::PostForm];

    /// By what is there, not by whether it is well-formed.
    pub fn of(method: &Method, headers: &HeaderMap, query: &Query) -> Self {
        if let Some(value) = headers.get(AUTHORIZATION) {
            return if value.as_bytes().starts_with(b"AWS ") { Self::V2Header } else { Self::V4Header };
        }
        let is_form =
            headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"multipart/form-data"));
        if has_v4(query) {
            Self::V4Query
        } else if has_v2(query) {
            Self::V2Query
        } else if method == Method::POST && is_form {
            Self::PostForm
        } else {
            Self::Anonymous
        }
    }

    /// Does the request name one sender, in one way? With two of them, who was checked would not always be who was
    /// meant.
    ///
    /// # Errors
    /// `InvalidArgument`.
    pub fn check_alone(headers: &HeaderMap, query: &Query) -> Result<(), S3Error> {
        let in_headers = headers.get_all(AUTHORIZATION).iter().count();
        if in_headers + usize::from(has_v4(query)) + usize::from(has_v2(query)) <= 1 {
            return Ok(());
        }
        let value = headers.get(AUTHORIZATION).map(|value| String::from_utf8_lossy(value.as_bytes()));
        let message = "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query \
            string parameter or the Authorization header should be specified";
        Err(S3Error::invalid_argument("Authorization", value.unwrap_or_default(), message))
    }
}

fn has_v4(query: &Query) -> bool {
    query.has("X-Amz-Algorithm") || query.has("X-Amz-Signature") || query.has("X-Amz-Credential")
}

fn has_v2(query: &Query) -> bool {
    query.has("Signature") || query.has("AWSAccessKeyId")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_is_recognised() {
        let kind = |method: Method, header: Option<(&'static str, &str)>, query: &str| {
            let mut headers = HeaderMap::new();
            if let Some((name, value)) = header {
                headers.insert(name, value.parse().unwrap());
            }
            Authentication::of(&method, &headers, &Query::parse(query).unwrap())
        };
        assert_eq!(kind(Method::GET, None, "prefix=a"), Authentication::Anonymous);
        let v4 = "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=b";
        assert_eq!(kind(Method::GET, Some(("authorization", v4)), ""), Authentication::V4Header);
        assert_eq!(kind(Method::GET, Some(("authorization", "Bearer x")), ""), Authentication::V4Header);
        assert_eq!(kind(Method::GET, Some(("authorization", "AWS key:sig")), ""), Authentication::V2Header);
        assert_eq!(kind(Method::GET, Some(("authorization", "AWS :")), ""), Authentication::V2Header);
        assert_eq!(kind(Method::GET, None, "X-Amz-Algorithm=x"), Authentication::V4Query);
        assert_eq!(kind(Method::GET, None, "AWSAccessKeyId=a&Signature=b&Expires=1"), Authentication::V2Query);
        let form = Some(("content-type", "multipart/form-data; boundary=x"));
        assert_eq!(kind(Method::POST, form, ""), Authentication::PostForm);
        assert_eq!(kind(Method::PUT, form, ""), Authentication::Anonymous);
    }

    #[test]
    fn one_sender_in_one_way_is_allowed() {
        let check = |authorizations: &[&str], query: &str| {
            let mut headers = HeaderMap::new();
            for value in authorizations {
                headers.append(AUTHORIZATION, value.parse().unwrap());
            }
            Authentication::check_alone(&headers, &Query::parse(query).unwrap()).map_err(|error| error.code())
        };
        for (authorizations, query) in [
            (&[][..], "prefix=a"),
            (&["AWS a:b"], ""),
            (&["x"], "Expires=1&X-Amz-Date=x"),
            (&[], "X-Amz-Algorithm=x&X-Amz-Signature=y&X-Amz-Credential=z"),
            (&[], "AWSAccessKeyId=a&Signature=b"),
        ] {
            assert_eq!(check(authorizations, query), Ok(()), "{authorizations:?} {query}");
        }
        for (authorizations, query) in [
            (&["AWS a:b", "AWS a:b"][..], ""),
            (&["AWS a:b"], "X-Amz-Algorithm=x"),
            (&["x"], "Signature=b"),
            (&[""], "AWSAccessKeyId=a"),
            (&[], "AWSAccessKeyId=a&X-Amz-Credential=b"),
        ] {
            let refused = Err(crate::error::ErrorCode::InvalidArgument);
            assert_eq!(check(authorizations, query), refused, "{authorizations:?} {query}");
        }
    }
}
