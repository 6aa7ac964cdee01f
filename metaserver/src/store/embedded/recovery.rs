//! Opening a store: deciding whether the index can be trusted, bringing it up to the end of the journal, or building it
//! anew from a checkpoint and the journal.

use super::changes;
use super::checkpoint;
use super::index::{Index, IndexFolder};
use super::io_error;
use super::journal::{self, Journal, Scanned, Tail};
use super::state::State;
use crate::store::StoreError;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use weir_service::disk::Disk;

/// Changes read from the journal are collected up to so many bytes, and applied once a key.
const REPLAY_BYTES: usize = 16 << 20;

/// An index is looked through at start for so long. What that does not reach is checked when it is read.
const CHECK_TIME_MAX: Duration = Duration::from_secs(1);

/// What opening a store came to.
pub(super) struct Recovered {
    pub index: Box<dyn Index>,
    pub journal: Journal,
    pub checkpoint_sequence: u64,
    pub checkpoint_bytes: u64,
    /// Whether the index was built anew.
    pub rebuilt: bool,
}

/// The folders of a store and how to read them.
pub(super) struct Recovery<'a> {
    pub data: &'a Path,
    pub disk: &'a Arc<dyn Disk>,
    pub checkpoints: PathBuf,
    pub index: IndexFolder,
}

impl Recovery<'_> {
    pub fn run(&self, journal: journal::Folder) -> Result<Recovered, StoreError> {
        let state = State::read(&**self.disk, self.data)?;
        let checkpoints = checkpoint::list(&**self.disk, &self.checkpoints)?;
        for sequence in &checkpoints {
            checkpoint::check_format(&**self.disk, &self.checkpoints.join(checkpoint::name(*sequence)))?;
        }
        checkpoint::remove_unfinished(&**self.disk, &self.checkpoints)?;
        let checkpoint_sequence = checkpoints.last().copied().unwrap_or(0);
        let scanned = Scanned::read(journal, state.is_none())?;
        let state = state.unwrap_or(State::Unknown);

        let trusted = self.trusted_index(&state, &scanned)?;
        let (index, tail, rebuilt) = match trusted {
            Some(index) => {
                let (tail, _) = catch_up(&*index, &scanned)?;
                (index, tail, false)
            }
            None => {
                let (index, tail) = self.rebuild(&checkpoints, &scanned)?;
                (index, tail, true)
            }
        };
        let last = tail.last.unwrap_or(checkpoint_sequence);
        self.check_reaches(last, &state, checkpoint_sequence, index.applied()?)?;
        let journal = scanned.into_journal(tail, last)?;
        let checkpoint_bytes = self.length_of(checkpoints.last().copied())?;
        Ok(Recovered { index, journal, checkpoint_sequence, checkpoint_bytes, rebuilt })
    }

    /// The length of a checkpoint; none: 0.
    fn length_of(&self, sequence: Option<u64>) -> Result<u64, StoreError> {
        let Some(sequence) = sequence else { return Ok(0) };
        let path = self.checkpoints.join(checkpoint::name(sequence));
        let file = self.disk.open(&path).map_err(io_error("open", &path))?;
        file.len().map_err(io_error("measure", &path))
    }

    /// The index as it lies there, if it can be believed. From here on the state file says that the store runs.
    fn trusted_index(&self, state: &State, scanned: &Scanned) -> Result<Option<Box<dyn Index>>, StoreError> {
        let identity = self.index.identity();
        let doubt = match (state, &identity) {
            _ if !self.index.is_there() => Some("it is missing"),
            (State::Clean { .. }, _) => None,
            (State::Running(then), Some(now)) if then == now => None,
            (State::Running(_), _) => Some("the store was not stopped in order, and its machine or mount is another"),
            (State::Unknown, _) => Some("nothing tells how the store was stopped"),
        };
        if let Some(reason) = doubt {
            if !(scanned.is_empty() && *state == State::Unknown) {
                tracing::warn!(reason, "the index is not trusted");
            }
            return Ok(None);
        }
        // Before sled touches its files: they are no longer what a clean stop left.
        let running = identity.map_or(State::Unknown, State::Running);
        // What the file says already is not written again: a start after a kill needs no space.
        if running != *state {
            running.write(&**self.disk, self.data)?;
        }
        let opened = self.index.open().and_then(|index| {
            let applied = index.applied()?;
            index.check(CHECK_TIME_MAX)?;
            Ok((index, applied))
        });
        match (opened, state) {
            (Err(error), _) => {
                tracing::warn!(%error, "the index is damaged");
                Ok(None)
            }
            (Ok((_, applied)), State::Clean { sequence }) if applied != *sequence => {
                tracing::warn!(applied, sequence, "the index is not the one that was closed");
                Ok(None)
            }
            (Ok((_, applied)), _) if !scanned.reaches_back_to(applied) => {
                tracing::warn!(applied, "the index is older than the journal");
                Ok(None)
            }
            (Ok((index, _)), _) => Ok(Some(index)),
        }
    }

    /// Builds the index from the newest checkpoint that can be read, and the journal.
    fn rebuild(&self, checkpoints: &[u64], scanned: &Scanned) -> Result<(Box<dyn Index>, Tail), StoreError> {
        // An index that is only half built, or not durable, must not be trusted after a cut.
        State::Unknown.write(&**self.disk, self.data)?;
        let bases = checkpoints.iter().rev().map(|sequence| Some(*sequence));
        let nothing = (checkpoints.is_empty() || !scanned.is_empty() && scanned.reaches_back_to(0)).then_some(None);
        let mut refused = None;
        for base in bases.chain(nothing) {
            if !scanned.reaches_back_to(base.unwrap_or(0)) {
                continue;
            }
            match self.load(base) {
                Ok(index) => {
                    let (tail, changes) = catch_up(&*index, scanned)?;
                    let index = self.index.put_in_place(index, &**self.disk)?;
                    let now = self.index.identity();
                    now.map_or(State::Unknown, State::Running).write(&**self.disk, self.data)?;
                    if changes > 0 || base.is_some() {
                        let checkpoint = base.unwrap_or(0);
                        tracing::warn!(
                            checkpoint,
                            changes,
                            "the index was rebuilt from the checkpoint and the journal"
                        );
                    }
                    return Ok((index, tail));
                }
                Err(error @ StoreError::Damaged { .. }) => {
                    tracing::error!(%error, "the checkpoint can't be used");
                    refused = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        Err(refused.unwrap_or_else(|| StoreError::Damaged {
            what: format!("the store in {}", self.data.display()),
            detail: "the journal does not reach back to a checkpoint".into(),
        }))
    }

    /// A fresh index with what a checkpoint has.
    fn load(&self, base: Option<u64>) -> Result<Box<dyn Index>, StoreError> {
        let index = self.index.begin()?;
        if let Some(sequence) = base {
            let path = self.checkpoints.join(checkpoint::name(sequence));
            let summary = checkpoint::read(&**self.disk, &path, &mut |payload| {
                let changes = changes::read(payload).map(|change| change.map_err(|error| malformed(&path, error)));
                index.apply(&mut { changes }, 0)
            })?;
            if summary.sequence != sequence {
                let detail = format!("it has the commits up to {}", summary.sequence);
                return Err(StoreError::Damaged { what: format!("the checkpoint {}", path.display()), detail });
            }
            index.apply(&mut std::iter::empty(), sequence)?;
        }
        Ok(index)
    }

    /// Checks that the journal reaches what is known to have been acknowledged.
    fn check_reaches(&self, last: u64, state: &State, checkpoint: u64, applied: u64) -> Result<(), StoreError> {
        let stopped = if let State::Clean { sequence } = state { *sequence } else { 0 };
        let known = checkpoint.max(stopped).max(applied);
        if last >= known {
            return Ok(());
        }
        Err(StoreError::Damaged {
            what: format!("the journal in {}", self.data.display()),
            detail: format!("it ends with commit {last}, and commit {known} was acknowledged"),
        })
    }
}

/// Applies what the journal has and the index has not. Returns the tail, and how many changes there were.
fn catch_up(index: &dyn Index, scanned: &Scanned) -> Result<(Tail, u64), StoreError> {
    let mut collected: BTreeMap<Bytes, Option<Bytes>> = BTreeMap::new();
    let (mut bytes, mut count, mut last) = (0, 0, 0);
    let apply = |collected: &mut BTreeMap<Bytes, Option<Bytes>>, last: u64| {
        let changes = std::mem::take(collected);
        index.apply(&mut changes.iter().map(|(key, value)| Ok((&key[..], value.as_deref()))), last)
    };
    let tail = scanned.replay(index.applied()?, &mut |header, payload| {
        for change in changes::read(payload) {
            let (key, value) = change.map_err(|error| malformed(Path::new("the journal"), error))?;
            bytes += key.len() + value.map_or(0, <[u8]>::len);
            count += 1;
            collected.insert(Bytes::copy_from_slice(key), value.map(Bytes::copy_from_slice));
        }
        last = header.last;
        if bytes < REPLAY_BYTES {
            return Ok(());
        }
        bytes = 0;
        apply(&mut collected, last)
    })?;
    if last > 0 {
        apply(&mut collected, last)?;
        tracing::info!(changes = count, last, "commits of the journal were applied to the index");
    }
    Ok((tail, count))
}

fn malformed(path: &Path, _: changes::Malformed) -> StoreError {
    StoreError::Damaged {
        what: path.display().to_string(),
        detail: "a payload with a good checksum has no changes".into(),
    }
}
