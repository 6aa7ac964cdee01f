//! The answer to a signature that does not match: what the server signed in its place, so that a client's author can
//! compare. Nothing of it is secret: it is what the client sent.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>

use crate::error::{ErrorCode, S3Error};

pub(super) struct Mismatch<'a> {
    pub access_key_id: &'a str,
    pub signature: &'a str,
    pub string_to_sign: &'a [u8],
    /// Only Signature Version 4 has one, and only for requests.
    pub canonical_request: Option<&'a [u8]>,
}

impl From<Mismatch<'_>> for S3Error {
    fn from(mismatch: Mismatch<'_>) -> Self {
        let error = Self::new(ErrorCode::SignatureDoesNotMatch)
            .element("AWSAccessKeyId", mismatch.access_key_id)
            .element("StringToSign", String::from_utf8_lossy(mismatch.string_to_sign))
            .element("SignatureProvided", mismatch.signature)
            .element("StringToSignBytes", spaced_hexadecimal(mismatch.string_to_sign));
        match mismatch.canonical_request {
            Some(request) => error
                .element("CanonicalRequest", String::from_utf8_lossy(request))
                .element("CanonicalRequestBytes", spaced_hexadecimal(request)),
            None => error,
        }
    }
}

/// `41 57 53 34`.
fn spaced_hexadecimal(bytes: &[u8]) -> String {
    let digits = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    let mut text = String::with_capacity(3 * bytes.len());
    for (at, &byte) in bytes.iter().enumerate() {
        if at > 0 {
            text.push(' ');
        }
        text.push(digits(byte >> 4));
        text.push(digits(byte & 15));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::AnswerBody;

    #[test]
    fn the_document_shows_what_was_signed() {
        let error = S3Error::from(Mismatch {
            access_key_id: "AKID",
            signature: "00ff",
            string_to_sign: b"AWS4\n",
            canonical_request: Some(b"G<"),
        });
        let answer = error.answer("/b", "1", "h", true);
        let AnswerBody::Full(document) = answer.body() else { panic!("no document") };
        let document = String::from_utf8_lossy(document);
        for element in [
            "<AWSAccessKeyId>AKID</AWSAccessKeyId>",
            "<StringToSign>AWS4&#xA;</StringToSign>",
            "<SignatureProvided>00ff</SignatureProvided>",
            "<StringToSignBytes>41 57 53 34 0a</StringToSignBytes>",
            "<CanonicalRequest>G&lt;</CanonicalRequest>",
            "<CanonicalRequestBytes>47 3c</CanonicalRequestBytes>",
        ] {
            assert!(document.contains(element), "{element} in {document}");
        }
    }
}
