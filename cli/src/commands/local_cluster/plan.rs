//! Which processes a local cluster has: their ports, folders and command lines.

use super::Args;
use super::error::ClusterError;
use super::metaservers;
use super::ports::Ports;
use super::record::{Entry, GATEWAY, METASERVER, Record, WORKER};
use crate::commands::process::addresses_for_clients;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use weir_service::config::{Config, Origin};

/// In the cluster's folder.
pub const LOGS_NAME: &str = "logs";

/// What is asked for.
pub struct Wanted<'a> {
    pub args: &'a Args,
    pub config: &'a Config,
    /// The cluster's folder, absolute.
    pub data: &'a Path,
    /// The binary that each process runs.
    pub program: &'a Path,
}

impl Wanted<'_> {
    /// Whether it can be had. Blocks.
    ///
    /// # Errors
    /// [`ClusterError`] about the command line.
    pub async fn check(&self) -> Result<(), ClusterError> {
        if self.args.metaservers == 1 && self.folder(METASERVER, 2).exists() {
            return Err(ClusterError::FewerMetaservers { data: self.data.to_owned() });
        }
        addresses_for_clients(self.config).await?;
        self.check_workers()
    }

    /// All processes in the order in which they start, none of them running. Ports are those of the last time where
    /// they are free. Blocks.
    ///
    /// # Errors
    /// [`ClusterError`] about ports.
    pub async fn plan(&self, former: &Record) -> Result<Record, ClusterError> {
        let mut ports = Ports::new();
        // Those that were asked for first, or others would be given them.
        let gateways = self.gateway_addresses(&mut ports, former).await?;
        let mut processes = Vec::new();
        let metaservers = (1..=self.args.metaservers)
            .map(|number| ports.loopback(address_of(former, &numbered(METASERVER, number))))
            .collect::<Result<Vec<_>, _>>()?;
        let all = metaservers.iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(",");
        for (number, address) in (1..).zip(metaservers) {
            let more = self.metaserver_settings(&all);
            processes.push(self.entry(METASERVER, number, address, &mut ports, former, more)?);
        }
        metaservers::settle(&mut processes.iter_mut().collect::<Vec<_>>())?;
        // Whichever serves is found.
        let found_at = ["--metaserver".to_owned(), all];
        for number in 1..=self.args.workers {
            let address = ports.loopback(address_of(former, &numbered(WORKER, number)))?;
            // It is found where it listens, whatever the configuration says of the one worker that it is for.
            let more = [&found_at[..], &set("worker.address", "")].concat();
            processes.push(self.entry(WORKER, number, address, &mut ports, former, more)?);
        }
        for (number, address) in (1..).zip(gateways) {
            let mut more = found_at.to_vec();
            let audit_log = &self.config.gateway.audit_log;
            if !matches!(audit_log.as_str(), "" | "-") {
                more.extend(set("gateway.audit_log", &format!("{audit_log}.{}", numbered(GATEWAY, number))));
            }
            processes.push(self.entry(GATEWAY, number, address, &mut ports, former, more)?);
        }
        Ok(Record::of(processes))
    }

    /// Blocks of a worker that does not run would be missed.
    fn check_workers(&self) -> Result<(), ClusterError> {
        let has_blocks = |number: &u16| self.folder(WORKER, *number).exists();
        let found = (1..=u16::MAX).take_while(has_blocks).last().unwrap_or(0);
        if found > self.args.workers {
            let (data, wanted) = (self.data.to_owned(), self.args.workers);
            return Err(ClusterError::FewerWorkers { data, found, wanted });
        }
        Ok(())
    }

    /// Port 0 means any free ports, else they follow each other.
    async fn gateway_addresses(&self, ports: &mut Ports, former: &Record) -> Result<Vec<SocketAddr>, ClusterError> {
        let count = self.args.gateways;
        let (addresses, _) = addresses_for_clients(self.config).await?;
        let Some(first) = addresses.first().copied() else { return Ok(Vec::new()) };
        if first.port() == 0 {
            let any = |number| ports.any(first.ip(), address_of(former, &numbered(GATEWAY, number)));
            return (1..=count).map(any).collect();
        }
        let last = first.port().checked_add(count.saturating_sub(1));
        let last = last.ok_or(ClusterError::Ports(count, first.port()))?;
        (first.port()..=last).map(|port| ports.exactly(SocketAddr::new(first.ip(), port))).collect()
    }

    /// Where they are, which they tell; fewer copies where fewer workers could not take a block; and with two of them no
    /// commit without both, so that either may be lost.
    fn metaserver_settings(&self, addresses: &str) -> Vec<String> {
        let mut more = set("metaserver.address", addresses).to_vec();
        let is_chosen = |key: &str| *self.config.origin(key) != Origin::Default;
        if self.args.metaservers > 1 && !is_chosen("metaserver.standby") {
            more.extend(set("metaserver.standby", "required"));
        }
        if !is_chosen("metaserver.replication") && u32::from(self.args.workers) < self.config.metaserver.replication {
            more.extend(set("metaserver.replication", &self.args.workers.to_string()));
        }
        more
    }

    fn entry(
        &self,
        role: &str,
        number: u16,
        address: SocketAddr,
        ports: &mut Ports,
        former: &Record,
        more: Vec<String>,
    ) -> Result<Entry, ClusterError> {
        let name = numbered(role, number);
        let admin_address = ports.loopback(former.find(&name).map(|entry| entry.admin_address))?;
        let data = (role != GATEWAY).then(|| self.folder(role, number));
        let mut command = vec![text(self.program), role.to_owned(), "--listen".to_owned(), address.to_string()];
        command.extend(["--admin-listen".to_owned(), admin_address.to_string()]);
        if let Some(data) = &data {
            command.extend(["--data".to_owned(), text(data)]);
        }
        command.extend(self.args.shared_flags());
        command.extend(more);
        let log = self.data.join(LOGS_NAME).join(format!("{name}.log"));
        Ok(Entry { name, role: role.to_owned(), pid: None, address, admin_address, data, log, command })
    }

    fn folder(&self, role: &str, number: u16) -> PathBuf {
        self.data.join(numbered(role, number))
    }
}

fn numbered(role: &str, number: u16) -> String {
    format!("{role}-{number}")
}

fn address_of(record: &Record, name: &str) -> Option<SocketAddr> {
    record.find(name).map(|entry| entry.address)
}

fn set(key: &str, value: &str) -> [String; 2] {
    ["--set".to_owned(), format!("{key}={value}")]
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests;
