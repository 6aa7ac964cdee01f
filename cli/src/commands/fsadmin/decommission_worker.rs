//! `weir fsadmin decommissionWorker`

use crate::shell::error::ShellError;
use crate::shell::format::printable;
use crate::shell::output::Output;
use crate::shell::room::{Wanted, taking};
use crate::shell::usage::Help;
use crate::shell::{Exit, Shell};
use clap::Args;
use jiff::SignedDuration;
use std::time::{Duration, Instant};
use weir_coding::Scheme;
use weir_gateway::objects::Keeping;
use weir_proto::v1::{self, WorkerState};

pub const HELP: Help = Help {
    name: "decommissionWorker",
    usage: "decommissionWorker --addresses <workerHosts> [--wait waitTime] [--disable]",
    about: "Empties workers, HOST:PORT[,HOST:PORT...] or ids: they get no new blocks, and what they have is copied to \
            others. Waits for that (5m unless --wait says otherwise; 0s: not at all). What was begun goes on, also when \
            the workers or the metaserver start anew, until enableWorker. With --disable an empty worker may not come \
            back before that. Exit code 0: they are empty; 1: failed; 2: the metaserver was lost; 3: not empty yet.",
};

/// Exit codes of their own, for scripts.
const REFUSED: Exit = Exit(1);
const LOST: Exit = Exit(2);
const NOT_EMPTY: Exit = Exit(3);

const POLL_INTERVAL: Duration = Duration::from_millis(500);

#[derive(Debug, Args)]
#[command(about = HELP.about)]
pub struct DecommissionWorkerArgs {
    /// The workers.
    #[arg(short = 'a', long, value_name = "workerHosts", value_delimiter = ',', required = true)]
    addresses: Vec<String>,
    /// How long to wait, such as 90s or 1h30m.
    #[arg(short = 'w', long, value_name = "waitTime", default_value = "5m")]
    wait: SignedDuration,
    /// Once empty, they may not register until they are enabled.
    #[arg(short = 'd', long)]
    disable: bool,
}

pub async fn run(args: &DecommissionWorkerArgs, shell: &Shell, out: &mut Output) -> Result<Exit, ShellError> {
    let request = v1::DecommissionWorkersRequest { workers: args.addresses.clone(), disable: args.disable };
    let ids = match shell.admin().decommission_workers(request).await {
        Ok(answer) => answer.into_inner().worker_ids,
        Err(status) => return failed(status.into(), shell, out),
    };
    let most_wanting = most_wanting(shell).await;
    let mut is_told = false;
    let until = Instant::now() + Duration::try_from(args.wait).unwrap_or_default();
    loop {
        let report = match shell.admin().report(v1::ReportRequest {}).await {
            Ok(answer) => answer.into_inner(),
            Err(status) => return failed(status.into(), shell, out),
        };
        let left: Vec<&v1::Worker> = report.workers.iter().filter(|worker| is_left(worker, &ids)).collect();
        if left.is_empty() {
            out.say(format_args!("Empty: {}", args.addresses.join(", ")))?;
            return Ok(Exit::DONE);
        }
        let reasons: Vec<Option<String>> =
            left.iter().map(|worker| hindrance(worker, &report, most_wanting.as_ref())).collect();
        if Instant::now() >= until {
            for (worker, reason) in left.iter().zip(&reasons) {
                let (name, count) = (crate::shell::blocks::shown(&worker.address), worker.block_count);
                let reason = reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
                out.say(format_args!(
                    "Not empty yet: {name} (worker {}), {count} blocks on its disk{reason}",
                    worker.worker_id
                ))?;
            }
            return Ok(NOT_EMPTY);
        }
        // Who waits should know at once that it may be in vain.
        if let (false, Some(reason)) = (is_told, reasons.into_iter().flatten().next()) {
            is_told = true;
            out.say(format_args!("Waiting, although {reason}"))?;
            out.flush()?;
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// The bucket whose blocks need most workers, if any says how many, and what it says. Only the words depend on it.
async fn most_wanting(shell: &Shell) -> Option<(String, Keeping)> {
    let copies = |keeping: &Keeping| keeping.coding.map_or(keeping.replication as usize, Scheme::shards);
    let (bucket, keeping) = shell.keeping().await.ok()?.iter().max_by_key(|(_, keeping)| copies(keeping))?;
    Some((bucket.clone(), *keeping))
}

/// Why a worker may never be empty as things are; none: it takes its time.
fn hindrance(worker: &v1::Worker, report: &v1::ReportResponse, bucket: Option<&(String, Keeping)>) -> Option<String> {
    let count = worker.block_count;
    if worker.last_heartbeat_ms != 0 && count == 0 {
        return None;
    }
    let taking = taking(report);
    let cluster = ("the cluster".to_owned(), Keeping::default());
    let bucket = bucket.map(|(name, keeping)| (format!("bucket {}", printable(name.as_bytes())), *keeping));
    let wish = |(who, keeping): (String, Keeping)| Some((Wanted::of(keeping, report)?.all, who));
    let (all, who) = [Some(cluster), bucket].into_iter().flatten().filter_map(wish).max()?;
    (taking < all).then(|| {
        let room = if taking == 1 { "1 other takes any" } else { &*format!("{taking} others take any") };
        format!(
            "blocks may have nowhere to go: {who} wants them on {all} workers, and {room}. Add workers, or enableWorker"
        )
    })
}

/// A worker that is forgotten is as good as empty.
fn is_left(worker: &v1::Worker, ids: &[u64]) -> bool {
    ids.contains(&worker.worker_id) && worker.state() != WorkerState::Drained
}

fn failed(error: ShellError, shell: &Shell, out: &mut Output) -> Result<Exit, ShellError> {
    match error {
        ShellError::Unreachable(reason) => out.say(shell.place.silence(&reason)).map(|()| LOST),
        error => out.say(error).map(|()| REFUSED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_may_never_be_empty_says_why() {
        let worker = |worker_id, state: WorkerState| v1::Worker {
            worker_id,
            state: state.into(),
            live: true,
            last_heartbeat_ms: 1,
            block_count: 7,
            ..Default::default()
        };
        let mut workers =
            vec![worker(1, WorkerState::Draining), worker(2, WorkerState::Live), worker(3, WorkerState::Live)];
        let report = |workers: &[v1::Worker]| v1::ReportResponse {
            workers: workers.to_vec(),
            replication: 3,
            ..Default::default()
        };
        assert_eq!(
            hindrance(&workers[0], &report(&workers), None).unwrap(),
            "blocks may have nowhere to go: the cluster wants them on 3 workers, and 2 others take any. Add workers, or \
             enableWorker"
        );
        workers.push(worker(4, WorkerState::Live));
        assert_eq!(hindrance(&workers[0], &report(&workers), None), None);
        let coded = ("photos".to_owned(), Keeping { replication: 0, coding: Some("4+2".parse().unwrap()) });
        let reason = hindrance(&workers[0], &report(&workers), Some(&coded)).unwrap();
        assert!(reason.contains("bucket photos wants them on 6 workers, and 3 others take any"), "{reason}");
        workers[0].block_count = 0;
        assert_eq!(hindrance(&workers[0], &report(&workers), Some(&coded)), None, "there is nothing to go");
    }

    #[test]
    fn a_worker_is_left_until_it_is_drained() {
        let worker =
            |worker_id, state: WorkerState| v1::Worker { worker_id, state: state.into(), ..Default::default() };
        assert!(is_left(&worker(1, WorkerState::Draining), &[1]));
        assert!(!is_left(&worker(1, WorkerState::Drained), &[1]));
        assert!(!is_left(&worker(2, WorkerState::Live), &[1]));
    }
}
