//! The calls that a role answers, by method and outcome.

use super::durations;
use futures::future::{BoxFuture, FutureExt as _};
use http::{Request, Response};
use parking_lot::RwLock;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use std::collections::HashMap;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tonic::service::Routes;
use tonic::{Code, Status};
use tower::{Layer, Service};

/// More methods than the contract has: a bound for what callers can name.
const METHOD_MAX_COUNT: usize = 128;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MethodLabels {
    /// `Service/Method`.
    method: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    method: String,
    /// A status of gRPC, such as `NotFound`.
    code: String,
}

/// Counts and times the calls of a role. Cheap to clone.
#[derive(Clone, Debug)]
pub struct CallMetrics {
    calls: Family<CallLabels, Counter>,
    durations: Family<MethodLabels, Histogram, fn() -> Histogram>,
    methods: Arc<RwLock<HashMap<String, Method>>>,
}

/// What nearly all calls of a method need, without a look into the families.
#[derive(Clone, Debug)]
struct Method {
    answered: Counter,
    durations: Histogram,
}

impl CallMetrics {
    /// As `ROLE_calls_total` and `ROLE_call_duration_seconds`.
    pub fn register(registry: &mut Registry, role: &str) -> Self {
        let metrics = Self {
            calls: Family::default(),
            durations: Family::new_with_constructor(durations),
            methods: Arc::default(),
        };
        registry.register(
            format!("{role}_calls"),
            "Answered calls of other roles and the shell, by method and status",
            metrics.calls.clone(),
        );
        registry.register_with_unit(
            format!("{role}_call_duration"),
            "From a call to its answer's head, by method",
            Unit::Seconds,
            metrics.durations.clone(),
        );
        metrics
    }

    /// The services, with their calls counted.
    pub fn around(&self, routes: Routes) -> Routes {
        Routes::from(routes.into_axum_router().route_layer(self.clone()))
    }

    fn answered(&self, path: &str, code: Code, duration: Duration) {
        let name = path.strip_prefix("/weir.v1.").unwrap_or(path);
        let known = self.methods.read().get(name).cloned();
        let Some(method) = known.or_else(|| self.learn(name, code)) else { return };
        method.durations.observe(duration.as_secs_f64());
        if code == Code::Ok {
            method.answered.inc();
        } else {
            let labels = CallLabels { method: name.to_owned(), code: format!("{code:?}") };
            self.calls.get_or_create(&labels).inc();
        }
    }

    /// A method that is there: what callers make up is not counted.
    fn learn(&self, name: &str, code: Code) -> Option<Method> {
        let mut methods = self.methods.write();
        if code == Code::Unimplemented || methods.len() >= METHOD_MAX_COUNT {
            return None;
        }
        let method = name.to_owned();
        let durations = self.durations.get_or_create_owned(&MethodLabels { method: method.clone() });
        let answered = self.calls.get_or_create_owned(&CallLabels { method: method.clone(), code: "Ok".to_owned() });
        let known = methods.entry(method).or_insert(Method { answered, durations });
        Some(known.clone())
    }
}

impl<S> Layer<S> for CallMetrics {
    type Service = Counted<S>;

    fn layer(&self, inner: S) -> Counted<S> {
        Counted { inner, metrics: self.clone() }
    }
}

/// A service whose calls are counted.
#[derive(Clone, Debug)]
pub struct Counted<S> {
    inner: S,
    metrics: CallMetrics,
}

impl<S, B, A> Service<Request<B>> for Counted<S>
where
    S: Service<Request<B>, Response = Response<A>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (began, uri, metrics) = (Instant::now(), request.uri().clone(), self.metrics.clone());
        let called = self.inner.call(request);
        async move {
            called.await.inspect(|answer: &Response<A>| {
                // Only refusals before anything of an answer was sent have their status among the headers.
                let code = Status::from_header_map(answer.headers()).map_or(Code::Ok, |status| status.code());
                metrics.answered(uri.path(), code, began.elapsed());
            })
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::encoding::text::encode;

    fn text(registry: &Registry) -> String {
        let mut text = String::new();
        encode(&mut text, registry).unwrap();
        text
    }

    #[test]
    fn calls_are_counted_by_method_and_status() {
        let mut registry = Registry::default();
        let metrics = CallMetrics::register(&mut registry, "weir_test");
        for code in [Code::Ok, Code::Ok, Code::NotFound] {
            metrics.answered("/weir.v1.Namespace/GetObject", code, Duration::from_millis(3));
        }
        let text = text(&registry);
        for line in [
            "weir_test_calls_total{method=\"Namespace/GetObject\",code=\"Ok\"} 2",
            "weir_test_calls_total{method=\"Namespace/GetObject\",code=\"NotFound\"} 1",
            "weir_test_call_duration_seconds_count{method=\"Namespace/GetObject\"} 3",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }

    #[test]
    fn methods_that_callers_make_up_are_not_counted() {
        let mut registry = Registry::default();
        let metrics = CallMetrics::register(&mut registry, "weir_test");
        metrics.answered("/weir.v1.Namespace/GetMoney", Code::Unimplemented, Duration::ZERO);
        for number in 0..2 * METHOD_MAX_COUNT {
            metrics.answered(&format!("/weir.v1.Namespace/Get{number}"), Code::Internal, Duration::ZERO);
        }
        assert!(!text(&registry).contains("GetMoney"));
        assert_eq!(metrics.methods.read().len(), METHOD_MAX_COUNT);
    }
}
