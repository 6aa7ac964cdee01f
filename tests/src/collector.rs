//! An OTLP collector that keeps the spans it is sent, and nothing else.

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::runtime::Runtime;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

/// A span as it was sent.
#[derive(Clone, PartialEq)]
pub struct Kept {
    /// `weir-gateway` and the like.
    pub service: String,
    pub span: Span,
}

impl Kept {
    pub fn name(&self) -> &str {
        &self.span.name
    }

    pub fn trace_id(&self) -> String {
        hex::encode(&self.span.trace_id)
    }

    pub fn is_child_of(&self, parent: &Self) -> bool {
        self.span.parent_span_id == parent.span.span_id
    }

    /// Attributes as texts.
    pub fn attributes(&self) -> BTreeMap<String, String> {
        self.span.attributes.iter().map(|attribute| (attribute.key.clone(), text(attribute))).collect()
    }
}

/// Ids are read in hex.
impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [id, parent] = [&self.span.span_id, &self.span.parent_span_id].map(hex::encode);
        write!(f, "\n{} {}: {id} of {parent}", self.service, self.span.name)
    }
}

/// A running collector. Dropping it ends it.
pub struct Collector {
    address: SocketAddr,
    kept: Arc<Mutex<Vec<Kept>>>,
    _runtime: Runtime,
}

impl Collector {
    /// # Panics
    /// When it can't listen.
    pub fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime starts");
        let kept = Arc::<Mutex<Vec<Kept>>>::default();
        let service = TraceServiceServer::new(Keeping(kept.clone()));
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port is free");
        let address = listener.local_addr().expect("it listens");
        runtime.spawn(serve(listener, Routes::new(service)));
        Self { address, kept, _runtime: runtime }
    }

    /// The value of `otlp_endpoint`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The spans of a trace that have come so far.
    pub fn trace(&self, trace_id: &str) -> Vec<Kept> {
        self.all().into_iter().filter(|kept| kept.trace_id() == trace_id).collect()
    }

    pub fn all(&self) -> Vec<Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn serve(listener: tokio::net::TcpListener, routes: Routes) {
    let service = hyper_util::service::TowerToHyperService::new(routes.prepare());
    while let Ok((stream, _)) = listener.accept().await {
        let (stream, executor) = (hyper_util::rt::TokioIo::new(stream), hyper_util::rt::TokioExecutor::new());
        let service = service.clone();
        tokio::spawn(async move {
            hyper::server::conn::http2::Builder::new(executor).serve_connection(stream, service).await
        });
    }
}

struct Keeping(Arc<Mutex<Vec<Kept>>>);

#[tonic::async_trait]
impl TraceService for Keeping {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for resource in request.into_inner().resource_spans {
            let attributes = resource.resource.map(|resource| resource.attributes).unwrap_or_default();
            let service = attributes.iter().find(|attribute| attribute.key == "service.name");
            let service = service.map(text).unwrap_or_default();
            let spans = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
            kept.extend(spans.map(|span| Kept { service: service.clone(), span }));
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn text(attribute: &KeyValue) -> String {
    match attribute.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::BoolValue(value)) => value.to_string(),
        other => format!("{other:?}"),
    }
}
