//! Why a local cluster does not start, in words that say what to do.

use crate::commands::process::StartError;
use crate::commands::{FAILED, USAGE};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;
use weir_metaserver::store::StoreError;

/// Why a local cluster does not start.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(
        "{data} has the folders of two metaservers, and the first may not be the one that serves: start with --metaservers 2"
    )]
    FewerMetaservers { data: PathBuf },
    #[error(
        "{gone} is gone, and {data} is the standby's, which was not promoted. Start `weir metaserver --data {data} --follow \
         ADDRESS` by hand with a free address, promote it with `weir fsadmin promote --force`, end it, and start the \
         cluster again"
    )]
    OnlyStandby { data: PathBuf, gone: PathBuf },
    #[error(
        "{gone} is gone, and {address} is its standby, which runs: make it the metaserver with `weir fsadmin promote \
         {address}`. The other one follows it when it is started again"
    )]
    StandbyRuns { address: SocketAddr, gone: PathBuf },
    #[error("can't tell what {data} was last")]
    Folder { data: PathBuf, source: Box<StoreError> },
    #[error(
        "{data} has the blocks of {found} workers, and with {wanted} some could not be found: start at least {found} with \
         --workers"
    )]
    FewerWorkers { data: PathBuf, found: u16, wanted: u16 },
    #[error("{0} gateways from port {1} on need ports above 65535")]
    Ports(u16, u16),
    #[error("no port is free from {0} to {1}")]
    NoPort(u16, u16),
    #[error("can't use {path}")]
    File { path: PathBuf, source: io::Error },
    #[error(
        "{path} was written by a newer build: its format is {found}, this build knows them up to {known}. Start a newer build"
    )]
    Newer { path: PathBuf, found: u32, known: u32 },
    #[error("can't start {name}")]
    Spawn { name: String, source: io::Error },
    #[error("{name} ended at its start ({status}): {last}\nAll that it said is in {log}")]
    Died { name: String, status: ExitStatus, last: String, log: PathBuf },
    #[error("{what} within {} s; {logs} has what the processes said", .timeout.as_secs())]
    Slow { what: String, timeout: Duration, logs: PathBuf },
}

impl ClusterError {
    pub fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }

    /// A command line or a configuration that is wrong, or a failure.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Start(error) => error.exit_code(),
            Self::FewerMetaservers { .. } | Self::FewerWorkers { .. } | Self::Ports(..) => USAGE,
            _ => FAILED,
        }
    }
}
