//! The primary's side: the standby that follows, how far it is, and when a commit may be answered.

use super::notes::{Alone, PrimaryNote};
use super::standing::{FollowError, Phase, Standing};
use super::{Frame, StandbyOptions, ToStandby};
use crate::store::StoreError;
use crate::store::embedded::shared::Shared;
use parking_lot::Mutex;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::Sender;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use weir_service::clock::Clock;
use weir_service::config::StandbyMode;
use weir_service::disk::Disk;
use weir_service::planted::{Fault, planted};
use weir_service::threads::Condition;

/// How often the writer, while it waits, looks whether the store is being closed.
const WAIT_INTERVAL: Duration = Duration::from_millis(50);

/// Who is attached, named by a number that is not used again: calls about one that was let go change nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attachment(u64);

/// Shared by the writer, the feed and whoever talks to the standby.
pub(in super::super) struct Followers {
    options: StandbyOptions,
    disk: Arc<dyn Disk>,
    data: PathBuf,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    changed: Condition,
    /// Changed under the state's lock, as `awaited` there.
    awaits: watch::Sender<bool>,
}

struct State {
    /// Commits are for clients, and wait for the standby.
    enforcing: bool,
    /// Nothing is told before the standby has everything up to this commit.
    awaited: Option<u64>,
    /// The last commit that is durable here.
    durable: u64,
    /// A frame is being written.
    writing: bool,
    /// That frame, if a standby was there when it was begun.
    current: Option<Frame>,
    follower: Option<Follower>,
    attachments: u64,
    note: Option<PrimaryNote>,
}

struct Follower {
    attachment: Attachment,
    standby_id: String,
    address: String,
    phase: Phase,
    acknowledged: u64,
    sender: Sender<ToStandby>,
}

impl Followers {
    /// # Errors
    /// The note of the last standby can't be read.
    pub fn open(
        options: StandbyOptions,
        disk: Arc<dyn Disk>,
        data: PathBuf,
        clock: Arc<dyn Clock>,
        durable: u64,
    ) -> Result<Self, StoreError> {
        let note = PrimaryNote::read(&*disk, &data)?;
        let state = State {
            enforcing: false,
            awaited: None,
            durable,
            writing: false,
            current: None,
            follower: None,
            attachments: 0,
            note,
        };
        let (state, changed, awaits) = (Mutex::new(state), Condition::default(), watch::Sender::new(false));
        Ok(Self { options, disk, data, clock, state, changed, awaits })
    }

    /// From now on commits are for clients: what the mode promises holds for them. A standby that counts may lack some of
    /// those before: what was in flight when the store was stopped, and what a metaserver commits as it starts. Nobody was
    /// told of them, and nobody may be while [`Followers::awaits_standby`].
    ///
    /// # Errors
    /// It can't be noted that a standby is done without.
    pub fn enforce(&self) -> Result<(), StoreError> {
        let mut state = self.state.lock();
        state.enforcing = true;
        let durable = state.durable;
        if self.options.mode == StandbyMode::None {
            return self.go_on_alone(&mut state, durable);
        }
        if state.counts() && !planted(Fault::ToldBeforeTheStandby) {
            state.awaited = Some(durable);
            self.awaits.send_replace(true);
            self.look_at_awaited(&mut state);
        }
        Ok(())
    }

    /// Whether the standby counts and may lack what is here.
    pub fn awaits_standby(&self) -> bool {
        *self.awaits.borrow()
    }

    /// Resolves when that is over. False: the standby has fallen away, and may be done without.
    pub async fn await_standby(&self) -> bool {
        let mut awaits = self.awaits.subscribe();
        let over = awaits.wait_for(|awaits| !awaits);
        match self.options.mode {
            StandbyMode::Optional => timeout(self.options.timeout, over).await.is_ok(),
            StandbyMode::None | StandbyMode::Required => over.await.is_ok(),
        }
    }

    /// Lets the standby go if it is still awaited.
    ///
    /// # Errors
    /// It can't be noted.
    pub fn await_no_longer(&self) -> Result<(), StoreError> {
        let mut state = self.state.lock();
        state.awaited.map_or(Ok(()), |awaited| self.go_on_alone(&mut state, awaited))
    }

    fn look_at_awaited(&self, state: &mut State) {
        let Some(awaited) = state.awaited else { return };
        let has_all = state.follower.as_ref().is_some_and(|follower| follower.acknowledged >= awaited);
        if has_all || !state.counts() {
            state.awaited = None;
            self.awaits.send_replace(false);
        }
    }

    /// The store followed another one up to a commit, and takes commits of its own from now on. It has had no standby.
    pub fn lead(&self, durable: u64) {
        let mut state = self.state.lock();
        (state.durable, state.note) = (durable, None);
    }

    /// Whether commits are taken now.
    ///
    /// # Errors
    /// [`StoreError::StandbyAway`]: they need a standby that is not in sync.
    pub fn admit(&self) -> Result<(), StoreError> {
        if self.options.mode != StandbyMode::Required {
            return Ok(());
        }
        let state = self.state.lock();
        if !state.enforcing || state.is_in_sync() { Ok(()) } else { Err(StoreError::StandbyAway) }
    }

    /// Takes a standby, in place of an earlier connection of the same one.
    ///
    /// # Errors
    /// [`FollowError`].
    pub fn attach(
        &self,
        standby_id: String,
        address: String,
        sender: Sender<ToStandby>,
    ) -> Result<Attachment, FollowError> {
        if self.options.mode == StandbyMode::None {
            return Err(FollowError::NotWanted);
        }
        let mut state = self.state.lock();
        if let Some(other) = state.follower.as_ref().filter(|follower| follower.standby_id != standby_id) {
            return Err(FollowError::Taken { address: other.address.clone() });
        }
        state.attachments += 1;
        let attachment = Attachment(state.attachments);
        tracing::info!(address, "a standby follows");
        let phase = Phase::CatchingUp;
        state.follower = Some(Follower { attachment, standby_id, address, phase, acknowledged: 0, sender });
        self.changed.notify();
        Ok(attachment)
    }

    /// The connection to a standby is lost.
    pub fn detach(&self, attachment: Attachment, reason: &str) {
        let mut state = self.state.lock();
        if let Some(follower) = state.follower.take_if(|follower| follower.attachment == attachment) {
            tracing::warn!(address = follower.address, reason, "the standby has fallen away");
            self.changed.notify();
        }
    }

    pub fn is_attached(&self, attachment: Attachment) -> bool {
        self.state.lock().of(attachment).is_some()
    }

    /// The last commit that a standby has acknowledged; `None`: it does not follow any more.
    pub fn acknowledged(&self, attachment: Attachment) -> Option<u64> {
        self.state.lock().of(attachment).map(|follower| follower.acknowledged)
    }

    pub fn set_phase(&self, attachment: Attachment, phase: Phase) {
        if let Some(follower) = self.state.lock().of(attachment) {
            follower.phase = phase;
        }
    }

    /// The standby has everything up to a commit on its disk.
    ///
    /// # Errors
    /// [`StoreError::Refused`]: it acknowledges what it was not given.
    pub fn acknowledge(&self, attachment: Attachment, sequence: u64) -> Result<(), StoreError> {
        let mut state = self.state.lock();
        let given = state.current.as_ref().map_or(state.durable, |frame| frame.last);
        let Some(follower) = state.of(attachment) else { return Ok(()) };
        if sequence > given {
            return Err(super::refused(format!("commit {sequence} was acknowledged, and {given} is the last")));
        }
        follower.acknowledged = follower.acknowledged.max(sequence);
        self.look_at_awaited(&mut state);
        self.changed.notify();
        Ok(())
    }

    /// The last commit that can be read from the journal.
    pub fn durable(&self) -> u64 {
        self.state.lock().durable
    }

    /// A standby that was given everything up to `sequence` counts from now on, unless there is more. Returns whether it
    /// does.
    ///
    /// # Errors
    /// It can't be noted: the store must stop.
    pub fn join(&self, attachment: Attachment, sequence: u64) -> Result<bool, StoreError> {
        let mut state = self.state.lock();
        let State { current, durable, writing, follower, .. } = &mut *state;
        let target = current.as_ref().map_or(*durable, |frame| frame.first - 1);
        let is_known = current.is_some() || !*writing;
        let Some(follower) = follower.as_mut().filter(|follower| follower.attachment == attachment) else {
            return Ok(false);
        };
        // Room for the two messages that follow.
        if target != sequence || !is_known || follower.sender.capacity() < 2 {
            return Ok(false);
        }
        follower.phase = Phase::InSync;
        let (standby_id, address) = (follower.standby_id.clone(), follower.address.clone());
        if let Some(frame) = current {
            let _ = follower.sender.try_send(ToStandby::Frame(frame.clone()));
        }
        let sender = follower.sender.clone();
        // Only when this is durable does the standby hear of it: what it believes is never more than what holds.
        self.note(&mut state, PrimaryNote { standby_id, address, alone: None })?;
        let _ = sender.try_send(ToStandby::InSync { sequence });
        tracing::info!(sequence, "the standby is in sync");
        self.changed.notify();
        Ok(true)
    }

    /// A frame is about to be written: whoever is in sync gets it now. `frame` is called if there is anyone.
    pub fn begin(&self, frame: impl FnOnce() -> Option<Frame>) {
        if self.options.mode == StandbyMode::None {
            return;
        }
        let mut state = self.state.lock();
        state.writing = true;
        if state.follower.is_none() {
            return;
        }
        state.current = frame();
        let State { current: Some(frame), follower: Some(follower), .. } = &mut *state else { return };
        if follower.phase == Phase::InSync && follower.sender.try_send(ToStandby::Frame(frame.clone())).is_err() {
            // When it comes back, the journal tells it.
            tracing::warn!(address = follower.address, "the standby takes nothing");
            state.follower = None;
        }
    }

    /// The frame is durable here.
    pub fn written(&self, last: u64) {
        if self.options.mode == StandbyMode::None {
            return;
        }
        let mut state = self.state.lock();
        (state.durable, state.writing, state.current) = (last, false, None);
    }

    /// Waits until the commits after `before` up to `last` may be answered: the standby has them too, or may be done
    /// without and it is noted that it is.
    ///
    /// # Errors
    /// [`StoreError::Stopped`]: the store is being closed, and with [`StandbyMode::Required`] the standby has not
    /// acknowledged. An error of the disk: the store must stop.
    pub async fn wait(&self, before: u64, last: u64, shared: &Shared) -> Result<(), StoreError> {
        if self.options.mode == StandbyMode::None {
            return Ok(());
        }
        let deadline = Instant::now() + self.options.timeout;
        let look = |state: &mut State| self.settle(state, before, last, Instant::now() >= deadline, shared).transpose();
        self.changed.wait_with_looks(WAIT_INTERVAL, &self.state, look).await
    }

    /// Whether [`Followers::wait`] has waited long enough. `None`: it has not.
    fn settle(
        &self,
        state: &mut State,
        before: u64,
        last: u64,
        is_late: bool,
        shared: &Shared,
    ) -> Result<Option<()>, StoreError> {
        if !state.enforcing || state.follower.as_ref().is_some_and(|follower| follower.acknowledged >= last) {
            return Ok(Some(()));
        }
        if state.is_in_sync() && is_late {
            let follower = state.follower.take();
            let address = follower.map(|follower| follower.address).unwrap_or_default();
            tracing::error!(address, timeout = ?self.options.timeout, "the standby does not acknowledge");
        }
        // One that is away for a moment is waited for, one that was let go is not.
        if self.options.mode == StandbyMode::Optional && !state.is_in_sync() && (is_late || !state.counts()) {
            return self.go_on_alone(state, before).map(Some);
        }
        if shared.is_closing() || shared.has_stopped() {
            let reason = "it is closed while a commit waits for the standby".into();
            return Err(StoreError::Stopped { reason });
        }
        Ok(None)
    }

    /// Notes that commits after `sequence` are answered without the standby.
    fn go_on_alone(&self, state: &mut State, sequence: u64) -> Result<(), StoreError> {
        // Where there never was one, nothing is missing anywhere.
        let Some(note) = state.note.clone().filter(|note| note.alone.is_none()) else { return Ok(()) };
        let alone = Alone { sequence, at_ms: self.clock.now_ms() };
        tracing::error!(sequence, address = note.address, "the standby is let go: commits go on without it");
        self.note(state, PrimaryNote { alone: Some(alone), ..note })?;
        self.look_at_awaited(state);
        Ok(())
    }

    fn note(&self, state: &mut State, note: PrimaryNote) -> Result<(), StoreError> {
        if state.note.as_ref() != Some(&note) {
            note.write(&*self.disk, &self.data)?;
            state.note = Some(note);
        }
        Ok(())
    }

    /// Ends the connection to whoever follows.
    pub fn dismiss(&self) {
        self.state.lock().follower = None;
        self.changed.notify();
    }

    pub fn standing(&self, last: u64) -> Standing {
        let state = self.state.lock();
        let note = state.note.as_ref();
        let (standby_id, address) = match (&state.follower, note) {
            (Some(follower), _) => (follower.standby_id.clone(), follower.address.clone()),
            (None, Some(note)) => (note.standby_id.clone(), note.address.clone()),
            (None, None) => Default::default(),
        };
        Standing {
            mode: self.options.mode,
            phase: state.follower.as_ref().map_or(Phase::Away, |follower| follower.phase),
            standby_id,
            address,
            acknowledged: state.follower.as_ref().map_or(0, |follower| follower.acknowledged),
            last,
            alone: note.and_then(|note| note.alone),
            awaited: state.awaited.is_some(),
        }
    }
}

impl State {
    fn is_in_sync(&self) -> bool {
        self.follower.as_ref().is_some_and(|follower| follower.phase == Phase::InSync)
    }

    /// There was a standby, and it was not let go.
    fn counts(&self) -> bool {
        self.note.as_ref().is_some_and(|note| note.alone.is_none())
    }

    fn of(&mut self, attachment: Attachment) -> Option<&mut Follower> {
        self.follower.as_mut().filter(|follower| follower.attachment == attachment)
    }
}
