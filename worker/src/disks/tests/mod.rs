//! Several disks that fail, fill up, forget and go away, each by itself.

mod failing;
mod power_cut;
mod start;

use super::*;
use bytes::Bytes;
use std::io;
use std::path::Path;
use weir_service::clock::SystemClock;
use weir_service::disk::{DiskFile, DiskLock, Space};
use weir_service::simulation::{Fault, Kind, Random, SimulatedDisk};

pub const KIB: u64 = 1024;
/// Larger blocks have a file of their own.
pub const SMALL_MAX: u64 = 16 * KIB;

/// A machine with a disk at each of `/a`, `/b` and `/c`.
#[derive(Clone, Default)]
pub struct Machine {
    pub disks: [SimulatedDisk; 3],
}

impl Machine {
    fn at(&self, path: &Path) -> &SimulatedDisk {
        match path.components().nth(1).and_then(|name| name.as_os_str().to_str()) {
            Some("a") => &self.disks[0],
            Some("b") => &self.disks[1],
            Some("c") => &self.disks[2],
            _ => panic!("{} is on no disk", path.display()),
        }
    }

    /// As it may be found after the power was cut.
    pub fn after_cut(&self, seed: u64) -> Self {
        Self { disks: [0, 1, 2].map(|at| self.disks[at].after_cut(&mut Random(seed * 3 + at as u64))) }
    }
}

impl Disk for Machine {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.at(path).open(path)
    }
    fn create_new(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.at(path).create_new(path)
    }
    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.at(path).remove_file(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.at(from).rename(from, to)
    }
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.at(path).create_dir_all(path)
    }
    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.at(path).remove_dir_all(path)
    }
    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        self.at(path).list(path)
    }
    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.at(path).exists(path)
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.at(path).sync_dir(path)
    }
    fn space(&self, path: &Path) -> io::Result<Space> {
        self.at(path).space(path)
    }
    fn lock(&self, path: &Path) -> io::Result<Box<dyn DiskLock>> {
        self.at(path).lock(path)
    }
}

pub fn settings(folders: &[&str]) -> WorkerSettings {
    WorkerSettings {
        data: folders.iter().map(PathBuf::from).collect(),
        segment_block_max_bytes: SMALL_MAX,
        segment_bytes: 128 * KIB,
        reserve_bytes: 0,
        ..WorkerSettings::default()
    }
}

pub fn try_open(machine: &Machine, settings: &WorkerSettings) -> Result<Arc<Disks>, WorkerError> {
    Disks::open(settings, Arc::new(machine.clone()), &SystemClock).map(Arc::new)
}

pub fn open(machine: &Machine, folders: &[&str]) -> Arc<Disks> {
    try_open(machine, &settings(folders)).unwrap()
}

pub fn bytes_of(id: u64, length: u64) -> Bytes {
    (0..length).map(|at| (id * 31 + at * 7 + at / 253) as u8).collect::<Vec<u8>>().into()
}

pub async fn write(disks: &Arc<Disks>, id: u64, length: u64) -> Result<(), WorkerError> {
    let bytes = bytes_of(id, length);
    let mut writer = disks.begin(BlockId(id), Some(length))?;
    writer.push(bytes.clone())?;
    writer.commit(length, crate::store::crc32c(&bytes)).await
}

pub async fn put(disks: &Arc<Disks>, id: u64, length: u64) {
    write(disks, id, length).await.unwrap();
}

#[track_caller]
pub fn assert_whole(disks: &Disks, id: u64, length: u64) {
    let read = disks.reading(BlockId(id)).and_then(|store| store.read(BlockId(id), 0..length));
    assert!(read.unwrap() == bytes_of(id, length), "block {id} of {length} bytes has other bytes");
}

pub fn ids(disks: &Disks) -> Vec<u64> {
    disks.inventory(None, usize::MAX).into_iter().map(|id| id.0).collect()
}

/// The blocks of each disk that is well.
pub fn each(disks: &Disks) -> Vec<Vec<u64>> {
    let of = |store: &Arc<BlockStore>| store.inventory(None, usize::MAX).into_iter().map(|id| id.0).collect();
    disks.stores().iter().map(|(_, store)| of(store)).collect()
}
