//! What a primary sends to one standby until it is in sync: a thread of its own, which reads from the disk.

use super::{Attachment, Followers, Phase, Position, SEED_PIECE_BYTES, ToStandby};
use crate::store::StoreError;
use crate::store::embedded::checkpoints::Checkpoints;
use crate::store::embedded::io_error;
use crate::store::embedded::shared::Shared;
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::mpsc::Sender;
use weir_service::threads;

/// Frames are read from the journal up to about so many bytes at a time.
const READ_BYTES: usize = 1 << 20;
/// Between two looks for more while the standby has nearly everything.
const JOIN_INTERVAL: Duration = Duration::from_millis(1);
/// Between two signs of life.
const ALIVE_INTERVAL: Duration = Duration::from_millis(500);

/// Brings a standby up to date, then tells it that the primary is there.
pub(in super::super) struct Feed {
    pub followers: Arc<Followers>,
    pub checkpoints: Arc<Checkpoints>,
    pub shared: Arc<Shared>,
    pub attachment: Attachment,
    pub sender: Sender<ToStandby>,
    /// Where the standby's store ends.
    pub position: Position,
}

/// The standby does not listen any more.
struct Gone;

enum Ended {
    Gone,
    Failed(StoreError),
}

impl From<Gone> for Ended {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

impl From<StoreError> for Ended {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

impl Feed {
    /// Runs until the standby is gone.
    pub async fn run(mut self) {
        match self.bring_up().await {
            Ok(()) => self.stay().await,
            Err(Ended::Gone) => {}
            Err(Ended::Failed(error)) => self.followers.detach(self.attachment, &error.to_string()),
        }
    }

    async fn bring_up(&mut self) -> Result<(), Ended> {
        let mut sent = if self.continues()? {
            self.followers.acknowledge(self.attachment, self.position.sequence)?;
            self.send(ToStandby::Continue).await?;
            self.position.sequence
        } else {
            self.seed().await?
        };
        self.followers.set_phase(self.attachment, Phase::CatchingUp);
        loop {
            let durable = self.followers.durable();
            while sent < durable {
                // What is on its way stays little: once in sync, commits wait for it.
                self.wait_for(sent).await?;
                sent = self.send_frames(sent, durable).await?;
            }
            let joined = self.followers.join(self.attachment, sent);
            // What can't be noted must not be hidden.
            if joined.inspect_err(|error| self.shared.stop(error.to_string()))? {
                return Ok(());
            }
            self.pause().await?;
        }
    }

    /// Waits until the standby has a commit.
    async fn wait_for(&self, sequence: u64) -> Result<(), Gone> {
        while self.followers.acknowledged(self.attachment).is_some_and(|acknowledged| acknowledged < sequence) {
            self.pause().await?;
        }
        Ok(())
    }

    async fn pause(&self) -> Result<(), Gone> {
        threads::pause(JOIN_INTERVAL).await;
        let is_there = self.followers.is_attached(self.attachment) && !self.sender.is_closed();
        if is_there && !self.shared.is_closing() { Ok(()) } else { Err(Gone) }
    }

    /// Whether this journal has the frame that the standby's ends with: then it has all before it, too.
    fn continues(&self) -> Result<bool, StoreError> {
        let Position { sequence, frame } = self.position;
        let _kept = self.checkpoints.making.lock();
        match frame {
            // Nothing is the beginning of everything.
            None => Ok(sequence == 0 && self.checkpoints.catalog.has_next(0)),
            Some(frame) if frame.last != sequence || sequence > self.followers.durable() => Ok(false),
            Some(frame) => Ok(self.checkpoints.catalog.frame_ending_with(sequence)? == Some(frame)),
        }
    }

    /// Sends a checkpoint. Returns the last commit that it has.
    async fn seed(&mut self) -> Result<u64, Ended> {
        self.followers.set_phase(self.attachment, Phase::Seeding);
        if !self.checkpoints.has_recent() {
            self.checkpoints.make()?;
        }
        let (file, path, sequence, frame) = {
            let _kept = self.checkpoints.making.lock();
            let sequence = self.shared.checkpoint_sequence.load(Ordering::Relaxed);
            let path = self.checkpoints.path(sequence);
            let file = self.checkpoints.disk.open(&path).map_err(io_error("open", &path))?;
            (file, path, sequence, self.checkpoints.catalog.frame_ending_with(sequence)?)
        };
        let bytes = file.len().map_err(io_error("measure", &path))?;
        tracing::info!(sequence, bytes, "the standby gets a checkpoint");
        let position = Position { sequence, frame };
        self.send(ToStandby::Seed { bytes, position }).await?;
        let mut offset = 0;
        while offset < bytes {
            let mut piece = vec![0; SEED_PIECE_BYTES.min((bytes - offset) as usize)];
            file.read_exact_at(&mut piece, offset).map_err(io_error("read", &path))?;
            offset += piece.len() as u64;
            self.send(ToStandby::SeedPiece(Bytes::from(piece))).await?;
        }
        self.wait_for(sequence).await?;
        Ok(sequence)
    }

    /// Sends some frames after a commit. Returns the last commit sent.
    async fn send_frames(&self, sent: u64, durable: u64) -> Result<u64, Ended> {
        let frames = {
            let _kept = self.checkpoints.making.lock();
            self.checkpoints.catalog.frames(sent, durable, READ_BYTES)?
        };
        let mut last = sent;
        for frame in frames {
            last = frame.last;
            self.send(ToStandby::Frame(frame)).await?;
        }
        Ok(last)
    }

    async fn send(&self, message: ToStandby) -> Result<(), Gone> {
        self.sender.send(message).await.map_err(|_| Gone)
    }

    /// Tells that the primary is there. Where it can't, frames are under way, which tell it too.
    async fn stay(&self) {
        while self.followers.is_attached(self.attachment) && !self.sender.is_closed() && !self.shared.is_closing() {
            let _ = self.sender.try_send(ToStandby::Alive);
            threads::pause(ALIVE_INTERVAL).await;
        }
    }
}
