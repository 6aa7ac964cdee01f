//! Documents of issuers: one GET over a connection of its own, bounded in size. Redirections are not followed.

use super::endpoint::Endpoint;
use super::roots::{Roots, RootsError};
use bytes::Bytes;
use http::header::{ACCEPT, HOST, USER_AGENT};
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use std::io;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;

/// The longest document that is read.
pub(super) const DOCUMENT_MAX_BYTES: usize = 256 << 10;
/// The longest head of an answer.
const HEAD_MAX_BYTES: usize = 16 << 10;

/// Why there is no document.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("no connection: {0}")]
    Connect(#[source] io::Error),
    #[error("no TLS: {0}")]
    Tls(#[source] io::Error),
    #[error("no issuer can be asked over TLS: {0}")]
    Roots(#[from] RootsError),
    #[error("the name of the host is not one that a certificate can have")]
    HostName,
    #[error("no answer: {0}")]
    Http(#[from] hyper::Error),
    #[error("the request can't be written: {0}")]
    Request(#[from] http::Error),
    #[error("it answers {0}, not 200")]
    Status(StatusCode),
    #[error("the document has more than {DOCUMENT_MAX_BYTES} bytes")]
    TooLong,
    #[error("the document breaks off: {0}")]
    Body(String),
}

/// Fetches documents.
#[derive(Debug)]
pub(super) struct Fetcher {
    roots: Roots,
}

impl Fetcher {
    pub fn new(roots: Roots) -> Self {
        Self { roots }
    }

    /// The document at an endpoint. How long it may take is the caller's matter.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn get(&self, endpoint: &Endpoint) -> Result<Bytes, FetchError> {
        let socket = TcpStream::connect((endpoint.host.as_str(), endpoint.port)).await;
        let socket = socket.map_err(FetchError::Connect)?;
        if !endpoint.secure {
            return ask(socket, endpoint).await;
        }
        let name = ServerName::try_from(endpoint.host.clone()).map_err(|_| FetchError::HostName)?;
        let connector = TlsConnector::from(self.roots.client().await?);
        ask(connector.connect(name, socket).await.map_err(FetchError::Tls)?, endpoint).await
    }
}

async fn ask<S>(stream: S, endpoint: &Endpoint) -> Result<Bytes, FetchError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let builder = http1::Builder::new().max_buf_size(HEAD_MAX_BYTES).handshake(TokioIo::new(stream));
    let (mut sender, connection) = builder.await?;
    // It ends with this call, whatever the issuer does.
    let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
    let request = Request::get(&endpoint.path)
        .header(HOST, &endpoint.authority)
        .header(ACCEPT, "application/json")
        .header(USER_AGENT, "Weir")
        .body(Empty::<Bytes>::new())?;
    let answer = sender.send_request(request).await?;
    if answer.status() != StatusCode::OK {
        return Err(FetchError::Status(answer.status()));
    }
    let body = Limited::new(answer.into_body(), DOCUMENT_MAX_BYTES).collect().await;
    let body = body.map_err(|error| match error.downcast::<LengthLimitError>() {
        Ok(_) => FetchError::TooLong,
        Err(error) => FetchError::Body(error.to_string()),
    })?;
    Ok(body.to_bytes())
}
