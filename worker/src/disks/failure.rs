//! Which errors tell that a disk has failed. A store gives up by itself when an fsync fails; here is what else shows
//! that nothing more should be written to a folder, as long as there is another one.

use crate::store::StoreError;
use std::io;

/// EIO, ENXIO, ENODEV, EROFS, EUCLEAN (a damaged file system), ESTALE: the numbers are Linux's.
const ERRNOS: &[i32] = &[5, 6, 19, 30, 117, 116];

/// Whether an error of writing means that the disk is gone, or takes no writes: also when a folder that was there is
/// not any more.
pub fn is_of_disk(error: &StoreError) -> bool {
    let StoreError::Io { source, .. } = error else { return false };
    source.kind() == io::ErrorKind::NotFound || source.raw_os_error().is_some_and(|errno| ERRNOS.contains(&errno))
}
