//! `weir gateway`: S3 for clients of a cluster.

use super::ConfigArgs;
use super::process::{Process, Role, StartError, run as run_role};
use prometheus_client::registry::Registry;
use std::process::ExitCode;
use std::sync::Arc;
use weir_gateway::Gateway;
use weir_gateway::blocks::ConnectedWorkers;
use weir_service::channel;
use weir_service::epoch::SeenEpoch;
use weir_service::sealing::Sealer;

const ROLE: Role = Role { name: "gateway", admin_listen: "127.0.0.1:39998" };

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where S3 is served [default: 127.0.0.1:39999]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// The cluster's metaserver, or it and its standby, separated by a comma [default: 127.0.0.1:19998]
    #[arg(long, value_name = "ADDRESS:PORT")]
    metaserver: Option<String>,
    #[command(flatten)]
    config: ConfigArgs,
}

pub fn run(args: &Args) -> ExitCode {
    let config = args.config.load(&[
        ("gateway.listen", args.listen.clone(), "--listen"),
        ("metaserver.address", args.metaserver.clone(), "--metaserver"),
    ]);
    run_role(ROLE, config, start)
}

async fn start(process: Process) -> Result<(), StartError> {
    let credentials = process.credentials()?;
    let listener = process.listen_for_clients().await?;
    let mut registry = Registry::default();
    let namespace = channel::connect_metaserver(&process.config.metaserver.address, &credentials, SeenEpoch::default());
    let sealer = Arc::new(Sealer::new(&process.secret()?));
    let workers = Arc::new(ConnectedWorkers::new(credentials));
    let settings = process.config.gateway.clone();
    let address = settings.listen.clone();
    let gateway =
        Gateway::open(settings, namespace, workers, sealer, process.clock.clone(), &mut registry, &process.back)
            .await?;
    process.status.ready(registry);
    let front = process.front.clone();
    process.serve("the gateway", async move { gateway.serve(listener, &front).await });
    tracing::info!(address, metaserver = process.config.metaserver.address, "the gateway serves");
    Ok(())
}
