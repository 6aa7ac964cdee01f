//! Continuation tokens of ListObjectsV2: opaque to clients, and refused when one was made up or changed.

use crate::error::S3Error;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use bytes::Bytes;

/// Version, then a CRC32 of what follows (big endian), then the key or common prefix that comes next.
const VERSION: u8 = 1;
const HEADER_BYTES: usize = 5;

pub fn encode(next: &[u8]) -> String {
    let mut token = Vec::with_capacity(HEADER_BYTES + next.len());
    token.push(VERSION);
    token.extend_from_slice(&digest(next).to_be_bytes());
    token.extend_from_slice(next);
    BASE64.encode(token)
}

/// # Errors
/// `InvalidArgument`.
pub fn decode(text: &str) -> Result<Bytes, S3Error> {
    parse(text).ok_or_else(|| {
        S3Error::invalid_argument("continuation-token", text, "The continuation token provided is incorrect")
    })
}

fn parse(text: &str) -> Option<Bytes> {
    let token = BASE64.decode(text).ok()?;
    let (&version, rest) = token.split_first()?;
    let (expected, next) = rest.split_first_chunk::<4>()?;
    (version == VERSION && u32::from_be_bytes(*expected) == digest(next)).then(|| Bytes::copy_from_slice(next))
}

fn digest(bytes: &[u8]) -> u32 {
    // The lower half is the CRC.
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32IsoHdlc, bytes) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_was_made_up_is_refused() {
        for text in ["", "nonsense", "AAAA", "key3", "AQAAAAA", "\0"] {
            assert!(decode(text).is_err() || decode(text).unwrap().is_empty(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_token_comes_back_and_a_changed_one_does_not(next in any::<Vec<u8>>(), at in any::<prop::sample::Index>()) {
            let token = encode(&next);
            prop_assert_eq!(decode(&token).unwrap(), next);
            let mut changed = token.into_bytes();
            let at = at.index(changed.len());
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            // Bits beyond the last byte make no difference, and are refused as well.
            prop_assert!(decode(std::str::from_utf8(&changed).unwrap()).is_err());
        }
    }
}
