//! Each session runs in clear and over TLS.

/// Runs these sessions with a server of their own, in clear and over TLS.
macro_rules! sessions {
    ($($name:ident with $limits:expr;)*) => {
        mod in_clear {
            use super::*;
            $(#[tokio::test]
            async fn $name() {
                super::$name(Server::start($limits, None).await).await;
            })*
        }
        mod over_tls {
            use super::*;
            $(#[tokio::test]
            async fn $name() {
                super::$name(Server::start($limits, Some(Certificate::new())).await).await;
            })*
        }
    };
}

mod http2;
mod refused;
mod tls;

use super::*;
use crate::config::GatewaySettings;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::service::service_fn;
use parking_lot::Mutex;
use std::net::SocketAddr;
use std::time::Instant;
use tls::Certificate;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;

const HEADER_TIMEOUT: Duration = Duration::from_millis(300);
const IDLE_TIMEOUT: Duration = Duration::from_millis(900);
const WRITE_TIMEOUT: Duration = Duration::from_millis(600);
/// By then all that has a deadline has ended, on a machine that stood still for a while too. What has none goes on longer.
const LATE: Duration = Duration::from_secs(3);
const REQUEST: &[u8] = b"GET /now HTTP/1.1\r\nhost: weir\r\n\r\n";

fn limits() -> Limits {
    Limits {
        connection_max_count: 100,
        header_max_bytes: 16 << 10,
        header_max_count: 20,
        header_timeout: HEADER_TIMEOUT,
        idle_timeout: IDLE_TIMEOUT,
        write_timeout: WRITE_TIMEOUT,
        ..Limits::from(&GatewaySettings::default())
    }
}

/// What 10,000 connections at rest cost is this, ten thousand times over.
const FUTURE_MAX_BYTES: usize = 850;

#[tokio::test]
async fn the_future_of_a_connection_is_small() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    let terms = Arc::new(connection::Terms::new(limits(), None, Shutdown::new()));
    let slot = Slots::new(&limits()).take(address.ip(), false).unwrap();
    let service = service_fn(async |_: Request<Incoming>| Ok::<_, BoxError>(Response::new(Full::<Bytes>::default())));
    let serving = connection::serve(stream, address, terms, service, slot);
    let bytes = std::mem::size_of_val(&serving);
    assert!(bytes <= FUTURE_MAX_BYTES, "{bytes} bytes");
}

/// A client's end of a connection.
trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

struct Server {
    address: SocketAddr,
    certificate: Option<Certificate>,
    shutdown: Shutdown,
    served: JoinHandle<()>,
    /// What its observer was told.
    refused: Arc<Mutex<Vec<Refused>>>,
}

impl Server {
    /// Answers `/now` at once, `/later` after 500 ms, `/large` with 64 MiB, `/peer` with what is known of the client;
    /// reads the request's body first.
    async fn start(limits: Limits, certificate: Option<Certificate>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = Shutdown::new();
        let refused: Arc<Mutex<Vec<Refused>>> = Arc::default();
        let told = refused.clone();
        let limits = Limits { observer: RefusalObserver::new(move |one| told.lock().push(one)), ..limits };
        let (own, tls) = (shutdown.clone(), certificate.as_ref().map(|certificate| certificate.server.clone()));
        let make_service = || {
            service_fn(|request: Request<Incoming>| async move {
                let path = request.uri().path().to_owned();
                let peer = *request.extensions().get::<Peer>().unwrap();
                let body = request.into_body().collect().await?.to_bytes();
                if path == "/later" {
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
                let answer = match path.as_str() {
                    "/large" => Bytes::from(vec![7; 64 << 20]),
                    "/peer" => format!("{} {}", peer.address.ip(), peer.secure).into(),
                    _ => body,
                };
                Ok::<_, hyper::Error>(Response::new(Full::new(answer)))
            })
        };
        let served = tokio::spawn(async move { serve(listener, limits, tls, make_service, &own).await });
        Self { address, certificate, shutdown, served, refused }
    }

    async fn connect(&self) -> Box<dyn Io> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        match &self.certificate {
            Some(certificate) => Box::new(certificate.handshake(stream, &[]).await.unwrap()),
            None => Box::new(stream),
        }
    }

    async fn stop(self) -> bool {
        let at_once = self.shutdown.finish(Duration::from_secs(5)).await;
        self.served.await.unwrap();
        at_once
    }
}

/// What comes until the server closes, and how long that took.
async fn until_closed(stream: &mut (impl AsyncRead + Unpin)) -> (String, Duration) {
    let begun = Instant::now();
    let mut answer = Vec::new();
    // A reset is an end too, and so is one that TLS was not told of.
    let _ = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await.expect("it closes");
    (String::from_utf8_lossy(&answer).into_owned(), begun.elapsed())
}

async fn read_answer(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut bytes = vec![0; 1024];
    let length = stream.read(&mut bytes).await.unwrap();
    String::from_utf8_lossy(&bytes[..length]).into_owned()
}

async fn a_connection_that_says_nothing_is_closed_at_the_deadline(server: Server) {
    let (answer, took) = until_closed(&mut server.connect().await).await;
    assert_eq!(answer, "");
    assert!(took >= HEADER_TIMEOUT - Duration::from_millis(20) && took < LATE, "{took:?}");
    assert!(server.stop().await);
}

async fn a_head_that_comes_a_byte_at_a_time_is_closed_at_the_deadline(server: Server) {
    let mut stream = server.connect().await;
    let begun = Instant::now();
    for byte in b"PGET /now HTTP/1.1\r\nhost: weir\r\n".iter().cycle() {
        if stream.write_all(&[*byte]).await.is_err() || begun.elapsed() > Duration::from_secs(4) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    assert!(begun.elapsed() < LATE, "{:?}", begun.elapsed());
    server.stop().await;
}

async fn a_second_head_has_its_own_deadline_and_the_pause_before_it_the_idle_one(server: Server) {
    let mut stream = server.connect().await;
    stream.write_all(REQUEST).await.unwrap();
    assert!(read_answer(&mut stream).await.starts_with("HTTP/1.1 200"));
    tokio::time::sleep(2 * HEADER_TIMEOUT).await;
    stream.write_all(REQUEST).await.unwrap();
    assert!(read_answer(&mut stream).await.starts_with("HTTP/1.1 200"), "a pause below the idle limit is fine");
    stream.write_all(b"GET /now HT").await.unwrap();
    let (answer, took) = until_closed(&mut stream).await;
    assert_eq!(answer, "");
    assert!(took < IDLE_TIMEOUT, "{took:?}");
    server.stop().await;
}

/// A connection has given up its buffers by then.
const REST: Duration = Duration::from_millis(100);

async fn a_connection_serves_on_after_each_rest(server: Server) {
    let mut stream = server.connect().await;
    let (first, second) = REQUEST.split_at(20);
    for _ in 0..3 {
        stream.write_all(REQUEST).await.unwrap();
        assert!(read_answer(&mut stream).await.starts_with("HTTP/1.1 200"));
        tokio::time::sleep(REST).await;
        stream.write_all(first).await.unwrap();
        stream.flush().await.unwrap();
        tokio::time::sleep(REST).await;
        stream.write_all(second).await.unwrap();
        assert!(read_answer(&mut stream).await.starts_with("HTTP/1.1 200"));
        tokio::time::sleep(REST).await;
    }
    // The beginning of the next request comes with this one, and with empty lines.
    let together = [REQUEST, b"\r\n", first].concat();
    for _ in 0..2 {
        stream.write_all(&together).await.unwrap();
        assert!(read_answer(&mut stream).await.starts_with("HTTP/1.1 200"));
        tokio::time::sleep(REST).await;
        stream.write_all(second).await.unwrap();
        assert!(read_answer(&mut stream).await.starts_with("HTTP/1.1 200"));
    }
    tokio::time::sleep(REST).await;
    stream.write_all(b"GET /now HTTP/1.1\nhost: a\n\n").await.unwrap();
    let (answer, _) = until_closed(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "what is ambiguous is seen after a rest too: {answer}");
    assert!(server.stop().await);
}

async fn a_head_that_comes_slowly_after_a_rest_has_the_time_of_a_head(server: Server) {
    let mut stream = server.connect().await;
    stream.write_all(REQUEST).await.unwrap();
    read_answer(&mut stream).await;
    tokio::time::sleep(REST).await;
    let begun = Instant::now();
    for byte in b"GET /now HTTP/1.1\r\nhost: weir".iter().cycle() {
        if stream.write_all(&[*byte]).await.is_err() || begun.elapsed() > Duration::from_secs(4) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    assert!(begun.elapsed() < LATE, "{:?}", begun.elapsed());
    server.stop().await;
}

async fn an_idle_connection_is_closed_after_the_idle_limit(server: Server) {
    let mut stream = server.connect().await;
    stream.write_all(REQUEST).await.unwrap();
    let (answer, took) = until_closed(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200"));
    assert!(took >= IDLE_TIMEOUT - Duration::from_millis(50) && took < LATE, "{took:?}");
    server.stop().await;
}

async fn a_slow_body_and_a_slow_service_are_not_the_accept_loops_matter(server: Server) {
    let mut stream = server.connect().await;
    stream.write_all(b"PUT /later HTTP/1.1\r\nhost: weir\r\ncontent-length: 4\r\n\r\nwe").await.unwrap();
    tokio::time::sleep(IDLE_TIMEOUT + HEADER_TIMEOUT).await;
    stream.write_all(b"ir").await.unwrap();
    assert!(read_answer(&mut stream).await.contains("200 OK"));
    server.stop().await;
}

async fn an_answer_that_is_not_read_is_given_up(server: Server) {
    let mut stream = server.connect().await;
    stream.write_all(b"GET /large HTTP/1.1\r\nhost: weir\r\n\r\n").await.unwrap();
    tokio::time::sleep(2 * WRITE_TIMEOUT + Duration::from_millis(200)).await;
    let (answer, _) = until_closed(&mut stream).await;
    assert!(answer.len() < 64 << 20, "only what the sockets held came");
    server.stop().await;
}

async fn a_head_too_large_or_with_too_many_headers_gets_431(server: Server) {
    let large = format!("GET /now HTTP/1.1\r\nhost: weir\r\nx: {}\r\n\r\n", "x".repeat(16 << 10));
    let many = format!("GET /now HTTP/1.1\r\nhost: weir\r\n{}\r\n", "x: y\r\n".repeat(20));
    let fine = format!("GET /now HTTP/1.1\r\nhost: weir\r\nconnection: close\r\n{}\r\n", "x: y\r\n".repeat(18));
    for (request, status) in [(large, "431"), (many, "431"), (fine, "200")] {
        let mut stream = server.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let (answer, _) = until_closed(&mut stream).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
    }
    server.stop().await;
}

async fn a_connection_over_the_cap_gets_503_and_one_in_its_place_is_served(server: Server) {
    let mut first = server.connect().await;
    first.write_all(REQUEST).await.unwrap();
    assert!(read_answer(&mut first).await.starts_with("HTTP/1.1 200"));
    let mut second = server.connect().await;
    second.write_all(REQUEST).await.unwrap();
    let (answer, _) = until_closed(&mut second).await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    drop(first);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let mut third = server.connect().await;
    third.write_all(REQUEST).await.unwrap();
    assert!(read_answer(&mut third).await.starts_with("HTTP/1.1 200"));
    server.stop().await;
}

async fn shutdown_finishes_what_is_in_flight_and_closes_the_rest(server: Server) {
    let mut idle = server.connect().await;
    idle.write_all(REQUEST).await.unwrap();
    read_answer(&mut idle).await;
    let mut busy = server.connect().await;
    busy.write_all(b"GET /later HTTP/1.1\r\nhost: weir\r\n\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let address = server.address;
    let (stopped, (answer, answered), (nothing, took)) =
        tokio::join!(server.stop(), until_closed(&mut busy), until_closed(&mut idle));
    assert!(stopped);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(nothing, "");
    assert!(took < answered, "{took:?}, {answered:?}");
    assert!(TcpStream::connect(address).await.is_err());
}

async fn a_head_with_two_meanings_is_answered_400(server: Server) {
    for request in [
        &b"PUT /now HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"[..],
        b"PUT /now HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n",
        b"PUT /now HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nab",
        b"GET /now HTTP/1.1\nhost: a\n\n",
        b"GET /now HTTP/1.1\r\nhost: a\n\r\n",
    ] {
        let mut stream = server.connect().await;
        stream.write_all(request).await.unwrap();
        let (answer, _) = until_closed(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{}: {answer}", String::from_utf8_lossy(request));
    }
    // A request before it on the same connection is answered as ever.
    let mut stream = server.connect().await;
    stream.write_all(&[REQUEST, b"GET /now HTTP/1.1\nhost: a\n\n"].concat()).await.unwrap();
    let (answer, _) = until_closed(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("HTTP/1.1 400 "), "{answer}");
    assert!(server.stop().await);
}

async fn a_client_with_an_empty_body_that_waits_is_told_to_go_on(server: Server) {
    let mut stream = server.connect().await;
    for _ in 0..2 {
        let head = b"PUT /now HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 0\r\n\r\n";
        stream.write_all(head).await.unwrap();
        let mut answer = read_answer(&mut stream).await;
        if answer == "HTTP/1.1 100 Continue\r\n\r\n" {
            answer.push_str(&read_answer(&mut stream).await);
        }
        assert!(answer.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 "), "{answer}");
    }
    drop(stream);
    assert!(server.stop().await);
}

/// As many connections of one address as are allowed, and one more.
async fn an_address_has_a_cap_of_its_own(server: Server) {
    let mut connections = Vec::new();
    for _ in 0..3 {
        let mut stream = server.connect().await;
        stream.write_all(REQUEST).await.unwrap();
        assert!(read_answer(&mut stream).await.starts_with("HTTP/1.1 200"));
        connections.push(stream);
    }
    let mut one_more = server.connect().await;
    one_more.write_all(REQUEST).await.unwrap();
    let (answer, _) = until_closed(&mut one_more).await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    connections.pop();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let mut in_its_place = server.connect().await;
    in_its_place.write_all(REQUEST).await.unwrap();
    assert!(read_answer(&mut in_its_place).await.starts_with("HTTP/1.1 200"));
    server.stop().await;
}

async fn a_service_knows_its_peer(server: Server) {
    let secure = server.certificate.is_some();
    let mut stream = server.connect().await;
    let forged = b"GET /peer HTTP/1.1\r\nhost: a\r\nx-forwarded-for: 192.0.2.1\r\nx-forwarded-proto: https\r\n\r\n";
    stream.write_all(forged).await.unwrap();
    let answer = read_answer(&mut stream).await;
    assert!(answer.ends_with(&format!("\r\n\r\n127.0.0.1 {secure}")), "{answer}");
    server.stop().await;
}

async fn a_trusted_proxy_names_its_client(server: Server) {
    let mut stream = server.connect().await;
    let forwarded = b"GET /peer HTTP/1.1\r\nhost: a\r\nx-forwarded-for: 192.0.2.1\r\nx-forwarded-proto: https\r\n\r\n";
    stream.write_all(forwarded).await.unwrap();
    let answer = read_answer(&mut stream).await;
    assert!(answer.ends_with("\r\n\r\n192.0.2.1 true"), "{answer}");
    // Its connections are those of many, and not counted as one address's.
    for _ in 0..5 {
        let mut another = server.connect().await;
        another.write_all(REQUEST).await.unwrap();
        assert!(read_answer(&mut another).await.starts_with("HTTP/1.1 200"));
    }
    server.stop().await;
}

fn behind_a_proxy() -> Limits {
    let trusted_proxies = TrustedProxies::parse(&["127.0.0.0/8".into()]).unwrap();
    Limits { trusted_proxies, connection_max_count_per_address: 1, ..limits() }
}

sessions! {
    a_connection_that_says_nothing_is_closed_at_the_deadline with limits();
    a_head_that_comes_a_byte_at_a_time_is_closed_at_the_deadline with limits();
    a_second_head_has_its_own_deadline_and_the_pause_before_it_the_idle_one with limits();
    a_connection_serves_on_after_each_rest with limits();
    a_head_that_comes_slowly_after_a_rest_has_the_time_of_a_head with limits();
    an_idle_connection_is_closed_after_the_idle_limit with limits();
    a_slow_body_and_a_slow_service_are_not_the_accept_loops_matter with limits();
    an_answer_that_is_not_read_is_given_up with limits();
    a_head_too_large_or_with_too_many_headers_gets_431 with limits();
    a_connection_over_the_cap_gets_503_and_one_in_its_place_is_served with Limits { connection_max_count: 1, ..limits() };
    shutdown_finishes_what_is_in_flight_and_closes_the_rest with Limits { idle_timeout: Duration::from_secs(60), ..limits() };
    a_head_with_two_meanings_is_answered_400 with limits();
    a_client_with_an_empty_body_that_waits_is_told_to_go_on with limits();
    an_address_has_a_cap_of_its_own with Limits { connection_max_count_per_address: 3, ..limits() };
    a_service_knows_its_peer with limits();
    a_trusted_proxy_names_its_client with behind_a_proxy();
}
