//! What client and server sign: the method, three headers, the x-amz-* headers, and the resource.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html#RESTAuthenticationStringToSign>

use crate::auth::SignedHead;
use crate::auth::headers::single_bytes;
use crate::error::S3Error;
use crate::route::{Query, chooses_operation};
use http::{HeaderName, HeaderValue};

const AMZ: &str = "x-amz-";

/// Parameters that are signed beside those that choose an operation.
const SIGNED_PARAMETERS: [&str; 9] = [
    "partNumber",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "select-type",
    "versionId",
];

/// What stands in the line of the date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dated<'a> {
    /// Date, or nothing when x-amz-date is among the other headers.
    ByHeader,
    /// The end of a presigned URL's life.
    Expires(&'a str),
}

/// The bucket and the base path of a request, as far as its path alone does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Naming<'a> {
    /// The bucket that the host names.
    pub host_bucket: Option<&'a str>,
    /// The base path that the request came by, without a slash at its end; empty if it came without.
    pub base_path: &'a str,
}

impl Naming<'_> {
    /// The resources that may have been signed, all of which mean the same. Some clients take the base path for a part
    /// of the path and sign it, as boto does; others take it for a part of the server's address, as boto3 does, which
    /// also signs a bucket with a slash after it that it does not send.
    ///
    /// # Errors
    /// `InvalidArgument` for a parameter that can't be signed.
    pub(super) fn resources(self, path: &str, query: &Query) -> Result<Vec<String>, S3Error> {
        let parameters = signed_parameters(query)?;
        if let Some(bucket) = self.host_bucket {
            return Ok(vec![format!("/{bucket}{path}{parameters}")]);
        }
        let below = match path.strip_prefix(self.base_path) {
            Some("") => "/",
            Some(below) => below,
            None => path,
        };
        let rest = below.strip_prefix('/').unwrap_or_default();
        let is_bucket_alone = !rest.is_empty() && !rest.contains('/');
        let mut resources = Vec::new();
        for path in if self.base_path.is_empty() { vec![path] } else { vec![path, below] } {
            resources.push(format!("{path}{parameters}"));
            if is_bucket_alone {
                resources.push(format!("{path}/{parameters}"));
            }
        }
        Ok(resources)
    }
}

/// `?acl&versionId=3`. Every parameter that chooses an operation is signed, and not only those that the documentation
/// names: who passes a presigned URL on must not be able to ask for something else with it.
fn signed_parameters(query: &Query) -> Result<String, S3Error> {
    let mut names: Vec<&str> =
        query.names().filter(|name| chooses_operation(name) || SIGNED_PARAMETERS.contains(name)).collect();
    names.sort_unstable();
    let mut text = String::new();
    for name in names {
        text.push(if text.is_empty() { '?' } else { '&' });
        text.push_str(name);
        let value = query.get(name).unwrap_or_default();
        if !value.is_empty() {
            text.push('=');
            text.push_str(one_line(name, value)?);
        }
    }
    Ok(text)
}

/// All but the resource.
///
/// # Errors
/// `InvalidArgument` for a header that comes twice, and for a parameter that can't be signed.
pub(super) fn string_to_sign(head: &SignedHead<'_>, query: &Query, dated: Dated<'_>) -> Result<Vec<u8>, S3Error> {
    let headers = head.headers;
    let date = match dated {
        Dated::Expires(expires) => expires.as_bytes(),
        Dated::ByHeader if headers.contains_key("x-amz-date") => b"",
        Dated::ByHeader => single_bytes(headers, "date")?.unwrap_or_default(),
    };
    let lines = [
        head.method.as_str().as_bytes(),
        single_bytes(headers, "content-md5")?.unwrap_or_default(),
        single_bytes(headers, "content-type")?.unwrap_or_default(),
        date,
    ];
    let mut text = Vec::new();
    for line in lines {
        text.extend_from_slice(line);
        text.push(b'\n');
    }
    let mut amz_headers = amz_headers(head);
    if let Dated::Expires(_) = dated {
        amz_headers.extend(amz_parameters(head, query)?);
    }
    amz_headers.sort_unstable_by(|(a, _), (b, _)| a.as_str().cmp(b.as_str()));
    for (name, value) in amz_headers {
        text.extend_from_slice(name.as_str().as_bytes());
        text.push(b':');
        text.extend_from_slice(&value);
        text.push(b'\n');
    }
    Ok(text)
}

/// Each name once, with its values joined by commas.
fn amz_headers(head: &SignedHead<'_>) -> Vec<(HeaderName, Vec<u8>)> {
    let names = head.headers.keys().filter(|name| name.as_str().starts_with(AMZ));
    let joined = |name: &HeaderName| {
        let values: Vec<&[u8]> =
            head.headers.get_all(name).iter().map(HeaderValue::as_bytes).map(<[u8]>::trim_ascii).collect();
        values.join(&b","[..])
    };
    names.map(|name| (name.clone(), joined(name))).collect()
}

/// What clients that presign put into the query is signed as the header that it stands for, unless the request has
/// that header too.
fn amz_parameters(head: &SignedHead<'_>, query: &Query) -> Result<Vec<(HeaderName, Vec<u8>)>, S3Error> {
    let mut found = Vec::new();
    for name in query.names().filter(|name| name.get(..AMZ.len()).is_some_and(|start| start.eq_ignore_ascii_case(AMZ)))
    {
        let value = one_line(name, query.get(name).unwrap_or_default())?;
        let header = HeaderName::try_from(name)
            .map_err(|_| S3Error::invalid_argument(name, value, "This is not the name of a header."))?;
        if !head.headers.contains_key(&header) {
            found.push((header, value.trim().as_bytes().to_vec()));
        }
    }
    Ok(found)
}

/// A line end would move what is signed from one line to another.
fn one_line<'a>(name: &str, value: &'a str) -> Result<&'a str, S3Error> {
    if value.contains(char::is_control) {
        return Err(S3Error::invalid_argument(name, value, "A signed parameter may not have control characters."));
    }
    Ok(value)
}

#[cfg(test)]
#[path = "string_to_sign_tests.rs"]
mod tests;
