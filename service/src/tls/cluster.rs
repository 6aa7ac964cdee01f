//! TLS between the roles: both ends show a certificate of the cluster's own authority.
//!
//! Whoever has such a certificate belongs to the cluster, so the authority must sign for nothing else. A role is both
//! ends at different times: a certificate with extended key usages needs serverAuth and clientAuth, and its names must
//! include the host by which others call the role (`metaserver.address`, `worker.address`).

use super::files::{KeyPairFiles, TlsError, authorities};
use super::reloading::Reloading;
use super::{ALPN_HTTP2, ServerTls, Stream, provider};
use crate::network::TcpStream;
use crate::shutdown::Shutdown;
use rustls::pki_types::ServerName;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{ClientConfig, ServerConfig};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_rustls::TlsConnector;

/// A role's certificate and the authority of all roles' certificates. Cheap to clone.
#[derive(Clone)]
pub struct ClusterTls {
    server: ServerTls,
    client: Arc<Reloading<ClientConfig>>,
}

impl ClusterTls {
    /// `authority` is a PEM file of one certificate or more, such as the old and the new one while they change.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn open(files: &KeyPairFiles, authority: &Path) -> Result<Self, TlsError> {
        let watched = vec![files.certificate.clone(), files.key.clone(), authority.to_owned()];
        let (own, own_authority) = (files.clone(), authority.to_owned());
        let server = Reloading::open(watched.clone(), move || server_config(&own, &own_authority))?;
        let (own, own_authority) = (files.clone(), authority.to_owned());
        let client = Reloading::open(watched, move || client_config(&own, &own_authority))?;
        Ok(Self { server: ServerTls::of(Arc::new(server)), client: Arc::new(client) })
    }

    /// The listener's end: takes only clients with a certificate of the authority.
    pub fn server(&self) -> &ServerTls {
        &self.server
    }

    /// Follows changes of the files until shutdown.
    pub fn watch(&self, shutdown: &Shutdown) {
        self.server.watch(shutdown);
        shutdown.spawn(self.client.clone().watch(shutdown.clone()));
    }

    /// The caller's end of a handshake with the role at `host`, a name or an address without a port. Whoever calls
    /// bounds its time.
    pub(crate) async fn connect(&self, host: &str, stream: TcpStream) -> io::Result<Stream> {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let name = ServerName::try_from(bare.to_owned()).map_err(|_| io::ErrorKind::InvalidInput)?;
        let stream = TlsConnector::from(self.client.current()).connect(name, stream).await?;
        Ok(Stream::Tls(Box::new(stream.into())))
    }

    #[cfg(test)]
    pub(super) fn look(&self) {
        self.server.look();
        self.client.look();
    }
}

impl fmt::Debug for ClusterTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClusterTls")
    }
}

fn server_config(files: &KeyPairFiles, authority: &Path) -> Result<ServerConfig, TlsError> {
    let pair = files.read()?;
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(authorities(authority)?), provider())
        .build()
        .map_err(|source| TlsError::Authorities { path: PathBuf::from(authority), source })?;
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .and_then(|config| config.with_client_cert_verifier(verifier).with_single_cert(pair.chain, pair.key));
    let mut config = config.map_err(|source| files.refused(source))?;
    config.alpn_protocols = vec![ALPN_HTTP2.to_vec()];
    // A resumed session is not verified again, though the certificate may have ended meanwhile. Connections between
    // roles are few and long.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

fn client_config(files: &KeyPairFiles, authority: &Path) -> Result<ClientConfig, TlsError> {
    let pair = files.read()?;
    let authorities = authorities(authority)?;
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .and_then(|config| config.with_root_certificates(authorities).with_client_auth_cert(pair.chain, pair.key));
    let mut config = config.map_err(|source| files.refused(source))?;
    config.alpn_protocols = vec![ALPN_HTTP2.to_vec()];
    Ok(config)
}
