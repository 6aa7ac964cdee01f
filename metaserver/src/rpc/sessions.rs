//! The service `Sessions`.

use super::Service;
use crate::records::inline::INLINE_MAX_BYTES;
use tonic::{Request, Response, Status, async_trait};
use weir_proto::protocol;
use weir_proto::v1::{self, sessions_server};

#[async_trait]
impl sessions_server::Sessions for Service {
    async fn open_session(
        &self,
        request: Request<v1::OpenSessionRequest>,
    ) -> Result<Response<v1::OpenSessionResponse>, Status> {
        let (session_id, read_mark) = self.namespace.open_session(request.get_ref()).await?;
        let settings = &self.namespace.settings;
        let following = self.cluster.workers.follow(&self.namespace, None);
        Ok(Response::new(v1::OpenSessionResponse {
            session_id,
            lease_ms: settings.session_lease_ms,
            heartbeat_interval_ms: settings.heartbeat_interval_ms,
            cluster_id: self.namespace.ids.cluster_id.clone(),
            read_mark,
            workers: following.workers,
            workers_version: Some(following.version),
            replication: settings.replication,
            replication_min: settings.replication_min,
            inline_max_bytes: INLINE_MAX_BYTES as u64,
            protocol: Some(protocol::own()),
            version: protocol::VERSION.to_owned(),
        }))
    }

    async fn heartbeat(
        &self,
        request: Request<v1::HeartbeatRequest>,
    ) -> Result<Response<v1::HeartbeatResponse>, Status> {
        let request = request.get_ref();
        self.namespace.heartbeat(request)?;
        let settings = &self.namespace.settings;
        let following = self.cluster.workers.follow(&self.namespace, request.workers_version.as_ref());
        Ok(Response::new(v1::HeartbeatResponse {
            read_mark: self.namespace.marks.current(),
            workers: following.workers,
            workers_version: Some(following.version),
            only_changed_workers: following.only_changed,
            lease_ms: settings.session_lease_ms,
            access_version: self.namespace.access.version(),
            replication: settings.replication,
            replication_min: settings.replication_min,
            protocol: Some(protocol::own()),
            version: protocol::VERSION.to_owned(),
        }))
    }

    async fn grant_blocks(
        &self,
        request: Request<v1::GrantBlocksRequest>,
    ) -> Result<Response<v1::GrantBlocksResponse>, Status> {
        let (first_block_id, count) = self.namespace.grant_blocks(request.get_ref()).await?;
        Ok(Response::new(v1::GrantBlocksResponse { first_block_id, count }))
    }

    async fn abandon_blocks(
        &self,
        request: Request<v1::AbandonBlocksRequest>,
    ) -> Result<Response<v1::AbandonBlocksResponse>, Status> {
        self.namespace.abandon_blocks(request.get_ref()).await?;
        Ok(Response::new(v1::AbandonBlocksResponse {}))
    }

    async fn close_session(
        &self,
        request: Request<v1::CloseSessionRequest>,
    ) -> Result<Response<v1::CloseSessionResponse>, Status> {
        self.namespace.close_session(request.get_ref().session_id).await?;
        Ok(Response::new(v1::CloseSessionResponse {}))
    }
}
