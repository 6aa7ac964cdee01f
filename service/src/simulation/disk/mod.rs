//! A disk in memory. What was not synced is lost, kept or torn when the power goes ([`SimulatedDisk::crash`]): bytes by
//! pages of 4 KiB, names by folder. It fails when it is told to ([`Fault`]).
//!
//! | what | as on Linux |
//! |---|---|
//! | a page that was written several times since the last fsync | is found as it was at one of these times, or torn: some of its sectors of one time, some of another |
//! | the length of a file | is found as it was at any time since the last fsync; what was not written reads as zeros |
//! | names | are found with the first so many changes of their folder since it was synced: the file system's own journal keeps their order |
//! | an fsync that failed | has dropped what it was to write: that stays readable, counts as written at the next fsync, which may succeed, and is gone with the power |
//!
//! Every start of a simulated machine gets a handle of its own ([`SimulatedDisk::mount`]). After a crash the handles from
//! before it, and the files and locks that they opened, fail each call and change nothing: destructors of what was
//! running then can't touch what the next start finds.

mod fault;
mod file;
mod names;
#[cfg(test)]
mod tests;

pub use fault::{Fault, Kind, Operation};

use super::Random;
use crate::disk::{Disk, DiskFile, DiskLock, Space};
use fault::Faults;
use file::{Node, SimulatedFile};
use names::{Names, Renamed};
use parking_lot::{Mutex, MutexGuard};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const TOTAL_BYTES: u64 = 1 << 40;

type Hook = Arc<dyn Fn(&Operation) + Send + Sync>;

/// A disk, as one start of its machine sees it. Cheap to clone: the same disk, and the same start.
#[derive(Clone)]
pub struct SimulatedDisk {
    state: Arc<Mutex<State>>,
    mount: u64,
}

struct State {
    /// The start whose handles work.
    mount: u64,
    names: Names,
    locks: BTreeSet<PathBuf>,
    random: Random,
    faults: Faults,
    /// Calls that changed something.
    steps: u64,
    /// From this step on nothing can be changed.
    power_off_at: Option<u64>,
    available_bytes: Option<u64>,
    /// What the calls so far come to.
    digest: u64,
    trace: Option<Vec<Operation>>,
    hook: Option<Hook>,
}

impl Default for SimulatedDisk {
    fn default() -> Self {
        Self::new(0)
    }
}

impl SimulatedDisk {
    /// An empty disk. What a crash leaves of it depends on the seed.
    pub fn new(seed: u64) -> Self {
        let state = State {
            mount: 0,
            names: Names::default(),
            locks: BTreeSet::new(),
            random: Random(seed),
            faults: Faults::default(),
            steps: 0,
            power_off_at: None,
            available_bytes: None,
            digest: 0,
            trace: None,
            hook: None,
        };
        Self { state: Arc::new(Mutex::new(state)), mount: 0 }
    }

    /// Cuts the power: what was not synced is lost, kept or torn. Faults are over, too. This handle and all others are
    /// of no use for files any more; [`SimulatedDisk::mount`] gives the next one.
    pub fn crash(&self) {
        let mut state = self.state.lock();
        let mut random = state.random.fork();
        state.crash(&mut random);
    }

    /// The process is killed: nothing is lost, but handles of before are of no use for files any more.
    pub fn kill(&self) {
        let mut state = self.state.lock();
        state.mount += 1;
        state.locks.clear();
        state.power_off_at = None;
    }

    /// A handle for the next start of the machine.
    pub fn mount(&self) -> Self {
        Self { state: self.state.clone(), mount: self.state.lock().mount }
    }

    /// Another disk, as this one may be found if the power is cut now. This one goes on.
    pub fn after_cut(&self, random: &mut Random) -> Self {
        let copy = self.copy();
        copy.state.lock().crash(random);
        copy.mount()
    }

    /// A copy that lives on by itself, without faults.
    pub fn copy(&self) -> Self {
        let state = self.state.lock();
        let copy = Self::new(state.random.0);
        copy.state.lock().names = state.names.copy();
        copy
    }

    /// The calls so far that changed something.
    pub fn steps(&self) -> u64 {
        self.state.lock().steps
    }

    /// From the step of this number on, every change fails and changes nothing.
    pub fn power_off_at(&self, step: u64) {
        self.state.lock().power_off_at = Some(step);
    }

    /// From now on it fails so, beside what it was told before.
    pub fn fail(&self, fault: Fault) {
        self.state.lock().faults.add(fault);
    }

    /// It fails no more.
    pub fn heal(&self) {
        self.state.lock().faults = Faults::default();
    }

    /// Flips one bit of what is synced in one of the files in a folder, as a medium does that decays. Returns which file;
    /// `None`: there is nothing that could decay.
    pub fn damage(&self, folder: &Path, random: &mut Random) -> Option<PathBuf> {
        let state = self.state.lock();
        let files: Vec<_> = state.names.files().filter(|(path, _)| path.starts_with(folder)).collect();
        let first = random.below(files.len() as u64) as usize;
        // The first one that has something synced, from a random place on.
        let mut round = files.iter().cycle().skip(first).take(files.len());
        round.find(|(_, node)| node.lock().damage(random)).map(|(path, _)| (*path).clone())
    }

    /// How often it has failed because it was told to.
    pub fn failures(&self) -> u64 {
        self.state.lock().faults.struck()
    }

    /// So many bytes are free from now on, however many are taken: what [`Disk::space`] answers, and what a file can be
    /// given at most.
    pub fn set_available(&self, bytes: u64) {
        self.state.lock().available_bytes = Some(bytes);
    }

    /// A number that two runs have in common when they called the disk in the same way, in the same order, with the same
    /// bytes.
    pub fn digest(&self) -> u64 {
        self.state.lock().digest
    }

    /// Begins to keep the calls, for [`SimulatedDisk::trace`].
    pub fn keep_trace(&self) {
        self.state.lock().trace = Some(Vec::new());
    }

    /// The calls since [`SimulatedDisk::keep_trace`], also those that failed.
    pub fn trace(&self) -> Vec<Operation> {
        self.state.lock().trace.clone().unwrap_or_default()
    }

    /// `hook` is called before every call, to take time, or note.
    pub fn on_operation(&self, hook: impl Fn(&Operation) + Send + Sync + 'static) {
        self.state.lock().hook = Some(Arc::new(hook));
    }

    /// Every file and its bytes.
    pub fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        self.state.lock().names.files().map(|(path, node)| (path.clone(), node.lock().bytes())).collect()
    }

    /// The bytes of a file; `None`: there is none.
    pub fn bytes(&self, path: &Path) -> Option<Vec<u8>> {
        self.state.lock().names.get(path).map(|node| node.lock().bytes())
    }

    /// Puts a file with these bytes, durably, in the place of one that was there.
    pub fn put(&self, path: &Path, bytes: impl AsRef<[u8]>) {
        let mut state = self.state.lock();
        match state.names.get(path) {
            Some(node) => *node.lock() = file::Content::of(bytes.as_ref()),
            None => state.names.put(path, Node::new(Mutex::new(file::Content::of(bytes.as_ref())))),
        }
    }

    /// Begins a call. An error is its result: nothing happens then.
    fn call(&self, kind: Kind, path: &Path, offset: u64, data: Data<'_>) -> io::Result<MutexGuard<'_, State>> {
        let operation = Operation { kind, path: path.to_owned(), offset, length: data.length() };
        let hook = self.state.lock().hook.clone();
        if let Some(hook) = hook {
            hook(&operation);
        }
        let mut state = self.state.lock();
        if self.mount != state.mount {
            return Err(io::Error::other("the machine was started anew: this is of an earlier start"));
        }
        state.note(&operation, data);
        if kind.is_change() {
            if state.power_off_at.is_some_and(|off| state.steps >= off) {
                return Err(io::Error::other("the power is off"));
            }
            state.steps += 1;
        }
        let State { faults, random, .. } = &mut *state;
        faults.strike(&operation, random)?;
        Ok(state)
    }
}

/// What a call is about, beside its place.
#[derive(Clone, Copy)]
enum Data<'a> {
    Bytes(&'a [u8]),
    Length(u64),
    None,
}

impl Data<'_> {
    fn length(self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Length(length) => length,
            Self::None => 0,
        }
    }
}

impl State {
    fn note(&mut self, operation: &Operation, data: Data<'_>) {
        let path = crc_fast::crc32_iscsi(operation.path.as_os_str().as_encoded_bytes());
        let crc = if let Data::Bytes(bytes) = data { crc_fast::crc32_iscsi(bytes) } else { 0 };
        for part in [operation.kind as u64, path.into(), operation.offset, operation.length, crc.into()] {
            self.digest = Random(self.digest ^ part).next();
        }
        if let Some(trace) = &mut self.trace {
            trace.push(operation.clone());
        }
    }

    fn crash(&mut self, random: &mut Random) {
        self.mount += 1;
        self.locks.clear();
        self.faults = Faults::default();
        self.power_off_at = None;
        self.names.crash(random);
    }

    /// Whether a file can be given so many bytes.
    fn has_room(&self, bytes: u64) -> io::Result<()> {
        match self.available_bytes {
            Some(available_bytes) if bytes > available_bytes => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(()),
        }
    }
}

/// A lock on a name of a disk.
struct SimulatedLock {
    disk: SimulatedDisk,
    path: PathBuf,
}

impl DiskLock for SimulatedLock {}

impl Drop for SimulatedLock {
    fn drop(&mut self) {
        let mut state = self.disk.state.lock();
        if state.mount == self.disk.mount {
            state.locks.remove(&self.path);
        }
    }
}

impl Disk for SimulatedDisk {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let state = self.call(Kind::Look, path, 0, Data::None)?;
        let node = state.names.get(path).ok_or(io::ErrorKind::NotFound)?.clone();
        drop(state);
        Ok(Arc::new(SimulatedFile { disk: self.clone(), path: path.to_owned(), node }))
    }

    fn create_new(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.call(Kind::Name, path, 0, Data::None)?;
        let node = Node::default();
        state.names.create(path, node.clone())?;
        drop(state);
        Ok(Arc::new(SimulatedFile { disk: self.clone(), path: path.to_owned(), node }))
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut state = self.call(Kind::Name, path, 1, Data::None)?;
        state.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        state.names.change(Renamed::Removed(path.to_owned()));
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.call(Kind::Name, to, 2, Data::None)?;
        let node = state.names.get(from).ok_or(io::ErrorKind::NotFound)?.clone();
        state.names.check_folder(to)?;
        state.names.change(Renamed::Moved(from.to_owned(), to.to_owned(), node));
        Ok(())
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut state = self.call(Kind::Folder, path, 0, Data::None)?;
        state.names.add_folder(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut state = self.call(Kind::Folder, path, 1, Data::None)?;
        state.names.remove_folder(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        self.call(Kind::Look, path, 1, Data::None)?.names.list(path)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        Ok(self.call(Kind::Look, path, 2, Data::None)?.names.exists(path))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.call(Kind::SyncFolder, path, 0, Data::None)?;
        state.names.sync(path);
        Ok(())
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        let state = self.call(Kind::Look, path, 3, Data::None)?;
        Ok(Space { total_bytes: TOTAL_BYTES, available_bytes: state.available_bytes.unwrap_or(TOTAL_BYTES) })
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn DiskLock>> {
        let mut state = self.call(Kind::Look, path, 4, Data::None)?;
        if !state.locks.insert(path.to_owned()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        drop(state);
        Ok(Box::new(SimulatedLock { disk: self.clone(), path: path.to_owned() }))
    }
}
