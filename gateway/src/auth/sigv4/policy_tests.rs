use super::*;
use crate::auth::testing::{SECRET, SUITE_SECRET};
use crate::error::ErrorCode;

/// The example of S3's documentation of uploads from browsers.
const POLICY: &str = include_str!("vectors/policy.txt");
const FIELDS: [(&str, &str); 4] = [
    ("x-amz-algorithm", "AWS4-HMAC-SHA256"),
    ("x-amz-credential", "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request"),
    ("x-amz-date", "20151229T000000Z"),
    ("x-amz-signature", "8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e"),
];

/// The claim with some fields replaced; an empty value: left out.
fn claim(replaced: &[(&'static str, &'static str)]) -> Result<PolicyClaim<'static>, S3Error> {
    PolicyClaim::from_form(|name| {
        let field = replaced.iter().chain(&FIELDS).find(|(field, _)| *field == name);
        field.map(|(_, value)| *value).filter(|value| !value.is_empty())
    })
}

#[test]
fn the_example_of_the_documentation_verifies() {
    let claim = claim(&[]).unwrap();
    assert_eq!((claim.access_key_id(), claim.security_token()), ("AKIAIOSFODNN7EXAMPLE", None));
    claim.check_scope("us-east-1", &["s3"]).unwrap();
    claim.verify(SECRET, POLICY.trim()).unwrap();
}

#[test]
fn a_form_of_boto3_verifies() {
    let policy = "eyJleHBpcmF0aW9uIjogIjIwMjYtMTEtMjVUMDQ6MTQ6NThaIiwgImNvbmRpdGlvbnMiOiBbeyJidWNrZXQiOiAiYnVja2V0LTEif\
        SwgeyJrZXkiOiAiayJ9LCB7IngtYW16LWFsZ29yaXRobSI6ICJBV1M0LUhNQUMtU0hBMjU2In0sIHsieC1hbXotY3JlZGVudGlhbCI6ICJBS0lE\
        RVhBTVBMRS8yMDI2MTEyNS91cy1lYXN0LTEvczMvYXdzNF9yZXF1ZXN0In0sIHsieC1hbXotZGF0ZSI6ICIyMDI2MTEyNVQwMzE0NThaIn1dfQ==";
    let claim = claim(&[
        ("x-amz-credential", "AKIDEXAMPLE/20261125/us-east-1/s3/aws4_request"),
        ("x-amz-date", "20261125T031458Z"),
        ("x-amz-signature", "e2e5b04c7ddcc3b15442b4af83de4f4c41100b47352bcc574c5ee265b6e37373"),
    ])
    .unwrap();
    claim.verify(SUITE_SECRET, policy).unwrap();
}

#[test]
fn another_policy_secret_or_scope_does_not_verify() {
    let policy = POLICY.trim();
    let code = |claim: PolicyClaim<'_>, secret: &str, policy: &str| claim.verify(secret, policy).unwrap_err().code();
    let mismatch = ErrorCode::SignatureDoesNotMatch;
    assert_eq!(code(claim(&[]).unwrap(), SUITE_SECRET, policy), mismatch);
    assert_eq!(code(claim(&[]).unwrap(), SECRET, &policy[1..]), mismatch);
    assert_eq!(code(claim(&[]).unwrap(), SECRET, ""), mismatch);
    let other_day = [("x-amz-credential", "AKIAIOSFODNN7EXAMPLE/20151230/us-east-1/s3/aws4_request")];
    assert_eq!(code(claim(&other_day).unwrap(), SECRET, policy), mismatch);
    assert_eq!(code(claim(&[("x-amz-signature", "00")]).unwrap(), SECRET, policy), mismatch);
}

#[test]
fn fields_that_are_missing_or_malformed_are_named() {
    for (field, value, message) in [
        ("x-amz-algorithm", "", "Bucket POST must contain a field named 'X-Amz-Algorithm'."),
        ("x-amz-credential", "", "Bucket POST must contain a field named 'X-Amz-Credential'."),
        ("x-amz-date", "", "Bucket POST must contain a field named 'X-Amz-Date'."),
        ("x-amz-signature", "", "Bucket POST must contain a field named 'X-Amz-Signature'."),
        ("x-amz-algorithm", "AWS4-ECDSA-P256-SHA256", "X-Amz-Algorithm only supports"),
        ("x-amz-credential", "AKIDEXAMPLE", "Error parsing the X-Amz-Credential parameter;"),
        ("x-amz-date", "2015-12-29", "X-Amz-Date must be in the ISO8601 Long Format"),
    ] {
        let error = claim(&[(field, value)]).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidArgument, "{field}={value}");
        assert!(error.message().starts_with(message), "{field}={value}: {}", error.message());
    }
}

#[test]
fn a_scope_of_another_day_region_or_service_is_refused() {
    let claim = claim(&[("x-amz-security-token", "token")]).unwrap();
    assert_eq!(claim.security_token(), Some("token"));
    assert_eq!(claim.check_scope("eu-west-1", &["s3"]).unwrap_err().code(), ErrorCode::InvalidArgument);
    assert_eq!(claim.check_scope("us-east-1", &["sts"]).unwrap_err().code(), ErrorCode::InvalidArgument);
    let other_day = super::tests::claim(&[("x-amz-date", "20151230T000000Z")]).unwrap();
    assert_eq!(other_day.check_scope("us-east-1", &["s3"]).unwrap_err().code(), ErrorCode::InvalidArgument);
}
