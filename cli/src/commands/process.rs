//! What every role's process does: telemetry, the admin port, signals, an orderly end.
//!
//! It ends in two steps. First the front: whoever takes work from outside finishes what is in flight. Then the back,
//! which the front needed for that.

mod error;
mod folders;
mod planted;

pub use error::StartError;
pub use folders::{blocks_folder, metadata_folder};

use super::{FAILED, USAGE, refuse, told};
use planted::planted_disk;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use weir_service::admin::{self, Status};
use weir_service::clock::SystemClock;
use weir_service::config::{Config, ConfigError, ExposedFile, Origin};
use weir_service::disk::Disk;
use weir_service::folder_lock::FolderLock;
use weir_service::network::TcpListener;
use weir_service::peer_auth::{ClusterCredentials, ClusterSecret, CredentialsError, SecretError};
use weir_service::shutdown::Shutdown;
use weir_service::tls::ServerTls;
use weir_service::{config, open_files, telemetry};

/// After a failure of the store nothing can be acknowledged any more: waiting for clients is of no use.
const FAILED_FRONT_TIMEOUT: Duration = Duration::from_secs(2);
/// The back has little to do once the front has ended.
const BACK_TIMEOUT_MIN: Duration = Duration::from_secs(5);
/// Threads that still wait for a disk are left behind after so long.
const RUNTIME_TIMEOUT: Duration = Duration::from_secs(1);
/// What a shell answers for a process that a signal ended.
const INTERRUPTED: i32 = 130;
/// Files that may be open for what is not a client's connection: the journal's, the blocks', the other roles'.
const FILES_BESIDE_CONNECTIONS: u64 = 1_024;

/// What a role's start works with. Cheap to clone.
#[derive(Clone)]
pub struct Process {
    pub config: Arc<Config>,
    /// Whoever takes work from outside. It ends first.
    pub front: Shutdown,
    /// Whom the front needs to finish its work.
    pub back: Shutdown,
    pub status: Status,
    pub disk: Arc<dyn Disk>,
    pub clock: Arc<SystemClock>,
    ending: Arc<Mutex<Ending>>,
}

/// What is left to do when the back has ended.
#[derive(Default)]
struct Ending {
    closers: Vec<Pin<Box<dyn Future<Output = ()> + Send>>>,
    /// Given back after the last write.
    locks: Vec<FolderLock>,
}

impl Process {
    /// What a role needs before it talks over a network: the cluster's secret, certificates, or both.
    pub fn credentials(&self) -> Result<ClusterCredentials, CredentialsError> {
        let credentials = ClusterCredentials::from_settings(&self.config.service)?;
        credentials.watch(&self.back);
        Ok(credentials)
    }

    /// The secret that access keys are sealed under: whoever keeps them or opens them needs it, with certificates too.
    pub fn secret(&self) -> Result<ClusterSecret, SecretError> {
        ClusterSecret::new(&self.config.service.cluster_secret)
    }

    /// Runs a server of the front; when it fails, the process ends.
    pub fn serve<E: std::error::Error>(
        &self,
        what: &'static str,
        server: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        let front = self.front.clone();
        self.front.spawn(async move {
            if let Err(error) = server.await {
                front.fail(format!("{what}: {}", told(&error)));
            }
        });
    }

    /// Makes a role's folder if it is not there, and keeps other processes out of it until this one ends.
    pub fn take_folder(&self, folder: &Path) -> Result<(), StartError> {
        self.make_folder(folder)?;
        self.hold(FolderLock::of(folder)?);
        Ok(())
    }

    pub fn make_folder(&self, folder: &Path) -> Result<(), StartError> {
        let made = self.disk.create_dir_all(folder);
        made.map_err(|source| StartError::Folder { folder: folder.to_owned(), source })
    }

    /// Ends the process when `failed` tells why a role can't go on.
    pub fn watch(&self, what: &'static str, failed: impl Future<Output = Arc<str>> + Send + 'static) {
        let back = self.back.clone();
        self.back.spawn(async move {
            tokio::select! {
                () = back.begun() => {}
                reason = failed => back.fail(format!("{what}: {reason}")),
            }
        });
    }

    /// Closes something when nobody uses it any more.
    pub fn at_end(&self, close: impl Future<Output = ()> + Send + 'static) {
        self.ending().closers.push(Box::pin(close));
    }

    /// Keeps a lock until the process ends.
    pub fn hold(&self, lock: FolderLock) {
        self.ending().locks.push(lock);
    }

    fn ending(&self) -> MutexGuard<'_, Ending> {
        self.ending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the port where S3 is served. Without keys that is on loopback alone.
    pub async fn listen_for_clients(&self) -> Result<TcpListener, StartError> {
        let address = &self.config.gateway.listen;
        let (addresses, has_keys) = addresses_for_clients(&self.config).await?;
        let listener = listen_on(address, &addresses, "--listen").await?;
        if !has_keys {
            tracing::warn!(
                address,
                "no keys are set: requests with any credentials, or none, are accepted from this machine"
            );
        }
        Ok(listener)
    }

    async fn listen_for_operators(&self, default: &str) -> Result<Option<TcpListener>, StartError> {
        let address = match self.config.origin("admin_listen") {
            Origin::Default => default,
            _ => &self.config.service.admin_listen,
        };
        if address.is_empty() {
            return Ok(None);
        }
        listen(address, "--admin-listen").await.map(Some)
    }
}

/// Where S3 is to be served, and whether there are root keys: without, that must be loopback.
pub async fn addresses_for_clients(config: &Config) -> Result<(Vec<SocketAddr>, bool), StartError> {
    let address = &config.gateway.listen;
    let addresses = resolve(address).await?;
    let has_keys = config::check_secret_pair(config)?;
    let local = addresses.iter().all(|address| address.ip().to_canonical().is_loopback());
    if !has_keys && !local {
        return Err(StartError::Open { address: address.clone() });
    }
    Ok((addresses, has_keys))
}

/// Opens a port. `flag` is how another one is chosen.
pub async fn listen(address: &str, flag: &'static str) -> Result<TcpListener, StartError> {
    listen_on(address, &resolve(address).await?, flag).await
}

async fn resolve(address: &str) -> Result<Vec<SocketAddr>, StartError> {
    let found = tokio::net::lookup_host(address).await;
    Ok(found.map_err(|source| StartError::Listen { address: address.to_owned(), source })?.collect())
}

async fn listen_on(address: &str, found: &[SocketAddr], flag: &'static str) -> Result<TcpListener, StartError> {
    TcpListener::bind(found).await.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => StartError::Taken { address: address.to_owned(), flag },
        _ => StartError::Listen { address: address.to_owned(), source },
    })
}

/// A role: its name, and the port of its operators unless another is set.
#[derive(Clone, Copy, Debug)]
pub struct Role {
    pub name: &'static str,
    pub admin_listen: &'static str,
}

/// Runs a role until a signal or a failure ends it. `start` returns when it serves.
pub fn run<F>(role: Role, config: Result<Config, ConfigError>, start: impl FnOnce(Process) -> F) -> ExitCode
where
    F: Future<Output = Result<(), StartError>>,
{
    let config = match config {
        Ok(config) => config,
        Err(error) => return refuse(&error, USAGE),
    };
    with_runtime(async {
        let telemetry = match telemetry::init(&config.service, role.name) {
            Ok(telemetry) => telemetry,
            Err(error) => return refuse(&error, FAILED),
        };
        let code = serve(role, config, start).await;
        // What is left of the traces is sent by a thread of its own, which this waits for.
        let _ = tokio::task::spawn_blocking(move || drop(telemetry)).await;
        code
    })
}

/// Strangers that connect must not take the files that the store needs: there are fewer connections where fewer files
/// may be open.
fn bound_connections(config: &mut Config, open_file_max_count: u64) {
    let most = open_file_max_count.saturating_sub(FILES_BESIDE_CONNECTIONS).max(open_file_max_count / 2);
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    if config.gateway.connection_max_count > most {
        tracing::warn!(
            open_file_max_count,
            connection_max_count = most,
            "fewer files may be open than gateway.connection_max_count connections need: there will be fewer"
        );
        config.gateway.connection_max_count = most;
    }
}

async fn serve<F>(role: Role, mut config: Config, start: impl FnOnce(Process) -> F) -> ExitCode
where
    F: Future<Output = Result<(), StartError>>,
{
    if let Some(limit) = open_files::raise() {
        bound_connections(&mut config, limit);
    }
    for ExposedFile { path, mode } in config.exposed_files() {
        let (path, mode) = (path.display(), format!("{mode:04o}"));
        tracing::warn!(%path, mode, "the file has secrets in it, and others than its owner may read it: set its mode to 0600");
    }
    let disk = match planted_disk(&config) {
        Ok(disk) => disk,
        Err(error) => return refuse(&error, error.exit_code()),
    };
    let status = Status::new(&config);
    let process = Process {
        config: Arc::new(config),
        front: Shutdown::new(),
        back: Shutdown::new(),
        status,
        disk,
        clock: Arc::new(SystemClock),
        ending: Arc::default(),
    };
    let mut signals = match Signals::new() {
        Ok(signals) => signals,
        Err(error) => return refuse(&error, FAILED),
    };
    let started = tokio::select! {
        started = start_with_admin(role, &process, start) => started.map(|()| None),
        name = signals.next() => Ok(Some(name)),
    };
    let signal = match started {
        Ok(Some(name)) => Some(name),
        Ok(None) => signal_or_failure(&process, &mut signals).await,
        Err(error) => {
            stop(&process, Duration::ZERO).await;
            return refuse(&error, error.exit_code());
        }
    };
    if let Some(signal) = signal {
        tracing::info!(signal, "stopping");
    }
    tokio::select! {
        () = end(&process) => {}
        name = signals.next() => {
            tracing::warn!(signal = name, "stopping at once");
            std::process::exit(INTERRUPTED);
        }
    }
    match process.back.failure().or(process.front.failure()) {
        Some(reason) => eprintln!("weir: stopped: {reason}"),
        None if signal.is_some() => return ExitCode::SUCCESS,
        None => eprintln!("weir: stopped: a role has ended"),
    }
    ExitCode::from(FAILED)
}

/// The signal that ends the process; none: something in it has failed.
async fn signal_or_failure(process: &Process, signals: &mut Signals) -> Option<&'static str> {
    tokio::select! {
        biased;
        () = process.back.begun() => None,
        () = process.front.begun() => None,
        name = signals.next() => Some(name),
    }
}

async fn start_with_admin<F>(role: Role, process: &Process, start: impl FnOnce(Process) -> F) -> Result<(), StartError>
where
    F: Future<Output = Result<(), StartError>>,
{
    if let Some(listener) = process.listen_for_operators(role.admin_listen).await? {
        // It ends with the back: while the front finishes, operators may still look.
        let (service, status, back) = (&process.config.service, process.status.clone(), process.back.clone());
        let tls = ServerTls::from_settings(&service.admin_tls_certificate, &service.admin_tls_key)?;
        if let Some(tls) = &tls {
            tls.watch(&back);
        }
        process.back.spawn(async move { admin::serve(listener, tls, status, &back).await });
    }
    start(process.clone()).await
}

/// Takes nothing new, finishes what is in flight, then stops what that needed.
async fn end(process: &Process) {
    let failed = process.back.failure().is_some() || process.front.failure().is_some();
    let patience = Duration::from_millis(process.config.service.shutdown_timeout_ms);
    finish(process, if failed { patience.min(FAILED_FRONT_TIMEOUT) } else { patience }).await;
}

async fn finish(process: &Process, patience: Duration) {
    let begun = Instant::now();
    let (front_ended, back_ended) = stop(process, patience).await;
    if !front_ended {
        tracing::warn!("some requests were still in flight and are cut off");
    }
    if !back_ended {
        tracing::warn!("some tasks did not end in time");
    }
    tracing::info!(elapsed_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX), "stopped");
}

/// Whether the front and the back ended in time.
async fn stop(process: &Process, patience: Duration) -> (bool, bool) {
    let begun = Instant::now();
    process.status.not_ready();
    let front_ended = process.front.finish(patience).await;
    let left = patience.saturating_sub(begun.elapsed()).max(BACK_TIMEOUT_MIN);
    let back_ended = process.back.finish(left).await;
    let ending = std::mem::take(&mut *process.ending());
    for close in ending.closers {
        // It only makes the next start quicker.
        let _ = tokio::time::timeout(BACK_TIMEOUT_MIN, close).await;
    }
    drop(ending.locks);
    (front_ended, back_ended)
}

/// SIGTERM and SIGINT.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub fn new() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// Runs a command that is no role, on this very thread.
pub fn block_on(command: impl Future<Output = ExitCode>) -> ExitCode {
    with_runtime(command)
}

fn with_runtime(command: impl Future<Output = ExitCode>) -> ExitCode {
    let runtime: Runtime = match Builder::new_multi_thread().enable_all().thread_name("weir").build() {
        Ok(runtime) => runtime,
        Err(error) => return refuse(&error, FAILED),
    };
    let code = runtime.block_on(command);
    runtime.shutdown_timeout(RUNTIME_TIMEOUT);
    code
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::ConfigArgs;

    #[test]
    fn connections_leave_files_for_the_store() {
        for (allowed, wanted, most) in [(20_000, 20_000, 18_976), (1_024, 20_000, 512), (20_000, 10_000, 10_000)] {
            let args = ConfigArgs { config: Some("/dev/null".into()), ..ConfigArgs::default() };
            let mut config = args.load(&[]).unwrap();
            config.gateway.connection_max_count = wanted;
            bound_connections(&mut config, allowed);
            assert_eq!(config.gateway.connection_max_count, most, "{allowed}");
        }
    }
}
