//! Why a role does not start, in words that say what to do.

use crate::commands::{FAILED, USAGE};
use std::io;
use std::path::PathBuf;
use weir_gateway::GatewayError;
use weir_metaserver::MetaserverError;
use weir_service::config::ConfigError;
use weir_service::folder_lock::LockError;
use weir_service::peer_auth::{CredentialsError, SecretError};
use weir_service::rpc::RpcError;
use weir_service::telemetry::TelemetryError;
use weir_service::tls::TlsError;
use weir_worker::WorkerError;

/// Why a role does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error("can't use the secret in {path}")]
    SecretFile { path: PathBuf, source: io::Error },
    #[error("the secret in {path} is damaged: put it back from a backup; without it no access key can be used")]
    SecretDamaged { path: PathBuf, source: SecretError },
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error("{address} is taken by another process: stop that one, or choose another port with {flag} ADDRESS:PORT")]
    Taken { address: String, flag: &'static str },
    #[error("can't listen on {address}")]
    Listen { address: String, source: io::Error },
    #[error(
        "{address} can be reached from other machines, and without keys anyone there could read and delete everything. \
         Set root keys, WEIR_ROOT_ACCESS_KEY and WEIR_ROOT_SECRET_KEY (or access_key and secret_key under [gateway] in \
         the configuration file), or listen on 127.0.0.1"
    )]
    Open { address: String },
    #[error("can't use the folder {folder}")]
    Folder { folder: PathBuf, source: io::Error },
    #[error("standalone has one worker, so metaserver.replication must be 1, not {0}")]
    Replication(u32),
    #[error("standalone keeps its blocks in one folder: worker.data must name one, not {0}")]
    StandaloneFolders(usize),
    #[error("standalone takes no standby and is none: metaserver.standby must be none, and metaserver.follow empty")]
    Standby,
    #[error("gateways can't reach this worker at {0}: set worker.address to the address and port where they can")]
    WorkerAddress(String),
    #[error("{0}")]
    PlantedFault(String),
    #[error(transparent)]
    Metaserver(#[from] MetaserverError),
    #[error(transparent)]
    Worker(#[from] WorkerError),
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    #[error(transparent)]
    Rpc(#[from] RpcError),
}

impl StartError {
    /// A command line or a configuration that is wrong, or a failure.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_)
            | Self::Credentials(_)
            | Self::Tls(_)
            | Self::Gateway(GatewayError::Tls(_))
            | Self::Open { .. }
            | Self::Replication(_)
            | Self::StandaloneFolders(_)
            | Self::Standby
            | Self::WorkerAddress(_) => USAGE,
            _ => FAILED,
        }
    }
}
