//! ReadBlock: frames that were verified before they are sent.

use super::BlockService;
use crate::error::{WorkerError, failure, off_thread};
use crate::metrics::Metrics;
use crate::store::{BlockStore, StoreError};
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;
use tokio::task::JoinHandle;
use tonic::Status;
use weir_proto::v1::{ReadBlockRequest, ReadBlockResponse};
use weir_proto::{BlockId, MAX_FRAME_BYTES};
use weir_service::threads;
use weir_service::trace::Trace;

/// One frame of a long read. A stream holds two: the one being sent, and one read ahead when the disk is waited for.
const FRAME_BYTES: u64 = 256 * 1024;
const _: () = assert!(FRAME_BYTES <= MAX_FRAME_BYTES as u64);

impl BlockService {
    pub(super) async fn send(
        &self,
        request: ReadBlockRequest,
    ) -> Result<BoxStream<'static, Result<ReadBlockResponse, Status>>, Status> {
        let id = BlockId(request.block_id);
        let refuse = |error: StoreError| self.refuse(id, &error.into());
        let store = self.disks.reading(id).map_err(refuse)?.clone();
        let range = range(&store, id, &request).map_err(refuse)?;
        self.metrics.read_streams.inc();
        let trace = Trace::current();
        let mut frames = Frames { store, metrics: self.metrics.clone(), id, left: range, ahead: None, trace };
        // What is wrong with the first frame is the answer itself.
        let first = frames.next().await.map_err(|error| self.refuse(id, &error))?;
        let first = stream::iter(first.map(|data| Ok(ReadBlockResponse { data })));
        if frames.left.is_empty() {
            return Ok(first.boxed());
        }
        let rest = stream::try_unfold(frames, |mut frames| async move {
            Ok::<_, WorkerError>(frames.next().await?.map(|data| (ReadBlockResponse { data }, frames)))
        });
        Ok(first.chain(rest.map_err(move |error| Status::from(failure(id, &error)))).boxed())
    }
}

/// What is asked for, as a range in the block.
fn range(store: &BlockStore, id: BlockId, request: &ReadBlockRequest) -> Result<Range<u64>, StoreError> {
    let (offset_bytes, wanted_bytes) = (request.offset_bytes, request.length_bytes);
    let length_bytes = store.length_bytes(id)?;
    let end = match wanted_bytes {
        0 => Some(length_bytes),
        _ => offset_bytes.checked_add(wanted_bytes),
    };
    match end {
        Some(end) if offset_bytes <= end && end <= length_bytes => Ok(offset_bytes..end),
        _ => Err(StoreError::Range { id, length_bytes, offset_bytes, wanted_bytes }),
    }
}

struct Frames {
    store: Arc<BlockStore>,
    metrics: Arc<Metrics>,
    id: BlockId,
    left: Range<u64>,
    ahead: Option<JoinHandle<Result<Bytes, StoreError>>>,
    trace: Trace,
}

impl Frames {
    /// The next verified frame; None at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, WorkerError> {
        let range = self.left.start..frame_end(&self.left);
        if range.is_empty() {
            return Ok(None);
        }
        let data = match self.ahead.take() {
            Some(ahead) => ahead.await.map_err(|_| WorkerError::Stopped)??,
            None => self.read(range.clone()).await?,
        };
        self.left.start = range.end;
        self.metrics.read_bytes.inc_by(data.len() as u64);
        Ok(Some(data))
    }

    /// From the page cache at once; from the disk on another thread, and then the frame after it too.
    async fn read(&mut self, range: Range<u64>) -> Result<Bytes, WorkerError> {
        if let Some(data) = self.store.read_cached(self.id, range.clone())? {
            return Ok(data);
        }
        let (store, id) = (self.store.clone(), self.id);
        let after = range.end..self.left.end;
        let began = Instant::now();
        let data = off_thread(move || store.read(id, range)).await??;
        self.trace.passed("disk read", began, Instant::now(), &[("bytes", data.len() as u64)]);
        if !after.is_empty() {
            let (store, after) = (self.store.clone(), after.start..frame_end(&after));
            self.ahead = Some(threads::spawn_blocking(move || store.read(id, after)));
        }
        Ok(data)
    }
}

/// Frames end where checksums do, so that nothing is verified twice.
fn frame_end(left: &Range<u64>) -> u64 {
    ((left.start + 1).next_multiple_of(FRAME_BYTES)).min(left.end)
}
