//! What runs on the machines: each role as its command starts it, but for the process around it.

use crate::machine::{Machine, Role};
use crate::settings;
use prometheus_client::registry::Registry;
use std::error::Error;
use std::future::pending;
use std::net::Ipv4Addr;
use std::sync::Arc;
use turmoil::net::TcpListener;
use weir_gateway::Gateway;
use weir_gateway::blocks::ConnectedWorkers;
use weir_metaserver::Metaserver;
use weir_service::channel;
use weir_service::epoch::SeenEpoch;
use weir_service::peer_auth::{ClusterCredentials, ClusterSecret};
use weir_service::rpc;
use weir_service::sealing::Sealer;
use weir_service::shutdown::Shutdown;
use weir_worker::{ConnectedPeers, Worker};

type BoxError = Box<dyn Error>;

/// The secret that all roles of the simulated cluster share.
///
/// # Errors
/// None for the secret of [`settings`].
pub fn secret() -> Result<ClusterSecret, BoxError> {
    Ok(ClusterSecret::new(settings::SECRET)?)
}

/// Runs a machine's role until the machine crashes. A role that ends by itself says so to the machine, and waits to be
/// started anew.
pub async fn run(machine: Machine) -> turmoil::Result {
    machine.starts();
    let ended = match machine.role {
        Role::Metaserver => metaserver(&machine).await,
        Role::Worker => worker(&machine).await,
        Role::Gateway => gateway(&machine).await,
    };
    let reason = match ended {
        Ok(reason) => reason,
        Err(error) => told(&*error),
    };
    machine.end(reason);
    pending().await
}

fn told(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

async fn listen(port: u16) -> Result<TcpListener, BoxError> {
    Ok(TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await?)
}

async fn failure(shutdown: &Shutdown) -> String {
    shutdown.begun().await;
    shutdown.failure().unwrap_or("the role has ended").to_owned()
}

async fn metaserver(machine: &Machine) -> Result<String, BoxError> {
    let (shutdown, mut registry) = (Shutdown::new(), Registry::default());
    let listener = listen(settings::METASERVER_PORT).await?;
    let (secret, settings) = (secret()?, settings::metaserver());
    let sealer = Arc::new(Sealer::new(&secret));
    let opened = Metaserver::open(settings, machine.mount(), machine.clock.clone(), sealer, &mut registry, &shutdown);
    let services = opened.await?.fenced_services();
    let credentials = ClusterCredentials::from(secret);
    let serving = shutdown.clone();
    shutdown.spawn(async move { rpc::serve_tcp(listener, services, &credentials, &serving).await });
    Ok(failure(&shutdown).await)
}

async fn worker(machine: &Machine) -> Result<String, BoxError> {
    let (shutdown, mut registry) = (Shutdown::new(), Registry::default());
    let listener = listen(settings::WORKER_PORT).await?;
    let settings = settings::worker(&machine.name);
    let worker = Worker::open(settings, machine.mount(), machine.clock.clone(), &mut registry, &shutdown).await?;
    let credentials = ClusterCredentials::from(secret()?);
    let (services, serving, own) = (worker.services(), shutdown.clone(), credentials.clone());
    shutdown.spawn(async move { rpc::serve_tcp(listener, services, &own, &serving).await });
    let metaserver = channel::connect_metaserver(&settings::metaserver_address(), &credentials, worker.seen_epoch());
    worker.start(metaserver, Arc::new(ConnectedPeers::new(credentials)), &shutdown);
    tokio::select! {
        biased;
        reason = worker.failed() => Ok(reason.to_string()),
        reason = failure(&shutdown) => Ok(reason),
    }
}

async fn gateway(machine: &Machine) -> Result<String, BoxError> {
    let (shutdown, mut registry) = (Shutdown::new(), Registry::default());
    let listener = listen(settings::GATEWAY_PORT).await?;
    let secret = secret()?;
    let (sealer, credentials) = (Arc::new(Sealer::new(&secret)), ClusterCredentials::from(secret));
    let namespace = channel::connect_metaserver(&settings::metaserver_address(), &credentials, SeenEpoch::default());
    let workers = Arc::new(ConnectedWorkers::new(credentials));
    let clock = machine.clock.clone();
    let opened = Gateway::open(settings::gateway(), namespace, workers, sealer, clock, &mut registry, &shutdown);
    let gateway = opened.await?;
    tokio::select! {
        biased;
        served = gateway.serve(listener.into(), &shutdown) => served?,
        () = shutdown.begun() => {}
    }
    Ok(failure(&shutdown).await)
}
