//! `weir worker`: blocks of a cluster on this machine's disks.

use super::process::{Process, Role, StartError, listen, run as run_role};
use super::{ConfigArgs, folders};
use prometheus_client::registry::Registry;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use weir_service::channel;
use weir_service::config::WorkerSettings;
use weir_service::rpc;
use weir_worker::{ConnectedPeers, Worker};

const ROLE: Role = Role { name: "worker", admin_listen: "127.0.0.1:29998" };

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder of the blocks, given once for each disk [default: ./weir-data/blocks]
    #[arg(long, value_name = "DIR")]
    data: Vec<PathBuf>,
    /// Where gateways are answered [default: 127.0.0.1:29999]
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
        ("worker.data", folders(&args.data), "--data"),
        ("worker.listen", args.listen.clone(), "--listen"),
        ("metaserver.address", args.metaserver.clone(), "--metaserver"),
    ]);
    run_role(ROLE, config, start)
}

async fn start(process: Process) -> Result<(), StartError> {
    let mut settings = process.config.worker.clone();
    if settings.address.is_empty() {
        settings.address.clone_from(&settings.listen);
    }
    if is_everywhere(&settings.address) {
        return Err(StartError::WorkerAddress(settings.address));
    }
    let credentials = process.credentials()?;
    let listener = listen(&settings.listen, "--listen").await?;
    let address = settings.address.clone();
    let mut registry = Registry::default();
    let worker = open(&process, settings, &mut registry).await?;
    let (services, front, own) = (worker.services(), process.front.clone(), credentials.clone());
    process.front.spawn(async move { rpc::serve_tcp(listener, services, &own, &front).await });
    let metaserver = &process.config.metaserver.address;
    let metaserver = channel::connect_metaserver(metaserver, &credentials, worker.seen_epoch());
    // No new block is taken from then on: the metaserver is to know at once, while what is in flight is finished.
    worker.start(metaserver, Arc::new(ConnectedPeers::new(credentials)), &process.front);
    process.status.ready(registry);
    tracing::info!(address, metaserver = process.config.metaserver.address, "the worker serves");
    Ok(())
}

/// Takes the folders, opens the blocks in them, and ends the process when the worker can't go on.
pub async fn open(process: &Process, settings: WorkerSettings, registry: &mut Registry) -> Result<Worker, StartError> {
    for folder in &settings.data {
        process.take_folder(folder)?;
    }
    let worker = Worker::open(settings, process.disk.clone(), process.clock.clone(), registry, &process.back).await?;
    let watched = worker.clone();
    process.watch("the worker", async move { watched.failed().await });
    Ok(worker)
}

/// An address to listen on, and not one to be found at.
fn is_everywhere(address: &str) -> bool {
    let Ok(address) = address.parse::<std::net::SocketAddr>() else { return false };
    address.ip().to_canonical().is_unspecified() || address.port() == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_means_all_addresses_is_no_place_to_be_found_at() {
        for address in ["0.0.0.0:29999", "[::]:29999", "10.0.0.1:0"] {
            assert!(is_everywhere(address), "{address}");
        }
        for address in ["10.0.0.1:29999", "worker-1:29999", "[::1]:29999"] {
            assert!(!is_everywhere(address), "{address}");
        }
    }
}
