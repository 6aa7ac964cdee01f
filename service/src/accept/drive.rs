//! Runs what hyper makes of a connection, with its deadlines.

use super::activity::{Activity, Protocol, Watched};
use super::linger::Lingering;
use super::screen::Screened;
use super::{BoxError, Limits};
use crate::shutdown::Shutdown;
use crate::tls::Stream;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::time::Instant;

/// An HTTP/2 client that is told that its idle connection ends may have a request on its way.
const LAST_CALL: Duration = Duration::from_secs(1);

/// What hyper reads from and writes to.
pub(super) type WatchedIo = Watched<TokioIo<Screened<Lingering<Stream>>>>;

/// What both protocols' connections can do.
pub(super) trait Connection: Future<Output = hyper::Result<()>> {
    /// Finishes what is in flight and takes nothing new.
    fn end_gracefully(self: Pin<&mut Self>);
}

impl<S, B> Connection for http1::Connection<WatchedIo, S>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    B: Body + 'static,
    B::Error: Into<BoxError>,
{
    fn end_gracefully(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<S, B> Connection for http2::Connection<WatchedIo, S, TokioExecutor>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    fn end_gracefully(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// Why a connection is not driven on.
pub(super) enum End {
    /// It is over by the client's will, or shutdown's.
    Over(hyper::Result<()>),
    /// The client was too slow, with a head or with anything else.
    OutOfTime { in_head: bool },
    /// An HTTP/1 connection has waited for its next request for a moment, and may wait in less memory.
    Resting,
}

/// Runs a connection to its end, or to its rest.
pub(super) async fn drive<C: Connection>(
    mut connection: Pin<&mut C>,
    activity: &Arc<Activity>,
    limits: &Limits,
    shutdown: &Shutdown,
) -> End {
    let mut begun = pin!(shutdown.begun());
    let mut timer = pin!(tokio::time::sleep_until(Instant::now() + limits.header_timeout));
    let mut ending = false;
    let mut last_call: Option<Instant> = None;
    std::future::poll_fn(|context| {
        if !ending && begun.as_mut().poll(context).is_ready() {
            ending = true;
            connection.as_mut().end_gracefully();
        }
        loop {
            if let Poll::Ready(result) = connection.as_mut().poll(context) {
                return Poll::Ready(End::Over(result));
            }
            let deadline = activity.deadline(limits).map(|deadline| last_call.map_or(deadline, |at| at.max(deadline)));
            let rest = activity.rest_at().filter(|_| !ending);
            // The timer may fire early, never late: most requests leave it alone.
            let next = deadline.into_iter().chain(rest).min();
            if let Some(next) = next
                && next < timer.deadline()
            {
                timer.as_mut().reset(next);
            }
            if timer.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            let now = Instant::now();
            match deadline {
                Some(deadline) if deadline <= now => {
                    if activity.is_idle() && activity.protocol() == Protocol::Http2 && !ending {
                        ending = true;
                        last_call = Some(now + LAST_CALL);
                        connection.as_mut().end_gracefully();
                        continue;
                    }
                    tracing::debug!(idle = activity.is_idle(), "a connection ran out of time");
                    return Poll::Ready(End::OutOfTime { in_head: activity.is_in_head() });
                }
                _ if rest.is_some_and(|at| at <= now) => return Poll::Ready(End::Resting),
                _ => timer.as_mut().reset(next.unwrap_or(now + limits.idle_timeout.max(limits.header_timeout))),
            }
        }
    })
    .await
}
