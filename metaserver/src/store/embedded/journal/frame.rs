//! A frame: the changes of one group commit, as they lie in a journal segment.
//!
//! | bytes | what, little endian |
//! |---|---|
//! | 0..4 | `WFRM` |
//! | 4..8 | length of the payload |
//! | 8..16, 16..24 | sequence of the first and of the last commit in it |
//! | 24..32 | the durable mark: the last sequence that was known to be on disk when this frame was written |
//! | 32..36 | CRC32C of the payload |
//! | 36..40 | the run: a random number of the store that wrote the frame first, from its opening to its end |
//! | 40..44 | CRC32C of the segment's salt, the frame's offset, and bytes 0..40 |
//! | 44..48 | zero |
//!
//! The payload follows, then zeros up to a multiple of 8. Salt and offset are in the checksum so that bytes of an older
//! file, or a value that looks like a frame, are none. Sequence, run and the payload's CRC together name a frame for
//! other machines: two journals that have one in common have all before it in common too.

use crc_fast::crc32_iscsi as crc32c;

pub(in super::super) const FRAME_HEADER_BYTES: usize = 48;
/// Frames begin at multiples of this.
pub(super) const ALIGNMENT: u64 = 8;
pub(super) const MAGIC: [u8; 4] = *b"WFRM";

/// What a frame says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct FrameHeader {
    pub first: u64,
    pub last: u64,
    pub durable: u64,
    pub payload_bytes: u32,
    pub payload_crc: u32,
    pub run: u32,
}

/// Names a frame among all that were ever written at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameId {
    /// Sequence of its last commit.
    pub last: u64,
    pub run: u32,
    pub payload_crc: u32,
}

impl FrameHeader {
    pub fn id(&self) -> FrameId {
        FrameId { last: self.last, run: self.run, payload_crc: self.payload_crc }
    }

    /// Bytes from this frame's start to the next one's.
    pub fn stride(&self) -> u64 {
        stride(u64::from(self.payload_bytes))
    }

    pub fn encode(&self, salt: u64, offset: u64) -> [u8; FRAME_HEADER_BYTES] {
        let mut bytes = [0; FRAME_HEADER_BYTES];
        bytes[0..4].copy_from_slice(&MAGIC);
        bytes[4..8].copy_from_slice(&self.payload_bytes.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.first.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.last.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.durable.to_le_bytes());
        bytes[32..36].copy_from_slice(&self.payload_crc.to_le_bytes());
        bytes[36..40].copy_from_slice(&self.run.to_le_bytes());
        let crc = header_crc(&bytes, salt, offset);
        bytes[40..44].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// `None`: no frame of this segment begins at this offset.
    pub fn decode(bytes: &[u8; FRAME_HEADER_BYTES], salt: u64, offset: u64) -> Option<Self> {
        if bytes[0..4] != MAGIC || u32_at(bytes, 40) != header_crc(bytes, salt, offset) {
            return None;
        }
        let header = Self {
            first: u64_at(bytes, 8),
            last: u64_at(bytes, 16),
            durable: u64_at(bytes, 24),
            payload_bytes: u32_at(bytes, 4),
            payload_crc: u32_at(bytes, 32),
            run: u32_at(bytes, 36),
        };
        // After the last number that there is no commit could come.
        let has_next = header.last < u64::MAX;
        (header.first <= header.last && header.durable < header.first && has_next).then_some(header)
    }

    pub fn fits(&self, payload: &[u8]) -> bool {
        payload.len() == self.payload_bytes as usize && crc32c(payload) == self.payload_crc
    }
}

/// Bytes of a frame with so long a payload, up to the next one.
pub(in super::super) fn stride(payload_bytes: u64) -> u64 {
    (FRAME_HEADER_BYTES as u64 + payload_bytes).next_multiple_of(ALIGNMENT)
}

fn header_crc(bytes: &[u8; FRAME_HEADER_BYTES], salt: u64, offset: u64) -> u32 {
    let mut covered = [0; 56];
    covered[0..8].copy_from_slice(&salt.to_le_bytes());
    covered[8..16].copy_from_slice(&offset.to_le_bytes());
    covered[16..56].copy_from_slice(&bytes[0..40]);
    crc32c(&covered)
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4].iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes[at..at + 8].iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: FrameHeader =
        FrameHeader { first: 7, last: 9, durable: 6, payload_bytes: 1000, payload_crc: 0xdead_beef, run: 3 };

    #[test]
    fn a_header_is_known_only_at_its_place_in_its_segment() {
        let bytes = HEADER.encode(11, 64);
        assert_eq!(FrameHeader::decode(&bytes, 11, 64), Some(HEADER));
        assert_eq!(FrameHeader::decode(&bytes, 12, 64), None);
        assert_eq!(FrameHeader::decode(&bytes, 11, 72), None);
    }

    #[test]
    fn a_header_without_an_order_of_commits_is_none() {
        for (first, last, durable) in [(7, 6, 5), (7, 9, 7), (7, 9, 8), (7, u64::MAX, 6), (0, 0, 0)] {
            let header = FrameHeader { first, last, durable, ..HEADER };
            assert_eq!(FrameHeader::decode(&header.encode(11, 64), 11, 64), None, "{header:?}");
        }
    }

    #[test]
    fn a_header_with_any_bit_flipped_is_none() {
        // The last four bytes carry nothing.
        for bit in 0..(FRAME_HEADER_BYTES - 4) * 8 {
            let mut bytes = HEADER.encode(11, 64);
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(FrameHeader::decode(&bytes, 11, 64), None, "bit {bit}");
        }
    }
}
