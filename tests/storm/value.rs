//! Values and their bytes: each PUT writes something of its own, so that whoever reads it knows which one it was, and
//! whether each byte is right.

use md5::{Digest as _, Md5};
use weir_tests::linear::Value;
use weir_tests::noise;

/// One byte, what lies with the metadata, a record of a segment, a file, several blocks of a mebibyte.
const SIZES: [usize; 6] = [17, 900, 9_000, 120_000, 400_000, 2_500_000];
/// The largest are rare, or nothing else is measured.
const WEIGHTS: [u64; 6] = [10, 25, 40, 20, 4, 1];
const HEAD_BYTES: usize = 16;

/// The value of a client's write of that number.
pub fn value_of(client: u32, number: u64) -> Value {
    u64::from(client) << 40 | number
}

/// The bytes of a value: the value, their length, and noise.
pub fn content(value: Value) -> Vec<u8> {
    let size = size_of(value);
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
pub fn value_in(bytes: &[u8]) -> Result<Value, String> {
    let Some((head, _)) = bytes.split_first_chunk::<8>() else {
        return Err(format!("{} bytes, which no write wrote", bytes.len()));
    };
    let value = u64::from_be_bytes(*head);
    let expected = content(value);
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

fn size_of(value: Value) -> usize {
    let point = value.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
    let mut point = point % WEIGHTS.iter().sum::<u64>();
    for (size, weight) in SIZES.into_iter().zip(WEIGHTS) {
        if point < weight {
            return size;
        }
        point -= weight;
    }
    SIZES[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_known_by_its_bytes_and_any_other_byte_is_noticed() {
        for number in 0..50 {
            let value = value_of(3, number);
            let mut bytes = content(value);
            assert_eq!(value_in(&bytes), Ok(value));
            let at = bytes.len() - 1;
            bytes[at] ^= 1;
            assert!(value_in(&bytes).is_err());
            assert!(value_in(&bytes[..at]).is_err());
        }
    }
}
