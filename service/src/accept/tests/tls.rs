//! A listener's TLS: who is not served, and the protocol that is chosen.

use super::*;
use crate::tls::certificates::Authority;
use crate::tls::{ALPN_HTTP1, ALPN_HTTP2, KeyPairFiles};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A server's certificate, with an authority that clients trust.
pub(super) struct Certificate {
    pub server: ServerTls,
    authority: Authority,
    _folder: TempDir,
}

impl Certificate {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new("tests");
        let (certificate, key) = authority.issue(&["127.0.0.1"]).write(folder.path());
        let server = ServerTls::open(KeyPairFiles { certificate, key }).unwrap();
        Self { server, authority, _folder: folder }
    }

    pub async fn handshake(&self, stream: TcpStream, protocols: &[&[u8]]) -> io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.authority.certificate().as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let mut config = config.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }
}

async fn server() -> Server {
    Server::start(limits(), Some(Certificate::new())).await
}

async fn clear(server: &Server) -> TcpStream {
    TcpStream::connect(server.address).await.unwrap()
}

#[tokio::test]
async fn a_client_that_does_not_speak_tls_gets_no_answer() {
    let server = server().await;
    for bytes in [REQUEST, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\0\0\0\0\0\0\0\0"] {
        let mut stream = clear(&server).await;
        stream.write_all(bytes).await.unwrap();
        let (answer, _) = until_closed(&mut stream).await;
        // At most TLS's own alert, RFC 8446, 6.
        assert!(answer.len() <= 7 && !answer.contains("HTTP"), "{answer:?}");
    }
    assert!(server.stop().await);
}

#[tokio::test]
async fn a_handshake_has_the_time_of_a_head() {
    let server = server().await;
    let (answer, took) = until_closed(&mut clear(&server).await).await;
    assert_eq!(answer, "");
    assert!(took >= HEADER_TIMEOUT - Duration::from_millis(20) && took < LATE, "{took:?}");
    // The beginning of a ClientHello, a byte at a time.
    let begun = Instant::now();
    let mut stream = clear(&server).await;
    for byte in [0x16, 0x03, 0x01, 0x3f, 0x00, 0x01].into_iter().chain(std::iter::repeat(0)) {
        if stream.write_all(&[byte]).await.is_err() || begun.elapsed() > Duration::from_secs(4) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    assert!(begun.elapsed() < LATE, "{:?}", begun.elapsed());
    assert!(server.stop().await);
}

#[tokio::test]
async fn handshakes_count_as_connections() {
    let server = Server::start(Limits { connection_max_count: 2, ..limits() }, Some(Certificate::new())).await;
    let (_one, _two) = (clear(&server).await, clear(&server).await);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let mut third = server.connect().await;
    third.write_all(REQUEST).await.unwrap();
    let (answer, _) = until_closed(&mut third).await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(server.stop().await);
}

#[tokio::test]
async fn the_protocol_is_the_one_that_the_client_prefers_of_those_served() {
    let server = server().await;
    let certificate = server.certificate.as_ref().unwrap();
    for (offered, chosen) in [
        (&[ALPN_HTTP2, ALPN_HTTP1][..], Some(ALPN_HTTP2)),
        (&[ALPN_HTTP1], Some(ALPN_HTTP1)),
        (&[b"h3", ALPN_HTTP1], Some(ALPN_HTTP1)),
        (&[], None),
    ] {
        let stream = certificate.handshake(clear(&server).await, offered).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), chosen, "{offered:?}");
    }
    assert!(certificate.handshake(clear(&server).await, &[b"h3"]).await.is_err());
    assert!(server.stop().await);
}

#[tokio::test]
async fn a_body_that_is_larger_than_any_buffer_comes_back_whole() {
    let server = server().await;
    let mut stream = server.connect().await;
    let body = vec![b'x'; 3 << 20];
    let head = format!("PUT /now HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&body).await.unwrap();
    stream.flush().await.unwrap();
    let (answer, _) = until_closed(&mut stream).await;
    assert!(answer.split_once("\r\n\r\n").unwrap().1.as_bytes() == body);
    assert!(server.stop().await);
}
