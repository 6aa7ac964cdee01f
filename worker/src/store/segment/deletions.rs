//! What of a segment was deleted since its records were written: a file of 8-byte entries beside it, an offset and a
//! checksum of segment and offset.
//!
//! An entry that is lost or damaged only brings a block back that nothing refers to: the next inventory condemns it
//! again. So a wrong entry is skipped, and nothing here stops a start or a delete.

use super::Segment;
use crate::store::Shared;
use crate::store::checksum::crc32c;
use std::collections::HashSet;
use std::io;
use std::path::Path;
use weir_service::disk::Disk;

const ENTRY_BYTES: usize = 8;

fn encode(segment: u32, offset_bytes: u32) -> [u8; ENTRY_BYTES] {
    let mut bytes = [0; ENTRY_BYTES];
    bytes[..4].copy_from_slice(&offset_bytes.to_le_bytes());
    let mut covered = [0; 8];
    covered[..4].copy_from_slice(&segment.to_le_bytes());
    covered[4..].copy_from_slice(&offset_bytes.to_le_bytes());
    bytes[4..].copy_from_slice(&crc32c(&covered).to_le_bytes());
    bytes
}

/// The offsets of the records that were deleted.
pub fn read(disk: &dyn Disk, path: &Path, segment: u32) -> io::Result<HashSet<u32>> {
    if !disk.exists(path)? {
        return Ok(HashSet::new());
    }
    let file = disk.open(path)?;
    let mut bytes = vec![0; file.len()? as usize];
    file.read_exact_at(&mut bytes, 0)?;
    let entries = bytes.as_chunks::<ENTRY_BYTES>().0;
    Ok(entries
        .iter()
        .map(|entry| (entry, u32::from_le_bytes([entry[0], entry[1], entry[2], entry[3]])))
        .filter(|&(entry, offset)| *entry == encode(segment, offset))
        .map(|(_, offset)| offset)
        .collect())
}

/// Appends offsets and makes them durable. A failure is logged, no more; see above.
pub fn append(shared: &Shared, segment: &Segment, offsets: &[u32]) {
    let _one_writer = segment.deletions.lock();
    let path = shared.layout.segment_deletions(segment.number);
    let result = append_to(&*shared.disk, &path, segment.number, offsets).and_then(|created| match created {
        true => shared.folders.sync(&shared.layout.segments),
        false => Ok(()),
    });
    if let Err(error) = result {
        tracing::warn!(path = %path.display(), %error, "deletions were not recorded; these blocks may come back as garbage");
    }
}

fn append_to(disk: &dyn Disk, path: &Path, segment: u32, offsets: &[u32]) -> io::Result<bool> {
    let created = !disk.exists(path)?;
    let file = if created { disk.create_new(path)? } else { disk.open(path)? };
    // A torn entry at the end is stepped over.
    let end = file.len()?.next_multiple_of(ENTRY_BYTES as u64);
    let bytes: Vec<u8> = offsets.iter().flat_map(|&offset| encode(segment, offset)).collect();
    file.write_all_at(&bytes, end)?;
    file.sync_data()?;
    Ok(created)
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_service::disk::SystemDisk;

    #[test]
    fn a_torn_or_wrong_entry_loses_itself_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.deleted");
        assert!(append_to(&SystemDisk, &path, 4, &[0, 64, 128]).unwrap());
        let file = SystemDisk.open(&path).unwrap();
        file.write_all_at(&[9], 9).unwrap();
        file.set_len(21).unwrap();
        assert!(!append_to(&SystemDisk, &path, 4, &[256]).unwrap());
        assert_eq!(read(&SystemDisk, &path, 4).unwrap(), HashSet::from([0, 256]));
        assert_eq!(read(&SystemDisk, &path, 5).unwrap(), HashSet::new());
    }
}
