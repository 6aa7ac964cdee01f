//! One connection: which protocol it speaks, its requests, its rest between them, its end.
//!
//! A connection is its task, its socket and its TLS session. What is larger is made when there is a request to be
//! served, and given up when there has been none for a moment: thousands of connections that wait cost little.

use super::activity::{Protocol, Watched};
use super::counted::Counted;
use super::drive::{End, WatchedIo, drive};
use super::first_head::{first_head, is_of_http1, next_head, read_piece};
use super::linger::Lingering;
use super::screen::{Screen, Screened};
use super::slots::Slot;
use super::{Activity, BoxError, Limits, Peer, Protocols, Refusal};
use crate::network::TcpStream;
use crate::shutdown::Shutdown;
use crate::tls::{ServerTls, Stream};
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// SETTINGS without any, as the first frame has to be, and GOAWAY: no stream was begun, ENHANCE_YOUR_CALM. RFC 9113, 3.4,
/// 6.5, 6.8 and 7.
const HTTP2_GO_AWAY: &[u8] = b"\0\0\0\x04\0\0\0\0\0\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\x0b";

/// What a connection is served with.
pub(super) struct Terms {
    pub limits: Limits,
    pub tls: Option<ServerTls>,
    pub shutdown: Shutdown,
    /// Places for connections that speak HTTP/2.
    pub http2_places: Arc<Semaphore>,
}

impl Terms {
    pub fn new(limits: Limits, tls: Option<ServerTls>, shutdown: Shutdown) -> Self {
        let places = limits.http2.connection_max_count.min(Semaphore::MAX_PERMITS);
        Self { limits, tls, shutdown, http2_places: Arc::new(Semaphore::new(places)) }
    }

    /// The server's side of a handshake. What there is no place for is not offered.
    async fn accept(&self, tls: &ServerTls, stream: TcpStream) -> io::Result<Stream> {
        if self.http2_places.available_permits() > 0 {
            tls.accept(stream).await
        } else {
            tls.accept_http1(stream).await
        }
    }
}

/// An HTTP/1 connection without a request.
struct Resting<S> {
    io: Screened<Lingering<Stream>>,
    /// What has come of the next head.
    head: Vec<u8>,
    service: S,
    /// Whoever is at its other end.
    peer: Peer,
}

/// The life of a connection. What is boxed here and below is not there all the time: the future is as large as its
/// largest part, and has no room for its arguments twice.
pub(super) fn serve<S, B>(
    stream: TcpStream,
    address: SocketAddr,
    terms: Arc<Terms>,
    service: S,
    slot: Slot,
) -> impl Future<Output = ()> + Send
where
    S: Service<Request<Incoming>, Response = Response<B>> + Send + Sync + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let opened = Instant::now();
    let begun = Box::pin(begin(stream, address, opened, terms.clone()));
    async move {
        if let Some((stream, protocol, head)) = begun.await {
            let activity = Activity::new(protocol, opened);
            let peer = peer_of(address, &stream);
            let service = Counted::new(service, activity.clone(), peer, &terms.limits);
            match protocol {
                Protocol::Http1 => serve_http1(Resting::begin(stream, head, service, peer), &activity, &terms).await,
                Protocol::Http2 => Box::pin(serve_http2(stream, head, service, peer, &activity, &terms)).await,
            }
        }
        drop(slot);
    }
}

async fn serve_http2<S, B>(
    stream: Stream,
    mut head: Vec<u8>,
    service: S,
    peer: Peer,
    activity: &Arc<Activity>,
    terms: &Terms,
) where
    S: Service<Request<Incoming>, Response = Response<B>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let Ok(_place) = terms.http2_places.try_acquire() else { return send_away(stream, activity.opened(), terms).await };
    let io = Screened::new(Lingering::new(stream), Screen::passing(), &mut head);
    let io = Watched::new(TokioIo::new(io), head, activity.clone());
    let mut connection = Box::pin(http2(&terms.limits).serve_connection(io, service));
    let driven = Box::pin(drive(connection.as_mut(), activity, &terms.limits, &terms.shutdown)).await;
    note(driven, peer, false, &terms.limits);
}

/// Serves what has come, rests when nothing more does, and so on.
async fn serve_http1<S, B>(mut resting: Box<Resting<S>>, activity: &Arc<Activity>, terms: &Terms)
where
    S: Service<Request<Incoming>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    B: Body + 'static,
    B::Error: Into<BoxError>,
{
    let peer = resting.peer;
    loop {
        let is_ambiguous = resting.io.screen().is_ambiguous();
        let mut connection = resting.connection(activity, &terms.limits);
        let driven = Box::pin(drive(Pin::new(&mut *connection), activity, &terms.limits, &terms.shutdown)).await;
        let End::Resting = driven else { return note(driven, peer, is_ambiguous.load(Relaxed), &terms.limits) };
        let Some(rested) = Resting::new(connection, peer) else { return };
        *resting = rested;
        if !resting.wakes(activity, terms).await {
            return;
        }
    }
}

impl<S> Resting<S> {
    /// A new connection, with its first head.
    fn begin(stream: Stream, mut head: Vec<u8>, service: S, peer: Peer) -> Box<Self> {
        let io = Screened::new(Lingering::new(stream), Screen::new(), &mut head);
        Box::new(Self { io, head, service, peer })
    }

    /// Takes a connection of hyper's apart, with all its buffers. None: a body was neither read nor dropped by the
    /// service, and no request is read out of it.
    #[allow(clippy::boxed_local, reason = "moved out of, the box would live as long as its variable: while it rests")]
    fn new<B>(connection: Box<http1::Connection<WatchedIo, S>>, peer: Peer) -> Option<Self>
    where
        S: Service<Request<Incoming>, Response = Response<B>>,
        S::Error: Into<BoxError>,
        B: Body + 'static,
        B::Error: Into<BoxError>,
    {
        let http1::Parts { io, read_buf, service, .. } = connection.into_parts();
        let io = io.into_inner().into_inner();
        // A copy: hyper's buffer is kept as long as anything of it is, even nothing.
        let head = read_buf.to_vec();
        io.screen().begins_with(&head).then_some(Self { io, head, service, peer })
    }

    /// hyper's, over this one: there is something to be served.
    fn connection<B>(self, activity: &Arc<Activity>, limits: &Limits) -> Box<http1::Connection<WatchedIo, S>>
    where
        S: Service<Request<Incoming>, Response = Response<B>>,
        S::Error: Into<BoxError>,
        B: Body + 'static,
        B::Error: Into<BoxError>,
    {
        let io = Watched::new(TokioIo::new(self.io), self.head, activity.clone());
        Box::new(http1(limits).serve_connection(io, self.service))
    }

    /// Waits for the next head. False: the connection is over.
    async fn wakes(&mut self, activity: &Arc<Activity>, terms: &Terms) -> bool {
        if self.head.is_empty() {
            let Some(deadline) = activity.deadline(&terms.limits) else { return false };
            let reading = pin!(read_piece(&mut self.io, &mut self.head));
            let Ok(Some(1..)) = in_time(deadline, &terms.shutdown, reading).await else { return false };
        }
        activity.has_read();
        let Some(deadline) = activity.deadline(&terms.limits) else { return false };
        let reading = pin!(next_head(&mut self.io, &mut self.head));
        let reading = in_time(deadline, &terms.shutdown, reading).await;
        if let Ok(None) = reading
            && deadline <= Instant::now()
        {
            terms.limits.observer.tell(self.peer, Refusal::HeadTimeout);
        }
        matches!(reading, Ok(Some(())))
    }
}

fn peer_of(address: SocketAddr, stream: &Stream) -> Peer {
    Peer { address, secure: stream.is_secure(), tls_version: stream.tls_version() }
}

/// The handshake, if there is to be one, and the first head. None: the client closed, was too slow, or speaks what is
/// not served.
async fn begin(
    stream: TcpStream,
    address: SocketAddr,
    opened: Instant,
    terms: Arc<Terms>,
) -> Option<(Stream, Protocol, Vec<u8>)> {
    let deadline = opened + terms.limits.header_timeout;
    let noted = |error: io::Error| tracing::debug!(%error, %address, "a connection did not begin");
    let mut stream = match &terms.tls {
        Some(tls) => {
            let mut accepting = Box::pin(terms.accept(tls, stream));
            in_time(deadline, &terms.shutdown, accepting.as_mut()).await.map_err(noted).ok()??
        }
        None => Stream::Clear(stream),
    };
    let mut head = Vec::new();
    let reading = {
        let reading = pin!(first_head(&mut stream, &mut head));
        in_time(deadline, &terms.shutdown, reading).await.map_err(noted).ok()?
    };
    if reading.is_none() && deadline <= Instant::now() && is_of_http1(&head) {
        terms.limits.observer.tell(peer_of(address, &stream), Refusal::HeadTimeout);
    }
    match (reading??, terms.limits.protocols) {
        (Protocol::Http1, Protocols::Http2) => None,
        (protocol, _) => Some((stream, protocol, head)),
    }
}

/// For a client that insists on HTTP/2 when there is no place for one.
async fn send_away(mut stream: Stream, opened: Instant, terms: &Terms) {
    let going = async {
        stream.write_all(HTTP2_GO_AWAY).await?;
        // Whatever it has sent meanwhile must not reset the connection before it has read this.
        Lingering::new(stream).shutdown().await
    };
    // Nobody else is to be told if this client is not.
    let _ = in_time(opened + terms.limits.header_timeout, &terms.shutdown, pin!(going)).await;
}

/// None: the deadline or shutdown came first. `reading` is its caller's, so that there is room for it once.
async fn in_time<T>(
    deadline: Instant,
    shutdown: &Shutdown,
    mut reading: Pin<&mut impl Future<Output = io::Result<T>>>,
) -> io::Result<Option<T>> {
    let mut begun = pin!(shutdown.begun());
    let mut late = pin!(tokio::time::sleep_until(deadline));
    std::future::poll_fn(|context| {
        if begun.as_mut().poll(context).is_ready() {
            return Poll::Ready(Ok(None));
        }
        if let Poll::Ready(read) = reading.as_mut().poll(context) {
            return Poll::Ready(read.map(Some));
        }
        late.as_mut().poll(context).map(|()| Ok(None))
    })
    .await
}

/// Tells what ended a connection, if that is something to tell.
fn note(end: End, peer: Peer, is_ambiguous: bool, limits: &Limits) {
    let refusal = match end {
        End::OutOfTime { in_head } => in_head.then_some(Refusal::HeadTimeout),
        End::Resting | End::Over(Ok(())) => None,
        End::Over(Err(error)) => {
            tracing::debug!(error = &error as &dyn std::error::Error, "a connection broke");
            Refusal::of(&error, is_ambiguous)
        }
    };
    if let Some(refusal) = refusal {
        limits.observer.tell(peer, refusal);
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
