//! Reading: find the place, verify, and set aside what does not verify.

use super::block_file::{OpenBlockFile, ReadFault};
use super::error::StoreError;
use super::index::Place;
use super::{BlockStore, Shared, segment};
use bytes::Bytes;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use weir_proto::BlockId;

/// A block can move (compaction) between the look at the index and the open; this often in a row it does not.
const MOVES_MAX: usize = 8;

impl BlockStore {
    /// The block's length in bytes. Does not block.
    ///
    /// # Errors
    /// [`StoreError::NoSuchBlock`], [`StoreError::Damaged`].
    pub fn length_bytes(&self, id: BlockId) -> Result<u64, StoreError> {
        self.shared.find(id).map(|place| u64::from(place.length_bytes))
    }

    /// Verified bytes of a range.
    ///
    /// # Errors
    /// [`StoreError::NoSuchBlock`], [`StoreError::Damaged`], [`StoreError::Unreadable`], [`StoreError::Range`],
    /// [`StoreError::Io`].
    pub fn read(&self, id: BlockId, range: Range<u64>) -> Result<Bytes, StoreError> {
        self.shared.read(id, range)
    }

    /// Like [`BlockStore::read`], but gives None where the disk would have to be waited for, or where something is
    /// wrong that only [`BlockStore::read`] may act upon. Does not block.
    ///
    /// # Errors
    /// [`StoreError::NoSuchBlock`], [`StoreError::Damaged`], [`StoreError::Range`].
    pub fn read_cached(&self, id: BlockId, range: Range<u64>) -> Result<Option<Bytes>, StoreError> {
        let place = self.shared.find(id)?;
        check_range(id, place, &range)?;
        let result = if place.is_file() {
            self.shared.files.get(id.0).map(|file| file.read(range, true))
        } else {
            self.shared
                .segments
                .open_file(place.segment)
                .map(|file| segment::read::read(&*file, id, place, range, true))
        };
        Ok(result.and_then(Result::ok).flatten())
    }
}

impl Shared {
    fn find(&self, id: BlockId) -> Result<Place, StoreError> {
        self.index.get(id).ok_or_else(|| match self.quarantine.holds(id) {
            true => StoreError::Damaged { id, fault: "it was found damaged before, and set aside".into() },
            false => StoreError::NoSuchBlock(id),
        })
    }

    pub fn read(&self, id: BlockId, range: Range<u64>) -> Result<Bytes, StoreError> {
        self.at_place(id, |place| {
            check_range(id, place, &range)?;
            self.read_place(id, place, range.clone())
        })
    }

    /// The CRC32C of the whole block, as it was written.
    pub fn block_crc(&self, id: BlockId) -> Result<u32, StoreError> {
        self.at_place(id, |place| {
            let result = if place.is_file() {
                self.open_block_file(id, place)?.map(|file| file.block_crc())
            } else {
                let file = self.segments.file(self, place.segment)?;
                segment::read::block_crc(&*file, id, place)
            };
            result.map_err(|fault| self.fault(id, place, fault))
        })
    }

    /// Does something at the block's place, again if the block has moved meanwhile.
    pub fn at_place<T>(&self, id: BlockId, act: impl Fn(Place) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut place = self.find(id)?;
        for _ in 0..MOVES_MAX {
            let error = match act(place) {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            match self.find(id)? {
                now if now == place => return Err(error),
                now => place = now,
            }
        }
        act(place)
    }

    /// Verified bytes of a block at a place. Damage is set aside, if the block still lies there; what the disk does not
    /// give stays.
    pub fn read_place(&self, id: BlockId, place: Place, range: Range<u64>) -> Result<Bytes, StoreError> {
        let result = if place.is_file() {
            self.open_block_file(id, place)?.and_then(|file| file.read(range, false))
        } else {
            let file = self.segments.file(self, place.segment)?;
            segment::read::read(&*file, id, place, range, false)
        };
        match result {
            Ok(Some(bytes)) => Ok(bytes),
            Ok(None) => unreachable!("a read that may wait always gives bytes"),
            Err(fault) => Err(self.fault(id, place, fault)),
        }
    }

    pub fn open_block_file(
        &self,
        id: BlockId,
        place: Place,
    ) -> Result<Result<Arc<OpenBlockFile>, ReadFault>, StoreError> {
        if let Some(file) = self.files.get(id.0) {
            return Ok(Ok(file));
        }
        let path = self.layout.block_file(id);
        let file = match self.disk.open(&path) {
            Ok(file) => file,
            // A deleted block is no longer in the index; one that is in it and has no file has lost it.
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.index.get(id) == Some(place) => {
                return Ok(Err(ReadFault::Damage("its file is gone".into())));
            }
            Err(error) => return Err(StoreError::io("open", &path)(error)),
        };
        Ok(OpenBlockFile::open(file, id, u64::from(place.length_bytes)).map(|file| {
            let file = Arc::new(file);
            self.files.insert(id.0, file.clone());
            // Deleted while it was opened: the descriptor must not keep its space.
            if self.index.get(id) != Some(place) {
                self.files.remove(id.0);
            }
            file
        }))
    }

    pub fn fault(&self, id: BlockId, place: Place, fault: ReadFault) -> StoreError {
        match fault {
            ReadFault::Damage(fault) => {
                self.set_aside(id, place, &fault);
                StoreError::Damaged { id, fault }
            }
            ReadFault::Unreadable(fault) => {
                self.note_unreadable(id, place, &fault);
                StoreError::Unreadable { id, fault }
            }
            ReadFault::Io(error) if place.is_file() => StoreError::io("read", &self.layout.block_file(id))(error),
            ReadFault::Io(error) => StoreError::io("read", &self.layout.segment(place.segment))(error),
        }
    }
}

fn check_range(id: BlockId, place: Place, range: &Range<u64>) -> Result<(), StoreError> {
    let length_bytes = u64::from(place.length_bytes);
    if range.start > range.end || range.end > length_bytes {
        let (offset_bytes, wanted_bytes) = (range.start, range.end.saturating_sub(range.start));
        return Err(StoreError::Range { id, length_bytes, offset_bytes, wanted_bytes });
    }
    Ok(())
}
