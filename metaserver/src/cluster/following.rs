//! The table of workers as gateways follow it: each answer carries what has changed since the one before. With a
//! thousand workers and a hundred gateways, whole tables would be ten megabytes a second of things that are known.

use super::told::Told;
use super::workers::{State, Workers};
use crate::namespace::Namespace;
use weir_proto::v1::{Worker, WorkersVersion};

/// What a gateway is told.
#[derive(Debug, PartialEq)]
pub(crate) struct Following {
    pub workers: Vec<Worker>,
    pub version: WorkersVersion,
    /// The workers are those that differ from what it knew, not all.
    pub only_changed: bool,
}

impl Workers {
    /// What differs from the table that a gateway has; none: it has none, and gets all.
    pub(crate) fn follow(&self, namespace: &Namespace, known: Option<&WorkersVersion>) -> Following {
        let (now_ms, patience) = (namespace.clock.now_ms(), super::workers::patience(namespace));
        let mut states = self.states.lock();
        let mut changes = self.changes.lock();
        let next = changes.last + 1;
        for state in states.values_mut() {
            let (live, standing) = state.standing(patience, now_ms);
            if !state.told.as_ref().is_some_and(|told| told.still_holds(&state.worker, live, standing.into())) {
                state.told = Some(Told { worker: state.brief(live, standing.into()), change: next });
                changes.last = next;
            }
        }
        let is_ours = |known: &&WorkersVersion| {
            known.run == changes.run && (changes.whole_since..=changes.last).contains(&known.change)
        };
        let known = known.filter(is_ours);
        let since = known.map_or(0, |known| known.change);
        let told = states.values().filter_map(|state| state.told.as_ref());
        Following {
            workers: told.filter(|told| told.change > since).map(|told| told.worker.clone()).collect(),
            version: WorkersVersion { run: changes.run, change: changes.last },
            only_changed: known.is_some(),
        }
    }
}

impl State {
    /// What gateways need of it.
    fn brief(&self, live: bool, standing: i32) -> Worker {
        let Worker { worker_id, address, zone, host, free_bytes, .. } = &self.worker;
        Worker {
            worker_id: *worker_id,
            address: address.clone(),
            zone: zone.clone(),
            host: host.clone(),
            free_bytes: *free_bytes,
            live,
            state: standing,
            ..Default::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fixture;
    use weir_proto::v1::{RegisterWorkerRequest, WorkerHeartbeatRequest, WorkerState};

    fn follow(fixture: &Fixture, known: &Following) -> Following {
        fixture.cluster.workers.follow(&fixture.namespace, Some(&known.version))
    }

    async fn beat(fixture: &Fixture, free_bytes: u64) {
        let request = WorkerHeartbeatRequest { worker_id: fixture.worker_id, free_bytes, ..Default::default() };
        fixture.cluster.worker_heartbeat(&request).await.unwrap();
    }

    #[tokio::test]
    async fn a_gateway_is_told_of_each_worker_once_and_then_of_changes() {
        let fixture = Fixture::new().await;
        let whole = fixture.cluster.workers.follow(&fixture.namespace, None);
        assert!(!whole.only_changed);
        assert_eq!(whole.workers.len(), 1);
        let same = follow(&fixture, &whole);
        assert_eq!((same.workers.len(), same.only_changed, &same.version), (0, true, &whole.version));
        let request = RegisterWorkerRequest { address: "host:2".into(), zone: "b".into(), ..Default::default() };
        let other = fixture.cluster.register_worker(&request).await.unwrap().worker_id;
        let more = follow(&fixture, &whole);
        assert_eq!(more.workers.iter().map(|worker| worker.worker_id).collect::<Vec<_>>(), [other]);
        assert_eq!((more.workers[0].address.as_str(), more.workers[0].zone.as_str()), ("host:2", "b"));
        assert!(follow(&fixture, &more).workers.is_empty());
        assert_eq!(follow(&fixture, &whole), more, "who missed an answer gets it again");
    }

    #[tokio::test]
    async fn a_worker_that_falls_silent_is_a_change_and_so_is_its_return() {
        let fixture = Fixture::new().await;
        let whole = fixture.cluster.workers.follow(&fixture.namespace, None);
        fixture.clock.advance(10_001);
        let lost = follow(&fixture, &whole);
        assert_eq!((lost.workers[0].live, lost.workers[0].state()), (false, WorkerState::Lost));
        beat(&fixture, 0).await;
        assert!(follow(&fixture, &lost).workers[0].live);
    }

    #[tokio::test]
    async fn free_space_is_told_roughly_while_there_is_plenty() {
        let fixture = Fixture::new().await;
        beat(&fixture, 800 << 30).await;
        let mut known = fixture.cluster.workers.follow(&fixture.namespace, None);
        for (free_bytes, is_told) in [(790 << 30, false), (699 << 30, true), (700 << 30, false), (1 << 29, true)] {
            beat(&fixture, free_bytes).await;
            let next = follow(&fixture, &known);
            assert_eq!(
                next.workers.iter().map(|worker| worker.free_bytes).collect::<Vec<_>>(),
                match is_told {
                    true => vec![free_bytes],
                    false => vec![],
                }
            );
            known = next;
        }
        beat(&fixture, (1 << 29) - 1).await;
        assert_eq!(follow(&fixture, &known).workers.len(), 1, "what may decide is told to the byte");
    }

    #[tokio::test]
    async fn after_a_worker_is_forgotten_or_the_metaserver_has_started_anew_the_table_comes_whole() {
        let fixture = Fixture::new().await;
        let other = fixture.cluster.register_worker(&RegisterWorkerRequest::default()).await.unwrap().worker_id;
        let whole = fixture.cluster.workers.follow(&fixture.namespace, None);
        fixture.cluster.workers.remove(&fixture.namespace, other);
        let rest = follow(&fixture, &whole);
        assert_eq!((rest.only_changed, rest.workers.len()), (false, 1));
        assert!(follow(&fixture, &rest).only_changed);
        let restarted = Fixture::over_running(&fixture).await;
        assert!(!follow(&restarted, &rest).only_changed);
    }
}
