//! A metaserver that has started, and a standby that is no more than what it says.

use super::*;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use weir_proto::v1::access_client::AccessClient;
use weir_proto::v1::admin_client::AdminClient;
use weir_proto::v1::sessions_client::SessionsClient;
use weir_proto::v1::workers_client::WorkersClient;
use weir_service::epoch::STANDBY_HEADER;

const LEASE: Duration = Duration::from_millis(1_500);

/// Follows from the beginning, and acknowledges what it gets while it may. Aborted, it is gone.
fn acknowledges(channel: &Channel, may: &Arc<AtomicBool>) -> JoinHandle<()> {
    let (channel, may) = (channel.clone(), may.clone());
    tokio::spawn(async move {
        let (said, requests) = mpsc::channel(64);
        said.send(hello("", 0)).await.unwrap();
        let mut client = StandbyClient::new(channel);
        let mut heard = client.follow(ReceiverStream::new(requests)).await.unwrap().into_inner();
        while let Ok(Some(message)) = heard.message().await {
            if let (Some(Said::Frame(frame)), true) = (message.what, may.load(Ordering::SeqCst)) {
                said.send(acknowledged(frame.last)).await.unwrap();
            }
        }
    })
}

async fn opened(data: &Path, registry: &mut Registry, shutdown: &Shutdown) -> (Metaserver, Channel) {
    let lease_ms = LEASE.as_millis() as u64;
    let settings = MetaserverSettings {
        session_lease_ms: lease_ms,
        heartbeat_interval_ms: 100,
        ..settings(data, StandbyMode::Required)
    };
    let (disk, clock) = (Arc::new(SystemDisk), Arc::new(SystemClock));
    let metaserver = Metaserver::open(settings, disk, clock, sealer(), registry, shutdown).await.unwrap();
    let channel = in_process(metaserver.fenced_services().prepare());
    (metaserver, channel)
}

/// How each service but Standby answers.
async fn refusals(channel: &Channel) -> Vec<Status> {
    let list = NamespaceClient::new(channel.clone()).list_buckets(v1::ListBucketsRequest::default()).await;
    let open = SessionsClient::new(channel.clone()).open_session(v1::OpenSessionRequest::default()).await;
    let fetch = AccessClient::new(channel.clone()).fetch_access(v1::FetchAccessRequest::default()).await;
    let register = WorkersClient::new(channel.clone()).register_worker(v1::RegisterWorkerRequest::default()).await;
    let report = AdminClient::new(channel.clone()).report(v1::ReportRequest {}).await;
    [list.err(), open.err(), fetch.err(), register.err(), report.err()].into_iter().flatten().collect()
}

async fn bucket_names(channel: &Channel) -> Result<Vec<String>, Status> {
    let listed = NamespaceClient::new(channel.clone()).list_buckets(v1::ListBucketsRequest::default()).await?;
    Ok(listed.into_inner().buckets.into_iter().map(|bucket| bucket.name).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_metaserver_that_starts_tells_nobody_what_its_standby_may_lack() {
    let (folder, first, second) = (tempfile::tempdir().unwrap(), Shutdown::new(), Shutdown::new());
    let (metaserver, channel) = opened(folder.path(), &mut Registry::default(), &first).await;
    assert_eq!(bucket_names(&channel).await.unwrap(), [""; 0], "where there was no standby, it serves at once");
    let may = Arc::new(AtomicBool::new(true));
    let standby = acknowledges(&channel, &may);
    until(&channel, |standing| standing.standby.as_ref().unwrap().state() == StandbyState::InSync).await;
    let create = |name: &str| v1::CreateBucketRequest { name: name.into(), ..Default::default() };
    NamespaceClient::new(channel.clone()).create_bucket(create("photos")).await.unwrap();
    let mut sessions = SessionsClient::new(channel.clone());
    let session = sessions.open_session(v1::OpenSessionRequest::default()).await.unwrap().into_inner();
    may.store(false, Ordering::SeqCst);
    let (before, mut client) = (standing(&channel).await.sequence, NamespaceClient::new(channel.clone()));
    let request = create("films");
    let in_flight = tokio::spawn(async move { client.create_bucket(request).await });
    // Given up: what is in the journal by then stays there.
    until(&channel, |standing| standing.standby.as_ref().unwrap().state() == StandbyState::Away).await;
    assert!(!in_flight.is_finished());
    assert_eq!(bucket_names(&channel).await.unwrap(), ["photos"]);
    assert_eq!(standing(&channel).await.sequence, before);

    // As a kill ends it.
    in_flight.abort();
    standby.abort();
    let _ = (in_flight.await, standby.await);
    assert!(first.finish(PATIENCE).await);
    drop((metaserver, channel, sessions));

    let registry = &mut Registry::default();
    let (metaserver, channel) = opened(folder.path(), registry, &second).await;
    tokio::time::sleep(LEASE + LEASE / 2).await;
    let refused = refusals(&channel).await;
    assert_eq!(refused.len(), 5, "{refused:?}");
    for status in refused {
        assert_eq!((status.code(), reason(&status)), (Code::Unavailable, Reason::Unavailable), "{status:?}");
        assert!(status.message().contains("waits for its standby, standby:1"), "{status:?}");
        assert!(status.metadata().contains_key(STANDBY_HEADER), "callers look whether another one serves");
    }
    assert_eq!(standing(&channel).await.role(), Role::Metaserver);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, registry).unwrap();
    assert!(text.contains("weir_metaserver_standby_awaited 1"), "{text}");

    let standby = acknowledges(&channel, &may);
    until(&channel, |standing| standing.standby.as_ref().unwrap().state() != StandbyState::Away).await;
    assert_eq!(refusals(&channel).await.len(), 5, "it follows, and does not have it yet");
    standby.abort();
    let _ = standby.await;
    until(&channel, |standing| standing.standby.as_ref().unwrap().state() == StandbyState::Away).await;
    may.store(true, Ordering::SeqCst);
    let standby = acknowledges(&channel, &may);
    timeout(PATIENCE, metaserver.serves()).await.unwrap().unwrap();
    assert_eq!(bucket_names(&channel).await.unwrap(), ["films", "photos"]);
    // Its lease had run out while nobody was heard.
    let heartbeat = v1::HeartbeatRequest { session_id: session.session_id, ..Default::default() };
    SessionsClient::new(channel.clone()).heartbeat(heartbeat).await.unwrap();
    text.clear();
    prometheus_client::encoding::text::encode(&mut text, registry).unwrap();
    assert!(text.contains("weir_metaserver_standby_awaited 0"), "{text}");
    standby.abort();
    assert!(second.finish(PATIENCE).await);
    let _ = metaserver.close().await;
}
