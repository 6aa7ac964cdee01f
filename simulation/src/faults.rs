//! How what was planned is brought about.

use crate::machine::Machine;
use crate::plan::{Act, all};
use crate::trace::Trace;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use turmoil::Sim;
use weir_service::simulation::Random;

/// Whoever ends by itself is started anew after so long, as by systemd.
const RESTART_MS: u64 = 500;
/// The share of messages that are lost on a link that loses some.
const LOSS: f64 = 0.01;
pub const LATENCY_MIN: Duration = Duration::from_millis(1);
pub const LATENCY_MAX: Duration = Duration::from_millis(10);
/// Of a disk that is not full.
const ROOM_BYTES: u64 = 1 << 40;
/// Where a worker has its blocks, as files and in segments.
const BLOCK_FOLDERS: [&str; 2] = ["/blocks/files", "/blocks/segments"];

/// The simulated world, and what is wrong with it.
pub struct World<'a> {
    pub sim: Sim<'a>,
    pub machines: BTreeMap<String, Machine>,
    pub trace: Arc<Trace>,
    random: Random,
    /// Hosts that do not run, and when those that ended by themselves are started.
    down: BTreeMap<String, Option<u64>>,
    ambushes: Vec<Ambush>,
    /// How many writes had been acknowledged to clients when the world was last looked at.
    acknowledged: u64,
    pub crashes: u64,
    /// How often disks failed as they were told to.
    pub disk_failures: u64,
}

/// Machines that lose power when a write is acknowledged.
struct Ambush {
    hosts: BTreeSet<String>,
    after_ms: u64,
    /// So many were acknowledged before.
    acknowledged: u64,
    /// When it strikes, once that is known.
    at_ms: Option<u64>,
}

impl<'a> World<'a> {
    pub fn new(sim: Sim<'a>, machines: BTreeMap<String, Machine>, trace: Arc<Trace>, random: Random) -> Self {
        Self {
            sim,
            machines,
            trace,
            random,
            down: BTreeMap::new(),
            ambushes: Vec::new(),
            acknowledged: 0,
            crashes: 0,
            disk_failures: 0,
        }
    }

    /// Does what was planned.
    pub fn act(&mut self, act: &Act) {
        self.trace.note("world", act);
        match act {
            Act::Crash { host, power } => self.take_down(host, *power),
            Act::CrashAfterWrite { hosts, after_ms } => self.ambushes.push(Ambush {
                hosts: hosts.iter().cloned().collect(),
                after_ms: *after_ms,
                acknowledged: self.acknowledged,
                at_ms: None,
            }),
            Act::Start { host } => self.start(host),
            Act::Cut { one, other } => self.sim.partition(&**one, &**other),
            Act::CutOneWay { from, to } => self.sim.partition_oneway(&**from, &**to),
            Act::Hold { one, other } => self.sim.hold(&**one, &**other),
            Act::Slow { one, other, latency_ms } => {
                self.sim.set_link_max_message_latency(&**one, &**other, Duration::from_millis(*latency_ms));
            }
            Act::Lossy { one, other } => self.sim.set_link_fail_rate(&**one, &**other, LOSS),
            Act::Mend { one, other } => self.mend(one, other),
            Act::Break { host, fault } => self.machines[host].disk.fail(fault.clone()),
            Act::Room { host, bytes } => self.machines[host].disk.set_available(*bytes),
            Act::SlowDisk { host, delay_max_ms } => self.machines[host].delays.set_max(*delay_max_ms),
            Act::Damage { host, bits } => self.damage(host, *bits),
            Act::Heal { host } => self.heal(host),
            Act::Clock { host, ahead_ms } => self.machines[host].clock.set_ahead(*ahead_ms),
        }
    }

    /// Ends all faults.
    pub fn calm(&mut self) {
        self.trace.note("world", "the faults are over");
        self.ambushes.clear();
        let hosts = all();
        for (at, one) in hosts.iter().enumerate() {
            hosts[..at].iter().for_each(|other| self.mend(one, other));
        }
        for host in self.machines.keys().cloned().collect::<Vec<_>>() {
            self.heal(&host);
            self.machines[&host].clock.set_ahead(0);
            self.start(&host);
        }
    }

    /// Does what waited for clients to have had so many writes acknowledged, and starts whoever has ended by itself, a
    /// moment later.
    pub fn look_after(&mut self, now_ms: u64, acknowledged: u64) {
        self.acknowledged = acknowledged;
        self.strike(now_ms);
        let ended = self.machines.values().filter(|machine| machine.take_end().is_some());
        for host in ended.map(|machine| machine.name.to_string()).collect::<Vec<_>>() {
            if self.crash(&host, false) {
                self.down.insert(host, Some(now_ms + RESTART_MS));
            }
        }
        let is_due = |at_ms: &Option<u64>| at_ms.is_some_and(|at_ms| at_ms <= now_ms);
        let due: Vec<String> = self.down.iter().filter(|(_, at)| is_due(at)).map(|(host, _)| host.clone()).collect();
        due.iter().for_each(|host| self.start(host));
    }

    fn strike(&mut self, now_ms: u64) {
        let mut struck = BTreeSet::new();
        for ambush in &mut self.ambushes {
            if ambush.at_ms.is_none() && ambush.acknowledged < self.acknowledged {
                ambush.at_ms = Some(now_ms + ambush.after_ms);
            }
            if ambush.at_ms.is_some_and(|at_ms| at_ms <= now_ms) {
                struck.append(&mut ambush.hosts);
            }
        }
        self.ambushes.retain(|ambush| !ambush.hosts.is_empty());
        for host in struck {
            self.trace.note("world", format_args!("{host} loses power after a write"));
            self.take_down(&host, true);
        }
    }

    /// It stays down until it is started.
    fn take_down(&mut self, host: &str, power: bool) {
        if self.crash(host, power) {
            self.down.insert(host.to_owned(), None);
        }
    }

    fn damage(&mut self, host: &str, bits: u64) {
        for _ in 0..bits {
            let folder = BLOCK_FOLDERS[self.random.below(BLOCK_FOLDERS.len() as u64) as usize];
            if let Some(path) = self.machines[host].disk.damage(Path::new(folder), &mut self.random) {
                self.trace.note("world", format_args!("a bit of {} on {host} decays", path.display()));
            }
        }
    }

    /// False: it is down already.
    fn crash(&mut self, host: &str, power: bool) -> bool {
        if self.down.contains_key(host) {
            return false;
        }
        // First the disk: what the destructors of a process that crashes do there must not count.
        match power {
            true => {
                self.disk_failures += self.machines[host].disk.failures();
                self.machines[host].disk.crash();
            }
            false => self.machines[host].disk.kill(),
        }
        self.sim.crash(host);
        self.crashes += 1;
        true
    }

    fn start(&mut self, host: &str) {
        for ambush in &mut self.ambushes {
            ambush.hosts.remove(host);
        }
        if self.down.remove(host).is_some() {
            self.sim.bounce(host);
        }
    }

    fn mend(&mut self, one: &str, other: &str) {
        self.sim.repair(one, other);
        self.sim.release(one, other);
        self.sim.set_link_max_message_latency(one, other, LATENCY_MAX);
        self.sim.set_link_fail_rate(one, other, 0.0);
    }

    fn heal(&mut self, host: &str) {
        let disk = &self.machines[host].disk;
        self.disk_failures += disk.failures();
        disk.heal();
        disk.set_available(ROOM_BYTES);
        self.machines[host].delays.set_max(0);
    }

    /// A stream of numbers for something that takes them at times of its own.
    pub fn fork(&mut self) -> Random {
        self.random.fork()
    }
}
