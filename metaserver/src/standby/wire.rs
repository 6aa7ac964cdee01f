//! What goes between a metaserver and its standby, as it is in the contract.

use crate::store::embedded::replication::{Belief, Frame, FrameId, Phase, Position, Standing, ToStandby};
use weir_proto::v1;
use weir_proto::v1::follow_response::What;
use weir_service::config::StandbyMode;

impl From<Position> for v1::StorePosition {
    fn from(position: Position) -> Self {
        let frame = position.frame.map(|FrameId { last, run, payload_crc }| v1::FrameId { last, run, payload_crc });
        Self { sequence: position.sequence, frame }
    }
}

impl From<v1::StorePosition> for Position {
    fn from(position: v1::StorePosition) -> Self {
        let frame = position.frame.map(|v1::FrameId { last, run, payload_crc }| FrameId { last, run, payload_crc });
        Self { sequence: position.sequence, frame }
    }
}

/// A message to a standby.
pub(super) fn told(message: ToStandby) -> v1::FollowResponse {
    let what = match message {
        ToStandby::Continue => What::Continue(true),
        ToStandby::Seed { bytes, position } => {
            What::Seed(v1::Seed { byte_count: bytes, position: Some(position.into()) })
        }
        ToStandby::SeedPiece(piece) => What::SeedPiece(piece),
        ToStandby::Frame(Frame { first, last, run, payload_crc, payload }) => {
            What::Frame(v1::JournalFrame { first, last, run, payload_crc, payload })
        }
        ToStandby::InSync { sequence } => What::InSyncSequence(sequence),
        ToStandby::Alive => What::Alive(true),
    };
    v1::FollowResponse { what: Some(what) }
}

/// The message that came to a standby; `None`: it is none that belongs there.
pub(super) fn understood(message: v1::FollowResponse) -> Option<ToStandby> {
    Some(match message.what? {
        What::Welcome(_) => return None,
        What::Continue(_) => ToStandby::Continue,
        What::Seed(v1::Seed { byte_count, position }) => {
            ToStandby::Seed { bytes: byte_count, position: position?.into() }
        }
        What::SeedPiece(piece) => ToStandby::SeedPiece(piece),
        What::Frame(v1::JournalFrame { first, last, run, payload_crc, payload }) => {
            ToStandby::Frame(Frame { first, last, run, payload_crc, payload })
        }
        What::InSyncSequence(sequence) => ToStandby::InSync { sequence },
        What::Alive(_) => ToStandby::Alive,
    })
}

/// What operators see of a standby; `None`: there has been none, and none is taken.
pub(super) fn report(standing: &Standing) -> Option<v1::StandbyReport> {
    if standing.mode == StandbyMode::None && standing.standby_id.is_empty() {
        return None;
    }
    let state = match standing.phase {
        Phase::Seeding => v1::StandbyState::Seeding,
        Phase::CatchingUp => v1::StandbyState::CatchingUp,
        Phase::InSync => v1::StandbyState::InSync,
        Phase::Away => v1::StandbyState::Away,
    };
    Some(v1::StandbyReport {
        mode: standing.mode.to_string(),
        state: state.into(),
        address: standing.address.clone(),
        acknowledged_sequence: standing.acknowledged,
        last_sequence: standing.last,
        let_go: standing.alone.is_some(),
        let_go_sequence: standing.alone.map_or(0, |alone| alone.sequence),
        let_go_ms: standing.alone.map_or(0, |alone| alone.at_ms),
        standby_id: standing.standby_id.clone(),
        version: String::new(),
        protocol: None,
    })
}

/// What a standby tells of itself.
pub(super) fn following(belief: &Belief, connected: bool) -> v1::Following {
    v1::Following {
        address: belief.address.clone(),
        mode: belief.mode.to_string(),
        in_sync: belief.in_sync,
        heard_ms: belief.heard_ms,
        connected,
    }
}
