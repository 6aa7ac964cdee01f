//! Checksums as S3's headers and documents write them.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html>

use crate::body::checksum_header;
use crate::error::{ErrorCode, S3Error};
use crate::xml::Writer;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::{HeaderMap, HeaderName, HeaderValue};
use weir_proto::v1;
use weir_proto::v1::{ChecksumAlgorithm, ChecksumType};

const TYPE: HeaderName = HeaderName::from_static("x-amz-checksum-type");

/// Algorithms that S3 has since 2026 and Weir has not.
const LATER_ALGORITHMS: [&str; 5] = ["MD5", "SHA512", "XXHASH3", "XXHASH64", "XXHASH128"];

/// All that are served, with their name in headers and documents, and their length in bytes.
const ALGORITHMS: [(ChecksumAlgorithm, &str, &str, usize); 5] = [
    (ChecksumAlgorithm::Crc32, "CRC32", "ChecksumCRC32", 4),
    (ChecksumAlgorithm::Crc32c, "CRC32C", "ChecksumCRC32C", 4),
    (ChecksumAlgorithm::Crc64nvme, "CRC64NVME", "ChecksumCRC64NVME", 8),
    (ChecksumAlgorithm::Sha1, "SHA1", "ChecksumSHA1", 20),
    (ChecksumAlgorithm::Sha256, "SHA256", "ChecksumSHA256", 32),
];

fn row(algorithm: ChecksumAlgorithm) -> Option<&'static (ChecksumAlgorithm, &'static str, &'static str, usize)> {
    ALGORITHMS.iter().find(|row| row.0 == algorithm)
}

/// `CRC32` and so on; None: no algorithm.
pub fn name(algorithm: ChecksumAlgorithm) -> Option<&'static str> {
    row(algorithm).map(|row| row.1)
}

/// The algorithm of an element like `ChecksumCRC32`.
pub fn algorithm_of_element(element: &str) -> Option<ChecksumAlgorithm> {
    ALGORITHMS.iter().find(|row| row.2 == element).map(|row| row.0)
}

/// `FULL_OBJECT` or `COMPOSITE`; None: not said.
pub fn type_name(kind: ChecksumType) -> Option<&'static str> {
    match kind {
        ChecksumType::Default => None,
        ChecksumType::FullObject => Some("FULL_OBJECT"),
        ChecksumType::Composite => Some("COMPOSITE"),
    }
}

/// The bytes of a checksum in base64; None: it is not one of this algorithm.
pub fn decode(algorithm: ChecksumAlgorithm, text: &str) -> Option<Vec<u8>> {
    let length = row(algorithm)?.3;
    BASE64.decode(text).ok().filter(|value| value.len() == length)
}

/// The value in base64, with `-N` after it when it is composed of N parts' checksums.
fn written(checksum: &v1::Checksum, part_count: u32) -> String {
    let mut text = BASE64.encode(&checksum.value);
    if checksum.r#type() == ChecksumType::Composite && part_count > 0 {
        text.push_str(&format!("-{part_count}"));
    }
    text
}

/// Puts an object's or a part's checksum into an answer's headers.
pub fn put_headers(headers: &mut HeaderMap, checksum: Option<&v1::Checksum>, part_count: u32) {
    let Some(checksum) = checksum else { return };
    let Some(header) = checksum_header(checksum.algorithm()) else { return };
    if let Ok(value) = HeaderValue::try_from(written(checksum, part_count)) {
        headers.insert(HeaderName::from_static(header), value);
    }
    if let Some(kind) = type_name(checksum.r#type()) {
        headers.insert(TYPE, HeaderValue::from_static(kind));
    }
}

/// Writes a checksum as elements: `ChecksumCRC32` and, of an object, `ChecksumType`.
pub fn write_elements(xml: &mut Writer, checksum: Option<&v1::Checksum>, part_count: u32, with_type: bool) {
    let Some(checksum) = checksum else { return };
    let Some((_, _, element, _)) = row(checksum.algorithm()) else { return };
    xml.text(element, &written(checksum, part_count));
    if let Some(kind) = type_name(checksum.r#type()).filter(|_| with_type) {
        xml.text("ChecksumType", kind);
    }
}

/// What x-amz-checksum-algorithm asks for; None: the header is absent.
///
/// # Errors
/// `InvalidRequest` for an unknown name, `NotImplemented` for one that is not served.
pub fn asked_algorithm(headers: &HeaderMap) -> Result<Option<ChecksumAlgorithm>, S3Error> {
    let Some(value) = headers.get("x-amz-checksum-algorithm") else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    if let Some(row) = ALGORITHMS.iter().find(|row| row.1.eq_ignore_ascii_case(text)) {
        return Ok(Some(row.0));
    }
    if LATER_ALGORITHMS.iter().any(|later| later.eq_ignore_ascii_case(text)) {
        return Err(S3Error::not_implemented(&format!("the checksum algorithm {text}")));
    }
    Err(S3Error::with_message(
        ErrorCode::InvalidRequest,
        "Checksum algorithm provided is unsupported. Please try again with any of the valid types: \
         [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]",
    ))
}

/// What x-amz-checksum-type asks for.
///
/// # Errors
/// `InvalidRequest`.
pub fn asked_type(headers: &HeaderMap) -> Result<ChecksumType, S3Error> {
    let Some(value) = headers.get(TYPE) else { return Ok(ChecksumType::Default) };
    match value.to_str().unwrap_or_default().trim() {
        "FULL_OBJECT" => Ok(ChecksumType::FullObject),
        "COMPOSITE" => Ok(ChecksumType::Composite),
        _ => Err(S3Error::with_message(ErrorCode::InvalidRequest, "Value for x-amz-checksum-type header is invalid.")),
    }
}

/// The algorithm and type of a new upload, of which the client may name either.
///
/// # Errors
/// `InvalidRequest` for a type without an algorithm, and for pairs that S3 does not have.
pub fn of_new_upload(headers: &HeaderMap) -> Result<(ChecksumAlgorithm, ChecksumType), S3Error> {
    let algorithm = asked_algorithm(headers)?;
    let kind = asked_type(headers)?;
    let refused = |message: String| Err(S3Error::with_message(ErrorCode::InvalidRequest, message));
    let Some(algorithm) = algorithm else {
        return match kind {
            ChecksumType::Default => Ok((ChecksumAlgorithm::None, ChecksumType::Default)),
            ChecksumType::FullObject | ChecksumType::Composite => refused(
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.".into(),
            ),
        };
    };
    let default = match algorithm {
        ChecksumAlgorithm::None => ChecksumType::Default,
        ChecksumAlgorithm::Crc64nvme => ChecksumType::FullObject,
        ChecksumAlgorithm::Crc32 | ChecksumAlgorithm::Crc32c | ChecksumAlgorithm::Sha1 | ChecksumAlgorithm::Sha256 => {
            ChecksumType::Composite
        }
    };
    match (algorithm, kind) {
        (_, ChecksumType::Default) => Ok((algorithm, default)),
        (ChecksumAlgorithm::Crc32 | ChecksumAlgorithm::Crc32c, kind) => Ok((algorithm, kind)),
        (algorithm, kind) if kind == default => Ok((algorithm, kind)),
        (algorithm, kind) => refused(format!(
            "The {} checksum type cannot be used with the {} checksum algorithm.",
            type_name(kind).unwrap_or_default(),
            name(algorithm).unwrap_or_default().to_ascii_lowercase()
        )),
    }
}

/// The checksum of the whole object that comes with CompleteMultipartUpload.
///
/// # Errors
/// `InvalidRequest` when it is none, or there are several.
pub fn of_completion(headers: &HeaderMap) -> Result<Option<v1::Checksum>, S3Error> {
    let mut found = None;
    for (algorithm, name, _, _) in &ALGORITHMS {
        let Some(header) = checksum_header(*algorithm) else { continue };
        let Some(value) = headers.get(header) else { continue };
        let text = value.to_str().unwrap_or_default().trim();
        let (text, is_composite) = match text.rsplit_once('-') {
            Some((text, count)) if count.bytes().all(|byte| byte.is_ascii_digit()) => (text, true),
            _ => (text, false),
        };
        let Some(value) = decode(*algorithm, text) else {
            let message = format!("Value for x-amz-checksum-{} header is invalid.", name.to_ascii_lowercase());
            return Err(S3Error::with_message(ErrorCode::InvalidRequest, message));
        };
        let kind = match asked_type(headers)? {
            ChecksumType::Default if is_composite => ChecksumType::Composite,
            kind => kind,
        };
        let checksum = v1::Checksum { algorithm: (*algorithm).into(), r#type: kind.into(), value: value.into() };
        if found.replace(checksum).is_some() {
            let message = "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.";
            return Err(S3Error::with_message(ErrorCode::InvalidRequest, message));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn uploads_take_the_pairs_that_s3_has() {
        use ChecksumAlgorithm as A;
        use ChecksumType as T;
        for (algorithm, kind, expected) in [
            ("", "", Some((A::None, T::Default))),
            ("CRC32", "", Some((A::Crc32, T::Composite))),
            ("crc32c", "FULL_OBJECT", Some((A::Crc32c, T::FullObject))),
            ("CRC32", "COMPOSITE", Some((A::Crc32, T::Composite))),
            ("CRC64NVME", "", Some((A::Crc64nvme, T::FullObject))),
            ("CRC64NVME", "FULL_OBJECT", Some((A::Crc64nvme, T::FullObject))),
            ("CRC64NVME", "COMPOSITE", None),
            ("SHA1", "", Some((A::Sha1, T::Composite))),
            ("SHA1", "FULL_OBJECT", None),
            ("SHA256", "COMPOSITE", Some((A::Sha256, T::Composite))),
            ("SHA256", "FULL_OBJECT", None),
            ("", "FULL_OBJECT", None),
            ("CRC32", "PARTIAL", None),
            ("CRC16", "", None),
            ("XXHASH64", "", None),
        ] {
            let mut map = HeaderMap::new();
            if !algorithm.is_empty() {
                map.insert("x-amz-checksum-algorithm", algorithm.parse().unwrap());
            }
            if !kind.is_empty() {
                map.insert("x-amz-checksum-type", kind.parse().unwrap());
            }
            assert_eq!(of_new_upload(&map).ok(), expected, "{algorithm} {kind}");
        }
    }

    #[test]
    fn later_algorithms_are_not_implemented() {
        let error = asked_algorithm(&headers(&[("x-amz-checksum-algorithm", "XXHASH128")])).unwrap_err();
        assert_eq!(error.code(), ErrorCode::NotImplemented);
    }

    #[test]
    fn composite_values_tell_their_number_of_parts() {
        let mut checksum = v1::Checksum {
            algorithm: ChecksumAlgorithm::Crc32.into(),
            r#type: ChecksumType::Composite.into(),
            value: vec![0, 0, 0, 1].into(),
        };
        let mut map = HeaderMap::new();
        put_headers(&mut map, Some(&checksum), 3);
        assert_eq!(map["x-amz-checksum-crc32"], "AAAAAQ==-3");
        assert_eq!(map["x-amz-checksum-type"], "COMPOSITE");
        checksum.set_type(ChecksumType::FullObject);
        put_headers(&mut map, Some(&checksum), 3);
        assert_eq!(map["x-amz-checksum-crc32"], "AAAAAQ==");
    }

    #[test]
    fn a_completion_may_carry_one_checksum() {
        let checksum = of_completion(&headers(&[("x-amz-checksum-crc32", "AAAAAQ==")])).unwrap().unwrap();
        assert_eq!((checksum.algorithm(), checksum.r#type()), (ChecksumAlgorithm::Crc32, ChecksumType::Default));
        let checksum = of_completion(&headers(&[("x-amz-checksum-crc32", "AAAAAQ==-2")])).unwrap().unwrap();
        assert_eq!(checksum.r#type(), ChecksumType::Composite);
        assert_eq!(of_completion(&HeaderMap::new()).unwrap(), None);
        assert!(of_completion(&headers(&[("x-amz-checksum-crc32", "AAAA")])).is_err());
        let two = [("x-amz-checksum-crc32", "AAAAAQ=="), ("x-amz-checksum-crc32c", "AAAAAQ==")];
        assert!(of_completion(&headers(&two)).is_err());
    }
}
