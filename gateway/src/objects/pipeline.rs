//! A body becomes content: bytes with the metadata when it is small, else blocks that stream to workers while the body
//! still comes.

use super::Inner;
use super::calls::outlived;
use super::copies::Mended;
use super::leases::BlockLease;
use super::session::BlockLeased;
use super::term::Term;
use super::types::ObjectsError;
use crate::blocks::{BlockWriter, Copies, FinishingBlock, Hold, Need, NewBlock, Patience, ids};
use crate::body::{IncomingBody, Step, Verified};
use bytes::{Bytes, BytesMut};
use prometheus_client::metrics::gauge::Gauge;
use std::collections::VecDeque;
use std::sync::Arc;
use weir_proto::v1::content::Where;
use weir_proto::v1::{self, Reason};
use weir_proto::{BlockId, Failure};

/// Blocks of one upload whose acknowledgement may be awaited while the next one is sent.
const FINISHING_MAX_COUNT: usize = 1;

/// A verified body, on disk but for what is inline, that no one refers to yet. Dropping it abandons its blocks.
pub(super) struct Uploaded {
    pub content: v1::Content,
    pub verified: Verified,
    /// Empty: nothing in it belongs to a session.
    pub leases: Vec<Arc<BlockLease>>,
    pub term: Arc<Term>,
}

impl Inner {
    /// Reads a body to its end and stores it. `inline_max_bytes`: the largest body that stays in the content itself;
    /// absent: none does. `replication`: the copies of each block that its bucket asks for; 0: it asks for none.
    ///
    /// # Errors
    /// Whatever is wrong with the body; `UNAVAILABLE`, `NO_SPACE` and what else workers say.
    pub async fn upload(
        self: &Arc<Self>,
        body: &mut IncomingBody,
        inline_max_bytes: Option<u64>,
        replication: u32,
    ) -> Result<Uploaded, ObjectsError> {
        let _counted = Counted::new(&self.metrics.uploads_in_flight);
        let mut blocks = BlockStream::new(self, body.plan().length.known(), self.session.copies(replication));
        let mut head = Head::default();
        let verified = loop {
            match body.next().await? {
                Step::Data(data) => {
                    self.metrics.received_bytes.inc_by(data.len() as u64);
                    match inline_max_bytes {
                        Some(max) if blocks.is_empty() && head.length_bytes() + data.len() as u64 <= max => {
                            head.push(data);
                        }
                        _ => {
                            blocks.push(head.take()).await?;
                            blocks.push(data).await?;
                        }
                    }
                }
                Step::End(verified) => break verified,
            }
        };
        // The last block's end is sent only now: of a body that turns out false, nothing of it stays on a worker.
        let leases_and_extents = blocks.finish().await?;
        Ok(uploaded(verified, inline_max_bytes.is_some(), head, leases_and_extents))
    }
}

fn uploaded(verified: Verified, may_be_inline: bool, mut head: Head, blocks: Written) -> Uploaded {
    let place = if may_be_inline && blocks.extents.is_empty() {
        Where::Inline(head.take())
    } else {
        Where::Extents(v1::Extents { extents: blocks.extents })
    };
    let content = v1::Content {
        size_bytes: verified.size_bytes,
        md5: Bytes::copy_from_slice(&verified.md5),
        checksum: Some(verified.checksum.clone()),
        r#where: Some(place),
    };
    Uploaded { content, verified, leases: blocks.leases, term: blocks.term }
}

/// The beginning of a body that may turn out small. The first piece is kept as it came; what follows is copied to it,
/// since a byte that trickles in is a part of a buffer of the connection's, all of which would stay with it.
#[derive(Default)]
struct Head {
    first: Bytes,
    joined: BytesMut,
}

impl Head {
    fn length_bytes(&self) -> u64 {
        self.first.len().max(self.joined.len()) as u64
    }

    fn push(&mut self, data: Bytes) {
        if self.length_bytes() == 0 {
            self.first = data;
            return;
        }
        self.joined.extend_from_slice(&std::mem::take(&mut self.first));
        self.joined.extend_from_slice(&data);
    }

    /// All that came; nothing is left.
    fn take(&mut self) -> Bytes {
        if self.joined.is_empty() { std::mem::take(&mut self.first) } else { self.joined.split().freeze() }
    }
}

/// Blocks that all their workers have acknowledged.
struct Written {
    extents: Vec<v1::WrittenExtent>,
    leases: Vec<Arc<BlockLease>>,
    term: Arc<Term>,
}

/// Data cut into blocks.
struct BlockStream<'a> {
    inner: &'a Arc<Inner>,
    term: Arc<Term>,
    copies: Copies,
    /// Bytes still to come, where known.
    left_bytes: Option<u64>,
    open: Option<OpenBlock>,
    finishing: VecDeque<(FinishingBlock, Arc<BlockLease>)>,
    extents: Vec<v1::WrittenExtent>,
    leases: Vec<Arc<BlockLease>>,
}

struct OpenBlock {
    writer: BlockWriter,
    lease: Arc<BlockLease>,
}

impl<'a> BlockStream<'a> {
    fn new(inner: &'a Arc<Inner>, left_bytes: Option<u64>, copies: Copies) -> Self {
        Self {
            inner,
            term: inner.session.term(),
            copies,
            left_bytes,
            open: None,
            finishing: VecDeque::new(),
            extents: Vec::new(),
            leases: Vec::new(),
        }
    }

    fn is_empty(&self) -> bool {
        self.leases.is_empty()
    }

    async fn push(&mut self, mut data: Bytes) -> Result<(), Failure> {
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
        self.inner.mend(&mut block.writer, &block.lease, self.copies).await
    }

    fn forget_windows(&mut self) {
        self.finishing.iter_mut().for_each(|(finishing, _)| finishing.forget_window());
    }

    async fn begin(&mut self, block_max_bytes: u64) -> Result<OpenBlock, Failure> {
        let expected_bytes = self.left_bytes.map_or(0, |left| left.min(block_max_bytes));
        let Copies { wanted, min } = self.copies;
        let need = Need { copies: wanted, min, length_bytes: expected_bytes, holders: &[], excluded: &[] };
        let workers = self.inner.place(&need).await?;
        let worker_ids = ids(&workers);
        let BlockLeased { block_id, lease } = self.lease(worker_ids.clone()).await?;
        let another = Need { copies: 1, min: 0, excluded: &worker_ids, ..need };
        let is_replaceable = workers.len() > min || !self.inner.choose(&another).is_empty();
        let patience = if is_replaceable { self.inner.patience() } else { Patience::LONG };
        let hold: Hold = lease.clone();
        let block = NewBlock { block_id: BlockId(block_id), expected_bytes, patience, is_replaceable, hold };
        let writer = BlockWriter::begin(block, &workers, &self.inner.connector);
        self.leases.push(lease.clone());
        Ok(OpenBlock { writer, lease })
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
        self.finishing.push_back((finishing, lease));
        while self.finishing.len() > FINISHING_MAX_COUNT {
            self.acknowledge().await?;
        }
        Ok(())
    }

    /// Waits for the oldest block whose end was sent, until it has its copies.
    async fn acknowledge(&mut self) -> Result<(), Failure> {
        let Some((finishing, lease)) = self.finishing.pop_front() else { return Ok(()) };
        let failed_before = finishing.failed().len();
        let block = finishing.answered().await;
        self.inner.note_failed(block.extent.block_id, &block.failed[failed_before..]);
        if block.holders.len() < self.copies.wanted {
            self.forget_windows();
        }
        self.extents.push(self.inner.complete(block, &lease, self.copies).await?);
        self.inner.metrics.blocks_written.inc();
        Ok(())
    }

    async fn finish(mut self) -> Result<Written, Failure> {
        if let Some(block) = self.open.take() {
            self.end(block).await?;
        }
        while !self.finishing.is_empty() {
            self.acknowledge().await?;
        }
        Ok(Written { extents: self.extents, leases: self.leases, term: self.term })
    }
}

/// Counts something while it lives.
struct Counted(Gauge);

impl Counted {
    fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}
