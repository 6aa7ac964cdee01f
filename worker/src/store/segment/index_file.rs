//! What a sealed segment holds, so that a start need not read it.
//!
//! ```text
//! magic "WEIRIDX\0" 8, version 4, segment 4, length of the segment 8, count 8
//! count × (block id 8, offset 4, length 4)
//! CRC32C of all before, 4
//! ```
//! An index file that is missing or wrong costs a scan of its segment, nothing else.

use super::Entry;
use crate::store::checksum::crc32c;
use std::io;
use std::path::Path;
use weir_proto::BlockId;
use weir_service::disk::Disk;

const MAGIC: &[u8; 8] = b"WEIRIDX\0";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 32;
const ENTRY_BYTES: usize = 16;

fn encode(segment: u32, segment_bytes: u64, entries: &[Entry]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_BYTES + ENTRY_BYTES * entries.len() + 4);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&segment.to_le_bytes());
    out.extend_from_slice(&segment_bytes.to_le_bytes());
    out.extend_from_slice(&(entries.len() as u64).to_le_bytes());
    for entry in entries {
        out.extend_from_slice(&entry.id.0.to_le_bytes());
        out.extend_from_slice(&entry.offset_bytes.to_le_bytes());
        out.extend_from_slice(&entry.length_bytes.to_le_bytes());
    }
    let crc = crc32c(&out);
    out.extend_from_slice(&crc.to_le_bytes());
    out
}

fn decode(segment: u32, bytes: &[u8]) -> Option<(u64, Vec<Entry>)> {
    let (body, crc) = bytes.split_last_chunk::<4>()?;
    let (header, entries) = body.split_at_checked(HEADER_BYTES)?;
    let u64_at = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| header[at + i]));
    let right = u32::from_le_bytes(*crc) == crc32c(body)
        && &header[..8] == MAGIC
        && header[8..12] == VERSION.to_le_bytes()
        && header[12..16] == segment.to_le_bytes()
        && u64_at(24).checked_mul(ENTRY_BYTES as u64) == Some(entries.len() as u64);
    right.then(|| (u64_at(16), entries.as_chunks::<ENTRY_BYTES>().0.iter().map(decode_entry).collect()))
}

fn decode_entry(bytes: &[u8; ENTRY_BYTES]) -> Entry {
    let u32_at = |at: usize| u32::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
    Entry {
        id: BlockId(u64::from_le_bytes(std::array::from_fn(|i| bytes[i]))),
        offset_bytes: u32_at(8),
        length_bytes: u32_at(12),
    }
}

/// Writes the index file of a segment whose records are all on disk; a former one is replaced. The name becomes
/// durable with the folder's next fsync.
pub fn write(disk: &dyn Disk, path: &Path, segment: u32, segment_bytes: u64, entries: &[Entry]) -> io::Result<()> {
    if disk.exists(path)? {
        disk.remove_file(path)?;
    }
    let file = disk.create_new(path)?;
    let result = file.write_all_at(&encode(segment, segment_bytes, entries), 0).and_then(|()| file.sync_data());
    if result.is_err() {
        disk.remove_file(path)?;
    }
    result
}

/// The segment's length and its blocks; None: there is no index file that could be believed.
pub fn read(disk: &dyn Disk, path: &Path, segment: u32) -> io::Result<Option<(u64, Vec<Entry>)>> {
    if !disk.exists(path)? {
        return Ok(None);
    }
    let file = disk.open(path)?;
    let mut bytes = vec![0; file.len()? as usize];
    if let Err(error) = file.read_exact_at(&mut bytes, 0) {
        return if crate::store::error::is_damage(&error) { Ok(None) } else { Err(error) };
    }
    Ok(decode(segment, &bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_survives_and_no_flipped_or_missing_byte_goes_unnoticed() {
        let entries: Vec<Entry> =
            (0..3).map(|i| Entry { id: BlockId(i), offset_bytes: i as u32 * 64, length_bytes: 7 }).collect();
        let bytes = encode(9, 192, &entries);
        assert_eq!(decode(9, &bytes), Some((192, entries)));
        assert_eq!(decode(8, &bytes), None);
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x80;
            assert_eq!(decode(9, &flipped), None, "byte {at}");
            assert_eq!(decode(9, &bytes[..at]), None, "length {at}");
        }
    }
}
