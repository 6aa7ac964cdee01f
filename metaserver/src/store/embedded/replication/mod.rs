//! One journal on two disks: a standby has each frame on its own disk before the client is answered.
//!
//! The store that takes commits, the *primary*, gives each frame to the standby that follows it while it writes the
//! frame itself ([`followers`]), and answers when both disks have it. A standby that comes, or comes back, is brought up
//! to there first ([`feed`]): from the journal if the two journals agree where its own ends, else from a checkpoint and
//! the journal after it. The standby's end is [`standby`]. What either must still know after a crash lies in [`notes`].
//!
//! Nothing here knows how the two talk to each other: [`ToStandby`] goes one way, [`Position`] and sequences the other.
//! `docs/decisions/0016-standby-and-epochs.md` says what is promised and why.

mod feed;
mod followers;
mod following;
mod notes;
mod standby;
mod standing;
mod store;
#[cfg(test)]
mod tests;

pub use super::journal::frame::FrameId;
pub(super) use feed::Feed;
pub use followers::Attachment;
pub(super) use followers::Followers;
pub use following::Primary;
#[cfg(any(test, feature = "fuzzing"))]
pub(super) use notes::fuzzed_notes;
use notes::write_replaced;
pub use notes::{Alone, Past, past};
pub(super) use notes::{check_may_serve, epoch_min};
pub use standby::{Belief, StandbyStore};
pub use standing::{FollowError, Phase, Standing};

use super::changes;
use super::journal::frame::FrameHeader;
use crate::store::{MAX_STORE_KEY_BYTES, MAX_VALUE_BYTES, StoreError};
use bytes::Bytes;
use crc_fast::crc32_iscsi as crc32c;
use std::time::Duration;
use weir_service::config::{MetaserverSettings, StandbyMode};

/// The longest payload of a frame that is believed, in bytes: a batch at its limit, with the headers of its changes.
pub const FRAME_MAX_BYTES: usize = 256 << 20;
/// A piece of a checkpoint on its way to a standby, in bytes.
pub const SEED_PIECE_BYTES: usize = 1 << 20;

/// What the operator has chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StandbyOptions {
    pub mode: StandbyMode,
    /// A standby that does not acknowledge for so long has fallen away.
    pub timeout: Duration,
}

impl From<&MetaserverSettings> for StandbyOptions {
    fn from(settings: &MetaserverSettings) -> Self {
        Self { mode: settings.standby, timeout: Duration::from_millis(settings.standby_timeout_ms) }
    }
}

/// A frame of the journal on its way between machines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub first: u64,
    pub last: u64,
    pub run: u32,
    pub payload_crc: u32,
    pub payload: Bytes,
}

impl Frame {
    pub(super) fn new(header: &FrameHeader, payload: Bytes) -> Self {
        let FrameHeader { first, last, run, payload_crc, .. } = *header;
        Self { first, last, run, payload_crc, payload }
    }

    pub fn id(&self) -> FrameId {
        FrameId { last: self.last, run: self.run, payload_crc: self.payload_crc }
    }

    /// What came over a network is not believed before this.
    ///
    /// # Errors
    /// [`StoreError::Refused`]: it is no frame that a store could have written.
    pub fn check(&self) -> Result<(), StoreError> {
        let refuse =
            |detail: &str| Err(refused(format!("the frame of commits {} to {} {detail}", self.first, self.last)));
        if self.first == 0 || self.first > self.last || self.last == u64::MAX {
            return refuse("has no order of commits");
        }
        if self.payload.len() > FRAME_MAX_BYTES {
            return refuse("is too long");
        }
        if crc32c(&self.payload) != self.payload_crc {
            return refuse("does not match its checksum");
        }
        for change in changes::read(&self.payload) {
            match change {
                Ok((key, value))
                    if key.len() <= MAX_STORE_KEY_BYTES && value.is_none_or(|value| value.len() <= MAX_VALUE_BYTES) => {
                }
                _ => return refuse("has something else than changes in it"),
            }
        }
        Ok(())
    }
}

/// Where a standby's store ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The last commit that it has.
    pub sequence: u64,
    /// The frame that ends with it; `None`: it is not known.
    pub frame: Option<FrameId>,
}

/// What a primary sends to its standby, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToStandby {
    /// The journal goes on from where the standby's ends.
    Continue,
    /// A checkpoint comes, of so many bytes: all that the standby has is to be replaced by it.
    Seed {
        bytes: u64,
        position: Position,
    },
    SeedPiece(Bytes),
    Frame(Frame),
    /// From now on no commit is answered that the standby has not acknowledged; with [`StandbyMode::Optional`] until the
    /// primary lets it go.
    InSync {
        sequence: u64,
    },
    /// The primary is there.
    Alive,
}

pub(super) fn refused(detail: impl Into<String>) -> StoreError {
    StoreError::Refused { detail: detail.into() }
}
