//! Digests as S3's headers carry them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crc_fast::CrcAlgorithm;
use md5::{Digest as _, Md5};

/// MD5 as an ETag has it: hexadecimal.
pub fn md5_hex(data: &[u8]) -> String {
    hex::encode(Md5::digest(data))
}

/// An ETag as headers and documents show it: MD5 in quotes.
pub fn etag(data: &[u8]) -> String {
    format!("\"{}\"", md5_hex(data))
}

/// The ETag of a multipart object: MD5 of the parts' MD5s, `-` and their number, in quotes.
pub fn multipart_etag(parts: &[&[u8]]) -> String {
    let mut all = Md5::new();
    for part in parts {
        all.update(Md5::digest(part));
    }
    format!("\"{}-{}\"", hex::encode(all.finalize()), parts.len())
}

/// The value of Content-MD5.
pub fn content_md5(data: &[u8]) -> String {
    STANDARD.encode(Md5::digest(data))
}

/// SHA-256 in hexadecimal, as `x-amz-content-sha256` has it.
pub fn sha256_hex(data: &[u8]) -> String {
    hex::encode(sha2::Sha256::digest(data))
}

/// The algorithms of `x-amz-checksum-NAME`, in lower case.
pub const CHECKSUMS: [&str; 5] = ["crc32", "crc32c", "crc64nvme", "sha1", "sha256"];

/// A checksum's bytes.
///
/// # Panics
/// On an unknown name.
pub fn checksum_bytes(name: &str, data: &[u8]) -> Vec<u8> {
    let crc = |algorithm| crc_fast::checksum(algorithm, data);
    match name {
        "crc32" => crc(CrcAlgorithm::Crc32IsoHdlc).to_be_bytes()[4..].to_vec(),
        "crc32c" => crc(CrcAlgorithm::Crc32Iscsi).to_be_bytes()[4..].to_vec(),
        "crc64nvme" => crc(CrcAlgorithm::Crc64Nvme).to_be_bytes().to_vec(),
        "sha1" => sha1::Sha1::digest(data).to_vec(),
        "sha256" => sha2::Sha256::digest(data).to_vec(),
        _ => panic!("unknown checksum {name}"),
    }
}

/// A checksum as `x-amz-checksum-NAME` has it: base64.
pub fn checksum(name: &str, data: &[u8]) -> String {
    STANDARD.encode(checksum_bytes(name, data))
}

/// The COMPOSITE checksum of a multipart object: the checksum of the parts' checksums, `-` and their number.
pub fn composite_checksum(name: &str, parts: &[&[u8]]) -> String {
    let all: Vec<u8> = parts.iter().flat_map(|part| checksum_bytes(name, part)).collect();
    format!("{}-{}", checksum(name, &all), parts.len())
}

/// Base64, for vectors made wrong on purpose.
pub fn base64_of(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_of_the_check_string_are_the_published_ones() {
        let check = b"123456789";
        assert_eq!(hex::encode(checksum_bytes("crc32", check)), "cbf43926");
        assert_eq!(hex::encode(checksum_bytes("crc32c", check)), "e3069283");
        assert_eq!(hex::encode(checksum_bytes("crc64nvme", check)), "ae8b14860a799888");
        assert_eq!(md5_hex(b""), "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(content_md5(b""), "1B2M2Y8AsgTpgAmY7PhCfg==");
    }
}
