//! What a connection is doing, and until when it may.

use super::{Limits, linger};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::rt::{Read, ReadBufCursor, Write};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;

/// HTTP/2 writes of at least this size carry an answer's data: pings, settings and the like are shorter.
const DATA_WRITE_MIN_BYTES: usize = 1 << 10;
/// A connection that has waited for its next request for so long gives up its buffers. A client that has more to ask at
/// once asks sooner, and making them anew takes microseconds.
const REST_AFTER: Duration = Duration::from_millis(20);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// Counted by the socket's reads and writes and by the requests. Times are milliseconds since the connection was
/// opened, plus one, so that zero means never.
#[derive(Debug)]
pub(super) struct Activity {
    protocol: Protocol,
    opened: Instant,
    in_flight: AtomicUsize,
    /// The first byte of a head came that is not complete yet.
    head_since: AtomicU64,
    idle_since: AtomicU64,
    write_blocked_since: AtomicU64,
    /// The sending side is being closed, and what the client still sends thrown away.
    closing_since: AtomicU64,
    /// Answers whose last piece the client has not made room for.
    untaken: AtomicUsize,
    /// When such a piece, or some of it, was last handed over or taken.
    last_taken: AtomicU64,
    answered: AtomicU64,
    /// Requests that the client took back before their answer began.
    cancelled: AtomicU64,
}

impl Activity {
    /// When the connection was accepted.
    pub fn opened(&self) -> Instant {
        self.opened
    }

    pub fn new(protocol: Protocol, opened: Instant) -> Arc<Self> {
        Arc::new(Self {
            protocol,
            opened,
            in_flight: AtomicUsize::new(0),
            // The first head is waited for from the start.
            head_since: AtomicU64::new(1),
            idle_since: AtomicU64::new(0),
            write_blocked_since: AtomicU64::new(0),
            closing_since: AtomicU64::new(0),
            untaken: AtomicUsize::new(0),
            last_taken: AtomicU64::new(1),
            answered: AtomicU64::new(0),
            cancelled: AtomicU64::new(0),
        })
    }

    fn now(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX - 1) + 1
    }

    /// A request's head is complete; the request is in flight until the guard is dropped.
    pub fn begin(self: &Arc<Self>) -> RequestGuard {
        self.in_flight.fetch_add(1, Relaxed);
        self.head_since.store(0, Relaxed);
        RequestGuard { activity: self.clone(), is_answered: false }
    }

    /// When the connection is to be closed if nothing changes; none while a request is worked on.
    pub fn deadline(&self, limits: &Limits) -> Option<Instant> {
        let at = |since: u64, timeout| Some(self.opened + Duration::from_millis(since - 1) + timeout);
        if self.takes_back_too_much(limits) {
            return Some(self.opened);
        }
        let closing = self.closing_since.load(Relaxed);
        if closing != 0 {
            // Lingering ends by itself before; TLS's farewell may find no room.
            return at(closing, linger::TIMEOUT * 2);
        }
        let write_blocked = self.write_blocked_since.load(Relaxed);
        if write_blocked != 0 {
            return at(write_blocked, limits.write_timeout);
        }
        if self.in_flight.load(Relaxed) > 0 {
            return match self.protocol {
                Protocol::Http1 => None,
                // A client that opens no window blocks no write to the socket. Twice the time, since clients with a
                // large window tell of what they have read only when half of it is used up.
                Protocol::Http2 if self.untaken.load(Relaxed) > 0 => {
                    at(self.last_taken.load(Relaxed), limits.write_timeout * 2)
                }
                Protocol::Http2 => None,
            };
        }
        match (self.head_since.load(Relaxed), self.idle_since.load(Relaxed)) {
            (0, 0) => at(1, limits.header_timeout),
            // Of an answer that has ended, the last may still be on its way.
            (0, idle) => at(idle.max(self.last_taken.load(Relaxed)), limits.idle_timeout),
            (head, _) => at(head, limits.header_timeout),
        }
    }

    /// Each request costs work before it is taken back, and HTTP/2's count of streams in flight does not see it.
    fn takes_back_too_much(&self, limits: &Limits) -> bool {
        self.protocol == Protocol::Http2
            && self.cancelled.load(Relaxed) > self.answered.load(Relaxed) + limits.http2.reset_max_count as u64
    }

    /// Whether the connection waits for a request that has not begun.
    pub fn is_idle(&self) -> bool {
        self.in_flight.load(Relaxed) == 0 && self.head_since.load(Relaxed) == 0
    }

    /// Whether a head of HTTP/1 was begun that is not complete yet.
    pub fn is_in_head(&self) -> bool {
        self.protocol == Protocol::Http1 && self.in_flight.load(Relaxed) == 0 && self.head_since.load(Relaxed) != 0
    }

    /// When an HTTP/1 connection that goes on waiting for a request is to give up its buffers; none: it has use for them.
    pub fn rest_at(&self) -> Option<Instant> {
        let idle = self.idle_since.load(Relaxed);
        let rests = self.protocol == Protocol::Http1
            && self.is_idle()
            && idle != 0
            && self.closing_since.load(Relaxed) == 0
            && self.write_blocked_since.load(Relaxed) == 0;
        rests.then(|| self.opened + Duration::from_millis(idle - 1) + REST_AFTER)
    }

    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    fn is_closing(&self) {
        if self.closing_since.load(Relaxed) == 0 {
            self.closing_since.store(self.now(), Relaxed);
        }
    }

    /// Something came.
    pub fn has_read(&self) {
        let is_first_of_head = self.in_flight.load(Relaxed) == 0 && self.head_since.load(Relaxed) == 0;
        if self.protocol == Protocol::Http1 && is_first_of_head {
            self.head_since.store(self.now(), Relaxed);
        }
    }

    fn has_written(&self, result: &Poll<io::Result<usize>>) {
        self.is_blocked(result.is_pending());
        let is_data = match (self.protocol, result) {
            (Protocol::Http1, Poll::Ready(Ok(1..))) => true,
            (Protocol::Http2, Poll::Ready(Ok(DATA_WRITE_MIN_BYTES..))) => true,
            (Protocol::Http1 | Protocol::Http2, _) => false,
        };
        if is_data {
            self.last_taken.store(self.now(), Relaxed);
        }
    }

    fn is_blocked(&self, blocked: bool) {
        let since = self.write_blocked_since.load(Relaxed);
        if blocked && since == 0 {
            self.write_blocked_since.store(self.now(), Relaxed);
        } else if !blocked && since != 0 {
            self.write_blocked_since.store(0, Relaxed);
        }
    }
}

/// A request in flight: from its head to the end of its answer's body.
#[derive(Debug)]
pub(super) struct RequestGuard {
    activity: Arc<Activity>,
    is_answered: bool,
}

impl Drop for RequestGuard {
    fn drop(&mut self) {
        let activity = &self.activity;
        if !self.is_answered {
            activity.cancelled.fetch_add(1, Relaxed);
        }
        activity.idle_since.store(activity.now(), Relaxed);
        activity.in_flight.fetch_sub(1, Relaxed);
    }
}

/// An answer's body that keeps its request in flight; none: an empty one. It is polled when there is room for more of
/// it, so the time between a piece and the next poll is the client's.
#[derive(Debug)]
pub(super) struct Guarded<B> {
    body: Option<B>,
    is_untaken: bool,
    guard: RequestGuard,
}

impl<B> Guarded<B> {
    pub fn new(body: Option<B>, mut guard: RequestGuard) -> Self {
        guard.is_answered = true;
        guard.activity.answered.fetch_add(1, Relaxed);
        let mut guarded = Self { body, is_untaken: false, guard };
        guarded.note(true);
        guarded
    }

    fn note(&mut self, is_untaken: bool) {
        let activity = &self.guard.activity;
        match (self.is_untaken, is_untaken) {
            (false, true) => {
                activity.last_taken.store(activity.now(), Relaxed);
                activity.untaken.fetch_add(1, Relaxed);
            }
            (true, false) => {
                activity.last_taken.store(activity.now(), Relaxed);
                activity.untaken.fetch_sub(1, Relaxed);
            }
            (true, true) => activity.last_taken.store(activity.now(), Relaxed),
            (false, false) => {}
        }
        self.is_untaken = is_untaken;
    }
}

impl<B> Drop for Guarded<B> {
    fn drop(&mut self) {
        self.note(false);
    }
}

impl<B: Body + Unpin> Body for Guarded<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let polled = match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(context),
            None => Poll::Ready(None),
        };
        self.note(matches!(polled, Poll::Ready(Some(_))));
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

/// A socket whose reads and writes are noted, and whose first bytes were read before.
#[derive(Debug)]
pub(super) struct Watched<T> {
    io: T,
    first: Bytes,
    activity: Arc<Activity>,
}

impl<T> Watched<T> {
    pub fn new(io: T, first: Vec<u8>, activity: Arc<Activity>) -> Self {
        Self { io, first: first.into(), activity }
    }

    pub fn into_inner(self) -> T {
        self.io
    }
}

impl<T: Read + Unpin> Read for Watched<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.first.is_empty() {
            let count = self.first.len().min(buffer.remaining());
            buffer.put_slice(&self.first.split_to(count));
            return Poll::Ready(Ok(()));
        }
        let result = Pin::new(&mut self.io).poll_read(context, buffer);
        // An end of stream counts as a read too: the connection is over then anyway.
        if matches!(result, Poll::Ready(Ok(()))) {
            self.activity.has_read();
        }
        result
    }
}

impl<T: Write + Unpin> Write for Watched<T> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.io).poll_write(context, data);
        self.activity.has_written(&result);
        result
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.io).poll_write_vectored(context, slices);
        self.activity.has_written(&result);
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // TLS takes what the socket does not, until it is flushed.
        let result = Pin::new(&mut self.io).poll_flush(context);
        self.activity.is_blocked(result.is_pending());
        result
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.activity.is_closing();
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
