//! The ways to other workers, for the blocks that the metaserver orders to be copied from them.

use parking_lot::Mutex;
use std::collections::HashMap;
use weir_service::channel::{self, Channel};
use weir_service::peer_auth::ClusterCredentials;

/// Connections that are kept.
const MAX_CHANNELS: usize = 256;

/// Finds other workers.
pub trait Peers: Send + Sync + 'static {
    /// A channel to the worker at an address (`host:port`); none: there is no way to others.
    fn channel(&self, address: &str) -> Option<Channel>;
}

/// For a worker that is the only one.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoPeers;

impl Peers for NoPeers {
    fn channel(&self, _address: &str) -> Option<Channel> {
        None
    }
}

/// Over the network, with the cluster's credentials.
pub struct ConnectedPeers {
    credentials: ClusterCredentials,
    by_address: Mutex<HashMap<String, Channel>>,
}

impl ConnectedPeers {
    pub fn new(credentials: ClusterCredentials) -> Self {
        Self { credentials, by_address: Mutex::default() }
    }
}

impl Peers for ConnectedPeers {
    fn channel(&self, address: &str) -> Option<Channel> {
        let mut by_address = self.by_address.lock();
        if let Some(channel) = by_address.get(address) {
            return Some(channel.clone());
        }
        if by_address.len() >= MAX_CHANNELS {
            // Calls under way keep theirs.
            by_address.clear();
        }
        let channel = channel::connect(address, &self.credentials);
        by_address.insert(address.to_owned(), channel.clone());
        Some(channel)
    }
}
