//! What never became a request is told, once and by its reason; what did is not.

use super::*;
use Refusal::{AmbiguousHead, BrokenHttp2, HeadTimeout, HeadTooLarge, MalformedHead, NoPlace, UriTooLong};

impl Server {
    /// What was told since the last call, once there is something.
    async fn told(&self) -> Vec<Refusal> {
        let deadline = Instant::now() + Duration::from_secs(5);
        while self.refused.lock().is_empty() && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let refused = std::mem::take(&mut *self.refused.lock());
        assert!(refused.iter().all(|one| one.peer.address.ip().is_loopback()));
        assert!(refused.iter().all(|one| one.peer.secure == self.certificate.is_some()), "{refused:?}");
        refused.into_iter().map(|one| one.refusal).collect()
    }

    async fn assert_told_of(&self, sent: &[u8], refusal: Refusal) {
        let mut stream = self.connect().await;
        stream.write_all(sent).await.unwrap();
        let (answer, _) = until_closed(&mut stream).await;
        let what = String::from_utf8_lossy(&sent[..sent.len().min(80)]).into_owned();
        assert_eq!(self.told().await, [refusal], "{what}: {answer}");
        match refusal.status() {
            Some(status) => assert!(answer.contains(&format!("HTTP/1.1 {status} ")), "{what}: {answer}"),
            None => assert!(!answer.contains("HTTP/1.1 4"), "{what}: {answer}"),
        }
    }
}

async fn each_head_that_is_no_request_is_told_with_its_answer(server: Server) {
    let head = |more: &str| format!("GET /now HTTP/1.1\r\nhost: weir\r\n{more}\r\n").into_bytes();
    let second = |next: &[u8]| [REQUEST, next].concat();
    for (sent, refusal) in [
        (b"\x16\x03\x01 no request".to_vec(), MalformedHead),
        (b"GET /now HTTP/1.1\r\nno colon\r\n\r\n".to_vec(), MalformedHead),
        (b"GET /now HTTP/7.0\r\nhost: weir\r\n\r\n".to_vec(), MalformedHead),
        (head("x: a\0b\r\n"), MalformedHead),
        (head("content-length: 5\r\ntransfer-encoding: chunked\r\n"), AmbiguousHead),
        (b"GET /now HTTP/1.1\nhost: a\n\n".to_vec(), AmbiguousHead),
        (second(b"GET /now HTTP/1.1\nhost: a\n\n"), AmbiguousHead),
        (second(b"GET /now\r\n\r\n"), MalformedHead),
        (head(&format!("x: {}\r\n", "x".repeat(16 << 10))), HeadTooLarge),
        (head(&"x: y\r\n".repeat(20)), HeadTooLarge),
        (format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "u".repeat(70_000)).into_bytes(), HeadTooLarge),
        (b"GET /now HTTP/1.1\r\nhost".to_vec(), HeadTimeout),
        (format!("GET /now HTTP/1.1\r\nx: {}", "x".repeat(10 << 10)).into_bytes(), HeadTimeout),
    ] {
        server.assert_told_of(&sent, refusal).await;
    }
    let mut stream = server.connect().await;
    stream.write_all(REQUEST).await.unwrap();
    read_answer(&mut stream).await;
    stream.write_all(b"GET /now HT").await.unwrap();
    assert_eq!(until_closed(&mut stream).await.0, "");
    assert_eq!(server.told().await, [HeadTimeout]);
    server.stop().await;
}

async fn a_uri_that_is_too_long_is_told_as_one(server: Server) {
    let sent = format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "u".repeat(70_000));
    server.assert_told_of(sent.as_bytes(), UriTooLong).await;
    server.stop().await;
}

async fn requests_and_who_asks_for_nothing_are_not_told(server: Server) {
    let mut stream = server.connect().await;
    stream.write_all(REQUEST).await.unwrap();
    assert!(until_closed(&mut stream).await.0.starts_with("HTTP/1.1 200"), "and it was idle");
    // Says nothing; says a part of HTTP/2's preface; leaves within a head; sends a body that breaks off, or is none.
    for (sent, stays) in [
        (&b""[..], true),
        (b"PRI * HTTP", true),
        (b"GET /now HTTP/1.1\r\nho", false),
        (b"PUT /now HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nab", false),
        (b"PUT /now HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\nhello", true),
        (b"PUT /now HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nx\r\n", true),
    ] {
        let mut stream = server.connect().await;
        stream.write_all(sent).await.unwrap();
        if stays {
            until_closed(&mut stream).await;
        }
    }
    tokio::time::sleep(2 * HEADER_TIMEOUT).await;
    assert_eq!(server.refused.lock().as_slice(), []);
    server.stop().await;
}

async fn a_connection_over_the_cap_is_told(server: Server) {
    let mut first = server.connect().await;
    first.write_all(REQUEST).await.unwrap();
    read_answer(&mut first).await;
    let _ = until_closed(&mut server.connect().await).await;
    assert_eq!(server.told().await, [NoPlace]);
    server.stop().await;
}

async fn http2_is_told_of_headers_without_number_and_of_a_broken_connection(server: Server) {
    let (mut sender, _connection) = server.http2(&h2::client::Builder::new()).await;
    let mut request = Request::get("http://weir/now").body(()).unwrap();
    for number in 0..21 {
        let name = http::HeaderName::try_from(format!("x-{number}")).unwrap();
        request.headers_mut().insert(name, "x".parse().unwrap());
    }
    assert_eq!(http2::status_of(&mut sender, request).await.unwrap(), 431);
    assert_eq!(server.told().await, [HeadTooLarge]);
    drop(sender);
    let mut stream = server.connect_for_http2().await;
    // A frame of data on a stream that was never opened.
    let sent =
        [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &[0, 0, 0, 4, 0, 0, 0, 0, 0], &[0, 0, 1, 0, 0, 0, 0, 0, 7, 1]];
    stream.write_all(&sent.concat()).await.unwrap();
    until_closed(&mut stream).await;
    assert_eq!(server.told().await, [BrokenHttp2]);
    server.stop().await;
}

sessions! {
    each_head_that_is_no_request_is_told_with_its_answer with limits();
    a_uri_that_is_too_long_is_told_as_one with Limits { header_max_bytes: 128 << 10, buffer_max_bytes: 128 << 10, ..limits() };
    requests_and_who_asks_for_nothing_are_not_told with limits();
    a_connection_over_the_cap_is_told with Limits { connection_max_count: 1, ..limits() };
    http2_is_told_of_headers_without_number_and_of_a_broken_connection with limits();
}
