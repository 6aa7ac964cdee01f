//! The admin port of a role: `/healthz` (the process runs), `/readyz` (it serves), `/metrics` (Prometheus).
//!
//! Nothing here tells anything about what is stored; still, it is meant for the operator's network.

use crate::accept::{self, Limits};
use crate::config::{Config, GatewaySettings};
use crate::metrics::ProcessCollector;
use crate::network::TcpListener;
use crate::shutdown::Shutdown;
use crate::tls::{ExpiryCollector, ServerTls};
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper_util::service::TowerToHyperService;
use parking_lot::Mutex;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

/// Scrapers and probes, and no crowd.
const CONNECTION_MAX_COUNT: usize = 64;
const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What the admin port tells. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Status {
    registry: Arc<OnceLock<Registry>>,
    readiness: Arc<Mutex<Readiness>>,
    /// The files of the roles' certificates, with what they are for.
    certificates: Arc<Vec<(&'static str, PathBuf)>>,
}

#[derive(Clone, Copy, Debug, Default)]
enum Readiness {
    #[default]
    Starting,
    /// It has started, and waits for something that it says.
    Waiting(&'static str),
    Ready,
    Ending,
}

impl Status {
    /// Of a process with these settings.
    pub fn new(config: &Config) -> Self {
        let files = [
            ("gateway", &config.gateway.tls_certificate),
            ("cluster", &config.service.cluster_certificate),
            ("admin", &config.service.admin_tls_certificate),
        ];
        let files = files.into_iter().filter(|(_, path)| !path.as_os_str().is_empty());
        let files = files.map(|(certificate, path)| (certificate, path.clone())).collect();
        Self { certificates: Arc::new(files), ..Self::default() }
    }

    /// From now on `/readyz` answers 200, and `/metrics` what was registered. The first call counts.
    pub fn ready(&self, registry: Registry) {
        self.measured(registry);
        self.serves();
    }

    /// From now on `/metrics` answers what was registered, and `/readyz` 503 with what the process waits for, until
    /// [`Status::serves`].
    pub fn waits(&self, registry: Registry, what: &'static str) {
        self.measured(registry);
        self.become_unless_ending(Readiness::Waiting(what));
    }

    /// From now on `/readyz` answers 200.
    pub fn serves(&self) {
        self.become_unless_ending(Readiness::Ready);
    }

    fn become_unless_ending(&self, next: Readiness) {
        let mut readiness = self.readiness.lock();
        if !matches!(*readiness, Readiness::Ending) {
            *readiness = next;
        }
    }

    fn measured(&self, mut registry: Registry) {
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("weir_build", "The version that runs", build);
        registry.register_collector(Box::new(ProcessCollector::new()));
        registry.register_collector(Box::new(ExpiryCollector { files: self.certificates.to_vec() }));
        let _ = self.registry.set(registry);
    }

    /// From now on `/readyz` answers 503, for good: this process takes no more work.
    pub fn not_ready(&self) {
        *self.readiness.lock() = Readiness::Ending;
    }

    fn answer_ready(&self) -> (StatusCode, String) {
        match *self.readiness.lock() {
            Readiness::Ready => (StatusCode::OK, "ready\n".into()),
            Readiness::Waiting(what) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: it waits for {what}\n")),
            Readiness::Starting | Readiness::Ending => (StatusCode::SERVICE_UNAVAILABLE, "not ready\n".into()),
        }
    }

    fn answer_metrics(&self) -> Response {
        let mut text = String::new();
        match self.registry.get().map(|registry| encode(&mut text, registry)) {
            Some(Err(_)) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            // Nothing is registered yet: that is an empty page, not a failure.
            None => ([(header::CONTENT_TYPE, METRICS_TYPE)], "# EOF\n").into_response(),
            Some(Ok(())) => ([(header::CONTENT_TYPE, METRICS_TYPE)], text).into_response(),
        }
    }
}

/// Serves until shutdown.
pub async fn serve(listener: impl Into<TcpListener>, tls: Option<ServerTls>, status: Status, shutdown: &Shutdown) {
    let router = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(|State(status): State<Status>| async move { status.answer_ready() }))
        .route("/metrics", get(|State(status): State<Status>| async move { status.answer_metrics() }))
        .with_state(status);
    let limits = Limits { connection_max_count: CONNECTION_MAX_COUNT, ..Limits::from(&GatewaySettings::default()) };
    let service = TowerToHyperService::new(router);
    accept::serve(listener, limits, tls, || service.clone(), shutdown).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::metrics::counter::Counter;
    use std::net::SocketAddr;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    async fn get(address: SocketAddr, path: &str) -> String {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: weir\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn readiness_follows_the_role_and_metrics_are_what_it_registered() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (status, shutdown) = (Status::default(), Shutdown::new());
        let (own_status, own_shutdown) = (status.clone(), shutdown.clone());
        shutdown.spawn(async move { serve(listener, None, own_status, &own_shutdown).await });

        assert!(get(address, "/healthz").await.starts_with("HTTP/1.1 200"));
        assert!(get(address, "/readyz").await.starts_with("HTTP/1.1 503"));
        assert!(get(address, "/metrics").await.contains("# EOF"));

        let mut registry = Registry::default();
        let counter: Counter = Counter::default();
        registry.register("weir_test_things", "Things", counter.clone());
        status.waits(registry, "the other one");
        counter.inc_by(3);
        let waiting = get(address, "/readyz").await;
        assert!(waiting.starts_with("HTTP/1.1 503") && waiting.contains("it waits for the other one"), "{waiting}");
        assert!(get(address, "/metrics").await.contains("weir_test_things_total 3"));
        status.serves();
        assert!(get(address, "/readyz").await.starts_with("HTTP/1.1 200"));
        let metrics = get(address, "/metrics").await;
        assert!(metrics.contains("weir_test_things_total 3"), "{metrics}");
        assert!(metrics.contains("weir_build_info{version="), "{metrics}");

        status.not_ready();
        status.serves();
        assert!(get(address, "/readyz").await.starts_with("HTTP/1.1 503"));
        assert!(get(address, "/else").await.starts_with("HTTP/1.1 404"));
        assert!(shutdown.finish(Duration::from_secs(5)).await);
    }
}
