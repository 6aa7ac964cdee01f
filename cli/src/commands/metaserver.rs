//! `weir metaserver`: the namespace of a cluster.

use super::process::{Process, Role, StartError, listen, run as run_role};
use super::{ConfigArgs, folder, told};
use clap::builder::NonEmptyStringValueParser;
use prometheus_client::registry::Registry;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use weir_metaserver::Metaserver;
use weir_metaserver::standby::Candidate;
use weir_proto::v1::standing_response::Role as Standing;
use weir_service::channel;
use weir_service::config::MetaserverSettings;
use weir_service::epoch::SeenEpoch;
use weir_service::peer_auth::{ClusterCredentials, ClusterSecret};
use weir_service::rpc;
use weir_service::sealing::Sealer;

const ROLE: Role = Role { name: "metaserver", admin_listen: "127.0.0.1:19997" };

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder of the journal, the index and the checkpoints [default: ./weir-data/meta]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where gateways, workers and the shell are answered [default: 127.0.0.1:19998]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// Runs a standby of the metaserver at this address, until it is promoted
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = NonEmptyStringValueParser::new())]
    follow: Option<String>,
    #[command(flatten)]
    config: ConfigArgs,
}

pub fn run(args: &Args) -> ExitCode {
    let config = args.config.load(&[
        ("metaserver.data", folder(&args.data), "--data"),
        ("metaserver.listen", args.listen.clone(), "--listen"),
        ("metaserver.follow", args.follow.clone(), "--follow"),
    ]);
    run_role(ROLE, config, start)
}

async fn start(process: Process) -> Result<(), StartError> {
    let settings = process.config.metaserver.clone();
    if !settings.follow.is_empty() {
        return start_standby(process, settings).await;
    }
    let credentials = process.credentials()?;
    let listener = listen(&settings.listen, "--listen").await?;
    let address = settings.listen.clone();
    let mut registry = Registry::default();
    let metaserver = open(&process, settings, &process.secret()?, &mut registry).await?;
    meet_others(&metaserver, &process, &credentials).await?;
    let (services, front) = (metaserver.fenced_services(), process.front.clone());
    let (ending, ended) = (metaserver.clone(), process.front.clone());
    process.front.spawn(async move {
        ended.begun().await;
        ending.end_waits().await;
    });
    process.front.spawn(async move { rpc::serve_tcp(listener, services, &credentials, &front).await });
    tell_when_it_serves(&process, metaserver, registry, address);
    Ok(())
}

fn tell_when_it_serves(process: &Process, metaserver: Metaserver, registry: Registry, address: String) {
    if !metaserver.awaits_standby() {
        process.status.ready(registry);
        tracing::info!(address, "the metaserver serves");
        return;
    }
    process.status.waits(registry, "its standby");
    let (status, ended) = (process.status.clone(), process.front.clone());
    process.front.spawn(async move {
        tokio::select! {
            () = ended.begun() => {}
            served = metaserver.serves() => if served.is_ok() {
                status.serves();
                tracing::info!(address, "the metaserver serves");
            }
        }
    });
}

/// A standby serves at its own address, from its promotion on.
async fn start_standby(process: Process, settings: MetaserverSettings) -> Result<(), StartError> {
    let credentials = process.credentials()?;
    let listener = listen(&settings.listen, "--listen").await?;
    let (address, followed) = (settings.listen.clone(), settings.follow.clone());
    process.take_folder(&settings.data)?;
    let seen = SeenEpoch::default();
    let channel = channel::connect_metaserver(&followed, &credentials, seen.clone());
    let (disk, clock, sealer) =
        (process.disk.clone(), process.clock.clone(), Arc::new(Sealer::new(&process.secret()?)));
    let mut registry = Registry::default();
    let metaserver = (channel, seen);
    let candidate = Candidate::open(settings, disk, clock, sealer, metaserver, &mut registry, &process.back).await?;
    let closed = candidate.clone();
    process.at_end(async move {
        if let Err(error) = closed.close().await {
            tracing::warn!(error = told(&error), "the standby's store was not closed in order");
        }
    });
    let (services, front, ended) = (candidate.services(), process.front.clone(), process.front.clone());
    process.front.spawn(async move {
        ended.begun().await;
        candidate.end_waits().await;
    });
    process.front.spawn(async move { rpc::serve_tcp(listener, services, &credentials, &front).await });
    process.status.ready(registry);
    tracing::info!(address, metaserver = followed, "the standby follows");
    Ok(())
}

/// Asks the other metaservers that are known whether one of them has taken over.
async fn meet_others(
    metaserver: &Metaserver,
    process: &Process,
    credentials: &ClusterCredentials,
) -> Result<(), StartError> {
    let settings = &process.config.metaserver;
    let several = settings.address.contains(',').then(|| settings.address.split(',')).into_iter().flatten();
    let standby = metaserver.standby_address();
    let others: BTreeSet<&str> =
        several.chain([&*standby]).filter(|address| !address.is_empty() && *address != settings.listen).collect();
    let seen = SeenEpoch::default();
    seen.note(metaserver.epoch());
    let asked = others.iter().map(|address| {
        let (channel, seen) = (channel::connect(address, credentials), seen.clone());
        async move { (*address, channel::standing(&channel, &seen).await) }
    });
    for (address, standing) in futures::future::join_all(asked).await {
        // One that is silent says nothing against this one. Itself, which can't answer yet, is among them.
        if let Ok(standing) = standing
            && standing.role() == Standing::Metaserver
        {
            metaserver.meet(address, standing.epoch).await?;
        }
    }
    Ok(())
}

/// Takes the folder, opens the store in it, and has it closed at the end. Secrets in the store are sealed under the
/// cluster's.
pub async fn open(
    process: &Process,
    settings: MetaserverSettings,
    secret: &ClusterSecret,
    registry: &mut Registry,
) -> Result<Metaserver, StartError> {
    process.take_folder(&settings.data)?;
    let (disk, clock, sealer) = (process.disk.clone(), process.clock.clone(), Arc::new(Sealer::new(secret)));
    let metaserver = Metaserver::open(settings, disk, clock, sealer, registry, &process.back).await?;
    let closed = metaserver.clone();
    process.at_end(async move {
        if let Err(error) = closed.close().await {
            tracing::warn!(error = told(&error), "the metaserver's store was not closed in order");
        }
    });
    Ok(metaserver)
}
