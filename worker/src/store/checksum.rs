//! CRC32C (Castagnoli) of a block: one for each 64 KiB, which reads verify, and one for all of it, which the contract
//! carries.

use crc_fast::{CrcAlgorithm, Digest};
use weir_service::planted::{Fault, planted};

/// What one checksum covers, in bytes; the last page of a block may be shorter.
pub const PAGE_BYTES: u64 = 64 * 1024;

pub fn crc32c(bytes: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(bytes)
}

/// How many pages a block of this length has.
pub fn page_count(length_bytes: u64) -> u64 {
    length_bytes.div_ceil(PAGE_BYTES)
}

/// All checksums of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checksums {
    pub length_bytes: u64,
    pub block_crc: u32,
    pub page_crcs: Vec<u32>,
}

/// Computes [`Checksums`] over bytes that come in pieces of any size.
pub struct Checksummer {
    length_bytes: u64,
    block: Digest,
    page: Digest,
    page_crcs: Vec<u32>,
}

impl Checksummer {
    pub fn new() -> Self {
        let digest = Digest::new(CrcAlgorithm::Crc32Iscsi);
        Self { length_bytes: 0, block: digest, page: digest, page_crcs: Vec::new() }
    }

    pub fn length_bytes(&self) -> u64 {
        self.length_bytes
    }

    pub fn update(&mut self, mut data: &[u8]) {
        self.block.update(data);
        while !data.is_empty() {
            let filled = self.length_bytes % PAGE_BYTES;
            let (piece, rest) = data.split_at(data.len().min((PAGE_BYTES - filled) as usize));
            self.page.update(piece);
            self.length_bytes += piece.len() as u64;
            if self.length_bytes.is_multiple_of(PAGE_BYTES) {
                self.page_crcs.push(self.page.finalize_reset() as u32);
            }
            data = rest;
        }
    }

    pub fn finish(mut self) -> Checksums {
        if !self.length_bytes.is_multiple_of(PAGE_BYTES) {
            self.page_crcs.push(self.page.finalize() as u32);
        }
        Checksums {
            length_bytes: self.length_bytes,
            block_crc: self.block.finalize() as u32,
            page_crcs: self.page_crcs,
        }
    }
}

/// The first page of `data`, which begins at a page's start, that does not have its checksum; None: all are right.
pub fn wrong_page(data: &[u8], page_crcs: &[u32]) -> Option<usize> {
    debug_assert!(page_count(data.len() as u64) <= page_crcs.len() as u64);
    if planted(Fault::ReadCrcUnchecked) {
        return None;
    }
    data.chunks(PAGE_BYTES as usize).zip(page_crcs).position(|(page, &crc)| crc32c(page) != crc)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_check_value_is_the_one_of_the_standard() {
        // RFC 3720, B.4.
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
    }

    #[test]
    fn an_empty_block_has_no_page() {
        let sums = Checksummer::new().finish();
        assert_eq!(sums, Checksums { length_bytes: 0, block_crc: crc32c(b""), page_crcs: vec![] });
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn pieces_of_any_size_give_the_sums_of_the_whole(length in 0usize..200_000, cuts in prop::collection::vec(1usize..90_000, 1..9)) {
            let data: Vec<u8> = (0..length).map(|i| ((i * 31) >> 3) as u8).collect();
            let mut summer = Checksummer::new();
            let mut rest = &data[..];
            for cut in cuts.iter().cycle() {
                if rest.is_empty() { break; }
                let (piece, tail) = rest.split_at(rest.len().min(*cut));
                summer.update(piece);
                rest = tail;
            }
            let sums = summer.finish();
            prop_assert_eq!(sums.block_crc, crc32c(&data));
            prop_assert_eq!(sums.page_crcs.len() as u64, page_count(length as u64));
            prop_assert_eq!(wrong_page(&data, &sums.page_crcs), None);
            if length > 0 {
                let mut flipped = data.clone();
                flipped[length / 2] ^= 1;
                prop_assert_eq!(wrong_page(&flipped, &sums.page_crcs), Some(length / 2 / PAGE_BYTES as usize));
            }
        }
    }
}
