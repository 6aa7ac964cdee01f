//! What the members count, and a row of the table.

use crate::metaserver::Cost;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tonic::Status;

/// Counted by all members since it was last taken.
#[derive(Default)]
pub struct Figures {
    taken: Mutex<Taken>,
    present: AtomicUsize,
    failure: Mutex<String>,
}

#[derive(Clone, Debug, Default)]
pub struct Taken {
    worker_beats: u64,
    gateway_beats: u64,
    gateway_bytes: u64,
    inventories: u64,
    inventory_blocks: u64,
    slowest: Duration,
    pub failed: u64,
}

impl Figures {
    fn note(&self, note: impl FnOnce(&mut Taken)) {
        note(&mut self.taken.lock().unwrap_or_else(|poisoned| poisoned.into_inner()));
    }

    pub fn take(&self) -> Taken {
        let mut taken = Taken::default();
        self.note(|current| std::mem::swap(current, &mut taken));
        taken
    }

    pub fn worker_beat(&self, took: Duration) {
        self.note(|taken| {
            taken.worker_beats += 1;
            taken.slowest = taken.slowest.max(took);
        });
    }

    pub fn gateway_beat(&self, took: Duration, answer_bytes: usize) {
        self.note(|taken| {
            taken.gateway_beats += 1;
            taken.gateway_bytes += answer_bytes as u64;
            taken.slowest = taken.slowest.max(took);
        });
    }

    pub fn inventory(&self, blocks: usize) {
        self.note(|taken| {
            taken.inventories += 1;
            taken.inventory_blocks += blocks as u64;
        });
    }

    pub fn fail(&self, status: &Status) {
        self.note(|taken| taken.failed += 1);
        *self.failure.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = status.to_string();
    }

    /// The last failure.
    pub fn failure(&self) -> String {
        self.failure.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }

    pub fn arrived(&self) {
        self.present.fetch_add(1, Ordering::Relaxed);
    }

    pub fn left(&self) {
        self.present.fetch_sub(1, Ordering::Relaxed);
    }

    /// Workers that have registered and not died.
    pub fn present(&self) -> usize {
        self.present.load(Ordering::Relaxed)
    }
}

impl Taken {
    pub fn add(&mut self, other: &Self) {
        self.worker_beats += other.worker_beats;
        self.gateway_beats += other.gateway_beats;
        self.gateway_bytes += other.gateway_bytes;
        self.inventories += other.inventories;
        self.inventory_blocks += other.inventory_blocks;
        self.slowest = self.slowest.max(other.slowest);
        self.failed += other.failed;
    }
}

/// What happened between two moments.
pub struct Row<'a> {
    name: &'a str,
    before: &'a Cost,
    after: &'a Cost,
    taken: &'a Taken,
}

impl<'a> Row<'a> {
    pub const HEAD: &'static str = "| | cores | MiB resident | live workers | workers' heartbeats /s | gateways' /s | \
                                    bytes an answer to gateways | inventories | their blocks /s | commits /s | \
                                    ms slowest | failed |\n|---|---|---|---|---|---|---|---|---|---|---|---|";

    pub fn new(name: &'a str, before: &'a Cost, after: &'a Cost, taken: &'a Taken) -> Self {
        Self { name, before, after, taken }
    }

    fn seconds(&self) -> f64 {
        (self.after.at - self.before.at).as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// CPU seconds of the metaserver a second.
    pub fn cores(&self) -> f64 {
        self.after.cpu.saturating_sub(self.before.cpu).as_secs_f64() / self.seconds()
    }

    pub fn text(&self) -> String {
        let per_second = |count: u64| count as f64 / self.seconds();
        let taken = self.taken;
        format!(
            "| {} | {:.2} | {} | {} | {:.0} | {:.0} | {} | {} | {:.0} | {:.1} | {} | {} |",
            self.name,
            self.cores(),
            self.after.rss_bytes >> 20,
            self.after.live_workers,
            per_second(taken.worker_beats),
            per_second(taken.gateway_beats),
            taken.gateway_bytes.checked_div(taken.gateway_beats).unwrap_or(0),
            taken.inventories,
            per_second(taken.inventory_blocks),
            (self.after.commits - self.before.commits) / self.seconds(),
            taken.slowest.as_millis(),
            taken.failed,
        )
    }
}
