//! The writer: one thread that makes commits happen, a group at a time. It checks guards, appends the group to the
//! journal, waits for the disk and for the standby's, applies the group to the index, and answers. Between fdatasync and
//! the answer nothing can fail but the index, which is not the only copy.
//!
//! In a standby it does the same with frames that the primary has made.

use super::changes;
use super::checkpoints::due_bytes;
use super::journal::{AppendError, Catalog, Journal};
use super::queue::{Pending, Queue, Work};
use super::replication::{Followers, Frame, refused};
use super::shared::Shared;
use crate::store::{Batch, CommitError, Guard, Sequence, StoreError, Write, rules};
use bytes::Bytes;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};
use weir_service::disk::{Disk, Space};
use weir_service::planted::{Fault, planted};
use weir_service::trace::Trace;

/// How often free space is looked at.
const SPACE_INTERVAL: Duration = Duration::from_millis(200);

pub(super) struct Writer {
    pub shared: Arc<Shared>,
    pub queue: Arc<Queue>,
    pub journal: Journal,
    pub followers: Arc<Followers>,
    pub reserve: Reserve,
    /// Wakes the checkpoints; they end when this is dropped.
    pub checkpoints: mpsc::Sender<()>,
    /// A checkpoint is due when the journal has grown by so much.
    pub checkpoint_bytes: u64,
    /// What the batches of the group make of the keys they write: `None` is a deletion.
    pub overlay: HashMap<Bytes, Option<Bytes>>,
}

type Sender = oneshot::Sender<Result<Sequence, CommitError>>;

/// Whoever waits for a commit.
struct Asker {
    sender: Sender,
    queued: Instant,
    trace: Trace,
}

/// A commit of the group that is written.
struct Answer {
    result: Result<Sequence, CommitError>,
    asker: Asker,
}

impl Writer {
    /// Runs until the queue is closed and empty, or the store has to stop.
    pub async fn run(mut self) {
        while let Some(group) = self.queue.take().await {
            let done = match self.shared.check_running() {
                Ok(()) => self.take(group).await,
                Err(error) => Err(error),
            };
            if let Err(error) = done {
                self.shared.stop(error.to_string());
                self.queue.close();
                // Whoever waits learns it from the dropped answer.
                self.queue.clear();
                return;
            }
        }
    }

    /// Does a group of work. An error means that the store must stop.
    async fn take(&mut self, group: Vec<Pending>) -> Result<(), StoreError> {
        let taken = Instant::now();
        let (mut batches, mut frames) = (Vec::new(), Vec::new());
        for Pending { work, answer: sender, queued, trace, .. } in group {
            match work {
                Work::Batch(batch) => batches.push((batch, Asker { sender, queued, trace })),
                Work::Frame(frame) => frames.push((frame, sender)),
            }
        }
        // A store follows first, and then takes commits.
        self.follow(frames)?;
        self.commit(batches, taken).await
    }

    /// Commits a group that was taken from the queue at `taken`.
    async fn commit(&mut self, group: Vec<(Batch, Asker)>, taken: Instant) -> Result<(), StoreError> {
        let low = self.reserve.is_low(&self.shared, self.journal.catalog());
        let mut last = self.journal.last();
        let mut answers: Vec<Answer> = Vec::with_capacity(group.len());
        let needs_standby = self.followers.admit();
        for (batch, asker) in group {
            let admitted = match &needs_standby {
                Ok(()) => self.admit(batch, low),
                Err(_) => Err(StoreError::StandbyAway.into()),
            };
            let result = match admitted {
                Ok(()) => {
                    last += 1;
                    Ok(Sequence(last))
                }
                Err(CommitError::Store(error)) if is_fatal(&error) => return Err(error),
                Err(error) => Err(error),
            };
            answers.push(Answer { result, asker });
        }
        if planted(Fault::AnswerBeforeTheCommit) {
            self.tell(std::mem::take(&mut answers), taken);
        }
        if last > self.journal.last() && !self.write(last).await? {
            // None of the group happened, so no guard failed because of one of them either.
            for answer in &mut answers {
                answer.result = Err(StoreError::Full.into());
            }
        }
        self.tell(answers, taken);
        Ok(())
    }

    /// Answers a group that was taken from the queue at `taken`, and measures it.
    fn tell(&self, answers: Vec<Answer>, taken: Instant) {
        let (written, group_size) = (Instant::now(), answers.len() as u64);
        let (timings, synced) = (&self.shared.timings, self.journal.last_sync());
        for Answer { result, asker: Asker { sender, queued, trace } } in answers {
            timings.commits.observe(written.duration_since(queued).as_secs_f64());
            if trace.is_recorded() {
                trace.passed("commit queue", queued, taken, &[]);
                trace.passed("commit group", taken, written, &[("commits", group_size)]);
                if let Some((from, to)) = synced.filter(|(from, _)| *from >= taken) {
                    trace.passed("fdatasync", from, to, &[]);
                }
            }
            // It ends before whoever waits for the commit goes on.
            drop(trace);
            // Whoever asked may be gone; the commit stands.
            let _ = sender.send(result);
        }
    }

    /// Takes over frames that follow on the last one.
    fn follow(&mut self, group: Vec<(Frame, Sender)>) -> Result<(), StoreError> {
        if group.is_empty() {
            return Ok(());
        }
        let before = self.journal.last();
        let appended = self.journal.append_received(group.iter().map(|(frame, _)| frame));
        let appended_bytes = match appended {
            Ok(bytes) => bytes,
            Err(AppendError::NoSpace) => 0,
            Err(AppendError::Fatal(error)) => return Err(error),
        };
        let reached = self.journal.last();
        for (frame, _) in group.iter().filter(|(frame, _)| frame.first > before && frame.last <= reached) {
            let changes = changes::read(&frame.payload);
            // They were looked through before they came here.
            let mut changes =
                changes.map(|change| change.map_err(|_| refused("a frame has something else than changes")));
            self.shared.apply(frame.last, |index| {
                index.apply(&mut changes, frame.last)?;
                index.collect_garbage()
            })?;
        }
        *self.shared.last_frame.lock() = self.journal.last_frame();
        self.note_growth(reached - before, appended_bytes);
        for (frame, answer) in group {
            let result = match () {
                () if frame.first > before && frame.last <= reached => Ok(Sequence(frame.last)),
                () if frame.first == reached + 1 => Err(StoreError::Full.into()),
                () => {
                    Err(refused(format!("the frame begins with commit {}, and {reached} is the last", frame.first))
                        .into())
                }
            };
            let _ = answer.send(result);
        }
        Ok(())
    }

    /// Checks a batch against the index and the batches before it in the group, and takes its changes.
    fn admit(&mut self, batch: Batch, low: bool) -> Result<(), CommitError> {
        for (index, guard) in batch.guards.iter().enumerate() {
            if !self.holds(guard)? {
                return Err(CommitError::GuardFailed { index });
            }
        }
        if low && !batch.urgent && batch.writes.iter().any(|write| matches!(write, Write::Put { .. })) {
            return Err(StoreError::Full.into());
        }
        let can_fail = batch.writes.iter().any(|write| matches!(write, Write::Add { .. }));
        let mut undo = Vec::new();
        for write in batch.writes {
            let change = match write {
                Write::Put { key, value } => Ok((key, Some(value))),
                Write::Delete { key } => Ok((key, None)),
                Write::Add { key, amount } => self.add(&key, amount).map(|value| (key, Some(value))),
            };
            let (key, value) = match change {
                Ok(change) => change,
                Err(error) => {
                    self.undo(undo);
                    return Err(error.into());
                }
            };
            if can_fail {
                let before = self.overlay.insert(key.clone(), value);
                undo.push((key, before));
            } else {
                self.overlay.insert(key, value);
            }
        }
        Ok(())
    }

    fn holds(&self, guard: &Guard) -> Result<bool, StoreError> {
        let (Guard::Equals { key, .. } | Guard::Absent { key }) = guard;
        match (self.overlay.get(key), guard) {
            (Some(found), Guard::Equals { value, .. }) => Ok(found.as_ref() == Some(value)),
            (Some(found), Guard::Absent { .. }) => Ok(found.is_none()),
            (None, _) => self.shared.with_index(|index| index.holds(guard)),
        }
    }

    fn add(&self, key: &Bytes, amount: i64) -> Result<Bytes, StoreError> {
        let after = match self.overlay.get(key) {
            Some(before) => rules::add(key, before.as_deref(), amount)?,
            None => {
                let before = self.shared.with_index(|index| index.get(key))?;
                rules::add(key, before.as_deref(), amount)?
            }
        };
        Ok(Bytes::copy_from_slice(&after))
    }

    fn undo(&mut self, undo: Vec<(Bytes, Option<Option<Bytes>>)>) {
        for (key, before) in undo.into_iter().rev() {
            match before {
                Some(value) => self.overlay.insert(key, value),
                None => self.overlay.remove(&key),
            };
        }
    }

    /// Makes the group durable and visible. `false`: there is no space for it, and nothing happened.
    async fn write(&mut self, last: u64) -> Result<bool, StoreError> {
        let mut group: Vec<(Bytes, Option<Bytes>)> = self.overlay.drain().collect();
        // Neighbours lie on the same page of the index.
        group.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        let before = self.journal.last();
        let staged = self.journal.stage(last, |out| {
            for (key, value) in &group {
                changes::push(out, (key, value.as_deref()));
            }
        });
        match staged {
            Ok(()) => {}
            Err(AppendError::NoSpace) => {
                self.shared.disk_low.store(true, Ordering::Relaxed);
                return Ok(false);
            }
            Err(AppendError::Fatal(error)) => return Err(error),
        }
        // Both disks at the same time.
        self.followers.begin(|| self.journal.staged());
        let appended_bytes = match self.journal.append_staged() {
            Ok(bytes) => bytes,
            Err(AppendError::NoSpace) => return Err(refused("the disk has no space where it was allocated")),
            Err(AppendError::Fatal(error)) => return Err(error),
        };
        self.followers.written(last);
        self.followers.wait(before, last, &self.shared).await?;
        self.shared.apply(last, |index| {
            index.apply(&mut group.iter().map(|(key, value)| Ok((&key[..], value.as_deref()))), last)?;
            index.collect_garbage()
        })?;
        self.note_growth(last - before, appended_bytes);
        Ok(true)
    }

    fn note_growth(&self, commit_count: u64, appended_bytes: u64) {
        self.shared.groups.fetch_add(1, Ordering::Relaxed);
        self.shared.timings.groups.observe(commit_count as f64);
        if let Some((from, to)) = self.journal.last_sync() {
            self.shared.timings.syncs.observe(to.duration_since(from).as_secs_f64());
        }
        let growth_bytes = self.shared.growth_bytes.fetch_add(appended_bytes, Ordering::Relaxed) + appended_bytes;
        if growth_bytes >= due_bytes(&self.shared, self.checkpoint_bytes, self.reserve.reserve_bytes) {
            // Full: they have been woken already.
            let _ = self.checkpoints.try_send(());
        }
    }
}

/// Whether the store can't go on after an error of one batch.
fn is_fatal(error: &StoreError) -> bool {
    !matches!(error, StoreError::Full | StoreError::NotACounter { .. } | StoreError::TooLarge { .. })
}

/// Watches the free space of the disk.
pub(super) struct Reserve {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    reserve_bytes: u64,
    looked: Option<tokio::time::Instant>,
}

impl Reserve {
    pub fn new(disk: Arc<dyn Disk>, folder: PathBuf, reserve_bytes: u64) -> Self {
        Self { disk, folder, reserve_bytes, looked: None }
    }

    /// Whether less is free than the reserve and the next checkpoint: one that has no room would keep the journal, and
    /// no delete would ever give space back.
    fn is_low(&mut self, shared: &Shared, journal: &Catalog) -> bool {
        if self.looked.is_none_or(|looked| looked.elapsed() >= SPACE_INTERVAL) {
            self.looked = Some(tokio::time::Instant::now());
            // Not knowing is no reason to refuse: a full disk shows when the journal needs a segment.
            let space = self.disk.space(&self.folder).ok();
            let journal_bytes = journal.used_bytes_after(shared.checkpoint_sequence.load(Ordering::Relaxed));
            let checkpoint_bytes = shared.next_checkpoint_bytes(journal_bytes);
            let making_bytes = shared.making_bytes.load(Ordering::Relaxed);
            let lacks = |checkpoints: u64| {
                let needed_bytes = self.reserve_bytes.saturating_add(checkpoint_bytes.saturating_mul(checkpoints));
                let free = |space: Space| space.available_bytes.saturating_add(making_bytes);
                self.reserve_bytes > 0 && space.is_some_and(|space| free(space) < needed_bytes)
            };
            let low = lacks(1);
            shared.disk_tight.store(lacks(2), Ordering::Relaxed);
            if low != shared.disk_low.swap(low, Ordering::Relaxed) {
                let available_bytes = space.map_or(0, |space| space.available_bytes);
                tracing::warn!(
                    low,
                    available_bytes,
                    reserve_bytes = self.reserve_bytes,
                    "the metadata disk's free space crossed the reserve"
                );
            }
        }
        shared.disk_low.load(Ordering::Relaxed)
    }
}
