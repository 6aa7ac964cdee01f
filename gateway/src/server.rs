//! HTTP in, HTTP out: what every request goes through, whatever it asks for.
//!
//! 1. [`head`]: is it a request that can be understood in one way only?
//! 2. the route, then who is asking;
//! 3. the operation;
//! 4. what every answer carries, what the log and the metrics say.

mod head;
mod identity;
mod sent;

pub use identity::Identity;
pub use sent::SentBody;

use crate::answer::Outcome;
use crate::auth::{Authentication, Gate};
use crate::error::S3Error;
use crate::metrics::{InFlight, Metrics};
use crate::ops::{self, Context};
use crate::request::{BodyState, Request, RequestBody};
use crate::route::{Query, Router};
use http::header::{CONNECTION, EXPECT, HeaderName, SERVER};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, Version};
use hyper::body::Incoming;
use std::sync::Arc;
use std::time::Instant;
use tracing::Instrument as _;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");
const HOST_ID: HeaderName = HeaderName::from_static("x-amz-id-2");
const NAME: HeaderValue = HeaderValue::from_static("Weir");
const CLOSE: HeaderValue = HeaderValue::from_static("close");
/// What the metrics say of a request whose operation is not known.
const NO_OPERATION: &str = "none";

/// Answers requests. Shared by all connections.
pub struct Server {
    pub context: Context,
    pub router: Router,
    pub gate: Gate,
    pub metrics: Metrics,
    pub identity: Identity,
}

/// What is known of a request, for its answer's head and for the log.
struct Exchange {
    begun: Instant,
    request_id: String,
    operation: &'static str,
    path: String,
    is_head: bool,
    /// HTTP/2 has no such header.
    may_close: bool,
    body: Arc<BodyState>,
    _in_flight: InFlight,
}

impl Server {
    /// Answers one request; never fails.
    pub async fn answer(self: Arc<Self>, request: http::Request<Incoming>) -> Response<SentBody> {
        let (parts, incoming) = request.into_parts();
        let expects_continue = expects_continue(&parts.headers);
        let body = RequestBody::new(incoming, expects_continue);
        let mut exchange = Exchange {
            begun: Instant::now(),
            request_id: self.identity.request_id(),
            operation: NO_OPERATION,
            path: parts.uri.path().to_owned(),
            is_head: parts.method == Method::HEAD,
            may_close: parts.version < Version::HTTP_2,
            body: body.state(),
            _in_flight: self.metrics.begin(),
        };
        let span = tracing::info_span!(
            "request",
            id = exchange.request_id,
            operation = tracing::field::Empty,
            method = %parts.method,
            path = exchange.path,
        );
        async {
            let outcome = self.perform(&mut exchange, parts, body).await;
            self.finish(exchange, outcome)
        }
        .instrument(span)
        .await
    }

    async fn perform(&self, exchange: &mut Exchange, parts: Parts, body: RequestBody) -> Outcome {
        let host = head::check(&parts)?;
        let query = Query::parse(parts.uri.query().unwrap_or_default())?;
        let route = self.router.route(&parts.method, &host, parts.uri.path(), &query, &parts.headers)?;
        exchange.operation = route.operation.name();
        tracing::Span::current().record("operation", exchange.operation);
        let kind = Authentication::of(&parts.method, &parts.headers, &query);
        let caller = self.gate.admit(kind, &parts.headers)?;
        let request = Request {
            headers: parts.headers,
            query,
            host,
            path: exchange.path.clone(),
            by_base_path: route.by_base_path,
            secure: false,
            caller,
        };
        ops::perform(&self.context, &route.operation, &request, body).await
    }

    fn finish(&self, exchange: Exchange, outcome: Outcome) -> Response<SentBody> {
        let mut answer = match outcome {
            Ok(answer) => answer,
            Err(error) => {
                self.note_error(&error);
                error.answer(&exchange.path, &exchange.request_id, self.identity.host_id(), !exchange.is_head)
            }
        };
        let headers = answer.headers_mut();
        if let Ok(id) = HeaderValue::try_from(&exchange.request_id) {
            headers.insert(REQUEST_ID, id);
        }
        headers.insert(HOST_ID, self.identity.host_id_value());
        headers.insert(SERVER, NAME);
        if exchange.may_close && !exchange.body.has_ended() {
            // What is left of the body is not what the next request begins with.
            headers.insert(CONNECTION, CLOSE);
        }
        let (status, duration) = (answer.status(), exchange.begun.elapsed());
        self.metrics.answered(exchange.operation, status.as_u16(), duration, exchange.body.received_bytes());
        tracing::debug!(status = status.as_u16(), duration_us = duration.as_micros(), "answered");
        let metrics = self.metrics.clone();
        answer.map(|body| SentBody::new(body, metrics))
    }

    fn note_error(&self, error: &S3Error) {
        self.metrics.refused(error.code().name());
        if error.status().is_server_error() && error.status() != http::StatusCode::NOT_IMPLEMENTED {
            tracing::error!(code = error.code().name(), cause = error.cause_text(), "a request failed");
        } else {
            tracing::debug!(code = error.code().name(), cause = error.cause_text(), "a request was refused");
        }
    }
}

fn expects_continue(headers: &HeaderMap) -> bool {
    headers.get(EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}
