//! The way to a worker.

use parking_lot::Mutex;
use std::collections::HashMap;
use weir_proto::{WorkerId, v1};
use weir_service::channel::{self, Channel};
use weir_service::peer_auth::ClusterCredentials;

/// Gives the channel to a worker. Called for each block: an implementation keeps its connections.
pub trait WorkerConnector: Send + Sync + 'static {
    fn channel(&self, worker: &v1::Worker) -> Channel;

    /// Are all roles in this very process? No answer can be lost then, so nothing needs to be remembered for a repeat.
    fn is_in_process(&self) -> bool {
        false
    }
}

/// Workers whose channels are known beforehand.
#[derive(Clone)]
pub struct FixedWorkers {
    by_id: HashMap<WorkerId, Channel>,
    any: Channel,
    is_in_process: bool,
}

impl FixedWorkers {
    /// One channel, whatever the worker's id: the shell on a standalone's socket.
    pub fn any(channel: Channel) -> Self {
        Self { by_id: HashMap::new(), any: channel, is_in_process: false }
    }

    /// The one worker of a standalone, in the same process as gateway and metaserver.
    pub fn in_process(channel: Channel) -> Self {
        Self { is_in_process: true, ..Self::any(channel) }
    }

    /// A channel for this worker alone.
    #[must_use]
    pub fn with(mut self, worker: WorkerId, channel: Channel) -> Self {
        self.by_id.insert(worker, channel);
        self
    }
}

impl WorkerConnector for FixedWorkers {
    fn channel(&self, worker: &v1::Worker) -> Channel {
        self.by_id.get(&WorkerId(worker.worker_id)).unwrap_or(&self.any).clone()
    }

    fn is_in_process(&self) -> bool {
        self.is_in_process
    }
}

/// The workers of a cluster, each over a connection of its own to the address that it registered with.
pub struct ConnectedWorkers {
    credentials: ClusterCredentials,
    by_address: Mutex<HashMap<String, Channel>>,
}

impl ConnectedWorkers {
    pub fn new(credentials: ClusterCredentials) -> Self {
        Self { credentials, by_address: Mutex::default() }
    }
}

impl WorkerConnector for ConnectedWorkers {
    fn channel(&self, worker: &v1::Worker) -> Channel {
        let mut by_address = self.by_address.lock();
        if let Some(channel) = by_address.get(&worker.address) {
            return channel.clone();
        }
        // Connects at the first call, and again when the connection broke: it stays good for as long as the address.
        let channel = channel::connect(&worker.address, &self.credentials);
        by_address.insert(worker.address.clone(), channel.clone());
        channel
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_service::peer_auth::ClusterSecret;

    #[tokio::test]
    async fn workers_of_a_cluster_have_one_connection_for_each_address() {
        let workers = ConnectedWorkers::new(ClusterSecret::new("a secret of thirty-two characters").unwrap().into());
        for (worker_id, address) in [(1, "127.0.0.1:1"), (2, "127.0.0.1:2"), (1, "127.0.0.1:1"), (3, "127.0.0.1:2")] {
            workers.channel(&v1::Worker { worker_id, address: address.into(), ..Default::default() });
        }
        assert_eq!(workers.by_address.lock().len(), 2);
        assert!(!workers.is_in_process());
    }
}
