//! What is to go wrong in a run, and when: all of it follows from the seed, before the run begins.

use crate::settings::{self, CLIENTS, METASERVER};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use weir_service::simulation::{Fault, Kind, Random};

/// Before it all roles find each other.
const CALM_MS: u64 = 2_000;
const FAULTS: Range<u64> = 3..11;
const LASTS_MS: Range<u64> = 200..6_000;
/// Skew beyond a quarter of an hour makes a gateway refuse all signatures, as it must.
const CLOCK_AHEAD_MAX_MS: u64 = 10 * 60_000;
/// A disk with less than its reserve of free space.
const LITTLE_BYTES: u64 = 64 << 10;
/// A crash that waits for an answer comes so soon after it.
const AFTER_WRITE_MAX_MS: u64 = 16;
/// What a slow disk makes each call wait at most.
const DELAYS_MAX_MS: [u64; 3] = [20, 150, 1_000];
const DAMAGED_BITS_MAX: u64 = 12;

/// One change of the world.
#[derive(Clone, Debug)]
pub enum Act {
    /// The process is killed; with `power`, the machine loses what it had not synced.
    Crash {
        host: String,
        power: bool,
    },
    /// They lose power a moment after the next write has been acknowledged to a client.
    CrashAfterWrite {
        hosts: Vec<String>,
        after_ms: u64,
    },
    Start {
        host: String,
    },
    /// Nothing passes in either direction, and what is sent is lost.
    Cut {
        one: String,
        other: String,
    },
    CutOneWay {
        from: String,
        to: String,
    },
    /// What is sent arrives when the link is released.
    Hold {
        one: String,
        other: String,
    },
    /// Every message takes up to this time.
    Slow {
        one: String,
        other: String,
        latency_ms: u64,
    },
    /// Messages are lost now and then.
    Lossy {
        one: String,
        other: String,
    },
    /// The link is as it was.
    Mend {
        one: String,
        other: String,
    },
    /// The disk fails.
    Break {
        host: String,
        fault: Fault,
    },
    /// The disk has so much room.
    Room {
        host: String,
        bytes: u64,
    },
    /// Whatever blocks waits up to this time first.
    SlowDisk {
        host: String,
        delay_max_ms: u64,
    },
    Heal {
        host: String,
    },
    /// So many bits of its blocks decay. That stays.
    Damage {
        host: String,
        bits: u64,
    },
    /// Someone sets the machine's clock.
    Clock {
        host: String,
        ahead_ms: i64,
    },
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Crash { host, power: true } => write!(f, "{host} loses power"),
            Self::Crash { host, power: false } => write!(f, "{host} is killed"),
            Self::CrashAfterWrite { hosts, after_ms } => {
                write!(f, "{} will lose power {after_ms} ms after the next write", hosts.join(", "))
            }
            Self::Start { host } => write!(f, "{host} starts"),
            Self::Cut { one, other } => write!(f, "{one} and {other} are cut apart"),
            Self::CutOneWay { from, to } => write!(f, "{from} does not reach {to}"),
            Self::Hold { one, other } => write!(f, "what {one} and {other} send each other is held"),
            Self::Slow { one, other, latency_ms } => write!(f, "{one} and {other} are up to {latency_ms} ms apart"),
            Self::Lossy { one, other } => write!(f, "messages between {one} and {other} are lost"),
            Self::Mend { one, other } => write!(f, "{one} and {other} are well connected"),
            Self::Break { host, fault } => write!(f, "the disk of {host} fails: {:?} x{}", fault.calls, fault.count),
            Self::Room { host, bytes } => write!(f, "the disk of {host} has {bytes} bytes left"),
            Self::SlowDisk { host, delay_max_ms } => write!(f, "the disk of {host} takes up to {delay_max_ms} ms"),
            Self::Damage { host, bits } => write!(f, "{bits} bits on the disk of {host} decay"),
            Self::Heal { host } => write!(f, "the disk of {host} is well"),
            Self::Clock { host, ahead_ms } => write!(f, "the clock of {host} is {ahead_ms} ms ahead"),
        }
    }
}

/// When to do what, in order of time.
#[derive(Debug)]
pub struct Plan {
    pub acts: Vec<(u64, Act)>,
    pub faults: u64,
}

impl Plan {
    /// All faults are over by `end_ms`.
    pub fn new(random: &mut Random, end_ms: u64) -> Self {
        let count = FAULTS.start + random.below(FAULTS.end - FAULTS.start);
        let decaying = settings::worker_name(1 + random.below(settings::WORKERS as u64) as usize);
        let mut draft = Draft { random, end_ms, acts: Vec::new(), busy: BTreeMap::new(), decaying };
        let mut at_ms = CALM_MS;
        for _ in 0..count {
            // Some come together.
            if draft.random.below(3) > 0 {
                at_ms = CALM_MS + draft.random.below(end_ms - CALM_MS - LASTS_MS.start);
            }
            draft.add(at_ms);
        }
        let mut acts = draft.acts;
        acts.sort_by_key(|(at_ms, _)| *at_ms);
        Self { acts, faults: count }
    }
}

struct Draft<'a> {
    random: &'a mut Random,
    end_ms: u64,
    acts: Vec<(u64, Act)>,
    /// Until when a link has a fault already: it has one at a time.
    busy: BTreeMap<(String, String), u64>,
    /// The only worker whose disk decays: what has two copies has a whole one.
    decaying: String,
}

impl Draft<'_> {
    fn add(&mut self, at_ms: u64) {
        let lasts_ms = LASTS_MS.start + self.random.below(LASTS_MS.end - LASTS_MS.start);
        let until_ms = (at_ms + lasts_ms).min(self.end_ms);
        match self.random.below(100) {
            0..34 => self.crash(at_ms, until_ms),
            34..68 => self.link(at_ms, until_ms),
            68..90 => self.disk(at_ms, until_ms),
            _ => {
                let (host, ahead_ms) = (self.host(), self.random.below(2 * CLOCK_AHEAD_MAX_MS) as i64);
                let ahead_ms = ahead_ms - CLOCK_AHEAD_MAX_MS as i64;
                self.acts.push((at_ms, Act::Clock { host: host.clone(), ahead_ms }));
                self.acts.push((until_ms, Act::Clock { host, ahead_ms: 0 }));
            }
        }
    }

    /// Of one machine, of all workers, or of all machines; these lose power.
    fn crash(&mut self, at_ms: u64, until_ms: u64) {
        let hosts = match self.random.below(8) {
            0 => machines(),
            1 => workers().collect(),
            _ => vec![self.host()],
        };
        let power = hosts.len() > 1 || self.random.below(3) > 0;
        if power && self.random.flip() {
            let after_ms = self.random.below(AFTER_WRITE_MAX_MS);
            self.acts.push((at_ms, Act::CrashAfterWrite { hosts: hosts.clone(), after_ms }));
        } else {
            self.acts.extend(hosts.iter().map(|host| (at_ms, Act::Crash { host: host.clone(), power })));
        }
        self.acts.extend(hosts.into_iter().map(|host| (until_ms, Act::Start { host })));
    }

    /// A fault of one link, or of all of a host's.
    fn link(&mut self, at_ms: u64, until_ms: u64) {
        let one = self.host();
        let others = match self.random.flip() {
            true => all().into_iter().filter(|other| *other != one).collect(),
            false => vec![self.peer(&one)],
        };
        let (kind, latency_ms) = (self.random.below(5), 50 + self.random.below(1_500));
        for other in others {
            let pair = if one < other { (one.clone(), other.clone()) } else { (other.clone(), one.clone()) };
            if self.busy.get(&pair).is_some_and(|busy_ms| *busy_ms >= at_ms) {
                continue;
            }
            self.busy.insert(pair, until_ms);
            let (one, other) = (one.clone(), other);
            let begin = match kind {
                0 => Act::Cut { one: one.clone(), other: other.clone() },
                1 if latency_ms % 2 == 0 => Act::CutOneWay { from: one.clone(), to: other.clone() },
                1 => Act::CutOneWay { from: other.clone(), to: one.clone() },
                2 => Act::Hold { one: one.clone(), other: other.clone() },
                3 => Act::Slow { one: one.clone(), other: other.clone(), latency_ms },
                _ => Act::Lossy { one: one.clone(), other: other.clone() },
            };
            self.acts.push((at_ms, begin));
            self.acts.push((until_ms, Act::Mend { one, other }));
        }
    }

    fn disk(&mut self, at_ms: u64, until_ms: u64) {
        let host = self.host_with_disk();
        let count = if self.random.flip() { 1 } else { u64::MAX };
        let one_in = [1, 4, 16][self.random.below(3) as usize];
        let broken = |calls| Fault { count, one_in, ..Fault::broken(calls) };
        let begin = match self.random.below(8) {
            0 => Act::Break { host: host.clone(), fault: broken(Kind::SYNCS) },
            1 => Act::Break { host: host.clone(), fault: broken(Kind::WRITES) },
            2 => Act::Break { host: host.clone(), fault: broken(&[Kind::Read]) },
            3 => Act::Break { host: host.clone(), fault: Fault { one_in, ..Fault::full() } },
            4 => Act::Room { host: host.clone(), bytes: LITTLE_BYTES },
            5 | 6 => {
                let delay_max_ms = DELAYS_MAX_MS[self.random.below(DELAYS_MAX_MS.len() as u64) as usize];
                Act::SlowDisk { host: host.clone(), delay_max_ms }
            }
            _ => {
                let bits = 1 + self.random.below(DAMAGED_BITS_MAX);
                return self.acts.push((at_ms, Act::Damage { host: self.decaying.clone(), bits }));
            }
        };
        self.acts.push((at_ms, begin));
        self.acts.push((until_ms, Act::Heal { host }));
    }

    fn host(&mut self) -> String {
        let hosts = machines();
        hosts[self.random.below(hosts.len() as u64) as usize].clone()
    }

    fn host_with_disk(&mut self) -> String {
        match self.random.below(1 + settings::WORKERS as u64) as usize {
            0 => METASERVER.to_owned(),
            number => settings::worker_name(number),
        }
    }

    fn peer(&mut self, of: &str) -> String {
        let others: Vec<String> = all().into_iter().filter(|other| other != of).collect();
        others[self.random.below(others.len() as u64) as usize].clone()
    }
}

fn workers() -> impl Iterator<Item = String> {
    (1..=settings::WORKERS).map(settings::worker_name)
}

/// Every machine that runs a role.
pub fn machines() -> Vec<String> {
    let gateways = (1..=settings::GATEWAYS).map(settings::gateway_name);
    [METASERVER.to_owned()].into_iter().chain(workers()).chain(gateways).collect()
}

/// Those, and the one of the clients.
pub fn all() -> Vec<String> {
    machines().into_iter().chain([CLIENTS.to_owned()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_plan_follows_from_its_seed_and_ends_in_time() {
        let text = |seed| {
            let plan = Plan::new(&mut Random(seed), 15_000);
            assert!(plan.acts.iter().all(|(at_ms, _)| (CALM_MS..=15_000).contains(at_ms)));
            format!("{plan:?}")
        };
        assert_eq!(text(7), text(7));
        assert_ne!(text(7), text(8));
    }

    #[test]
    fn what_begins_ends() {
        for seed in 0..200 {
            let plan = Plan::new(&mut Random(seed), 15_000);
            let balance = |(_, act): &(u64, Act)| match act {
                Act::Start { .. } | Act::Mend { .. } | Act::Heal { .. } | Act::Clock { ahead_ms: 0, .. } => 1,
                Act::CrashAfterWrite { hosts, .. } => -(hosts.len() as i64),
                Act::Damage { .. } => 0,
                _ => -1,
            };
            assert_eq!(plan.acts.iter().map(balance).sum::<i64>(), 0, "{plan:#?}");
        }
    }

    #[test]
    fn the_blocks_of_one_worker_decay_at_most() {
        for seed in 0..2_000 {
            let plan = Plan::new(&mut Random(seed), 15_000);
            let decaying = plan.acts.iter().filter_map(|(_, act)| match act {
                Act::Damage { host, .. } => Some(host),
                _ => None,
            });
            assert!(decaying.collect::<BTreeSet<_>>().len() <= 1, "{plan:#?}");
        }
    }
}
