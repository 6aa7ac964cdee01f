//! A disk in memory that does to its files what a power cut may: what was not synced is lost, or kept in part. Names too.

use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use weir_service::disk::{Disk, DiskFile, Space};

/// Disks keep or lose what was not synced in pieces of this size.
const SECTOR_BYTES: usize = 512;

/// A stream of numbers from a seed (SplitMix64).
pub(super) struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^ (x >> 31)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub fn flip(&mut self) -> bool {
        self.next() & 1 == 0
    }
}

/// Cheap to clone: the same disk.
#[derive(Clone)]
pub(super) struct MemoryDisk(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    files: Vec<File>,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    /// Changes of names since their folder was synced, in order.
    unsynced_names: Vec<(PathBuf, NameChange)>,
    folders: BTreeSet<PathBuf>,
    /// Calls that changed something.
    steps: u64,
    /// From this step on nothing works.
    power_off_at: Option<u64>,
    fail_syncs: bool,
    fail_next_sync: bool,
    available_bytes: u64,
}

#[derive(Clone)]
enum NameChange {
    Link(usize),
    Unlink,
}

#[derive(Clone, Default)]
struct File {
    bytes: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Length(usize),
}

struct MemoryFile {
    disk: MemoryDisk,
    id: usize,
}

impl MemoryDisk {
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(State { available_bytes: u64::MAX, ..State::default() })))
    }

    /// The calls so far that changed something.
    pub fn steps(&self) -> u64 {
        self.0.lock().steps
    }

    /// From the step of this number on, every change fails and changes nothing.
    pub fn power_off_at(&self, step: u64) {
        self.0.lock().power_off_at = Some(step);
    }

    /// From now on syncs fail, or work again. As with Linux, what a failed one was to write stays readable and counts
    /// as written, and is gone with the power.
    pub fn fail_syncs(&self, fail: bool) {
        self.0.lock().fail_syncs = fail;
    }

    /// The next sync fails as those do, and the one after it works.
    pub fn fail_next_sync(&self) {
        self.0.lock().fail_next_sync = true;
    }

    /// What [`Disk::space`] answers, and what [`DiskFile::allocate`] takes at most.
    pub fn set_available(&self, bytes: u64) {
        self.0.lock().available_bytes = bytes;
    }

    /// What is found when the power is back: what was synced, and of the rest a random part. This disk is gone.
    pub fn power_cut(&self, random: &mut Random) -> Self {
        let mut old = self.0.lock();
        old.power_off_at = Some(0);
        let mut names = old.durable_names.clone();
        let mut cut: BTreeSet<PathBuf> = BTreeSet::new();
        for (path, change) in &old.unsynced_names {
            // A journaling file system keeps the order of changes: once one in a folder is lost, so are the later ones.
            let folder = path.parent().unwrap().to_path_buf();
            if cut.contains(&folder) || random.flip() {
                cut.insert(folder);
                continue;
            }
            apply_name(&mut names, path, change);
        }
        let files = old.files.iter().map(|file| file.after_cut(random)).collect();
        let folders = old.folders.clone();
        let (durable_names, available_bytes) = (names.clone(), u64::MAX);
        Self(Arc::new(Mutex::new(State { files, names, durable_names, folders, available_bytes, ..State::default() })))
    }

    /// The bytes of a file.
    pub fn bytes(&self, path: &Path) -> Vec<u8> {
        let state = self.0.lock();
        state.files[state.names[path]].bytes.clone()
    }

    /// Replaces the bytes of a file, durably.
    pub fn set_bytes(&self, path: &Path, bytes: &[u8]) {
        let mut state = self.0.lock();
        let id = state.names[path];
        state.files[id] = File { bytes: bytes.to_vec(), durable: bytes.to_vec(), unsynced: Vec::new() };
    }

    /// A copy that lives on by itself.
    pub fn copy(&self) -> Self {
        let state = self.0.lock();
        Self(Arc::new(Mutex::new(State {
            files: state.files.clone(),
            names: state.names.clone(),
            durable_names: state.durable_names.clone(),
            unsynced_names: state.unsynced_names.clone(),
            folders: state.folders.clone(),
            available_bytes: u64::MAX,
            ..State::default()
        })))
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.0.lock();
        if state.power_off_at.is_some_and(|off| state.steps >= off) {
            return Err(io::Error::other("the power is off"));
        }
        state.steps += 1;
        change(&mut state)
    }
}

impl State {
    fn id(&self, path: &Path) -> io::Result<usize> {
        self.names.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn rename(&mut self, path: &Path, change: NameChange) {
        apply_name(&mut self.names, path, &change);
        self.unsynced_names.push((path.to_path_buf(), change));
    }
}

impl File {
    fn apply(bytes: &mut Vec<u8>, change: &Change) {
        match change {
            Change::Length(length) => bytes.resize(*length, 0),
            Change::Write { offset, bytes: written } => {
                bytes.resize(bytes.len().max(offset + written.len()), 0);
                bytes[*offset..offset + written.len()].copy_from_slice(written);
            }
        }
    }

    fn change(&mut self, change: Change) {
        Self::apply(&mut self.bytes, &change);
        self.unsynced.push(change);
    }

    fn after_cut(&self, random: &mut Random) -> Self {
        let mut bytes = self.durable.clone();
        // Some cuts lose all that was in flight, some none.
        let keep = random.below(4);
        for change in &self.unsynced {
            match change {
                Change::Length(_) if keep == 3 || random.flip() => Self::apply(&mut bytes, change),
                Change::Length(_) => {}
                Change::Write { offset, bytes: written } => {
                    let mut start = 0;
                    while start < written.len() {
                        let end =
                            written.len().min((offset + start) / SECTOR_BYTES * SECTOR_BYTES + SECTOR_BYTES - offset);
                        if keep == 3 || keep > 0 && random.flip() {
                            let piece = Change::Write { offset: offset + start, bytes: written[start..end].to_vec() };
                            Self::apply(&mut bytes, &piece);
                        }
                        start = end;
                    }
                }
            }
        }
        Self { durable: bytes.clone(), bytes, unsynced: Vec::new() }
    }
}

fn apply_name(names: &mut BTreeMap<PathBuf, usize>, path: &Path, change: &NameChange) {
    match change {
        NameChange::Link(id) => drop(names.insert(path.to_path_buf(), *id)),
        NameChange::Unlink => drop(names.remove(path)),
    }
}

impl DiskFile for MemoryFile {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let state = self.disk.0.lock();
        let bytes = &state.files[self.id].bytes;
        let found = bytes.get(offset as usize..offset as usize + buffer.len());
        buffer.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_all_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        let change = Change::Write { offset: offset as usize, bytes: data.to_vec() };
        self.disk.change(|state| {
            state.files[self.id].change(change);
            Ok(())
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.change(|state| {
            let failed = std::mem::take(&mut state.fail_next_sync) || state.fail_syncs;
            let file = &mut state.files[self.id];
            if failed {
                file.unsynced.clear();
                return Err(io::Error::other("the disk did not sync"));
            }
            for change in std::mem::take(&mut file.unsynced) {
                File::apply(&mut file.durable, &change);
            }
            Ok(())
        })
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        self.disk.change(|state| {
            if length > state.available_bytes {
                return Err(io::ErrorKind::StorageFull.into());
            }
            let file = &mut state.files[self.id];
            let length = file.bytes.len().max(length as usize);
            file.change(Change::Length(length));
            Ok(())
        })
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.disk.change(|state| {
            state.files[self.id].change(Change::Length(length as usize));
            Ok(())
        })
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.0.lock().files[self.id].bytes.len() as u64)
    }
}

impl Disk for MemoryDisk {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let id = self.0.lock().id(path)?;
        Ok(Arc::new(MemoryFile { disk: self.clone(), id }))
    }

    fn create_new(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let id = self.change(|state| {
            if state.names.contains_key(path) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            let id = state.files.len();
            state.files.push(File::default());
            state.rename(path, NameChange::Link(id));
            Ok(id)
        })?;
        Ok(Arc::new(MemoryFile { disk: self.clone(), id }))
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.change(|state| {
            state.id(path)?;
            state.rename(path, NameChange::Unlink);
            Ok(())
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.change(|state| {
            let id = state.id(from)?;
            state.rename(to, NameChange::Link(id));
            state.rename(from, NameChange::Unlink);
            Ok(())
        })
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.0.lock().folders.insert(path.to_path_buf());
        Ok(())
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.change(|state| {
            state.names.retain(|name, _| !name.starts_with(path));
            state.durable_names.retain(|name, _| !name.starts_with(path));
            state.folders.retain(|name| !name.starts_with(path));
            Ok(())
        })
    }

    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        let state = self.0.lock();
        let names = state.names.keys().chain(&state.folders).filter(|name| name.parent() == Some(path));
        Ok(names.map(|name| name.file_name().unwrap().into()).collect())
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        let state = self.0.lock();
        Ok(state.names.contains_key(path) || state.folders.contains(path))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.change(|state| {
            if state.fail_syncs {
                return Err(io::Error::other("the disk did not sync"));
            }
            for (name, change) in std::mem::take(&mut state.unsynced_names) {
                if name.parent() == Some(path) {
                    apply_name(&mut state.durable_names, &name, &change);
                } else {
                    state.unsynced_names.push((name, change));
                }
            }
            Ok(())
        })
    }

    fn space(&self, _: &Path) -> io::Result<Space> {
        let available_bytes = self.0.lock().available_bytes;
        Ok(Space { total_bytes: u64::MAX, available_bytes })
    }
}
