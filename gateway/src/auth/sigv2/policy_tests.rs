use super::*;
use crate::auth::testing::SUITE_SECRET;
use crate::error::ErrorCode;

/// The example of S3's documentation of uploads from browsers, and the secret of its time.
const POLICY: &str = include_str!("vectors/policy.txt");
const OLD_SECRET: &str = "uV3F3YluFJax1cknvbcGwgjvx4QpvB+leU8dUj2o";

fn claim(access_key_id: &'static str, signature: &'static str) -> Result<PolicyClaim<'static>, S3Error> {
    let fields = [("awsaccesskeyid", access_key_id), ("signature", signature), ("x-amz-security-token", "token")];
    PolicyClaim::from_form(|name| {
        let field = fields.iter().find(|(field, _)| *field == name);
        field.map(|(_, value)| *value).filter(|value| !value.is_empty())
    })
}

#[test]
fn the_example_of_the_documentation_verifies_and_no_other() {
    let claim = claim("AKIAIOSFODNN7EXAMPLE", "0RavWzkygo6QX9caELEqKi9kDbU=").unwrap();
    assert_eq!((claim.access_key_id(), claim.security_token()), ("AKIAIOSFODNN7EXAMPLE", Some("token")));
    claim.verify(OLD_SECRET, POLICY.trim()).unwrap();
    for (secret, policy) in [(SUITE_SECRET, POLICY.trim()), (OLD_SECRET, &POLICY.trim()[1..]), (OLD_SECRET, "")] {
        assert_eq!(claim.verify(secret, policy).unwrap_err().code(), ErrorCode::SignatureDoesNotMatch);
    }
}

#[test]
fn a_form_of_boto3_verifies() {
    let policy = "eyJleHBpcmF0aW9uIjogIjIwMjYtMTEtMjVUMDQ6MTQ6NThaIiwgImNvbmRpdGlvbnMiOiBbeyJidWNrZXQiOiAiYnVja2V0LTEif\
        SwgeyJrZXkiOiAiayJ9XX0=";
    claim("AKIDEXAMPLE", "3W8lVgLaubUPkbvyWJiQ1XXrq/E=").unwrap().verify(SUITE_SECRET, policy).unwrap();
}

#[test]
fn fields_that_are_missing_are_named() {
    for (access_key_id, signature, missing) in [("", "x", "AWSAccessKeyId"), ("x", "", "Signature")] {
        let error = claim(access_key_id, signature).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidArgument);
        assert!(error.message().contains(missing), "{}", error.message());
    }
}
