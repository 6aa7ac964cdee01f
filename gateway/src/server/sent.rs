//! An answer's body on its way out: counted, and its breaking told. With it the request ends, whatever became of it.

use crate::answer::AnswerBody;
use crate::audit::Entry;
use crate::metrics::Metrics;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};
use weir_proto::Failure;

/// Wraps what is sent.
#[derive(Debug)]
pub struct SentBody {
    body: AnswerBody,
    metrics: Metrics,
    entry: Entry,
    is_broken: bool,
}

impl SentBody {
    pub fn new(body: AnswerBody, metrics: Metrics, entry: Entry) -> Self {
        Self { body, metrics, entry, is_broken: false }
    }
}

impl Body for SentBody {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        let this = &mut *self;
        let polled = {
            let (_in_span, _current) = (this.entry.span().enter(), this.entry.current().enter());
            Pin::new(&mut this.body).poll_frame(context)
        };
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
                this.metrics.sent(bytes);
                this.entry.sent(bytes);
            }
            Poll::Ready(Some(Err(failure))) => {
                // The head is out already: the client sees the connection break, and not a short object.
                let _entered = this.entry.span().enter();
                tracing::error!(%failure, "an answer broke off");
                this.metrics.broken();
                this.is_broken = true;
            }
            Poll::Ready(None) | Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for SentBody {
    fn drop(&mut self) {
        // Without a body hyper does not ask for one.
        self.entry.record.complete = self.body.is_end_stream() && !self.is_broken;
    }
}
