//! The one thread that appends to segments. Whoever waits while an fdatasync runs shares the next one.

use super::filling::Filling;
use super::record::{self, Header, Kind};
use super::{Entry, deletions};
use crate::store::checksum::Checksums;
use crate::store::error::{StoreError, is_full};
use crate::store::index::Place;
use crate::store::pending::Pending;
use crate::store::timings::timed;
use crate::store::{Shared, WriteTicket};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use weir_proto::BlockId;
use weir_service::planted::{Fault, planted};
use weir_service::threads::{self, Receiver, RecvError, Sender, Thread, channel};
use weir_service::trace::Trace;

/// What one fdatasync covers at most, and so the memory of a batch.
const BATCH_MAX_BYTES: u64 = 4 * 1024 * 1024;
/// After so long without an append the mark is written that covers the last one.
const IDLE: Duration = Duration::from_millis(500);

/// A block to append.
pub struct Append {
    pub id: BlockId,
    pub data: Pending,
    pub checksums: Checksums,
    /// A copy that compaction makes: dropped when the block is no longer there.
    pub moved_from: Option<Place>,
    pub reply: oneshot::Sender<Result<(), StoreError>>,
    /// Held until the block is on disk.
    pub ticket: Option<Arc<WriteTicket>>,
    pub permit: Option<OwnedSemaphorePermit>,
    pub queued: Instant,
    pub trace: Trace,
}

impl Append {
    fn length_bytes(&self) -> u32 {
        self.checksums.length_bytes as u32
    }

    fn record_bytes(&self) -> u64 {
        record::record_bytes(self.length_bytes())
    }
}

/// What the thread is asked for.
enum Job {
    Append(Append),
    /// The open segment, with this number, has been this long for a while.
    Rest {
        number: u32,
        length_bytes: u64,
        done: oneshot::Sender<()>,
    },
}

/// The way to the thread. Dropped, it waits until what was sent is done.
pub struct Appender {
    queue: Option<Sender<Job>>,
    thread: Option<Thread>,
}

impl Appender {
    /// `open`: the segment to go on with.
    pub fn start(shared: Arc<Shared>, open: Option<Filling>, next_number: u32) -> io::Result<Self> {
        let (queue, jobs) = channel();
        let mut work = Work { shared, open, next_number, buffer: Vec::new() };
        let thread = threads::start("weir-appender", move || async move { work.run(jobs).await })?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    pub fn send(&self, append: Append) {
        // The thread ends only when the queue is dropped; should it have panicked, the reply's sender is dropped
        // here and the writer sees that.
        if let Some(queue) = &self.queue {
            queue.send(Job::Append(append));
        }
    }

    /// The open segment was found as long as a while ago: unless something is appended meanwhile, the space that it does
    /// not use is given back, and one that is mostly dead is left to compaction. Returns when that is done.
    pub async fn rest(&self, number: u32, length_bytes: u64) {
        let (done, is_done) = oneshot::channel();
        if let Some(queue) = &self.queue {
            queue.send(Job::Rest { number, length_bytes, done });
        }
        // Dropped without a word: there was something to append.
        let _ = is_done.await;
    }
}

impl Drop for Appender {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take()
            && !thread.end()
        {
            tracing::error!("the appender of segments panicked");
        }
    }
}

struct Work {
    shared: Arc<Shared>,
    open: Option<Filling>,
    next_number: u32,
    buffer: Vec<u8>,
}

impl Work {
    async fn run(&mut self, mut jobs: Receiver<Job>) {
        loop {
            match jobs.recv_timeout(IDLE).await {
                Ok(job) => self.handle(job, &mut jobs),
                Err(RecvError::Timeout) => {
                    self.mark();
                    // Nothing to mark any more: sleep until there is something to do.
                    match jobs.recv().await {
                        Some(job) => self.handle(job, &mut jobs),
                        None => return self.give_back(),
                    }
                }
                Err(RecvError::Disconnected) => {
                    self.mark();
                    return self.give_back();
                }
            }
        }
    }

    fn handle(&mut self, job: Job, jobs: &mut Receiver<Job>) {
        match job {
            Job::Append(first) => self.commit(gather(jobs, first)),
            Job::Rest { number, length_bytes, done } => {
                if self.open.as_ref().is_some_and(|open| (open.segment.number, open.position) == (number, length_bytes))
                {
                    self.rest();
                }
                let _ = done.send(());
            }
        }
    }

    fn commit(&mut self, mut batch: Vec<Append>) {
        let is_there = |append: &Append, from| self.shared.index.get(append.id) == Some(from);
        let is_wanted = |append: &Append| append.moved_from.is_none_or(|from| is_there(append, from));
        batch.retain(|append| is_wanted(append) || planted(Fault::CompactionRevivesDeleted));
        while !batch.is_empty() {
            match self.write_some(&mut batch) {
                Ok(written) => self.publish(written),
                Err((failed, error)) => {
                    for append in failed {
                        let _ = append.reply.send(Err(error.clone()));
                    }
                }
            }
        }
    }

    /// Writes what of the batch fits the open segment, or the next one, and returns it with its places when it is on
    /// disk. An error comes with those that it is about.
    #[allow(clippy::type_complexity)]
    fn write_some(&mut self, batch: &mut Vec<Append>) -> Result<Vec<(Append, Place)>, (Vec<Append>, StoreError)> {
        let moves = batch.iter().any(|append| append.moved_from.is_some());
        let room = self.shared.fatal.check().and_then(|()| self.make_room(batch[0].record_bytes(), moves));
        if let Err(error) = room {
            return Err((std::mem::take(batch), error));
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        let Some(open) = &self.open else { return Err((std::mem::take(batch), self.shared.no_space())) };
        buffer.clear();
        let start = open.position;
        let mut count = 0;
        let mut end = start;
        for append in batch.iter_mut() {
            let record_bytes = append.record_bytes();
            if end + record_bytes + record::FIXED_BYTES as u64 > open.allocated_bytes {
                break;
            }
            encode(append, open.segment.number, end, start, &mut buffer);
            end += record_bytes;
            count += 1;
        }
        let taken = Instant::now();
        let result = self.put(&buffer);
        self.buffer = buffer;
        let now: Vec<Append> = batch.drain(..count).collect();
        match result {
            Ok(synced) => {
                self.measure(&now, taken, synced);
                Ok(self.advance(now))
            }
            Err(error) => Err((now, error)),
        }
    }

    /// Of blocks that were taken from the queue at `taken`, and whose fdatasync began at `synced` and is over.
    fn measure(&self, written: &[Append], taken: Instant, synced: Instant) {
        let (now, timings) = (Instant::now(), &self.shared.timings);
        timings.append_batches.observe(written.len() as f64);
        for append in written.iter().filter(|append| append.moved_from.is_none()) {
            timings.appends.observe(now.duration_since(append.queued).as_secs_f64());
            append.trace.passed("append queue", append.queued, taken, &[]);
            append.trace.passed("append batch", taken, now, &[("blocks", written.len() as u64)]);
            append.trace.passed("fdatasync", synced, now, &[]);
        }
    }

    /// Writes at the open segment's position and makes it durable. Returns when its fdatasync began.
    fn put(&self, buffer: &[u8]) -> Result<Instant, StoreError> {
        let Some(open) = &self.open else { return Err(self.shared.no_space()) };
        let path = self.shared.layout.segment(open.segment.number);
        open.file.write_all_at(buffer, open.position).map_err(|error| match is_full(&error) {
            true => self.shared.no_space(),
            false => self.shared.fatal.set(&StoreError::io("write", &path)(error)),
        })?;
        let sync_data = || if planted(Fault::SegmentNotSynced) { Ok(()) } else { open.file.sync_data() };
        let (began, synced) = timed(&self.shared.timings.segment_syncs, sync_data);
        synced.map_err(|error| self.shared.fatal.set(&StoreError::io("sync", &path)(error)))?;
        Ok(began)
    }

    fn advance(&mut self, written: Vec<Append>) -> Vec<(Append, Place)> {
        let Some(open) = &mut self.open else { return Vec::new() };
        let mut placed = Vec::with_capacity(written.len());
        for append in written {
            let (offset_bytes, length_bytes) = (open.position as u32, append.length_bytes());
            open.position += append.record_bytes();
            open.entries.push(Entry { id: append.id, offset_bytes, length_bytes });
            placed.push((append, Place { segment: open.segment.number, offset_bytes, length_bytes }));
        }
        open.marked = false;
        open.segment.length_bytes.store(open.position, Ordering::Release);
        placed
    }

    /// Makes written blocks readable, and tells their writers.
    fn publish(&self, written: Vec<(Append, Place)>) {
        let Some(open) = &self.open else { return };
        let counters = &self.shared.counters;
        counters.append_batches.fetch_add(1, Ordering::Relaxed);
        counters.appended_blocks.fetch_add(written.len() as u64, Ordering::Relaxed);
        let mut lost = Vec::new();
        for (append, place) in written {
            open.segment.live_bytes.fetch_add(append.record_bytes(), Ordering::AcqRel);
            match append.moved_from {
                None => {
                    self.shared.index.insert(append.id, place);
                }
                Some(from) if self.shared.index.move_if(append.id, from, place) => self.shared.unaccount(from),
                Some(_) if planted(Fault::CompactionRevivesDeleted) => {
                    self.shared.index.insert(append.id, place);
                }
                // Deleted while it was copied: so is the copy.
                Some(_) => {
                    self.shared.unaccount(place);
                    lost.push(place.offset_bytes);
                }
            }
            drop(append.ticket);
            let _ = append.reply.send(Ok(()));
        }
        if !lost.is_empty() {
            deletions::append(&self.shared, &open.segment, &lost);
        }
    }

    /// Writes a mark, so that damage to the last blocks is not taken for a torn tail.
    fn mark(&mut self) {
        let Some(open) = &self.open else { return };
        if open.marked || self.shared.fatal.check().is_err() {
            return;
        }
        let header = Header {
            kind: Kind::Mark,
            id: BlockId(0),
            length_bytes: 0,
            segment: open.segment.number,
            offset_bytes: open.position as u32,
            durable_bytes: open.position as u32,
            block_crc: 0,
        };
        let mut buffer = Vec::with_capacity(record::FIXED_BYTES);
        header.encode(&[], &mut buffer);
        let result = self.put(&buffer);
        let Some(open) = &mut self.open else { return };
        open.marked = true;
        if result.is_ok() {
            open.position += buffer.len() as u64;
            open.segment.length_bytes.store(open.position, Ordering::Release);
            if !open.may_hold(record::record_bytes(0)) {
                self.seal();
            }
        }
    }

    /// Sees to an open segment with room for a record, a new one if need be.
    fn make_room(&mut self, record_bytes: u64, moves: bool) -> Result<(), StoreError> {
        let mut open = match self.open.take() {
            Some(open) if open.may_hold(record_bytes) => open,
            full => {
                if let Some(full) = full {
                    full.seal(&self.shared);
                }
                self.create(record_bytes)?
            }
        };
        let grown = open.grow(&self.shared, record_bytes, moves);
        self.open = Some(open);
        grown
    }

    /// Ends the open segment.
    fn seal(&mut self) {
        if let Some(open) = self.open.take() {
            open.seal(&self.shared);
        }
    }

    fn create(&mut self, record_bytes: u64) -> Result<Filling, StoreError> {
        let number = self.next_number;
        self.next_number += 1;
        Filling::create(&self.shared, number, record_bytes)
    }

    /// Nothing has been appended for a while.
    fn rest(&mut self) {
        self.mark();
        let Some(open) = &self.open else { return };
        if self.shared.fatal.check().is_err() || !open.marked {
            return;
        }
        if !open.segment.is_worth_leaving(self.shared.options.compaction_live_percent) {
            return self.give_back();
        }
        // The next one is there first, empty: a start sees by it which numbers were used.
        match self.create(0) {
            Ok(next) => {
                self.seal();
                self.open = Some(next);
            }
            Err(error) => tracing::warn!(%error, "a segment that is mostly dead stays: no other could be made"),
        }
    }

    fn give_back(&mut self) {
        let Some(open) = &mut self.open else { return };
        if self.shared.fatal.check().is_ok()
            && let Err(error) = open.give_back(&self.shared)
        {
            tracing::warn!(segment = open.segment.number, %error, "space that a segment does not use stays taken");
        }
    }
}

/// What else waits, up to one batch.
fn gather(jobs: &mut Receiver<Job>, first: Append) -> Vec<Append> {
    let mut bytes = first.record_bytes();
    let mut batch = vec![first];
    while bytes < BATCH_MAX_BYTES
        && let Some(next) = jobs.try_recv()
    {
        // Whatever is to be done at rest has time.
        let Job::Append(next) = next else { continue };
        bytes += next.record_bytes();
        batch.push(next);
    }
    batch
}

fn encode(append: &mut Append, segment: u32, offset: u64, durable: u64, buffer: &mut Vec<u8>) {
    let header = Header {
        kind: Kind::Block,
        id: append.id,
        length_bytes: append.length_bytes(),
        segment,
        offset_bytes: offset as u32,
        durable_bytes: durable as u32,
        block_crc: append.checksums.block_crc,
    };
    let start = buffer.len() as u64;
    header.encode(&append.checksums.page_crcs, buffer);
    for piece in append.data.pieces() {
        buffer.extend_from_slice(piece);
    }
    buffer.resize((start + append.record_bytes()) as usize, 0);
}
