//! The accept loop of HTTP: HTTP/1.1, and HTTP/2 for clients that begin with its preface.
//!
//! Whoever connects is a stranger. So everything a connection can hold is limited before a request exists: how many
//! there are, how long a head may take and how large it may be, how long a connection may sit idle, how long an answer
//! may stay unread. [`Limits`] names them all.

mod activity;
mod connection;
mod peer;
mod screen;

pub use peer::Peer;

use crate::config::GatewaySettings;
use crate::shutdown::Shutdown;
use activity::Activity;
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::Service;
use std::error::Error as StdError;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

type BoxError = Box<dyn StdError + Send + Sync>;

/// Connections that are told about the cap at the same time; further ones are closed without a word.
const REFUSALS_AT_ONCE: usize = 64;
/// A refused client has so long to read its answer.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(1);
/// Rest after an accept that failed for want of descriptors or memory: trying at once would fail again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
const REFUSAL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n";

/// What connections may take.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Open connections, in all.
    pub connection_max_count: usize,
    /// The request line and headers together, in bytes. HTTP/1 answers 431 beyond it (414 for the URI).
    pub header_max_bytes: usize,
    /// Headers of a request. HTTP/1 answers 431 beyond it.
    pub header_max_count: usize,
    /// What HTTP/1 reads or writes at a time at most, in bytes; at least `header_max_bytes` and 8 KiB.
    pub buffer_max_bytes: usize,
    /// From the first byte of a head (for the first one: from the connection) to its end.
    pub header_timeout: Duration,
    /// Between two requests.
    pub idle_timeout: Duration,
    /// An answer that the client takes nothing of for so long is given up.
    pub write_timeout: Duration,
    /// Requests in flight on one HTTP/2 connection.
    pub stream_max_count: u32,
    /// The whole answer that a connection over the cap gets, as it goes over the wire.
    pub refusal: Bytes,
}

impl Limits {
    /// With `max_buf_size` 64 KiB hyper takes in bodies a third faster than with its default, and holds less.
    const BUFFER_MAX_BYTES: usize = 64 << 10;
    const STREAM_MAX_COUNT: u32 = 100;
}

impl From<&GatewaySettings> for Limits {
    fn from(settings: &GatewaySettings) -> Self {
        Self {
            connection_max_count: settings.connection_max_count,
            header_max_bytes: settings.header_max_bytes,
            header_max_count: settings.header_max_count,
            buffer_max_bytes: Self::BUFFER_MAX_BYTES.max(settings.header_max_bytes),
            header_timeout: Duration::from_millis(settings.header_timeout_ms),
            idle_timeout: Duration::from_millis(settings.idle_timeout_ms),
            write_timeout: Duration::from_millis(settings.body_idle_timeout_ms),
            stream_max_count: Self::STREAM_MAX_COUNT,
            refusal: Bytes::from_static(REFUSAL),
        }
    }
}

/// Accepts connections and serves them until shutdown; then finishes the requests in flight, and returns when the
/// last connection is closed. How long that may take is [`Shutdown::finish`]'s matter.
pub async fn serve<S, B>(listener: TcpListener, limits: Limits, service: S, shutdown: &Shutdown)
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let limits = Arc::new(limits);
    let permits = Arc::new(Semaphore::new(limits.connection_max_count));
    let refusals = Arc::new(Semaphore::new(REFUSALS_AT_ONCE));
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.begun() => break,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                rest_after(&error).await;
                continue;
            }
        };
        let Ok(permit) = permits.clone().try_acquire_owned() else {
            if let Ok(permit) = refusals.clone().try_acquire_owned() {
                let refusal = limits.refusal.clone();
                tokio::spawn(async move {
                    let _ = tokio::time::timeout(REFUSAL_TIMEOUT, refuse(stream, &refusal)).await;
                    drop(permit);
                });
            }
            continue;
        };
        let _ = stream.set_nodelay(true);
        let (limits, service, own_shutdown) = (limits.clone(), service.clone(), shutdown.clone());
        shutdown.spawn(async move {
            connection::serve(stream, &limits, service, &own_shutdown).await;
            drop(permit);
        });
    }
    drop(listener);
    let all = u32::try_from(limits.connection_max_count).unwrap_or(u32::MAX);
    let _ = permits.acquire_many(all).await;
}

/// Says why, and lets the client read it: closing with unread bytes would reset the connection before the answer.
async fn refuse(mut stream: TcpStream, refusal: &[u8]) -> io::Result<()> {
    stream.write_all(refusal).await?;
    stream.shutdown().await?;
    let mut rest = [0; 1024];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}

async fn rest_after(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        return;
    }
    tracing::warn!(%error, "can't accept a connection");
    tokio::time::sleep(ACCEPT_PAUSE).await;
}

#[cfg(test)]
mod tests;
