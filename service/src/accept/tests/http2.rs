//! HTTP/2, by a client that does what no browser would.

use super::*;
use crate::tls::{ALPN_HTTP1, ALPN_HTTP2};
use h2::client::{ResponseFuture, SendRequest};
use http::StatusCode;
use http::header::HeaderMap;

pub(super) type Sender = SendRequest<Bytes>;

impl Server {
    /// A connection that speaks HTTP/2, still without its preface.
    pub(super) async fn connect_for_http2(&self) -> Box<dyn Io> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        match &self.certificate {
            Some(certificate) => Box::new(certificate.handshake(stream, &[ALPN_HTTP2]).await.unwrap()),
            None => Box::new(stream),
        }
    }

    pub(super) async fn http2(&self, builder: &h2::client::Builder) -> (Sender, JoinHandle<Result<(), h2::Error>>) {
        let (sender, connection) = builder.handshake(self.connect_for_http2().await).await.unwrap();
        (sender, tokio::spawn(connection))
    }
}

fn client() -> h2::client::Builder {
    h2::client::Builder::new()
}

fn get(path: &str) -> Request<()> {
    Request::get(format!("http://weir{path}")).body(()).unwrap()
}

async fn send(sender: &mut Sender, request: Request<()>) -> Result<Response<h2::RecvStream>, h2::Error> {
    *sender = sender.clone().ready().await?;
    sender.send_request(request, true)?.0.await
}

pub(super) async fn status_of(sender: &mut Sender, request: Request<()>) -> Result<StatusCode, h2::Error> {
    send(sender, request).await.map(|answer| answer.status())
}

/// How long the server keeps a connection.
async fn lifetime(connection: JoinHandle<Result<(), h2::Error>>) -> Duration {
    let begun = Instant::now();
    let _ = tokio::time::timeout(Duration::from_secs(10), connection).await.expect("it is closed");
    begun.elapsed()
}

async fn requests_are_served_and_an_idle_connection_is_closed(server: Server) {
    let (mut sender, connection) = server.http2(&client()).await;
    for text in ["weir", "", "again"] {
        let request = Request::put("http://weir/now").body(()).unwrap();
        let (answer, mut body) = sender.send_request(request, false).unwrap();
        body.send_data(Bytes::from(text), true).unwrap();
        let mut stream = answer.await.unwrap().into_body();
        let mut got = Vec::new();
        while let Some(piece) = stream.data().await {
            got.extend_from_slice(&piece.unwrap());
        }
        assert_eq!(got, text.as_bytes());
    }
    let took = lifetime(connection).await;
    assert!(took >= IDLE_TIMEOUT - Duration::from_millis(50) && took < LATE, "{took:?}");
    assert!(server.stop().await);
}

async fn pings_keep_no_idle_connection_open(server: Server) {
    let (mut sender, mut connection) = client().handshake(server.connect_for_http2().await).await.unwrap();
    let mut pings = connection.ping_pong().unwrap();
    let connection = tokio::spawn(connection);
    status_of(&mut sender, get("/now")).await.unwrap();
    let pinging = tokio::spawn(async move { while pings.ping(h2::Ping::opaque()).await.is_ok() {} });
    let took = lifetime(connection).await;
    assert!(took < LATE, "{took:?}");
    pinging.await.unwrap();
    server.stop().await;
}

async fn headers_are_bounded_in_number_and_size(server: Server) {
    let (mut sender, _connection) = server.http2(&client()).await;
    let with = |count: usize, size: usize| {
        let mut request = get("/now");
        for number in 0..count {
            let name = http::HeaderName::try_from(format!("x-{number}")).unwrap();
            request.headers_mut().insert(name, "x".repeat(size).parse().unwrap());
        }
        request
    };
    assert_eq!(status_of(&mut sender, with(20, 1)).await.unwrap(), 200);
    assert_eq!(status_of(&mut sender, with(21, 1)).await.unwrap(), 431);
    for (count, size) in [(1, 16 << 10), (10, 2 << 10), (1000, 1)] {
        // The answer may be the end of the stream instead.
        let status = status_of(&mut sender, with(count, size)).await;
        assert!(status.as_ref().is_ok_and(|status| *status == 431) || status.is_err(), "{count}: {status:?}");
    }
    let long = get(&format!("/{}", "u".repeat(20 << 10)));
    let status = status_of(&mut sender, long).await;
    assert!(status.as_ref().is_ok_and(StatusCode::is_client_error) || status.is_err(), "{status:?}");
    server.stop().await;
}

async fn an_answer_without_room_is_given_up(server: Server) {
    let connected = client().initial_window_size(0).handshake::<_, Bytes>(server.connect_for_http2().await).await;
    let (mut sender, mut connection) = connected.unwrap();
    let mut pings = connection.ping_pong().unwrap();
    let connection = tokio::spawn(connection);
    let answers: Vec<ResponseFuture> = (0..3).map(|_| sender.send_request(get("/large"), true).unwrap().0).collect();
    // Pings are no sign that anything is read.
    let pinging = tokio::spawn(async move {
        while pings.ping(h2::Ping::opaque()).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let took = lifetime(connection).await;
    assert!(took >= 2 * WRITE_TIMEOUT && took < 8 * WRITE_TIMEOUT, "{took:?}");
    pinging.await.unwrap();
    drop(answers);
    server.stop().await;
}

async fn an_answer_that_is_taken_slowly_comes_whole(server: Server) {
    let (mut sender, _connection) = server.http2(&client()).await;
    let mut body = send(&mut sender, get("/large")).await.unwrap().into_body();
    let (mut received, begun) = (0, Instant::now());
    while let Some(piece) = body.data().await {
        let piece = piece.unwrap();
        received += piece.len();
        // Pauses shorter than the limit, longer than it in all.
        if received < 1 << 20 && begun.elapsed() < 3 * WRITE_TIMEOUT {
            tokio::time::sleep(WRITE_TIMEOUT / 4).await;
        }
        body.flow_control().release_capacity(piece.len()).unwrap();
    }
    assert_eq!(received, 64 << 20);
    assert!(begun.elapsed() > 2 * WRITE_TIMEOUT);
    server.stop().await;
}

/// CVE-2023-44487: each costs a request, and none is ever in flight for long.
async fn requests_that_are_taken_back_end_the_connection(server: Server) {
    let (mut sender, connection) = server.http2(&client()).await;
    let mut taken_back = 0;
    while let Ok(ready) = sender.clone().ready().await {
        sender = ready;
        let Ok((answer, mut stream)) = sender.send_request(get("/later"), true) else { break };
        stream.send_reset(h2::Reason::CANCEL);
        drop(answer);
        taken_back += 1;
        assert!(taken_back < 5_000, "none of them is one too many");
        tokio::task::yield_now().await;
    }
    lifetime(connection).await;
    let mut other = server.http2(&client()).await.0;
    assert_eq!(status_of(&mut other, get("/now")).await.unwrap(), 200, "others are served");
    server.stop().await;
}

async fn a_client_that_takes_back_now_and_then_is_served_on(server: Server) {
    let (mut sender, _connection) = server.http2(&client()).await;
    for _ in 0..200 {
        sender = sender.ready().await.unwrap();
        let (answer, mut stream) = sender.send_request(get("/later"), true).unwrap();
        assert_eq!(status_of(&mut sender, get("/now")).await.unwrap(), 200);
        stream.send_reset(h2::Reason::CANCEL);
        drop(answer);
    }
    server.stop().await;
}

/// Frames by hand: RFC 9113, 4.1.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = &(payload.len() as u32).to_be_bytes()[1..];
    [length, &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const CONTINUATION: u8 = 9;
/// A header in HPACK's plainest form, of one byte and three: RFC 7541, 6.2.2.
const HEADER: &[u8] = b"\0\x01x\x03abc";

/// Sends the same bytes over and over, reading nothing, until the server closes; how much it took.
async fn flood(server: &Server, first: &[u8], again: &[u8]) -> usize {
    let mut stream = server.connect_for_http2().await;
    stream.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, &[]), first].concat()).await.unwrap();
    let (mut sent, begun) = (0, Instant::now());
    let many = again.repeat((16 << 10) / again.len());
    while let Ok(Ok(count)) = tokio::time::timeout(Duration::from_secs(5), stream.write(&many)).await {
        assert!(begun.elapsed() < Duration::from_secs(10), "it is never closed");
        sent += count;
    }
    sent
}

/// CVE-2024-27983 and its kin: a head that never ends.
async fn a_flood_of_continuations_ends_the_connection(server: Server) {
    let begun = Instant::now();
    let first = frame(HEADERS, 0, 1, HEADER);
    let sent = flood(&server, &first, &frame(CONTINUATION, 0, 1, &HEADER.repeat(100))).await;
    assert!(begun.elapsed() < LATE, "{:?}", begun.elapsed());
    assert!(sent < 16 << 20, "{sent} bytes");
    flood(&server, &first, &frame(CONTINUATION, 0, 1, &[])).await;
    server.stop().await;
}

/// CVE-2019-9512 and CVE-2019-9515: answers that nobody reads.
async fn floods_of_pings_and_settings_end_with_the_deadline(server: Server) {
    for again in [frame(PING, 0, 0, b"12345678"), frame(SETTINGS, 0, 0, &[])] {
        let begun = Instant::now();
        flood(&server, &[], &again).await;
        assert!(begun.elapsed() < LATE, "{:?}", begun.elapsed());
    }
    server.stop().await;
}

async fn what_the_protocol_forbids_is_no_request(server: Server) {
    for (name, value) in [("transfer-encoding", "chunked"), ("connection", "close"), ("upgrade", "h2c")] {
        let (mut sender, _connection) = server.http2(&client()).await;
        let mut request = get("/now");
        request.headers_mut().insert(name, value.parse().unwrap());
        assert!(status_of(&mut sender, request).await.is_err(), "{name}");
    }
    // A body of another length than was said.
    for (said, body) in [("5", "abc"), ("2", "abc")] {
        let (mut sender, _connection) = server.http2(&client()).await;
        let request = Request::put("http://weir/now").header("content-length", said).body(()).unwrap();
        let (answer, mut stream) = sender.send_request(request, false).unwrap();
        let _ = stream.send_data(Bytes::from(body), true);
        assert!(answer.await.is_err(), "{said}");
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("x-late", "1".parse().unwrap());
    let (mut sender, _connection) = server.http2(&client()).await;
    let (answer, mut stream) = sender.send_request(Request::put("http://weir/now").body(()).unwrap(), false).unwrap();
    stream.send_data(Bytes::from("abc"), false).unwrap();
    stream.send_trailers(trailers).unwrap();
    assert_eq!(answer.await.unwrap().status(), 200, "trailers are fine");
    server.stop().await;
}

async fn more_requests_at_once_than_are_allowed_wait(server: Server) {
    let (mut sender, _connection) = server.http2(&client()).await;
    // The server's settings come with its first answer.
    status_of(&mut sender, get("/now")).await.unwrap();
    let sending = (0..5).map(|_| {
        let mut sender = sender.clone();
        async move { status_of(&mut sender, get("/later")).await.unwrap() }
    });
    let begun = Instant::now();
    assert!(futures::future::join_all(sending).await.iter().all(StatusCode::is_success));
    assert!(begun.elapsed() >= Duration::from_millis(1400), "five, two at a time, of 500 ms each");
    server.stop().await;
}

async fn connections_over_their_cap_are_served_by_http1_or_sent_away(server: Server) {
    let (mut sender, connection) = server.http2(&client()).await;
    assert_eq!(status_of(&mut sender, get("/now")).await.unwrap(), 200);
    match &server.certificate {
        Some(certificate) => {
            let stream = TcpStream::connect(server.address).await.unwrap();
            let mut stream = certificate.handshake(stream, &[ALPN_HTTP2, ALPN_HTTP1]).await.unwrap();
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(ALPN_HTTP1));
            stream.write_all(REQUEST).await.unwrap();
            assert!(read_answer(&mut stream).await.starts_with("HTTP/1.1 200"));
            let stream = TcpStream::connect(server.address).await.unwrap();
            assert!(certificate.handshake(stream, &[ALPN_HTTP2]).await.is_err());
        }
        None => {
            let (mut sender, connection) = server.http2(&client()).await;
            assert!(status_of(&mut sender, get("/now")).await.is_err());
            let told = connection.await.unwrap().unwrap_err();
            assert!(told.is_go_away() && told.reason() == Some(h2::Reason::ENHANCE_YOUR_CALM), "{told}");
        }
    }
    assert_eq!(status_of(&mut sender, get("/now")).await.unwrap(), 200, "who has a place keeps it");
    drop(sender);
    lifetime(connection).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let (mut sender, _connection) = server.http2(&client()).await;
    assert_eq!(status_of(&mut sender, get("/now")).await.unwrap(), 200, "the place is free again");
    server.stop().await;
}

fn one_connection() -> Limits {
    Limits { http2: Http2Limits { connection_max_count: 1, ..Http2Limits::default() }, ..limits() }
}

fn two_at_a_time() -> Limits {
    Limits { http2: Http2Limits { stream_max_count: 2, ..Http2Limits::default() }, ..limits() }
}

sessions! {
    requests_are_served_and_an_idle_connection_is_closed with limits();
    pings_keep_no_idle_connection_open with limits();
    headers_are_bounded_in_number_and_size with limits();
    an_answer_without_room_is_given_up with limits();
    an_answer_that_is_taken_slowly_comes_whole with limits();
    requests_that_are_taken_back_end_the_connection with limits();
    a_client_that_takes_back_now_and_then_is_served_on with limits();
    a_flood_of_continuations_ends_the_connection with limits();
    floods_of_pings_and_settings_end_with_the_deadline with limits();
    what_the_protocol_forbids_is_no_request with limits();
    more_requests_at_once_than_are_allowed_wait with two_at_a_time();
    connections_over_their_cap_are_served_by_http1_or_sent_away with one_connection();
}
