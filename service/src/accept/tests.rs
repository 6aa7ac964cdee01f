use super::*;
use http_body_util::{BodyExt as _, Full};
use hyper::service::service_fn;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Instant;
use tokio::task::JoinHandle;

const HEADER_TIMEOUT: Duration = Duration::from_millis(300);
const IDLE_TIMEOUT: Duration = Duration::from_millis(900);
const WRITE_TIMEOUT: Duration = Duration::from_millis(600);
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

struct Server {
    address: SocketAddr,
    shutdown: Shutdown,
    served: JoinHandle<()>,
}

impl Server {
    /// Answers `/now` at once, `/later` after 500 ms, `/large` with 64 MiB; reads the request's body first.
    async fn start(limits: Limits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = Shutdown::new();
        let own = shutdown.clone();
        let service = service_fn(|request: Request<Incoming>| async move {
            let path = request.uri().path().to_owned();
            let body = request.into_body().collect().await?.to_bytes();
            if path == "/later" {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            let answer = if path == "/large" { Bytes::from(vec![7; 64 << 20]) } else { body };
            Ok::<_, hyper::Error>(Response::new(Full::new(answer)))
        });
        let served = tokio::spawn(async move { serve(listener, limits, service, &own).await });
        Self { address, shutdown, served }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn stop(self) -> bool {
        let at_once = self.shutdown.finish(Duration::from_secs(5)).await;
        self.served.await.unwrap();
        at_once
    }
}

/// What comes until the server closes, and how long that took.
async fn until_closed(stream: &mut TcpStream) -> (String, Duration) {
    let begun = Instant::now();
    let mut answer = Vec::new();
    // A reset is an end too.
    let _ = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await.expect("it closes");
    (String::from_utf8_lossy(&answer).into_owned(), begun.elapsed())
}

async fn read_answer(stream: &mut TcpStream) -> String {
    let mut bytes = vec![0; 1024];
    let length = stream.read(&mut bytes).await.unwrap();
    String::from_utf8_lossy(&bytes[..length]).into_owned()
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed_at_the_deadline() {
    let server = Server::start(limits()).await;
    let (answer, took) = until_closed(&mut server.connect().await).await;
    assert_eq!(answer, "");
    assert!(took >= HEADER_TIMEOUT - Duration::from_millis(20) && took < 3 * HEADER_TIMEOUT, "{took:?}");
    assert!(server.stop().await);
}

#[tokio::test]
async fn a_head_that_comes_a_byte_at_a_time_is_closed_at_the_deadline() {
    let server = Server::start(limits()).await;
    let mut stream = server.connect().await;
    let begun = Instant::now();
    for byte in b"PGET /now HTTP/1.1\r\nhost: weir\r\n".iter().cycle() {
        if stream.write_all(&[*byte]).await.is_err() || begun.elapsed() > Duration::from_secs(4) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    assert!(begun.elapsed() < 3 * HEADER_TIMEOUT, "{:?}", begun.elapsed());
    server.stop().await;
}

#[tokio::test]
async fn a_second_head_has_its_own_deadline_and_the_pause_before_it_the_idle_one() {
    let server = Server::start(limits()).await;
    let mut stream = server.connect().await;
    stream.write_all(REQUEST).await.unwrap();
    assert!(read_answer(&mut stream).await.starts_with("HTTP/1.1 200"));
    tokio::time::sleep(2 * HEADER_TIMEOUT).await;
    stream.write_all(REQUEST).await.unwrap();
    assert!(read_answer(&mut stream).await.starts_with("HTTP/1.1 200"), "a pause below the idle limit is fine");
    stream.write_all(b"GET /now HT").await.unwrap();
    let (answer, took) = until_closed(&mut stream).await;
    assert_eq!(answer, "");
    assert!(took < 2 * HEADER_TIMEOUT, "{took:?}");
    server.stop().await;
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_the_idle_limit() {
    let server = Server::start(limits()).await;
    let mut stream = server.connect().await;
    stream.write_all(REQUEST).await.unwrap();
    let (answer, took) = until_closed(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200"));
    assert!(took >= IDLE_TIMEOUT - Duration::from_millis(50) && took < 2 * IDLE_TIMEOUT, "{took:?}");
    server.stop().await;
}

#[tokio::test]
async fn a_slow_body_and_a_slow_service_are_not_the_accept_loops_matter() {
    let server = Server::start(limits()).await;
    let mut stream = server.connect().await;
    stream.write_all(b"PUT /later HTTP/1.1\r\nhost: weir\r\ncontent-length: 4\r\n\r\nwe").await.unwrap();
    tokio::time::sleep(IDLE_TIMEOUT + HEADER_TIMEOUT).await;
    stream.write_all(b"ir").await.unwrap();
    assert!(read_answer(&mut stream).await.contains("200 OK"));
    server.stop().await;
}

#[tokio::test]
async fn an_answer_that_is_not_read_is_given_up() {
    let server = Server::start(limits()).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /large HTTP/1.1\r\nhost: weir\r\n\r\n").await.unwrap();
    tokio::time::sleep(2 * WRITE_TIMEOUT + Duration::from_millis(200)).await;
    let (answer, _) = until_closed(&mut stream).await;
    assert!(answer.len() < 64 << 20, "only what the sockets held came");
    server.stop().await;
}

#[tokio::test]
async fn a_head_too_large_or_with_too_many_headers_gets_431() {
    let server = Server::start(limits()).await;
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

#[tokio::test]
async fn a_connection_over_the_cap_gets_503_and_one_in_its_place_is_served() {
    let server = Server::start(Limits { connection_max_count: 1, ..limits() }).await;
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

#[tokio::test]
async fn shutdown_finishes_what_is_in_flight_and_closes_the_rest() {
    let server = Server::start(Limits { idle_timeout: Duration::from_secs(60), ..limits() }).await;
    let mut idle = server.connect().await;
    idle.write_all(REQUEST).await.unwrap();
    read_answer(&mut idle).await;
    let mut busy = server.connect().await;
    busy.write_all(b"GET /later HTTP/1.1\r\nhost: weir\r\n\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let address = server.address;
    let (stopped, (answer, _), (nothing, took)) =
        tokio::join!(server.stop(), until_closed(&mut busy), until_closed(&mut idle));
    assert!(stopped);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(nothing, "");
    assert!(took < Duration::from_millis(300), "{took:?}");
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn http2_with_prior_knowledge_is_served_and_closed_when_idle() {
    let server = Server::start(limits()).await;
    let io = hyper_util::rt::TokioIo::new(server.connect().await);
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(hyper_util::rt::TokioExecutor::new(), io).await.unwrap();
    let connection = tokio::spawn(connection);
    for text in ["weir", "", "again"] {
        let body = Full::new(Bytes::from(text)).map_err(|never: Infallible| match never {});
        let request = Request::put("http://weir/now").body(body).unwrap();
        let answer = sender.send_request(request).await.unwrap();
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), text);
    }
    let begun = Instant::now();
    let _ = tokio::time::timeout(Duration::from_secs(5), connection).await.expect("it closes when idle");
    assert!(begun.elapsed() >= IDLE_TIMEOUT - Duration::from_millis(50), "{:?}", begun.elapsed());
    assert!(server.stop().await);
}

#[tokio::test]
async fn a_head_with_two_meanings_is_answered_400() {
    let server = Server::start(limits()).await;
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

#[tokio::test]
async fn a_client_with_an_empty_body_that_waits_is_told_to_go_on() {
    let server = Server::start(limits()).await;
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
