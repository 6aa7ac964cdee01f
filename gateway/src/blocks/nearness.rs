//! Which replica is asked first: the nearest of those that are well.

use super::health::WorkerHealth;
use super::placement::host_of;
use std::net::IpAddr;
use weir_proto::v1::{self, WorkerState};
use weir_service::clock::Clock;

/// Where this gateway runs. Empty labels are like no one's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nearness {
    pub zone: String,
    pub host: String,
}

impl Nearness {
    /// Lost workers last, those that failed of late before them; of the others those of this host first, then those of
    /// this zone, and equal ones in any order.
    pub fn sort(&self, replicas: &mut [v1::Worker], health: &WorkerHealth, clock: &dyn Clock) {
        if replicas.len() < 2 {
            return;
        }
        let first = (clock.random_u64() % replicas.len() as u64) as usize;
        replicas.rotate_left(first);
        replicas.sort_by_cached_key(|worker| {
            let failures = match health.is_avoided(worker.worker_id) || health.is_late(worker.worker_id) {
                true => health.failure_count(worker.worker_id).max(1),
                false => 0,
            };
            (is_lost(worker), failures, !self.is_same_host(worker), !self.is_same_zone(worker))
        });
    }

    /// Is it better to do without the worker, where that can be done?
    pub fn is_doubtful(&self, worker: &v1::Worker, health: &WorkerHealth) -> bool {
        is_lost(worker) || health.is_avoided(worker.worker_id) || health.is_late(worker.worker_id)
    }

    /// Does the worker run on this machine, as far as the labels tell?
    pub fn is_same_host(&self, worker: &v1::Worker) -> bool {
        let host = host_of(worker);
        let is_loopback = || {
            let host = host.trim_start_matches('[').trim_end_matches(']');
            host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
        };
        host.is_empty() || host == self.host || is_loopback()
    }

    fn is_same_zone(&self, worker: &v1::Worker) -> bool {
        !self.zone.is_empty() && self.zone == worker.zone
    }
}

fn is_lost(worker: &v1::Worker) -> bool {
    match worker.state() {
        WorkerState::Unspecified => !worker.live,
        state => state == WorkerState::Lost,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use weir_service::clock::ManualClock;

    fn worker(worker_id: u64, zone: &str, host: &str) -> v1::Worker {
        let state = WorkerState::Live.into();
        v1::Worker { worker_id, zone: zone.into(), host: host.into(), live: true, state, ..Default::default() }
    }

    #[test]
    fn the_nearest_replica_that_is_well_comes_first() {
        let clock = Arc::new(ManualClock::at(0));
        let health = WorkerHealth::new(clock.clone());
        let here = Nearness { zone: "a".into(), host: "x".into() };
        let mut replicas = vec![worker(1, "b", "z"), worker(2, "a", "y"), worker(3, "a", "x"), worker(4, "", "x")];
        replicas[3].state = WorkerState::Lost.into();
        let mut order = || {
            here.sort(&mut replicas, &health, &*clock);
            replicas.iter().map(|worker| worker.worker_id).collect::<Vec<_>>()
        };
        for _ in 0..20 {
            assert_eq!(order(), [3, 2, 1, 4]);
        }
        health.failed(3);
        assert_eq!(order(), [2, 1, 3, 4]);
        health.was_late(2);
        health.was_late(1);
        health.failed(1);
        assert!(matches!(order()[..], [2, 1, 3, 4] | [2, 3, 1, 4] | [1, 2, 3, 4] | [1, 3, 2, 4] | [3, 2, 1, 4]));
        clock.advance(60_000);
        assert_eq!(order(), [3, 2, 1, 4]);
    }

    #[test]
    fn equal_replicas_take_turns() {
        let clock = ManualClock::at(0);
        let health = WorkerHealth::new(Arc::new(ManualClock::at(0)));
        let mut replicas = vec![worker(1, "", "x"), worker(2, "", "y"), worker(3, "", "z")];
        let mut first = std::collections::BTreeSet::new();
        for _ in 0..50 {
            Nearness::default().sort(&mut replicas, &health, &clock);
            first.insert(replicas[0].worker_id);
        }
        assert_eq!(first.len(), 3);
    }

    #[test]
    fn a_worker_on_loopback_or_in_this_process_is_on_this_host() {
        let here = Nearness { zone: String::new(), host: "x".into() };
        let at = |address: &str| v1::Worker { address: address.into(), ..Default::default() };
        for near in ["", "127.0.0.1:29999", "[::1]:29999", "localhost:1", "x:7"] {
            assert!(here.is_same_host(&at(near)), "{near}");
        }
        assert!(!here.is_same_host(&at("10.0.0.1:29999")));
        assert!(!Nearness::default().is_same_host(&worker(1, "", "y")));
    }
}
