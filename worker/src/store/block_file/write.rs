//! Writing a block file: bytes as they come, then what vouches for them, one fdatasync, one fsync of the folder.

use super::format::{self, Summary};
use crate::store::Shared;
use crate::store::checksum::Checksums;
use crate::store::error::{StoreError, is_full};
use crate::store::index::Place;
use crate::store::timings::timed;
use bytes::Bytes;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;
use weir_proto::BlockId;
use weir_service::disk::DiskFile;
use weir_service::planted::{Fault, planted};
use weir_service::trace::Trace;

/// An unfinished block file. Dropped before [`BlockFileWriter::finish`] has succeeded, it removes the file.
pub struct BlockFileWriter {
    shared: Arc<Shared>,
    id: BlockId,
    path: PathBuf,
    file: Arc<dyn DiskFile>,
    position: u64,
    /// The file's length, where its space was reserved.
    reserved_bytes: Option<u64>,
    finished: bool,
}

impl BlockFileWriter {
    /// Makes the file; with a length, its space is reserved at once.
    pub fn create(shared: &Arc<Shared>, id: BlockId, length_bytes: Option<u64>) -> Result<Self, StoreError> {
        shared.admit(length_bytes.map_or(0, format::file_bytes))?;
        shared.ensure_shard(id)?;
        let path = shared.layout.block_file(id);
        let create = || shared.disk.create_new(&path);
        let file = match create() {
            // The index has no such block: this is what is left of a write that failed.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                shared.disk.remove_file(&path).and_then(|()| create())
            }
            result => result,
        }
        .map_err(StoreError::io("create", &path))?;
        let (position, reserved_bytes) = (format::DATA_OFFSET, length_bytes.map(format::file_bytes));
        let writer = Self { shared: shared.clone(), id, path, file, position, reserved_bytes, finished: false };
        if let Some(reserved_bytes) = reserved_bytes {
            writer.file.allocate(reserved_bytes).map_err(|error| writer.write_error(error))?;
        }
        writer.put(&format::encode_header(id), 0)?;
        Ok(writer)
    }

    /// Appends to the block's bytes.
    pub fn write(&mut self, pieces: &[Bytes]) -> Result<(), StoreError> {
        for piece in pieces {
            self.put(piece, self.position)?;
            self.position += piece.len() as u64;
        }
        Ok(())
    }

    /// Returns when the block and its name are on disk and the block can be read.
    pub fn finish(mut self, checksums: &Checksums, trace: &Trace) -> Result<(), StoreError> {
        assert_eq!(self.position, format::DATA_OFFSET + checksums.length_bytes, "every byte was written once");
        let file_bytes = format::file_bytes(checksums.length_bytes);
        if self.reserved_bytes.is_some_and(|reserved_bytes| reserved_bytes > file_bytes) {
            // The second summary is looked for at the file's end.
            self.file.set_len(file_bytes).map_err(|error| self.write_error(error))?;
        }
        let summary = Summary::of(self.id, checksums).encode();
        let mut end = format::encode_page_crcs(&checksums.page_crcs);
        end.extend_from_slice(&summary);
        self.put(&end, self.position)?;
        self.put(&summary, format::SUMMARY_OFFSET)?;
        let shared = self.shared.clone();
        let sync = StoreError::io("sync", &self.path);
        let sync_data = || if planted(Fault::BlockNotSynced) { Ok(()) } else { self.file.sync_data() };
        let (began, synced) = timed(&shared.timings.file_syncs, sync_data);
        synced.map_err(|error| shared.fatal.set(&sync(error)))?;
        trace.passed("fdatasync", began, Instant::now(), &[("bytes", self.position)]);
        if !planted(Fault::BlockFolderNotSynced) {
            shared.sync_folder(&shared.layout.shard(self.id))?;
        }
        self.finished = true;
        let length = u32::try_from(checksums.length_bytes).unwrap_or(u32::MAX);
        shared.counters.file_bytes.fetch_add(file_bytes, Ordering::Relaxed);
        shared.index.insert(self.id, Place::file(length));
        Ok(())
    }

    fn put(&self, bytes: &[u8], offset: u64) -> Result<(), StoreError> {
        self.file.write_all_at(bytes, offset).map_err(|error| self.write_error(error))
    }

    fn write_error(&self, error: io::Error) -> StoreError {
        if is_full(&error) {
            return self.shared.no_space();
        }
        StoreError::io("write", &self.path)(error)
    }
}

impl Drop for BlockFileWriter {
    fn drop(&mut self) {
        if !self.finished
            && let Err(error) = self.shared.disk.remove_file(&self.path)
        {
            // The next start removes it.
            tracing::warn!(path = %self.path.display(), %error, "an unfinished block file could not be removed");
        }
    }
}
