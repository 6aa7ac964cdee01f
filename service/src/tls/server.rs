//! TLS of a listener.

use super::reloading::Reloading;
use super::{ALPN_HTTP1, ALPN_HTTP2, KeyPairFiles, Stream, TlsError, provider};
use crate::network::TcpStream;
use crate::shutdown::Shutdown;
use rustls::{ServerConfig, ServerConnection};
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

/// What of an answer a session holds encrypted while its client does not read, roughly. The default, 64 KiB, is more than
/// all else that a request holds; with 16 KiB answers go out a tenth slower.
const WRITE_BUFFER_MAX_BYTES: usize = 32 << 10;

/// The certificate of a listener, with what it asks of its clients. Cheap to clone.
#[derive(Clone)]
pub struct ServerTls {
    config: Arc<Reloading<ServerConfig>>,
}

impl ServerTls {
    /// For clients without certificates, that speak HTTP/2 or HTTP/1.1 as they choose by ALPN.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn open(files: KeyPairFiles) -> Result<Self, TlsError> {
        let watched = vec![files.certificate.clone(), files.key.clone()];
        let config = Reloading::open(watched, move || {
            let pair = files.read()?;
            let config = ServerConfig::builder_with_provider(provider())
                .with_safe_default_protocol_versions()
                .and_then(|config| config.with_no_client_auth().with_single_cert(pair.chain, pair.key));
            let mut config = config.map_err(|source| files.refused(source))?;
            config.alpn_protocols = vec![ALPN_HTTP2.to_vec(), ALPN_HTTP1.to_vec()];
            Ok(config)
        })?;
        Ok(Self { config: Arc::new(config) })
    }

    /// The same from settings: two paths, or neither.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn from_settings(certificate: &Path, key: &Path) -> Result<Option<Self>, TlsError> {
        if certificate.as_os_str().is_empty() {
            return Ok(None);
        }
        Self::open(KeyPairFiles { certificate: certificate.to_owned(), key: key.to_owned() }).map(Some)
    }

    pub(super) fn of(config: Arc<Reloading<ServerConfig>>) -> Self {
        Self { config }
    }

    /// Follows changes of the files until shutdown.
    pub fn watch(&self, shutdown: &Shutdown) {
        shutdown.spawn(self.config.clone().watch(shutdown.clone()));
    }

    /// The server's side of a handshake. Whoever calls bounds its time.
    pub(crate) async fn accept(&self, stream: TcpStream) -> io::Result<Stream> {
        Self::accept_by(self.config.current(), stream).await
    }

    /// A handshake that leaves HTTP/1.1 as the only protocol.
    pub(crate) async fn accept_http1(&self, stream: TcpStream) -> io::Result<Stream> {
        let mut config = ServerConfig::clone(&self.config.current());
        config.alpn_protocols = vec![ALPN_HTTP1.to_vec()];
        Self::accept_by(Arc::new(config), stream).await
    }

    async fn accept_by(config: Arc<ServerConfig>, stream: TcpStream) -> io::Result<Stream> {
        let limited = |session: &mut ServerConnection| session.set_buffer_limit(Some(WRITE_BUFFER_MAX_BYTES));
        let stream = TlsAcceptor::from(config).accept_with(stream, limited).await?;
        Ok(Stream::Tls(Box::new(stream.into())))
    }

    #[cfg(test)]
    pub(super) fn look(&self) {
        self.config.look();
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerTls")
    }
}
