//! Traces: what a request did, from the client to the disk, for an OTLP collector.
//!
//! A [`Trace`] is a span that is recorded, or nothing: of a request that is not traced, nothing is made and nothing is
//! asked but whether there is one. It follows the work as a part of [`Current`], through tasks ([`Current::carry`]),
//! threads (as a value) and calls between roles ([`calls`]).
//!
//! Who may decide that a request is traced: the operator (`trace_sample_ratio`), and a client that has proved a key, by
//! the context that it sends ([`TraceContext`]), `trace_requested_max_per_second` times. What a stranger sends is not
//! even looked at: it could fill the collector, and join traces that are not its own.

mod calls;
mod context;
mod current;
mod sampling;

pub(crate) use calls::{Calling, Way, taken};
pub use context::TraceContext;
pub use current::{Carried, Current, Entered};
pub use opentelemetry::Value;
pub use opentelemetry::trace::SpanKind;

use crate::config::ServiceSettings;
use opentelemetry::trace::{Span as _, SpanBuilder, SpanContext, Status, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, Key, KeyValue};
use opentelemetry_sdk::trace::{SdkTracer, Span};
use parking_lot::Mutex;
use sampling::Sampling;
use std::borrow::Cow;
use std::sync::{Arc, OnceLock};
use std::time::{Instant, SystemTime};

/// Set when there is a collector.
static RECORDER: OnceLock<Recorder> = OnceLock::new();

struct Recorder {
    tracer: SdkTracer,
    sampling: Sampling,
}

/// Whether the process has no tracer yet: the first one stays.
pub(crate) fn start(tracer: SdkTracer, settings: &ServiceSettings) -> bool {
    RECORDER.set(Recorder { tracer, sampling: Sampling::new(settings) }).is_ok()
}

/// A span that is recorded until the last clone is dropped; or nothing. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Trace(Option<Arc<Recorded>>);

#[derive(Debug)]
struct Recorded {
    span: Mutex<Span>,
    context: SpanContext,
}

impl Trace {
    /// The trace of a request from outside that began at `began`, if it is to be traced. `parent`: the context of a
    /// client that may have one. `random`: 64 bits, if it comes to that.
    pub fn begin(
        name: &'static str,
        parent: Option<&TraceContext>,
        began: Instant,
        random: impl FnOnce() -> u64,
    ) -> Self {
        let Some(recorder) = RECORDER.get() else { return Self::default() };
        if !recorder.sampling.takes(parent, random, Instant::now()) {
            return Self::default();
        }
        let builder = SpanBuilder::from_name(name).with_kind(SpanKind::Server).with_start_time(wall(began));
        Self::build(builder, parent.map(TraceContext::as_span_context))
    }

    /// The part of a call that another role has decided to trace.
    fn accept(name: String, parent: &TraceContext) -> Self {
        match parent.is_sampled() {
            true => {
                Self::build(SpanBuilder::from_name(name).with_kind(SpanKind::Server), Some(parent.as_span_context()))
            }
            false => Self::default(),
        }
    }

    /// The trace of the work that runs now.
    pub fn current() -> Self {
        Current::with(|current| current.trace.clone())
    }

    /// A part of this one that begins now; of nothing, nothing.
    pub fn child(&self, name: impl Into<Cow<'static, str>>, kind: SpanKind) -> Self {
        let Some(own) = &self.0 else { return Self::default() };
        Self::build(SpanBuilder::from_name(name).with_kind(kind), Some(&own.context))
    }

    /// A part of this one that is over, with its attributes.
    pub fn passed(&self, name: &'static str, from: Instant, to: Instant, attributes: &[(&'static str, u64)]) {
        let Some(own) = &self.0 else { return };
        let attributes = attributes.iter().map(|(name, value)| KeyValue::new(*name, integer(*value)));
        let builder = SpanBuilder::from_name(name).with_start_time(wall(from)).with_attributes(attributes);
        if let Self(Some(part)) = Self::build(builder, Some(&own.context)) {
            part.span.lock().end_with_timestamp(wall(to));
        }
    }

    fn build(builder: SpanBuilder, parent: Option<&SpanContext>) -> Self {
        let Some(recorder) = RECORDER.get() else { return Self::default() };
        let context = match parent {
            Some(parent) => Context::new().with_remote_span_context(parent.clone()),
            None => Context::new(),
        };
        let span = recorder.tracer.build_with_context(builder, &context);
        let context = span.span_context().clone();
        // After the end of the process has begun, spans are none.
        Self(context.is_sampled().then(|| Arc::new(Recorded { span: Mutex::new(span), context })))
    }

    pub fn is_recorded(&self) -> bool {
        self.0.is_some()
    }

    /// 32 digits.
    pub fn id(&self) -> Option<String> {
        self.0.as_ref().map(|own| own.context.trace_id().to_string())
    }

    pub fn set(&self, name: impl Into<Key>, value: impl Into<Value>) {
        if let Some(own) = &self.0 {
            own.span.lock().set_attribute(KeyValue::new(name, value));
        }
    }

    /// It did not do what it should.
    pub fn fail(&self, why: impl Into<Cow<'static, str>>) {
        if let Some(own) = &self.0 {
            own.span.lock().set_status(Status::error(why));
        }
    }

    fn context(&self) -> Option<&SpanContext> {
        self.0.as_ref().map(|own| &own.context)
    }
}

/// What the clock on the wall showed.
fn wall(instant: Instant) -> SystemTime {
    let now = SystemTime::now();
    now.checked_sub(instant.elapsed()).unwrap_or(now)
}

fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
