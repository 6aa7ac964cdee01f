//! The service `Admin`.

use super::Service;
use crate::error::Error;
use std::path::Path;
use tonic::{Request, Response, Status, async_trait};
use weir_proto::protocol;
use weir_proto::v1::{self, admin_server};
use weir_service::config::MetaserverSettings;

/// Where this metaserver is found: with a standby, the setting names both.
fn own_address(settings: &MetaserverSettings) -> String {
    if settings.address.contains(',') { settings.listen.clone() } else { settings.address.clone() }
}

/// The reclaim queue is counted up to here.
const MAX_COUNTED: usize = 100_000;

#[async_trait]
impl admin_server::Admin for Service {
    async fn report(&self, _request: Request<v1::ReportRequest>) -> Result<Response<v1::ReportResponse>, Status> {
        let namespace = &self.namespace;
        let (bucket_count, object_count, byte_count) = namespace.usage().await?;
        let gauges = namespace.store.gauges().into_iter();
        Ok(Response::new(v1::ReportResponse {
            cluster_id: namespace.ids.cluster_id.clone(),
            address: own_address(&namespace.settings),
            started_ms: self.cluster.started_ms(),
            now_ms: namespace.clock.now_ms(),
            version: protocol::VERSION.to_owned(),
            protocol: Some(protocol::own()),
            workers: self.cluster.workers.with_disks(namespace),
            gateways: namespace.gateways(),
            bucket_count,
            object_count,
            byte_count,
            reclaim_queue_length: self.cluster.reclaim_queue_length(MAX_COUNTED).await? as u64,
            awaiting_restore_confirmation: namespace.awaits_confirmation(),
            redundancy: Some(self.cluster.redundancy()),
            standby: self.host.report(),
            epoch: namespace.ids.epoch,
            replication: namespace.settings.replication,
            replication_min: namespace.settings.replication_min,
            store: gauges.map(|(name, value)| v1::Gauge { name: name.to_owned(), value }).collect(),
        }))
    }

    async fn get_block_info(
        &self,
        request: Request<v1::GetBlockInfoRequest>,
    ) -> Result<Response<v1::GetBlockInfoResponse>, Status> {
        Ok(Response::new(self.cluster.block_info(request.get_ref().block_id).await?))
    }

    async fn backup(&self, request: Request<v1::BackupRequest>) -> Result<Response<v1::BackupResponse>, Status> {
        let directory = Path::new(&request.get_ref().directory);
        if !directory.is_absolute() {
            return Err(Error::invalid("directory", "it is an absolute path on the metaserver's host").into());
        }
        let backup = self.namespace.store.backup(directory).await.map_err(Error::Store)?;
        Ok(Response::new(v1::BackupResponse {
            host: own_address(&self.namespace.settings),
            path: backup.path.display().to_string(),
            entry_count: backup.entry_count,
            sequence: backup.sequence.0,
        }))
    }

    async fn confirm_restore(
        &self,
        _request: Request<v1::ConfirmRestoreRequest>,
    ) -> Result<Response<v1::ConfirmRestoreResponse>, Status> {
        self.cluster.confirm_restore().await?;
        Ok(Response::new(v1::ConfirmRestoreResponse {}))
    }

    async fn decommission_workers(
        &self,
        request: Request<v1::DecommissionWorkersRequest>,
    ) -> Result<Response<v1::DecommissionWorkersResponse>, Status> {
        let v1::DecommissionWorkersRequest { workers, disable } = request.get_ref();
        let worker_ids = self.cluster.decommission(workers, *disable).await?;
        Ok(Response::new(v1::DecommissionWorkersResponse { worker_ids }))
    }

    async fn enable_workers(
        &self,
        request: Request<v1::EnableWorkersRequest>,
    ) -> Result<Response<v1::EnableWorkersResponse>, Status> {
        let worker_ids = self.cluster.enable(&request.get_ref().workers).await?;
        Ok(Response::new(v1::EnableWorkersResponse { worker_ids }))
    }

    async fn rebalance(
        &self,
        _request: Request<v1::RebalanceRequest>,
    ) -> Result<Response<v1::RebalanceResponse>, Status> {
        self.cluster.rebalance();
        Ok(Response::new(v1::RebalanceResponse {}))
    }

    async fn get_redundancy(
        &self,
        request: Request<v1::GetRedundancyRequest>,
    ) -> Result<Response<v1::GetRedundancyResponse>, Status> {
        let objects = self.cluster.object_redundancy(request.get_ref()).await?;
        Ok(Response::new(v1::GetRedundancyResponse { objects }))
    }
}
