//! What a connection is doing, and until when it may.

use super::Limits;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::rt::{Read, ReadBufCursor, Write};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};
use tokio::time::Instant;

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
    last_io: AtomicU64,
}

impl Activity {
    pub fn new(protocol: Protocol, opened: Instant) -> Arc<Self> {
        Arc::new(Self {
            protocol,
            opened,
            in_flight: AtomicUsize::new(0),
            // The first head is waited for from the start.
            head_since: AtomicU64::new(1),
            idle_since: AtomicU64::new(0),
            write_blocked_since: AtomicU64::new(0),
            last_io: AtomicU64::new(1),
        })
    }

    fn now(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX - 1) + 1
    }

    /// A request's head is complete; the request is in flight until the guard is dropped.
    pub fn begin(self: &Arc<Self>) -> RequestGuard {
        self.in_flight.fetch_add(1, Relaxed);
        self.head_since.store(0, Relaxed);
        RequestGuard(self.clone())
    }

    /// When the connection is to be closed if nothing changes; none while a request is worked on.
    pub fn deadline(&self, limits: &Limits) -> Option<Instant> {
        let at = |since: u64, timeout| Some(self.opened + std::time::Duration::from_millis(since - 1) + timeout);
        let write_blocked = self.write_blocked_since.load(Relaxed);
        if write_blocked != 0 {
            return at(write_blocked, limits.write_timeout);
        }
        if self.in_flight.load(Relaxed) > 0 {
            return match self.protocol {
                Protocol::Http1 => None,
                // A client that opens no window blocks no write, so silence has to tell; twice the time, since
                // waiting for other roles is silent too.
                Protocol::Http2 => at(self.last_io.load(Relaxed), limits.write_timeout * 2),
            };
        }
        match (self.head_since.load(Relaxed), self.idle_since.load(Relaxed)) {
            (0, 0) => at(1, limits.header_timeout),
            (0, idle) => at(idle, limits.idle_timeout),
            (head, _) => at(head, limits.header_timeout),
        }
    }

    /// Whether the connection waits for a request that has not begun.
    pub fn is_idle(&self) -> bool {
        self.in_flight.load(Relaxed) == 0 && self.head_since.load(Relaxed) == 0
    }

    fn has_read(&self) {
        match self.protocol {
            Protocol::Http1 if self.in_flight.load(Relaxed) == 0 && self.head_since.load(Relaxed) == 0 => {
                self.head_since.store(self.now(), Relaxed);
            }
            Protocol::Http1 => {}
            Protocol::Http2 => self.last_io.store(self.now(), Relaxed),
        }
    }

    fn has_written(&self, blocked: bool) {
        let since = self.write_blocked_since.load(Relaxed);
        if blocked && since == 0 {
            self.write_blocked_since.store(self.now(), Relaxed);
        } else if !blocked && since != 0 {
            self.write_blocked_since.store(0, Relaxed);
        }
        if !blocked && self.protocol == Protocol::Http2 {
            self.last_io.store(self.now(), Relaxed);
        }
    }
}

/// A request in flight: from its head to the end of its answer's body.
#[derive(Debug)]
pub(super) struct RequestGuard(Arc<Activity>);

impl Drop for RequestGuard {
    fn drop(&mut self) {
        let activity = &self.0;
        if activity.protocol == Protocol::Http2 {
            activity.last_io.store(activity.now(), Relaxed);
        }
        activity.idle_since.store(activity.now(), Relaxed);
        activity.in_flight.fetch_sub(1, Relaxed);
    }
}

/// An answer's body that keeps its request in flight.
#[derive(Debug)]
pub(super) struct Guarded<B> {
    pub body: B,
    pub _guard: RequestGuard,
}

impl<B: Body + Unpin> Body for Guarded<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
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
        self.activity.has_written(result.is_pending());
        result
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.io).poll_write_vectored(context, slices);
        self.activity.has_written(result.is_pending());
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
