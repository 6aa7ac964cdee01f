//! HTTP in, HTTP out: what every request goes through, whatever it asks for.
//!
//! 1. [`head`]: is it a request that can be understood in one way only? [`local`]: without keys, is it of this machine?
//! 2. the route, then who is asking;
//! 3. the operation;
//! 4. what every answer carries, what the logs and the metrics say.

mod head;
mod identity;
mod local;
mod query_api;
mod query_record;
mod refused;
mod sent;

pub use identity::Identity;
pub use refused::Seldom;
pub use sent::SentBody;

use crate::audit::{Audit, AuditRecord, Entry, request_span};
use crate::auth::{self, Authentication, Presented, Proof};
use crate::body;
use crate::copy_source;
use crate::error::Outcome;
use crate::metrics::{InFlight, Metrics};
use crate::ops::{self, Context};
use crate::request::{Request, RequestBody};
use crate::route::{ObjectOperation, Operation, Query, Router, ServiceOperation};
use crate::sts::StsApi;
use bytes::Bytes;
use http::header::{CONNECTION, EXPECT, HeaderName, SERVER, USER_AGENT};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Version};
use hyper::body::Incoming;
use std::sync::Arc;
use tracing::Instrument as _;
use weir_service::accept::Peer;
use weir_service::trace::TraceContext;

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
    pub metrics: Metrics,
    pub audit: Audit,
    pub identity: Identity,
    pub sts: StsApi,
    /// How often connections over the cap are told of.
    pub no_place: Seldom,
}

/// What is known of a request, for its answer's head and for the logs.
struct Exchange {
    entry: Entry,
    path: String,
    is_head: bool,
    /// HTTP/2 has no such header.
    may_close: bool,
    _in_flight: InFlight,
}

impl Server {
    /// Answers one request; never fails.
    pub async fn answer(self: Arc<Self>, request: http::Request<Incoming>) -> Response<SentBody> {
        let (parts, incoming) = request.into_parts();
        let expects_continue = expects_continue(&parts.headers);
        let body = RequestBody::new(incoming, expects_continue);
        let record = self.first_record(&parts);
        let span = request_span(&record.request_id, parts.method.as_str(), parts.uri.path());
        let mut exchange = Exchange {
            entry: Entry::begin(self.audit.clone(), record, body.state(), span.clone()),
            path: parts.uri.path().to_owned(),
            is_head: parts.method == Method::HEAD,
            may_close: parts.version < Version::HTTP_2,
            _in_flight: self.metrics.begin(),
        };
        async {
            let outcome = self.perform(&mut exchange, parts, body).await;
            self.finish(exchange, outcome)
        }
        .instrument(span)
        .await
    }

    /// What is known of every request.
    fn first_record(&self, parts: &Parts) -> AuditRecord {
        let peer = parts.extensions.get::<Peer>();
        AuditRecord {
            time_ms: self.context.clock.now_ms(),
            request_id: self.identity.request_id(),
            peer: peer.map(|peer| peer.address),
            secure: peer.is_some_and(|peer| peer.secure),
            method: parts.method.as_str().to_owned(),
            user_agent: parts.headers.get(USER_AGENT).map(|agent| Bytes::copy_from_slice(agent.as_bytes())),
            ..AuditRecord::default()
        }
    }

    async fn perform(&self, exchange: &mut Exchange, parts: Parts, body: RequestBody) -> Outcome {
        if let Err(error) = self.audit.room().await {
            exchange.entry.give_up();
            return Err(error.into());
        }
        let record = &mut exchange.entry.record;
        let host = head::check(&parts)?;
        record.host = Some(host.clone());
        if self.context.gate.is_open() {
            local::check(&self.router, &host, &parts.headers)?;
        }
        let query = Query::parse(parts.uri.query().unwrap_or_default())?;
        let kind = Authentication::of(&parts.method, &parts.headers, &query);
        record.access_key_id = auth::claimed_access_key_id(kind, &parts.headers, &query).map(str::to_owned);
        let carried = match kind {
            Authentication::V4Query | Authentication::V2Query => auth::hoisted(&parts.headers, &query)?,
            Authentication::Anonymous
            | Authentication::V4Header
            | Authentication::V2Header
            | Authentication::PostForm => None,
        };
        let headers = carried.as_ref().unwrap_or(&parts.headers);
        let route = self.router.route(&parts.method, &host, parts.uri.path(), &query, headers)?;
        note_operation(record, &route.operation, headers, &query);
        tracing::Span::current().record("operation", record.operation);
        let needs = auth::needs(&route.operation, headers, &query);
        record.action = auth::main_action(&route.operation, &needs);
        let rules = self.context.follower.fresh().await?;
        let (host_bucket, by_base_path) = (route.bucket_of_host(), route.by_base_path);
        let presented = Presented { parts: &parts, query: &query, host: &host, host_bucket, by_base_path };
        if route.operation == Operation::Service(ServiceOperation::QueryApi) {
            // Who is asking shows in the body alone: too late for a client's context.
            exchange.entry.begin_trace(None, || self.context.clock.random_u64());
            let (current, record) = (exchange.entry.current(), &mut exchange.entry.record);
            let answered = self.answer_query_api(record, kind, &presented, &rules, body);
            return Ok(current.carry(answered).await);
        }
        let caller = self.context.gate.admit(kind, &presented, &rules)?;
        record.sent_by(&caller);
        // Only whoever has proved a key, or needs none, decides what is traced and joins traces.
        let parent = (!matches!(caller.proof, Proof::None)).then(|| TraceContext::of(&parts.headers)).flatten();
        exchange.entry.begin_trace(parent.as_ref(), || self.context.clock.random_u64());
        self.context.check_rate(&caller)?;
        let peer = parts.extensions.get::<Peer>().copied();
        let creates_object = auth::creates_object(&route.operation);
        let described = self.context.described(headers, &query, peer, creates_object);
        let access = self.context.access_of(&caller, &described, &rules);
        access.begin(&needs)?;
        auth::check_expected_owner(headers, &auth::ACCOUNT)?;
        body::check_declared_payload(headers)?;
        let request = Request {
            headers: carried.unwrap_or(parts.headers),
            query,
            host,
            path: exchange.path.clone(),
            version: parts.version,
            by_base_path,
            peer,
            caller,
            access,
            rules,
            noted: exchange.entry.noted().clone(),
        };
        exchange.entry.current().carry(ops::perform(&self.context, &route.operation, &request, body)).await
    }

    fn finish(&self, exchange: Exchange, outcome: Outcome) -> Response<SentBody> {
        let Exchange { mut entry, path, is_head, may_close, _in_flight } = exchange;
        let mut answer = match outcome {
            Ok(answer) => answer,
            Err(error) => {
                entry.record.error = Some(error.code().name());
                self.note_refusal(error.code().name(), error.status(), error.cause_text());
                error.answer(&path, &entry.record.request_id, self.identity.host_id(), !is_head)
            }
        };
        let headers = answer.headers_mut();
        if let Ok(id) = HeaderValue::try_from(&entry.record.request_id) {
            headers.insert(REQUEST_ID, id);
        }
        headers.insert(HOST_ID, self.identity.host_id_value());
        headers.insert(SERVER, NAME);
        if may_close && !entry.body().has_ended() {
            // What is left of the body is not what the next request begins with.
            headers.insert(CONNECTION, CLOSE);
        }
        let (status, duration) = (answer.status(), entry.elapsed());
        if !entry.trace_has_begun() {
            // It was refused before it was known who asks.
            entry.begin_trace(None, || self.context.clock.random_u64());
        }
        if status.is_server_error() {
            entry.failed(entry.record.error.unwrap_or_default());
        }
        entry.answered(status.as_u16());
        let operation = entry.record.operation.unwrap_or(NO_OPERATION);
        self.metrics.answered(operation, status.as_u16(), duration, entry.body().received_bytes());
        tracing::debug!(status = status.as_u16(), duration_us = duration.as_micros(), "answered");
        let metrics = self.metrics.clone();
        answer.map(|body| SentBody::new(body, metrics, entry))
    }

    fn note_refusal(&self, code: &'static str, status: StatusCode, cause: &str) {
        self.metrics.refused(code);
        if status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED {
            tracing::error!(code, cause, "a request failed");
        } else {
            tracing::debug!(code, cause, "a request was refused");
        }
    }
}

fn note_operation(record: &mut AuditRecord, operation: &Operation, headers: &HeaderMap, query: &Query) {
    record.operation = Some(operation.name());
    record.version_id = query.get("versionId").map(str::to_owned);
    match operation {
        Operation::Service(_) => {}
        Operation::Bucket(bucket, _) => record.bucket = Some(bucket.to_string()),
        Operation::Object(bucket, key, _) => {
            record.bucket = Some(bucket.to_string());
            record.key = Some(key.as_bytes().clone());
        }
    }
    let is_copy =
        matches!(operation, Operation::Object(_, _, ObjectOperation::CopyObject | ObjectOperation::UploadPartCopy));
    if is_copy && let Ok((bucket, key)) = copy_source::parse(headers) {
        record.source_bucket = Some(bucket.to_string());
        record.source_key = Some(key.into_bytes());
    }
}

fn expects_continue(headers: &HeaderMap) -> bool {
    headers.get(EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}
