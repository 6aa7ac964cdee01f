//! What is known of a request. Secrets are not: neither the query nor any header that carries a credential is among it.

use super::keys::{ConcernedKeys, ShownKey};
use super::shown::shown;
use crate::auth::Caller;
use crate::xml::write_iso8601;
use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use tracing::{Span, field};
use weir_service::trace::{self, Trace};

/// Names that clients choose and that nothing else limits, in bytes. Buckets, keys and identities have limits of their
/// own, which are under it.
const NAME_MAX_BYTES: usize = 1024;
const USER_AGENT_MAX_BYTES: usize = 256;
const HOST_MAX_BYTES: usize = 256;
const METHOD_MAX_BYTES: usize = 32;
/// No key that IAM or this server makes is longer. What a client claims to be one may be.
const ACCESS_KEY_ID_MAX_BYTES: usize = 128;

/// No line without a list of keys is longer, but for clients who make it so.
const ORDINARY_LINE_BYTES: usize = 4 << 10;

/// One request and what came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditRecord {
    /// When its head had come, in milliseconds since 1970.
    pub time_ms: i64,
    pub request_id: String,
    /// The client's address. Absent: the connection was gone before it was asked for.
    pub peer: Option<SocketAddr>,
    /// The client spoke TLS.
    pub secure: bool,
    /// As the client named it, with its port. Absent: it named none that is one.
    pub host: Option<String>,
    /// Empty: its head could not be read.
    pub method: String,
    /// The name of S3's operation. Absent, as all that follows: the request was refused before it was known.
    pub operation: Option<&'static str>,
    /// What the caller needed to be allowed first, such as `s3:GetObject`.
    pub action: Option<&'static str>,
    pub bucket: Option<String>,
    pub key: Option<Bytes>,
    pub version_id: Option<String>,
    /// Of a deletion of several objects.
    pub keys: Option<ConcernedKeys>,
    /// Of a copy.
    pub source_bucket: Option<String>,
    pub source_key: Option<Bytes>,
    /// The ARN of what an action of IAM or STS is about; `*`: of nothing in particular.
    pub resource: Option<String>,
    /// What such an action names besides, by the names of its parameters.
    pub parameters: Vec<(&'static str, String)>,
    /// An ARN, or `anonymous`. Absent: nothing was proved.
    pub identity: Option<String>,
    /// The key that the request names. It has signed the request where there is an identity, and is a claim where not.
    pub access_key_id: Option<String>,
    /// The key that the action made, and whom it speaks for: an ARN.
    pub issued_access_key_id: Option<String>,
    pub issued_identity: Option<String>,
    /// Absent: there was no answer.
    pub status: Option<u16>,
    /// The code of an S3 error.
    pub error: Option<&'static str>,
    /// Of the request's body, as they came.
    pub received_bytes: u64,
    /// Of the answer's body.
    pub sent_bytes: u64,
    /// From the head of the request to the head of its answer, in microseconds.
    pub first_byte_us: Option<u64>,
    /// From the head of the request to the end of the answer's body, in microseconds.
    pub duration_us: u64,
    /// All of the answer was given to the connection; what became of it there is not known.
    pub complete: bool,
    pub user_agent: Option<Bytes>,
}

/// The members of a line, in their order. Each is in every line.
#[derive(Serialize)]
struct Line<'a> {
    time: String,
    request_id: &'a str,
    peer: Option<SocketAddr>,
    secure: bool,
    host: Option<Cow<'a, str>>,
    method: Option<Cow<'a, str>>,
    operation: Option<&'static str>,
    action: Option<&'static str>,
    bucket: Option<Cow<'a, str>>,
    key: Option<Cow<'a, str>>,
    version_id: Option<Cow<'a, str>>,
    key_count: Option<usize>,
    keys: Option<Vec<ShownKey<'a>>>,
    source_bucket: Option<Cow<'a, str>>,
    source_key: Option<Cow<'a, str>>,
    resource: Option<Cow<'a, str>>,
    parameters: Option<BTreeMap<&'static str, Cow<'a, str>>>,
    identity: Option<Cow<'a, str>>,
    access_key_id: Option<Cow<'a, str>>,
    issued_access_key_id: Option<Cow<'a, str>>,
    issued_identity: Option<Cow<'a, str>>,
    status: Option<u16>,
    error: Option<&'static str>,
    received_bytes: u64,
    sent_bytes: u64,
    first_byte_us: Option<u64>,
    duration_us: u64,
    complete: bool,
    user_agent: Option<Cow<'a, str>>,
}

impl AuditRecord {
    /// Notes who it comes from.
    pub fn sent_by(&mut self, caller: &Caller) {
        self.identity = Some(caller.identity().to_string());
        self.access_key_id = Some(caller.access_key_id.clone()).filter(|id| !id.is_empty());
    }

    /// Room that the line takes in the queue, in lines of ordinary length.
    pub(super) fn weight(&self) -> usize {
        1 + self.keys.as_ref().map_or(0, ConcernedKeys::bytes) / ORDINARY_LINE_BYTES
    }

    /// Appends the record as one line of JSON, with its line end.
    pub(super) fn write_line(&self, out: &mut Vec<u8>) {
        let start = out.len();
        match serde_json::to_writer(&mut *out, &self.line()) {
            Ok(()) => out.push(b'\n'),
            // Texts and numbers into memory: nothing there can fail. A torn line would be worse than none.
            Err(error) => {
                out.truncate(start);
                tracing::error!(%error, "a line of the audit log can't be made");
            }
        }
    }

    fn line(&self) -> Line<'_> {
        let cut = |text: &'_ Option<String>, max_bytes| -> Option<Cow<'_, str>> {
            text.as_ref().map(|text| Cow::Owned(shown(text.as_bytes(), max_bytes).into_owned()))
        };
        let name = |text| cut(text, NAME_MAX_BYTES);
        let access_key_id = |text| cut(text, ACCESS_KEY_ID_MAX_BYTES);
        let bytes = |bytes: &'_ Option<Bytes>| -> Option<Cow<'_, str>> {
            bytes.as_ref().map(|bytes| Cow::Owned(shown(bytes, NAME_MAX_BYTES).into_owned()))
        };
        let parameters = self.parameters.iter().map(|(name, value)| (*name, shown(value.as_bytes(), NAME_MAX_BYTES)));
        let mut time = Vec::with_capacity(24);
        write_iso8601(&mut time, self.time_ms);
        Line {
            time: String::from_utf8_lossy(&time).into_owned(),
            request_id: &self.request_id,
            peer: self.peer,
            secure: self.secure,
            host: self.host.as_ref().map(|host| shown(host.as_bytes(), HOST_MAX_BYTES)),
            method: Some(shown(self.method.as_bytes(), METHOD_MAX_BYTES)).filter(|method| !method.is_empty()),
            operation: self.operation,
            action: self.action,
            bucket: name(&self.bucket),
            key: bytes(&self.key),
            version_id: name(&self.version_id),
            key_count: self.keys.as_ref().map(ConcernedKeys::count),
            keys: self.keys.as_ref().map(|keys| keys.shown(NAME_MAX_BYTES)),
            source_bucket: name(&self.source_bucket),
            source_key: bytes(&self.source_key),
            resource: name(&self.resource),
            parameters: (!self.parameters.is_empty()).then(|| parameters.collect()),
            identity: name(&self.identity),
            access_key_id: access_key_id(&self.access_key_id),
            issued_access_key_id: access_key_id(&self.issued_access_key_id),
            issued_identity: name(&self.issued_identity),
            status: self.status,
            error: self.error,
            received_bytes: self.received_bytes,
            sent_bytes: self.sent_bytes,
            first_byte_us: self.first_byte_us,
            duration_us: self.duration_us,
            complete: self.complete,
            user_agent: self.user_agent.as_ref().map(|agent| shown(agent, USER_AGENT_MAX_BYTES)),
        }
    }

    /// Puts the same members into the attributes of the request's trace; what is absent is left out.
    pub fn record_on(&self, trace: &Trace) {
        if !trace.is_recorded() {
            return;
        }
        // Texts and numbers into memory: nothing there can fail.
        let Ok(Value::Object(members)) = serde_json::to_value(self.line()) else { return };
        for (name, value) in members {
            if let Some(value) = attribute(value) {
                trace.set(name, value);
            }
        }
    }
}

/// Attributes have no members of their own: lists and objects are JSON there.
fn attribute(value: Value) -> Option<trace::Value> {
    match value {
        Value::Null => None,
        Value::Bool(value) => Some(value.into()),
        Value::Number(value) => value.as_i64().map(trace::Value::from),
        Value::String(value) => Some(value.into()),
        value @ (Value::Array(_) | Value::Object(_)) => Some(value.to_string().into()),
    }
}

/// The span of a request in the logs. It has the level of an error, so that it is there whatever is logged. The name of
/// the operation and the id of the trace are recorded as soon as they are known.
pub fn request_span(request_id: &str, method: &str, path: &str) -> Span {
    let (operation, trace_id) = (field::Empty, field::Empty);
    tracing::error_span!("request", request_id, operation, trace_id, method, path)
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
