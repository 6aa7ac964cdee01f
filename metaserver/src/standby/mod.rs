//! The metaserver and its standby over a network: following the journal, taking over, stepping down. What is promised
//! about commits lies below, in [`crate::store::embedded::replication`].
//!
//! | module | subject |
//! |---|---|
//! | [`awaiting`] | a metaserver that has started and waits for its standby |
//! | [`host`] | the metaserver's end: who follows, who is over |
//! | [`candidate`] | the standby's end: a process that serves nobody until it is promoted |
//! | [`following`] | its connection to the metaserver |
//! | [`promotion`] | when it may take over, and how |
//! | [`metrics`] | what both tell Prometheus |
//! | [`wire`] | how both are told in the contract |

mod awaiting;
pub mod candidate;
#[cfg(test)]
mod figures;
mod following;
pub mod host;
mod inner;
mod metrics;
mod promotion;
#[cfg(test)]
mod tests;
mod wire;

pub use crate::store::embedded::replication::{Past, past};
pub use candidate::Candidate;
pub use host::Host;
pub(crate) use metrics::register as register_metrics;
