use super::*;
use crate::channel::{self, Channel};
use crate::peer_auth::ClusterSecret;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use std::convert::Infallible;
use std::os::unix::fs::MetadataExt as _;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::{Code, Status};
use tower::Service;

/// Answers every call with what it was sent.
#[derive(Clone)]
struct Echo;

impl NamedService for Echo {
    const NAME: &'static str = "weir.test.Echo";
}

impl Service<Request<Body>> for Echo {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        std::future::ready(Ok(Response::new(request.into_body())))
    }
}

fn routes() -> Routes {
    Routes::new(Echo)
}

/// Another service that does the same.
#[derive(Clone)]
struct Mirror;

impl NamedService for Mirror {
    const NAME: &'static str = "weir.test.Mirror";
}

impl Service<Request<Body>> for Mirror {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        std::future::ready(Ok(Response::new(request.into_body())))
    }
}

async fn call(channel: Channel, text: &'static str) -> Result<Bytes, Status> {
    call_method(channel, "/weir.test.Echo/Say", text).await
}

async fn call_method(channel: Channel, method: &str, text: &'static str) -> Result<Bytes, Status> {
    let request = Request::post(method).body(Body::new(Full::from(text))).unwrap();
    let answer = channel.oneshot(request).await.map_err(|error| Status::from_error(error.into()))?;
    match Status::from_header_map(answer.headers()) {
        Some(status) => Err(status),
        None => Ok(answer.into_body().collect().await?.to_bytes()),
    }
}

fn credentials(text: &str) -> ClusterCredentials {
    ClusterSecret::new(text).unwrap().into()
}

fn right() -> ClusterCredentials {
    credentials("the right secret of the whole cluster")
}

async fn serve_at(address: &str, credentials: ClusterCredentials, shutdown: &Shutdown) -> String {
    let listener = TcpListener::bind(address).await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let own = shutdown.clone();
    shutdown.spawn(async move { serve_tcp(listener, routes(), &credentials, &own).await });
    address
}

async fn tcp_server(shutdown: &Shutdown) -> String {
    serve_at("127.0.0.1:0", right(), shutdown).await
}

async fn within_seconds(path: &Path) {
    for _ in 0..200 {
        if path.exists() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{path:?} does not appear");
}

#[tokio::test]
async fn a_call_with_the_secret_is_answered_and_without_it_refused() {
    let shutdown = Shutdown::new();
    let address = tcp_server(&shutdown).await;
    let right = channel::connect(&address, &right());
    assert_eq!(call(right.clone(), "weir").await.unwrap(), "weir");
    assert_eq!(call(right, "again").await.unwrap(), "again");
    let wrong = channel::connect(&address, &credentials("the wrong secret of the whole cluster"));
    assert_eq!(call(wrong, "weir").await.unwrap_err().code(), Code::Unauthenticated);
    let none = tonic::transport::Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy();
    assert_eq!(call(channel::remote(none), "weir").await.unwrap_err().code(), Code::Unauthenticated);
    assert!(shutdown.finish(Duration::from_secs(5)).await);
}

#[tokio::test]
async fn calls_at_the_same_time_over_one_channel_are_all_fresh() {
    let shutdown = Shutdown::new();
    let address = tcp_server(&shutdown).await;
    let channel = channel::connect(&address, &right());
    let calls = (0..500).map(|_| call(channel.clone(), "weir"));
    for answer in futures::future::join_all(calls).await {
        assert_eq!(answer.unwrap(), "weir");
    }
    assert!(shutdown.finish(Duration::from_secs(5)).await);
}

#[tokio::test]
async fn a_peer_that_is_not_there_is_unavailable_and_found_when_it_comes() {
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
    let channel = channel::connect(&address, &right());
    let calls = (0..50).map(|_| call(channel.clone(), "weir"));
    for answer in futures::future::join_all(calls).await {
        assert_eq!(answer.unwrap_err().code(), Code::Unavailable);
    }
    let shutdown = Shutdown::new();
    serve_at(&address, right(), &shutdown).await;
    assert_eq!(call(channel, "weir").await.unwrap(), "weir");
    assert!(shutdown.finish(Duration::from_secs(5)).await);
}

#[tokio::test]
async fn a_peer_that_was_restarted_is_greeted_anew_and_no_call_fails() {
    let mut shutdown = Shutdown::new();
    let address = tcp_server(&shutdown).await;
    let channel = channel::connect(&address, &right());
    for round in 0..5 {
        assert_eq!(call(channel.clone(), "weir").await.unwrap(), "weir", "{round}");
        assert!(shutdown.finish(Duration::from_secs(5)).await);
        // The loss of the connection shows at once; calls made at that very moment may fail with it.
        tokio::time::sleep(Duration::from_millis(50)).await;
        shutdown = Shutdown::new();
        serve_at(&address, right(), &shutdown).await;
    }
    assert!(shutdown.finish(Duration::from_secs(5)).await);
}

#[tokio::test]
async fn what_is_no_address_fails_each_call_and_is_named() {
    let channel = channel::connect("no address", &right());
    assert!(call(channel, "weir").await.unwrap_err().message().contains("no address"));
}

#[tokio::test]
async fn a_unix_socket_is_its_owners_alone_and_replaces_a_stale_one() {
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().join("weir.sock"), folder.path().join("x".repeat(120)).join("weir.sock")] {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "stale").unwrap();
        let shutdown = Shutdown::new();
        let (own, own_path) = (shutdown.clone(), path.clone());
        shutdown.spawn(async move { serve_unix(&own_path, routes(), &own).await.unwrap() });
        for _ in 0..200 {
            if !std::fs::metadata(&path).unwrap().is_file() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        within_seconds(&path).await;
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(call(channel::connect_unix(&path), "weir").await.unwrap(), "weir");
        assert!(shutdown.finish(Duration::from_secs(5)).await);
        assert!(!path.exists(), "the socket goes with its server");
    }
}

#[tokio::test]
async fn the_services_of_two_roles_answer_on_one_channel() {
    let channel = channel::in_process(merge(routes(), Routes::new(Mirror)));
    assert_eq!(call_method(channel.clone(), "/weir.test.Echo/Say", "weir").await.unwrap(), "weir");
    assert_eq!(call_method(channel.clone(), "/weir.test.Mirror/Say", "weir").await.unwrap(), "weir");
    let unknown = call_method(channel, "/weir.test.Nothing/Say", "weir").await.unwrap_err();
    assert_eq!(unknown.code(), Code::Unimplemented);
}

mod hostile;
