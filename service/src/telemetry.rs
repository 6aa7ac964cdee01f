//! Logs, to standard error, and traces, to an OTLP collector when one is set.

pub use crate::log_filter::AUDIT_TARGET;

use crate::config::ServiceSettings;
use crate::log_filter::filter;
use crate::trace;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::WithExportConfig as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use std::time::Duration;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// Why there are no logs.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error("the log filter {filter:?} is not valid")]
    Filter { filter: String, source: tracing_subscriber::filter::ParseError },
    #[error("can't export traces to {endpoint}")]
    Export { endpoint: String, source: opentelemetry_otlp::ExporterBuildError },
    #[error("logs are set up already")]
    Twice(#[from] TryInitError),
}

/// Keeps the export of traces going; when dropped, what is left is sent.
#[derive(Debug)]
pub struct Telemetry {
    traces: Option<SdkTracerProvider>,
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(traces) = &self.traces
            && let Err(error) = traces.shutdown_with_timeout(FLUSH_TIMEOUT)
        {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }
}

/// Sets up logs and traces for the whole process, once. With a collector it needs a tokio runtime. `role` is the
/// service's name in traces.
///
/// # Errors
/// [`TelemetryError`].
pub fn init(settings: &ServiceSettings, role: &str) -> Result<Telemetry, TelemetryError> {
    let filter =
        filter(&settings.log).map_err(|source| TelemetryError::Filter { filter: settings.log.clone(), source })?;
    let text = (settings.log_format == "text").then(|| tracing_subscriber::fmt::layer().with_writer(std::io::stderr));
    let json = (settings.log_format != "text")
        .then(|| tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(std::io::stderr));
    let text = text.map(|layer| layer.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())));
    let traces = match settings.otlp_endpoint.as_str() {
        "" => None,
        endpoint => Some(exporting(endpoint, role)?),
    };
    tracing_subscriber::registry().with(filter).with(text).with(json).try_init()?;
    if let Some(provider) = &traces
        && !trace::start(provider.tracer("weir"), settings)
    {
        tracing::warn!("traces are set up already");
    }
    Ok(Telemetry { traces })
}

fn exporting(endpoint: &str, role: &str) -> Result<SdkTracerProvider, TelemetryError> {
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .build()
        .map_err(|source| TelemetryError::Export { endpoint: endpoint.to_owned(), source })?;
    let resource = Resource::builder().with_service_name(format!("weir-{role}")).build();
    // Only what was decided to be traced becomes a span.
    let builder = SdkTracerProvider::builder().with_sampler(Sampler::AlwaysOn);
    Ok(builder.with_batch_exporter(exporter).with_resource(resource).build())
}
