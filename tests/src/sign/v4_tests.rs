//! The examples of
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html> and
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html>.

use super::*;

/// The keys and the time of all of AWS's examples.
pub fn example_signer() -> Signer {
    let keys = Keys::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
    Signer::new(&keys, "2013-05-24T00:00:00Z".parse().unwrap(), "us-east-1")
}

fn draft(method: &str, target: &str) -> Draft {
    Draft::new(method, "examplebucket.s3.amazonaws.com", target)
}

fn signature_of(mut draft: Draft, body: &[u8]) -> String {
    let payload = sha256_hex(body);
    draft.add_header("x-amz-content-sha256", &payload);
    example_signer().sign_header(&mut draft, &payload).signature
}

#[test]
fn signatures_in_the_header_are_those_that_aws_publishes() {
    let get = draft("GET", "/test.txt").with_header("Range", "bytes=0-9");
    let put = draft("PUT", "/test$file.text")
        .with_header("Date", "Fri, 24 May 2013 00:00:00 GMT")
        .with_header("x-amz-storage-class", "REDUCED_REDUNDANCY");
    for (draft, body, signature) in [
        (get, &b""[..], "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
        (put, b"Welcome to Amazon S3.", "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"),
        (draft("GET", "/?lifecycle"), b"", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        (
            draft("GET", "/?max-keys=2&prefix=J"),
            b"",
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ] {
        assert_eq!(signature_of(draft.clone(), body), signature, "{draft:?}");
    }
}

#[test]
fn the_authorization_header_is_the_one_that_aws_publishes() {
    let mut draft = draft("GET", "/?lifecycle");
    let payload = sha256_hex(b"");
    draft.add_header("x-amz-content-sha256", &payload);
    example_signer().sign_header(&mut draft, &payload);
    assert_eq!(draft.header("x-amz-date"), "20130524T000000Z");
    assert_eq!(
        draft.header("authorization"),
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, \
         SignedHeaders=host;x-amz-content-sha256;x-amz-date, \
         Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"
    );
}

#[test]
fn a_presigned_url_is_the_one_that_aws_publishes() {
    let mut draft = draft("GET", "/test.txt");
    example_signer().sign_query(&mut draft, "86400", UNSIGNED_PAYLOAD);
    assert_eq!(
        draft.target(),
        "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256\
         &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z\
         &X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
         &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    );
}
