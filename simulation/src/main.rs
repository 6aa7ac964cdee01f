//! `weir-simulate` runs a cluster under faults in a simulation, seed after seed, and checks all that its clients saw. It ends
//! with an error if anything was not as it must be, and says how to see it again.

use clap::Parser;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;
use weir_simulation::processes::Runner;
use weir_simulation::progress::Progress;
use weir_simulation::results::Results;
use weir_simulation::run::{Verdict, run};
use weir_simulation::teeth;
use weir_simulation::trace::Trace;

/// Of results of before, as many seeds are run once more.
const REPLAYED: usize = 8;

/// A simulated cluster under faults, and whether its promises hold.
#[derive(Parser)]
struct Args {
    /// Seeds to be run
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    /// The first seed
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// Runs this seed alone
    #[arg(long, conflicts_with_all = ["seeds", "from"])]
    seed: Option<u64>,
    /// Prints everything that happens in the run of --seed
    #[arg(long, requires = "seed")]
    trace: bool,
    /// What the roles log in the run of --seed, on standard error: a level, or a list of module=level
    #[arg(long, value_name = "FILTER", requires = "seed")]
    log: Option<EnvFilter>,
    /// Plants each fault whose name has this in it, and says after how many of the seeds it was noticed. Needs the feature
    /// planted-faults
    #[arg(long, value_name = "FAULT", num_args = 0..=1, default_missing_value = "", conflicts_with = "seed")]
    teeth: Option<String>,
    /// Goes on after a seed that fails
    #[arg(long)]
    keep_going: bool,
    /// Keeps what came of each seed in this file. With a file of before, runs the others alone, after some of its own
    /// once more, to see that the program is still the one that wrote it
    #[arg(long, value_name = "FILE", conflicts_with_all = ["seed", "teeth"])]
    results: Option<PathBuf>,
    /// Runs at a time; as many as there are processors
    #[arg(long)]
    jobs: Option<usize>,
    /// The process of one run
    #[arg(long, hide = true)]
    one: Option<u64>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    if let Some(seed) = args.one {
        println!("{}", serde_json::to_string(&run(seed, Trace::default())).unwrap_or_default());
        return ExitCode::SUCCESS;
    }
    if let Some(seed) = args.seed {
        if let Some(filter) = args.log {
            tracing_subscriber::fmt().with_env_filter(filter).without_time().with_writer(std::io::stderr).init();
        }
        let trace = if args.trace { Trace::printed() } else { Trace::default() };
        let verdict = run(seed, trace);
        tell(&verdict);
        println!("{verdict:#?}");
        return if verdict.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let jobs = args.jobs.or_else(|| std::thread::available_parallelism().ok().map(usize::from)).unwrap_or(1);
    let runner = Runner { jobs: jobs.max(1), environment: Vec::new() };
    match &args.teeth {
        Some(filter) => show_teeth(&args, &runner, filter),
        None => many(&args, &runner).unwrap_or_else(|error| {
            eprintln!("weir-simulate: {error}");
            ExitCode::FAILURE
        }),
    }
}

fn show_teeth(args: &Args, runner: &Runner, filter: &str) -> ExitCode {
    if !cfg!(feature = "planted-faults") {
        eprintln!("weir-simulate: --teeth needs a binary built with --features planted-faults");
        return ExitCode::FAILURE;
    }
    let missed = teeth::show(runner, filter, args.from, args.seeds);
    println!("{} faults were not noticed: {}", missed.len(), missed.join(", "));
    ExitCode::SUCCESS
}

/// What all runs come to.
#[derive(Default)]
struct Sum {
    runs: u64,
    failed: u64,
    simulated_ms: u64,
    operations: u64,
    unanswered: u64,
    crashes: u64,
    faults: u64,
    disk_failures: u64,
}

impl Sum {
    fn add(&mut self, verdict: &Verdict) {
        self.runs += 1;
        self.failed += u64::from(!verdict.violations.is_empty());
        self.simulated_ms += verdict.simulated_ms;
        self.operations += verdict.operations;
        self.unanswered += verdict.unanswered;
        self.crashes += verdict.crashes;
        self.faults += verdict.faults;
        self.disk_failures += verdict.disk_failures;
    }

    /// A line about all. `earlier` of the runs are from before these seconds.
    fn tell(&self, seconds: u64, earlier: u64) {
        let Self { runs, failed, operations, unanswered, crashes, faults, disk_failures, .. } = self;
        let hours = self.simulated_ms as f64 / 3_600_000.0;
        let earlier = if earlier == 0 { String::new() } else { format!(" ({earlier} of the runs before them)") };
        println!(
            "{runs} runs ({failed} failed), {hours:.1} simulated hours, {operations} operations ({unanswered} without an \
             answer or with a 5xx), {crashes} crashes, {faults} faults, {disk_failures} disk failures, {seconds} s{earlier}"
        );
    }
}

fn many(args: &Args, runner: &Runner) -> io::Result<ExitCode> {
    let seeds = args.from..args.from.saturating_add(args.seeds);
    let mut results = args.results.as_deref().map(Results::open).transpose()?;
    let earlier = results.as_mut().map(|results| std::mem::take(&mut results.earlier)).unwrap_or_default();
    let mut sum = Sum::default();
    earlier.values().filter(|verdict| seeds.contains(&verdict.seed)).for_each(|verdict| sum.add(verdict));
    let earlier_runs = sum.runs;
    replay(runner, &earlier)?;
    let (mut progress, mut failure) = (Progress::new(args.seeds, earlier_runs), None);
    runner.run(seeds.filter(|seed| !earlier.contains_key(seed)), |verdict| {
        sum.add(&verdict);
        if !verdict.violations.is_empty() {
            progress.clear();
            tell(&verdict);
        }
        progress.show(sum.runs, sum.failed, sum.operations);
        failure = results.as_mut().and_then(|results| results.keep(&verdict).err());
        failure.is_none() && (verdict.violations.is_empty() || args.keep_going)
    });
    progress.clear();
    sum.tell(progress.elapsed().as_secs(), earlier_runs);
    match failure {
        Some(error) => Err(error),
        None => Ok(if sum.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }),
    }
}

/// Runs the first and the last seeds of earlier results once more: results of other code are not of this run.
fn replay(runner: &Runner, earlier: &BTreeMap<u64, Verdict>) -> io::Result<()> {
    let (begin, end) = (earlier.keys().take(REPLAYED / 2), earlier.keys().rev().take(REPLAYED / 2));
    let some: BTreeSet<u64> = begin.chain(end).copied().collect();
    let mut other = None;
    runner.run(some.into_iter(), |verdict| {
        if earlier[&verdict.seed].trace_digest != verdict.trace_digest {
            other = Some(verdict.seed);
        }
        other.is_none()
    });
    match other {
        Some(seed) => Err(io::Error::other(format!("seed {seed} ran otherwise: the results are of another program"))),
        None => Ok(()),
    }
}

/// What was violated, and how to see it again.
fn tell(verdict: &Verdict) {
    if verdict.violations.is_empty() {
        return;
    }
    println!("SEED {} FAILED", verdict.seed);
    for violation in &verdict.violations {
        println!("{violation}");
    }
    println!("again: cargo run --release -p weir-tests --bin simulate -- --seed {} --trace", verdict.seed);
}
