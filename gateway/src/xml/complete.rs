//! The document of CompleteMultipartUpload.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html>

use super::element::once;
use super::{Element, MalformedXml};
use crate::checksum;
use weir_proto::v1;
use weir_proto::v1::ChecksumAlgorithm;

/// The most parts of one upload.
const MAX_PARTS: usize = 10_000;

/// The listed parts, at least one. Their numbers are not checked but for being numbers; ETags come without quotes.
///
/// # Errors
/// [`MalformedXml`].
pub fn parse_completion(document: &[u8]) -> Result<Vec<v1::CompletedPart>, MalformedXml> {
    let root = Element::parse(document, "CompleteMultipartUpload")?;
    let mut parts = Vec::new();
    for child in root.branches()? {
        match child.name.as_str() {
            "Part" if parts.len() == MAX_PARTS => {
                return Err(MalformedXml::new(format!("it has more than {MAX_PARTS} parts")));
            }
            "Part" => parts.push(part(child)?),
            _ => return Err(child.unknown()),
        }
    }
    if parts.is_empty() {
        return Err(MalformedXml::new("it has no part"));
    }
    Ok(parts)
}

fn part(element: &Element) -> Result<v1::CompletedPart, MalformedXml> {
    let (mut number, mut etag, mut checksum) = (None, None, None);
    for child in element.branches()? {
        let text = child.leaf()?.trim();
        match child.name.as_str() {
            "PartNumber" => once(&mut number, part_number(text)?, "PartNumber")?,
            "ETag" => once(&mut etag, text.trim_matches('"').to_owned(), "ETag")?,
            name => {
                let algorithm = checksum::algorithm_of_element(name).ok_or_else(|| child.unknown())?;
                // Empty elements come from clients that write every member they know.
                if !text.is_empty() {
                    once(&mut checksum, part_checksum(algorithm, text)?, "a checksum")?;
                }
            }
        }
    }
    Ok(v1::CompletedPart {
        part_number: number.ok_or_else(|| MalformedXml::new("a part has no number"))?,
        etag: etag.ok_or_else(|| MalformedXml::new("a part has no ETag"))?,
        checksum,
    })
}

fn part_number(text: &str) -> Result<u32, MalformedXml> {
    let malformed = || MalformedXml::new("PartNumber is not a number");
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(malformed());
    }
    text.parse().map_err(|_| malformed())
}

fn part_checksum(algorithm: ChecksumAlgorithm, text: &str) -> Result<v1::Checksum, MalformedXml> {
    let value = checksum::decode(algorithm, text);
    let value = value.ok_or_else(|| MalformedXml::new(format!("{text:?} is not a checksum of {algorithm:?}")))?;
    Ok(v1::Checksum { algorithm: algorithm.into(), r#type: v1::ChecksumType::FullObject.into(), value: value.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_curl_sends_from_a_shell_is_read() {
        let document = "\n<CompleteMultipartUpload>\n  <Part>\n    <PartNumber>1</PartNumber>\n    \
            <ETag>\"b54357faf0632cce46e942fa68356b38\"</ETag>\n  </Part>\n</CompleteMultipartUpload>";
        let parts = parse_completion(document.as_bytes()).unwrap();
        assert_eq!(parts.len(), 1);
        assert_eq!(parts[0].part_number, 1);
        assert_eq!(parts[0].etag, "b54357faf0632cce46e942fa68356b38");
    }

    #[test]
    fn quotes_of_an_etag_come_in_all_forms() {
        for etag in ["abc", "\"abc\"", "&quot;abc&quot;", "&#34;abc&#34;", " abc "] {
            let document = format!(
                "<CompleteMultipartUpload><Part><ETag>{etag}</ETag><PartNumber>7</PartNumber></Part></CompleteMultipartUpload>"
            );
            assert_eq!(parse_completion(document.as_bytes()).unwrap()[0].etag, "abc");
        }
    }

    #[test]
    fn a_part_may_carry_a_checksum() {
        let part = |inner: &str| {
            let document = format!(
                "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>a</ETag>{inner}</Part></CompleteMultipartUpload>"
            );
            parse_completion(document.as_bytes()).map(|parts| parts[0].checksum.clone())
        };
        let checksum = part("<ChecksumCRC32>AAAAAQ==</ChecksumCRC32>").unwrap().unwrap();
        assert_eq!(checksum.algorithm(), ChecksumAlgorithm::Crc32);
        assert_eq!(checksum.value.as_ref(), [0, 0, 0, 1]);
        assert_eq!(part("<ChecksumSHA1/>").unwrap(), None);
        assert!(part("<ChecksumCRC32>AAAA</ChecksumCRC32>").is_err());
        assert!(part("<ChecksumCRC32>AAAAAQ==</ChecksumCRC32><ChecksumCRC32C>AAAAAQ==</ChecksumCRC32C>").is_err());
        assert!(part("<ChecksumXYZ>AAAAAQ==</ChecksumXYZ>").is_err());
    }

    #[test]
    fn what_is_not_in_the_schema_is_refused() {
        for document in [
            "<CompleteMultipartUpload/>",
            "<Complete><Part><PartNumber>1</PartNumber><ETag>a</ETag></Part></Complete>",
            "<CompleteMultipartUpload><Part><ETag>a</ETag></Part></CompleteMultipartUpload>",
            "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>",
            "<CompleteMultipartUpload><Part><PartNumber>-1</PartNumber><ETag>a</ETag></Part></CompleteMultipartUpload>",
            "<CompleteMultipartUpload><Part><PartNumber>x</PartNumber><ETag>a</ETag></Part></CompleteMultipartUpload>",
            "<CompleteMultipartUpload><Part><PartNumber>99999999999</PartNumber><ETag>a</ETag></Part></CompleteMultipartUpload>",
            "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>a</ETag><x/></Part></CompleteMultipartUpload>",
            "<CompleteMultipartUpload><x/></CompleteMultipartUpload>",
        ] {
            assert!(parse_completion(document.as_bytes()).is_err(), "{document}");
        }
    }

    #[test]
    fn ten_thousand_parts_are_taken_and_no_more() {
        let part = "<Part><PartNumber>1</PartNumber><ETag>a</ETag></Part>";
        let document = |count| format!("<CompleteMultipartUpload>{}</CompleteMultipartUpload>", part.repeat(count));
        assert_eq!(parse_completion(document(10_000).as_bytes()).unwrap().len(), 10_000);
        assert!(parse_completion(document(10_001).as_bytes()).is_err());
    }
}
