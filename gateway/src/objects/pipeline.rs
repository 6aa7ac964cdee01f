//! A body becomes content: bytes with the metadata when it is small, else blocks that stream to workers while the body
//! still comes.

use super::Inner;
use super::calls::outlived;
use super::leases::BlockLease;
use super::session::BlockLeased;
use super::term::Term;
use super::types::ObjectsError;
use crate::blocks::{BlockWriter, FinishingBlock, Hold, Permit, place};
use crate::body::{IncomingBody, Step, Verified};
use bytes::{Bytes, BytesMut};
use prometheus_client::metrics::gauge::Gauge;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::sleep;
use weir_proto::v1::content::Where;
use weir_proto::v1::{self, Reason};
use weir_proto::{BlockId, Failure};

/// Blocks of one upload whose acknowledgement may be awaited while the next one is sent.
const FINISHING_MAX_COUNT: usize = 1;
/// When too few workers are live: waits between looks at whether there are more now.
const PLACE_PAUSES: [Duration; 3] = [Duration::from_millis(10), Duration::from_millis(100), Duration::from_millis(500)];

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
    /// absent: none does.
    ///
    /// # Errors
    /// Whatever is wrong with the body; `UNAVAILABLE`, `NO_SPACE` and what else workers say.
    pub async fn upload(
        self: &Arc<Self>,
        body: &mut IncomingBody,
        inline_max_bytes: Option<u64>,
    ) -> Result<Uploaded, ObjectsError> {
        let _counted = Counted::new(&self.metrics.uploads_in_flight);
        let mut blocks = BlockStream::new(self, body.plan().length.known());
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
    /// Bytes still to come, where known.
    left_bytes: Option<u64>,
    open: Option<(BlockWriter, Arc<BlockLease>)>,
    finishing: VecDeque<FinishingBlock>,
    extents: Vec<v1::WrittenExtent>,
    leases: Vec<Arc<BlockLease>>,
}

impl<'a> BlockStream<'a> {
    fn new(inner: &'a Arc<Inner>, left_bytes: Option<u64>) -> Self {
        Self {
            inner,
            term: inner.session.term(),
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
            let (mut writer, lease) = match self.open.take() {
                Some(open) => open,
                None => self.begin(block_max_bytes).await?,
            };
            let room = usize::try_from(block_max_bytes - writer.length_bytes()).unwrap_or(usize::MAX);
            let piece = data.split_to(room.min(data.len()));
            self.left_bytes = self.left_bytes.map(|left| left.saturating_sub(piece.len() as u64));
            let permit = self.inner.permit(piece.len()).await?;
            writer.write(piece, Some(permit)).await.inspect_err(|failure| self.refused(&writer, failure))?;
            if writer.length_bytes() == block_max_bytes {
                self.end(writer, &lease).await?;
            } else {
                self.open = Some((writer, lease));
            }
        }
        Ok(())
    }

    async fn begin(&mut self, block_max_bytes: u64) -> Result<(BlockWriter, Arc<BlockLease>), Failure> {
        let workers = self.inner.place(self.term.replication).await?;
        let worker_ids = workers.iter().map(|worker| worker.worker_id).collect();
        let BlockLeased { block_id, lease } = self.lease(worker_ids).await?;
        let expected = self.left_bytes.map_or(0, |left| left.min(block_max_bytes));
        let hold: Hold = lease.clone();
        let writer = BlockWriter::begin(BlockId(block_id), expected, &workers, self.inner.connector.as_ref(), &hold);
        self.leases.push(lease.clone());
        Ok((writer, lease))
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

    async fn end(&mut self, writer: BlockWriter, lease: &BlockLease) -> Result<(), Failure> {
        lease.set_written();
        self.finishing.push_back(writer.finish().await?);
        while self.finishing.len() > FINISHING_MAX_COUNT {
            self.acknowledge().await?;
        }
        Ok(())
    }

    /// Waits for the oldest block whose end was sent.
    async fn acknowledge(&mut self) -> Result<(), Failure> {
        if let Some(block) = self.finishing.pop_front() {
            let extent = block.acknowledged().await.inspect_err(|failure| {
                self.inner.metrics.blocks_refused.inc();
                tracing::warn!(reason = ?failure.reason, "a block was not acknowledged: {failure}");
            })?;
            self.inner.metrics.blocks_written.inc();
            self.extents.push(extent);
        }
        Ok(())
    }

    async fn finish(mut self) -> Result<Written, Failure> {
        if let Some((writer, lease)) = self.open.take() {
            self.end(writer, &lease).await?;
        }
        while !self.finishing.is_empty() {
            self.acknowledge().await?;
        }
        Ok(Written { extents: self.extents, leases: self.leases, term: self.term })
    }

    fn refused(&self, writer: &BlockWriter, failure: &Failure) {
        self.inner.metrics.blocks_refused.inc();
        let block_id = writer.block_id().0;
        tracing::warn!(block_id, reason = ?failure.reason, "a worker does not take a block: {failure}");
    }
}

impl Inner {
    /// Waits until so many bytes may be on their way. Never called while holding a permit that depends on it.
    async fn permit(&self, bytes: usize) -> Result<Permit, Failure> {
        let max = usize::try_from(self.options.buffer_max_bytes).unwrap_or(usize::MAX).clamp(1, Semaphore::MAX_PERMITS);
        let count = u32::try_from(bytes.min(max)).unwrap_or(u32::MAX);
        match self.buffer.clone().acquire_many_owned(count).await {
            Ok(permit) => Ok(Arc::new(permit)),
            Err(_) => Err(Failure::new(Reason::Unavailable, "", "this gateway is shutting down")),
        }
    }

    /// The workers for a new block. When there are too few, asks the metaserver whether there are more by now.
    async fn place(&self, replication: usize) -> Result<Vec<v1::Worker>, Failure> {
        let mut placed = place(&self.session.workers().all, replication, self.clock.as_ref());
        for pause in PLACE_PAUSES {
            if placed.is_ok() {
                break;
            }
            self.session.refresh().await;
            placed = place(&self.session.workers().all, replication, self.clock.as_ref());
            if placed.is_err() {
                sleep(pause).await;
            }
        }
        placed
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
