//! What a request says about an ACL, in its headers.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketAcl.html>

use super::Canned;
use super::grants::{MAX_GRANTS, grant, grantee_of_id, grantee_of_uri};
use crate::error::{ErrorCode, S3Error};
use http::{HeaderMap, HeaderValue};
use weir_proto::v1::grant::Grantee;
use weir_proto::v1::{Grant, Permission};

const CANNED: &str = "x-amz-acl";
const GRANTS: [(&str, Permission); 5] = [
    ("x-amz-grant-full-control", Permission::FullControl),
    ("x-amz-grant-read", Permission::Read),
    ("x-amz-grant-write", Permission::Write),
    ("x-amz-grant-read-acp", Permission::ReadAcp),
    ("x-amz-grant-write-acp", Permission::WriteAcp),
];
const GRANT_PREFIX: &str = "x-amz-grant-";

/// An ACL as a request describes it.
#[derive(Clone, Debug, PartialEq)]
pub enum Given {
    Canned(Canned),
    /// Every grant: the owner's is not added.
    Grants(Vec<Grant>),
}

impl Given {
    /// None: the headers say nothing.
    ///
    /// # Errors
    /// `InvalidRequest` for a canned ACL beside grants; `InvalidArgument` for names, ids and groups that there are
    /// not; `UnresolvableGrantByEmailAddress`; `MalformedACLError` for too many grants.
    pub fn of_headers(headers: &HeaderMap) -> Result<Option<Self>, S3Error> {
        let canned = canned(headers)?;
        let grants = grants(headers)?;
        match (canned, grants) {
            (None, None) => Ok(None),
            (Some(canned), None) => Ok(Some(Self::Canned(canned))),
            (None, Some(grants)) => Ok(Some(Self::Grants(grants))),
            (Some(_), Some(_)) => Err(S3Error::with_message(
                ErrorCode::InvalidRequest,
                "Specifying both Canned ACLs and Header Grants is not allowed",
            )),
        }
    }

    /// Do the headers say anything about it?
    pub fn is_in(headers: &HeaderMap) -> bool {
        headers.contains_key(CANNED) || headers.keys().any(|name| name.as_str().starts_with(GRANT_PREFIX))
    }
}

fn canned(headers: &HeaderMap) -> Result<Option<Canned>, S3Error> {
    let mut values = headers.get_all(CANNED).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(S3Error::invalid_argument(CANNED, "", "The header may come once"));
    }
    Canned::of(&String::from_utf8_lossy(value.as_bytes())).map(Some)
}

fn grants(headers: &HeaderMap) -> Result<Option<Vec<Grant>>, S3Error> {
    if let Some(name) = headers.keys().map(|name| name.as_str()).find(|name| is_unknown_grant(name)) {
        return Err(S3Error::invalid_argument(name, "", "There is no such permission"));
    }
    let mut grants = Vec::new();
    let mut is_given = false;
    for (name, permission) in GRANTS {
        for value in headers.get_all(name) {
            is_given = true;
            for grantee in grantees(name, value)? {
                grants.push(grant(grantee, permission));
            }
            check_count(grants.len())?;
        }
    }
    Ok(is_given.then_some(grants))
}

fn is_unknown_grant(name: &str) -> bool {
    name.starts_with(GRANT_PREFIX) && !GRANTS.iter().any(|(known, _)| *known == name)
}

/// # Errors
/// `MalformedACLError`.
pub(super) fn check_count(grants: usize) -> Result<(), S3Error> {
    if grants <= MAX_GRANTS {
        return Ok(());
    }
    let message = format!("An ACL has at most {MAX_GRANTS} grants");
    Err(S3Error::with_message(ErrorCode::MalformedACLError, message))
}

/// `id="…", uri="…"`: the quotes may be left out.
fn grantees(name: &'static str, value: &HeaderValue) -> Result<Vec<Grantee>, S3Error> {
    let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
    let malformed = || S3Error::invalid_argument(name, text.clone(), "Argument format not recognized");
    text.split(',')
        .map(|one| {
            let (kind, grantee) = one.trim().split_once('=').ok_or_else(malformed)?;
            let grantee = unquoted(grantee.trim()).ok_or_else(malformed)?;
            match kind.trim_end().to_ascii_lowercase().as_str() {
                "id" => grantee_of_id(grantee),
                "uri" => grantee_of_uri(grantee),
                "emailaddress" => Err(S3Error::new(ErrorCode::UnresolvableGrantByEmailAddress)),
                _ => Err(malformed()),
            }
        })
        .collect()
}

/// None: a quote stands alone.
fn unquoted(text: &str) -> Option<&str> {
    let inner = match text.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"')?,
        None => text,
    };
    (!inner.contains('"')).then_some(inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_proto::account::{ACCOUNT_CANONICAL_ID, ANONYMOUS_CANONICAL_ID};

    const ALL_USERS: &str = "http://acs.amazonaws.com/groups/global/AllUsers";

    fn given(pairs: &[(&'static str, &str)]) -> Result<Option<Given>, ErrorCode> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        assert_eq!(Given::is_in(&headers), !pairs.is_empty());
        Given::of_headers(&headers).map_err(|error| error.code())
    }

    #[test]
    fn headers_name_grantees_by_id_and_uri() {
        assert_eq!(given(&[]), Ok(None));
        assert_eq!(given(&[("x-amz-acl", "public-read")]), Ok(Some(Given::Canned(Canned::PublicRead))));
        let id = |id: &str, permission| grant(Grantee::CanonicalId(id.into()), permission);
        let all = |permission| grant(Grantee::Group("AllUsers".into()), permission);
        let two = format!("id={ACCOUNT_CANONICAL_ID}, ID = \"{ANONYMOUS_CANONICAL_ID}\"");
        let uri = format!("uri=\"{ALL_USERS}\"");
        assert_eq!(
            given(&[("x-amz-grant-read", &uri), ("x-amz-grant-write-acp", &two), ("x-amz-grant-read", &two)]),
            Ok(Some(Given::Grants(vec![
                all(Permission::Read),
                id(ACCOUNT_CANONICAL_ID, Permission::Read),
                id(ANONYMOUS_CANONICAL_ID, Permission::Read),
                id(ACCOUNT_CANONICAL_ID, Permission::WriteAcp),
                id(ANONYMOUS_CANONICAL_ID, Permission::WriteAcp),
            ])))
        );
    }

    #[test]
    fn what_is_wrong_is_refused() {
        let uri = format!("uri={ALL_USERS}");
        for (pairs, code) in [
            (&[("x-amz-acl", "private"), ("x-amz-grant-read", uri.as_str())][..], ErrorCode::InvalidRequest),
            (&[("x-amz-acl", "private"), ("x-amz-acl", "public-read")], ErrorCode::InvalidArgument),
            (&[("x-amz-acl", "nonsense")], ErrorCode::InvalidArgument),
            (&[("x-amz-grant-read", "emailAddress=\"a@example.com\"")], ErrorCode::UnresolvableGrantByEmailAddress),
            (&[("x-amz-grant-read", "")], ErrorCode::InvalidArgument),
            (&[("x-amz-grant-read", "id=")], ErrorCode::InvalidArgument),
            (&[("x-amz-grant-read", "id=abc")], ErrorCode::InvalidArgument),
            (&[("x-amz-grant-read", "name=weir")], ErrorCode::InvalidArgument),
            (
                &[("x-amz-grant-read", "uri=\"http://acs.amazonaws.com/groups/global/AllUsers")],
                ErrorCode::InvalidArgument,
            ),
            (&[("x-amz-grant-read", "uri=http://example.com")], ErrorCode::InvalidArgument),
            (&[("x-amz-grant-delete", uri.as_str())], ErrorCode::InvalidArgument),
        ] {
            assert_eq!(given(pairs), Err(code), "{pairs:?}");
        }
        let many = |count: usize| vec![uri.as_str(); count].join(",");
        assert!(given(&[("x-amz-grant-read", &many(100))]).is_ok());
        assert_eq!(given(&[("x-amz-grant-read", &many(101))]), Err(ErrorCode::MalformedACLError));
        assert_eq!(
            given(&[("x-amz-grant-read", &many(60)), ("x-amz-grant-write", &many(41))]),
            Err(ErrorCode::MalformedACLError)
        );
    }
}
