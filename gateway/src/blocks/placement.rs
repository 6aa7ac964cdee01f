//! Which workers a new block goes to.

use weir_proto::{Failure, v1};
use weir_service::clock::Clock;

/// Chooses `replication` different live workers, each with a chance that grows with its free space.
///
/// # Errors
/// `UNAVAILABLE` when fewer are live: an acknowledged write has all its copies.
pub fn place(workers: &[v1::Worker], replication: usize, clock: &dyn Clock) -> Result<Vec<v1::Worker>, Failure> {
    let mut candidates: Vec<&v1::Worker> = workers.iter().filter(|worker| worker.live).collect();
    if candidates.len() < replication {
        let message = format!("{replication} live workers are needed for a new block, there are {}", candidates.len());
        return Err(Failure::new(v1::Reason::Unavailable, "", message));
    }
    let mut chosen = Vec::with_capacity(replication);
    for _ in 0..replication {
        let index = pick(&candidates, clock);
        chosen.push(candidates.swap_remove(index).clone());
    }
    Ok(chosen)
}

/// The index of one of the candidates, of which there is at least one.
fn pick(candidates: &[&v1::Worker], clock: &dyn Clock) -> usize {
    if let [_] = candidates {
        return 0;
    }
    // A full worker is still better than none: its own answer says whether it has room.
    let weight = |worker: &v1::Worker| u128::from(worker.free_bytes) + 1;
    let total: u128 = candidates.iter().map(|worker| weight(worker)).sum();
    let mut point = u128::from(clock.random_u64()) % total;
    for (index, worker) in candidates.iter().enumerate() {
        if point < weight(worker) {
            return index;
        }
        point -= weight(worker);
    }
    candidates.len() - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_service::clock::ManualClock;

    fn worker(worker_id: u64, free_bytes: u64, live: bool) -> v1::Worker {
        v1::Worker { worker_id, free_bytes, live, ..Default::default() }
    }

    #[test]
    fn the_chosen_workers_are_live_and_different() {
        let workers = [worker(1, 10, true), worker(2, 10, false), worker(3, 0, true), worker(4, 10, true)];
        let clock = ManualClock::at(0);
        for _ in 0..100 {
            let mut ids: Vec<u64> = place(&workers, 3, &clock).unwrap().iter().map(|w| w.worker_id).collect();
            ids.sort_unstable();
            assert_eq!(ids, [1, 3, 4]);
        }
    }

    #[test]
    fn too_few_live_workers_are_refused() {
        let workers = [worker(1, 10, true), worker(2, 10, false)];
        let failure = place(&workers, 2, &ManualClock::at(0)).unwrap_err();
        assert_eq!(failure.reason, v1::Reason::Unavailable);
        assert!(place(&[], 1, &ManualClock::at(0)).is_err());
    }

    #[test]
    fn a_worker_with_more_free_space_is_chosen_more_often() {
        let workers = [worker(1, 1_000_000, true), worker(2, 9_000_000, true)];
        let clock = ManualClock::at(0);
        let second = (0..1000).filter(|_| place(&workers, 1, &clock).unwrap()[0].worker_id == 2).count();
        assert!((850..950).contains(&second), "{second}");
    }
}
