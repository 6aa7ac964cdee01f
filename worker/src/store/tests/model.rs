//! Any sequence of writes, deletions, compactions, starts, power cuts, crashes in the middle of each, and damage, against
//! a map.

use super::*;
use crate::store::StoreError;
use crate::store::block_file::format::DATA_OFFSET;
use crate::store::segment::record;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug)]
enum Step {
    Change(Change),
    /// A stream that ends before its block does.
    CutOff {
        id: u64,
        length: u64,
        is_announced: bool,
    },
    Read {
        id: u64,
        from: u64,
        to: u64,
    },
    Reopen,
    /// The power is cut between two steps.
    Cut {
        seed: u64,
    },
    /// The disk breaks after so many operations of a change, and then the power is cut.
    Crash {
        operations: u64,
        change: Change,
        seed: u64,
    },
    /// A byte of a block's data turns on the disk.
    Damage {
        nth: usize,
        at: u64,
    },
    Scrub,
}

#[derive(Clone, Debug)]
enum Change {
    Write { id: u64, length: u64 },
    Delete { id: u64 },
    Compact,
}

fn length() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 0..4000u64, 3 => 30_000..SMALL_MAX, 1 => SMALL_MAX..SMALL_MAX + 80_000]
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        6 => (0..60u64, length()).prop_map(|(id, length)| Change::Write { id, length }),
        3 => (0..60u64).prop_map(|id| Change::Delete { id }),
        1 => Just(Change::Compact),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => change().prop_map(Step::Change),
        1 => (0..60u64, length(), any::<bool>())
            .prop_map(|(id, length, is_announced)| Step::CutOff { id, length, is_announced }),
        6 => (0..60u64, 0..300_000u64, 0..300_000u64).prop_map(|(id, from, to)| Step::Read { id, from, to }),
        1 => Just(Step::Reopen),
        1 => any::<u64>().prop_map(|seed| Step::Cut { seed }),
        1 => (0..20u64, change(), any::<u64>())
            .prop_map(|(operations, change, seed)| Step::Crash { operations, change, seed }),
        1 => (0..60usize, any::<u64>()).prop_map(|(nth, at)| Step::Damage { nth, at }),
        1 => Just(Step::Scrub),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Health {
    Whole,
    /// Its data is wrong on the disk; whether that was found is not known here.
    Damaged,
    /// That was found: it is not served any more.
    SetAside,
}

struct Run {
    disk: SimulatedDisk,
    store: BlockStore,
    /// Length and health by id.
    model: BTreeMap<u64, (u64, Health)>,
    /// Id and length of what may come back after a cut: deletions that were not yet durable may be undone, of an id that
    /// was used again, which no metaserver does, any of them; and writes that were not acknowledged.
    limbo: BTreeSet<(u64, u64)>,
    /// Of all that was ever damaged.
    damaged: BTreeSet<(u64, u64)>,
    /// Of all whose write was cut off: what comes back of it may have gaps, which a start does not look for.
    cut_off: BTreeSet<(u64, u64)>,
}

impl Run {
    fn new() -> Self {
        let disk = SimulatedDisk::default();
        let store = open_test(&disk);
        Self {
            disk,
            store,
            model: BTreeMap::new(),
            limbo: BTreeSet::new(),
            damaged: BTreeSet::new(),
            cut_off: BTreeSet::new(),
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Change(change) if self.is_out_of_the_question(&change) => {}
            Step::Crash { change, .. } if self.is_out_of_the_question(&change) => {}
            Step::Change(change) => self.change(&change),
            Step::CutOff { id, length, is_announced } => {
                if let Ok(mut writer) = self.store.begin(BlockId(id), is_announced.then_some(length + 1)) {
                    writer.push(bytes_of(id, length)).unwrap();
                    if writer.wants_flush() {
                        writer.flush().unwrap();
                    }
                }
            }
            Step::Read { id, from, to } => self.read(id, from, to),
            Step::Reopen => self.reopen(),
            // Damage to the last records of a segment could be the tail that the cut has torn.
            Step::Cut { .. } | Step::Crash { .. } if self.has(Health::Damaged) => {}
            Step::Cut { seed } => self.cut(seed),
            Step::Crash { operations, change, seed } => self.crash(operations, &change, seed),
            Step::Damage { nth, at } => self.damage(nth, at),
            Step::Scrub => self.scrub(),
        }
        self.check_ids();
    }

    /// A block that is damaged and not found out is not written again, nor one that was deleted when it was damaged: what
    /// of it comes back would be taken for the new one.
    fn is_out_of_the_question(&self, change: &Change) -> bool {
        let Change::Write { id, .. } = *change else { return false };
        let was_damaged = self.damaged.range((id, 0)..=(id, u64::MAX)).next().is_some();
        was_damaged && self.health(id) != Some(Health::SetAside)
    }

    fn health(&self, id: u64) -> Option<Health> {
        self.model.get(&id).map(|(_, health)| *health)
    }

    fn has(&self, wanted: Health) -> bool {
        self.model.values().any(|(_, health)| *health == wanted)
    }

    fn change(&mut self, change: &Change) {
        match *change {
            Change::Write { id, length } => {
                let result = self.store.write(BlockId(id), bytes_of(id, length));
                match self.model.get(&id) {
                    Some(&(there, Health::Whole)) if there != length => assert!(result.is_err()),
                    _ => {
                        result.unwrap();
                        self.model.insert(id, (length, Health::Whole));
                    }
                }
            }
            Change::Delete { id } => {
                assert_eq!(self.store.delete(&[BlockId(id)]), [BlockId(id)]);
                self.limbo.extend(self.model.remove(&id).map(|(length, _)| (id, length)));
            }
            Change::Compact => drop(compact(&self.store).unwrap()),
        }
    }

    fn read(&mut self, id: u64, from: u64, to: u64) {
        let result = self.store.read(BlockId(id), from..to);
        let Some((length, health)) = self.model.get_mut(&id) else {
            assert!(matches!(result, Err(StoreError::NoSuchBlock(_))), "{result:?}");
            return;
        };
        match (&result, *health) {
            (Ok(read), Health::Whole | Health::Damaged) => {
                assert!(*read == bytes_of(id, *length).slice(from as usize..to as usize), "block {id}, {from}..{to}");
            }
            (Err(StoreError::Damaged { .. }), Health::Damaged | Health::SetAside) => *health = Health::SetAside,
            (Err(_), Health::Whole | Health::Damaged) => assert!(from > to || to > *length, "block {id}: {result:?}"),
            _ => panic!("block {id} is {health:?}: {result:?}"),
        }
    }

    fn reopen(&mut self) {
        // One store at a time over a disk: the former one writes what it still has as it is dropped.
        drop(std::mem::replace(&mut self.store, open_test(&SimulatedDisk::default())));
        self.store = open_test(&self.disk);
    }

    fn cut(&mut self, seed: u64) {
        self.disk = self.disk.after_cut(&mut Random(seed));
        self.reopen();
        for id in ids(&self.store) {
            let length = self.store.length_bytes(BlockId(id)).unwrap();
            if !self.model.contains_key(&id) && self.limbo.contains(&(id, length)) {
                let is_cut_off = self.cut_off.contains(&(id, length));
                let health = match is_cut_off && self.store.read(BlockId(id), 0..length).is_err() {
                    true => Health::SetAside,
                    false if self.damaged.contains(&(id, length)) => Health::Damaged,
                    false => Health::Whole,
                };
                self.model.insert(id, (length, health));
            }
        }
        // Of a damaged block too the deletion may be undone.
        let held = self.store.damaged();
        for (id, length) in self.limbo.iter().filter(|(id, _)| held.contains(&BlockId(*id))) {
            self.model.entry(*id).or_insert((*length, Health::SetAside));
        }
    }

    fn crash(&mut self, operations: u64, change: &Change, seed: u64) {
        self.disk.power_off_at(self.disk.steps() + operations);
        match *change {
            Change::Write { id, length } => {
                let is_new = self.health(id).is_none_or(|health| health == Health::SetAside);
                match self.store.write(BlockId(id), bytes_of(id, length)) {
                    Ok(()) if is_new => drop(self.model.insert(id, (length, Health::Whole))),
                    Err(_) if is_new => {
                        self.limbo.extend(self.model.remove(&id).map(|(length, _)| (id, length)));
                        self.limbo.insert((id, length));
                        self.cut_off.insert((id, length));
                    }
                    _ => {}
                }
            }
            Change::Delete { id } => {
                // Whether it says so or not, it may be gone, or not yet.
                self.store.delete(&[BlockId(id)]);
                self.limbo.extend(self.model.remove(&id).map(|(length, _)| (id, length)));
            }
            Change::Compact => drop(compact(&self.store)),
        }
        self.cut(seed);
    }

    fn damage(&mut self, nth: usize, at: u64) {
        let whole = self.model.iter_mut().filter(|(_, (length, health))| *health == Health::Whole && *length > 0);
        let Some((&id, (length, health))) = whole.into_iter().nth(nth) else { return };
        let place = self.store.shared.index.get(BlockId(id)).unwrap();
        let (path, offset) = match place.is_file() {
            true => (self.store.shared.layout.block_file(BlockId(id)), DATA_OFFSET),
            false => {
                let data = u64::from(place.offset_bytes) + record::header_bytes(place.length_bytes) as u64;
                (self.store.shared.layout.segment(place.segment), data)
            }
        };
        let mut bytes = self.disk.bytes(&path).unwrap();
        bytes[(offset + at % *length) as usize] ^= 0x10;
        self.disk.put(&path, bytes);
        *health = Health::Damaged;
        self.damaged.insert((id, *length));
    }

    fn scrub(&mut self) {
        let mut scrub = self.store.scrub(BlockId(0));
        while scrub.step().is_some() {}
        for (_, health) in self.model.values_mut().filter(|(_, health)| *health == Health::Damaged) {
            *health = Health::SetAside;
        }
        let held: BTreeSet<u64> = self.store.damaged().into_iter().map(|id| id.0).collect();
        let set_aside = self.model.iter().filter(|(_, (_, health))| *health == Health::SetAside).map(|(id, _)| *id);
        assert_eq!(held, set_aside.collect(), "a scrub finds all damage, and takes nothing else for it");
    }

    /// What is whole is there, what was found damaged is not, and nothing else is.
    fn check_ids(&self) {
        let there: BTreeSet<u64> = ids(&self.store).into_iter().collect();
        for (id, (_, health)) in &self.model {
            match health {
                Health::Whole => assert!(there.contains(id), "block {id} is gone"),
                Health::Damaged => {}
                Health::SetAside => assert!(!there.contains(id), "block {id} is damaged and counts"),
            }
        }
        assert!(there.iter().all(|id| self.model.contains_key(id)), "{there:?} {:?}", self.model);
    }

    fn end(&mut self) {
        self.scrub();
        self.check_ids();
        for (&id, &(length, health)) in &self.model {
            match health {
                Health::Whole => assert_whole(&self.store, id, length),
                _ => assert!(matches!(self.store.read(BlockId(id), 0..1), Err(StoreError::Damaged { .. }))),
            }
        }
        let kept = self.disk.files().iter().filter(|(path, _)| path.starts_with("/data/quarantine")).count();
        let set_aside = self.model.values().filter(|(_, health)| *health == Health::SetAside).count();
        assert!(kept >= set_aside, "{kept} of {set_aside} that were set aside are kept");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_store_is_a_map(steps in prop::collection::vec(step(), 1..120)) {
        let mut run = Run::new();
        for step in steps {
            run.step(step);
        }
        run.end();
    }
}
