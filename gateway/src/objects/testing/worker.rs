//! A worker that keeps its blocks in memory.

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt as _, stream};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tonic::{Request, Response, Status, Streaming};
use weir_proto::v1::blocks_server::{Blocks, BlocksServer};
use weir_proto::v1::write_block_request::Step;
use weir_proto::v1::{self, Reason};
use weir_proto::{Failure, MAX_MESSAGE_BYTES};
use weir_service::channel::{Channel, in_process};

/// What goes wrong with writes.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum WriteFault {
    /// Fails with this reason once it has got so many bytes of the block.
    Fail(Reason, usize),
    /// Takes nothing more and says nothing, once it has got so many bytes of the block.
    Stall(usize),
    /// Has the block, and acknowledges another one.
    OtherBytes,
}

/// What goes wrong with reads.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum ReadFault {
    /// Fails with this reason after so many bytes of the call.
    Fail(Reason, usize),
    /// Ends after so many bytes of the call, as if that were all.
    Short(usize),
    /// Sends nothing more after so many bytes of the call, and does not even answer if there are none.
    Stall(usize),
    /// Flips a bit of the block's byte at this offset.
    Flip(usize),
}

#[derive(Default)]
pub(crate) struct FakeWorker {
    pub blocks: Mutex<HashMap<u64, Bytes>>,
    /// Lengths that were announced, by block.
    pub expected: Mutex<HashMap<u64, u64>>,
    /// Streams that ended without `finish`.
    pub cut: Mutex<Vec<u64>>,
    pub write_fault: Mutex<Option<WriteFault>>,
    /// Blocks that were begun.
    pub begun: Mutex<Vec<u64>>,
    pub read_fault: Mutex<Option<ReadFault>>,
    /// Keeps nothing, and takes a while.
    pub discards: AtomicBool,
    pub reads: Mutex<Vec<v1::ReadBlockRequest>>,
    /// Where its blocks lie as files, with some bytes before each; without it they have none.
    pub folder: Mutex<Option<PathBuf>>,
    pub located: Mutex<Vec<u64>>,
}

/// Bytes before a block in its file.
pub(crate) const FILE_HEAD_BYTES: usize = 100;

impl FakeWorker {
    pub fn channel(self: &Arc<Self>) -> Channel {
        in_process(BlocksServer::from_arc(self.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES))
    }

    pub fn block_count(&self) -> usize {
        self.blocks.lock().len()
    }
}

fn refusal(reason: Reason) -> Status {
    Failure::new(reason, "", "told to").into()
}

#[tonic::async_trait]
impl Blocks for FakeWorker {
    async fn write_block(
        &self,
        request: Request<Streaming<v1::WriteBlockRequest>>,
    ) -> Result<Response<v1::WriteBlockResponse>, Status> {
        let mut steps = request.into_inner();
        let mut block_id = 0;
        let mut data = Vec::new();
        while let Some(message) = steps.message().await? {
            match message.step.unwrap() {
                Step::Header(header) => {
                    block_id = header.block_id;
                    self.begun.lock().push(block_id);
                    self.expected.lock().insert(block_id, header.length_bytes);
                }
                Step::Data(_) if self.discards.load(Ordering::SeqCst) => {
                    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                }
                Step::Data(more) => data.extend_from_slice(&more),
                Step::Finish(v1::WriteBlockFinish { length_bytes, crc32c }) if self.discards.load(Ordering::SeqCst) => {
                    return Ok(Response::new(v1::WriteBlockResponse { length_bytes, crc32c }));
                }
                Step::Finish(finish) => {
                    assert_eq!(finish.length_bytes, data.len() as u64);
                    assert_eq!(finish.crc32c, crc_fast::crc32_iscsi(&data));
                    let is_other = *self.write_fault.lock() == Some(WriteFault::OtherBytes);
                    let crc32c = if is_other { !finish.crc32c } else { finish.crc32c };
                    let response = v1::WriteBlockResponse { length_bytes: finish.length_bytes, crc32c };
                    assert!(self.blocks.lock().insert(block_id, data.into()).is_none(), "a block is written once");
                    return Ok(Response::new(response));
                }
            }
            let fault = *self.write_fault.lock();
            match fault {
                Some(WriteFault::Fail(reason, after)) if data.len() >= after => return Err(refusal(reason)),
                Some(WriteFault::Stall(after)) if data.len() >= after => std::future::pending().await,
                _ => {}
            }
        }
        self.cut.lock().push(block_id);
        Err(refusal(Reason::InvalidRequest))
    }

    type ReadBlockStream = BoxStream<'static, Result<v1::ReadBlockResponse, Status>>;

    async fn read_block(
        &self,
        request: Request<v1::ReadBlockRequest>,
    ) -> Result<Response<Self::ReadBlockStream>, Status> {
        let request = request.into_inner();
        self.reads.lock().push(request);
        let block = self.blocks.lock().get(&request.block_id).cloned();
        let mut block = block.ok_or_else(|| refusal(Reason::NoSuchBlock))?.to_vec();
        let fault = *self.read_fault.lock();
        if let Some(ReadFault::Flip(at)) = fault
            && let Some(byte) = block.get_mut(at)
        {
            *byte ^= 1;
        }
        let start = request.offset_bytes as usize;
        let end = if request.length_bytes == 0 { block.len() } else { start + request.length_bytes as usize };
        let wanted = block[start..end].to_vec();
        let (given, failure) = match fault {
            Some(ReadFault::Fail(reason, after)) => (after.min(wanted.len()), Some(refusal(reason))),
            Some(ReadFault::Short(after)) => (after.min(wanted.len()), None),
            Some(ReadFault::Stall(0)) => std::future::pending().await,
            Some(ReadFault::Stall(after)) => (after.min(wanted.len()), None),
            Some(ReadFault::Flip(_)) | None => (wanted.len(), None),
        };
        let frame_bytes = (wanted.len() / 256).max(64);
        let frames: Vec<_> = wanted[..given]
            .chunks(frame_bytes)
            .map(|data| Ok(v1::ReadBlockResponse { data: data.to_vec().into() }))
            .collect();
        let frames = stream::iter(frames).chain(stream::iter(failure.map(Err)));
        Ok(Response::new(match fault {
            Some(ReadFault::Stall(_)) => frames.chain(stream::pending()).boxed(),
            _ => frames.boxed(),
        }))
    }

    async fn locate_block(
        &self,
        request: Request<v1::LocateBlockRequest>,
    ) -> Result<Response<v1::LocateBlockResponse>, Status> {
        let block_id = request.into_inner().block_id;
        self.located.lock().push(block_id);
        let folder = self.folder.lock().clone().ok_or_else(|| refusal(Reason::InvalidRequest))?;
        let block = self.blocks.lock().get(&block_id).cloned().ok_or_else(|| refusal(Reason::NoSuchBlock))?;
        let path = folder.join(block_id.to_string());
        Ok(Response::new(v1::LocateBlockResponse {
            path: path.into_os_string().into_encoded_bytes().into(),
            offset_bytes: FILE_HEAD_BYTES as u64,
            length_bytes: block.len() as u64,
            page_crc32c: block.chunks(64 << 10).map(crc_fast::crc32_iscsi).collect(),
        }))
    }
}
