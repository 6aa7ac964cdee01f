//! One seed, from the beginning to the verdict.

use crate::board::Board;
use crate::client::Client;
use crate::ending;
use crate::faults::{LATENCY_MAX, LATENCY_MIN, World};
use crate::link::Link;
use crate::machine::{self, Machine, Role, START_MS};
use crate::plan::{Plan, machines};
use crate::settings::{self, BUCKET, CLIENTS};
use crate::trace::Trace;
use crate::{ambient, roles};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};
use turmoil::Sim;
use weir_service::simulation::{Random, enter};

/// What hosts send each other arrives at one of these, and each of them costs as much as an operation of a client.
const TICK: Duration = Duration::from_millis(5);
const CLIENT_COUNT: u32 = 4;
/// Faults come and go for so long, while clients work.
const FAULTS_MS: u64 = 14_000;
/// What must hold after that has to hold by then.
const END_MS: u64 = FAULTS_MS + 240_000;
/// Segments that a connection may have under way.
const TCP_CAPACITY: usize = 1 << 14;
/// Without faults a cluster takes its first bucket within this time.
const BEGIN_PATIENCE: Duration = Duration::from_secs(20);

static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// What came of a run.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Verdict {
    pub seed: u64,
    /// What was not as it must be; empty: all was well.
    pub violations: Vec<String>,
    pub simulated_ms: u64,
    pub operations: u64,
    /// Of them, those that had an error of the server's for an answer, or none.
    pub unanswered: u64,
    pub crashes: u64,
    pub faults: u64,
    /// How often disks failed as they were told to.
    pub disk_failures: u64,
    pub trace_lines: u64,
    /// Of all that happened: of two runs of a seed it is the same.
    pub trace_digest: u64,
}

/// Runs a seed. The process is used up by it: what libraries keep between runs would show in the next one.
pub fn run(seed: u64, trace: Trace) -> Verdict {
    note_panics();
    ambient::begin(seed);
    let _one_thread = enter();
    machine::slow_disks();
    let trace = Arc::new(trace);
    let board = Board::new(&trace);
    let mut random = Random(seed);
    let plan = Plan::new(&mut random, FAULTS_MS);
    let mut world = build(seed, &mut random, &trace);
    start_clients(&mut world, &board);
    let driven = panic::catch_unwind(AssertUnwindSafe(|| drive(&mut world, &plan, &board)));
    if let Ok(Err(error)) = driven {
        board.is_wrong(error);
    }
    for panic in std::mem::take(&mut *PANICS.lock().unwrap_or_else(PoisonError::into_inner)) {
        board.is_wrong(panic);
    }
    for (host, machine) in &world.machines {
        trace.note(host, format_args!("the disk's calls come to {:016x}", machine.disk.digest()));
    }
    let (trace_lines, trace_digest) = trace.digest();
    let tally = board.tally();
    Verdict {
        seed,
        violations: board.violations(),
        simulated_ms: u64::try_from(world.sim.elapsed().as_millis()).unwrap_or(u64::MAX),
        operations: tally.reads + tally.writes + tally.listings,
        unanswered: tally.unanswered,
        crashes: world.crashes,
        faults: plan.faults,
        disk_failures: world.disk_failures,
        trace_lines,
        trace_digest,
    }
}

/// A panic is a violation wherever it happens; a task's would go unnoticed.
fn note_panics() {
    panic::set_hook(Box::new(|info| {
        let text = format!("panic: {info}").replace('\n', " ");
        PANICS.lock().unwrap_or_else(PoisonError::into_inner).push(text);
    }));
}

fn build<'a>(seed: u64, random: &mut Random, trace: &Arc<Trace>) -> World<'a> {
    let begin = UNIX_EPOCH + Duration::from_millis(START_MS.unsigned_abs());
    let mut sim: Sim<'a> = turmoil::Builder::new()
        .epoch(begin)
        .rng_seed(seed)
        .tick_duration(TICK)
        .min_message_latency(LATENCY_MIN)
        .max_message_latency(LATENCY_MAX)
        .simulation_duration(Duration::from_millis(2 * END_MS))
        .tcp_capacity(TCP_CAPACITY)
        .enable_random_order()
        .build();
    let mut built = BTreeMap::new();
    for name in machines() {
        let role = match &*name {
            settings::METASERVER => Role::Metaserver,
            name if name.starts_with("worker") => Role::Worker,
            _ => Role::Gateway,
        };
        let machine = Machine::new(&name, role, random, trace);
        let own = machine.clone();
        sim.host(&*name, move || roles::run(own.clone()));
        built.insert(name, machine);
    }
    World::new(sim, built, trace.clone(), random.fork())
}

fn start_clients(world: &mut World<'_>, board: &Board) {
    let randoms: Vec<Random> = (0..=CLIENT_COUNT).map(|_| world.fork()).collect();
    let board = board.clone();
    world.sim.client(CLIENTS, async move {
        if !first_bucket().await {
            board.is_wrong("no bucket could be made before there were any faults".into());
            return Ok(());
        }
        let clients = (0..CLIENT_COUNT).zip(&randoms).map(|(number, random)| {
            let client = Client::new(&board, Link::new(number as usize), number, random.clone());
            tokio::task::spawn_local(client.run())
        });
        for client in clients.collect::<Vec<_>>() {
            client.await?;
        }
        let last = randoms[CLIENT_COUNT as usize].clone();
        ending::check(&board, CLIENT_COUNT, last).await;
        Ok(())
    });
}

async fn first_bucket() -> bool {
    let mut link = Link::new(0);
    let made = async {
        while link.send("PUT", &format!("/{BUCKET}"), &[], &[]).await.is_none_or(|answer| answer.status != 200) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(BEGIN_PATIENCE, made).await.is_ok()
}

/// Goes through the plan, and then waits for the clients' end.
fn drive(world: &mut World<'_>, plan: &Plan, board: &Board) -> Result<(), String> {
    let mut acts = plan.acts.iter().peekable();
    loop {
        let elapsed = world.sim.elapsed();
        let now_ms = elapsed.as_millis() as u64;
        ambient::set_elapsed(elapsed);
        world.trace.set_elapsed(elapsed);
        while let Some((_, act)) = acts.next_if(|(at_ms, _)| *at_ms <= now_ms) {
            world.act(act);
        }
        if now_ms >= FAULTS_MS && !board.is_stopped() {
            world.calm();
            board.stop();
        }
        world.look_after(now_ms, board.tally().acknowledged);
        if world.sim.step().map_err(|error| format!("the simulation ended: {error}"))? {
            return Ok(());
        }
        if now_ms > END_MS {
            return Err(format!("the checks have not ended {} s after the faults did", (END_MS - FAULTS_MS) / 1_000));
        }
    }
}
