//! What strangers and broken members get.

use super::*;
use crate::config::ServiceSettings;
use crate::tls::certificates::Authority;
use std::time::Instant;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::transport::Endpoint;
use tonic::{Request as Call, Response as Answer, Streaming};
use weir_proto::Failure;
use weir_proto::v1::blocks_client::BlocksClient;
use weir_proto::v1::blocks_server::{Blocks, BlocksServer};
use weir_proto::v1::{
    self, LocateBlockRequest, LocateBlockResponse, ReadBlockRequest, ReadBlockResponse, Reason, WriteBlockRequest,
    WriteBlockResponse,
};

const MESSAGE_MAX_BYTES: usize = 4 << 10;
const READ_BLOCK: &str = "/weir.v1.Blocks/ReadBlock";

/// Refuses every call, at length.
struct Refusing;

#[tonic::async_trait]
impl Blocks for Refusing {
    type ReadBlockStream = futures::stream::Empty<Result<ReadBlockResponse, Status>>;

    async fn write_block(
        &self,
        call: Call<Streaming<WriteBlockRequest>>,
    ) -> Result<Answer<WriteBlockResponse>, Status> {
        let mut messages = call.into_inner();
        while messages.message().await?.is_some() {}
        Err(Failure::new(Reason::Damaged, "a block", "é".repeat(40_000)).into())
    }

    async fn read_block(&self, _call: Call<ReadBlockRequest>) -> Result<Answer<Self::ReadBlockStream>, Status> {
        Err(Status::with_details(Code::Internal, "é".repeat(40_000), vec![7; 40_000].into()))
    }

    async fn locate_block(&self, _call: Call<LocateBlockRequest>) -> Result<Answer<LocateBlockResponse>, Status> {
        Err(Status::not_found(""))
    }
}

/// Answers with the caller's proof, as one who listens in would have it.
#[derive(Clone)]
struct Overheard;

impl NamedService for Overheard {
    const NAME: &'static str = "weir.test.Overheard";
}

impl Service<Request<Body>> for Overheard {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let proof = request.headers()["weir-peer"].as_bytes().to_vec();
        std::future::ready(Ok(Response::new(Body::new(Full::from(proof)))))
    }
}

async fn serve_all(credentials: ClusterCredentials, shutdown: &Shutdown) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let blocks = BlocksServer::new(Refusing).max_decoding_message_size(MESSAGE_MAX_BYTES);
    let routes = Routes::new(Echo).add_service(Overheard).add_service(blocks);
    let own = shutdown.clone();
    shutdown.spawn(async move { serve_tcp(listener, routes, &credentials, &own).await });
    address
}

/// A channel that proves nothing.
fn strange(address: &str) -> Channel {
    channel::remote(Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy())
}

async fn refusal_of(channel: Channel, method: &str, headers: &[(&'static str, String)], body: Vec<u8>) -> Status {
    let mut request = Request::post(method).header("content-type", "application/grpc");
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    let request = request.body(Body::new(Full::from(body))).unwrap();
    let answer = channel.oneshot(request).await.unwrap();
    Status::from_header_map(answer.headers()).expect("it is refused")
}

#[tokio::test]
async fn a_stranger_does_not_even_learn_which_methods_there_are() {
    let shutdown = Shutdown::new();
    let address = serve_all(right(), &shutdown).await;
    let nonsense = format!("{}.0.{}", "0".repeat(64), "0".repeat(64));
    for method in [
        "/weir.test.Echo/Say",
        READ_BLOCK,
        "/weir.test.Nothing/Say",
        "/",
        "/metrics",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "/grpc.health.v1.Health/Check",
    ] {
        for headers in [vec![], vec![("weir-peer", nonsense.clone())], vec![("weir-peer", String::new())]] {
            let status = refusal_of(strange(&address), method, &headers, Vec::new()).await;
            assert_eq!(status.code(), Code::Unauthenticated, "{method} {headers:?}");
        }
    }
    let member = channel::connect(&address, &right());
    assert_eq!(call_method(member, "/weir.test.Nothing/Say", "").await.unwrap_err().code(), Code::Unimplemented);
    assert!(shutdown.finish(Duration::from_secs(5)).await);
}

#[tokio::test]
async fn an_overheard_proof_opens_nothing_anywhere() {
    let shutdown = Shutdown::new();
    let (one, other) = (serve_all(right(), &shutdown).await, serve_all(right(), &shutdown).await);
    let member = channel::connect(&one, &right());
    let proof = call_method(member, "/weir.test.Overheard/Say", "").await.unwrap();
    let proof = String::from_utf8(proof.to_vec()).unwrap();
    for address in [&one, &other] {
        let headers = [("weir-peer", proof.clone())];
        let same = refusal_of(strange(address), "/weir.test.Overheard/Say", &headers, Vec::new()).await;
        assert_eq!(same.code(), Code::Unavailable, "it was made for another connection");
        let another = refusal_of(strange(address), "/weir.test.Echo/Say", &headers, Vec::new()).await;
        assert_eq!(another.code(), Code::Unauthenticated);
    }
    assert!(shutdown.finish(Duration::from_secs(5)).await);
}

#[tokio::test]
async fn what_is_no_http2_is_closed_without_an_answer() {
    let shutdown = Shutdown::new();
    let address = serve_all(right(), &shutdown).await;
    let begun = Instant::now();
    for bytes in [
        &b"GET /metrics HTTP/1.1\r\nhost: weir\r\n\r\n"[..],
        b"POST /weir.test.Echo/Say HTTP/1.1\r\nhost: weir\r\ncontent-type: application/grpc\r\ncontent-length: 0\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\0\0\0\0",
    ] {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert_eq!(answer, b"", "{}", String::from_utf8_lossy(bytes));
    }
    assert!(begun.elapsed() < HEADER_TIMEOUT, "none of them is waited for");
    shutdown.begin();
}

#[tokio::test]
async fn a_connection_that_makes_no_call_is_closed_at_the_deadline() {
    let shutdown = Shutdown::new();
    let address = serve_all(right(), &shutdown).await;
    let mut silent = TcpStream::connect(&address).await.unwrap();
    let mut greeting = TcpStream::connect(&address).await.unwrap();
    greeting.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let begun = Instant::now();
    let (mut nothing, mut settings) = (Vec::new(), Vec::new());
    let (_, _) = tokio::join!(silent.read_to_end(&mut nothing), greeting.read_to_end(&mut settings));
    assert_eq!(nothing, b"");
    assert!(begun.elapsed() < HEADER_TIMEOUT + Duration::from_secs(3), "{:?}", begun.elapsed());
    shutdown.begin();
}

#[tokio::test]
async fn bytes_that_are_no_message_are_the_callers_fault() {
    let shutdown = Shutdown::new();
    let address = serve_all(right(), &shutdown).await;
    let member = channel::connect(&address, &right());
    let framed = |message: &[u8]| [&[0][..], &(message.len() as u32).to_be_bytes(), message].concat();
    for message in [&b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"[..], b"\x0a\x7f", b"\x0f", b"\x07\x07"] {
        let status = refusal_of(member.clone(), READ_BLOCK, &[], framed(message)).await;
        assert_eq!(status.code(), Code::InvalidArgument, "{message:?}: {status}");
    }
    let too_long = framed(&vec![0; MESSAGE_MAX_BYTES + 1]);
    let status = refusal_of(member.clone(), READ_BLOCK, &[], too_long).await;
    assert_eq!(status.code(), Code::OutOfRange, "{status}");
    // A length that is a lie is not believed in memory either.
    let lie = [&[0][..], &u32::MAX.to_be_bytes(), b"x"].concat();
    assert_eq!(refusal_of(member.clone(), READ_BLOCK, &[], lie).await.code(), Code::OutOfRange);
    let compressed = [&[1][..], &1u32.to_be_bytes(), b"x"].concat();
    assert_ne!(refusal_of(member, READ_BLOCK, &[], compressed).await.code(), Code::Ok);
    assert!(shutdown.finish(Duration::from_secs(5)).await);
}

#[tokio::test]
async fn the_text_of_a_refusal_is_cut_so_that_it_arrives() {
    let shutdown = Shutdown::new();
    let address = serve_all(right(), &shutdown).await;
    let mut blocks = BlocksClient::new(channel::connect(&address, &right()));
    let status = blocks.read_block(ReadBlockRequest::default()).await.unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    assert!(status.message().starts_with("éé") && status.message().len() <= 1024, "{}", status.message().len());
    let status = blocks.write_block(futures::stream::iter([v1::WriteBlockRequest::default()])).await.unwrap_err();
    assert_eq!(Failure::from_status(&status).reason, Reason::Damaged);
    assert!(shutdown.finish(Duration::from_secs(5)).await);
}

#[tokio::test]
async fn headers_are_bounded() {
    let shutdown = Shutdown::new();
    let address = serve_all(right(), &shutdown).await;
    let member = channel::connect(&address, &right());
    for (count, size) in [(200, 1), (1, 20_000)] {
        let mut request = Request::post("/weir.test.Echo/Say");
        for number in 0..count {
            request = request.header(format!("x-{number}"), "x".repeat(size));
        }
        let answer = member.clone().oneshot(request.body(Body::empty()).unwrap()).await;
        let status = answer.map(|answer| answer.status().as_u16());
        assert!(status.is_err() || status.as_ref().is_ok_and(|status| *status == 431), "{count}: {status:?}");
    }
    assert_eq!(call(member, "weir").await.unwrap(), "weir");
    assert!(shutdown.finish(Duration::from_secs(5)).await);
}

/// A member's credentials, from settings as its configuration has them.
fn member(authority: &Authority, secret: &str) -> (ClusterCredentials, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = authority.issue(&["127.0.0.1"]).write(folder.path());
    let settings = ServiceSettings {
        cluster_secret: secret.into(),
        cluster_certificate: certificate,
        cluster_key: key,
        cluster_ca: authority.write(folder.path()),
        ..ServiceSettings::default()
    };
    (ClusterCredentials::from_settings(&settings).unwrap(), folder)
}

#[tokio::test]
async fn with_certificates_both_ends_show_one_and_a_secret_is_asked_for_besides() {
    let (own, other) = (Authority::new("own"), Authority::new("other"));
    let (by_certificate, _one) = member(&own, "");
    let (by_both, _two) = member(&own, "the right secret of the whole cluster");
    let (by_wrong_secret, _three) = member(&own, "the wrong secret of the whole cluster");
    let (stranger, _four) = member(&other, "the right secret of the whole cluster");
    let shutdown = Shutdown::new();
    let certified = serve_all(by_certificate.clone(), &shutdown).await;
    let both = serve_all(by_both.clone(), &shutdown).await;
    let say = |address: &str, credentials: &ClusterCredentials| call(channel::connect(address, credentials), "weir");

    assert_eq!(say(&certified, &by_certificate).await.unwrap(), "weir");
    assert_eq!(say(&both, &by_both).await.unwrap(), "weir");
    assert_eq!(say(&both, &by_certificate).await.unwrap_err().code(), Code::Unauthenticated);
    assert_eq!(say(&both, &by_wrong_secret).await.unwrap_err().code(), Code::Unauthenticated);
    for address in [&certified, &both] {
        assert!(say(address, &stranger).await.is_err(), "another cluster's certificate");
        assert!(say(address, &right()).await.is_err(), "no certificate");
        assert!(call(strange(address), "weir").await.is_err());
    }
    let clear = serve_all(right(), &shutdown).await;
    assert!(say(&clear, &by_both).await.is_err(), "a role that shows no certificate is not trusted");
    shutdown.begin();
}
