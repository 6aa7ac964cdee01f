//! The condition keys that documents may name.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html>,
//! <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html#amazons3-policy-keys>
//!
//! A key that nobody knows is a key that no request has, and what was to be forbidden by it would be allowed. So names
//! under `aws:` and `s3:` must be among these. Some of them no request to Weir has, as none to S3 has outside of what
//! they are about (an organization, a private network, an access point). Other prefixes belong to other services and to
//! issuers of web identities.

/// In lower case, in order.
const GLOBAL: &[&str] = &[
    "assumedroot",
    "calledvia",
    "calledviafirst",
    "calledvialast",
    "currenttime",
    "ec2instancesourceprivateipv4",
    "ec2instancesourcevpc",
    "epochtime",
    "federatedprovider",
    "multifactorauthage",
    "multifactorauthpresent",
    "principalaccount",
    "principalarn",
    "principalisawsservice",
    "principalorgid",
    "principalorgpaths",
    "principalservicename",
    "principalservicenameslist",
    "principaltype",
    "referer",
    "requestedregion",
    "resourceaccount",
    "resourceorgid",
    "resourceorgpaths",
    "securetransport",
    "sourceaccount",
    "sourcearn",
    "sourceidentity",
    "sourceip",
    "sourceorgid",
    "sourceorgpaths",
    "sourceowner",
    "sourcevpc",
    "sourcevpcarn",
    "sourcevpce",
    "tagkeys",
    "tokenissuetime",
    "useragent",
    "userid",
    "username",
    "viaawsservice",
    "vpceaccount",
    "vpceorgid",
    "vpceorgpaths",
    "vpcsourceip",
    // With a tag's key after them.
    "principaltag/",
    "requesttag/",
    "resourcetag/",
];
/// Headers that are keys under `s3:` by their own name.
pub const HEADER_KEYS: &[&str] = &[
    "x-amz-acl",
    "x-amz-content-sha256",
    "x-amz-copy-source",
    "x-amz-grant-full-control",
    "x-amz-grant-read",
    "x-amz-grant-read-acp",
    "x-amz-grant-write",
    "x-amz-grant-write-acp",
    "x-amz-metadata-directive",
    "x-amz-object-ownership",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-storage-class",
    "x-amz-website-redirect-location",
];
const S3: &[&str] = &[
    "accessgrantsinstancearn",
    "accesspointnetworkorigin",
    "authtype",
    "dataaccesspointaccount",
    "dataaccesspointarn",
    "delimiter",
    "if-match",
    "if-none-match",
    "inventoryaccessibleoptionalfields",
    "isreplicationpauserequest",
    "locationconstraint",
    "max-keys",
    "object-lock-legal-hold",
    "object-lock-mode",
    "object-lock-remaining-retention-days",
    "object-lock-retain-until-date",
    "objectcreationoperation",
    "prefix",
    "requestobjecttagkeys",
    "resourceaccount",
    "signatureage",
    "signatureversion",
    "tlsversion",
    "versionid",
    // With a tag's key after them.
    "accesspointtag/",
    "buckettag/",
    "existingobjecttag/",
    "requestobjecttag/",
];

/// May a document name it? `key` is in lower case.
pub fn is_known(key: &str) -> bool {
    let (names, headers, name) = match key.split_once(':') {
        Some(("aws", name)) => (GLOBAL, &[][..], name),
        Some(("s3", name)) => (S3, HEADER_KEYS, name),
        Some((service, name)) => return !service.is_empty() && !name.is_empty(),
        None => return false,
    };
    names.iter().chain(headers).any(|known| match known.strip_suffix('/') {
        Some(_) => name.len() > known.len() && name.starts_with(known),
        None => name == *known,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_aws_and_s3_must_be_theirs() {
        for key in
            ["aws:sourceip", "aws:principaltag/team", "s3:prefix", "s3:existingobjecttag/a", "s3:requestobjecttag/a/b"]
        {
            assert!(is_known(key), "{key}");
        }
        for key in
            ["aws:sourceips", "aws:principaltag/", "aws:principaltag", "s3:nosuchkey", "s3:", "aws:", "prefix", ""]
        {
            assert!(!is_known(key), "{key}");
        }
        for key in ["iam:policyarn", "id.example.com/eu:aud", "sts:externalid"] {
            assert!(is_known(key), "{key}");
        }
    }
}
