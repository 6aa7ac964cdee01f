//! Blocks on workers: where to put them ([`choose`]), writing one to all its replicas ([`BlockWriter`]) or in
//! shards ([`CodedWriter`]), reading extents from whichever workers answer ([`ExtentReader`]), and who failed of late
//! ([`WorkerHealth`]).
//!
//! Nothing here knows of objects or of the metaserver.

mod budget;
mod coded_block;
mod coded_writer;
mod connector;
mod health;
mod local;
mod nearness;
mod part;
mod piece;
mod placement;
mod reader;
mod replica;
mod rows;
mod shard_search;
mod sources;
mod writer;

pub use budget::{Grant, ReadBudget};
pub use coded_writer::{CodedWriter, FinishingCoded, WrittenCoded};
pub use connector::{ConnectedWorkers, FixedWorkers, WorkerConnector};
pub use health::WorkerHealth;
pub use local::LocalReads;
pub use nearness::Nearness;
pub use placement::{Copies, Need, choose, ids, shortage};
pub use reader::{ExtentReader, Frame};
pub use replica::Hold;
pub use replica::{Patience, Permit};
pub use sources::{ReadMetrics, ReadPatience, ReadSources, WorkerMap};
pub use writer::{BlockWriter, FailedReplica, FinishingBlock, Mendable, NewBlock, WrittenBlock};
