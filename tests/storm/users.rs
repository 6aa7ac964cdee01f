//! Users of the operating system, by which the packet filter knows the packets of a process.

use std::collections::BTreeSet;
use weir_tests::Cluster;

/// Processes that run under a user of their own: those that can be cut off. All others run under ours.
#[derive(Debug)]
pub struct Users(pub Vec<(String, u32)>);

impl Users {
    /// Starts a dead process under the user that it has to have.
    pub fn start(&self, cluster: &mut Cluster, name: &str) {
        match self.0.iter().find(|(of, _)| of == name) {
            Some((_, user)) => cluster.restart_as(name, *user),
            None => cluster.restart(name),
        }
    }

    /// Gives each process its user, and those that had one of `former` ours.
    pub fn give(&self, cluster: &mut Cluster, former: &Self) {
        let names: BTreeSet<&str> = former.0.iter().chain(&self.0).map(|(name, _)| name.as_str()).collect();
        for name in names {
            cluster.kill(name);
            self.start(cluster, name);
        }
    }
}
