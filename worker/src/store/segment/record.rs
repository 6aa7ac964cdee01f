//! A record of a segment: a header that says whose bytes follow, their checksums, the bytes.
//!
//! ```text
//! 0   magic "WREC"            4
//! 4   version                 2
//! 6   kind: 1 block, 2 mark   2
//! 8   block id                8
//! 16  length of the block     4
//! 20  segment                 4
//! 24  offset of this record   4
//! 28  durable mark            4   what of this segment was known to be on disk when this was written
//! 32  CRC32C of the block     4
//! 36  zero                    8
//! 44  CRC32C of 0 to 44 and of the page checksums
//! 48  CRC32C of each 64 KiB
//! …   the block's bytes, then zeros up to a multiple of 8
//! ```
//! Segment and offset are in it so that a misdirected write is noticed. A record of kind mark has no bytes: it is
//! written when the appender falls idle, so that the mark covers the last block too.

use crate::store::checksum::{crc32c, page_count};
use weir_proto::BlockId;

pub const FIXED_BYTES: usize = 48;
pub const ALIGNMENT: u64 = 8;
pub const MAGIC: &[u8; 4] = b"WREC";
pub const VERSION: u16 = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Block,
    Mark,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub kind: Kind,
    pub id: BlockId,
    pub length_bytes: u32,
    pub segment: u32,
    pub offset_bytes: u32,
    pub durable_bytes: u32,
    pub block_crc: u32,
}

/// Header and page checksums together.
pub fn header_bytes(length_bytes: u32) -> usize {
    FIXED_BYTES + 4 * page_count(u64::from(length_bytes)) as usize
}

/// The whole record.
pub fn record_bytes(length_bytes: u32) -> u64 {
    (header_bytes(length_bytes) as u64 + u64::from(length_bytes)).next_multiple_of(ALIGNMENT)
}

impl Header {
    /// Appends the header and the page checksums.
    pub fn encode(&self, page_crcs: &[u32], out: &mut Vec<u8>) {
        debug_assert_eq!(page_crcs.len() as u64, page_count(u64::from(self.length_bytes)));
        let start = out.len();
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        let kind: u16 = match self.kind {
            Kind::Block => 1,
            Kind::Mark => 2,
        };
        out.extend_from_slice(&kind.to_le_bytes());
        out.extend_from_slice(&self.id.0.to_le_bytes());
        let words = [self.length_bytes, self.segment, self.offset_bytes, self.durable_bytes, self.block_crc, 0, 0, 0];
        out.extend(words.iter().chain(page_crcs).flat_map(|word| word.to_le_bytes()));
        seal(&mut out[start..]);
    }

    /// The fixed part, not yet compared with its checksum; None: no record begins so.
    pub fn peek(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..FIXED_BYTES)?;
        let u16_at = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let u32_at = |at: usize| u32::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
        let kind = match u16_at(6) {
            1 => Kind::Block,
            2 => Kind::Mark,
            _ => return None,
        };
        (&bytes[..4] == MAGIC && u16_at(4) == VERSION).then(|| Self {
            kind,
            id: BlockId(u64::from_le_bytes(std::array::from_fn(|i| bytes[8 + i]))),
            length_bytes: u32_at(16),
            segment: u32_at(20),
            offset_bytes: u32_at(24),
            durable_bytes: u32_at(28),
            block_crc: u32_at(32),
        })
    }

    /// The version in the fixed part of a header that a newer build may have written, and the length of its block. Where
    /// these lie, and the checksum, are the same in all versions.
    pub fn peek_newer(fixed: &[u8; FIXED_BYTES]) -> Option<(u16, u32)> {
        let version = u16::from_le_bytes([fixed[4], fixed[5]]);
        let length_bytes = u32::from_le_bytes(std::array::from_fn(|i| fixed[16 + i]));
        (fixed.starts_with(MAGIC) && version > VERSION).then_some((version, length_bytes))
    }

    /// Whether `bytes`, which begin with this header and hold all page checksums, match the header's checksum.
    pub fn is_right(&self, bytes: &[u8]) -> bool {
        bytes.get(..header_bytes(self.length_bytes)).is_some_and(|bytes| is_sealed(bytes) && bytes[36..44] == [0; 8])
    }

    /// The page checksums behind the fixed part.
    pub fn page_crcs(&self, bytes: &[u8]) -> Vec<u32> {
        let bytes = &bytes[FIXED_BYTES..header_bytes(self.length_bytes)];
        bytes.as_chunks::<4>().0.iter().map(|&chunk| u32::from_le_bytes(chunk)).collect()
    }
}

/// Gives a header its checksum.
pub fn seal(header: &mut [u8]) {
    let crc = header_crc(header);
    header[44..48].copy_from_slice(&crc.to_le_bytes());
}

/// Whether a header's checksum is right.
pub fn is_sealed(header: &[u8]) -> bool {
    header[44..48] == header_crc(header).to_le_bytes()
}

/// Over all of the header but the field of its own checksum.
fn header_crc(bytes: &[u8]) -> u32 {
    let page_crcs = crc32c(&bytes[FIXED_BYTES..]);
    let mut digest = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi);
    digest.update(&bytes[..44]);
    digest.update(&page_crcs.to_le_bytes());
    digest.finalize() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header {
            kind: Kind::Block,
            id: BlockId(0x0102_0304_0506_0708),
            length_bytes: 70_000,
            segment: 3,
            offset_bytes: 4096,
            durable_bytes: 4000,
            block_crc: 9,
        }
    }

    #[test]
    fn a_header_survives_and_no_flipped_byte_goes_unnoticed() {
        let mut bytes = Vec::new();
        header().encode(&[5, 6], &mut bytes);
        assert_eq!(bytes.len(), header_bytes(70_000));
        assert_eq!(Header::peek(&bytes), Some(header()));
        assert!(header().is_right(&bytes));
        assert_eq!(header().page_crcs(&bytes), [5, 6]);
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            assert!(!Header::peek(&flipped).is_some_and(|header| header.is_right(&flipped)), "byte {at}");
        }
    }

    #[test]
    fn records_are_aligned() {
        assert_eq!(record_bytes(0), 48);
        assert_eq!(record_bytes(1), 56);
        assert_eq!(record_bytes(65_536), 48 + 4 + 65_536 + 4);
    }
}
