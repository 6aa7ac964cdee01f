//! `weir fsadmin decommissionWorker`

use crate::shell::error::ShellError;
use crate::shell::output::Output;
use crate::shell::usage::Help;
use crate::shell::{Exit, Shell};
use clap::Args;
use jiff::SignedDuration;
use std::time::{Duration, Instant};
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
        if Instant::now() >= until {
            for worker in left {
                let (name, count) = (crate::shell::blocks::shown(&worker.address), worker.block_count);
                out.say(format_args!(
                    "Not empty yet: {name} (worker {}), {count} blocks on its disk",
                    worker.worker_id
                ))?;
            }
            return Ok(NOT_EMPTY);
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
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
    fn a_worker_is_left_until_it_is_drained() {
        let worker =
            |worker_id, state: WorkerState| v1::Worker { worker_id, state: state.into(), ..Default::default() };
        assert!(is_left(&worker(1, WorkerState::Draining), &[1]));
        assert!(!is_left(&worker(1, WorkerState::Drained), &[1]));
        assert!(!is_left(&worker(2, WorkerState::Live), &[1]));
    }
}
