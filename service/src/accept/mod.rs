//! The accept loop of HTTP, in clear or over TLS: HTTP/1.1, and HTTP/2 for clients that begin with its preface.
//!
//! Whoever connects is a stranger. So everything a connection can hold is limited before a request exists: how many
//! there are, how long a head may take and how large it may be, how long a connection may sit idle, how long an answer
//! may stay unread. [`Limits`] names them all.

mod activity;
mod connection;
mod counted;
mod drive;
mod first_head;
mod limits;
mod linger;
mod peer;
mod refused;
mod screen;
mod slots;

pub use crate::trusted_proxies::TrustedProxies;
pub use limits::{Http2Limits, Limits, Ping, Protocols};
pub use peer::Peer;
pub use refused::{Refusal, RefusalObserver, Refused};

use crate::network::{TcpListener, TcpStream};
use crate::shutdown::Shutdown;
use crate::tls::{ServerTls, Stream};
use activity::Activity;
use connection::Terms;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::Service;
use slots::Slots;
use std::error::Error as StdError;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Semaphore;

type BoxError = Box<dyn StdError + Send + Sync>;

/// Connections that are told about the cap at the same time; further ones are closed without a word.
const REFUSALS_AT_ONCE: usize = 64;
/// A refused client has so long to read its answer.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(1);
/// Rest after an accept that failed for want of descriptors or memory: trying at once would fail again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections, in clear or over TLS, and serves each with a service of its own until shutdown; then finishes
/// the requests in flight, and returns when the last connection is closed. How long that may take is
/// [`Shutdown::finish`]'s matter. Each request has its [`Peer`] among its extensions.
pub async fn serve<M, S, B>(
    listener: impl Into<TcpListener>,
    limits: Limits,
    tls: Option<ServerTls>,
    make_service: M,
    shutdown: &Shutdown,
) where
    M: Fn() -> S,
    S: Service<Request<Incoming>, Response = Response<B>> + Send + Sync + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let listener = listener.into();
    let slots = Slots::new(&limits);
    let terms = Arc::new(Terms::new(limits, tls, shutdown.clone()));
    let refusals = Arc::new(Semaphore::new(REFUSALS_AT_ONCE));
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.begun() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                rest_after(&error).await;
                continue;
            }
        };
        let is_exempt = terms.limits.trusted_proxies.contains(address.ip());
        let Some(slot) = slots.take(address.ip(), is_exempt) else {
            let peer = Peer { address, secure: terms.tls.is_some(), tls_version: None };
            terms.limits.observer.tell(peer, Refusal::NoPlace);
            if let Ok(permit) = refusals.clone().try_acquire_owned() {
                let terms = terms.clone();
                tokio::spawn(async move {
                    let _ = tokio::time::timeout(REFUSAL_TIMEOUT, refuse(stream, &terms)).await;
                    drop(permit);
                });
            }
            continue;
        };
        let _ = stream.set_nodelay(true);
        shutdown.spawn(connection::serve(stream, address, terms.clone(), make_service(), slot));
    }
    drop(listener);
    slots.all_free().await;
}

/// Says why, and lets the client read it: closing with unread bytes would reset the connection before the answer.
async fn refuse(stream: TcpStream, terms: &Terms) -> io::Result<()> {
    if terms.limits.refusal.is_empty() {
        return Ok(());
    }
    let mut stream = match &terms.tls {
        Some(tls) => tls.accept_http1(stream).await?,
        None => Stream::Clear(stream),
    };
    stream.write_all(&terms.limits.refusal).await?;
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
