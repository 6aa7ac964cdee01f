//! The worker's fuzz targets: whatever lies on its disk is read by one of them.

use crate::disks::identity::Identity;
use crate::disks::label::Label;
use crate::store::crc32c;
use crate::store::fuzzing::{block_file, segment, segment_index};
use std::path::Path;
use weir_service::fuzzing::Target;
use weir_service::simulation::SimulatedDisk;

/// All of them.
pub const TARGETS: &[Target] = &[
    ("block_file", block_file),
    ("segment", segment),
    ("segment_index", segment_index),
    ("worker_identity", worker_identity),
];

/// The files that say who a worker is and which disk a folder is: any bytes, and lines with the checksum that they have
/// to have. What can be trusted is written as it was read.
fn worker_identity(bytes: &[u8]) {
    let (disk, data) = (SimulatedDisk::default(), Path::new("/data"));
    let checksum = format!("crc32c {:08x}\n", crc32c(bytes));
    for file in [bytes.to_vec(), [bytes, checksum.as_bytes()].concat()] {
        disk.put(&data.join("identity"), file.clone());
        disk.put(&data.join("disk"), file);
        if let Ok(Some(label)) = Label::load(&disk, data) {
            label.save(&disk, data).expect("memory does not fail");
            assert_eq!(Label::load(&disk, data).ok(), Some(Some(label)));
        }
        if let Ok(identity) = Identity::load(&disk, data) {
            identity.save(&disk, data).expect("memory does not fail");
            assert_eq!(Identity::load(&disk, data).ok(), Some(identity));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_was_kept_is_a_finding() {
        weir_service::fuzzing::replay(TARGETS);
    }
}
