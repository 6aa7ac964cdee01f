//! S3 over HTTP/2, in clear and over TLS.

use bytes::Bytes;
use h2::RecvStream;
use h2::client::SendRequest;
use http::{HeaderMap, Method, Request};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio_rustls::TlsConnector;
use weir_tests::tls::trust;
use weir_tests::{Server, noise};

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// One connection.
struct Connection {
    runtime: Runtime,
    sender: SendRequest<Bytes>,
    authority: String,
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Connection {
    fn open(server: &Server) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let sender = runtime.block_on(async {
            let stream = TcpStream::connect(server.address()).await.unwrap();
            let stream: Box<dyn Io> = match server.authority() {
                Some(authority) => {
                    let connector = TlsConnector::from(trust(authority, &["h2", "http/1.1"]));
                    let stream = connector.connect(ServerName::from(server.address().ip()), stream).await.unwrap();
                    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
                    Box::new(stream)
                }
                None => Box::new(stream),
            };
            let (sender, connection) = h2::client::handshake(stream).await.unwrap();
            tokio::spawn(connection);
            sender
        });
        Self { runtime, sender, authority: server.address().to_string() }
    }

    fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Answer, h2::Error> {
        let mut request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).unwrap())
            .uri(format!("http://{}{path}", self.authority));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if !headers.iter().any(|(name, _)| *name == "content-length") && !body.is_empty() {
            request = request.header("content-length", body.len());
        }
        let request = request.body(()).unwrap();
        let sender = self.sender.clone();
        let body = Bytes::copy_from_slice(body);
        self.runtime.block_on(async move {
            let mut sender = sender.ready().await?;
            let (answer, mut stream) = sender.send_request(request, body.is_empty())?;
            if !body.is_empty() {
                send_all(&mut stream, body).await;
            }
            let (head, body) = answer.await?.into_parts();
            Ok(Answer { status: head.status.as_u16(), headers: head.headers, body: read_all(body).await? })
        })
    }

    #[track_caller]
    fn expect(&mut self, method: &str, path: &str, body: &[u8], status: u16) -> Answer {
        let answer = self.send(method, path, &[], body).unwrap();
        assert_eq!(answer.status, status, "{method} {path}: {}", String::from_utf8_lossy(&answer.body));
        answer
    }
}

/// As far as the server wants it.
async fn send_all(stream: &mut h2::SendStream<Bytes>, mut body: Bytes) {
    while !body.is_empty() {
        stream.reserve_capacity(body.len());
        let Some(Ok(room)) = std::future::poll_fn(|context| stream.poll_capacity(context)).await else { return };
        let piece = body.split_to(room.min(body.len()));
        if stream.send_data(piece, body.is_empty()).is_err() {
            return;
        }
    }
}

async fn read_all(mut stream: RecvStream) -> Result<Vec<u8>, h2::Error> {
    let mut body = Vec::new();
    while let Some(piece) = stream.data().await {
        let piece = piece?;
        stream.flow_control().release_capacity(piece.len())?;
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

fn a_session(server: &Server, bucket: &str) {
    let mut connection = Connection::open(server);
    connection.expect("PUT", bucket, b"", 200);
    for (seed, length) in [0, 1, 100_000, 3 << 20].into_iter().enumerate() {
        let (path, body) = (format!("{bucket}/{length}"), noise(seed as u64, length));
        connection.expect("PUT", &path, &body, 200);
        assert!(connection.expect("GET", &path, b"", 200).body == body, "{length} bytes");
    }
    let head = connection.expect("HEAD", &format!("{bucket}/100000"), b"", 200);
    assert_eq!(head.headers["content-length"], "100000");
    let missing = connection.expect("GET", &format!("{bucket}/missing"), b"", 404);
    assert!(String::from_utf8_lossy(&missing.body).contains("NoSuchKey"));
    assert!(!missing.headers.contains_key("connection"));
    // A body that is refused before it is read ends its stream, and not the connection.
    let refused = connection.send("PUT", "/no-such-bucket-here/k", &[], &noise(1, 200_000)).unwrap();
    assert_eq!(refused.status, 404);
    connection.expect("GET", &format!("{bucket}/1"), b"", 200);
    server.assert_alive();
}

#[test]
fn a_session_over_one_connection() {
    a_session(&Server::shared(), "/http2-session");
}

#[test]
fn a_session_over_one_connection_with_tls() {
    a_session(&Server::shared_over_tls(), "/http2-session");
}

/// What is wrong, a path, headers.
type Case<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)]);

fn what_is_ambiguous_or_too_large_is_refused(server: &Server, bucket: &str) {
    Connection::open(server).expect("PUT", bucket, b"", 200);
    let path = format!("{bucket}/k");
    let long = format!("{bucket}/{}", "u".repeat(60_000));
    let (many, large): (Vec<String>, String) = ((0..101).map(|n| format!("x-{n}")).collect(), "x".repeat(20_000));
    let many: Vec<(&str, &str)> = many.iter().map(|name| (name.as_str(), "v")).collect();
    let cases: [Case<'_>; 9] = [
        ("a transfer coding", &path, &[("transfer-encoding", "chunked")]),
        ("another host", &path, &[("host", "elsewhere.test")]),
        ("two hosts", &path, &[("host", "a.test"), ("host", "b.test")]),
        ("two lengths", &path, &[("content-length", "5"), ("content-length", "6")]),
        ("a length that is too short", &path, &[("content-length", "4")]),
        ("a length that is too long", &path, &[("content-length", "6")]),
        ("101 headers", &path, &many),
        ("a header of 20 KB", &path, &[("x-amz-meta-a", &large)]),
        ("an address of 60 KB", &long, &[]),
    ];
    for (what, path, headers) in cases {
        // Each breaks its stream or its connection, or is answered.
        if let Ok(answer) = Connection::open(server).send("PUT", path, headers, b"hello") {
            assert!((400..500).contains(&answer.status), "{what}: {}", answer.status);
        }
        Connection::open(server).expect("GET", &format!("{bucket}/k"), b"", 404);
    }
    server.assert_alive();
}

#[test]
fn what_is_ambiguous_or_too_large_stores_nothing() {
    what_is_ambiguous_or_too_large_is_refused(&Server::shared(), "/http2-refused");
}

#[test]
fn what_is_ambiguous_or_too_large_stores_nothing_over_tls() {
    what_is_ambiguous_or_too_large_is_refused(&Server::shared_over_tls(), "/http2-refused");
}
