//! Workers of the tests: disks that are maps, and a process that registers, heartbeats and obeys as a real one does.

use crate::testing::Fixture;
use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use weir_proto::v1::{
    CopyOrder, CopyResult, Failure, InventoryBatch, Reason, Rebuild, RegisterWorkerRequest, ShardSource,
    WorkerHeartbeatRequest,
};

/// What a worker has room for, in bytes.
pub const ROOM_BYTES: u64 = 100_000;

/// How long the blocks of the tests are.
pub const BLOCK_BYTES: u64 = 5;

/// The CRC32C of the first shard; those of the others follow.
const SHARD_CRC: u32 = 100;

/// The shard with a checksum, if it is one's.
fn shard_of(crc32c: u32) -> Option<u32> {
    crc32c.checked_sub(SHARD_CRC).filter(|shard| *shard < 3)
}

/// A worker: its disk, and its process while it is alive.
#[derive(Clone, Default)]
pub struct Machine {
    pub worker_id: u64,
    pub zone: String,
    pub is_alive: bool,
    pub incarnation: u64,
    /// Whole copies.
    pub blocks: BTreeSet<u64>,
    /// Of those that are shards: which.
    pub shards: BTreeMap<u64, u32>,
    /// Damaged ones, set aside.
    pub quarantined: BTreeSet<u64>,
    deletions: BTreeSet<u64>,
    deleted: BTreeSet<u64>,
    pub copies: Vec<CopyOrder>,
    results: BTreeMap<u64, CopyResult>,
    damaged: BTreeSet<u64>,
    missing: Vec<u64>,
    /// An inventory that was taken and not sent.
    inventory: Option<(u64, Vec<u64>, Vec<u64>)>,
}

/// A metaserver and its workers.
pub struct Machines {
    pub fixture: Fixture,
    pub machines: Vec<Machine>,
    pub put_count: u64,
}

impl Machines {
    /// Workers in these zones, each on a host of its own.
    pub async fn new(zones: &[&str]) -> Self {
        let fixture = Fixture::new().await;
        fixture.bucket("photos").await;
        let mut machines = Self { fixture, machines: Vec::new(), put_count: 0 };
        for (at, zone) in zones.iter().enumerate() {
            let worker_id = if at == 0 { machines.fixture.worker_id } else { machines.fixture.worker("", "").await };
            let (zone, incarnation) = ((*zone).to_owned(), 1);
            machines.machines.push(Machine { worker_id, zone, incarnation, is_alive: true, ..Machine::default() });
            machines.register(at).await;
            machines.beat(at).await;
        }
        machines
    }

    pub fn id(&self, at: usize) -> u64 {
        self.machines[at].worker_id
    }

    async fn register(&self, at: usize) {
        let machine = &self.machines[at];
        let request = RegisterWorkerRequest {
            worker_id: machine.worker_id,
            cluster_id: self.fixture.namespace.ids.cluster_id.clone(),
            address: format!("host-{at}:1"),
            zone: machine.zone.clone(),
            incarnation: machine.incarnation,
            used_bytes: machine.used_bytes(),
            free_bytes: ROOM_BYTES - machine.used_bytes(),
            ..Default::default()
        };
        self.fixture.cluster.register_worker(&request).await.unwrap();
    }

    /// One heartbeat; what the answer orders is noted, and done by [`Machines::work`].
    pub async fn beat(&mut self, at: usize) {
        self.beat_with(at, false).await;
    }

    fn heartbeat(&self, at: usize) -> WorkerHeartbeatRequest {
        let machine = &self.machines[at];
        WorkerHeartbeatRequest {
            worker_id: machine.worker_id,
            incarnation: machine.incarnation,
            used_bytes: machine.used_bytes(),
            free_bytes: ROOM_BYTES - machine.used_bytes(),
            deleted_block_ids: machine.deleted.iter().copied().collect(),
            damaged_block_ids: machine.damaged.iter().copied().collect(),
            missing_block_ids: machine.missing.clone(),
            copy_results: machine.results.values().map(|result| machine.told(result)).collect(),
            ..Default::default()
        }
    }

    /// The call of a heartbeat breaks off when the metaserver has been at it so often. Whether it had ended by then.
    pub async fn beat_broken_off(&self, at: usize, polls: usize) -> bool {
        let request = self.heartbeat(at);
        let mut beat = pin!(self.fixture.cluster.worker_heartbeat(&request));
        for _ in 0..polls {
            if futures::poll!(beat.as_mut()).is_ready() {
                return true;
            }
        }
        false
    }

    /// With `is_lost`, the worker never hears the answer.
    pub async fn beat_with(&mut self, at: usize, is_lost: bool) {
        if !self.machines[at].is_alive {
            return;
        }
        let request = self.heartbeat(at);
        let answer = self.fixture.cluster.worker_heartbeat(&request).await.unwrap();
        if is_lost {
            return;
        }
        if answer.register {
            self.register(at).await;
            return;
        }
        let machine = &mut self.machines[at];
        machine.deleted.clear();
        machine.damaged.clear();
        machine.results.clear();
        machine.missing = answer.check_block_ids.into_iter().filter(|id| !machine.blocks.contains(id)).collect();
        machine.deletions.extend(answer.delete_block_ids);
        machine.copies = answer.copy_orders;
        if answer.send_inventory {
            self.take_inventory(at);
            self.send_inventory(at).await;
        }
    }

    /// A worker carries out what it is ordered to.
    pub fn work(&mut self, at: usize) {
        if !self.machines[at].is_alive {
            return;
        }
        for id in std::mem::take(&mut self.machines[at].deletions) {
            let machine = &mut self.machines[at];
            machine.blocks.remove(&id);
            machine.quarantined.remove(&id);
            machine.damaged.remove(&id);
            machine.deleted.insert(id);
        }
        for order in std::mem::take(&mut self.machines[at].copies) {
            let id = order.block_id;
            let gives = |machine: &Machine| {
                let is_source = order.sources.iter().any(|source| source.worker_id == machine.worker_id);
                is_source && machine.is_alive && machine.blocks.contains(&id)
            };
            let shard = order.rebuild.as_ref().map(|rebuild| rebuild.shard).or_else(|| shard_of(order.crc32c));
            let has_other =
                self.machines[at].blocks.contains(&id) && self.machines[at].shards.get(&id) != shard.as_ref();
            let is_computed = order.rebuild.as_ref().is_some_and(|rebuild| self.can_compute(id, rebuild));
            let is_there = self.machines[at].blocks.contains(&id) || self.machines.iter().any(gives) || is_computed;
            let is_there = is_there && !has_other;
            let machine = &mut self.machines[at];
            if is_there {
                machine.blocks.insert(id);
                machine.shards.extend(shard.map(|shard| (id, shard)));
                machine.quarantined.remove(&id);
                machine.damaged.remove(&id);
                machine.deleted.remove(&id);
            }
            let reason = if has_other { Reason::ChecksumMismatch } else { Reason::NoSuchBlock };
            let failure = (!is_there).then(|| Failure { reason: reason.into(), ..Failure::default() });
            machine.results.insert(order.order_id, CopyResult { order_id: order.order_id, block_id: id, failure });
        }
    }

    /// Are there k of the shards that an order names?
    fn can_compute(&self, block_id: u64, rebuild: &Rebuild) -> bool {
        let has = |source: &ShardSource| {
            let holder = source.source.as_ref().map(|source| source.worker_id);
            self.machines.iter().any(|machine| {
                let is_whole = machine.is_alive && machine.blocks.contains(&block_id);
                Some(machine.worker_id) == holder && is_whole && machine.shards.get(&block_id) == Some(&source.shard)
            })
        };
        let shards: BTreeSet<u32> = rebuild.sources.iter().filter(|s| has(s)).map(|source| source.shard).collect();
        shards.len() >= rebuild.coding.unwrap().data_shards as usize
    }

    pub fn take_inventory(&mut self, at: usize) {
        let machine = &mut self.machines[at];
        let all = |ids: &BTreeSet<u64>| ids.iter().copied().collect();
        machine.inventory = Some((machine.incarnation, all(&machine.blocks), all(&machine.quarantined)));
    }

    pub async fn send_inventory(&mut self, at: usize) {
        let worker_id = self.id(at);
        let Some((incarnation, block_ids, damaged_block_ids)) = self.machines[at].inventory.take() else { return };
        let batch = InventoryBatch { worker_id, block_ids, incarnation, damaged_block_ids };
        // One of a former start is refused.
        let _ = self.fixture.cluster.take_inventory(&batch).await;
    }

    pub fn kill(&mut self, at: usize) {
        self.machines[at].is_alive = false;
    }

    /// The process starts again over its disk.
    pub async fn start(&mut self, at: usize) {
        let machine = &mut self.machines[at];
        if machine.is_alive {
            return;
        }
        let Machine { worker_id, zone, incarnation, blocks, shards, quarantined, .. } = std::mem::take(machine);
        let (incarnation, is_alive) = (incarnation + 1, true);
        let former = Machine { worker_id, zone, incarnation, blocks, shards, quarantined, ..Machine::default() };
        *machine = Machine { is_alive, ..former };
        self.register(at).await;
    }

    /// A read or a scrub finds the copy damaged.
    pub fn damage(&mut self, at: usize, block_id: u64) {
        let machine = &mut self.machines[at];
        if machine.blocks.remove(&block_id) {
            machine.quarantined.insert(block_id);
            machine.damaged.insert(block_id);
        }
    }

    /// An object of one block on some workers, of which `wanted` should have it. Returns the block's id.
    pub async fn put(&mut self, on: &[usize], wanted: u32) -> u64 {
        self.put_count += 1;
        let ids: Vec<u64> = on.iter().map(|at| self.id(*at)).collect();
        let key = format!("object-{}", self.put_count);
        let block_id = self.fixture.put_on("photos", &key, &ids, wanted).await;
        for at in on {
            self.machines[*at].blocks.insert(block_id);
        }
        block_id
    }

    /// An object of one coded block, 2+1: a shard on each of some workers, in order. Returns the block's id.
    pub async fn put_coded(&mut self, on: &[usize]) -> u64 {
        self.put_count += 1;
        let holders: Vec<(u64, u32)> = on.iter().map(|at| self.id(*at)).zip(0..).collect();
        let key = format!("object-{}", self.put_count);
        let crcs: Vec<u32> = (0..3).map(|shard| SHARD_CRC + shard).collect();
        let block_id = self.fixture.put_coded("photos", &key, &holders, &crcs).await;
        for (at, shard) in on.iter().zip(0..) {
            self.machines[*at].blocks.insert(block_id);
            self.machines[*at].shards.insert(block_id, shard);
        }
        block_id
    }

    /// Which shard each worker that has one has, by position.
    pub fn shards_on_disk(&self, block_id: u64) -> Vec<(usize, u32)> {
        self.on_disk(block_id).into_iter().map(|at| (at, self.machines[at].shards[&block_id])).collect()
    }

    /// Time passes; the living heartbeat in it.
    pub async fn pass(&mut self, by_ms: i64) {
        for _ in 0..by_ms / 1_000 {
            self.fixture.clock.advance(1_000);
            self.round().await;
        }
    }

    /// All do what they have to, once.
    pub async fn round(&mut self) {
        for at in 0..self.machines.len() {
            self.work(at);
            self.beat(at).await;
        }
        self.fixture.cluster.repair_turn().await.unwrap();
    }

    /// Looks at all blocks and has everything done that is found, as long as there is something.
    pub async fn settle(&mut self) {
        for _ in 0..100 {
            self.fixture.cluster.sweep_all().await;
            for _ in 0..8 {
                self.fixture.clock.advance(500);
                self.round().await;
            }
            let redundancy = self.fixture.cluster.redundancy();
            let (queued, ordered) = (redundancy.queued_block_count, redundancy.ordered_block_count);
            if queued + ordered == 0 && !self.fixture.cluster.sweep.has_plan() {
                break;
            }
        }
        self.fixture.cluster.sweep_all().await;
    }

    /// Who has a whole copy on its disk, by position.
    pub fn on_disk(&self, block_id: u64) -> Vec<usize> {
        (0..self.machines.len()).filter(|at| self.machines[*at].blocks.contains(&block_id)).collect()
    }

    pub fn block_counts(&self) -> Vec<usize> {
        self.machines.iter().map(|machine| machine.blocks.len()).collect()
    }

    /// The metaserver starts anew.
    pub async fn restart_metaserver(mut self) -> Self {
        self.fixture = self.fixture.restart().await;
        self
    }
}

impl Machine {
    fn used_bytes(&self) -> u64 {
        self.blocks.len() as u64 * BLOCK_BYTES
    }

    /// A block that was found damaged since is no good copy.
    fn told(&self, result: &CopyResult) -> CopyResult {
        let is_damaged = result.failure.is_none() && self.damaged.contains(&result.block_id);
        let damage = || Failure { reason: Reason::Damaged.into(), ..Failure::default() };
        CopyResult { failure: result.failure.clone().or_else(|| is_damaged.then(damage)), ..*result }
    }
}
