//! Blocks on workers: where to put them ([`choose`]), writing one to all its replicas ([`BlockWriter`]), reading extents
//! from whichever replica answers ([`ExtentReader`]), and who failed of late ([`WorkerHealth`]).
//!
//! Nothing here knows of objects or of the metaserver.

mod budget;
mod connector;
mod health;
mod local;
mod nearness;
mod piece;
mod placement;
mod reader;
mod replica;
mod writer;

pub use budget::{Grant, ReadBudget};
pub use connector::{ConnectedWorkers, FixedWorkers, WorkerConnector};
pub use health::WorkerHealth;
pub use local::LocalReads;
pub use nearness::Nearness;
pub use placement::{Copies, Need, choose, ids, shortage};
pub use reader::{ExtentReader, Frame, ReadMetrics, ReadPatience, ReadSources, WorkerMap};
pub use replica::{Patience, Permit};
pub use writer::{BlockWriter, FailedReplica, FinishingBlock, Hold, NewBlock, WrittenBlock};
