//! A simulated machine: its disk and its clock stay when what runs on it crashes.

use crate::trace::Trace;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use weir_service::disk::Disk;
use weir_service::simulation::{Kind, Random, SimulatedClock, SimulatedDisk};

/// When simulations begin: 2026-01-01T00:00:00Z.
pub const START_MS: i64 = 1_767_225_600_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Metaserver,
    Worker,
    Gateway,
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Machine {
    pub name: Arc<str>,
    pub role: Role,
    pub disk: SimulatedDisk,
    pub clock: Arc<SimulatedClock>,
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
        Self { name: name.into(), role, disk, clock, trace: trace.clone(), ended: Arc::default() }
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
