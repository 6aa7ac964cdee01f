//! One connection: which protocol it speaks, its requests, its deadlines, its end.

use super::activity::{Guarded, Protocol, Watched};
use super::screen::{Screen, Screened};
use super::{Activity, BoxError, Limits, Peer};
use crate::shutdown::Shutdown;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::Instant;

/// RFC 9113, section 3.4.
const HTTP2_PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Most heads fit.
const FIRST_READ_BYTES: usize = 1 << 10;
/// A head that is larger goes to hyper in pieces.
const FIRST_HEAD_MAX_BYTES: usize = 8 << 10;

const HTTP2_STREAM_WINDOW_BYTES: u32 = 1 << 20;
const HTTP2_CONNECTION_WINDOW_BYTES: u32 = 4 << 20;
const HTTP2_SEND_BUFFER_BYTES: usize = 256 << 10;

type WatchedIo = Watched<TokioIo<Screened<TcpStream>>>;

/// What both protocols' connections can do.
trait Connection: Future<Output = hyper::Result<()>> {
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

pub(super) async fn serve<S, B>(mut stream: TcpStream, limits: &Limits, service: S, shutdown: &Shutdown)
where
    S: Service<Request<Incoming>, Response = Response<B>> + Send + Sync + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let opened = Instant::now();
    let (protocol, mut head) = tokio::select! {
        () = shutdown.begun() => return,
        first = tokio::time::timeout_at(opened + limits.header_timeout, first_head(&mut stream)) => match first {
            Ok(Ok(Some(first))) => first,
            _ => return,
        },
    };
    let peer = stream.peer_addr().map(|address| Peer { address, secure: false });
    let activity = Activity::new(protocol, opened);
    let screen = match protocol {
        Protocol::Http1 => Screen::new(),
        Protocol::Http2 => Screen::passing(),
    };
    let screened = Screened::new(stream, screen, &mut head);
    let io = Watched::new(TokioIo::new(screened), head, activity.clone());
    let counted = {
        let activity = activity.clone();
        service_fn(move |mut request: Request<Incoming>| {
            if let Ok(peer) = &peer {
                request.extensions_mut().insert(*peer);
            }
            let guard = activity.begin();
            let answer = service.call(request);
            async move { answer.await.map(|answer| answer.map(|body| Guarded { body, _guard: guard })) }
        })
    };
    let result = match protocol {
        Protocol::Http1 => drive(http1(limits).serve_connection(io, counted), &activity, limits, shutdown).await,
        Protocol::Http2 => drive(http2(limits).serve_connection(io, counted), &activity, limits, shutdown).await,
    };
    if let Err(error) = result {
        tracing::debug!(error = &error as &dyn std::error::Error, "a connection broke");
    }
}

fn http1(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        // hyper's own timer also runs between requests; `drive` tells the two apart.
        .header_read_timeout(None)
        .max_headers(limits.header_max_count)
        .max_header_size(limits.header_max_bytes)
        .max_buf_size(limits.buffer_max_bytes)
        .half_close(false)
        .pipeline_flush(false);
    builder
}

fn http2(limits: &Limits) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .initial_stream_window_size(HTTP2_STREAM_WINDOW_BYTES)
        .initial_connection_window_size(HTTP2_CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(HTTP2_SEND_BUFFER_BYTES)
        .max_concurrent_streams(limits.stream_max_count)
        .max_header_list_size(u32::try_from(limits.header_max_bytes).unwrap_or(u32::MAX));
    builder
}

/// Runs a connection to its end: the client's, shutdown's, or that of its patience.
async fn drive<C: Connection>(
    connection: C,
    activity: &Arc<Activity>,
    limits: &Limits,
    shutdown: &Shutdown,
) -> hyper::Result<()> {
    let mut connection = pin!(connection);
    let mut begun = pin!(shutdown.begun());
    let mut timer = pin!(tokio::time::sleep_until(Instant::now() + limits.header_timeout));
    let mut ending = false;
    std::future::poll_fn(|context| {
        if !ending && begun.as_mut().poll(context).is_ready() {
            ending = true;
            connection.as_mut().end_gracefully();
        }
        if let Poll::Ready(result) = connection.as_mut().poll(context) {
            return Poll::Ready(result);
        }
        // The timer may fire early, never late: most requests leave it alone.
        loop {
            let deadline = activity.deadline(limits);
            if let Some(deadline) = deadline
                && deadline < timer.deadline()
            {
                timer.as_mut().reset(deadline);
            }
            if timer.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            let now = Instant::now();
            match deadline {
                Some(deadline) if deadline <= now => {
                    tracing::debug!(idle = activity.is_idle(), "a connection ran out of time");
                    return Poll::Ready(Ok(()));
                }
                Some(deadline) => timer.as_mut().reset(deadline),
                None => timer.as_mut().reset(now + limits.idle_timeout.max(limits.header_timeout)),
            }
        }
    })
    .await
}

/// Waits for the first head, whole, before any of hyper's buffers exist: a client that is slow with it holds little.
/// Returns what has come with the protocol it is in; none: the client closed.
async fn first_head(stream: &mut TcpStream) -> io::Result<Option<(Protocol, Vec<u8>)>> {
    let mut head = Vec::with_capacity(FIRST_READ_BYTES);
    loop {
        // An empty line may have begun in what came before.
        let unseen = head.len().saturating_sub(3);
        if stream.read_buf(&mut head).await? == 0 {
            return Ok(None);
        }
        let known = head.len().min(HTTP2_PREFACE.len());
        if head[..known] == HTTP2_PREFACE[..known] {
            if known == HTTP2_PREFACE.len() {
                return Ok(Some((Protocol::Http2, head)));
            }
        } else if is_whole(&head[unseen..]) || !head[0].is_ascii_alphabetic() || head.len() >= FIRST_HEAD_MAX_BYTES {
            return Ok(Some((Protocol::Http1, head)));
        }
    }
}

/// An empty line ends a head. Whether bare line feeds are welcome is not decided here.
fn is_whole(head: &[u8]) -> bool {
    let after_line_feeds = head.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| &head[at + 1..]);
    after_line_feeds.into_iter().any(|rest| rest.starts_with(b"\r\n") || rest.starts_with(b"\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_whole_at_its_empty_line() {
        assert!(is_whole(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"));
        assert!(is_whole(b"GET / HTTP/1.1\nhost: a\n\nbody"));
        assert!(!is_whole(b"GET / HTTP/1.1\r\nhost: a\r\n"));
        assert!(!is_whole(b""));
    }
}
