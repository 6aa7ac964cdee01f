//! What never became a request has a line in the audit log all the same: whoever looks for attacks looks there.

use super::Server;
use crate::audit::{AuditRecord, Entry};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use weir_service::accept::{Refusal, Refused};

/// Connections over the cap have one line in this time, whoever they are: a flood must not fill the disk. The metric
/// counts them all.
const NO_PLACE_INTERVAL_MS: i64 = 1_000;

/// Lets one through in each interval.
#[derive(Debug)]
pub struct Seldom {
    last_ms: AtomicI64,
}

impl Default for Seldom {
    fn default() -> Self {
        Self { last_ms: AtomicI64::new(i64::MIN) }
    }
}

impl Seldom {
    fn lets_through(&self, now_ms: i64) -> bool {
        let last_ms = self.last_ms.load(Relaxed);
        // A clock that was set back must not silence it.
        let is_due = now_ms.saturating_sub(last_ms) >= NO_PLACE_INTERVAL_MS || now_ms < last_ms;
        is_due && self.last_ms.compare_exchange(last_ms, now_ms, Relaxed, Relaxed).is_ok()
    }
}

impl Server {
    /// Counts it and writes it down. Neither blocks nor waits: without room in the queue the line is counted as lost.
    pub fn note_refused(&self, refused: &Refused) {
        let Refused { peer, refusal } = *refused;
        self.metrics.refused_before_request(refusal.name());
        let now_ms = self.context.clock.now_ms();
        if refusal == Refusal::NoPlace {
            if !self.no_place.lets_through(now_ms) {
                return;
            }
            tracing::warn!(peer = %peer.address, "connections are refused: there are as many as are allowed");
        }
        let record = AuditRecord {
            time_ms: now_ms,
            request_id: self.identity.request_id(),
            peer: Some(peer.address),
            secure: peer.secure,
            status: refusal.status(),
            error: Some(refusal.name()),
            ..AuditRecord::default()
        };
        let mut entry = Entry::begin(self.audit.clone(), record, Arc::default(), tracing::Span::none());
        if !self.audit.has_room() {
            entry.give_up();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_told_once_in_a_while() {
        let seldom = Seldom::default();
        let told = (0..5_000).filter(|now_ms| seldom.lets_through(*now_ms)).count();
        assert_eq!(told, 5);
        assert!(seldom.lets_through(10), "also when the clock was set back");
        assert!(!seldom.lets_through(11));
    }
}
