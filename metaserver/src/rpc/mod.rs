//! gRPC in, namespace out: no logic. Errors become statuses in [`crate::error`].

mod access;
mod admin;
mod namespace;
mod sessions;
mod workers;

use crate::cluster::Cluster;
use crate::namespace::Namespace;
use crate::standby::Host;
use std::sync::Arc;
use tonic::service::Routes;
use weir_proto::MAX_MESSAGE_BYTES;
use weir_proto::v1::access_server::AccessServer;
use weir_proto::v1::admin_server::AdminServer;
use weir_proto::v1::namespace_server::NamespaceServer;
use weir_proto::v1::sessions_server::SessionsServer;
use weir_proto::v1::standby_server::StandbyServer;
use weir_proto::v1::workers_server::WorkersServer;

/// What all services answer from. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Service {
    pub namespace: Arc<Namespace>,
    pub cluster: Arc<Cluster>,
    pub host: Host,
}

macro_rules! limited {
    ($server:ident, $service:expr) => {
        $server::new($service).max_decoding_message_size(MAX_MESSAGE_BYTES).max_encoding_message_size(MAX_MESSAGE_BYTES)
    };
}

/// The services of the contract.
pub(crate) fn routes(service: &Service) -> Routes {
    let told = Routes::new(limited!(NamespaceServer, service.clone()))
        .add_service(limited!(SessionsServer, service.clone()))
        .add_service(limited!(AccessServer, service.clone()))
        .add_service(limited!(WorkersServer, service.clone()))
        .add_service(limited!(AdminServer, service.clone()));
    let host = &service.host;
    host.held_back(told)
        // Frames of the journal are longer than other messages.
        .add_service(StandbyServer::new(host.clone()))
        .prepare()
}

#[cfg(test)]
mod tests {
    use crate::Metaserver;
    use crate::store::memory::MemoryStore;
    use crate::testing::sealer;
    use bytes::Bytes;
    use http_body_util::{BodyExt as _, Full};
    use prometheus_client::registry::Registry;
    use proptest::prelude::*;
    use std::sync::Arc;
    use std::time::Duration;
    use tonic::body::Body;
    use tower::ServiceExt as _;
    use weir_proto::v1::namespace_client::NamespaceClient;
    use weir_proto::v1::sessions_client::SessionsClient;
    use weir_proto::v1::{self, Reason};
    use weir_proto::{Failure, MAX_MESSAGE_BYTES};
    use weir_service::channel::{Channel, in_process};
    use weir_service::clock::SystemClock;
    use weir_service::config::MetaserverSettings;
    use weir_service::shutdown::Shutdown;

    const METHODS: [&str; 42] = [
        "Namespace/CreateBucket",
        "Namespace/GetBucket",
        "Namespace/DeleteBucket",
        "Namespace/ListBuckets",
        "Namespace/CommitObject",
        "Namespace/GetObject",
        "Namespace/DeleteObjects",
        "Namespace/CopyObject",
        "Namespace/RenameObject",
        "Namespace/SetObjectAcl",
        "Namespace/ListObjects",
        "Namespace/CreateUpload",
        "Namespace/GetUpload",
        "Namespace/CommitPart",
        "Namespace/CopyPart",
        "Namespace/CompleteUpload",
        "Namespace/AbortUpload",
        "Namespace/ListUploads",
        "Namespace/ListParts",
        "Sessions/OpenSession",
        "Sessions/Heartbeat",
        "Sessions/GrantBlocks",
        "Sessions/AbandonBlocks",
        "Sessions/CloseSession",
        "Access/FetchAccess",
        "Access/AwaitAccess",
        "Access/ChangeAccess",
        "Workers/RegisterWorker",
        "Workers/WorkerHeartbeat",
        "Workers/ReportInventory",
        "Admin/Report",
        "Admin/GetBlockInfo",
        "Admin/Backup",
        "Admin/ConfirmRestore",
        "Admin/DecommissionWorkers",
        "Admin/EnableWorkers",
        "Admin/Rebalance",
        "Admin/GetRedundancy",
        "Standby/Standing",
        "Standby/Follow",
        "Standby/Promote",
        "Standby/StepDown",
    ];

    async fn metaserver(shutdown: &Shutdown) -> Channel {
        let store = Arc::new(MemoryStore::new());
        let settings = MetaserverSettings::default();
        let (clock, registry) = (Arc::new(SystemClock), &mut Registry::default());
        let opened = Metaserver::with_store(settings, store, clock, sealer(), registry, shutdown).await;
        in_process(opened.unwrap().services())
    }

    #[tokio::test]
    async fn a_client_in_the_process_puts_and_gets_and_hears_why_not() {
        let shutdown = Shutdown::new();
        let channel = metaserver(&shutdown).await;
        let mut sessions = SessionsClient::new(channel.clone());
        let opened = sessions.open_session(v1::OpenSessionRequest::default()).await.unwrap().into_inner();
        assert_eq!((opened.inline_max_bytes, opened.replication), (15_000, 3));
        let mut namespace = NamespaceClient::new(channel);
        let get = v1::GetObjectRequest { bucket: "photos".into(), key: "cat".into(), ..Default::default() };
        let failure = Failure::from_status(&namespace.get_object(get.clone()).await.unwrap_err());
        assert_eq!((failure.reason, failure.resource.as_str()), (Reason::NoSuchBucket, "photos"));
        let create = v1::CreateBucketRequest { name: "photos".into(), ..Default::default() };
        namespace.create_bucket(create).await.unwrap();
        let failure = Failure::from_status(&namespace.get_object(get.clone()).await.unwrap_err());
        assert_eq!((failure.reason, failure.resource.as_str()), (Reason::NoSuchKey, "photos/cat"));
        let put = v1::CommitObjectRequest {
            bucket: "photos".into(),
            key: "cat".into(),
            content: Some(crate::testing::inline("meow")),
            ..Default::default()
        };
        namespace.commit_object(put).await.unwrap();
        assert_eq!(namespace.get_object(get).await.unwrap().into_inner().object.unwrap().size_bytes, 4);
        assert!(shutdown.finish(Duration::from_secs(5)).await, "the background tasks end");
    }

    #[tokio::test]
    async fn a_message_over_the_limit_is_refused() {
        let shutdown = Shutdown::new();
        let mut namespace = NamespaceClient::new(metaserver(&shutdown).await);
        let key = Bytes::from(vec![b'k'; MAX_MESSAGE_BYTES + 1]);
        let status = namespace.get_object(v1::GetObjectRequest { key, ..Default::default() }).await.unwrap_err();
        assert_eq!(status.code(), tonic::Code::OutOfRange);
    }

    /// Bytes that look a little like the contract's messages: small fields, some nested, some random.
    fn message() -> impl Strategy<Value = Vec<u8>> {
        let field = (
            1u8..12,
            prop_oneof![
                any::<u64>().prop_map(|number| (0u8, varint(number))),
                prop::collection::vec(any::<u8>(), 0..20).prop_map(|bytes| (2u8, with_length(bytes))),
                Just((2u8, with_length(b"photos".to_vec()))),
                (1u8..6, any::<u64>()).prop_map(|(tag, number)| {
                    let mut nested = vec![tag << 3];
                    nested.extend(varint(number));
                    (2u8, with_length(nested))
                }),
            ],
        );
        let fields = prop::collection::vec(field, 0..8).prop_map(|fields| {
            let mut bytes = Vec::new();
            for (tag, (kind, value)) in fields {
                bytes.push(tag << 3 | kind);
                bytes.extend(value);
            }
            bytes
        });
        prop_oneof![3 => fields, 1 => prop::collection::vec(any::<u8>(), 0..60)]
    }

    fn varint(mut number: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        while number >= 0x80 {
            bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        bytes.push(number as u8);
        bytes
    }

    fn with_length(bytes: Vec<u8>) -> Vec<u8> {
        [varint(bytes.len() as u64), bytes].concat()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_message_makes_it_panic(messages in prop::collection::vec((0..METHODS.len(), message()), 1..60)) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let shutdown = Shutdown::new();
                let channel = metaserver(&shutdown).await;
                let create = v1::CreateBucketRequest { name: "photos".into(), ..Default::default() };
                NamespaceClient::new(channel.clone()).create_bucket(create).await.unwrap();
                for (method, message) in messages {
                    let mut framed = vec![0];
                    framed.extend((message.len() as u32).to_be_bytes());
                    framed.extend(message);
                    let request = http::Request::post(format!("/weir.v1.{}", METHODS[method]))
                        .header("content-type", "application/grpc")
                        .body(Body::new(Full::new(Bytes::from(framed))))
                        .unwrap();
                    let response = channel.clone().oneshot(request).await.unwrap();
                    assert!(response.status().is_success());
                    response.into_body().collect().await.unwrap();
                }
            });
        }
    }
}
