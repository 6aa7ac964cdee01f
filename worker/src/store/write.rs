//! Writing one block: bytes come in pieces, are summed as they come, and end as a record of a segment or as a file.

use super::block_file::BlockFileWriter;
use super::checksum::{Checksummer, Checksums};
use super::error::StoreError;
use super::pending::{Pending, Waiting};
use super::segment::{appender::Append, record};
use super::tickets::WriteTicket;
use super::timings::InQueue;
use super::{BlockStore, Shared};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::oneshot;
use weir_proto::BlockId;
use weir_service::planted::{Fault, planted};
use weir_service::trace::{SpanKind, Trace};

/// The longest block that a worker takes, whatever the gateways are set to.
pub const MAX_BLOCK_BYTES: u64 = 1 << 30;
/// Bytes of a large block that are gathered before they are written.
const FLUSH_BYTES: u64 = 256 * 1024;
/// The append queue is counted in these.
const QUEUE_UNIT_BYTES: u64 = 1024;

/// A block that is being received. Dropped before it is closed and committed, it leaves nothing behind.
pub struct BlockWriter {
    shared: Arc<Shared>,
    id: BlockId,
    announced_bytes: Option<u64>,
    summer: Checksummer,
    pending: Pending,
    target: Target,
}

enum Target {
    /// The block exists: what comes is compared with it, by length and checksum.
    Existing,
    /// Not known yet, or a segment.
    Memory(WriteTicket),
    File(BlockFileWriter, WriteTicket),
}

/// A block that was received whole and verified, and is not on disk yet.
pub enum Closed {
    /// For [`BlockStore::append`].
    Small(SmallBlock),
    /// For [`LargeBlock::commit`], on a thread that may block.
    Large(Box<LargeBlock>),
}

/// A block for a segment.
pub struct SmallBlock {
    append: Append,
    done: oneshot::Receiver<Result<(), StoreError>>,
}

/// A block with a file of its own, or one that exists already.
pub struct LargeBlock {
    writer: BlockWriter,
    checksums: Checksums,
    trace: Trace,
}

impl BlockStore {
    /// Begins a block of at most that length; without one it is not known yet. Does not block.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::NoSpace`], [`StoreError::TooLarge`], [`StoreError::Failed`].
    pub fn begin(&self, id: BlockId, length_bytes: Option<u64>) -> Result<BlockWriter, StoreError> {
        let shared = &self.shared;
        if length_bytes.is_some_and(|length| length > MAX_BLOCK_BYTES) {
            return Err(StoreError::TooLarge { id, max_bytes: MAX_BLOCK_BYTES });
        }
        let mut exists = false;
        let ticket = shared.tickets.take_if(id, || {
            exists = shared.index.get(id).is_some();
            !exists
        });
        let target = match ticket {
            Some(ticket) => Target::Memory(ticket),
            None if exists => Target::Existing,
            None => return Err(StoreError::Busy(id)),
        };
        if !exists {
            shared.admit(length_bytes.unwrap_or(0))?;
        }
        Ok(BlockWriter {
            shared: shared.clone(),
            id,
            announced_bytes: length_bytes,
            summer: Checksummer::new(),
            pending: Pending::new(&shared.waiting),
            target,
        })
    }

    /// Appends a small block and waits until it is on disk. Does not block the thread; waits while the queue is full.
    ///
    /// # Errors
    /// [`StoreError::NoSpace`], [`StoreError::Failed`].
    pub async fn append(&self, block: SmallBlock) -> Result<(), StoreError> {
        let SmallBlock { mut append, done } = block;
        let bytes = record::record_bytes(append.checksums.length_bytes as u32);
        let permits = u32::try_from(bytes.div_ceil(QUEUE_UNIT_BYTES)).unwrap_or(u32::MAX);
        let _in_queue = InQueue::new(&self.shared.timings.append_queue);
        append.permit = self.append_queue.clone().acquire_many_owned(permits).await.ok();
        let (id, shared) = (append.id, self.shared.clone());
        self.appender.send(append);
        done.await.unwrap_or_else(|_| Err(shared.fatal.set(&StoreError::Failed("the appender is gone".into()))))?;
        self.shared.quarantine.forget(id);
        Ok(())
    }

    /// Writes a whole block; blocks the thread.
    ///
    /// # Errors
    /// Those of [`BlockStore::begin`], [`BlockWriter::push`], [`BlockStore::append`] and [`LargeBlock::commit`].
    pub fn write(&self, id: BlockId, data: Bytes) -> Result<(), StoreError> {
        let (length_bytes, crc32c) = (data.len() as u64, super::crc32c(&data));
        let mut writer = self.begin(id, Some(length_bytes))?;
        let mut rest = data;
        while !rest.is_empty() {
            writer.push(rest.split_to(rest.len().min(FLUSH_BYTES as usize)))?;
            if writer.wants_flush() {
                writer.flush()?;
            }
        }
        match writer.close(length_bytes, crc32c)? {
            Closed::Large(block) => block.commit(),
            Closed::Small(SmallBlock { append, done }) => {
                self.appender.send(append);
                done.blocking_recv().unwrap_or_else(|_| Err(StoreError::Failed("the appender is gone".into())))?;
                self.shared.quarantine.forget(id);
                Ok(())
            }
        }
    }

    pub(super) fn append_queue_permits(max_bytes: u64) -> usize {
        (max_bytes / QUEUE_UNIT_BYTES) as usize
    }
}

impl BlockWriter {
    /// Takes the next bytes. Does not block.
    ///
    /// # Errors
    /// [`StoreError::Length`], [`StoreError::TooLarge`].
    pub fn push(&mut self, data: Bytes) -> Result<(), StoreError> {
        let (id, received_bytes) = (self.id, self.summer.length_bytes() + data.len() as u64);
        match self.announced_bytes {
            Some(announced_bytes) if received_bytes > announced_bytes => {
                return Err(StoreError::Length { id, announced_bytes, received_bytes });
            }
            _ if received_bytes > MAX_BLOCK_BYTES => {
                return Err(StoreError::TooLarge { id, max_bytes: MAX_BLOCK_BYTES });
            }
            _ => {}
        }
        self.summer.update(&data);
        if !matches!(self.target, Target::Existing) && !data.is_empty() {
            self.pending.push(data);
        }
        Ok(())
    }

    /// Whether [`BlockWriter::flush`] should be called, on a thread that may block: there is much to write, or too much
    /// waits of all blocks together. A small block becomes a file then.
    pub fn wants_flush(&self) -> bool {
        let is_short = self.shared.waiting.bytes() > self.shared.options.receive_buffer_max_bytes;
        self.is_large() && self.pending.bytes() >= FLUSH_BYTES || is_short && self.pending.bytes() > 0
    }

    /// Whether nothing of the block was written yet, so that [`BlockWriter::move_to`] may be called.
    pub fn is_in_memory(&self) -> bool {
        matches!(self.target, Target::Memory(_))
    }

    /// Whether the block is one of those that have a file, and has none yet.
    pub fn lacks_file(&self) -> bool {
        self.is_in_memory() && self.is_large()
    }

    /// Goes on in another store of the same worker. Only while [`BlockWriter::is_in_memory`].
    ///
    /// # Errors
    /// [`StoreError::NoSpace`], [`StoreError::Failed`]; the block stays where it was.
    pub fn move_to(&mut self, store: &BlockStore) -> Result<(), StoreError> {
        assert!(self.is_in_memory(), "what was written stays where it is");
        store.shared.admit(self.announced_bytes.unwrap_or(0))?;
        self.shared = store.shared.clone();
        Ok(())
    }

    fn is_large(&self) -> bool {
        let small = self.shared.options.segment_block_max_bytes;
        self.announced_bytes.unwrap_or(0).max(self.summer.length_bytes()) > small
    }

    /// Writes what has come of a large block. Blocks the thread.
    ///
    /// # Errors
    /// [`StoreError::NoSpace`], [`StoreError::Io`].
    pub fn flush(&mut self) -> Result<(), StoreError> {
        if let Target::Memory(_) = self.target {
            let file = BlockFileWriter::create(&self.shared, self.id, self.announced_bytes)?;
            let Target::Memory(ticket) = std::mem::replace(&mut self.target, Target::Existing) else {
                unreachable!("it was just looked at")
            };
            self.target = Target::File(file, ticket);
        }
        if let Target::File(file, _) = &mut self.target {
            // With a length, all of the space was reserved when the file was made.
            if self.announced_bytes.is_none() {
                self.shared.admit(self.pending.bytes())?;
            }
            file.write(self.pending.pieces())?;
        }
        self.pending.clear();
        Ok(())
    }

    /// Compares what came with what the sender says it sent. Does not block.
    ///
    /// # Errors
    /// [`StoreError::Length`], [`StoreError::Checksum`].
    pub fn close(mut self, length_bytes: u64, crc32c: u32) -> Result<Closed, StoreError> {
        let large = self.is_large();
        let checksums = std::mem::replace(&mut self.summer, Checksummer::new()).finish();
        let (id, received_bytes) = (self.id, checksums.length_bytes);
        // Fewer bytes than the block was begun with are no mistake: its gateway may have cut it short.
        if length_bytes != received_bytes {
            return Err(StoreError::Length { id, announced_bytes: length_bytes, received_bytes });
        }
        if crc32c != checksums.block_crc && !planted(Fault::ReceivedCrcUnchecked) {
            return Err(StoreError::Checksum { id, announced: crc32c, received: checksums.block_crc });
        }
        match self.target {
            Target::Memory(ticket) if !large => {
                let (reply, done) = oneshot::channel();
                let (data, ticket) = (self.pending, Some(Arc::new(ticket)));
                let (queued, trace) = (Instant::now(), Trace::current().child("append", SpanKind::Internal));
                let append =
                    Append { id, data, checksums, moved_from: None, reply, ticket, permit: None, queued, trace };
                Ok(Closed::Small(SmallBlock { append, done }))
            }
            _ => Ok(Closed::Large(Box::new(LargeBlock { writer: self, checksums, trace: Trace::current() }))),
        }
    }
}

impl SmallBlock {
    /// The same block once more, for another store should one not take it. Its bytes are shared, and counted once.
    pub fn again(&mut self) -> Self {
        let (reply, done) = oneshot::channel();
        let append = &mut self.append;
        let append = Append {
            id: append.id,
            data: append.data.share(&Waiting::default()),
            checksums: append.checksums.clone(),
            moved_from: append.moved_from,
            reply,
            ticket: append.ticket.clone(),
            permit: None,
            queued: append.queued,
            trace: append.trace.clone(),
        };
        Self { append, done }
    }
}

impl LargeBlock {
    /// Returns when the block is on disk, or is found to be there already with the same length and checksum.
    ///
    /// # Errors
    /// [`StoreError::Exists`], [`StoreError::NoSpace`], [`StoreError::Failed`], [`StoreError::Io`],
    /// [`StoreError::Damaged`], [`StoreError::Unreadable`].
    pub fn commit(self) -> Result<(), StoreError> {
        let Self { mut writer, checksums, trace } = self;
        let (shared, id) = (writer.shared.clone(), writer.id);
        if let Target::Existing = writer.target {
            if shared.unreadable.holds(id) {
                return Err(StoreError::Unreadable { id, fault: "it was found so before".into() });
            }
            let same_length =
                shared.index.get(id).is_some_and(|place| u64::from(place.length_bytes) == checksums.length_bytes);
            return match same_length && shared.block_crc(id)? == checksums.block_crc {
                true => Ok(()),
                false => Err(StoreError::Exists(id)),
            };
        }
        writer.flush()?;
        let Target::File(file, ticket) = writer.target else { return Err(StoreError::Busy(id)) };
        file.finish(&checksums, &trace)?;
        shared.quarantine.forget(id);
        drop(ticket);
        Ok(())
    }
}
