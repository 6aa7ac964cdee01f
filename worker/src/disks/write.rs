//! Writing one block: to the disk that is chosen, and to the next one when that is full or has failed. Once bytes are
//! in a file they stay there.

use super::Disks;
use super::choose;
use crate::error::{WorkerError, off_thread};
use crate::store::{BlockWriter, Closed, SmallBlock, StoreError};
use bytes::Bytes;
use std::sync::Arc;
use weir_proto::BlockId;

/// A block that is being received. Dropped before it is committed, it leaves nothing behind.
pub struct DiskWriter {
    disks: Arc<Disks>,
    id: BlockId,
    /// Where it goes, and which disks come after that.
    at: usize,
    next: std::vec::IntoIter<usize>,
    writer: BlockWriter,
}

impl Disks {
    /// Begins a block of at most that length; without one it is not known yet. Does not block.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::TooLarge`]; those of the last disk when none takes the block:
    /// [`StoreError::NoSpace`], [`StoreError::Failed`], [`StoreError::Io`].
    pub fn begin(self: &Arc<Self>, id: BlockId, length_bytes: Option<u64>) -> Result<DiskWriter, StoreError> {
        let mut next = self.order(id).into_iter();
        let mut refusal = None;
        while let Some(at) = next.next() {
            let writer = match self.folders[at].store.begin(id, length_bytes) {
                Ok(writer) => writer,
                Err(error) if self.is_reason_to_go_on(at, &error) => {
                    refusal = worse(refusal, error);
                    continue;
                }
                Err(error) => return Err(error),
            };
            // Another writer of the block may have ended since the order was made. Now nobody else writes it.
            if writer.is_in_memory() && self.holder(id).is_some() {
                return Err(StoreError::Busy(id));
            }
            return Ok(DiskWriter { disks: self.clone(), id, at, next, writer });
        }
        Err(refusal.unwrap_or_else(|| StoreError::Failed("no disk takes writes".into())))
    }

    /// Where the block lies, and no other disk; else all that are well, a disk that has set the block aside first.
    fn order(&self, id: BlockId) -> Vec<usize> {
        if let Some(at) = self.holder(id) {
            return vec![at];
        }
        let free_bytes: Vec<(usize, u64)> = self.well().map(|(at, folder)| (at, folder.free_bytes())).collect();
        let mut order = choose::order(id, &free_bytes);
        order.sort_by_key(|&at| !self.folders[at].store.holds_damage(id));
        order
    }

    /// Whether the next disk may take what this one did not.
    fn is_reason_to_go_on(&self, at: usize, error: &StoreError) -> bool {
        self.note(at, error);
        matches!(error, StoreError::NoSpace { .. } | StoreError::Failed(_) | StoreError::Io { .. })
    }
}

/// Of two refusals the one to tell: that there is no room lets the sender look elsewhere.
fn worse(before: Option<StoreError>, now: StoreError) -> Option<StoreError> {
    match before {
        Some(full @ StoreError::NoSpace { .. }) => Some(full),
        _ => Some(now),
    }
}

impl DiskWriter {
    /// Takes the next bytes. Does not block.
    ///
    /// # Errors
    /// [`StoreError::Length`], [`StoreError::TooLarge`].
    pub fn push(&mut self, data: Bytes) -> Result<(), StoreError> {
        self.writer.push(data)
    }

    /// Whether [`DiskWriter::flush`] should be called, on a thread that may block.
    pub fn wants_flush(&self) -> bool {
        self.writer.wants_flush()
    }

    /// Writes what has come. Blocks the thread.
    ///
    /// # Errors
    /// [`StoreError::NoSpace`], [`StoreError::Failed`], [`StoreError::Io`].
    pub fn flush(&mut self) -> Result<(), StoreError> {
        loop {
            let Err(error) = self.writer.flush() else { return Ok(()) };
            let goes_on = self.disks.is_reason_to_go_on(self.at, &error) && self.writer.is_in_memory();
            if !goes_on || !self.moves() {
                return Err(error);
            }
        }
    }

    /// Goes on with the next disk that takes the block.
    fn moves(&mut self) -> bool {
        let Self { disks, next, writer, .. } = self;
        let takes = |at: &usize| match writer.move_to(&disks.folders[*at].store) {
            Ok(()) => true,
            Err(error) => {
                disks.note(*at, &error);
                false
            }
        };
        let found = next.find(takes);
        self.at = found.unwrap_or(self.at);
        found.is_some()
    }

    /// Compares what came with what should have, and returns when it is on disk.
    ///
    /// # Errors
    /// [`StoreError::Length`], [`StoreError::Checksum`], [`StoreError::Exists`]; those of the last disk when none takes
    /// the block.
    pub async fn commit(mut self, length_bytes: u64, crc32c: u32) -> Result<(), WorkerError> {
        if self.writer.lacks_file() {
            self = off_thread(move || self.flush().map(|()| self)).await??;
        }
        let Self { disks, id, mut at, mut next, writer } = self;
        let mut block = match writer.close(length_bytes, crc32c)? {
            Closed::Large(block) => {
                let result = off_thread(move || block.commit()).await?;
                return Ok(result.inspect_err(|error| disks.note(at, error))?);
            }
            Closed::Small(block) => block,
        };
        loop {
            let spare: Option<SmallBlock> = (next.len() > 0).then(|| block.again());
            let Err(error) = disks.folders[at].store.append(block).await else { break };
            let goes_on = disks.is_reason_to_go_on(at, &error);
            let well = next.find(|&at| disks.folders[at].store.failure().is_none());
            (at, block) = match (well, spare) {
                (Some(at), Some(spare)) if goes_on => (at, spare),
                _ => return Err(error.into()),
            };
        }
        tracing::trace!(block = %id, disk = at, "a block was appended");
        Ok(())
    }
}
