//! What headers say about an ACL.

use super::given::Given;
use super::{MAX_GRANTS, group_uri, permission_name};
use http::{HeaderMap, HeaderName, HeaderValue};
use weir_proto::v1::Grant;
use weir_proto::v1::grant::Grantee;
use weir_service::fuzzing::Input;

/// The ends of names of headers and their values, a line each. Grants that are read are the same when each is written in
/// a header of its own.
pub(crate) fn acl_headers(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut headers = HeaderMap::new();
    while !input.is_empty() && headers.len() < 2 * MAX_GRANTS {
        let line = input.text_line();
        let Some((name, value)) = line.split_once(':') else { continue };
        let name = HeaderName::try_from(format!("x-amz-{name}"));
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
            headers.append(name, value);
        }
    }
    let is_in = Given::is_in(&headers);
    match Given::of_headers(&headers) {
        Ok(given) => {
            assert_eq!(is_in, given.is_some());
            if let Some(Given::Grants(grants)) = &given {
                assert!(grants.len() <= MAX_GRANTS);
                assert_eq!(Given::of_headers(&written(grants)).ok(), Some(given));
            }
        }
        Err(error) => assert!(is_in && error.status().is_client_error(), "{error}"),
    }
}

fn written(grants: &[Grant]) -> HeaderMap {
    let pair = |grant: &Grant| {
        let permission = permission_name(grant.permission()).expect("a grant that was read has one of S3's");
        let grantee = match grant.grantee.as_ref().expect("a grant that was read has a grantee") {
            Grantee::CanonicalId(id) => format!("id=\"{id}\""),
            Grantee::Group(name) => format!("uri={}", group_uri(name).expect("a group that was read is known")),
        };
        let name = format!("x-amz-grant-{}", permission.to_ascii_lowercase().replace('_', "-"));
        (name.parse::<HeaderName>().expect("a name"), grantee.parse::<HeaderValue>().expect("a value"))
    };
    grants.iter().map(pair).collect()
}
