//! `weir local-cluster`: a cluster on one machine, each role a process of its own, over one folder.
//!
//! | module | subject |
//! |---|---|
//! | [`plan`] | which processes there are, with their ports, folders and command lines |
//! | [`ports`] | ports that are free, and the same as the last time |
//! | [`metaservers`] | which of two metaservers serves |
//! | [`members`] | starting them, noticing their end, stopping them |
//! | [`record`] | the table, and `cluster.json` |

mod error;
mod members;
mod metaservers;
mod plan;
mod ports;
mod record;

use super::cluster_secret::{NAME as SECRET_NAME, secret_text_of};
use super::probe::probe;
use super::process::{Signals, StartError, block_on};
use super::{ConfigArgs, FAILED, USAGE, refuse, told};
use error::ClusterError;
use members::{Ended, Environment, Members};
use plan::{LOGS_NAME, Wanted};
use record::{GATEWAY, METASERVER, Record, STANDBY, WORKER};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};
use weir_proto::v1::admin_client::AdminClient;
use weir_proto::v1::{ReportRequest, StandbyState};
use weir_service::channel::{self, Channel};
use weir_service::clock::SystemClock;
use weir_service::config::{Config, ServiceSettings};
use weir_service::disk::{Disk as _, SystemDisk};
use weir_service::folder_lock::FolderLock;
use weir_service::peer_auth::ClusterCredentials;
use weir_service::telemetry;

const NAME: &str = "local-cluster";
/// Each role must serve within this time, whatever state it finds.
const START_TIMEOUT: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(50);
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
/// What a role may take to end beyond `shutdown_timeout_ms`: its back, its closers, its runtime.
const STOP_MARGIN: Duration = Duration::from_secs(15);
/// More processes of a role than that are of no use on one machine.
const MEMBER_MAX_COUNT: i64 = 64;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder of the whole cluster
    #[arg(long, value_name = "DIR", default_value = "./weir-cluster")]
    data: PathBuf,
    /// 1, or 2: the second is a standby, which has each commit before it is answered and may be promoted
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=2))]
    metaservers: u16,
    /// How many workers; with fewer than 3, metaserver.replication is as many unless it is set
    #[arg(long, value_name = "COUNT", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=MEMBER_MAX_COUNT))]
    workers: u16,
    /// How many gateways
    #[arg(long, value_name = "COUNT", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=MEMBER_MAX_COUNT))]
    gateways: u16,
    /// Where the first gateway serves S3; the others have the ports after it. Port 0: any [default: 127.0.0.1:39999]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// Starts again what has died; without, it stays dead
    #[arg(long)]
    respawn: bool,
    /// The configuration file of all roles [default: WEIR_CONFIG, else ./weir.toml if it exists]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Sets any key for all roles, such as metaserver.worker_timeout_ms=2s
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// How much is logged: error, warn, info, debug, trace, or a filter by module
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
}

impl Args {
    /// The flags that every process gets as they were given.
    fn shared_flags(&self) -> Vec<String> {
        let config = self.config.iter().map(|file| ("--config", file.to_string_lossy().into_owned()));
        let set = self.set.iter().map(|assignment| ("--set", assignment.clone()));
        let log = self.log.iter().map(|filter| ("--log", filter.clone()));
        config.chain(set).chain(log).flat_map(|(flag, value)| [flag.to_owned(), value]).collect()
    }
}

/// Runs until a signal ends it.
pub fn run(args: &Args) -> ExitCode {
    let shared =
        ConfigArgs { config: args.config.clone(), set: args.set.clone(), log: args.log.clone(), admin_listen: None };
    let config = match shared.load(&[("gateway.listen", args.listen.clone(), "--listen")]) {
        Ok(config) => config,
        Err(error) => return refuse(&error, USAGE),
    };
    block_on(async {
        let _telemetry = match telemetry::init(&config.service, NAME) {
            Ok(telemetry) => telemetry,
            Err(error) => return refuse(&error, FAILED),
        };
        match serve(args, &config).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => refuse(&error, error.exit_code()),
        }
    })
}

async fn serve(args: &Args, config: &Config) -> Result<(), ClusterError> {
    let mut signals = Signals::new().map_err(ClusterError::file("signals"))?;
    let program = std::env::current_exe().map_err(ClusterError::file("the program's own file"))?;
    let data = std::path::absolute(&args.data).map_err(ClusterError::file(&args.data))?;
    let wanted = Wanted { args, config, data: &data, program: &program };
    wanted.check().await?;
    SystemDisk.create_dir_all(&data.join(LOGS_NAME)).map_err(ClusterError::file(&data))?;
    let _lock = FolderLock::with_file(&data).map_err(StartError::from)?;
    let plan = wanted.plan(&Record::read(&data)?).await?;
    let (settings, environment) = with_secret(config, &data)?;
    let mut members = Members::new(plan, environment, args.respawn);
    members.record().write(&SystemDisk, &data)?;

    let started = tokio::select! {
        started = start(&mut members, &settings, &data) => Some(started),
        name = signals.next() => { tracing::info!(signal = name, "stopping"); None }
    };
    let outcome = match started {
        Some(Ok(())) => watch(&mut members, &mut signals, &data).await,
        Some(Err(error)) => Err(error),
        None => Ok(()),
    };
    let patience = Duration::from_millis(config.service.shutdown_timeout_ms) + STOP_MARGIN;
    tokio::select! {
        () = members.stop(patience) => {}
        name = signals.next() => tracing::warn!(signal = name, "stopping at once"),
    }
    members.kill();
    members.record().write(&SystemDisk, &data)?;
    outcome
}

/// The settings with the secret that is configured, or else one that is kept in the folder; and what the processes'
/// environment has to say of it.
fn with_secret(config: &Config, data: &Path) -> Result<(ServiceSettings, Environment), ClusterError> {
    let mut settings = ServiceSettings { data: data.to_owned(), ..config.service.clone() };
    let is_own = settings.cluster_secret.is_empty();
    settings.cluster_secret = secret_text_of(&settings, &SystemDisk, &SystemClock)?;
    let path = data.join(SECRET_NAME).to_string_lossy().into_owned();
    let own = vec![("WEIR_CLUSTER_SECRET", None), ("WEIR_CLUSTER_SECRET_FILE", Some(path))];
    Ok((settings, if is_own { own } else { Vec::new() }))
}

/// Starts everyone, each when those whom it needs serve.
async fn start(members: &mut Members, settings: &ServiceSettings, data: &Path) -> Result<(), ClusterError> {
    // A metaserver that knows its standby serves when that follows.
    for roles in [&[METASERVER, STANDBY][..], &[WORKER], &[GATEWAY]] {
        roles.iter().try_for_each(|role| members.start(role))?;
        for role in roles {
            await_ready(members, role, data).await?;
        }
        match roles {
            [METASERVER, ..] => await_standby(members, settings, data).await?,
            [WORKER] => await_workers(members, settings, data).await?,
            _ => {}
        }
    }
    Ok(())
}

async fn await_ready(members: &mut Members, role: &str, data: &Path) -> Result<(), ClusterError> {
    let admin_ports: Vec<_> = members.record().of_role(role).map(|entry| entry.admin_address.to_string()).collect();
    for address in admin_ports {
        let serves = async || probe(&address, "/readyz", PROBE_TIMEOUT).await.is_ok();
        eventually(members, data, &format!("a {role} does not serve"), serves).await?;
    }
    Ok(())
}

fn admin_client(record: &Record, settings: &ServiceSettings) -> Result<Option<AdminClient<Channel>>, ClusterError> {
    let credentials = ClusterCredentials::from_settings(settings).map_err(StartError::from)?;
    let metaserver = record.of_role(METASERVER).next();
    Ok(metaserver.map(|entry| AdminClient::new(channel::connect(&entry.address.to_string(), &credentials))))
}

/// Where a standby is required, nobody can join before it has caught up.
async fn await_standby(members: &mut Members, settings: &ServiceSettings, data: &Path) -> Result<(), ClusterError> {
    let record = members.record();
    if record.of_role(STANDBY).next().is_none() {
        return Ok(());
    }
    let Some(client) = admin_client(&record, settings)? else { return Ok(()) };
    let is_in_sync = async || {
        let Ok(report) = client.clone().report(ReportRequest {}).await else { return false };
        // Not taken at all, where the configuration says so.
        report.into_inner().standby.is_none_or(|standby| standby.state() == StandbyState::InSync)
    };
    eventually(members, data, "the standby has not caught up", is_in_sync).await
}

/// A write needs the metaserver to know the workers.
async fn await_workers(members: &mut Members, settings: &ServiceSettings, data: &Path) -> Result<(), ClusterError> {
    let record = members.record();
    let Some(client) = admin_client(&record, settings)? else { return Ok(()) };
    let all: Vec<_> = record.of_role(WORKER).map(|entry| entry.address.to_string()).collect();
    let are_known = async || {
        let Ok(report) = client.clone().report(ReportRequest {}).await else { return false };
        let report = report.into_inner();
        all.iter().all(|address| report.workers.iter().any(|worker| worker.live && worker.address == *address))
    };
    eventually(members, data, "the workers have not joined", are_known).await
}

/// Waits for something that those who were started have to bring about, while none of them ends.
async fn eventually(
    members: &mut Members,
    data: &Path,
    otherwise: &str,
    holds: impl AsyncFn() -> bool,
) -> Result<(), ClusterError> {
    let deadline = Instant::now() + START_TIMEOUT;
    loop {
        members.check()?;
        if holds().await {
            return Ok(());
        }
        if Instant::now() >= deadline {
            let (what, logs) = (otherwise.to_owned(), data.join(LOGS_NAME));
            return Err(ClusterError::Slow { what, timeout: START_TIMEOUT, logs });
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// Tells of the cluster, then of whoever ends, until a signal comes.
async fn watch(members: &mut Members, signals: &mut Signals, data: &Path) -> Result<(), ClusterError> {
    let mut children = signal(SignalKind::child()).map_err(ClusterError::file("signals"))?;
    members.record().write(&SystemDisk, data)?;
    announce(&members.record());
    loop {
        let ended = members.reap();
        for Ended { name, status } in &ended {
            tracing::warn!(name, %status, "has ended");
        }
        if !ended.is_empty() {
            if let Err(error) = members.settle() {
                tracing::warn!(error = told(&error), "which metaserver serves is not known");
            }
            members.record().write(&SystemDisk, data)?;
        }
        let due = members.due();
        tokio::select! {
            name = signals.next() => {
                tracing::info!(signal = name, "stopping");
                return Ok(());
            }
            _ = children.recv() => {}
            () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now).into()), if due.is_some() => {
                members.respawn();
                members.record().write(&SystemDisk, data)?;
            }
        }
    }
}

fn announce(record: &Record) {
    let mut out = io::stdout().lock();
    // Nobody may be reading: that is no reason not to serve.
    let _ = out.write_all(record.table().as_bytes()).and_then(|()| out.flush());
}
