//! What a store does beside commits when another one follows it, or when it follows another one.

use super::{Attachment, Feed, FollowError, Frame, FrameId, Position, Standing, ToStandby, refused, write_replaced};
use crate::store::embedded::queue::{Pending, Work};
use crate::store::embedded::{EmbeddedStore, blocking, io_error};
use crate::store::{CommitError, Sequence, StoreError};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};
use weir_service::threads;
use weir_service::trace::Trace;

/// Messages that wait for the standby. Each is a frame at most; once it is in sync there is one at a time.
const TO_STANDBY_MAX_COUNT: usize = 8;
/// Between two looks whether the last commits are done.
const STEP_DOWN_INTERVAL: Duration = Duration::from_millis(5);

impl EmbeddedStore {
    pub(in super::super) fn check_takes_commits(&self) -> Result<(), StoreError> {
        if !self.is_following.load(Ordering::Acquire) {
            return Ok(());
        }
        Err(StoreError::Following { data: self.data.display().to_string(), address: "another".into() })
    }

    /// Takes a standby whose store ends at a position. What is for it comes out of the receiver, which is dropped when it
    /// is gone.
    ///
    /// # Errors
    /// [`FollowError`].
    pub fn attach(
        &self,
        standby_id: String,
        address: String,
        position: Position,
    ) -> Result<(Attachment, mpsc::Receiver<ToStandby>), FollowError> {
        if self.is_following.load(Ordering::Acquire) {
            return Err(FollowError::Standby);
        }
        self.shared.check_running()?;
        let (sender, receiver) = mpsc::channel(TO_STANDBY_MAX_COUNT);
        let attachment = self.followers.attach(standby_id, address, sender.clone())?;
        let feed = Feed {
            followers: Arc::clone(&self.followers),
            checkpoints: Arc::clone(&self.checkpoints),
            shared: Arc::clone(&self.shared),
            attachment,
            sender,
            position,
        };
        let thread = threads::start("weir-standby-feed", move || feed.run());
        thread.map_err(io_error("start a thread for", &self.data))?;
        Ok((attachment, receiver))
    }

    /// The standby has everything up to a commit.
    ///
    /// # Errors
    /// [`StoreError::Refused`]: it was not given that.
    pub fn acknowledge(&self, attachment: Attachment, sequence: u64) -> Result<(), StoreError> {
        self.followers.acknowledge(attachment, sequence)
    }

    /// The connection to a standby is lost.
    pub fn detach(&self, attachment: Attachment, reason: &str) {
        self.followers.detach(attachment, reason);
    }

    /// Ends the connection to whoever follows.
    pub fn dismiss_standby(&self) {
        self.followers.dismiss();
    }

    /// How the standby is.
    pub fn standing(&self) -> Standing {
        self.followers.standing(self.shared.applied())
    }

    /// Whether the standby counts, and may lack what was committed before this store began to serve: nobody may be told
    /// of any of it.
    pub fn awaits_standby(&self) -> bool {
        self.followers.awaits_standby()
    }

    /// Resolves when the standby has that, or was let go since it did not come in time.
    ///
    /// # Errors
    /// It can't be noted that it was: the store stops.
    pub async fn await_standby(&self) -> Result<(), StoreError> {
        if self.followers.await_standby().await {
            return Ok(());
        }
        let followers = Arc::clone(&self.followers);
        let let_go = blocking(move || followers.await_no_longer()).await;
        let_go.inspect_err(|error| self.shared.stop(error.to_string()))
    }

    /// Takes a frame of the store that this one follows. The answer comes when it is durable.
    ///
    /// # Errors
    /// [`StoreError::Refused`]: it is no frame, or this store follows none. [`StoreError::Busy`].
    pub(super) fn follow(&self, frame: Frame) -> Result<oneshot::Receiver<Result<Sequence, CommitError>>, StoreError> {
        frame.check()?;
        if !self.is_following.load(Ordering::Acquire) {
            return Err(refused("this store follows none"));
        }
        self.shared.check_running()?;
        let (answer, answered) = oneshot::channel();
        let bytes = frame.payload.len();
        let (queued, trace) = (Instant::now(), Trace::default());
        self.queue.push(Pending { work: Work::Frame(frame), bytes, queued, trace, answer })?;
        Ok(answered)
    }

    /// Where this store ends; `base` is what it was made from.
    pub(super) fn position(&self, base: Option<FrameId>) -> Position {
        let sequence = self.shared.applied();
        let frame = self.shared.last_frame.lock().or(base).filter(|frame| frame.last == sequence);
        Position { sequence, frame }
    }

    /// From now on it takes commits, under an epoch, and counts as restored if it may lack some.
    pub(super) fn lead(&self, epoch: u64, restored: bool) {
        self.epoch_min.store(epoch, Ordering::Release);
        self.restored.fetch_or(restored, Ordering::AcqRel);
        self.followers.lead(self.shared.applied());
        self.is_following.store(false, Ordering::Release);
    }

    /// Takes no more commits: another store takes them, under a higher epoch. What waits is still done. Durable when it
    /// returns; returns the last commit.
    ///
    /// # Errors
    /// It can't be noted.
    pub async fn step_down(&self, epoch: u64) -> Result<u64, StoreError> {
        self.queue.hand_over(self.data.display().to_string(), epoch);
        let (disk, data) = (Arc::clone(&self.disk), self.data.clone());
        blocking(move || write_replaced(&*disk, &data, epoch)).await?;
        while !self.queue.is_idle() {
            self.shared.check_running()?;
            tokio::time::sleep(STEP_DOWN_INTERVAL).await;
        }
        Ok(self.shared.applied())
    }
}
