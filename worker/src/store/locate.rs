//! Where a block's bytes lie, for a gateway on the same machine that reads them itself.

use super::BlockStore;
use super::error::StoreError;
use std::path::PathBuf;
use weir_proto::BlockId;

/// A block's bytes in its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// Absolute.
    pub path: PathBuf,
    pub offset_bytes: u64,
    pub length_bytes: u64,
    /// CRC32C of each 64 KiB.
    pub page_crcs: Vec<u32>,
}

impl BlockStore {
    /// Where a block lies that has a file of its own; None for one in a segment, which moves with compaction.
    ///
    /// # Errors
    /// [`StoreError::NoSuchBlock`], [`StoreError::Damaged`], [`StoreError::Io`].
    pub fn locate(&self, id: BlockId) -> Result<Option<Located>, StoreError> {
        let shared = &self.shared;
        shared.at_place(id, |place| {
            if !place.is_file() {
                return Ok(None);
            }
            let file = shared.open_block_file(id, place)?.map_err(|fault| shared.fault(id, place, fault))?;
            let path = shared.layout.block_file(id);
            let absolute = std::path::absolute(&path).map_err(StoreError::io("resolve", &path))?;
            let (offset_bytes, page_crcs) = (file.data_offset_bytes(), file.page_crcs().to_vec());
            Ok(Some(Located { path: absolute, offset_bytes, length_bytes: u64::from(place.length_bytes), page_crcs }))
        })
    }
}
