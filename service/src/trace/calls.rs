//! Traces and request ids across calls between roles: put into a call's headers, and taken out of them at the other end.
//! There they are believed: only members of the cluster get so far.

use super::context::{self, TraceContext};
use super::{Current, SpanKind, Trace};
use crate::channel::{Channel, ChannelError};
use futures::future::{BoxFuture, Either, FutureExt as _};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll};
use tonic::body::Body;
use tonic::{Code, Status};
use tower::Service;
use tracing::Instrument as _;

/// The S3 request that a call is made for.
const REQUEST_ID: HeaderName = HeaderName::from_static("weir-request-id");
const REQUEST_ID_MAX_BYTES: usize = 64;

/// How a call gets to its service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// In the same task: what is current stays so.
    InProcess,
    OverSocket,
}

/// A channel whose calls are parts of the traces that they are made for. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Calling {
    channel: Channel,
    way: Way,
}

impl Calling {
    pub fn new(channel: Channel, way: Way) -> Self {
        Self { channel, way }
    }
}

impl fmt::Debug for Calling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calling").field("way", &self.way).finish_non_exhaustive()
    }
}

impl Service<Request<Body>> for Calling {
    type Response = Response<Body>;
    type Error = ChannelError;
    type Future =
        Either<<Channel as Service<Request<Body>>>::Future, BoxFuture<'static, Result<Response<Body>, ChannelError>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.channel.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let over_socket = self.way == Way::OverSocket;
        let begun = Current::with(|current| {
            if over_socket && let Some(id) = current.request_id.as_deref().and_then(|id| id.parse().ok()) {
                request.headers_mut().insert(REQUEST_ID, id);
            }
            current.trace.is_recorded().then(|| {
                let kind = if over_socket { SpanKind::Client } else { SpanKind::Internal };
                let trace = current.trace.child(method_of(request.uri().path()).to_owned(), kind);
                Current::new(current.request_id.clone(), trace)
            })
        });
        let Some(current) = begun else { return Either::Left(self.channel.call(request)) };
        if over_socket && let Some(span) = current.trace.context() {
            context::insert(request.headers_mut(), span);
        }
        let trace = current.trace.clone();
        let _entered = current.clone().enter();
        let called = current.carry(self.channel.call(request));
        Either::Right(async move { called.await.inspect(|answer| note(&trace, answer)) }.boxed())
    }
}

/// A refusal has its status among the headers.
fn note(trace: &Trace, answer: &Response<Body>) {
    if let Some(status) = Status::from_header_map(answer.headers())
        && status.code() != Code::Ok
    {
        trace.fail(status.code().description());
    }
}

/// `/weir.v1.Namespace/GetObject` without the slash.
fn method_of(path: &str) -> &str {
    path.strip_prefix('/').unwrap_or(path)
}

/// A service that works for the requests that its callers name. To be put behind whatever checks who calls.
#[derive(Clone, Debug)]
pub(crate) struct Taken<S>(S);

pub(crate) fn taken<S>(service: S) -> Taken<S> {
    Taken(service)
}

impl<S, B> Service<Request<B>> for Taken<S>
where
    S: Service<Request<B>, Response = Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Either<S::Future, BoxFuture<'static, Result<Response<Body>, S::Error>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (request_id, parent) = (request_id(request.headers()), TraceContext::of(request.headers()));
        if request_id.is_none() && parent.is_none() {
            return Either::Left(self.0.call(request));
        }
        let method = method_of(request.uri().path()).to_owned();
        // An error's level: whatever is logged under it shall name the request.
        let span = tracing::error_span!(
            "call",
            method,
            request_id = request_id.as_deref(),
            trace_id = parent.as_ref().map(|parent| tracing::field::display(parent.trace_id())),
        );
        let trace = parent.map_or_else(Trace::default, |parent| Trace::accept(method, &parent));
        let current = Current::new(request_id, trace.clone());
        let called = {
            let _entered = current.clone().enter();
            current.carry(self.0.call(request))
        };
        Either::Right(answered(called, trace).instrument(span).boxed())
    }
}

async fn answered<E>(
    called: impl Future<Output = Result<Response<Body>, E>>,
    trace: Trace,
) -> Result<Response<Body>, E> {
    called.await.inspect(|answer| note(&trace, answer))
}

pub(super) fn request_id(headers: &HeaderMap) -> Option<Arc<str>> {
    let id = headers.get(REQUEST_ID).map(HeaderValue::as_bytes)?;
    let is_fine = (1..=REQUEST_ID_MAX_BYTES).contains(&id.len()) && id.iter().all(u8::is_ascii_alphanumeric);
    std::str::from_utf8(id).ok().filter(|_| is_fine).map(Arc::from)
}
