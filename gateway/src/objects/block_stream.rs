//! The bytes of a body become blocks, which stream to workers while the body still comes: each to as many as there are to
//! be copies of it, or in rows, as shards.

use super::Inner;
use super::calls::outlived;
use super::copies::Mended;
use super::leases::BlockLease;
use super::session::BlockLeased;
use super::shards::Shards;
use super::term::Term;
use super::types::Keeping;
use crate::blocks::{
    BlockWriter, CodedWriter, Copies, FinishingBlock, FinishingCoded, Hold, Mendable as _, Need, NewBlock, Patience,
    Permit, ids,
};
use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;
use std::sync::Arc;
use weir_proto::v1::{self, Reason};
use weir_proto::{BlockId, Failure};

/// Blocks of one upload whose acknowledgement may be awaited while the next one is sent.
const FINISHING_MAX_COUNT: usize = 1;

/// Blocks that all their workers have acknowledged.
pub(super) struct Written {
    pub extents: Vec<v1::WrittenExtent>,
    pub leases: Vec<Arc<BlockLease>>,
    pub term: Arc<Term>,
}

/// Data cut into blocks.
pub(super) struct BlockStream<'a> {
    inner: &'a Arc<Inner>,
    term: Arc<Term>,
    copies: Copies,
    /// Blocks are coded, where they are not too short for it.
    coded: Option<CodedRows>,
    /// Bytes still to come, where known.
    left_bytes: Option<u64>,
    open: Option<OpenBlock>,
    finishing: VecDeque<(Finishing, Arc<BlockLease>)>,
    extents: Vec<v1::WrittenExtent>,
    leases: Vec<Arc<BlockLease>>,
}

struct OpenBlock {
    writer: BlockWriter,
    lease: Arc<BlockLease>,
}

/// The coded block that is open, and the row that is filled.
struct CodedRows {
    shards: Shards,
    open: Option<(CodedWriter, Arc<BlockLease>)>,
    row: BytesMut,
    /// For a row with its parity, as long as one is begun.
    permit: Option<Permit>,
}

/// A block of which the last byte is sent.
enum Finishing {
    Copies(FinishingBlock),
    Coded(FinishingCoded, Shards),
}

impl Finishing {
    fn forget_window(&mut self) {
        match self {
            Self::Copies(block) => block.forget_window(),
            Self::Coded(block, _) => block.forget_window(),
        }
    }
}

impl<'a> BlockStream<'a> {
    pub fn new(inner: &'a Arc<Inner>, left_bytes: Option<u64>, keeping: Keeping) -> Self {
        let copies = inner.session.copies(keeping);
        let coded = |shards| CodedRows { shards, open: None, row: BytesMut::new(), permit: None };
        Self {
            inner,
            term: inner.session.term(),
            copies,
            coded: keeping.coding.and_then(|scheme| Shards::new(scheme, copies)).map(coded),
            left_bytes,
            open: None,
            finishing: VecDeque::new(),
            extents: Vec::new(),
            leases: Vec::new(),
        }
    }

    /// Did nothing come yet?
    pub fn is_empty(&self) -> bool {
        self.leases.is_empty() && self.coded.as_ref().is_none_or(|coded| coded.row.is_empty())
    }

    pub async fn push(&mut self, data: Bytes) -> Result<(), Failure> {
        match self.coded.take() {
            // It is put back; when it is not, the upload has failed.
            Some(mut coded) => {
                self.push_rows(&mut coded, data).await?;
                self.coded = Some(coded);
                Ok(())
            }
            None => self.push_copies(data).await,
        }
    }

    async fn push_copies(&mut self, mut data: Bytes) -> Result<(), Failure> {
        let block_max_bytes = self.inner.options.block_max_bytes.max(1);
        while !data.is_empty() {
            let mut block = match self.open.take() {
                Some(open) => open,
                None => self.begin(block_max_bytes).await?,
            };
            let room = usize::try_from(block_max_bytes - block.writer.length_bytes()).unwrap_or(usize::MAX);
            let piece = data.split_to(room.min(data.len()));
            self.left_bytes = self.left_bytes.map(|left| left.saturating_sub(piece.len() as u64));
            let is_cut = self.write(&mut block, piece).await? == Mended::IsCut;
            if is_cut || block.writer.length_bytes() == block_max_bytes {
                self.end(block).await?;
            } else {
                self.open = Some(block);
            }
        }
        Ok(())
    }

    async fn write(&mut self, block: &mut OpenBlock, piece: Bytes) -> Result<Mended, Failure> {
        let permit = match self.inner.try_permit(piece.len()) {
            Some(permit) => permit,
            None => {
                // Whoever waits for memory keeps none that others may wait for.
                block.writer.forget_window();
                self.forget_windows();
                self.inner.permit(piece.len()).await?
            }
        };
        let failed_before = block.writer.failed().len();
        block.writer.write(piece, Some(permit)).await;
        if block.writer.failed().len() == failed_before {
            return Ok(Mended::GoesOn);
        }
        self.inner.mend(&mut block.writer, &block.lease, self.copies, 1).await
    }

    fn forget_windows(&mut self) {
        self.finishing.iter_mut().for_each(|(finishing, _)| finishing.forget_window());
    }

    async fn begin(&mut self, block_max_bytes: u64) -> Result<OpenBlock, Failure> {
        let expected_bytes = self.left_bytes.map_or(0, |left| left.min(block_max_bytes));
        let need = self.copies.lacking(&[], &[], expected_bytes);
        let (block, workers, lease) = self.new_block(&need, expected_bytes).await?;
        let writer = BlockWriter::begin(block, &workers, &self.inner.connector);
        Ok(OpenBlock { writer, lease })
    }

    /// A block id, and the workers for it.
    async fn new_block(
        &mut self,
        need: &Need<'_>,
        expected_bytes: u64,
    ) -> Result<(NewBlock, Vec<v1::Worker>, Arc<BlockLease>), Failure> {
        let workers = self.inner.place(need).await?;
        let worker_ids = ids(&workers);
        let BlockLeased { block_id, lease } = self.lease(worker_ids.clone()).await?;
        let another = Need { copies: 1, min: 0, excluded: &worker_ids, ..*need };
        let is_replaceable = workers.len() > need.min || !self.inner.choose(&another).is_empty();
        let patience = if is_replaceable { self.inner.patience() } else { Patience::LONG };
        let hold: Hold = lease.clone();
        let block = NewBlock { block_id: BlockId(block_id), expected_bytes, patience, is_replaceable, hold };
        self.leases.push(lease.clone());
        Ok((block, workers, lease))
    }

    /// A block id. All of an upload are of one session; the first one may open it.
    async fn lease(&mut self, worker_ids: Vec<u64>) -> Result<BlockLeased, Failure> {
        let session = &self.inner.session;
        match session.lease_block(&self.term, worker_ids.clone()).await {
            Err(failure) if failure.reason == Reason::SessionOver && self.leases.is_empty() => {
                self.term = session.renew(&self.term).await?;
                session.lease_block(&self.term, worker_ids).await.map_err(outlived)
            }
            leased => leased.map_err(outlived),
        }
    }

    async fn end(&mut self, OpenBlock { writer, lease }: OpenBlock) -> Result<(), Failure> {
        lease.set_written();
        let failed_before = writer.failed().len();
        let finishing = writer.finish().await;
        self.inner.note_failed(finishing.block_id(), &finishing.failed()[failed_before..]);
        self.ended(Finishing::Copies(finishing), lease).await
    }

    async fn ended(&mut self, finishing: Finishing, lease: Arc<BlockLease>) -> Result<(), Failure> {
        self.finishing.push_back((finishing, lease));
        while self.finishing.len() > FINISHING_MAX_COUNT {
            self.acknowledge().await?;
        }
        Ok(())
    }

    /// Waits for the oldest block whose end was sent, until it has its copies.
    async fn acknowledge(&mut self) -> Result<(), Failure> {
        let Some((finishing, lease)) = self.finishing.pop_front() else { return Ok(()) };
        let extent = match finishing {
            Finishing::Copies(finishing) => {
                let failed_before = finishing.failed().len();
                let block = finishing.answered().await;
                self.inner.note_failed(block.extent.block_id, &block.failed[failed_before..]);
                if block.holders.len() < self.copies.wanted {
                    self.forget_windows();
                }
                self.inner.complete(block, &lease, self.copies).await?
            }
            Finishing::Coded(finishing, shards) => {
                let failed_before = finishing.failed().len();
                let block = finishing.answered().await;
                self.inner.note_failed(block.extent.block_id, &block.failed[failed_before..]);
                if !block.missing().is_empty() {
                    self.forget_windows();
                }
                self.inner.complete_shards(block, &lease, &shards).await?
            }
        };
        self.extents.push(extent);
        self.inner.metrics.blocks_written.inc();
        Ok(())
    }

    pub async fn finish(mut self) -> Result<Written, Failure> {
        if let Some(coded) = self.coded.take() {
            self.finish_rows(coded).await?;
        }
        if let Some(block) = self.open.take() {
            self.end(block).await?;
        }
        while !self.finishing.is_empty() {
            self.acknowledge().await?;
        }
        Ok(Written { extents: self.extents, leases: self.leases, term: self.term })
    }
}

/// Coded blocks.
impl BlockStream<'_> {
    async fn push_rows(&mut self, coded: &mut CodedRows, mut data: Bytes) -> Result<(), Failure> {
        let row_bytes = coded.shards.layout.row_bytes() as usize;
        while !data.is_empty() {
            if coded.permit.is_none() {
                coded.permit = Some(self.row_permit(coded).await?);
                coded.row.reserve(self.left_bytes.map_or(row_bytes, |left| row_bytes.min(left as usize)));
            }
            let piece = data.split_to(data.len().min(row_bytes - coded.row.len()));
            coded.row.extend_from_slice(&piece);
            self.left_bytes = self.left_bytes.map(|left| left.saturating_sub(piece.len() as u64));
            if coded.row.len() == row_bytes {
                self.write_row(coded).await?;
            }
        }
        Ok(())
    }

    /// The memory for a row, before any of it is kept.
    async fn row_permit(&mut self, coded: &mut CodedRows) -> Result<Permit, Failure> {
        let bytes = coded.shards.row_memory_bytes(self.left_bytes);
        if let Some(permit) = self.inner.try_permit(bytes) {
            return Ok(permit);
        }
        if let Some((writer, _)) = &mut coded.open {
            writer.forget_window();
        }
        self.forget_windows();
        self.inner.permit(bytes).await
    }

    /// Sends the row, and ends the block where it is full or cut.
    async fn write_row(&mut self, coded: &mut CodedRows) -> Result<(), Failure> {
        let (row, permit, shards) = (coded.row.split().freeze(), coded.permit.take(), coded.shards);
        let (mut writer, lease) = match coded.open.take() {
            Some(open) => open,
            None => self.begin_coded(&shards, row.len() as u64).await?,
        };
        let failed_before = writer.failed().len();
        writer.write(row, permit).await?;
        let is_cut = writer.failed().len() > failed_before
            && self.inner.mend(&mut writer, &lease, shards.copies(), shards.needed()).await? == Mended::IsCut;
        if is_cut || writer.length_bytes() >= shards.block_bytes(self.inner.options.block_max_bytes) {
            return self.end_coded(writer, lease, shards).await;
        }
        coded.open = Some((writer, lease));
        Ok(())
    }

    async fn begin_coded(
        &mut self,
        shards: &Shards,
        row_bytes: u64,
    ) -> Result<(CodedWriter, Arc<BlockLease>), Failure> {
        let block_bytes = shards.block_bytes(self.inner.options.block_max_bytes);
        let expected_bytes = self.left_bytes.map_or(0, |left| left.saturating_add(row_bytes).min(block_bytes));
        let part_bytes = shards.layout.shard_bytes(expected_bytes, shards.layout.scheme().data());
        let need = shards.copies().lacking(&[], &[], part_bytes);
        let (block, workers, lease) = self.new_block(&need, expected_bytes).await?;
        let workers: Vec<(usize, v1::Worker)> = workers.into_iter().enumerate().collect();
        Ok((CodedWriter::begin(block, shards.layout, &workers, &self.inner.connector), lease))
    }

    async fn end_coded(&mut self, writer: CodedWriter, lease: Arc<BlockLease>, shards: Shards) -> Result<(), Failure> {
        lease.set_written();
        let failed_before = writer.failed().len();
        let finishing = writer.finish().await;
        self.inner.note_failed(finishing.block_id(), &finishing.failed()[failed_before..]);
        self.ended(Finishing::Coded(finishing, shards), lease).await
    }

    /// What is left of a row ends its block; where none is open it is too short to be coded, and is copied.
    async fn finish_rows(&mut self, mut coded: CodedRows) -> Result<(), Failure> {
        if coded.open.is_some() && !coded.row.is_empty() {
            self.write_row(&mut coded).await?;
        }
        if let Some((writer, lease)) = coded.open.take() {
            self.end_coded(writer, lease, coded.shards).await?;
        }
        // Whoever waits for memory has none.
        coded.permit = None;
        self.left_bytes = Some(coded.row.len() as u64);
        self.push_copies(coded.row.freeze()).await
    }
}
