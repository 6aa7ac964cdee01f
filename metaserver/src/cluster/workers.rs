//! The workers that have registered: where they are, how full, what operators want of them, and when they were last
//! heard of.

use super::members::{Member, Members, Patience, Place};
use super::told::{Changes, Told};
use crate::error::Error;
use crate::namespace::Namespace;
use crate::records::decode;
use crate::records::key::successor;
use crate::records::worker::{self, Duty, WorkerRecord};
use parking_lot::Mutex;
use prometheus_client::metrics::gauge::Gauge;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use weir_proto::v1::{Worker, WorkerDisk, WorkerHeartbeatRequest, WorkerState};

/// Blocks that a worker can be about to be asked for. More wait for the next look at all blocks.
const MAX_QUESTIONS: usize = 200_000;

/// Blocks that one answer asks for.
const QUESTIONS_PER_ANSWER: usize = 10_000;

/// Former starts of a worker that are known not to be its latest.
const MAX_RETIRED: usize = 16;

/// All workers that have registered, by id.
pub(crate) struct Workers {
    pub(super) states: Mutex<BTreeMap<u64, State>>,
    /// Taken after `states` by who needs both.
    pub(super) changes: Mutex<Changes>,
    /// Since when a worker could be heard.
    started_ms: AtomicI64,
}

#[derive(Default)]
pub(super) struct State {
    pub worker: Worker,
    /// What the worker says of where it is.
    pub place: Arc<Place>,
    pub duty: Duty,
    pub disabled: bool,
    /// Since the metaserver started.
    pub has_reported: bool,
    /// It has said that it ends.
    pub has_left: bool,
    /// When it was last heard of; of one that has not reported, since when it could be.
    pub heard_ms: i64,
    pub inventory_wanted: bool,
    pub last_inventory_ms: i64,
    /// Earlier incarnations: they are refused while this one is live.
    pub retired: VecDeque<u64>,
    /// Every block that it should have is to be asked for with the next look at all blocks.
    pub check_wanted: bool,
    pub questions: VecDeque<u64>,
    pub disks: Vec<WorkerDisk>,
    /// As gateways were told of it; none: no one was.
    pub told: Option<Told>,
}

/// How a heartbeat was taken.
pub(super) struct Noted {
    pub send_inventory: bool,
    pub check_block_ids: Vec<u64>,
}

impl State {
    pub fn of(worker: Worker) -> Self {
        let host = if worker.host.is_empty() { host_of(&worker.address) } else { &worker.host }.to_owned();
        let place = Arc::new(Place { address: worker.address.clone(), zone: worker.zone.clone(), host });
        Self { worker, place, ..Self::default() }
    }

    /// Whether it has registered as this start of its process.
    pub fn is_run(&self, incarnation: u64) -> bool {
        self.has_reported && self.worker.incarnation == incarnation
    }

    /// Makes way for a later start of the same worker.
    pub fn retire(&mut self, incarnation: u64) {
        if self.worker.incarnation != incarnation {
            self.retired.retain(|former| *former != incarnation);
            self.retired.push_back(self.worker.incarnation);
            if self.retired.len() > MAX_RETIRED {
                self.retired.pop_front();
            }
        }
    }

    /// Whether it is live, and how it stands.
    pub fn standing(&self, patience: Patience, now_ms: i64) -> (bool, WorkerState) {
        let is_lost = self.has_left || now_ms.saturating_sub(self.heard_ms) > patience.live_ms;
        let state = match self.duty {
            Duty::Draining => WorkerState::Draining,
            Duty::Drained => WorkerState::Drained,
            Duty::Serving if is_lost => WorkerState::Lost,
            Duty::Serving => WorkerState::Live,
        };
        (self.has_reported && !is_lost, state)
    }

    fn shown(&self, patience: Patience, now_ms: i64) -> Worker {
        let (live, state) = self.standing(patience, now_ms);
        Worker { live, state: state.into(), ..self.worker.clone() }
    }
}

/// The host of `host:port`.
pub(super) fn host_of(address: &str) -> &str {
    address.rsplit_once(':').map_or(address, |(host, _port)| host)
}

impl Workers {
    /// Those that have registered before. None is live yet; each has a whole time-out from now on.
    pub async fn load(namespace: &Namespace) -> Result<Self, Error> {
        let prefix = worker::all();
        let end = successor(&prefix);
        let started_ms = namespace.clock.now_ms();
        let mut states = BTreeMap::new();
        namespace
            .scan_all(prefix, end, |key, value| {
                let record: WorkerRecord = decode(&key, value)?;
                let (worker_id, duty, disabled) = (worker::name(&key)?, record.duty(), record.disabled);
                let WorkerRecord { address, zone, host, .. } = record;
                let worker = Worker { worker_id, address, zone, host, ..Default::default() };
                let state = State { duty, disabled, heard_ms: started_ms, ..State::of(worker) };
                states.insert(worker_id, state);
                Ok(())
            })
            .await?;
        namespace.metrics.workers.set(i64::try_from(states.len()).unwrap_or(i64::MAX));
        let changes = Mutex::new(Changes::new(namespace.clock.random_u64()));
        Ok(Self { states: Mutex::new(states), changes, started_ms: AtomicI64::new(started_ms) })
    }

    /// Those that have not reported have a whole time-out from now on: they could not before.
    pub fn renew_patience(&self, now_ms: i64) {
        self.started_ms.store(now_ms, Ordering::Relaxed);
        let mut states = self.states.lock();
        states.values_mut().filter(|state| !state.has_reported).for_each(|state| state.heard_ms = now_ms);
    }

    pub fn is_known(&self, worker_id: u64) -> bool {
        self.states.lock().contains_key(&worker_id)
    }

    /// Does something with a worker; none: it is not known.
    pub(super) fn with<T>(&self, worker_id: u64, act: impl FnOnce(&mut State) -> T) -> Option<T> {
        self.states.lock().get_mut(&worker_id).map(act)
    }

    pub(super) fn insert(&self, namespace: &Namespace, worker_id: u64, state: State) {
        let mut states = self.states.lock();
        states.insert(worker_id, state);
        namespace.metrics.workers.set(i64::try_from(states.len()).unwrap_or(i64::MAX));
    }

    pub(super) fn remove(&self, namespace: &Namespace, worker_id: u64) {
        let mut states = self.states.lock();
        states.remove(&worker_id);
        self.changes.lock().forget();
        namespace.metrics.workers.set(i64::try_from(states.len()).unwrap_or(i64::MAX));
    }

    /// All workers, live or not.
    pub fn list(&self, namespace: &Namespace) -> Vec<Worker> {
        let (now_ms, patience) = (namespace.clock.now_ms(), patience(namespace));
        let workers: Vec<Worker> = self.states.lock().values().map(|state| state.shown(patience, now_ms)).collect();
        let tell = |gauge: &Gauge, counts: fn(&&Worker) -> bool| {
            gauge.set(i64::try_from(workers.iter().filter(counts).count()).unwrap_or(i64::MAX));
        };
        tell(&namespace.metrics.live_workers, |worker| worker.live);
        tell(&namespace.metrics.lost_workers, |worker| worker.is_missed());
        workers
    }

    /// All of them, each with its disks.
    pub fn with_disks(&self, namespace: &Namespace) -> Vec<Worker> {
        let mut workers = self.list(namespace);
        let states = self.states.lock();
        for worker in &mut workers {
            worker.disks = states.get(&worker.worker_id).map(|state| state.disks.clone()).unwrap_or_default();
        }
        workers
    }

    /// Some of all workers, by id; one that is not known has nothing but its id.
    pub fn by_ids(&self, namespace: &Namespace, ids: &[u64]) -> Vec<Worker> {
        let (now_ms, patience) = (namespace.clock.now_ms(), patience(namespace));
        let states = self.states.lock();
        ids.iter()
            .map(|id| match states.get(id) {
                Some(state) => state.shown(patience, now_ms),
                None => Worker { worker_id: *id, ..Default::default() },
            })
            .collect()
    }

    /// As repair sees them now.
    pub fn members(&self, namespace: &Namespace) -> Members {
        let now_ms = namespace.clock.now_ms();
        let member = |(&worker_id, state): (&u64, &mut State)| {
            // Heard later than now: the clock was set back, and the silence begins now.
            state.heard_ms = state.heard_ms.min(now_ms);
            let worker = &state.worker;
            let member = Member {
                worker_id,
                place: state.place.clone(),
                incarnation: worker.incarnation,
                has_reported: state.has_reported,
                has_left: state.has_left,
                silence_ms: now_ms.saturating_sub(state.heard_ms),
                draining: state.duty != Duty::Serving,
                used_bytes: worker.used_bytes,
                free_bytes: worker.free_bytes,
            };
            (worker_id, member)
        };
        Members {
            by_id: self.states.lock().iter_mut().map(member).collect(),
            patience: patience(namespace),
            unknown_silence_ms: now_ms.saturating_sub(self.started_ms.load(Ordering::Relaxed)),
        }
    }

    /// A worker ends in order: it is away from now on, and waited for as any that is silent. Whether that was news.
    pub(super) fn leave(&self, worker_id: u64, incarnation: u64, now_ms: i64) -> bool {
        let left = self.with(worker_id, |state| {
            let is_news = state.is_run(incarnation) && !state.has_left;
            if is_news {
                (state.has_left, state.heard_ms) = (true, now_ms);
            }
            is_news
        });
        left.unwrap_or(false)
    }

    /// Asks every worker for an inventory: something may have been left behind.
    pub fn want_inventories(&self) {
        self.states.lock().values_mut().for_each(|state| state.inventory_wanted = true);
    }

    pub fn inventory_came(&self, worker_id: u64, now_ms: i64) {
        self.with(worker_id, |state| state.last_inventory_ms = now_ms);
    }

    /// Takes those that are to be asked for all their blocks. For them [`Workers::ask`] takes questions.
    pub(super) fn take_check_wanted(&self) -> Vec<u64> {
        let mut states = self.states.lock();
        let wanted = states.iter_mut().filter(|(_, state)| state.has_reported && state.check_wanted);
        wanted
            .map(|(id, state)| {
                state.check_wanted = false;
                *id
            })
            .collect()
    }

    /// Has a worker asked for a block. One that has too many questions before it is asked again later.
    pub(super) fn ask(&self, worker_id: u64, block_id: u64) {
        self.with(worker_id, |state| match state.questions.len() < MAX_QUESTIONS {
            true => state.questions.push_back(block_id),
            false => state.check_wanted = true,
        });
    }

    /// Takes a heartbeat's figures. None: the worker has to register.
    pub(super) fn note(&self, request: &WorkerHeartbeatRequest, namespace: &Namespace) -> Option<Noted> {
        let now_ms = namespace.clock.now_ms();
        let interval_ms = i64::try_from(namespace.settings.inventory_interval_ms).unwrap_or(i64::MAX);
        let mut states = self.states.lock();
        let state =
            states.get_mut(&request.worker_id).filter(|state| state.is_run(request.incarnation) && !state.has_left)?;
        state.worker.capacity_bytes = request.capacity_bytes;
        state.worker.used_bytes = request.used_bytes;
        state.worker.free_bytes = request.free_bytes;
        state.worker.block_count = request.block_count;
        state.disks.clone_from(&request.disks);
        state.worker.last_heartbeat_ms = now_ms;
        state.heard_ms = now_ms;
        // Also when the clock was set back to before the last one.
        let due = !(0..interval_ms).contains(&now_ms.saturating_sub(state.last_inventory_ms));
        if due {
            // Asked for once an interval, whether it comes or not.
            state.last_inventory_ms = now_ms;
            state.check_wanted = true;
        }
        let count = state.questions.len().min(QUESTIONS_PER_ANSWER);
        Some(Noted {
            send_inventory: std::mem::take(&mut state.inventory_wanted) || due,
            check_block_ids: state.questions.drain(..count).collect(),
        })
    }
}

pub(super) fn patience(namespace: &Namespace) -> Patience {
    let settings = &namespace.settings;
    let ms = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
    Patience {
        live_ms: ms(settings.worker_timeout_ms),
        repair_ms: ms(settings.worker_timeout_ms.saturating_add(settings.repair_delay_ms)),
        forget_ms: ms(settings.worker_forget_ms),
    }
}
