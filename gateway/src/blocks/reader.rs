//! Reads a range of an object from the workers that hold its extents: the next replica where one fails, from the byte
//! where it failed.

use super::WorkerConnector;
use super::writer::low_half;
use bytes::Bytes;
use crc_fast::{CrcAlgorithm, Digest as CrcDigest};
use prometheus_client::metrics::counter::Counter;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;
use tonic::Streaming;
use tracing::Instrument as _;
use weir_proto::v1::blocks_client::BlocksClient;
use weir_proto::v1::{self, LocatedExtent, Reason};
use weir_proto::{Failure, MAX_MESSAGE_BYTES, WorkerId};
use weir_service::clock::Clock;
use weir_service::trace::Current;

/// A worker that sends nothing for so long has failed.
const STALL_TIMEOUT: Duration = Duration::from_secs(20);
/// The next extent is opened when no more than this is left of the current one.
const OPEN_AHEAD_BYTES: u64 = 2 << 20;

/// The workers of the cluster by their ids.
pub type WorkerMap = Arc<HashMap<WorkerId, v1::Worker>>;

/// Where reads leave their marks.
#[derive(Clone, Debug, Default)]
pub struct ReadMetrics {
    pub bytes: Counter,
    pub blocks: Counter,
    /// Times that another replica had to take over.
    pub failovers: Counter,
    /// Times that bytes did not match their checksum.
    pub damaged: Counter,
}

/// Where blocks are read.
#[derive(Clone)]
pub struct ReadSources {
    pub workers: WorkerMap,
    pub connector: Arc<dyn WorkerConnector>,
    pub clock: Arc<dyn Clock>,
    pub metrics: ReadMetrics,
}

/// What is wanted of one block.
#[derive(Clone, Debug)]
struct Slice {
    block_id: u64,
    /// What is still wanted: moves on as bytes come.
    offset_bytes: u64,
    length_bytes: u64,
    /// The replicas that did not fail yet, the best one first.
    replicas: VecDeque<v1::Worker>,
    /// When the whole block is wanted: what its bytes must come to.
    crc32c: Option<u32>,
}

struct OpenSlice {
    slice: Slice,
    stream: Streaming<v1::ReadBlockResponse>,
    crc32c: CrcDigest,
}

/// The bytes of a range of an object, in order.
pub struct ExtentReader {
    sources: ReadSources,
    slices: VecDeque<Slice>,
    current: Option<OpenSlice>,
    ahead: Option<AbortOnDropHandle<Result<OpenSlice, Failure>>>,
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
        let slices = cut(extents, offset_bytes, length_bytes, &sources)?;
        Ok(Self { sources, slices, current: None, ahead: None })
    }

    /// The next bytes, never empty; None after the last one.
    ///
    /// # Errors
    /// What the last replica said, when all of an extent have failed: `DAMAGED`, `NO_SUCH_BLOCK`, `UNAVAILABLE`, ….
    pub async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            let Some(current) = &mut self.current else {
                match self.open_next().await? {
                    Some(open) => self.current = Some(open),
                    None => return Ok(None),
                }
                continue;
            };
            match current.next_frame().await {
                Ok(data) => {
                    self.sources.metrics.bytes.inc_by(data.len() as u64);
                    let left = current.slice.length_bytes;
                    if left == 0 {
                        self.sources.metrics.blocks.inc();
                        self.current = None;
                    }
                    if left <= OPEN_AHEAD_BYTES {
                        self.open_ahead();
                    }
                    return Ok(Some(data));
                }
                Err(failure) => self.fail_over(failure).await?,
            }
        }
    }

    async fn open_next(&mut self) -> Result<Option<OpenSlice>, Failure> {
        if let Some(ahead) = self.ahead.take() {
            let opened = ahead.await;
            let opened = opened.unwrap_or_else(|e| Err(Failure::new(Reason::Unavailable, "", e.to_string())));
            return opened.map(Some);
        }
        match self.slices.pop_front() {
            Some(slice) => open(slice, self.sources.clone()).await.map(Some),
            None => Ok(None),
        }
    }

    fn open_ahead(&mut self) {
        if self.ahead.is_none()
            && let Some(slice) = self.slices.pop_front()
        {
            let opened = Current::get().carry(open(slice, self.sources.clone())).in_current_span();
            self.ahead = Some(AbortOnDropHandle::new(tokio::spawn(opened)));
        }
    }

    /// Goes on with the current slice on another replica, where this one stopped.
    async fn fail_over(&mut self, failure: Failure) -> Result<(), Failure> {
        let Some(mut failed) = self.current.take() else { return Err(failure) };
        note(&failed.slice, &failure, &self.sources.metrics);
        failed.slice.replicas.pop_front();
        if failed.slice.replicas.is_empty() {
            return Err(failure);
        }
        let mut opened = open(failed.slice, self.sources.clone()).await?;
        opened.crc32c = failed.crc32c;
        self.current = Some(opened);
        Ok(())
    }
}

impl OpenSlice {
    async fn next_frame(&mut self) -> Result<Bytes, Failure> {
        let message = match timeout(STALL_TIMEOUT, self.stream.message()).await {
            Ok(Ok(message)) => message,
            Ok(Err(status)) => return Err(Failure::from_status(&status)),
            Err(_) => return Err(self.failure(Reason::Unavailable, "the worker sends nothing")),
        };
        let Some(v1::ReadBlockResponse { data }) = message else {
            return Err(self.failure(Reason::Unavailable, "the worker sent less than was asked for"));
        };
        if data.is_empty() || data.len() as u64 > self.slice.length_bytes {
            return Err(self.failure(Reason::Unavailable, "the worker sent other than was asked for"));
        }
        let before = self.slice.crc32c.map(|expected| (expected, self.crc32c));
        if let Some((expected, mut digest)) = before {
            digest.update(&data);
            // The last bytes of a block are held back until all of it is known to be right.
            if data.len() as u64 == self.slice.length_bytes && low_half(digest.finalize()) != expected {
                return Err(self.failure(Reason::Damaged, "the block's bytes do not match its checksum"));
            }
            self.crc32c = digest;
        }
        self.slice.offset_bytes += data.len() as u64;
        self.slice.length_bytes -= data.len() as u64;
        Ok(data)
    }

    fn failure(&self, reason: Reason, message: &str) -> Failure {
        Failure::new(reason, format!("block {}", self.slice.block_id), message)
    }
}

/// Opens a slice on the first replica that answers.
async fn open(mut slice: Slice, sources: ReadSources) -> Result<OpenSlice, Failure> {
    let mut last = Failure::new(
        Reason::Unavailable,
        format!("block {}", slice.block_id),
        "none of the workers that hold it is known",
    );
    while let Some(worker) = slice.replicas.front() {
        let mut client =
            BlocksClient::new(sources.connector.channel(worker)).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let request = v1::ReadBlockRequest {
            block_id: slice.block_id,
            offset_bytes: slice.offset_bytes,
            length_bytes: slice.length_bytes,
        };
        last = match timeout(STALL_TIMEOUT, client.read_block(request)).await {
            Ok(Ok(response)) => {
                let crc32c = CrcDigest::new(CrcAlgorithm::Crc32Iscsi);
                return Ok(OpenSlice { slice, stream: response.into_inner(), crc32c });
            }
            Ok(Err(status)) => Failure::from_status(&status),
            Err(_) => Failure::new(Reason::Unavailable, format!("block {}", slice.block_id), "the worker is silent"),
        };
        note(&slice, &last, &sources.metrics);
        slice.replicas.pop_front();
    }
    Err(last)
}

fn note(slice: &Slice, failure: &Failure, metrics: &ReadMetrics) {
    let worker_id = slice.replicas.front().map_or(0, |worker| worker.worker_id);
    if failure.reason == Reason::Damaged {
        metrics.damaged.inc();
    }
    if slice.replicas.len() > 1 {
        metrics.failovers.inc();
    }
    tracing::warn!(
        block_id = slice.block_id, worker_id, offset_bytes = slice.offset_bytes, reason = ?failure.reason,
        "reading a block failed: {failure}"
    );
}

/// What is wanted of each extent.
fn cut(
    extents: Vec<LocatedExtent>,
    offset_bytes: u64,
    length_bytes: u64,
    sources: &ReadSources,
) -> Result<VecDeque<Slice>, Failure> {
    let end = offset_bytes.saturating_add(length_bytes);
    let mut position = offset_bytes;
    let mut slices = VecDeque::with_capacity(extents.len());
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
        slices.push_back(Slice {
            block_id: extent.block_id,
            offset_bytes: position - located.offset_bytes,
            length_bytes: length,
            replicas: in_order(&located.worker_ids, sources),
            crc32c: (length == extent.length_bytes).then_some(extent.crc32c),
        });
        position += length;
    }
    if position < end { Err(gap(position)) } else { Ok(slices) }
}

fn gap(position: u64) -> Failure {
    Failure::new(Reason::StoreFailed, "", format!("the object's record has no extent for its byte {position}"))
}

/// The replicas in the order in which they are tried: this process's own, then the live ones from a random one on.
fn in_order(worker_ids: &[u64], sources: &ReadSources) -> VecDeque<v1::Worker> {
    let known = worker_ids.iter().filter_map(|id| sources.workers.get(&WorkerId(*id)).cloned());
    let mut replicas: Vec<v1::Worker> = known.collect();
    if replicas.len() > 1 {
        let first = (sources.clock.random_u64() % replicas.len() as u64) as usize;
        replicas.rotate_left(first);
        replicas.sort_by_key(|worker| (!worker.live, !worker.address.is_empty()));
    }
    replicas.into()
}
