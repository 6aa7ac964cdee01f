//! The bytes of a block file around the block's own.

use crate::store::checksum::{Checksums, PAGE_BYTES, crc32c, page_count};
use weir_proto::BlockId;

/// Where the block's bytes begin.
pub const DATA_OFFSET: u64 = 4096;
/// Where the first summary lies.
pub const SUMMARY_OFFSET: u64 = 512;
pub const HEADER_BYTES: usize = 32;
pub const SUMMARY_BYTES: usize = 48;

const HEADER_MAGIC: &[u8; 8] = b"WEIRBLK\0";
const SUMMARY_MAGIC: &[u8; 8] = b"WEIRSUM\0";
pub const VERSION: u32 = 1;

/// The length of the whole file.
pub fn file_bytes(length_bytes: u64) -> u64 {
    trailer_offset(length_bytes) + SUMMARY_BYTES as u64
}

/// The length of the block in a whole file of this length; `None`: no block's file has it.
pub fn length_bytes(file_bytes: u64) -> Option<u64> {
    let rest = file_bytes.checked_sub(DATA_OFFSET + SUMMARY_BYTES as u64)?;
    let length_bytes = rest.checked_sub(rest.div_ceil(PAGE_BYTES + 4) * 4)?;
    (self::file_bytes(length_bytes) == file_bytes).then_some(length_bytes)
}

/// Where the page checksums lie.
pub fn page_crcs_offset(length_bytes: u64) -> u64 {
    DATA_OFFSET + length_bytes
}

/// Where the second summary lies.
pub fn trailer_offset(length_bytes: u64) -> u64 {
    page_crcs_offset(length_bytes) + page_count(length_bytes) * 4
}

/// magic 8, version 4, zero 4, block id 8, zero 4, CRC 4.
pub fn encode_header(id: BlockId) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    bytes[0..8].copy_from_slice(HEADER_MAGIC);
    bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
    bytes[16..24].copy_from_slice(&id.0.to_le_bytes());
    let crc = crc32c(&bytes[..28]);
    bytes[28..32].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// The version of a header that a newer build wrote.
pub fn newer_version(header: &[u8; HEADER_BYTES]) -> Option<u32> {
    let u32_at = |at: usize| u32::from_le_bytes(std::array::from_fn(|i| header[at + i]));
    let version = u32_at(8);
    let is_right = header.starts_with(HEADER_MAGIC) && u32_at(28) == crc32c(&header[..28]);
    (is_right && version > VERSION).then_some(version)
}

/// What a finished file says of its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    pub id: BlockId,
    pub length_bytes: u64,
    pub block_crc: u32,
    /// CRC32C of the page checksums as they lie in the file.
    pub page_crcs_crc: u32,
}

/// Whether a summary lies where one should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    Valid(Summary),
    /// Zeros, or the file ends before: never written.
    Blank,
    /// Something else.
    Bad,
}

impl Summary {
    pub fn of(id: BlockId, checksums: &Checksums) -> Self {
        Self {
            id,
            length_bytes: checksums.length_bytes,
            block_crc: checksums.block_crc,
            page_crcs_crc: crc32c(&encode_page_crcs(&checksums.page_crcs)),
        }
    }

    /// block id 8, length 8, block CRC 4, CRC of page checksums 4, version 4, zero 8, CRC 4, magic 8.
    pub fn encode(&self) -> [u8; SUMMARY_BYTES] {
        let mut bytes = [0; SUMMARY_BYTES];
        bytes[0..8].copy_from_slice(&self.id.0.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.length_bytes.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.block_crc.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.page_crcs_crc.to_le_bytes());
        bytes[24..28].copy_from_slice(&VERSION.to_le_bytes());
        let crc = crc32c(&bytes[..36]);
        bytes[36..40].copy_from_slice(&crc.to_le_bytes());
        bytes[40..48].copy_from_slice(SUMMARY_MAGIC);
        bytes
    }

    pub fn decode(id: BlockId, bytes: &[u8; SUMMARY_BYTES]) -> Found {
        if bytes.iter().all(|&byte| byte == 0) {
            return Found::Blank;
        }
        let u64_at = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
        let u32_at = |at: usize| u32::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
        let summary =
            Self { id: BlockId(u64_at(0)), length_bytes: u64_at(8), block_crc: u32_at(16), page_crcs_crc: u32_at(20) };
        let right = u32_at(36) == crc32c(&bytes[..36])
            && u32_at(24) == VERSION
            && &bytes[40..] == SUMMARY_MAGIC
            && summary.id == id
            && u32::try_from(summary.length_bytes).is_ok();
        if right { Found::Valid(summary) } else { Found::Bad }
    }
}

pub fn encode_page_crcs(page_crcs: &[u32]) -> Vec<u8> {
    page_crcs.iter().flat_map(|crc| crc.to_le_bytes()).collect()
}

pub fn decode_page_crcs(bytes: &[u8]) -> Vec<u32> {
    bytes.as_chunks::<4>().0.iter().map(|&chunk| u32::from_le_bytes(chunk)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_a_block_follows_from_that_of_its_file() {
        let around = |length_bytes: u64| length_bytes.saturating_sub(3)..length_bytes + 6;
        for length in [0, PAGE_BYTES, 2 * PAGE_BYTES, 9 * PAGE_BYTES, 1 << 30].into_iter().flat_map(around) {
            assert_eq!(length_bytes(file_bytes(length)), Some(length));
        }
        // Between the last file with one page and the first with two.
        assert_eq!(length_bytes(file_bytes(PAGE_BYTES) + 1), None);
        assert_eq!(length_bytes(DATA_OFFSET), None);
    }

    #[test]
    fn a_summary_is_believed_only_as_it_was_written_and_for_its_own_block() {
        let summary = Summary { id: BlockId(7), length_bytes: 300_000, block_crc: 1, page_crcs_crc: 2 };
        let bytes = summary.encode();
        assert_eq!(Summary::decode(BlockId(7), &bytes), Found::Valid(summary));
        assert_eq!(Summary::decode(BlockId(8), &bytes), Found::Bad);
        for at in 0..SUMMARY_BYTES {
            let mut flipped = bytes;
            flipped[at] ^= 4;
            assert_eq!(Summary::decode(BlockId(7), &flipped), Found::Bad, "byte {at}");
        }
        assert_eq!(Summary::decode(BlockId(7), &[0; SUMMARY_BYTES]), Found::Blank);
    }
}
