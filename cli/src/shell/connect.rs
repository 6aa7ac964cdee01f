//! Where the shell finds Weir, and the ways to its roles.

use super::error::ShellError;
use clap::Args;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use weir_gateway::blocks::{ConnectedWorkers, FixedWorkers, WorkerConnector};
use weir_service::channel::{self, Channel};
use weir_service::config::{self, Config, Origin, Sources};
use weir_service::epoch::SeenEpoch;
use weir_service::peer_auth::ClusterCredentials;

/// The socket of a standalone, in its data folder.
pub const SOCKET_NAME: &str = "weir.sock";

/// What the user says of the place.
#[derive(Clone, Debug, Default, Args)]
pub struct PlaceArgs {
    /// The data folder of the standalone to speak to [default: WEIR_DATA, else ./weir-data]
    #[arg(long, global = true, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The metaserver of the cluster to speak to, or it and its standby with a comma between them, instead of a standalone [default: WEIR_METASERVER_ADDRESS]
    #[arg(long, global = true, value_name = "HOST:PORT")]
    pub metaserver: Option<String>,
    /// The configuration file [default: WEIR_CONFIG, else ./weir.toml if it exists]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

impl PlaceArgs {
    /// The settings, with these flags on top.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn load(&self, mut sources: Sources) -> Result<Config, ShellError> {
        if self.config.is_some() {
            sources.file.clone_from(&self.config);
        }
        if let Some(data) = &self.data {
            sources.flag("data", data.to_string_lossy(), "--data");
        }
        if let Some(address) = &self.metaserver {
            sources.flag("metaserver.address", address, "--metaserver");
        }
        config::load(&sources).map_err(|error| ShellError::said(error.to_string()))
    }
}

/// The Weir that the shell speaks to.
#[derive(Clone)]
pub enum Place {
    /// A standalone, by its data folder.
    Standalone { data: PathBuf },
    /// A cluster, by its metaserver.
    Cluster { metaserver: String, credentials: ClusterCredentials },
}

impl Place {
    /// The flags decide; without one, a cluster whose metaserver is configured, else the standalone's data folder.
    ///
    /// # Errors
    /// What is wrong with the configuration, the cluster's secret or its certificates.
    pub fn choose(args: &PlaceArgs, sources: Sources) -> Result<Self, ShellError> {
        let config = args.load(sources)?;
        if let (Some(data), None) = (&args.data, &args.metaserver) {
            return Ok(Self::Standalone { data: data.clone() });
        }
        if *config.origin("metaserver.address") == Origin::Default {
            return Ok(Self::Standalone { data: config.service.data });
        }
        let credentials = ClusterCredentials::from_settings(&config.service);
        let credentials = credentials.map_err(|error| ShellError::said(error.to_string()))?;
        Ok(Self::Cluster { metaserver: config.metaserver.address, credentials })
    }

    /// The channel to the metaserver's services; nothing is connected before the first call.
    pub fn metaserver(&self) -> Channel {
        match self {
            Self::Standalone { data } => channel::connect_unix(&data.join(SOCKET_NAME)),
            Self::Cluster { metaserver, credentials } => {
                channel::connect_metaserver(metaserver, credentials, SeenEpoch::default())
            }
        }
    }

    /// The ways to the workers, given the one to the metaserver: a standalone serves both on one socket.
    pub fn workers(&self, metaserver: Channel) -> Arc<dyn WorkerConnector> {
        match self {
            Self::Standalone { .. } => Arc::new(FixedWorkers::any(metaserver)),
            Self::Cluster { credentials, .. } => Arc::new(ConnectedWorkers::new(credentials.clone())),
        }
    }

    /// Is an answer ever lost between here and there?
    pub fn is_remote(&self) -> bool {
        matches!(self, Self::Cluster { .. })
    }

    /// What to say when nothing answers there.
    pub fn silence(&self, reason: &str) -> String {
        let advice = match self {
            Self::Standalone { .. } => {
                "Start it with \"weir standalone\", or name its data folder with --data DIR or WEIR_DATA; \
                 --metaserver HOST:PORT names a cluster."
            }
            Self::Cluster { .. } => "Is the metaserver running, and is its address HOST:PORT right?",
        };
        format!("Weir does not answer at {self}: {reason}.\n{advice}")
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Standalone { data } => write!(f, "{}", data.join(SOCKET_NAME).display()),
            Self::Cluster { metaserver, .. } => f.write_str(metaserver),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_is_stronger_than_what_is_configured() {
        let configured = |address: &str| {
            let mut sources = Sources::default();
            sources.flag("data", "/configured", "--set");
            sources.flag("cluster_secret", "long enough to be the secret of one", "--set");
            if !address.is_empty() {
                sources.flag("metaserver.address", address, "--set");
            }
            sources
        };
        let place = |args: &PlaceArgs, address| Place::choose(args, configured(address)).unwrap().to_string();
        let none = PlaceArgs::default();
        let data = PlaceArgs { data: Some("/flag".into()), ..PlaceArgs::default() };
        let metaserver = PlaceArgs { metaserver: Some("flag:1".into()), ..PlaceArgs::default() };
        assert_eq!(place(&none, ""), "/configured/weir.sock");
        assert_eq!(place(&none, "there:19998"), "there:19998");
        assert_eq!(place(&data, "there:19998"), "/flag/weir.sock");
        assert_eq!(place(&metaserver, "there:19998"), "flag:1");
    }

    #[tokio::test]
    async fn a_folder_without_a_socket_is_named_with_what_to_do() {
        let place = Place::Standalone { data: "/nowhere/weir-data".into() };
        let shell = super::super::Shell::new(place.clone());
        let Err(ShellError::Unreachable(reason)) = shell.tree.bucket("b").await else { panic!("nothing answers") };
        let text = place.silence(&reason);
        assert!(text.starts_with("Weir does not answer at /nowhere/weir-data/weir.sock: No such file"), "{text}");
        assert!(text.contains("--data DIR"));
    }
}
