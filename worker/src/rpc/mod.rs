//! gRPC in, blocks out: service `Blocks`.

mod locate;
mod read;
mod write;

use crate::disks::Disks;
use crate::error::{WorkerError, failure};
use crate::metrics::Metrics;
use std::sync::Arc;
use tonic::{Request, Response, Status, Streaming};
use weir_proto::v1::blocks_server::Blocks;
use weir_proto::v1::{
    LocateBlockRequest, LocateBlockResponse, ReadBlockRequest, ReadBlockResponse, WriteBlockRequest, WriteBlockResponse,
};
use weir_proto::{BlockId, Failure};

/// Serves a worker's disks. Cheap to clone.
#[derive(Clone)]
pub struct BlockService {
    disks: Arc<Disks>,
    metrics: Arc<Metrics>,
}

impl BlockService {
    pub fn new(disks: Arc<Disks>, metrics: Arc<Metrics>) -> Self {
        Self { disks, metrics }
    }

    fn refuse(&self, id: BlockId, error: &WorkerError) -> Status {
        self.refuse_with(failure(id, error))
    }

    fn refuse_with(&self, failure: Failure) -> Status {
        self.metrics.refused.inc();
        tracing::debug!(reason = ?failure.reason, %failure, "a request about a block was refused");
        failure.into()
    }
}

#[tonic::async_trait]
impl Blocks for BlockService {
    type ReadBlockStream = futures::stream::BoxStream<'static, Result<ReadBlockResponse, Status>>;

    async fn write_block(
        &self,
        request: Request<Streaming<WriteBlockRequest>>,
    ) -> Result<Response<WriteBlockResponse>, Status> {
        self.receive(request.into_inner()).await.map(Response::new)
    }

    async fn read_block(&self, request: Request<ReadBlockRequest>) -> Result<Response<Self::ReadBlockStream>, Status> {
        self.send(request.into_inner()).await.map(Response::new)
    }

    async fn locate_block(
        &self,
        request: Request<LocateBlockRequest>,
    ) -> Result<Response<LocateBlockResponse>, Status> {
        self.locate(request.into_inner()).await.map(Response::new)
    }
}
