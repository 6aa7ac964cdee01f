use super::*;
use crate::channel::{Channel, ChannelError};
use http::{HeaderMap, HeaderValue, Request, Response};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use std::convert::Infallible;
use std::time::Duration;
use tonic::body::Body;
use tower::ServiceExt as _;
use tower::util::BoxCloneSyncService;

/// All spans that have ended in this test process.
static ENDED: Mutex<Vec<SpanData>> = Mutex::new(Vec::new());

#[derive(Debug)]
struct Keeping;

impl SpanExporter for Keeping {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        ENDED.lock().extend(batch);
        Ok(())
    }
}

/// A trace under a context of its own that asks to be recorded.
fn begun(number: u8) -> (Trace, String) {
    if RECORDER.get().is_none() {
        let provider = SdkTracerProvider::builder().with_simple_exporter(Keeping).build();
        let settings = ServiceSettings { trace_sample_ratio: 0.0, ..Default::default() };
        start(provider.tracer("test"), &settings);
    }
    let trace_id = format!("{number:032x}");
    let mut headers = HeaderMap::new();
    headers.insert("traceparent", HeaderValue::try_from(format!("00-{trace_id}-00000000000000ff-01")).unwrap());
    let trace = Trace::begin("PutObject", TraceContext::of(&headers).as_ref(), Instant::now(), || 0);
    assert_eq!(trace.id().as_deref(), Some(trace_id.as_str()));
    (trace, trace_id)
}

fn ended(trace_id: &str) -> Vec<SpanData> {
    let of_trace = |span: &&SpanData| span.span_context.trace_id().to_string() == trace_id;
    ENDED.lock().iter().filter(of_trace).cloned().collect()
}

fn named<'s>(spans: &'s [SpanData], name: &str) -> &'s SpanData {
    spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("no span {name} in {spans:?}"))
}

fn parent_is(child: &SpanData, parent: &SpanData) -> bool {
    child.parent_span_id == parent.span_context.span_id()
}

/// A service that does something, behind all that a socket has but the socket.
fn channel() -> Channel {
    let service = tower::service_fn(|request: Request<Body>| async move {
        let current = Current::get();
        current.trace.passed("fdatasync", Instant::now() - Duration::from_millis(5), Instant::now(), &[("bytes", 7)]);
        let mut answer = Response::new(Body::empty());
        let id = current.request_id.as_deref().unwrap_or("none").to_owned();
        answer.headers_mut().insert("id", HeaderValue::try_from(id).unwrap());
        if request.uri().path().ends_with("Refuse") {
            return Ok(tonic::Status::not_found("gone").into_http());
        }
        Ok::<_, Infallible>(answer)
    });
    let service = taken(service).map_err(|never| -> ChannelError { match never {} });
    BoxCloneSyncService::new(Calling::new(BoxCloneSyncService::new(service), Way::OverSocket))
}

async fn call(method: &str, current: Current) -> Response<Body> {
    let request = Request::post(format!("/weir.v1.Blocks/{method}")).body(Body::empty()).unwrap();
    current.carry(async move { channel().oneshot(request).await.unwrap() }).await
}

#[tokio::test]
async fn a_call_goes_on_in_the_trace_and_for_the_request_that_it_is_made_for() {
    let (trace, id) = begun(1);
    let answer = call("WriteBlock", Current::new(Some("4442587FB7D0A2F9".into()), trace.clone())).await;
    assert_eq!(answer.headers()["id"], "4442587FB7D0A2F9");
    assert!(!Trace::current().is_recorded(), "what was carried is over");
    trace.set("status", 200);
    drop(trace);

    let spans = ended(&id);
    assert_eq!(spans.len(), 4, "{spans:?}");
    let request = named(&spans, "PutObject");
    let calls: Vec<_> = spans.iter().filter(|span| span.name == "weir.v1.Blocks/WriteBlock").collect();
    let client = calls.iter().find(|span| span.span_kind == SpanKind::Client).unwrap();
    let server = calls.iter().find(|span| span.span_kind == SpanKind::Server).unwrap();
    let disk = named(&spans, "fdatasync");
    assert_eq!(request.parent_span_id.to_string(), "00000000000000ff");
    assert!(parent_is(client, request) && parent_is(server, client) && parent_is(disk, server), "{spans:?}");
    let took = disk.end_time.duration_since(disk.start_time).unwrap();
    assert!(took >= Duration::from_millis(5) && took < Duration::from_secs(5), "{took:?}");
}

#[tokio::test]
async fn a_call_that_is_refused_fails_in_its_trace() {
    let (trace, id) = begun(2);
    call("Refuse", Current::new(None, trace)).await;
    let spans = ended(&id);
    let failed = spans.iter().filter(|span| matches!(span.status, Status::Error { .. })).count();
    assert_eq!(failed, 2, "at both ends: {spans:?}");
}

#[tokio::test]
async fn a_call_of_a_request_that_is_not_traced_still_names_it() {
    let (untraced, named) = (Trace::default(), Some("4442587FB7D0A2F9".into()));
    assert_eq!(call("WriteBlock", Current::new(named, untraced.clone())).await.headers()["id"], "4442587FB7D0A2F9");
    assert_eq!(call("WriteBlock", Current::new(None, untraced)).await.headers()["id"], "none");
}

#[test]
fn a_name_of_a_request_that_is_none_is_not_taken() {
    let (long, fine) = ("A".repeat(65), "A".repeat(64));
    for (id, taken) in [("", false), ("a b", false), ("a\"b", false), (&long, false), (&fine, true)] {
        let mut headers = HeaderMap::new();
        headers.insert("weir-request-id", HeaderValue::from_str(id).unwrap());
        assert_eq!(calls::request_id(&headers).is_some(), taken, "{id}");
    }
}

#[test]
fn a_stranger_and_an_unlucky_request_have_no_trace() {
    begun(3);
    let trace = Trace::begin("GetObject", None, Instant::now(), || u64::MAX);
    assert!(!trace.is_recorded() && !trace.child("part", SpanKind::Internal).is_recorded());
    assert_eq!(trace.id(), None);
}
