//! Reads a range of an object from the workers that hold its extents: piece by piece, as there is memory for them, and
//! each from the next replica where one fails.

use super::budget::{Allowance, Grant};
use super::coded_block::CodedBlock;
use super::local::{LOCAL_MIN_BYTES, LocalBlock};
use super::part::{OpenPart, Part};
use super::piece::{OpenPiece, Piece};
use super::rows::Rows;
use super::sources::ReadSources;
use super::writer::low_half;
use bytes::Bytes;
use crc_fast::{CrcAlgorithm, Digest as CrcDigest};
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::OnceCell;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument as _;
use weir_proto::v1::{self, LocatedExtent, Reason};
use weir_proto::{Failure, WorkerId};
use weir_service::planted::{Fault, planted};
use weir_service::trace::Current;

/// Workers verify so many bytes at a time: pieces end there, so that nothing is verified twice.
const ALIGNMENT_BYTES: u64 = 64 << 10;

/// Some bytes, and the memory that they take for as long as they are held.
pub struct Frame {
    pub data: Bytes,
    pub grant: Grant,
}

/// What is wanted of one block.
struct Slice {
    block_id: u64,
    /// What is not asked for yet: moves on with each piece.
    offset_bytes: u64,
    length_bytes: u64,
    /// Those that did not fail yet; in the order in which they are asked once it is begun.
    replicas: Vec<v1::Worker>,
    is_begun: bool,
    /// See [`Piece`].
    local: Option<Arc<OnceCell<Option<Arc<LocalBlock>>>>>,
    /// It is in shards, and has no replicas.
    coded: Option<Arc<CodedBlock>>,
}

/// What came of a slice, in the order of the slices.
struct Check {
    left_bytes: u64,
    /// When the whole block is wanted: what its bytes must come to.
    expected: Option<u32>,
    crc32c: CrcDigest,
}

/// The bytes of a range of an object, in order.
pub struct ExtentReader {
    sources: ReadSources,
    allowance: Allowance,
    slices: VecDeque<Slice>,
    checks: VecDeque<Check>,
    current: Option<OpenPart>,
    ahead: Option<AbortOnDropHandle<Result<OpenPart, Failure>>>,
}

impl ExtentReader {
    /// Nothing is opened yet.
    ///
    /// # Errors
    /// `STORE_FAILED` when the extents do not cover the range without a gap: the namespace is damaged.
    pub fn new(
        extents: Vec<LocatedExtent>,
        offset_bytes: u64,
        length_bytes: u64,
        sources: ReadSources,
    ) -> Result<Self, Failure> {
        let (slices, checks) = cut(extents, offset_bytes, length_bytes, &sources)?;
        let allowance = sources.budget.allowance();
        Ok(Self { sources, allowance, slices, checks, current: None, ahead: None })
    }

    /// The next bytes, never empty; None after the last one. Waits, where memory is short, until the frames before are
    /// let go.
    ///
    /// # Errors
    /// What the last replica said, when all of an extent have failed: `DAMAGED`, `NO_SUCH_BLOCK`, `UNAVAILABLE`, ….
    pub async fn next(&mut self) -> Result<Option<Frame>, Failure> {
        loop {
            let Some(current) = &mut self.current else {
                match self.open_next().await? {
                    Some(open) => self.current = Some(open),
                    None => return Ok(None),
                }
                continue;
            };
            let frame = match current.next_frame().await {
                Ok(data) => self.checked(data),
                Err(failure) => Err(failure),
            };
            match frame {
                Ok(frame) => return Ok(Some(frame)),
                Err(failure) => self.fail_over(failure).await?,
            }
        }
    }

    /// Takes what came of the current piece. The last bytes of a block are held back until all of it is known to be
    /// right.
    fn checked(&mut self, data: Bytes) -> Result<Frame, Failure> {
        let (Some(current), Some(check)) = (&mut self.current, self.checks.front_mut()) else {
            return Err(Failure::new(Reason::StoreFailed, "", "more was read than was asked for"));
        };
        let length_bytes = data.len() as u64;
        if let Some(expected) = check.expected {
            let mut crc32c = check.crc32c;
            crc32c.update(&data);
            if length_bytes == check.left_bytes && low_half(crc32c.finalize()) != expected {
                return Err(current.failure(Reason::Damaged, "the block's bytes do not match its checksum"));
            }
            check.crc32c = crc32c;
        }
        check.left_bytes -= length_bytes;
        let grant = current.took(length_bytes);
        self.sources.metrics.bytes.inc_by(length_bytes);
        if check.left_bytes == 0 {
            self.checks.pop_front();
            self.sources.metrics.blocks.inc();
        }
        let (asked_bytes, left_bytes) = current.asked_and_left_bytes();
        let is_nearly_over = left_bytes <= asked_bytes / 2;
        if left_bytes == 0 {
            self.current = None;
        }
        if is_nearly_over && self.ahead.is_none() {
            self.open_ahead();
        }
        Ok(Frame { data, grant })
    }

    async fn open_next(&mut self) -> Result<Option<OpenPart>, Failure> {
        if let Some(ahead) = self.ahead.take() {
            let opened = ahead.await;
            let opened = opened.unwrap_or_else(|e| Err(Failure::new(Reason::Unavailable, "", e.to_string())));
            return Ok(Some(self.opened(opened?)));
        }
        let Some(slice) = self.slices.front() else { return Ok(None) };
        let mut grant = self.allowance.take(slice.length_bytes).await;
        match self.next_part(&mut grant) {
            Some(part) => Ok(Some(self.opened(part.open(grant, self.sources.clone()).await?))),
            None => Ok(None),
        }
    }

    /// The rest of the block is asked of those that are left, in the order in which they did well.
    fn opened(&mut self, open: OpenPart) -> OpenPart {
        if let OpenPart::Piece(open) = &open
            && let Some(slice) = self.slices.front_mut().filter(|slice| slice.block_id == open.piece.block_id)
        {
            slice.replicas.clone_from(&open.piece.replicas);
        }
        open
    }

    /// Asks for the next piece before this one is over, if there is memory for both.
    fn open_ahead(&mut self) {
        if let Some(slice) = self.slices.front()
            && let Some(mut grant) = self.allowance.try_take(slice.length_bytes)
            && let Some(part) = self.next_part(&mut grant)
        {
            let opening = part.open(grant, self.sources.clone());
            let opening = Current::get().carry(opening).in_current_span();
            self.ahead = Some(AbortOnDropHandle::new(tokio::spawn(opening)));
        }
    }

    /// Cuts off as much as is granted.
    fn next_part(&mut self, grant: &mut Grant) -> Option<Part> {
        let slice = self.slices.front_mut()?;
        let part = match slice.coded.clone() {
            Some(block) => Part::Rows(slice.next_rows(block, grant)),
            None => Part::Piece(slice.next_piece(&self.sources, grant)),
        };
        if slice.length_bytes == 0 {
            self.slices.pop_front();
        }
        Some(part)
    }

    /// Goes on with the current piece, and with what is left of its block, on another replica.
    async fn fail_over(&mut self, failure: Failure) -> Result<(), Failure> {
        // What of a coded block could be computed was.
        let Some(OpenPart::Piece(failed)) = self.current.take() else { return Err(failure) };
        let (mut piece, grant) = failed.give_up(&failure, &self.sources);
        piece.replicas.remove(0);
        if planted(Fault::FailoverRepeatsBytes) {
            piece.offset_bytes = piece.offset_bytes.saturating_sub(1);
        }
        if piece.replicas.is_empty() {
            return Err(failure);
        }
        let opened = OpenPiece::open(piece, grant, self.sources.clone()).await?;
        self.current = Some(self.opened(OpenPart::Piece(Box::new(opened))));
        Ok(())
    }
}

impl Slice {
    fn next_piece(&mut self, sources: &ReadSources, grant: &mut Grant) -> Piece {
        if !self.is_begun {
            // Only now: who failed the slices before is asked last.
            sources.nearness.sort(&mut self.replicas, &sources.health, sources.clock.as_ref());
            self.is_begun = true;
            if self.length_bytes >= LOCAL_MIN_BYTES && sources.may_open_file(&self.replicas) {
                self.local = Some(Arc::default());
            }
        }
        let end = self.offset_bytes + self.length_bytes;
        let granted = self.offset_bytes + grant.bytes().min(self.length_bytes);
        let aligned = granted - granted % ALIGNMENT_BYTES;
        let piece_end = if granted == end || aligned <= self.offset_bytes { granted } else { aligned };
        let piece = Piece {
            block_id: self.block_id,
            offset_bytes: self.offset_bytes,
            length_bytes: piece_end - self.offset_bytes,
            replicas: self.replicas.clone(),
            local: self.local.clone(),
            has_others: false,
        };
        grant.shrink(piece.length_bytes);
        self.take(piece.length_bytes);
        piece
    }

    fn next_rows(&mut self, block: Arc<CodedBlock>, grant: &mut Grant) -> Rows {
        let (length_bytes, memory_bytes) = block.part(self.offset_bytes, self.length_bytes, grant.bytes());
        grant.shrink(memory_bytes);
        let rows = Rows { block, offset_bytes: self.offset_bytes, length_bytes };
        self.take(length_bytes);
        rows
    }

    fn take(&mut self, length_bytes: u64) {
        self.offset_bytes += length_bytes;
        self.length_bytes -= length_bytes;
    }
}

/// What is wanted of each extent.
fn cut(
    extents: Vec<LocatedExtent>,
    offset_bytes: u64,
    length_bytes: u64,
    sources: &ReadSources,
) -> Result<(VecDeque<Slice>, VecDeque<Check>), Failure> {
    let end = offset_bytes.saturating_add(length_bytes);
    let mut position = offset_bytes;
    let (mut slices, mut checks) = (VecDeque::with_capacity(extents.len()), VecDeque::with_capacity(extents.len()));
    for located in extents {
        let extent = located.extent.unwrap_or_default();
        let extent_end = located.offset_bytes.saturating_add(extent.length_bytes);
        if extent_end <= position || located.offset_bytes >= end {
            continue;
        }
        if located.offset_bytes > position {
            return Err(gap(position));
        }
        let length = extent_end.min(end) - position;
        let skipped = position - located.offset_bytes;
        let is_off = planted(Fault::RangeOffAcrossBlocks) && located.offset_bytes > 0 && skipped > 0;
        let coded = located.coded.as_ref().map(|place| CodedBlock::new(extent, place, sources)).transpose()?;
        slices.push_back(Slice {
            block_id: extent.block_id,
            offset_bytes: skipped - u64::from(is_off),
            length_bytes: length,
            replicas: known(&located.worker_ids, sources),
            is_begun: false,
            local: None,
            coded: coded.map(Arc::new),
        });
        let is_unchecked = planted(Fault::ShardCrcUnchecked) && located.coded.is_some();
        checks.push_back(Check {
            left_bytes: length,
            expected: (length == extent.length_bytes && !is_unchecked).then_some(extent.crc32c),
            crc32c: CrcDigest::new(CrcAlgorithm::Crc32Iscsi),
        });
        position += length;
    }
    if position < end { Err(gap(position)) } else { Ok((slices, checks)) }
}

fn gap(position: u64) -> Failure {
    Failure::new(Reason::StoreFailed, "", format!("the object's record has no extent for its byte {position}"))
}

/// The workers that are known to hold a block.
fn known(worker_ids: &[u64], sources: &ReadSources) -> Vec<v1::Worker> {
    worker_ids.iter().filter_map(|id| sources.workers.get(&WorkerId(*id)).cloned()).collect()
}
