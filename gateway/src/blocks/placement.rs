//! Which workers a new block goes to: live ones with room, spread over zones, then hosts, the emptier ones more often.

use super::health::WorkerHealth;
use weir_proto::Failure;
use weir_proto::v1::{self, Reason, WorkerState};
use weir_service::clock::Clock;
use weir_service::planted::{Fault, planted};

/// Free space that new blocks leave on a worker as long as others have more: it is full only for those who have no
/// choice, and what other gateways write meanwhile still fits.
const RESERVE_BYTES: u64 = 64 << 20;

/// How many copies of each block there are to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copies {
    /// As many as are made while enough healthy workers have room.
    pub wanted: usize,
    /// With fewer no write is acknowledged. At least 1, at most `wanted`.
    pub min: usize,
}

impl Copies {
    /// `min`: 0 stands for a majority of those wanted; where fewer are wanted than it says, all are needed.
    pub fn new(wanted: u32, min: u32) -> Self {
        let wanted = wanted.max(1) as usize;
        let min = if min == 0 { wanted / 2 + 1 } else { min as usize };
        Self { wanted, min: min.min(wanted) }
    }

    /// What a block lacks that some workers have.
    pub fn lacking<'a>(self, holders: &'a [u64], excluded: &'a [u64], length_bytes: u64) -> Need<'a> {
        let (copies, min) = (self.wanted.saturating_sub(holders.len()), self.min.saturating_sub(holders.len()));
        Need { copies, min, length_bytes, holders, excluded }
    }
}

/// What a block needs.
#[derive(Clone, Copy, Debug)]
pub struct Need<'a> {
    /// Workers for so many copies are looked for.
    pub copies: usize,
    /// With fewer nothing is won: up to so many are chosen among workers that failed lately or are nearly full.
    pub min: usize,
    pub length_bytes: u64,
    /// Workers that have a copy, which the others are to lie far from.
    pub holders: &'a [u64],
    /// Workers that are out of the question.
    pub excluded: &'a [u64],
}

/// Chooses different workers, `need.copies` of them or as many as there are.
pub fn choose(workers: &[v1::Worker], need: &Need<'_>, health: &WorkerHealth, clock: &dyn Clock) -> Vec<v1::Worker> {
    let is_taken =
        |worker: &v1::Worker| need.holders.contains(&worker.worker_id) || need.excluded.contains(&worker.worker_id);
    let usable = workers.iter().filter(|worker| takes_blocks(worker) && !is_taken(worker));
    let usable = usable.filter(|worker| worker.free_bytes >= need.length_bytes);
    let (mut good, mut poor): (Vec<&v1::Worker>, Vec<_>) = usable.partition(|worker| {
        worker.free_bytes - need.length_bytes >= RESERVE_BYTES && !health.is_avoided(worker.worker_id)
    });
    let mut spread = Spread::new(workers.iter().filter(|worker| need.holders.contains(&worker.worker_id)));
    let mut chosen = Vec::with_capacity(need.copies);
    for (candidates, count) in [(&mut good, need.copies), (&mut poor, need.min)] {
        while chosen.len() < count
            && let Some(worker) = spread.pick(candidates, clock)
        {
            chosen.push(worker.clone());
        }
    }
    chosen
}

/// Why there are too few workers for a block.
pub fn shortage(workers: &[v1::Worker], need: &Need<'_>) -> Failure {
    let live = workers.iter().filter(|worker| takes_blocks(worker)).count();
    let needed = need.min;
    if live >= needed {
        let message = format!("{needed} workers with room for a new block are needed, and {live} live ones are full");
        return Failure::new(Reason::NoSpace, "", message);
    }
    let message = format!("{needed} live workers are needed for a new block, there are {live}");
    Failure::new(Reason::TooFewWorkers, "", message)
}

/// Is it neither lost nor being emptied?
fn takes_blocks(worker: &v1::Worker) -> bool {
    match worker.state() {
        WorkerState::Live => true,
        WorkerState::Unspecified => worker.live,
        WorkerState::Lost | WorkerState::Draining | WorkerState::Drained => false,
    }
}

/// The host of a worker: its label, else its address without the port.
pub fn host_of(worker: &v1::Worker) -> &str {
    match worker.host.as_str() {
        "" => worker.address.rsplit_once(':').map_or(worker.address.as_str(), |(host, _)| host),
        host => host,
    }
}

/// Where copies lie so far.
struct Spread<'a> {
    zones: Vec<&'a str>,
    hosts: Vec<&'a str>,
}

impl<'a> Spread<'a> {
    fn new(holders: impl Iterator<Item = &'a v1::Worker>) -> Self {
        let (zones, hosts) = holders.map(|worker| (worker.zone.as_str(), host_of(worker))).unzip();
        Self { zones, hosts }
    }

    /// Takes out one of those that share their zone, then their host, with the fewest copies.
    fn pick(&mut self, candidates: &mut Vec<&'a v1::Worker>, clock: &dyn Clock) -> Option<&'a v1::Worker> {
        let crowd = |worker: &v1::Worker| {
            let count = |places: &[&str], place: &str| places.iter().filter(|taken| **taken == place).count();
            (count(&self.zones, &worker.zone), count(&self.hosts, host_of(worker)))
        };
        let least = candidates.iter().map(|worker| crowd(worker)).min()?;
        let best: Vec<usize> = (0..candidates.len()).filter(|index| crowd(candidates[*index]) == least).collect();
        let weights: Vec<u64> = best.iter().map(|index| candidates[*index].free_bytes).collect();
        let index = best[by_weight(&weights, clock)];
        let worker =
            if planted(Fault::TwoCopiesOnOneWorker) { candidates[index] } else { candidates.swap_remove(index) };
        self.zones.push(&worker.zone);
        self.hosts.push(host_of(worker));
        Some(worker)
    }
}

/// The index of one of the weights, of which there is at least one, each with a chance that grows with it.
fn by_weight(weights: &[u64], clock: &dyn Clock) -> usize {
    if let [_] = weights {
        return 0;
    }
    let total: u128 = weights.iter().map(|weight| u128::from(*weight) + 1).sum();
    let mut point = u128::from(clock.random_u64()) % total;
    for (index, weight) in weights.iter().enumerate() {
        let weight = u128::from(*weight) + 1;
        if point < weight {
            return index;
        }
        point -= weight;
    }
    weights.len() - 1
}

/// The ids of workers.
pub fn ids(workers: &[v1::Worker]) -> Vec<u64> {
    workers.iter().map(|worker| worker.worker_id).collect()
}

#[cfg(test)]
#[path = "placement_tests.rs"]
mod tests;
