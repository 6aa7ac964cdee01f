//! A disk in memory that forgets, at a power cut, what was not synced: any of the writes, a part of a write, any of
//! the names. It can also be full, fail an fsync, or break after so many operations.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use weir_service::disk::{Disk, DiskFile, Space};

/// A write that is cut off ends at one of these.
const SECTOR_BYTES: usize = 512;

/// Repeatable randomness for a cut.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below.max(1)
    }
}

#[derive(Clone, Default)]
pub struct TestDisk {
    state: Arc<Mutex<State>>,
    switches: Arc<Switches>,
}

#[derive(Default)]
struct Switches {
    available_bytes: AtomicU64,
    limited: AtomicBool,
    syncs_fail: AtomicBool,
    writes_fail: AtomicBool,
    breaks: AtomicBool,
    operations_left: AtomicU64,
}

impl Switches {
    /// EIO, once the disk has broken.
    fn operate(&self) -> io::Result<()> {
        let left = &self.operations_left;
        let is_broken = self.breaks.load(Ordering::SeqCst)
            && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_err();
        if is_broken { Err(io::Error::from_raw_os_error(5)) } else { Ok(()) }
    }
}

#[derive(Default)]
struct State {
    names: BTreeMap<PathBuf, Arc<Node>>,
    durable: BTreeMap<PathBuf, Arc<Node>>,
    folders: Vec<PathBuf>,
    /// Changes of names that no fsync of their folder has covered.
    pending: Vec<Rename>,
}

#[derive(Clone)]
enum Rename {
    Made(PathBuf, Arc<Node>),
    Removed(PathBuf),
    Moved(PathBuf, PathBuf, Arc<Node>),
}

#[derive(Default)]
struct Node {
    content: Mutex<Content>,
    switches: Arc<Switches>,
}

#[derive(Default)]
struct Content {
    now: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Length(usize),
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write(offset, data) => {
            if bytes.len() < offset + data.len() {
                bytes.resize(offset + data.len(), 0);
            }
            bytes[*offset..offset + data.len()].copy_from_slice(data);
        }
        Change::Length(length) => bytes.resize(*length, 0),
    }
}

impl Content {
    fn change(&mut self, change: Change) {
        apply(&mut self.now, &change);
        self.pending.push(change);
    }

    fn after_cut(&self, dice: &mut Dice) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        for change in &self.pending {
            match (dice.roll(3), change) {
                (0, _) => {}
                (1, Change::Write(offset, data)) => {
                    let sectors = dice.roll(data.len().div_ceil(SECTOR_BYTES) as u64) as usize;
                    apply(&mut bytes, &Change::Write(*offset, data[..sectors * SECTOR_BYTES].to_vec()));
                }
                _ => apply(&mut bytes, change),
            }
        }
        bytes
    }
}

impl Node {
    fn refuse_when_full(&self) -> io::Result<()> {
        match self.switches.writes_fail.load(Ordering::SeqCst) {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => Ok(()),
        }
    }
}

impl DiskFile for Node {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.switches.operate()?;
        let content = self.content.lock();
        let end = offset as usize + buffer.len();
        let bytes = content.now.get(offset as usize..end).ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }

    fn read_cached_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<bool> {
        self.read_exact_at(buffer, offset).map(|()| true)
    }

    fn write_all_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        self.switches.operate()?;
        self.refuse_when_full()?;
        self.content.lock().change(Change::Write(offset as usize, data.to_vec()));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.switches.operate()?;
        if self.switches.syncs_fail.load(Ordering::SeqCst) {
            return Err(io::Error::other("the disk is broken"));
        }
        let mut content = self.content.lock();
        let Content { durable, pending, .. } = &mut *content;
        for change in pending.drain(..) {
            apply(durable, &change);
        }
        Ok(())
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        self.switches.operate()?;
        self.refuse_when_full()?;
        let mut content = self.content.lock();
        let length = (length as usize).max(content.now.len());
        content.change(Change::Length(length));
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.switches.operate()?;
        self.content.lock().change(Change::Length(length as usize));
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.content.lock().now.len() as u64)
    }
}

impl TestDisk {
    /// So many bytes are free from now on.
    pub fn set_available(&self, bytes: u64) {
        self.switches.available_bytes.store(bytes, Ordering::SeqCst);
        self.switches.limited.store(true, Ordering::SeqCst);
    }

    /// Breaks after so many more operations: each one after that fails, reads too.
    pub fn break_after(&self, operations: u64) {
        self.switches.operations_left.store(operations, Ordering::SeqCst);
        self.switches.breaks.store(true, Ordering::SeqCst);
    }

    /// Whether it has broken.
    pub fn is_broken(&self) -> bool {
        self.switches.breaks.load(Ordering::SeqCst) && self.switches.operations_left.load(Ordering::SeqCst) == 0
    }

    pub fn fail_syncs(&self, fail: bool) {
        self.switches.syncs_fail.store(fail, Ordering::SeqCst);
    }

    /// ENOSPC for every byte, whatever [`Disk::space`] said.
    pub fn fail_writes(&self, fail: bool) {
        self.switches.writes_fail.store(fail, Ordering::SeqCst);
    }

    /// The disk as it may be found after the power was cut at this moment; this one can be written on, in vain.
    pub fn after_cut(&self, seed: u64) -> Self {
        let mut dice = Dice(seed);
        let state = self.state.lock();
        let mut names = state.durable.clone();
        for change in &state.pending {
            if dice.roll(2) == 0 {
                apply_name(&mut names, change);
            }
        }
        let switches: Arc<Switches> = Arc::default();
        let reborn = |node: &Arc<Node>, dice: &mut Dice| {
            let bytes = node.content.lock().after_cut(dice);
            let content = Content { now: bytes.clone(), durable: bytes, pending: Vec::new() };
            Arc::new(Node { content: Mutex::new(content), switches: switches.clone() })
        };
        let names: BTreeMap<_, _> = names.iter().map(|(path, node)| (path.clone(), reborn(node, &mut dice))).collect();
        let state = State { durable: names.clone(), names, folders: state.folders.clone(), pending: Vec::new() };
        Self { state: Arc::new(Mutex::new(state)), switches }
    }

    /// Every file and its bytes.
    pub fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let state = self.state.lock();
        state.names.iter().map(|(path, node)| (path.clone(), node.content.lock().now.clone())).collect()
    }

    /// Replaces a file's bytes, durably.
    pub fn set(&self, path: &Path, bytes: Vec<u8>) {
        let state = self.state.lock();
        let mut content = state.names[path].content.lock();
        *content = Content { now: bytes.clone(), durable: bytes, pending: Vec::new() };
    }
}

fn apply_name(names: &mut BTreeMap<PathBuf, Arc<Node>>, change: &Rename) {
    match change {
        Rename::Made(path, node) => {
            names.insert(path.clone(), node.clone());
        }
        Rename::Removed(path) => {
            names.remove(path);
        }
        Rename::Moved(from, to, node) => {
            names.remove(from);
            names.insert(to.clone(), node.clone());
        }
    }
}

impl State {
    fn change(&mut self, change: Rename) {
        apply_name(&mut self.names, &change);
        self.pending.push(change);
    }
}

impl Disk for TestDisk {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.switches.operate()?;
        let node = self.state.lock().names.get(path).cloned().ok_or(io::ErrorKind::NotFound)?;
        Ok(node)
    }

    fn create_new(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.switches.operate()?;
        let mut state = self.state.lock();
        if state.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        assert!(
            state.folders.iter().any(|folder| Some(folder.as_path()) == path.parent()),
            "{} has a folder",
            path.display()
        );
        let node = Arc::new(Node { content: Mutex::default(), switches: self.switches.clone() });
        state.change(Rename::Made(path.to_owned(), node.clone()));
        Ok(node)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.switches.operate()?;
        let mut state = self.state.lock();
        if !state.names.contains_key(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.change(Rename::Removed(path.to_owned()));
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.switches.operate()?;
        let mut state = self.state.lock();
        let node = state.names.get(from).cloned().ok_or(io::ErrorKind::NotFound)?;
        state.change(Rename::Moved(from.to_owned(), to.to_owned(), node));
        Ok(())
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.switches.operate()?;
        let mut state = self.state.lock();
        for folder in path.ancestors() {
            if !state.folders.iter().any(|known| known == folder) {
                state.folders.push(folder.to_owned());
            }
        }
        Ok(())
    }

    fn remove_dir_all(&self, _path: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        self.switches.operate()?;
        let state = self.state.lock();
        let paths = state.names.keys().chain(&state.folders);
        let mut names: Vec<PathBuf> = paths
            .filter(|name| name.parent() == Some(path))
            .filter_map(|name| name.file_name().map(PathBuf::from))
            .collect();
        names.sort();
        Ok(names)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        let state = self.state.lock();
        Ok(state.names.contains_key(path) || state.folders.iter().any(|folder| folder == path))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.switches.operate()?;
        if self.switches.syncs_fail.load(Ordering::SeqCst) {
            return Err(io::Error::other("the disk is broken"));
        }
        let mut state = self.state.lock();
        let State { durable, pending, .. } = &mut *state;
        pending.retain(|change| {
            let here = match change {
                Rename::Made(name, _) | Rename::Removed(name) => name.parent() == Some(path),
                Rename::Moved(from, to, _) => from.parent() == Some(path) || to.parent() == Some(path),
            };
            if here {
                apply_name(durable, change);
            }
            !here
        });
        Ok(())
    }

    fn space(&self, _path: &Path) -> io::Result<Space> {
        let total_bytes = 1 << 40;
        let available_bytes = match self.switches.limited.load(Ordering::SeqCst) {
            true => self.switches.available_bytes.load(Ordering::SeqCst),
            false => total_bytes,
        };
        Ok(Space { total_bytes, available_bytes })
    }
}
