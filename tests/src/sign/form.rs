//! The fields of a form that carry a policy and its signature.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-authentication-HTTPPOST.html>,
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html>

use super::{hmac_sha256, v2, v4};
use crate::digest::base64_of;

/// Names and values of fields, in the order in which they are sent.
pub type Fields = Vec<(String, String)>;

/// The fields of Signature Version 4. `policy` is in base64.
pub fn v4_fields(signer: &v4::Signer, policy: &str) -> Fields {
    let signature = hex::encode(hmac_sha256(&signer.key(), &[policy.as_bytes()]));
    let mut fields = fields(&[
        ("policy", policy),
        ("x-amz-algorithm", v4::ALGORITHM),
        ("x-amz-credential", &format!("{}/{}", signer.keys.access, signer.scope())),
        ("x-amz-date", &signer.stamp()),
        ("x-amz-signature", &signature),
    ]);
    add_token(&mut fields, signer.keys.token.as_deref());
    fields
}

/// The fields of Signature Version 2. `policy` is in base64.
pub fn v2_fields(signer: &v2::Signer, policy: &str) -> Fields {
    let signature = base64_of(&v2::hmac_sha1(&signer.keys.secret, policy.as_bytes()));
    let mut fields = fields(&[("AWSAccessKeyId", &signer.keys.access), ("policy", policy), ("signature", &signature)]);
    add_token(&mut fields, signer.keys.token.as_deref());
    fields
}

fn fields(pairs: &[(&str, &str)]) -> Fields {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn add_token(fields: &mut Fields, token: Option<&str>) {
    if let Some(token) = token {
        fields.push(("x-amz-security-token".to_owned(), token.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    //! What botocore 1.44 makes of the keys and the time of AWS's examples.

    use super::*;
    use crate::sign::v4::tests::example_signer;

    #[test]
    fn the_signature_of_version_4_is_the_one_that_botocore_makes() {
        let policy = "eyJleHBpcmF0aW9uIjogIjIwMTMtMDUtMjVUMDA6MDA6MDBaIiwgImNvbmRpdGlvbnMiOiBbeyJ4LWFtei1hbGdvcml0aG0i\
            OiAiQVdTNC1ITUFDLVNIQTI1NiJ9LCB7IngtYW16LWNyZWRlbnRpYWwiOiAiQUtJQUlPU0ZPRE5ON0VYQU1QTEUvMjAxMzA1MjQvdXMtZWFz\
            dC0xL3MzL2F3czRfcmVxdWVzdCJ9LCB7IngtYW16LWRhdGUiOiAiMjAxMzA1MjRUMDAwMDAwWiJ9XX0=";
        let expected = fields(&[
            ("policy", policy),
            ("x-amz-algorithm", "AWS4-HMAC-SHA256"),
            ("x-amz-credential", "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request"),
            ("x-amz-date", "20130524T000000Z"),
            ("x-amz-signature", "e6b0b3201d4781902197f02fb2cc8c5ecdb54217aae998052bf898342a96bd93"),
        ]);
        assert_eq!(v4_fields(&example_signer(), policy), expected);
    }

    #[test]
    fn the_signature_of_version_2_is_the_one_that_botocore_makes() {
        let policy = "eyJleHBpcmF0aW9uIjogIjIwMTMtMDUtMjVUMDA6MDA6MDBaIiwgImNvbmRpdGlvbnMiOiBbXX0=";
        let signer = v2::Signer::new(&example_signer().keys, jiff::Timestamp::UNIX_EPOCH);
        let expected = fields(&[
            ("AWSAccessKeyId", "AKIAIOSFODNN7EXAMPLE"),
            ("policy", policy),
            ("signature", "N2OTdWxo6j9iix8y2Qqs+UFAlO0="),
        ]);
        assert_eq!(v2_fields(&signer, policy), expected);
    }
}
