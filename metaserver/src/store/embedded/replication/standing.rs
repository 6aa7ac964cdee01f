//! How a standby stands with its primary, as operators see it, and why one is not taken.

use super::notes::Alone;
use crate::store::StoreError;
use weir_service::config::StandbyMode;

/// How far a standby is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It gets a checkpoint.
    Seeding,
    /// It gets the journal.
    CatchingUp,
    /// Commits wait for it.
    InSync,
    /// It does not follow.
    Away,
}

/// What operators see of the standby.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    pub mode: StandbyMode,
    pub phase: Phase,
    /// Of the standby that follows, or that followed last; empty: there was none.
    pub standby_id: String,
    pub address: String,
    /// The last commit that it has acknowledged.
    pub acknowledged: u64,
    /// The last commit here.
    pub last: u64,
    /// The standby was let go: commits were answered that it does not have.
    pub alone: Option<Alone>,
    /// It counts, and may lack what was committed before this store began to serve: nothing is told before it has that.
    pub awaited: bool,
}

/// Why a standby is not taken.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    #[error("metaserver.standby is none: this metaserver takes no standby")]
    NotWanted,
    #[error("another standby follows already: {address}")]
    Taken { address: String },
    #[error("this is a standby itself: it can't be followed")]
    Standby,
    #[error(transparent)]
    Store(#[from] StoreError),
}
