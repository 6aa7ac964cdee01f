//! What the gateway counts: requests, errors, bytes and time.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::time::Duration;

/// From a millisecond to a minute, in seconds.
const DURATION_BUCKETS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0];

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    /// An operation of S3; `none` for a request that was refused before it was known.
    operation: &'static str,
    status: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabels {
    operation: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ErrorLabels {
    code: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

#[derive(Clone, Copy, Debug)]
struct Durations;

impl MetricConstructor<Histogram> for Durations {
    fn new_metric(&self) -> Histogram {
        Histogram::new(DURATION_BUCKETS)
    }
}

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics {
    requests: Family<RequestLabels, Counter>,
    durations: Family<OperationLabels, Histogram, Durations>,
    errors: Family<ErrorLabels, Counter>,
    in_flight: Gauge,
    received_bytes: Counter,
    sent_bytes: Counter,
    broken_answers: Counter,
    refused_before_requests: Family<ReasonLabels, Counter>,
}

impl Metrics {
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            requests: Family::default(),
            durations: Family::new_with_constructor(Durations),
            errors: Family::default(),
            in_flight: Gauge::default(),
            received_bytes: Counter::default(),
            sent_bytes: Counter::default(),
            broken_answers: Counter::default(),
            refused_before_requests: Family::default(),
        };
        let Self { requests, durations, errors, in_flight, received_bytes, sent_bytes, broken_answers, .. } = &metrics;
        registry.register("weir_gateway_requests", "Answered requests, by operation and status", requests.clone());
        registry.register(
            "weir_gateway_request_duration_seconds",
            "From a request's head to its answer's, by operation",
            durations.clone(),
        );
        registry.register("weir_gateway_errors", "Answered S3 errors, by code", errors.clone());
        registry.register("weir_gateway_requests_in_flight", "Requests without an answer yet", in_flight.clone());
        registry.register("weir_gateway_received_bytes", "Bytes of request bodies", received_bytes.clone());
        registry.register("weir_gateway_sent_bytes", "Bytes of answers' bodies", sent_bytes.clone());
        registry.register(
            "weir_gateway_broken_answers",
            "Answers that were begun and could not be finished",
            broken_answers.clone(),
        );
        registry.register(
            "weir_gateway_refused_before_request",
            "Connections and heads that were refused before there was a request, by reason",
            metrics.refused_before_requests.clone(),
        );
        metrics
    }

    /// A request has come; it is in flight until the guard is dropped.
    pub fn begin(&self) -> InFlight {
        self.in_flight.inc();
        InFlight(self.in_flight.clone())
    }

    pub fn answered(&self, operation: &'static str, status: u16, duration: Duration, received_bytes: u64) {
        self.requests.get_or_create(&RequestLabels { operation, status }).inc();
        self.durations.get_or_create(&OperationLabels { operation }).observe(duration.as_secs_f64());
        self.received_bytes.inc_by(received_bytes);
    }

    pub fn refused(&self, code: &'static str) {
        self.errors.get_or_create(&ErrorLabels { code }).inc();
    }

    pub fn refused_before_request(&self, reason: &'static str) {
        self.refused_before_requests.get_or_create(&ReasonLabels { reason }).inc();
    }

    pub fn sent(&self, bytes: u64) {
        self.sent_bytes.inc_by(bytes);
    }

    pub fn broken(&self) {
        self.broken_answers.inc();
    }
}

/// A request in flight.
#[derive(Debug)]
pub struct InFlight(Gauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_operation_and_status() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let in_flight = metrics.begin();
        metrics.answered("PutObject", 200, Duration::from_millis(3), 17);
        metrics.refused("NoSuchKey");
        metrics.sent(5);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            "weir_gateway_requests_total{operation=\"PutObject\",status=\"200\"} 1",
            "weir_gateway_errors_total{code=\"NoSuchKey\"} 1",
            "weir_gateway_received_bytes_total 17",
            "weir_gateway_sent_bytes_total 5",
            "weir_gateway_requests_in_flight 1",
            "weir_gateway_request_duration_seconds_count{operation=\"PutObject\"} 1",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
        drop(in_flight);
        assert_eq!(metrics.in_flight.get(), 0);
    }
}
