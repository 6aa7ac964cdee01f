//! Logs, to standard error, and traces, to an OTLP collector when one is set.

use crate::config::ServiceSettings;
use crate::trace;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::WithExportConfig as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use std::time::Duration;
use tracing_subscriber::filter::{EnvFilter, LevelFilter};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// The target of events that belong to the audit log. A filter lets them through unless it names them.
pub const AUDIT_TARGET: &str = "audit";

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

/// Whether a log filter is valid.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn check_filter(filter_text: &str) -> Result<(), tracing_subscriber::filter::ParseError> {
    filter(filter_text).map(drop)
}

fn filter(text: &str) -> Result<EnvFilter, tracing_subscriber::filter::ParseError> {
    let filter = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).parse(text)?;
    let names_audit = text.split(',').any(|directive| directive.trim().split('=').next() == Some(AUDIT_TARGET));
    if names_audit { Ok(filter) } else { Ok(filter.add_directive(format!("{AUDIT_TARGET}=info").parse()?)) }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_audit_log_is_not_filtered_but_by_its_name() {
        for text in ["error", "off", "warn,weir_gateway=debug", "auditor=off"] {
            assert!(filter(text).unwrap().to_string().contains("audit=info"), "{text}");
        }
        for text in ["info,audit=off", "audit=warn"] {
            assert!(!filter(text).unwrap().to_string().contains("audit=info"), "{text}");
        }
    }

    #[test]
    fn a_filter_is_a_level_or_names_modules() {
        for text in ["error", "info", "warn,weir_gateway=debug", "weir_worker::store=trace"] {
            assert!(check_filter(text).is_ok(), "{text}");
        }
        for text in ["weir_gateway=loud", "info,=,"] {
            assert!(check_filter(text).is_err(), "{text}");
        }
    }
}
