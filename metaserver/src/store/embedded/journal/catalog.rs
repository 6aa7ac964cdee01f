//! Which segments there are, and reading them while the writer goes on.

use super::super::io_error;
use super::super::replication::Frame;
use super::frame::{FrameHeader, FrameId};
use super::segment::{self, SEGMENT_HEADER_BYTES, Segment, Window};
use super::{Folder, Visit};
use crate::store::StoreError;
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;

/// Takes frames in order, and says whether it wants more.
type VisitSome<'a> = dyn FnMut(&FrameHeader, &[u8]) -> Result<bool, StoreError> + 'a;

/// A segment as the catalog knows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listed {
    pub number: u64,
    /// Sequence of its first commit; `None`: it has no frame yet.
    pub first: Option<u64>,
    pub used_bytes: u64,
}

/// The segments that there are, oldest first: shared by the writer and the checkpoints.
#[derive(Clone)]
pub(in super::super) struct Catalog {
    pub(super) folder: Folder,
    pub(super) listed: Arc<Mutex<VecDeque<Listed>>>,
}

impl Catalog {
    /// Bytes of all commits in the journal.
    pub fn used_bytes(&self) -> u64 {
        self.listed.lock().iter().map(|listed| listed.used_bytes).sum()
    }

    /// Bytes of the segments that have commits after a sequence.
    pub fn used_bytes_after(&self, sequence: u64) -> u64 {
        let listed = self.listed.lock();
        let ends_before = |next: Option<&Listed>| {
            next.and_then(|next| next.first).is_some_and(|next_first| next_first <= sequence + 1)
        };
        let after = listed.iter().enumerate().filter(|(index, _)| !ends_before(listed.get(index + 1)));
        after.map(|(_, listed)| listed.used_bytes).sum()
    }

    pub fn segment_count(&self) -> u64 {
        self.listed.lock().len() as u64
    }

    /// Whether the commit after `after` is here, and so all that came later.
    pub fn has_next(&self, after: u64) -> bool {
        self.listed.lock().iter().find_map(|listed| listed.first).is_some_and(|first| first <= after + 1)
    }

    /// Visits the frames with the commits after `after` up to `last`, which must be there. Whoever calls this must keep
    /// [`Catalog::drop_through`] from running.
    pub fn read(&self, after: u64, last: u64, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        self.walk(after, last, &mut |header, payload| visit(header, payload).map(|()| true))
    }

    /// The frames after commit `after`, up to `last` and to about so many bytes; at least one, unless `after` is the
    /// last. As for [`Catalog::read`].
    pub fn frames(&self, after: u64, last: u64, at_most_bytes: usize) -> Result<Vec<Frame>, StoreError> {
        let (mut frames, mut bytes) = (Vec::new(), 0);
        self.walk(after, last, &mut |header, payload| {
            bytes += payload.len();
            frames.push(Frame::new(header, Bytes::copy_from_slice(payload)));
            Ok(bytes < at_most_bytes)
        })?;
        Ok(frames)
    }

    /// The frame that ends with a commit, if it is still here. As for [`Catalog::read`].
    pub fn frame_ending_with(&self, last: u64) -> Result<Option<FrameId>, StoreError> {
        let Some(before) = last.checked_sub(1).filter(|before| self.has_next(*before)) else { return Ok(None) };
        let mut found = None;
        self.walk(before, last, &mut |header, _| {
            found = (header.last == last).then(|| header.id());
            Ok(false)
        })?;
        Ok(found)
    }

    /// Visits frames as [`Catalog::read`] until `visit` says that it is enough.
    fn walk(&self, after: u64, last: u64, visit: &mut VisitSome<'_>) -> Result<(), StoreError> {
        let numbers: Vec<u64> = {
            let listed = self.listed.lock();
            let start = listed.iter().rposition(|listed| listed.first.is_some_and(|first| first <= after + 1));
            let used = listed.iter().skip(start.unwrap_or(0)).filter(|listed| listed.first.is_some());
            used.map(|listed| listed.number).collect()
        };
        let mut reached = after;
        for number in numbers {
            let Some(segment) = Segment::open(&*self.folder.disk, &self.folder.path, number)? else { break };
            let (mut offset, mut window) = (SEGMENT_HEADER_BYTES, Window::default());
            while reached < last {
                let Some((header, payload)) = segment.frame_at(offset, &mut window)? else { break };
                offset += header.stride();
                if header.last <= reached {
                    continue;
                }
                if header.first > reached + 1 {
                    return Err(segment.damaged(format!("commit {} is missing", reached + 1)));
                }
                if !visit(&header, payload)? {
                    return Ok(());
                }
                reached = header.last;
            }
        }
        if reached < last {
            let what = format!("the journal in {}", self.folder.path.display());
            return Err(StoreError::Damaged { what, detail: format!("commit {} is not readable", reached + 1) });
        }
        Ok(())
    }

    /// Removes the segments that have nothing after a commit, oldest first. Each removal is durable before the next, so
    /// that no gap can appear.
    pub fn drop_through(&self, sequence: u64) -> Result<u64, StoreError> {
        let mut dropped = 0;
        loop {
            let number = {
                let listed = self.listed.lock();
                match (listed.front(), listed.get(1).and_then(|next| next.first)) {
                    (Some(oldest), Some(next_first)) if next_first <= sequence + 1 => oldest.number,
                    _ => return Ok(dropped),
                }
            };
            let path = segment::path(&self.folder.path, number);
            self.folder.disk.remove_file(&path).map_err(io_error("remove", &path))?;
            self.folder.disk.sync_dir(&self.folder.path).map_err(io_error("sync", &self.folder.path))?;
            self.listed.lock().pop_front();
            dropped += 1;
        }
    }
}
