//! A request under way. Its line is written when nothing more can happen to it: when its answer has gone out, or when
//! either side gave up, wherever that was.

use super::{Audit, AuditRecord, Noted};
use crate::request::BodyState;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::Span;
use weir_service::trace::{Current, Trace, TraceContext};

/// Dropping it writes its line.
#[derive(Debug)]
pub struct Entry {
    /// To be filled in as things become known.
    pub record: AuditRecord,
    noted: Arc<Noted>,
    audit: Audit,
    begun: Instant,
    body: Arc<BodyState>,
    span: Span,
    current: Current,
    /// None: whether the request is traced is not decided yet.
    trace: Option<Trace>,
    has_room: bool,
}

impl Entry {
    /// `body` is that of the request; `span` is its span in the logs.
    pub fn begin(audit: Audit, record: AuditRecord, body: Arc<BodyState>, span: Span) -> Self {
        let current = Current::new(Some(record.request_id.as_str().into()), Trace::default());
        let (noted, begun, trace) = (Arc::default(), Instant::now(), None);
        Self { record, noted, audit, begun, body, span, current, trace, has_room: true }
    }

    /// For the operation, to note what it finds out.
    pub fn noted(&self) -> &Arc<Noted> {
        &self.noted
    }

    /// The answer's head is there.
    pub fn answered(&mut self, status: u16) {
        self.record.status = Some(status);
        self.record.first_byte_us = Some(microseconds(self.elapsed()));
    }

    /// A piece of the answer's body goes out.
    pub fn sent(&mut self, bytes: u64) {
        self.record.sent_bytes += bytes;
    }

    /// The request found no room in the queue: its line is counted as lost, since it would make the queue longer.
    pub fn give_up(&mut self) {
        self.has_room = false;
    }

    /// Since the head of the request.
    pub fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// The request's body.
    pub fn body(&self) -> &BodyState {
        &self.body
    }

    /// Begins the trace of the request, once, if it is to be traced. `parent`: what a client says that may.
    pub fn begin_trace(&mut self, parent: Option<&TraceContext>, random: impl FnOnce() -> u64) {
        let trace = Trace::begin(self.record.operation.unwrap_or("none"), parent, self.begun, random);
        let logged_id = trace.id().or_else(|| parent.map(|parent| parent.trace_id().to_string()));
        if let Some(id) = logged_id {
            self.span.record("trace_id", id);
        }
        self.current = self.current.clone().traced(trace.clone());
        self.trace = Some(trace);
    }

    pub fn trace_has_begun(&self) -> bool {
        self.trace.is_some()
    }

    /// It was not done what was asked for.
    pub fn failed(&self, why: &'static str) {
        if let Some(trace) = &self.trace {
            trace.fail(why);
        }
    }

    /// What work for the request runs under.
    pub fn current(&self) -> Current {
        self.current.clone()
    }

    pub fn span(&self) -> &Span {
        &self.span
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.record.received_bytes = self.body.received_bytes();
        self.record.duration_us = microseconds(self.elapsed());
        self.noted.fill(&mut self.record);
        if let Some(trace) = &self.trace {
            self.record.record_on(trace);
        }
        if self.has_room {
            self.audit.log(std::mem::take(&mut self.record));
        } else {
            self.audit.lose();
        }
    }
}

fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
