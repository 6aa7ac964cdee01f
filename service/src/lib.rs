//! What every server process of Weir shares: configuration, telemetry, the accept loop with its limits, TLS,
//! channels to other roles, health, metrics, traces, shutdown, and the seams to the file system, the network, the clock
//! and threads.
//!
//! Nothing here knows what a bucket, a block or a namespace is.

pub mod accept;
pub mod admin;
pub mod channel;
pub mod clock;
pub mod config;
pub mod disk;
#[cfg(feature = "planted-faults")]
pub mod disk_faults;
pub mod epoch;
pub mod folder_lock;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod log_filter;
pub mod metrics;
pub mod network;
pub mod open_files;
pub mod pace;
pub mod peer_auth;
pub mod planted;
pub mod rpc;
pub mod sealing;
pub mod shutdown;
#[cfg(any(test, feature = "simulation"))]
pub mod simulation;
pub mod telemetry;
pub mod threads;
pub mod tls;
pub mod trace;
mod trusted_proxies;
mod unix_path;
