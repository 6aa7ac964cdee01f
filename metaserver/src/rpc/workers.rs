//! The service `Workers`.

use super::Service;
use crate::error::Error;
use tonic::{Request, Response, Status, Streaming, async_trait};
use weir_proto::v1::{self, workers_server};

#[async_trait]
impl workers_server::Workers for Service {
    async fn register_worker(
        &self,
        request: Request<v1::RegisterWorkerRequest>,
    ) -> Result<Response<v1::RegisterWorkerResponse>, Status> {
        Ok(Response::new(self.cluster.register_worker(request.get_ref()).await?))
    }

    async fn worker_heartbeat(
        &self,
        request: Request<v1::WorkerHeartbeatRequest>,
    ) -> Result<Response<v1::WorkerHeartbeatResponse>, Status> {
        Ok(Response::new(self.cluster.worker_heartbeat(request.get_ref()).await?))
    }

    async fn leave_cluster(
        &self,
        request: Request<v1::LeaveClusterRequest>,
    ) -> Result<Response<v1::LeaveClusterResponse>, Status> {
        self.cluster.worker_leaves(request.get_ref());
        Ok(Response::new(v1::LeaveClusterResponse {}))
    }

    async fn report_inventory(
        &self,
        request: Request<Streaming<v1::InventoryBatch>>,
    ) -> Result<Response<v1::ReportInventoryResponse>, Status> {
        // The others wait with their first batch in hand.
        let _place = self.cluster.inventories.acquire().await.map_err(|_| Error::Stopping)?;
        let mut batches = request.into_inner();
        let mut condemned_count = 0;
        let mut worker_id = None;
        while let Some(batch) = batches.message().await? {
            worker_id = Some(batch.worker_id);
            condemned_count += self.cluster.take_inventory(&batch).await?;
        }
        if let Some(worker_id) = worker_id {
            self.cluster.finish_inventory(worker_id, condemned_count);
        }
        Ok(Response::new(v1::ReportInventoryResponse { condemned_count }))
    }
}
