//! Where things lie in a worker's data folder, and how they are named.
//!
//! | path | what |
//! |---|---|
//! | `identity` | the worker's id and cluster |
//! | `disk` | the folder's own id, and those of the worker's other folders |
//! | `files/HH/BLOCK.block` | a large block; `HH` spreads them over 256 folders |
//! | `segments/NUMBER.segment` | small blocks, appended |
//! | `segments/NUMBER.index` | what a sealed segment holds |
//! | `segments/NUMBER.deleted` | what of it was deleted since |
//! | `quarantine/BLOCK.block` | a damaged block file |
//! | `quarantine/BLOCK-NUMBER-OFFSET.record` | a damaged record of a segment |
//! | `quarantine/NUMBER-OFFSET.bytes` | bytes of a segment that are no record any more |
//!
//! All numbers are hexadecimal.

use super::index::Place;
use std::path::{Path, PathBuf};
use weir_proto::BlockId;

/// Neighbours in time share a folder, so that one fsync of it serves many writers.
const BLOCKS_PER_SHARD_RUN: u64 = 64;
const SHARD_COUNT: u64 = 256;

/// The paths of one data folder.
#[derive(Clone, Debug)]
pub struct Layout {
    pub root: PathBuf,
    pub files: PathBuf,
    pub segments: PathBuf,
    pub quarantine: PathBuf,
}

impl Layout {
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            files: root.join("files"),
            segments: root.join("segments"),
            quarantine: root.join("quarantine"),
        }
    }

    pub fn shard(&self, id: BlockId) -> PathBuf {
        self.files.join(format!("{:02x}", id.0 / BLOCKS_PER_SHARD_RUN % SHARD_COUNT))
    }

    pub fn block_file(&self, id: BlockId) -> PathBuf {
        self.shard(id).join(format!("{id:016x}.block", id = id.0))
    }

    pub fn segment(&self, number: u32) -> PathBuf {
        self.segments.join(format!("{number:08x}.segment"))
    }

    pub fn segment_index(&self, number: u32) -> PathBuf {
        self.segments.join(format!("{number:08x}.index"))
    }

    pub fn segment_deletions(&self, number: u32) -> PathBuf {
        self.segments.join(format!("{number:08x}.deleted"))
    }

    pub fn quarantined(&self, id: BlockId, place: Place) -> PathBuf {
        let name = if place.is_file() {
            format!("{:016x}.block", id.0)
        } else {
            format!("{:016x}-{:08x}-{:08x}.record", id.0, place.segment, place.offset_bytes)
        };
        self.quarantine.join(name)
    }

    pub fn quarantined_bytes(&self, segment: u32, offset_bytes: u32) -> PathBuf {
        self.quarantine.join(format!("{segment:08x}-{offset_bytes:08x}.bytes"))
    }
}

/// The block whose file has this name.
pub fn block_file_id(name: &Path) -> Option<BlockId> {
    Some(BlockId(number(name.to_str()?.strip_suffix(".block")?, 16)?))
}

/// The number in the name of a segment's file, and the kind of file: `segment`, `index` or `deleted`.
pub fn segment_file(name: &Path) -> Option<(u32, &str)> {
    let (digits, kind) = name.to_str()?.split_once('.')?;
    Some((u32::try_from(number(digits, 8)?).ok()?, kind))
}

/// What a name in the quarantine tells: the block and, for a record, its segment and offset there.
pub fn quarantined(name: &Path) -> Option<(BlockId, Option<(u32, u32)>)> {
    if let Some(id) = block_file_id(name) {
        return Some((id, None));
    }
    let mut parts = name.to_str()?.strip_suffix(".record")?.split('-');
    let id = BlockId(number(parts.next()?, 16)?);
    let segment = u32::try_from(number(parts.next()?, 8)?).ok()?;
    let offset = u32::try_from(number(parts.next()?, 8)?).ok()?;
    parts.next().is_none().then_some((id, Some((segment, offset))))
}

fn number(digits: &str, length: usize) -> Option<u64> {
    if digits.len() != length || digits.starts_with('+') {
        return None;
    }
    u64::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_what_they_name() {
        let layout = Layout::new(Path::new("/data"));
        let id = BlockId(0xfeed_0000_0001);
        let name = |path: PathBuf| PathBuf::from(path.file_name().unwrap());
        assert_eq!(block_file_id(&name(layout.block_file(id))), Some(id));
        assert_eq!(segment_file(&name(layout.segment_index(77))), Some((77, "index")));
        let place = Place { segment: 7, offset_bytes: 4096, length_bytes: 1 };
        assert_eq!(quarantined(&name(layout.quarantined(id, place))), Some((id, Some((7, 4096)))));
        assert_eq!(quarantined(&name(layout.quarantined(id, Place::file(1)))), Some((id, None)));
        assert_eq!(quarantined(&name(layout.quarantined_bytes(1, 2))), None);
        assert_eq!(block_file_id(Path::new("+00000000000000a.block")), None);
        assert_eq!(block_file_id(Path::new("lost+found")), None);
    }
}
