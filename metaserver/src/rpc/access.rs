//! The service `Access`.

use super::Service;
use crate::audit::ChangeEvent;
use crate::namespace::AccessBatches;
use futures::StreamExt as _;
use futures::stream::{self, Iter, Map};
use tonic::{Request, Response, Status, async_trait};
use weir_proto::v1::{self, access_server};

/// Batches are made as they are sent.
type Answers = Map<Iter<AccessBatches>, fn(v1::AccessBatch) -> Result<v1::AccessBatch, Status>>;

#[async_trait]
impl access_server::Access for Service {
    type FetchAccessStream = Answers;

    async fn fetch_access(&self, request: Request<v1::FetchAccessRequest>) -> Result<Response<Answers>, Status> {
        Ok(Response::new(stream::iter(self.namespace.fetch_access(request.get_ref())).map(Ok)))
    }

    async fn await_access(
        &self,
        request: Request<v1::AwaitAccessRequest>,
    ) -> Result<Response<v1::AwaitAccessResponse>, Status> {
        Ok(Response::new(self.namespace.await_access(request.get_ref()).await?))
    }

    async fn change_access(
        &self,
        request: Request<v1::ChangeAccessRequest>,
    ) -> Result<Response<v1::ChangeAccessResponse>, Status> {
        let event = ChangeEvent::begin(request.get_ref(), request.extensions());
        let outcome = self.namespace.change_access(request.get_ref()).await;
        if let Some(event) = event {
            event.end(&outcome);
        }
        Ok(Response::new(outcome?))
    }
}

#[cfg(test)]
mod tests {
    use crate::Metaserver;
    use crate::store::memory::MemoryStore;
    use crate::testing::sealer;
    use prometheus_client::registry::Registry;
    use std::sync::Arc;
    use tonic::Code;
    use weir_proto::v1::access_client::AccessClient;
    use weir_proto::v1::change_access_request::Change;
    use weir_proto::v1::namespace_client::NamespaceClient;
    use weir_proto::v1::sessions_client::SessionsClient;
    use weir_proto::v1::{self, AccessBatch, AccessName, ChangeAccessRequest};
    use weir_service::channel::{Channel, in_process};
    use weir_service::clock::SystemClock;
    use weir_service::config::MetaserverSettings;
    use weir_service::shutdown::Shutdown;

    async fn metaserver() -> Channel {
        let (settings, store, clock) =
            (MetaserverSettings::default(), Arc::new(MemoryStore::new()), Arc::new(SystemClock));
        let registry = &mut Registry::default();
        let opened = Metaserver::with_store(settings, store, clock, sealer(), registry, &Shutdown::new()).await;
        in_process(opened.unwrap().services())
    }

    async fn everything(access: &mut AccessClient<Channel>, since_version: u64) -> Vec<AccessBatch> {
        let request = v1::FetchAccessRequest { since_version };
        let mut stream = access.fetch_access(request).await.unwrap().into_inner();
        let mut batches = Vec::new();
        while let Some(batch) = stream.message().await.unwrap() {
            batches.push(batch);
        }
        batches
    }

    #[tokio::test]
    async fn a_gateway_follows_the_directory() {
        let channel = metaserver().await;
        let mut access = AccessClient::new(channel.clone());
        let first = everything(&mut access, 0).await;
        let known = first[0].version;
        assert!(first[0].complete && !first[0].entries.is_empty());
        let create = Change::CreateUser(v1::CreateUser { name: "alice".into(), ..Default::default() });
        let request = ChangeAccessRequest { request_id: None, change: Some(create) };
        let changed = access.change_access(request).await.unwrap().into_inner();
        let wait = v1::AwaitAccessRequest { known_version: known, patience_ms: 10_000 };
        assert_eq!(access.await_access(wait).await.unwrap().into_inner().version, changed.version);
        let news = everything(&mut access, known).await;
        assert_eq!((news.len(), news[0].complete, news[0].entries.len()), (1, false, 1));
        assert_eq!(news[0].entries[0], changed.entry.unwrap());
        let mut sessions = SessionsClient::new(channel);
        let session_id =
            sessions.open_session(v1::OpenSessionRequest::default()).await.unwrap().into_inner().session_id;
        let heartbeat = v1::HeartbeatRequest { session_id, ..Default::default() };
        assert_eq!(sessions.heartbeat(heartbeat).await.unwrap().into_inner().access_version, changed.version);
    }

    /// Each change with something in it that no gateway would send.
    fn garbage() -> Vec<Change> {
        let bad = || "\0/*".to_owned();
        let user = || Some(AccessName { kind: 1, name: bad() });
        let odd = || Some(AccessName { kind: 99, name: "alice".into() });
        let document = || "{}".to_owned();
        vec![
            Change::CreateUser(v1::CreateUser { name: bad(), ..Default::default() }),
            Change::CreateUser(v1::CreateUser { name: "a".into(), path: bad(), ..Default::default() }),
            Change::CreateUser(v1::CreateUser { name: "a".into(), boundary_policy: bad(), ..Default::default() }),
            Change::CreateUser(v1::CreateUser {
                name: "a".into(),
                tags: vec![v1::Tag { key: bad(), value: bad() }],
                ..Default::default()
            }),
            Change::UpdateUser(v1::UpdateUser { name: "alice".into(), new_name: Some(bad()), new_path: None }),
            Change::UpdateUser(v1::UpdateUser { name: "alice".into(), new_name: None, new_path: Some(bad()) }),
            Change::DeleteUser(v1::DeleteUser { name: String::new() }),
            Change::CreateAccessKey(v1::CreateAccessKey { user_name: bad(), ..Default::default() }),
            Change::CreateAccessKey(v1::CreateAccessKey {
                user_name: "alice".into(),
                access_key_id: bad(),
                secret_access_key: "12345678".into(),
            }),
            Change::UpdateAccessKey(v1::UpdateAccessKey { access_key_id: bad(), ..Default::default() }),
            Change::DeleteAccessKey(v1::DeleteAccessKey { access_key_id: bad(), user_name: bad() }),
            Change::CreateGroup(v1::CreateGroup { name: bad(), path: String::new() }),
            Change::UpdateGroup(v1::UpdateGroup { name: bad(), new_name: None, new_path: None }),
            Change::DeleteGroup(v1::DeleteGroup { name: bad() }),
            Change::ChangeMembership(v1::ChangeMembership { group_name: bad(), user_name: bad(), member: true }),
            Change::PutInlinePolicy(v1::PutInlinePolicy {
                holder: user(),
                policy_name: "p".into(),
                document: document(),
            }),
            Change::PutInlinePolicy(v1::PutInlinePolicy {
                holder: odd(),
                policy_name: "p".into(),
                document: document(),
            }),
            Change::PutInlinePolicy(v1::PutInlinePolicy {
                holder: Some(AccessName { kind: 1, name: "alice".into() }),
                policy_name: "p".into(),
                document: bad(),
            }),
            Change::DeleteInlinePolicy(v1::DeleteInlinePolicy { holder: None, policy_name: "p".into() }),
            Change::AttachPolicy(v1::AttachPolicy { holder: user(), policy_name: bad() }),
            Change::DetachPolicy(v1::DetachPolicy { holder: odd(), policy_name: "p".into() }),
            Change::SetBoundary(v1::SetBoundary { holder: None, policy_name: bad() }),
            Change::CreatePolicy(v1::CreatePolicy { name: bad(), document: document(), ..Default::default() }),
            Change::CreatePolicy(v1::CreatePolicy { name: "p".into(), document: String::new(), ..Default::default() }),
            Change::CreatePolicyVersion(v1::CreatePolicyVersion { policy_name: bad(), ..Default::default() }),
            Change::SetDefaultPolicyVersion(v1::SetDefaultPolicyVersion { policy_name: bad(), number: u32::MAX }),
            Change::DeletePolicyVersion(v1::DeletePolicyVersion { policy_name: bad(), number: 0 }),
            Change::DeletePolicy(v1::DeletePolicy { name: bad() }),
            Change::CreateRole(v1::CreateRole { name: bad(), trust_document: document(), ..Default::default() }),
            Change::CreateRole(v1::CreateRole {
                name: "r".into(),
                trust_document: document(),
                max_session_seconds: u32::MAX,
                ..Default::default()
            }),
            Change::CreateRole(v1::CreateRole {
                name: "r".into(),
                trust_document: document(),
                trust_principals: vec![bad()],
                ..Default::default()
            }),
            Change::UpdateRole(v1::UpdateRole { name: bad(), ..Default::default() }),
            Change::DeleteRole(v1::DeleteRole { name: bad() }),
            Change::PutOidcProvider(v1::PutOidcProvider { provider: None, create: true }),
            Change::PutOidcProvider(v1::PutOidcProvider {
                provider: Some(v1::OidcProvider { url: "file:///etc/passwd".into(), ..Default::default() }),
                create: true,
            }),
            Change::DeleteOidcProvider(v1::DeleteOidcProvider { name: bad() }),
            Change::SetTags(v1::SetTags { holder: odd(), tags: Vec::new() }),
            Change::SetBucketAccess(v1::SetBucketAccess { bucket: "../etc".into(), ..Default::default() }),
            Change::SetBucketAccess(v1::SetBucketAccess {
                bucket: "photos".into(),
                ownership: Some(-1),
                ..Default::default()
            }),
        ]
    }

    #[tokio::test]
    async fn garbage_is_refused_and_changes_nothing() {
        let channel = metaserver().await;
        let mut access = AccessClient::new(channel.clone());
        let create = v1::CreateBucketRequest { name: "photos".into(), ..Default::default() };
        NamespaceClient::new(channel).create_bucket(create).await.unwrap();
        let create = Change::CreateUser(v1::CreateUser { name: "alice".into(), ..Default::default() });
        access.change_access(ChangeAccessRequest { request_id: None, change: Some(create) }).await.unwrap();
        let before = everything(&mut access, 0).await;
        for change in garbage().into_iter().map(Some).chain([None]) {
            let request = ChangeAccessRequest { request_id: None, change };
            let status = access.change_access(request.clone()).await.unwrap_err();
            assert_eq!(status.code(), Code::InvalidArgument, "{request:?}: {status}");
        }
        let wait = v1::AwaitAccessRequest { known_version: 0, patience_ms: u64::MAX };
        assert_eq!(access.await_access(wait).await.unwrap_err().code(), Code::InvalidArgument);
        assert_eq!(everything(&mut access, 0).await, before);
    }
}
