//! Values and their bytes: each PUT writes something of its own, so that whoever reads it knows which one it was, and
//! whether each byte is right.

use crate::linear::Value;
use crate::noise;
use md5::{Digest as _, Md5};

const HEAD_BYTES: usize = 16;

/// How long the values of a load are, in bytes, and how often each length comes, beside the others.
pub type Sizes = [(usize, u64)];

/// The value of a client's write of that number.
pub fn value_of(client: u32, number: u64) -> Value {
    u64::from(client) << 40 | number
}

/// The bytes of a value: the value, their length, and noise.
pub fn content(sizes: &Sizes, value: Value) -> Vec<u8> {
    let size = size_of(sizes, value);
    let mut bytes = Vec::with_capacity(size);
    bytes.extend_from_slice(&value.to_be_bytes());
    bytes.extend_from_slice(&(size as u64).to_be_bytes());
    bytes.extend_from_slice(&noise(value, size - HEAD_BYTES));
    bytes
}

/// The value that these are the bytes of.
///
/// # Errors
/// What is wrong with them.
pub fn value_in(sizes: &Sizes, bytes: &[u8]) -> Result<Value, String> {
    let Some((head, _)) = bytes.split_first_chunk::<8>() else {
        return Err(format!("{} bytes, which no write wrote", bytes.len()));
    };
    let value = u64::from_be_bytes(*head);
    let expected = content(sizes, value);
    if expected == bytes {
        return Ok(value);
    }
    let at = expected.iter().zip(bytes).position(|(a, b)| a != b).unwrap_or(expected.len().min(bytes.len()));
    Err(format!("{} bytes of value {value:x}, which has {}, differ from byte {at} on", bytes.len(), expected.len()))
}

/// Its ETag: of one PUT, or of an upload of one part.
pub fn etag(content: &[u8], is_upload: bool) -> String {
    let digest = Md5::digest(content);
    if is_upload { format!("{}-1", hex::encode(Md5::digest(digest))) } else { hex::encode(digest) }
}

fn size_of(sizes: &Sizes, value: Value) -> usize {
    let point = value.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
    let mut point = point % sizes.iter().map(|(_, weight)| weight).sum::<u64>();
    for &(size, weight) in sizes {
        if point < weight {
            return size.max(HEAD_BYTES);
        }
        point -= weight;
    }
    HEAD_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: &Sizes = &[(17, 1), (900, 2)];

    #[test]
    fn a_value_is_known_by_its_bytes_and_any_other_byte_is_noticed() {
        for number in 0..50 {
            let value = value_of(3, number);
            let mut bytes = content(SIZES, value);
            assert_eq!(value_in(SIZES, &bytes), Ok(value));
            let at = bytes.len() - 1;
            bytes[at] ^= 1;
            assert!(value_in(SIZES, &bytes).is_err());
            assert!(value_in(SIZES, &bytes[..at]).is_err());
        }
    }
}
