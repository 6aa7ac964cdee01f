//! One connection: which protocol it speaks, its requests, its deadlines, its end.

use super::activity::{Guarded, Protocol, Watched};
use super::linger::Lingering;
use super::screen::{Screen, Screened};
use super::{Activity, BoxError, Limits, Peer, Protocols, Refusal};
use crate::shutdown::Shutdown;
use crate::tls::{ServerTls, Stream};
use http::{Request, Response, StatusCode};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::Instant;

/// RFC 9113, section 3.4.
const HTTP2_PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Most heads fit.
const FIRST_READ_BYTES: usize = 1 << 10;
/// A head that is larger goes to hyper in pieces.
const FIRST_HEAD_MAX_BYTES: usize = 8 << 10;
/// An HTTP/2 client that is told that its idle connection ends may have a request on its way.
const LAST_CALL: Duration = Duration::from_secs(1);

type WatchedIo = Watched<TokioIo<Screened<Lingering<Stream>>>>;

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

/// What a connection is served with.
pub(super) struct Terms {
    pub limits: Limits,
    pub tls: Option<ServerTls>,
    pub shutdown: Shutdown,
}

pub(super) async fn serve<S, B>(stream: TcpStream, address: SocketAddr, terms: &Terms, service: S)
where
    S: Service<Request<Incoming>, Response = Response<B>> + Send + Sync + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let (limits, shutdown) = (&terms.limits, &terms.shutdown);
    let opened = Instant::now();
    let mut head = Vec::with_capacity(FIRST_READ_BYTES);
    let (stream, protocol) = tokio::select! {
        () = shutdown.begun() => return,
        begun = tokio::time::timeout_at(opened + limits.header_timeout, begin(stream, terms, &mut head)) => match begun {
            Ok(Ok(Some(begun))) => begun,
            Ok(Err(error)) => return tracing::debug!(%error, %address, "a connection did not begin"),
            Ok(Ok(None)) => return,
            Err(_) => {
                if !HTTP2_PREFACE.starts_with(&head) {
                    limits.observer.tell(Peer { address, secure: terms.tls.is_some() }, Refusal::HeadTimeout);
                }
                return;
            }
        },
    };
    let activity = Activity::new(protocol, opened);
    let screen = match protocol {
        Protocol::Http1 => Screen::new(),
        Protocol::Http2 => Screen::passing(),
    };
    let (peer, is_ambiguous) = (Peer { address, secure: stream.is_secure() }, screen.is_ambiguous());
    let screened = Screened::new(Lingering::new(stream), screen, &mut head);
    let io = Watched::new(TokioIo::new(screened), head, activity.clone());
    let (proxies, header_max_count) = (limits.trusted_proxies.clone(), limits.header_max_count);
    let observer = limits.observer.clone();
    let counted = {
        let activity = activity.clone();
        service_fn(move |mut request: Request<Incoming>| {
            let guard = activity.begin();
            // HTTP/1's are counted before there is a request.
            let is_within = request.headers().len() <= header_max_count;
            let client = proxies.client(peer, request.headers());
            if !is_within {
                observer.tell(client, Refusal::HeadTooLarge);
            }
            let answer = is_within.then(|| {
                request.extensions_mut().insert(client);
                service.call(request)
            });
            async move {
                let Some(answer) = answer else { return Ok(too_many_headers().map(|()| Guarded::new(None, guard))) };
                answer.await.map(|answer| answer.map(|body| Guarded::new(Some(body), guard)))
            }
        })
    };
    let driven = match protocol {
        Protocol::Http1 => drive(http1(limits).serve_connection(io, counted), &activity, limits, shutdown).await,
        Protocol::Http2 => drive(http2(limits).serve_connection(io, counted), &activity, limits, shutdown).await,
    };
    let refusal = match driven {
        Driven::OutOfTime { in_head } => in_head.then_some(Refusal::HeadTimeout),
        Driven::Over(Ok(())) => None,
        Driven::Over(Err(error)) => {
            tracing::debug!(error = &error as &dyn std::error::Error, "a connection broke");
            Refusal::of(&error, is_ambiguous.load(Relaxed))
        }
    };
    if let Some(refusal) = refusal {
        limits.observer.tell(peer, refusal);
    }
}

/// The handshake, if there is to be one, and the first head. None: the client closed, or speaks what is not served.
async fn begin(stream: TcpStream, terms: &Terms, head: &mut Vec<u8>) -> io::Result<Option<(Stream, Protocol)>> {
    let mut stream = match &terms.tls {
        Some(tls) => tls.accept(stream).await?,
        None => Stream::Clear(stream),
    };
    Ok(match (first_head(&mut stream, head).await?, terms.limits.protocols) {
        (None, _) | (Some(Protocol::Http1), Protocols::Http2) => None,
        (Some(protocol), _) => Some((stream, protocol)),
    })
}

fn too_many_headers() -> Response<()> {
    let mut answer = Response::new(());
    *answer.status_mut() = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
    answer
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
    let own = &limits.http2;
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .initial_stream_window_size(own.stream_window_bytes)
        .initial_connection_window_size(own.connection_window_bytes)
        .max_frame_size(own.frame_max_bytes)
        .max_send_buf_size(own.send_buffer_bytes)
        .max_concurrent_streams(own.stream_max_count)
        .max_pending_accept_reset_streams(own.reset_max_count)
        .max_local_error_reset_streams(own.reset_max_count)
        .max_header_list_size(u32::try_from(limits.header_max_bytes).unwrap_or(u32::MAX));
    if let Some(ping) = own.ping {
        builder.keep_alive_interval(ping.interval).keep_alive_timeout(ping.timeout);
    }
    builder
}

/// How a connection ended.
enum Driven {
    Over(hyper::Result<()>),
    /// The client was too slow, with a head or with anything else.
    OutOfTime {
        in_head: bool,
    },
}

/// Runs a connection to its end: the client's, shutdown's, or that of its patience.
async fn drive<C: Connection>(connection: C, activity: &Arc<Activity>, limits: &Limits, shutdown: &Shutdown) -> Driven {
    let mut connection = pin!(connection);
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
                return Poll::Ready(Driven::Over(result));
            }
            let deadline = activity.deadline(limits).map(|deadline| last_call.map_or(deadline, |at| at.max(deadline)));
            // The timer may fire early, never late: most requests leave it alone.
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
                    if activity.is_idle() && activity.protocol() == Protocol::Http2 && !ending {
                        ending = true;
                        last_call = Some(now + LAST_CALL);
                        connection.as_mut().end_gracefully();
                        continue;
                    }
                    tracing::debug!(idle = activity.is_idle(), "a connection ran out of time");
                    return Poll::Ready(Driven::OutOfTime { in_head: activity.is_in_head() });
                }
                Some(deadline) => timer.as_mut().reset(deadline),
                None => timer.as_mut().reset(now + limits.idle_timeout.max(limits.header_timeout)),
            }
        }
    })
    .await
}

/// Waits for the first head, whole, before any of hyper's buffers exist: a client that is slow with it holds little.
/// What has come is appended to `head`. Returns the protocol it is in; none: the client closed.
async fn first_head(stream: &mut Stream, head: &mut Vec<u8>) -> io::Result<Option<Protocol>> {
    loop {
        // An empty line may have begun in what came before.
        let unseen = head.len().saturating_sub(3);
        if stream.read_buf(head).await? == 0 {
            return Ok(None);
        }
        let known = head.len().min(HTTP2_PREFACE.len());
        if head[..known] == HTTP2_PREFACE[..known] {
            if known == HTTP2_PREFACE.len() {
                return Ok(Some(Protocol::Http2));
            }
        } else if is_whole(&head[unseen..]) || !head[0].is_ascii_alphabetic() || head.len() >= FIRST_HEAD_MAX_BYTES {
            return Ok(Some(Protocol::Http1));
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
