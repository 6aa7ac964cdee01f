//! WriteBlock: header, data, finish; the answer comes when the block is on disk.

use super::BlockService;
use crate::disks::DiskWriter;
use crate::error::WorkerError;
use crate::receiving::take;
use tonic::{Status, Streaming};
use weir_proto::v1::write_block_request::Step;
use weir_proto::v1::{Reason, WriteBlockFinish, WriteBlockHeader, WriteBlockRequest, WriteBlockResponse};
use weir_proto::{BlockId, Failure, MAX_FRAME_BYTES};

impl BlockService {
    pub(super) async fn receive(&self, mut stream: Streaming<WriteBlockRequest>) -> Result<WriteBlockResponse, Status> {
        let header = match next(&mut stream).await? {
            Some(Step::Header(header)) => header,
            _ => return Err(self.misplaced(BlockId(0), "a block begins with its header")),
        };
        let id = BlockId(header.block_id);
        let mut writer = self.begin(&header).map_err(|error| self.refuse(id, &error))?;
        let finish = loop {
            match next(&mut stream).await? {
                Some(Step::Data(data)) if data.len() <= MAX_FRAME_BYTES => {
                    writer = take(writer, data).await.map_err(|error| self.refuse(id, &error))?;
                }
                Some(Step::Data(_)) => return Err(self.misplaced(id, "a frame has at most 1 MiB")),
                Some(Step::Header(_)) => return Err(self.misplaced(id, "a block has one header")),
                Some(Step::Finish(finish)) => break finish,
                None => return Err(self.misplaced(id, "the stream ended before the block did")),
            }
        };
        let WriteBlockFinish { length_bytes, crc32c } = finish;
        writer.commit(length_bytes, crc32c).await.map_err(|error| self.refuse(id, &error))?;
        self.metrics.written_blocks.inc();
        self.metrics.written_bytes.inc_by(length_bytes);
        Ok(WriteBlockResponse { length_bytes, crc32c })
    }

    fn begin(&self, header: &WriteBlockHeader) -> Result<DiskWriter, WorkerError> {
        let length_bytes = (header.length_bytes != 0).then_some(header.length_bytes);
        Ok(self.disks.begin(BlockId(header.block_id), length_bytes)?)
    }

    fn misplaced(&self, id: BlockId, rule: &str) -> Status {
        self.refuse_with(Failure::new(Reason::InvalidRequest, format!("block {id}"), rule))
    }
}

async fn next(stream: &mut Streaming<WriteBlockRequest>) -> Result<Option<Step>, Status> {
    match stream.message().await? {
        Some(WriteBlockRequest { step: Some(step) }) => Ok(Some(step)),
        Some(WriteBlockRequest { step: None }) => {
            Err(Failure::new(Reason::InvalidRequest, "", "an empty message in a block's stream").into())
        }
        None => Ok(None),
    }
}
