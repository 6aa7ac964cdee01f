//! The audit log's part of the metaserver: every change of access that came through no gateway, which would have had it
//! in its own.
//!
//! A gateway sends its changes under the number of a request of its session. Who sends them without one is an operator
//! with the shell: on the role's Unix socket, or as a member of the cluster. Each has an event of the target
//! [`TARGET`] in the process's log, with the names that the gateways' audit log has for its members. No document and no
//! secret is in it.

mod subject;

use crate::error::Error;
use std::time::Instant;
use subject::Subject;
use tonic::Extensions;
use tonic::transport::server::UdsConnectInfo;
use weir_proto::v1::access_entry::Entry;
use weir_proto::v1::{ChangeAccessRequest, ChangeAccessResponse};
use weir_service::accept::Peer;
use weir_service::telemetry::AUDIT_TARGET as TARGET;

/// A change under way. When it is dropped, its event is written.
pub(crate) struct ChangeEvent {
    subject: Subject,
    sender: String,
    begun: Instant,
    /// Absent: the sender left before there was an answer.
    outcome: Option<Result<Option<String>, String>>,
}

impl ChangeEvent {
    /// None for a change that came through a gateway. `extensions` are those of the call.
    pub fn begin(request: &ChangeAccessRequest, extensions: &Extensions) -> Option<Self> {
        let is_of_session = request.request_id.as_ref().is_some_and(|id| id.sequence != 0);
        let subject = request.change.as_ref().map(Subject::of).unwrap_or_default();
        (!is_of_session).then(|| Self { subject, sender: sender(extensions), begun: Instant::now(), outcome: None })
    }

    pub fn end(mut self, outcome: &Result<ChangeAccessResponse, Error>) {
        self.outcome = Some(match outcome {
            Ok(answer) => Ok(made_key(answer)),
            Err(error) => Err(reason_of(error)),
        });
    }
}

impl Drop for ChangeEvent {
    fn drop(&mut self) {
        let Subject { action, resource, parameters } = &self.subject;
        let (outcome, error, made) = match &self.outcome {
            Some(Ok(made)) => ("done", None, made.as_deref()),
            Some(Err(reason)) => ("refused", Some(reason.as_str()), None),
            None => ("in doubt", None, None),
        };
        tracing::info!(
            target: TARGET,
            identity = "operator",
            peer = self.sender,
            action,
            resource,
            parameters,
            outcome,
            error,
            issued_access_key_id = made,
            duration_us = u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX),
            "a change of access that came through no gateway"
        );
    }
}

/// Who is at the other end, as far as the system vouches for it.
fn sender(extensions: &Extensions) -> String {
    if let Some(peer) = extensions.get::<Peer>() {
        return peer.address.to_string();
    }
    let credentials = extensions.get::<UdsConnectInfo>().and_then(|info| info.peer_cred);
    match credentials {
        Some(credentials) => match credentials.pid() {
            Some(pid) => format!("uid={} pid={pid}", credentials.uid()),
            None => format!("uid={}", credentials.uid()),
        },
        None => "this process".to_owned(),
    }
}

/// The id of an access key that was made.
fn made_key(answer: &ChangeAccessResponse) -> Option<String> {
    match answer.entry.as_ref()?.entry.as_ref()? {
        Entry::AccessKey(key) if !answer.secret_access_key.is_empty() => Some(key.access_key_id.clone()),
        _ => None,
    }
}

/// Such as `NO_SUCH_ENTITY`.
fn reason_of(error: &Error) -> String {
    let name = error.reason().as_str_name();
    name.strip_prefix("REASON_").unwrap_or(name).to_owned()
}

#[cfg(test)]
mod tests;
