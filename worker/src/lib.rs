//! The worker: blocks on disks.
//!
//! [`store`] keeps the blocks of one folder, [`disks`] those of all folders; [`rpc`] serves them, [`cluster`] makes the worker known to the metaserver and carries
//! out its orders, [`maintenance`] compacts and scrubs.

mod cluster;
mod disks;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod maintenance;
mod metrics;
mod receiving;
mod rpc;
pub mod store;
#[cfg(test)]
mod tests;
mod worker;

pub use cluster::peers::{ConnectedPeers, NoPeers, Peers};
pub use error::WorkerError;
pub use store::{ScrubReport, StoreError};
pub use worker::Worker;
