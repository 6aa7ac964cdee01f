//! The gateway's fuzz targets: whatever a client, an issuer or an operator sends is parsed by one of them. Each lies
//! beside the code that it checks.

use crate::{auth, body, oidc, post, query_api, route, xml};
use weir_service::fuzzing::Target;

/// All of them.
pub const TARGETS: &[Target] = &[
    ("sigv4_header", auth::fuzzing::sigv4_header),
    ("sigv4_query", auth::fuzzing::sigv4_query),
    ("sigv2", auth::fuzzing::sigv2),
    ("acl_headers", auth::acl::fuzzing::acl_headers),
    ("session_token", auth::token::fuzzing::session_token),
    ("policy_document", auth::policy::fuzzing::policy_document),
    ("policy_pattern", auth::policy::fuzzing::policy_pattern),
    ("oidc_token", oidc::fuzzing::oidc_token),
    ("oidc_key_set", oidc::fuzzing::oidc_key_set),
    ("aws_chunked", body::fuzzing::aws_chunked),
    ("range", route::fuzzing::range),
    ("copy_source", route::fuzzing::copy_source),
    ("key_decoding", route::fuzzing::key_decoding),
    ("post_form", post::fuzzing::post_form),
    ("post_policy", post::fuzzing::post_policy),
    ("iam_form", query_api::fuzzing::iam_form),
    ("xml_acl", xml::fuzzing::acl),
    ("xml_complete", xml::fuzzing::complete),
    ("xml_create_bucket", xml::fuzzing::create_bucket),
    ("xml_delete", xml::fuzzing::delete),
    ("xml_ownership_controls", xml::fuzzing::ownership_controls),
    ("xml_public_access_block", xml::fuzzing::public_access_block),
    ("xml_tagging", xml::fuzzing::tagging),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_was_kept_is_a_finding() {
        weir_service::fuzzing::replay(TARGETS);
    }
}
