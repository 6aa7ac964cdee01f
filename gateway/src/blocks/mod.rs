//! Blocks on workers: where to put them ([`place`]), writing one to all its replicas ([`BlockWriter`]), reading extents
//! from whichever replica answers ([`ExtentReader`]).
//!
//! Nothing here knows of objects or of the metaserver.

mod budget;
mod connector;
mod piece;
mod placement;
mod reader;
mod writer;

pub use budget::{Grant, ReadBudget};
pub use connector::{ConnectedWorkers, FixedWorkers, WorkerConnector};
pub use placement::place;
pub use reader::{ExtentReader, Frame, ReadMetrics, ReadSources, WorkerMap};
pub use writer::{BlockWriter, FinishingBlock, Hold, Permit};
