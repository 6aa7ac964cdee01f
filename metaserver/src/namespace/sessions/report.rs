//! What operators see of the gateways: those that have a session, and for a while those whose session ran out.

use super::{Session, Sessions, State};
use crate::namespace::Namespace;
use std::collections::BTreeMap;
use weir_proto::{SHELL_ADDRESS, v1};

/// Gateways that are remembered although their sessions are over.
const LOST_MAX_COUNT: usize = 1_000;

/// Gateways whose sessions ran out, by address. Those that closed them are not missed.
#[derive(Default)]
pub(super) struct Lost(BTreeMap<String, LostGateway>);

struct LostGateway {
    report: v1::GatewayReport,
    /// When it was last heard of; of one that was not, when the metaserver started.
    silent_since_ms: i64,
}

impl Lost {
    fn add(&mut self, lost: LostGateway) {
        self.0.insert(lost.report.address.clone(), lost);
        if self.0.len() > LOST_MAX_COUNT
            && let Some(longest) = self.0.iter().min_by_key(|(_, lost)| lost.silent_since_ms)
        {
            let address = longest.0.clone();
            self.0.remove(&address);
        }
    }

    /// A gateway has a session again.
    pub fn is_back(&mut self, address: &str) {
        self.0.remove(address);
    }

    fn forget(&mut self, forget_ms: i64, now_ms: i64) {
        self.0.retain(|_, lost| now_ms.saturating_sub(lost.silent_since_ms) <= forget_ms);
    }
}

impl Session {
    fn report(&self, session_id: u64, timeout_ms: i64, now_ms: i64) -> v1::GatewayReport {
        let is_heard = self.heard_beside.is_some();
        v1::GatewayReport {
            session_id,
            address: self.record.address.clone(),
            version: self.record.version.clone(),
            started_ms: self.record.started_ms,
            last_heartbeat_ms: if is_heard { self.last_heartbeat_ms } else { 0 },
            live: is_heard && now_ms.saturating_sub(self.last_heartbeat_ms) <= timeout_ms,
            protocol: self.protocol,
        }
    }
}

impl State {
    /// Those that have a session. One that was not heard of since another opened one at its address has started again
    /// as that; of two that share an address, since they name one that means all of a machine's, both are heard of.
    fn with_session(&self, timeout_ms: i64, now_ms: i64) -> Vec<v1::GatewayReport> {
        let newest: BTreeMap<&str, u64> =
            self.live.iter().map(|(id, session)| (&*session.record.address, *id)).collect();
        let is_there = |(id, session): &(&u64, &Session)| {
            let newest = newest.get(&*session.record.address).copied().unwrap_or_default();
            newest == **id || session.heard_beside.is_some_and(|heard_beside| heard_beside >= newest)
        };
        let there = self.live.iter().filter(is_there);
        there.map(|(id, session)| session.report(*id, timeout_ms, now_ms)).collect()
    }
}

impl Sessions {
    /// Remembers gateways whose sessions ran out. A shell serves no one, and is not missed.
    pub(super) fn lose(&self, session_ids: &[u64]) {
        let mut state = self.0.lock();
        let State { live, ended, lost, .. } = &mut *state;
        for session_id in session_ids {
            let Some(session) = ended.get(session_id) else { continue };
            let address = &session.record.address;
            let is_back = live.values().any(|other| other.record.address == *address);
            if *address != SHELL_ADDRESS && !is_back {
                let report = session.report(*session_id, 0, i64::MAX);
                lost.add(LostGateway { report, silent_since_ms: session.last_heartbeat_ms });
            }
        }
    }

    fn report(&self, timeout_ms: i64, forget_ms: i64, now_ms: i64) -> Vec<v1::GatewayReport> {
        let mut state = self.0.lock();
        state.lost.forget(forget_ms, now_ms);
        let lost = state.lost.0.values().map(|lost| lost.report.clone());
        let mut reports: Vec<_> = state.with_session(timeout_ms, now_ms).into_iter().chain(lost).collect();
        reports.sort_by_key(|report| report.session_id);
        reports
    }
}

impl Namespace {
    /// Gateways, and shells that have a session, by the age of their sessions.
    pub(crate) fn gateways(&self) -> Vec<v1::GatewayReport> {
        let ms = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
        let settings = &self.settings;
        self.sessions.report(ms(settings.gateway_timeout_ms), ms(settings.gateway_forget_ms), self.clock.now_ms())
    }

    /// The same, counted for Prometheus.
    pub(crate) fn tell_gateways(&self) -> Vec<v1::GatewayReport> {
        let reports = self.gateways();
        let gateways = || reports.iter().filter(|report| report.address != SHELL_ADDRESS);
        let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.metrics.gateways.set(count(gateways().count()));
        self.metrics.live_gateways.set(count(gateways().filter(|gateway| gateway.live).count()));
        reports
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fixture;

    const HOUR_MS: i64 = 3_600_000;

    async fn open(fixture: &Fixture, address: &str) -> u64 {
        let request = v1::OpenSessionRequest { address: address.into(), version: "1".into(), ..Default::default() };
        fixture.namespace.open_session(&request).await.unwrap().0
    }

    fn beat(fixture: &Fixture, session_id: u64) {
        fixture.namespace.heartbeat(&v1::HeartbeatRequest { session_id, ..Default::default() }).unwrap();
    }

    /// Those at an address, by session: is it live?
    fn at(fixture: &Fixture, address: &str) -> Vec<(u64, bool)> {
        let reports = fixture.namespace.tell_gateways().into_iter().filter(|report| report.address == address);
        reports.map(|report| (report.session_id, report.live)).collect()
    }

    #[tokio::test]
    async fn a_gateway_that_is_silent_is_lost_then_told_of_without_a_session_and_at_last_forgotten() {
        let fixture = Fixture::new().await;
        let gone = open(&fixture, "a:1").await;
        let shell = open(&fixture, SHELL_ADDRESS).await;
        fixture.clock.advance(10_000);
        assert_eq!(at(&fixture, "a:1"), [(gone, true)]);
        fixture.clock.advance(1);
        assert_eq!(at(&fixture, "a:1"), [(gone, false)]);
        beat(&fixture, gone);
        assert_eq!(at(&fixture, "a:1"), [(gone, true)], "it was only slow");
        fixture.clock.advance(30_001);
        assert!(fixture.namespace.expire_sessions().contains(&shell));
        assert_eq!(at(&fixture, "a:1"), [(gone, false)]);
        assert_eq!(at(&fixture, SHELL_ADDRESS), [], "nobody misses a shell");
        let metrics = &fixture.namespace.metrics;
        assert_eq!((metrics.gateways.get(), metrics.live_gateways.get()), (2, 0), "it, and the fixture's own");
        fixture.clock.advance(HOUR_MS - 30_001);
        assert_eq!(at(&fixture, "a:1"), [(gone, false)]);
        fixture.clock.advance(1);
        assert_eq!(at(&fixture, "a:1"), []);
    }

    #[tokio::test]
    async fn a_gateway_that_ends_in_order_is_gone_at_once() {
        let fixture = Fixture::new().await;
        let session_id = open(&fixture, "a:1").await;
        fixture.namespace.close_session(session_id).await.unwrap();
        assert_eq!(at(&fixture, "a:1"), []);
    }

    #[tokio::test]
    async fn a_gateway_that_starts_again_at_its_address_is_told_of_once() {
        let fixture = Fixture::new().await;
        open(&fixture, "a:1").await;
        let again = open(&fixture, "a:1").await;
        assert_eq!(at(&fixture, "a:1"), [(again, true)], "its former session has a lease yet");
        let expired = fixture.namespace.sessions.live_count();
        fixture.clock.advance(30_000);
        beat(&fixture, again);
        fixture.clock.advance(1);
        fixture.namespace.expire_sessions();
        assert!(fixture.namespace.sessions.live_count() < expired);
        assert_eq!(at(&fixture, "a:1"), [(again, true)]);
        fixture.clock.advance(30_001);
        fixture.namespace.expire_sessions();
        assert_eq!(at(&fixture, "a:1"), [(again, false)]);
        let third = open(&fixture, "a:1").await;
        assert_eq!(at(&fixture, "a:1"), [(third, true)]);
    }

    #[tokio::test]
    async fn gateways_on_two_machines_that_name_the_same_address_are_both_told_of() {
        let fixture = Fixture::new().await;
        let one = open(&fixture, "0.0.0.0:1").await;
        let other = open(&fixture, "0.0.0.0:1").await;
        beat(&fixture, one);
        assert_eq!(at(&fixture, "0.0.0.0:1"), [(one, true), (other, true)]);
    }

    #[tokio::test]
    async fn after_a_restart_of_all_no_gateway_is_told_of_twice_and_none_is_live_before_it_is_heard_of() {
        let fixture = Fixture::new().await;
        let (gone, back) = (open(&fixture, "a:1").await, open(&fixture, "b:1").await);
        let restarted = Fixture::over_running(&fixture).await;
        let report = restarted.namespace.gateways().into_iter().find(|report| report.session_id == gone).unwrap();
        assert_eq!((report.live, report.last_heartbeat_ms), (false, 0));
        let again = open(&restarted, "a:1").await;
        assert_eq!(at(&restarted, "a:1"), [(again, true)]);
        beat(&restarted, back);
        assert_eq!(at(&restarted, "b:1"), [(back, true)]);
    }

    #[tokio::test]
    async fn lost_gateways_are_remembered_up_to_a_limit_the_latest_of_them() {
        let mut lost = Lost::default();
        for at in 0..=LOST_MAX_COUNT {
            let report = v1::GatewayReport { address: at.to_string(), ..Default::default() };
            lost.add(LostGateway { report, silent_since_ms: i64::try_from(at).unwrap() });
        }
        assert_eq!(lost.0.len(), LOST_MAX_COUNT);
        assert!(!lost.0.contains_key("0"));
    }
}
