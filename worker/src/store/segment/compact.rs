//! Giving space back: the live blocks of a segment that is mostly dead are appended again, then the segment goes.
//! Readers are never held up; whoever has the old file open reads on.

use super::appender::Append;
use super::{Entry, Segment, index_file, scan};
use crate::store::checksum::Checksummer;
use crate::store::error::StoreError;
use crate::store::index::Place;
use crate::store::pending::Pending;
use crate::store::{BlockStore, Shared};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;
use tokio::sync::oneshot;
use weir_proto::BlockId;
use weir_service::trace::Trace;

/// What is copied at a time.
const COPY_BYTES: u64 = 1024 * 1024;

/// The number of the open segment and where its records end.
pub type OpenLength = (u32, u64);

/// What compaction did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compaction {
    pub removed_segments: u64,
    pub copied_blocks: u64,
    pub freed_bytes: u64,
}

impl BlockStore {
    /// Rewrites every sealed segment that has less live data than `compaction_live_percent`, those without any first: on
    /// a full disk they give back what the others need. The open one, if it is as long as at the last call, gives back
    /// what it does not use, or is sealed and rewritten too. Blocks the thread, and waits for the appender.
    ///
    /// # Errors
    /// [`StoreError`] of the first segment that could not be rewritten; it stays as it is.
    pub async fn compact(&self) -> Result<Compaction, StoreError> {
        let mut last = self.compacting.lock().await;
        let live_percent = self.shared.options.compaction_live_percent;
        let mut done = Compaction::default();
        self.rest(&mut last).await;
        let mut segments = self.shared.segments.all();
        segments.sort_by_cached_key(|segment| segment.live_bytes.load(Ordering::Acquire) > 0);
        for segment in segments {
            if self.closing.load(Ordering::Relaxed) {
                break;
            }
            let may_go = segment.sealed.load(Ordering::Acquire) && !segment.has_gap;
            if may_go && segment.is_mostly_dead(live_percent) {
                self.compact_one(&segment, &mut done).await?;
            }
        }
        let counters = &self.shared.counters;
        counters.compacted_segments.fetch_add(done.removed_segments, Ordering::Relaxed);
        Ok(done)
    }

    /// Ends a compaction that runs, soon, and lets no other begin: the process is ending. Does not block.
    pub fn end_compaction(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }

    /// Sees to the open segment if nothing was appended since the last time.
    async fn rest(&self, last: &mut Option<OpenLength>) {
        let open = self.shared.segments.all().into_iter().find(|segment| !segment.sealed.load(Ordering::Acquire));
        let now = open.map(|open| (open.number, open.length_bytes.load(Ordering::Acquire)));
        if let Some((number, length_bytes)) = now
            && now == *last
        {
            self.appender.rest(number, length_bytes).await;
        }
        *last = now;
    }

    async fn compact_one(&self, segment: &Segment, done: &mut Compaction) -> Result<(), StoreError> {
        let shared = &self.shared;
        let mut copies = Vec::new();
        let mut bytes = 0;
        for entry in entries(shared, segment)? {
            let place = entry.place(segment.number);
            if shared.index.get(entry.id) != Some(place) {
                continue;
            }
            // Damage was quarantined when it was read: nothing of it is live any more.
            let Ok(data) = shared.read_place(entry.id, place, 0..u64::from(place.length_bytes)) else { continue };
            if self.closing.load(Ordering::Relaxed) {
                break;
            }
            bytes += u64::from(place.length_bytes);
            copies.push(self.copy(entry.id, place, data));
            if bytes >= COPY_BYTES {
                done.copied_blocks += settle(&mut copies).await?;
                bytes = 0;
            }
        }
        done.copied_blocks += settle(&mut copies).await?;
        if segment.live_bytes.load(Ordering::Acquire) > 0 {
            // Cut off, or a block that could neither be read nor be found damaged: it waits for the next time.
            return Ok(());
        }
        remove(shared, segment)?;
        done.removed_segments += 1;
        done.freed_bytes += segment.length_bytes.load(Ordering::Acquire);
        Ok(())
    }

    fn copy(&self, id: BlockId, place: Place, data: Bytes) -> oneshot::Receiver<Result<(), StoreError>> {
        let mut summer = Checksummer::new();
        summer.update(&data);
        let (reply, done) = oneshot::channel();
        let (data, checksums) = (Pending::of(data, &self.shared.waiting), summer.finish());
        let moved_from = Some(place);
        let (ticket, permit, queued, trace) = (None, None, Instant::now(), Trace::default());
        self.appender.send(Append { id, data, checksums, moved_from, reply, ticket, permit, queued, trace });
        done
    }
}

/// Waits for copies; returns how many were made. One whose block was deleted meanwhile has no answer.
async fn settle(copies: &mut Vec<oneshot::Receiver<Result<(), StoreError>>>) -> Result<u64, StoreError> {
    let mut count = 0;
    for copy in copies.drain(..) {
        if let Ok(result) = copy.await {
            result?;
            count += 1;
        }
    }
    Ok(count)
}

/// The records of a sealed segment.
fn entries(shared: &Arc<Shared>, segment: &Segment) -> Result<Vec<Entry>, StoreError> {
    let path = shared.layout.segment_index(segment.number);
    let index = index_file::read(&*shared.disk, &path, segment.number).map_err(StoreError::io("read", &path))?;
    if let Some((_, entries)) = index {
        return Ok(entries);
    }
    let path = shared.layout.segment(segment.number);
    let file = shared.segments.file(shared, segment.number)?;
    let length = segment.length_bytes.load(Ordering::Acquire);
    let scan = scan::scan(&*file, segment.number, length, true).map_err(StoreError::io("read", &path))?;
    let damaged = scan.damage.iter().filter_map(|damage| {
        let length_bytes = damage.length_bytes?;
        Some(Entry { id: damage.id?, offset_bytes: damage.from, length_bytes })
    });
    Ok(damaged.chain(scan.entries).collect())
}

/// Removes a segment without live blocks. Its name goes for good before what says that its records are dead.
fn remove(shared: &Arc<Shared>, segment: &Segment) -> Result<(), StoreError> {
    let path = shared.layout.segment(segment.number);
    shared.disk.remove_file(&path).map_err(StoreError::io("remove", &path))?;
    shared.segments.forget(segment.number);
    shared.sync_folder(&shared.layout.segments)?;
    for path in [shared.layout.segment_index(segment.number), shared.layout.segment_deletions(segment.number)] {
        if shared.disk.exists(&path).map_err(StoreError::io("read", &path))? {
            shared.disk.remove_file(&path).map_err(StoreError::io("remove", &path))?;
        }
    }
    Ok(())
}
