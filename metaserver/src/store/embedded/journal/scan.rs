//! Reading the journal: walking its frames, and finding where it ends.
//!
//! The writer has one frame in flight: it writes, waits for the disk, and only then writes the next, which says so in
//! its durable mark. So what is not a frame is either the end, or the last write that the power cut interrupted, which
//! nobody was told about: nothing valid comes after it. If a frame after it says that it was durable, it was
//! acknowledged, and now it is damaged.

use super::frame::{ALIGNMENT, FRAME_HEADER_BYTES, FrameHeader, MAGIC};
use super::segment::{READ_BYTES, SEGMENT_HEADER_BYTES, Segment, Window};
use crate::store::StoreError;
use crate::store::embedded::io_error;
use weir_service::planted::{Fault, planted};

/// Takes frames in order.
pub(in super::super) type Visit<'a> = dyn FnMut(&FrameHeader, &[u8]) -> Result<(), StoreError> + 'a;

/// Where the journal ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Tail {
    /// Index of the segment that the next frame goes to.
    pub segment: usize,
    /// Offset in it.
    pub offset: u64,
    /// Sequence of the last commit; `None`: there is no frame.
    pub last: Option<u64>,
    /// Index of its segment, and offset, of the last frame.
    pub last_frame: Option<(usize, u64)>,
}

/// The first sequence in each segment; `None`: no frame begins it.
pub(super) fn first_sequences(segments: &[Segment]) -> Result<Vec<Option<u64>>, StoreError> {
    let first = |segment: &Segment| {
        let mut window = Window::default();
        Ok(segment.frame_at(SEGMENT_HEADER_BYTES, &mut window)?.map(|(header, _)| header.first))
    };
    segments.iter().map(first).collect()
}

/// Visits every frame that has a commit after `after`, checks that none is missing, and finds the tail.
///
/// # Errors
/// [`StoreError::Damaged`]: acknowledged commits are not readable.
pub(super) fn replay(
    segments: &[Segment],
    firsts: &[Option<u64>],
    after: u64,
    visit: &mut Visit<'_>,
) -> Result<Tail, StoreError> {
    let begins_before = |first: &Option<u64>| first.is_some_and(|first| first <= after + 1);
    let Some(start) = firsts.iter().rposition(begins_before) else {
        if let Some(found) = firsts.iter().position(Option::is_some) {
            return Err(segments[found].damaged(format!("it begins after commit {}", after + 1)));
        }
        check_end(segments, SEGMENT_HEADER_BYTES, 0)?;
        return Ok(Tail { segment: 0, offset: SEGMENT_HEADER_BYTES, last: None, last_frame: None });
    };
    let mut expected = None;
    let mut tail = Tail { segment: start, offset: SEGMENT_HEADER_BYTES, last: None, last_frame: None };
    for (index, segment) in segments.iter().enumerate().skip(start) {
        (tail.segment, tail.offset) = (index, SEGMENT_HEADER_BYTES);
        let mut window = Window::default();
        while let Some((header, payload)) = segment.frame_at(tail.offset, &mut window)? {
            if expected.is_some_and(|expected| expected != header.first) {
                return Err(gap(segment, tail.offset, expected.unwrap_or_default(), header.first));
            }
            if header.last > after {
                visit(&header, payload)?;
            }
            expected = Some(header.last + 1);
            tail.last = Some(header.last);
            tail.last_frame = Some((index, tail.offset));
            tail.offset += header.stride();
        }
        let next = firsts.get(index + 1).copied().flatten();
        match (next, expected) {
            (Some(next), Some(expected)) if next == expected => {}
            (Some(next), expected) => return Err(gap(segment, tail.offset, expected.unwrap_or_default(), next)),
            (None, _) => break,
        }
    }
    check_end(&segments[tail.segment..], tail.offset, expected.unwrap_or_default())?;
    Ok(tail)
}

fn gap(segment: &Segment, offset: u64, expected: u64, found: u64) -> StoreError {
    segment.damaged(format!("commit {expected} was acknowledged and is missing at byte {offset}; {found} comes next"))
}

/// Checks that nothing from `offset` of the first segment on is a frame that knows commit `expected` to be durable.
fn check_end(segments: &[Segment], offset: u64, expected: u64) -> Result<(), StoreError> {
    for (index, segment) in segments.iter().enumerate() {
        let from = if index == 0 { offset } else { SEGMENT_HEADER_BYTES };
        if let Some((at, header)) = find_frame(segment, from, expected)? {
            let detail = format!(
                "commit {expected} was acknowledged and is not readable at byte {offset} of {}; a later frame at byte \
                 {at} has commit {}",
                segments[0].path.display(),
                header.first
            );
            return Err(segment.damaged(detail));
        }
    }
    Ok(())
}

/// The first whole frame at or after an offset whose durable mark reaches `durable`.
fn find_frame(segment: &Segment, from: u64, durable: u64) -> Result<Option<(u64, FrameHeader)>, StoreError> {
    let mut window = Window::default();
    let mut buffer = vec![0; READ_BYTES as usize];
    let mut start = from;
    while start + FRAME_HEADER_BYTES as u64 <= segment.capacity {
        let length = READ_BYTES.min(segment.capacity - start) as usize;
        segment.file.read_exact_at(&mut buffer[..length], start).map_err(io_error("read", &segment.path))?;
        for (place, bytes) in buffer[..length].chunks(ALIGNMENT as usize).enumerate() {
            if !bytes.starts_with(&MAGIC) {
                continue;
            }
            let at = start + place as u64 * ALIGNMENT;
            if let Some((header, _)) =
                segment.frame_at(at, &mut window)?.filter(|(header, _)| header.durable >= durable)
            {
                return Ok(Some((at, header)));
            }
        }
        start += length as u64;
    }
    Ok(None)
}

/// Zeroes what a power cut left after the tail. Returns how many bytes that were not zero lay in between.
pub(super) fn cut(segments: &[Segment], tail: &Tail) -> Result<u64, StoreError> {
    let mut cut_bytes = 0;
    if planted(Fault::TornTailKept) {
        return Ok(cut_bytes);
    }
    for (index, segment) in segments.iter().enumerate().skip(tail.segment) {
        let mut offset = if index == tail.segment { tail.offset } else { SEGMENT_HEADER_BYTES };
        let mut touched = false;
        while let Some(dirty) = segment.first_not_zero(offset)? {
            let length = READ_BYTES.min(segment.capacity - dirty);
            let zeros = vec![0; length as usize];
            segment.file.write_all_at(&zeros, dirty).map_err(io_error("write", &segment.path))?;
            (offset, touched) = (dirty + length, true);
            cut_bytes += length;
        }
        if touched {
            segment.file.sync_data().map_err(io_error("sync", &segment.path))?;
        }
    }
    Ok(cut_bytes)
}
