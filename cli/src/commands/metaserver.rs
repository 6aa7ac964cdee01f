//! `weir metaserver`: the namespace of a cluster.

use super::process::{Process, Role, StartError, listen, run as run_role};
use super::{ConfigArgs, folder, told};
use prometheus_client::registry::Registry;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use weir_metaserver::Metaserver;
use weir_service::config::MetaserverSettings;
use weir_service::peer_auth::ClusterSecret;
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
    #[command(flatten)]
    config: ConfigArgs,
}

pub fn run(args: &Args) -> ExitCode {
    let config = args.config.load(&[
        ("metaserver.data", folder(&args.data), "--data"),
        ("metaserver.listen", args.listen.clone(), "--listen"),
    ]);
    run_role(ROLE, config, start)
}

async fn start(process: Process) -> Result<(), StartError> {
    let settings = process.config.metaserver.clone();
    let credentials = process.credentials()?;
    let listener = listen(&settings.listen, "--listen").await?;
    let address = settings.listen.clone();
    let mut registry = Registry::default();
    let metaserver = open(&process, settings, &process.secret()?, &mut registry).await?;
    let (services, front) = (metaserver.services(), process.front.clone());
    let ended = process.front.clone();
    process.front.spawn(async move {
        ended.begun().await;
        metaserver.end_waits();
    });
    process.front.spawn(async move { rpc::serve_tcp(listener, services, &credentials, &front).await });
    process.status.ready(registry);
    tracing::info!(address, "the metaserver serves");
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
