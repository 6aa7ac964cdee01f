//! Random histories of a cluster: workers that die, come back, lose and damage copies, answers that get lost, late
//! inventories, restarts of the metaserver, objects that come and go. At every step each block that something refers to
//! has a whole copy somewhere (I2, I3), and what was deleted stays deleted (I8); when the faults end, each block has the
//! copies that it should have, and nothing else is left (I6).

use super::testing::Machines;
use crate::records::block::{self, BlockRecord};
use crate::records::key::Kind;
use crate::records::{condemned, decode};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const WORKERS: usize = 4;
const ZONES: [&str; WORKERS] = ["a", "a", "b", "c"];

#[derive(Clone, Debug)]
enum Step {
    Put { first: usize, count: usize, wanted: u32 },
    PutCoded { first: usize },
    Delete { nth: usize },
    Beat { at: usize, is_lost: bool },
    Work { at: usize },
    TakeInventory { at: usize },
    SendInventory { at: usize },
    Kill { at: usize },
    Start { at: usize },
    Damage { at: usize, nth: usize },
    Lose { at: usize, nth: usize },
    Time { seconds: i64 },
    Sweep,
    Turn,
    Reclaim,
    Drain { at: usize },
    Enable { at: usize },
    Rebalance,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let at = 0..WORKERS;
    prop_oneof![
        4 => (at.clone(), 1usize..4, 1u32..4).prop_map(|(first, count, wanted)| Step::Put { first, count, wanted }),
        2 => at.clone().prop_map(|first| Step::PutCoded { first }),
        2 => (0usize..20).prop_map(|nth| Step::Delete { nth }),
        14 => (at.clone(), prop::bool::weighted(0.2)).prop_map(|(at, is_lost)| Step::Beat { at, is_lost }),
        12 => at.clone().prop_map(|at| Step::Work { at }),
        3 => at.clone().prop_map(|at| Step::TakeInventory { at }),
        3 => at.clone().prop_map(|at| Step::SendInventory { at }),
        2 => at.clone().prop_map(|at| Step::Kill { at }),
        3 => at.clone().prop_map(|at| Step::Start { at }),
        2 => (at.clone(), 0usize..20).prop_map(|(at, nth)| Step::Damage { at, nth }),
        1 => (at.clone(), 0usize..20).prop_map(|(at, nth)| Step::Lose { at, nth }),
        3 => (1i64..50).prop_map(|seconds| Step::Time { seconds }),
        5 => Just(Step::Sweep),
        4 => Just(Step::Turn),
        2 => Just(Step::Reclaim),
        1 => at.clone().prop_map(|at| Step::Drain { at }),
        2 => at.prop_map(|at| Step::Enable { at }),
        1 => Just(Step::Rebalance),
        1 => Just(Step::Restart),
    ]
}

struct Run {
    machines: Machines,
    /// Blocks of the objects there are, by key, and how many copies each should have.
    objects: BTreeMap<String, (u64, usize)>,
}

impl Run {
    async fn step(&mut self, step: &Step) {
        let machines = &mut self.machines;
        match *step {
            Step::Put { first, count, wanted } => self.put(first, count, wanted).await,
            Step::PutCoded { first } => self.put_coded(first).await,
            Step::Delete { nth } => {
                let Some(key) = self.objects.keys().nth(nth).cloned() else { return };
                machines.fixture.delete("photos", &[&key]).await;
                self.objects.remove(&key);
            }
            Step::Beat { at, is_lost } => machines.beat_with(at, is_lost).await,
            Step::Work { at } => machines.work(at),
            Step::TakeInventory { at } => machines.take_inventory(at),
            Step::SendInventory { at } => machines.send_inventory(at).await,
            Step::Kill { at } => machines.kill(at),
            Step::Start { at } => machines.start(at).await,
            Step::Damage { at, nth } => {
                if let Some(block_id) = self.spare_copy(at, nth).await {
                    self.machines.damage(at, block_id);
                }
            }
            Step::Lose { at, nth } => {
                if let Some(block_id) = self.spare_copy(at, nth).await {
                    self.machines.machines[at].blocks.remove(&block_id);
                }
            }
            Step::Time { seconds } => machines.fixture.clock.advance(seconds * 1_000),
            Step::Sweep => machines.fixture.cluster.sweep_all().await,
            Step::Turn => machines.fixture.cluster.repair_turn().await.unwrap(),
            Step::Reclaim => {
                machines.fixture.cluster.reclaim_step().await.unwrap();
                machines.fixture.idle_heartbeat();
            }
            Step::Drain { at } => {
                machines.fixture.cluster.decommission(&[machines.id(at).to_string()], false).await.unwrap();
            }
            Step::Enable { at } => {
                machines.fixture.cluster.enable(&[machines.id(at).to_string()]).await.unwrap();
            }
            Step::Rebalance => machines.fixture.cluster.rebalance(),
            Step::Restart => unreachable!("whoever owns the machines does it"),
        }
    }

    async fn put(&mut self, first: usize, count: usize, wanted: u32) {
        let alive = (0..WORKERS).map(|n| (first + n) % WORKERS).filter(|at| self.machines.machines[*at].is_alive);
        let on: Vec<usize> = alive.take(count).collect();
        if !on.is_empty() {
            let wanted = wanted.max(on.len() as u32);
            let block_id = self.machines.put(&on, wanted).await;
            self.objects.insert(format!("object-{}", self.machines.put_count), (block_id, wanted as usize));
        }
    }

    /// A block of three shards, any two of which are enough.
    async fn put_coded(&mut self, first: usize) {
        let alive = (0..WORKERS).map(|n| (first + n) % WORKERS).filter(|at| self.machines.machines[*at].is_alive);
        let on: Vec<usize> = alive.take(3).collect();
        if on.len() == 3 {
            let block_id = self.machines.put_coded(&on).await;
            self.objects.insert(format!("object-{}", self.machines.put_count), (block_id, 3));
        }
    }

    /// Could the block be read from these alone?
    fn is_readable(&self, block_id: u64, on: &[usize]) -> bool {
        let shards: BTreeSet<Option<u32>> =
            on.iter().map(|at| self.machines.machines[*at].shards.get(&block_id).copied()).collect();
        shards.contains(&None) || shards.len() >= 2
    }

    /// A copy of which there is another: nobody can bring back what is gone everywhere, or is ordered to go.
    async fn spare_copy(&self, at: usize, nth: usize) -> Option<u64> {
        let block_id = *self.machines.machines[at].blocks.iter().nth(nth)?;
        let orders = self.machines.fixture.rows(Kind::Condemned).await;
        let orders: Vec<(u64, u64)> = orders.iter().map(|(key, _)| condemned::name(key).unwrap()).collect();
        let stays = |other: &usize| *other != at && !orders.contains(&(self.machines.id(*other), block_id));
        let others: Vec<usize> = self.machines.on_disk(block_id).into_iter().filter(stays).collect();
        self.is_readable(block_id, &others).then_some(block_id)
    }

    fn check_copies(&self, step: &Step) {
        for (key, (block_id, _)) in &self.objects {
            let on_disk = self.machines.on_disk(*block_id);
            assert!(self.is_readable(*block_id, &on_disk), "I2: block {block_id} of {key} is lost after {step:?}");
        }
    }

    /// No fault any more, and everybody does what they have to.
    async fn end(&mut self) {
        for at in 0..WORKERS {
            self.machines.fixture.cluster.enable(&[self.machines.id(at).to_string()]).await.unwrap();
            self.machines.start(at).await;
        }
        self.machines.fixture.namespace.end_sessions();
        self.machines.fixture.namespace.clean_sessions().await.unwrap();
        // Copies that went unnoticed are asked for at the next interval.
        self.machines.fixture.clock.advance(600_000);
        for _ in 0..4 {
            while self.machines.fixture.cluster.reclaim_step().await.unwrap() > 0 {}
            self.machines.fixture.cluster.workers.want_inventories();
            self.machines.pass(3_000).await;
            self.machines.settle().await;
        }
        let redundancy = self.machines.fixture.cluster.redundancy();
        assert_eq!(redundancy.complete_block_count, self.objects.len() as u64, "I6: {redundancy:?}");
        for (key, (block_id, wanted)) in &self.objects {
            assert_eq!(self.machines.on_disk(*block_id).len(), *wanted, "I6: block {block_id} of {key}");
            let record = self.machines.fixture.namespace.block(*block_id).await.unwrap();
            if let Some(coded) = &record.coded {
                let held = self.machines.shards_on_disk(*block_id);
                let named = |(at, shard): &(usize, u32)| coded.shard_of(self.machines.id(*at)) == Some(*shard as usize);
                let shards: BTreeSet<u32> = held.iter().map(|(_, shard)| *shard).collect();
                assert!(shards.len() == 3 && held.iter().all(named), "I6: block {block_id} of {key}: {held:?}");
            }
        }
        let held: usize = self.machines.block_counts().iter().sum();
        let expected: usize = self.objects.values().map(|(_, wanted)| wanted).sum();
        assert_eq!(held, expected, "I6, I8: nothing else is on the disks");
        assert!(self.machines.machines.iter().all(|machine| machine.quarantined.is_empty()), "I6");
        self.machines.fixture.check(true).await;
        for (key, value) in self.machines.fixture.rows(Kind::Block).await {
            let record: BlockRecord = decode(&key, value).unwrap();
            let block_id = block::name(&key).unwrap();
            let named: Vec<usize> =
                (0..WORKERS).filter(|at| record.worker_ids.contains(&self.machines.id(*at))).collect();
            assert_eq!(named, self.machines.on_disk(block_id), "the record of block {block_id} is true");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn random_faults_lose_nothing_and_when_they_end_all_is_as_it_should_be(
        steps in prop::collection::vec(step(), 1..120)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut run = Run { machines: Machines::new(&ZONES).await, objects: BTreeMap::new() };
            for step in &steps {
                match step {
                    Step::Restart => run.machines = run.machines.restart_metaserver().await,
                    step => run.step(step).await,
                }
                run.check_copies(step);
                run.machines.fixture.check(false).await;
            }
            run.end().await;
        });
    }
}
