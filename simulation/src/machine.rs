//! A simulated machine: its disk and its clock stay when what runs on it crashes.

use crate::trace::Trace;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::{self, Handle};
use weir_service::disk::Disk;
use weir_service::simulation::{Kind, Random, SimulatedClock, SimulatedDisk, on_blocking};

/// When simulations begin: 2026-01-01T00:00:00Z.
pub const START_MS: i64 = 1_767_225_600_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Metaserver,
    Worker,
    Gateway,
}

thread_local! {
    /// Whose runtimes there are. Every start has a new one.
    static RUNNING: RefCell<HashMap<runtime::Id, Arc<Delays>>> = RefCell::default();
}

/// What blocks waits for the disk of its machine.
pub fn slow_disks() {
    on_blocking(|| RUNNING.with_borrow(|running| running.get(&Handle::try_current().ok()?.id())?.next()));
}

/// How long what blocks waits for a machine's disk.
#[derive(Debug)]
pub struct Delays {
    /// 0: it does not.
    max_ms: AtomicU64,
    random: Mutex<Random>,
}

impl Delays {
    pub fn set_max(&self, max_ms: u64) {
        self.max_ms.store(max_ms, Relaxed);
    }

    fn next(&self) -> Option<Duration> {
        let max_ms = self.max_ms.load(Relaxed);
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        (max_ms > 0).then(|| Duration::from_millis(random.below(max_ms)))
    }
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Machine {
    pub name: Arc<str>,
    pub role: Role,
    pub disk: SimulatedDisk,
    pub clock: Arc<SimulatedClock>,
    /// Of a disk that is slow.
    pub delays: Arc<Delays>,
    pub trace: Arc<Trace>,
    /// Why what ran here has ended by itself.
    ended: Arc<Mutex<Option<String>>>,
}

impl Machine {
    pub fn new(name: &str, role: Role, random: &mut Random, trace: &Arc<Trace>) -> Self {
        let disk = SimulatedDisk::new(random.next());
        let (noted, host) = (trace.clone(), name.to_owned());
        disk.on_operation(move |operation| {
            if Kind::SYNCS.contains(&operation.kind) {
                noted.note(&host, format_args!("{:?} {}", operation.kind, operation.path.display()));
            }
        });
        let elapsed = || turmoil::sim_elapsed().unwrap_or(Duration::ZERO);
        let clock = Arc::new(SimulatedClock::new(START_MS, elapsed, random.fork()));
        let delays = Arc::new(Delays { max_ms: AtomicU64::new(0), random: Mutex::new(random.fork()) });
        Self { name: name.into(), role, disk, clock, delays, trace: trace.clone(), ended: Arc::default() }
    }

    /// The runtime that runs now is this machine's, until it crashes.
    pub fn starts(&self) {
        RUNNING.with_borrow_mut(|running| running.insert(Handle::current().id(), self.delays.clone()));
    }

    /// The disk for what starts now.
    pub fn mount(&self) -> Arc<dyn Disk> {
        Arc::new(self.disk.mount())
    }

    /// What ran here can't go on, as a process that ends with an error.
    pub fn end(&self, reason: String) {
        self.trace.note(&self.name, format_args!("ended: {reason}"));
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
    }

    /// Tells once that it has.
    pub fn take_end(&self) -> Option<String> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
