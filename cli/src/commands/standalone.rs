//! `weir standalone`: the three roles in one process, with no sockets between them, over one data folder.

use super::cluster_secret::cluster_secret_of;
use super::process::{Process, Role, StartError, blocks_folder, metadata_folder, run as run_role};
use super::{ConfigArgs, folder, metaserver, worker};
use prometheus_client::registry::Registry;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use weir_gateway::Gateway;
use weir_gateway::blocks::FixedWorkers;
use weir_service::channel::in_process;
use weir_service::config::{Config, GatewaySettings, Origin, StandbyMode};
use weir_service::folder_lock::FolderLock;
use weir_service::rpc::{self, UnixSocket};
use weir_service::sealing::Sealer;
use weir_worker::NoPeers;

const ROLE: Role = Role { name: "standalone", admin_listen: "127.0.0.1:39998" };
/// The shell's way in, in the data folder.
const SOCKET_NAME: &str = "weir.sock";

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder of all data [default: ./weir-data]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where S3 is served [default: 127.0.0.1:39999]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    #[command(flatten)]
    config: ConfigArgs,
}

pub fn run(args: &Args) -> ExitCode {
    let config = args
        .config
        .load(&[("data", folder(&args.data), "--data"), ("gateway.listen", args.listen.clone(), "--listen")]);
    run_role(ROLE, config, start)
}

async fn start(process: Process) -> Result<(), StartError> {
    let config = process.config.clone();
    let replication = replication(&config)?;
    if config.metaserver.standby != StandbyMode::None || !config.metaserver.follow.is_empty() {
        return Err(StartError::Standby);
    }
    let listener = process.listen_for_clients().await?;
    let address = listener
        .local_addr()
        .map_err(|source| StartError::Listen { address: config.gateway.listen.clone(), source })?;
    let data = &config.service.data;
    process.make_folder(data)?;
    process.hold(FolderLock::with_file(data)?);

    let mut metaserver_settings = config.metaserver.clone();
    metaserver_settings.data = metadata_folder(&config);
    metaserver_settings.replication = replication;
    let mut worker_settings = config.worker.clone();
    worker_settings.data = vec![blocks_folder(&config)?];
    let mut registry = Registry::default();
    let secret = cluster_secret_of(&config.service, &*process.disk, &*process.clock)?;
    let metaserver = metaserver::open(&process, metaserver_settings, &secret, &mut registry).await?;
    // The folder is ours alone: whoever had a session is gone.
    metaserver.end_sessions();
    let worker = worker::open(&process, worker_settings, &mut registry).await?;
    let namespace = in_process(metaserver.services().prepare());
    let blocks = Arc::new(FixedWorkers::any(in_process(worker.services().prepare())));
    worker.start(namespace.clone(), Arc::new(NoPeers), &process.back);
    let (settings, clock) = (config.gateway.clone(), process.clock.clone());
    let sealer = Arc::new(Sealer::new(&secret));
    let gateway = Gateway::open(settings, namespace, blocks, sealer, clock, &mut registry, &process.back).await?;

    let socket = UnixSocket::bind(&data.join(SOCKET_NAME))?;
    let services = rpc::merge(metaserver.services(), worker.services());
    let front = process.front.clone();
    process.serve("the shell's socket", async move { socket.serve(services, &front).await });
    // Before the first request: who has an answer finds it counted.
    process.status.ready(registry);
    let front = process.front.clone();
    process.serve("the gateway", async move { gateway.serve(listener, &front).await });
    announce(address, data, &config.gateway);
    Ok(())
}

/// A standalone has one worker; the default is a cluster's.
fn replication(config: &Config) -> Result<u32, StartError> {
    match (config.origin("metaserver.replication"), config.metaserver.replication) {
        (Origin::Default, _) | (_, 1) => Ok(1),
        (_, other) => Err(StartError::Replication(other)),
    }
}

/// Three lines: where it listens, where the data is, what to try next.
fn announcement(address: SocketAddr, data: &Path, settings: &GatewaySettings) -> String {
    let is_secure = !settings.tls_certificate.as_os_str().is_empty();
    let url = format!("{}://{address}", if is_secure { "https" } else { "http" });
    let data = std::path::absolute(data).unwrap_or_else(|_| data.to_owned());
    let curl = if settings.access_key.is_empty() {
        "curl".to_owned()
    } else {
        // Before its version 8 curl does not send this header by itself.
        let unsigned = "-H x-amz-content-sha256:UNSIGNED-PAYLOAD";
        format!("curl --aws-sigv4 aws:amz:{}:s3 --user KEY:SECRET {unsigned}", settings.region)
    };
    format!(
        "Weir serves S3 on {url}\nThe data is in {}\nTry: {curl} -X PUT {url}/photos && {curl} -X PUT -d hello \
         {url}/photos/hello && {curl} {url}/photos/hello\n",
        data.display()
    )
}

fn announce(address: SocketAddr, data: &Path, settings: &GatewaySettings) {
    let mut out = std::io::stdout().lock();
    // Nobody may be reading: that is no reason not to serve.
    let _ = out.write_all(announcement(address, data, settings).as_bytes()).and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_announcement_has_three_lines() {
        let address = "127.0.0.1:39999".parse().unwrap();
        let text = announcement(address, Path::new("/srv/weir"), &GatewaySettings::default());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "Weir serves S3 on http://127.0.0.1:39999");
        assert_eq!(lines[1], "The data is in /srv/weir");
        assert!(lines[2].starts_with("Try: curl -X PUT http://127.0.0.1:39999/photos"));
        assert_eq!(lines.len(), 3);
        let settings = GatewaySettings {
            access_key: "AKIA".into(),
            region: "eu".into(),
            tls_certificate: "/etc/weir/tls.pem".into(),
            ..GatewaySettings::default()
        };
        let text = announcement(address, Path::new("weir-data"), &settings);
        assert!(text.starts_with("Weir serves S3 on https://127.0.0.1:39999\n"), "{text}");
        assert!(text.contains("--aws-sigv4 aws:amz:eu:s3"), "{text}");
        assert_eq!(text.lines().count(), 3);
    }
}
