//! The index: sled, which finds keys fast and may lose or damage everything when the power fails; long values lie beside
//! it ([`super::values`]). Nothing here is the only copy. Panics of sled end here, as errors.

use super::Index;
use super::values::{Kept, Limits, Place, Values};
use crate::store::embedded::changes::Change;
use crate::store::embedded::io_error;
use crate::store::{Scan, StoreError};
use bytes::Bytes;
use std::fs;
use std::io;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// sled writes to its file, and collects its garbage, so often.
const FLUSH_INTERVAL_MS: u64 = 1_000;

/// How long sled's own lock may outlive the sled that was dropped: its threads let go of its file when they are done.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);
const LOCK_PAUSE: Duration = Duration::from_millis(5);
/// How sled's error begins when its lock is held. It has no kind of its own.
const LOCKED: &str = "could not acquire lock";

/// The tree with what the index knows about itself.
const STATE_TREE: &[u8] = b"state";
/// In it: the sequence of the last commit that was applied, eight bytes, little endian.
const APPLIED: &[u8] = b"applied";
/// In it: [`Values::usage`], as of a while ago.
const USAGE: &[u8] = b"values";
/// The usage is written every so many groups of commits.
const USAGE_INTERVAL: u64 = 256;
/// Where the long values lie, in the index's folder.
const VALUES_FOLDER: &str = "values";

pub(super) struct SledIndex {
    path: PathBuf,
    db: sled::Db,
    state: sled::Tree,
    values: Values,
    /// Groups of changes applied since it was opened.
    groups: AtomicU64,
}

impl SledIndex {
    /// Opens, or makes, the index in a folder.
    ///
    /// # Errors
    /// [`StoreError::Damaged`]: sled would not open it, or panicked.
    pub fn open(path: &Path, cache_bytes: u64) -> Result<Self, StoreError> {
        Self::open_with(path, cache_bytes, Limits::default())
    }

    fn open_with(path: &Path, cache_bytes: u64, limits: Limits) -> Result<Self, StoreError> {
        remove_unfinished_snapshots(path).map_err(io_error("clean", path))?;
        let config = sled::Config::new()
            .path(path)
            .cache_capacity(cache_bytes)
            .mode(sled::Mode::HighThroughput)
            .flush_every_ms(Some(FLUSH_INTERVAL_MS));
        let (db, state, usage) = no_panic(path, || {
            let db = open_unlocked(&config)?;
            let state = db.open_tree(STATE_TREE)?;
            let usage = state.get(USAGE)?;
            Ok((db, state, usage))
        })?;
        let values = Values::open(&path.join(VALUES_FOLDER), limits)?;
        values.set_usage(usage.as_deref().unwrap_or_default());
        Ok(Self { path: path.to_path_buf(), db, state, values, groups: AtomicU64::new(0) })
    }

    /// The value of a key for which sled keeps this.
    fn value(&self, key: &[u8], kept: &[u8]) -> Result<Bytes, StoreError> {
        match Kept::decode(kept) {
            Some(Kept::Short(value)) => Ok(Bytes::copy_from_slice(value)),
            Some(Kept::Long(place)) => self.values.read(key, place),
            None => Err(damaged(&self.path, "a value has no known tag".into())),
        }
    }

    fn put(&self, key: &[u8], value: Kept<'_>, buffer: &mut Vec<u8>) -> sled::Result<Option<sled::IVec>> {
        value.encode(buffer);
        self.db.insert(key, &buffer[..])
    }

    fn points_at(&self, key: &[u8], place: Place) -> sled::Result<bool> {
        let kept = self.db.get(key)?;
        Ok(matches!(kept.as_deref().and_then(Kept::decode), Some(Kept::Long(found)) if found == place))
    }
}

impl Index for SledIndex {
    fn applied(&self) -> Result<u64, StoreError> {
        let value = no_panic(&self.path, || self.state.get(APPLIED))?;
        match value {
            None => Ok(0),
            Some(value) => match value[..].try_into() {
                Ok(bytes) => Ok(u64::from_le_bytes(bytes)),
                Err(_) => Err(damaged(&self.path, format!("its sequence has {} bytes", value.len()))),
            },
        }
    }

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        match no_panic(&self.path, || self.db.get(key))? {
            Some(kept) => self.value(key, &kept).map(Some),
            None => Ok(None),
        }
    }

    fn contains(&self, key: &[u8]) -> Result<bool, StoreError> {
        no_panic(&self.path, || self.db.contains_key(key))
    }

    fn scan(&self, scan: &Scan) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        let start = Bound::Included(&scan.start[..]);
        let end = scan.end.as_ref().map_or(Bound::Unbounded, |end| Bound::Excluded(&end[..]));
        if scan.limit == 0 || scan.end.as_ref().is_some_and(|end| *end <= scan.start) {
            return Ok(Vec::new());
        }
        let found: Vec<(sled::IVec, sled::IVec)> = no_panic(&self.path, || {
            let range = self.db.range::<&[u8], _>((start, end));
            if scan.reverse { range.rev().take(scan.limit).collect() } else { range.take(scan.limit).collect() }
        })?;
        let resolve = |(key, kept): (sled::IVec, sled::IVec)| {
            let value = self.value(&key, &kept)?;
            Ok((Bytes::copy_from_slice(&key), value))
        };
        found.into_iter().map(resolve).collect()
    }

    fn visit_after(
        &self,
        after: Option<&[u8]>,
        bytes: usize,
        visit: &mut dyn FnMut(Change<'_>),
    ) -> Result<Option<Bytes>, StoreError> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut entries = self.db.range::<&[u8], _>((start, Bound::Unbounded));
        let mut seen_bytes = 0;
        while let Some((key, kept)) = no_panic(&self.path, || entries.next().transpose())? {
            let value = self.value(&key, &kept)?;
            visit((&key, Some(&value)));
            seen_bytes += key.len() + value.len();
            if seen_bytes >= bytes {
                return Ok(Some(Bytes::copy_from_slice(&key)));
            }
        }
        Ok(None)
    }

    /// sled's log keeps its order, so the note is never ahead of the changes.
    fn apply<'a>(
        &self,
        changes: &mut dyn Iterator<Item = Result<Change<'a>, StoreError>>,
        applied: u64,
    ) -> Result<(), StoreError> {
        let changes = changes.collect::<Result<Vec<_>, _>>()?;
        let places = self.values.append(&changes)?;
        let groups = self.groups.fetch_add(1, Ordering::Relaxed);
        no_panic(&self.path, || {
            let mut kept = Vec::new();
            for ((key, value), place) in changes.into_iter().zip(places) {
                let before = match (value, place) {
                    (Some(value), None) => self.put(key, Kept::Short(value), &mut kept)?,
                    (Some(_), Some(place)) => self.put(key, Kept::Long(place), &mut kept)?,
                    (None, _) => self.db.remove(key)?,
                };
                if let Some(Kept::Long(place)) = before.as_deref().and_then(Kept::decode) {
                    self.values.forget(place);
                }
            }
            if groups % USAGE_INTERVAL == USAGE_INTERVAL - 1 {
                self.state.insert(USAGE, self.values.usage())?;
            }
            self.state.insert(APPLIED, &applied.to_le_bytes()).map(drop)
        })
    }

    /// The space of dead long values.
    fn collect_garbage(&self) -> Result<(), StoreError> {
        let Some(step) = self.values.next_step()? else { return Ok(()) };
        let live = no_panic(&self.path, || {
            let mut live: Vec<Change<'_>> = Vec::new();
            for (key, value, place) in &step.records {
                if self.points_at(key, *place)? {
                    live.push((key, Some(value)));
                }
            }
            Ok(live)
        })?;
        let moved = self.values.append(&live)?;
        let last = self.values.finish_step(&step);
        no_panic(&self.path, || {
            let mut kept = Vec::new();
            for ((key, _), place) in live.iter().zip(moved) {
                if let Some(place) = place {
                    self.put(key, Kept::Long(place), &mut kept)?;
                }
            }
            if last {
                // Were the file gone before sled's log says where its values are now, a kill would lose them.
                self.db.flush()?;
            }
            Ok(())
        })?;
        if last { self.values.remove(&step) } else { Ok(()) }
    }

    fn size_bytes(&self) -> u64 {
        no_panic(&self.path, || self.db.size_on_disk()).unwrap_or(0) + self.values.size_bytes()
    }

    /// Stops sled and makes its files durable: sled's own flush does not.
    fn close(self: Box<Self>) -> Result<(), StoreError> {
        let path = self.path.clone();
        no_panic(&path, move || {
            self.state.insert(USAGE, self.values.usage())?;
            self.db.flush()?;
            drop(self);
            Ok(())
        })?;
        sync_folder(&path).map_err(io_error("sync", &path))
    }
}

/// Opens sled; waits while the threads of one that was dropped hold its lock still. The data folder is this process's
/// alone, so no other holds it for good.
fn open_unlocked(config: &sled::Config) -> sled::Result<sled::Db> {
    let began = Instant::now();
    loop {
        match config.open() {
            Err(sled::Error::Io(error)) if error.to_string().starts_with(LOCKED) && began.elapsed() < LOCK_TIMEOUT => {
                std::thread::sleep(LOCK_PAUSE);
            }
            opened => return opened,
        }
    }
}

fn damaged(path: &Path, detail: String) -> StoreError {
    StoreError::Damaged { what: format!("the index {}", path.display()), detail }
}

/// Runs a call of sled; its errors and panics become [`StoreError::Damaged`].
fn no_panic<T>(path: &Path, call: impl FnOnce() -> sled::Result<T>) -> Result<T, StoreError> {
    // After an error the index is not used again but for reads that fail too: half-done work is never seen.
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(damaged(path, error.to_string())),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
            Err(damaged(path, format!("it panicked: {text}")))
        }
    }
}

/// A snapshot of sled's page table that a stop interrupted would make its next open fail.
fn remove_unfinished_snapshots(path: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn sync_folder(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_folder(&entry.path())?;
        } else {
            fs::File::open(entry.path())?.sync_all()?;
        }
    }
    fs::File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(path: &Path) -> SledIndex {
        SledIndex::open_with(path, 1 << 20, Limits { file_bytes: 64 << 10, garbage_min_bytes: 128 << 10 }).unwrap()
    }

    fn everything(index: &SledIndex) -> Vec<(Bytes, Bytes)> {
        index.scan(&Scan { start: Bytes::new(), end: None, limit: usize::MAX, reverse: false }).unwrap()
    }

    #[test]
    fn who_opens_it_waits_for_the_threads_of_the_one_that_was_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let index = open(folder.path());
        // The lock goes by the open file: sled's threads may have it a little longer than the index lives.
        let thread = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(200));
            drop(index);
        });
        open(folder.path());
        thread.join().unwrap();
    }

    #[test]
    fn garbage_of_long_values_is_collected_and_no_live_one_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let mut expected = std::collections::BTreeMap::new();
        let mut index = open(folder.path());
        let mut peak_bytes = 0;
        for round in 0..2_000_u64 {
            // Some keys are written once and stay; most are overwritten or deleted.
            let name = if round % 20 == 0 { format!("stays {round}") } else { format!("changes {}", round * 7 % 13) };
            let key = Bytes::from(name);
            let value = (round % 5 != 3).then(|| Bytes::from(vec![round as u8; 500 + (round as usize * 37) % 6000]));
            index.apply(&mut [Ok((&key[..], value.as_deref()))].into_iter(), round + 1).unwrap();
            index.collect_garbage().unwrap();
            match value {
                Some(value) => expected.insert(key, value),
                None => expected.remove(&key),
            };
            peak_bytes = peak_bytes.max(index.values.size_bytes());
            if round % 500 == 499 {
                if round % 1000 == 999 {
                    Box::new(index).close().unwrap();
                } else {
                    drop(index);
                }
                index = open(folder.path());
                assert_eq!(index.applied().unwrap(), round + 1);
            }
        }
        assert_eq!(everything(&index), expected.into_iter().collect::<Vec<_>>());
        // 2,000 values of 3.5 KiB were written; some 500 KiB are live.
        assert!(peak_bytes < 3 << 20, "{peak_bytes}");
    }
}
