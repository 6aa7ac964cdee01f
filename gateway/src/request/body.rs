//! A request's body, and what becomes of what nobody read of it.
//!
//! Closing a connection with unread data resets it, and the reset may overtake the answer. So when an operation lets
//! go of a body that is still coming, a task goes on reading it, for a while, while the answer is sent; and the answer
//! says that the connection ends with it.

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

/// How much is read, and for how long, of a body that nobody wants.
const DRAIN_MAX_BYTES: u64 = 64 << 20;
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// What is known of a body, also by those who do not hold it.
#[derive(Debug, Default)]
pub struct BodyState {
    ended: AtomicBool,
    received_bytes: AtomicU64,
}

impl BodyState {
    /// Nothing of it is still to come.
    pub fn has_ended(&self) -> bool {
        self.ended.load(Relaxed)
    }

    pub fn received_bytes(&self) -> u64 {
        self.received_bytes.load(Relaxed)
    }
}

/// The body as it comes from the connection.
#[derive(Debug)]
pub struct RequestBody {
    /// Absent only while it is dropped.
    incoming: Option<Source>,
    state: Arc<BodyState>,
    /// The client waits for `100 Continue`, which goes out with the first poll: until then it sends nothing.
    waits: bool,
}

#[derive(Debug)]
enum Source {
    Connection(Incoming),
    #[cfg(test)]
    Memory(http_body_util::Full<Bytes>),
}

impl RequestBody {
    pub fn new(incoming: Incoming, expects_continue: bool) -> Self {
        Self::of(Source::Connection(incoming), expects_continue)
    }

    #[cfg(test)]
    pub fn in_memory(bytes: impl Into<Bytes>) -> Self {
        Self::of(Source::Memory(http_body_util::Full::new(bytes.into())), false)
    }

    fn of(source: Source, waits: bool) -> Self {
        let ended = AtomicBool::new(source.is_end_stream());
        let state = Arc::new(BodyState { ended, received_bytes: AtomicU64::new(0) });
        Self { incoming: Some(source), state, waits }
    }

    pub fn state(&self) -> Arc<BodyState> {
        self.state.clone()
    }
}

impl Body for Source {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.get_mut() {
            Self::Connection(incoming) => Pin::new(incoming).poll_frame(context),
            #[cfg(test)]
            Self::Memory(full) => Pin::new(full).poll_frame(context).map_err(|never| match never {}),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Connection(incoming) => incoming.is_end_stream(),
            #[cfg(test)]
            Self::Memory(full) => full.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Connection(incoming) => incoming.size_hint(),
            #[cfg(test)]
            Self::Memory(full) => full.size_hint(),
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.waits = false;
        let this = &mut *self;
        let Some(source) = &mut this.incoming else { return Poll::Ready(None) };
        let polled = Pin::new(&mut *source).poll_frame(context);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
                this.state.received_bytes.fetch_add(bytes, Relaxed);
                if source.is_end_stream() {
                    this.state.ended.store(true, Relaxed);
                }
            }
            Poll::Ready(None) => this.state.ended.store(true, Relaxed),
            // After an error nothing comes, but the connection can't be used again either.
            Poll::Ready(Some(Err(_))) | Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map(Body::size_hint).unwrap_or_default()
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        let Some(source) = self.incoming.take() else { return };
        if self.state.has_ended() || self.waits || source.is_end_stream() {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(tokio::time::timeout(DRAIN_TIMEOUT, drain(source)));
        }
    }
}

async fn drain(mut source: Source) {
    let mut left = DRAIN_MAX_BYTES;
    while let Some(Ok(frame)) = source.frame().await {
        left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len) as u64);
        if left == 0 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_that_was_read_has_ended() {
        let mut body = RequestBody::in_memory("hello");
        let state = body.state();
        assert!(!state.has_ended());
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "hello");
        assert!(state.has_ended());
        assert_eq!(state.received_bytes(), 5);
        assert!(body.frame().await.is_none());
    }

    #[tokio::test]
    async fn an_empty_body_has_ended_from_the_start() {
        assert!(RequestBody::in_memory("").state().has_ended());
    }

    #[tokio::test]
    async fn a_body_that_nobody_read_has_not_ended() {
        let body = RequestBody::in_memory("hello");
        let state = body.state();
        drop(body);
        tokio::task::yield_now().await;
        assert!(!state.has_ended());
    }
}
