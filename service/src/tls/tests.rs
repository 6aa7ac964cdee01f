use super::certificates::{Authority, Issued};
use super::*;
use crate::network::{TcpListener, TcpStream};
use crate::shutdown::Shutdown;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsConnector;

fn files_in(folder: &Path, issued: &Issued) -> KeyPairFiles {
    let (certificate, key) = issued.write(folder);
    KeyPairFiles { certificate, key }
}

/// A listener with a certificate for `localhost`, in a folder where it can be changed.
struct Server {
    folder: TempDir,
    tls: ServerTls,
}

impl Server {
    fn new(issued: &Issued) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tls = ServerTls::open(files_in(folder.path(), issued)).unwrap();
        Self { folder, tls }
    }

    /// What a client that trusts this authority says of a handshake.
    async fn handshake(&self, authority: &Authority) -> Result<Option<Vec<u8>>, String> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.certificate().as_bytes()).unwrap()).unwrap();
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![ALPN_HTTP2.to_vec(), ALPN_HTTP1.to_vec()];
        let (client, server) = pair().await;
        let name = ServerName::try_from("localhost").unwrap();
        let (client, _) =
            tokio::join!(TlsConnector::from(Arc::new(config)).connect(name, client), self.tls.accept(server));
        client.map(|stream| stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec)).map_err(|error| error.to_string())
    }
}

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (client, listener.accept().await.unwrap().0)
}

#[tokio::test]
async fn a_client_that_trusts_the_authority_is_served_by_the_protocol_it_prefers() {
    let (own, other) = (Authority::new("own"), Authority::new("other"));
    let server = Server::new(&own.issue(&["localhost"]));
    assert_eq!(server.handshake(&own).await.unwrap().unwrap(), ALPN_HTTP2);
    assert!(server.handshake(&other).await.is_err());
}

#[tokio::test]
async fn a_changed_certificate_is_shown_to_new_connections() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let server = Server::new(&old.issue(&["localhost"]));
    let shutdown = Shutdown::new();
    server.tls.watch(&shutdown);
    server.handshake(&old).await.unwrap();
    files_in(server.folder.path(), &new.issue(&["localhost"]));
    let begun = std::time::Instant::now();
    while server.handshake(&new).await.is_err() {
        assert!(begun.elapsed() < Duration::from_secs(10), "the new certificate is not taken");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(server.handshake(&old).await.is_err());
    assert!(shutdown.finish(Duration::from_secs(5)).await);
}

#[tokio::test]
async fn files_that_can_not_be_used_leave_the_old_certificate_in_force() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let server = Server::new(&old.issue(&["localhost"]));
    let issued = new.issue(&["localhost"]);
    let (certificate, key) = (server.folder.path().join("certificate.pem"), server.folder.path().join("key.pem"));
    let half = &issued.certificate[..issued.certificate.len() / 2];
    for (what, text) in
        [("half of it", half), ("nothing", ""), ("noise", "\0\u{1}"), ("without its key", issued.certificate.as_str())]
    {
        fs::write(&certificate, text).unwrap();
        server.tls.look();
        assert!(server.handshake(&old).await.is_ok(), "{what}");
    }
    fs::remove_file(&certificate).unwrap();
    server.tls.look();
    server.handshake(&old).await.unwrap();
    // The other half of the change arrives.
    fs::write(&certificate, &issued.certificate).unwrap();
    fs::write(&key, &issued.key).unwrap();
    server.tls.look();
    server.handshake(&new).await.unwrap();
}

#[test]
fn what_is_wrong_with_the_files_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("own");
    let files = files_in(folder.path(), &authority.issue(&["localhost"]));
    let written = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let refused = |certificate: &PathBuf, key: &PathBuf| {
        ServerTls::open(KeyPairFiles { certificate: certificate.clone(), key: key.clone() }).unwrap_err()
    };
    let (empty, missing) = (written("empty", ""), folder.path().join("missing"));
    let broken = written("broken", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n");
    let large = written("large", &" ".repeat((1 << 20) + 1));
    let other_key = written("other", &authority.issue(&["localhost"]).key);
    assert!(matches!(refused(&missing, &files.key), TlsError::Read { .. }));
    assert!(matches!(refused(&files.certificate, &missing), TlsError::Read { .. }));
    assert!(matches!(refused(&empty, &files.key), TlsError::NoCertificate { .. }));
    assert!(matches!(refused(&files.certificate, &empty), TlsError::NoKey { .. }));
    assert!(matches!(refused(&broken, &files.key), TlsError::Pem { .. }));
    assert!(matches!(refused(&large, &files.key), TlsError::TooLarge { .. }));
    assert!(matches!(refused(&files.certificate, &other_key), TlsError::KeyPair { .. }));
    let authorities = |path: &PathBuf| ClusterTls::open(&files, path).unwrap_err();
    assert!(matches!(authorities(&empty), TlsError::NoCertificate { .. }));
    assert!(matches!(authorities(&missing), TlsError::Read { .. }));
    assert!(ServerTls::from_settings(Path::new(""), Path::new("")).unwrap().is_none());
}

/// A role of a cluster: its certificate is for `localhost`.
struct Role {
    folder: TempDir,
    tls: ClusterTls,
}

impl Role {
    fn new(authority: &Authority) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let files = files_in(folder.path(), &authority.issue(&["localhost", "127.0.0.1", "::1"]));
        let tls = ClusterTls::open(&files, &authority.write(folder.path())).unwrap();
        Self { folder, tls }
    }

    /// Whether a byte gets from a caller at one role to a listener of another and back.
    async fn can_call(&self, other: &Self, host: &str) -> bool {
        let (client, server) = pair().await;
        let calling = async {
            let mut stream = self.tls.connect(host, client).await.ok()?;
            stream.write_all(b"x").await.ok()?;
            stream.flush().await.ok()?;
            // Whether the client's certificate is taken shows after its handshake is done.
            stream.read_u8().await.ok()
        };
        let answering = async {
            let mut stream = other.tls.server().accept(server).await.ok()?;
            let byte = stream.read_u8().await.ok()?;
            stream.write_u8(byte).await.ok()?;
            stream.flush().await.ok()
        };
        let (called, answered) = tokio::join!(calling, answering);
        called == Some(b'x') && answered.is_some()
    }
}

#[tokio::test]
async fn roles_of_one_authority_reach_each_other_by_the_names_in_their_certificates() {
    let (own, other) = (Authority::new("own"), Authority::new("other"));
    let (one, two, stranger) = (Role::new(&own), Role::new(&own), Role::new(&other));
    for host in ["localhost", "127.0.0.1", "[::1]", "::1"] {
        assert!(one.can_call(&two, host).await, "{host}");
    }
    assert!(!one.can_call(&two, "elsewhere.test").await);
    assert!(!one.can_call(&two, "no host").await);
    assert!(!one.can_call(&stranger, "localhost").await);
    assert!(!stranger.can_call(&one, "localhost").await);
}

#[tokio::test]
async fn a_caller_without_a_certificate_is_refused() {
    let own = Authority::new("own");
    let role = Role::new(&own);
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(own.certificate().as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let (client, server) = pair().await;
    let name = ServerName::try_from("localhost").unwrap();
    let (_, accepted) =
        tokio::join!(TlsConnector::from(Arc::new(config)).connect(name, client), role.tls.server().accept(server));
    assert!(accepted.unwrap_err().to_string().contains("certificate"));
}

#[tokio::test]
async fn an_authority_is_changed_by_trusting_both_for_a_while() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let (moved, staying) = (Role::new(&old), Role::new(&old));
    let both = format!("{}{}", old.certificate(), new.certificate());
    for role in [&moved, &staying] {
        fs::write(role.folder.path().join("ca.pem"), &both).unwrap();
        role.tls.look();
    }
    files_in(moved.folder.path(), &new.issue(&["localhost"]));
    moved.tls.look();
    assert!(moved.can_call(&staying, "localhost").await);
    assert!(staying.can_call(&moved, "localhost").await);
    new.write(staying.folder.path());
    staying.tls.look();
    assert!(moved.can_call(&staying, "localhost").await);
    assert!(!Role::new(&old).can_call(&staying, "localhost").await);
}
