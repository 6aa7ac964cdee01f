//! The store as a whole, over the machine's disk and over one that forgets.

mod damage;
mod model;
mod power_cut;
mod segments;
mod unreadable;
mod writing;

use super::{BlockStore, Common, Compaction, StoreError, StoreOptions};
use bytes::Bytes;
use std::path::Path;
use std::sync::Arc;
use weir_proto::BlockId;
use weir_service::config::WorkerSettings;
use weir_service::disk::{Disk, SystemDisk};
use weir_service::simulation::{Fault, Kind, Random, SimulatedDisk};
use weir_service::threads;

pub const KIB: u64 = 1024;
pub const SMALL_MAX: u64 = 256 * KIB;

/// Small segments, so that tests see many.
pub fn options(data: &Path) -> StoreOptions {
    let settings = WorkerSettings {
        segment_block_max_bytes: SMALL_MAX,
        segment_bytes: 1024 * KIB,
        reserve_bytes: 0,
        ..WorkerSettings::default()
    };
    StoreOptions::new(&settings, data).unwrap()
}

pub fn open_test(disk: &SimulatedDisk) -> BlockStore {
    open_with_reserve(disk, 0)
}

pub fn open_with_reserve(disk: &SimulatedDisk, reserve_bytes: u64) -> BlockStore {
    let options = StoreOptions { reserve_bytes, ..options(Path::new("/data")) };
    BlockStore::open(options, Arc::new(disk.clone()), &Common::default()).unwrap()
}

pub fn open_at(data: &Path) -> BlockStore {
    BlockStore::open(options(data), Arc::new(SystemDisk), &Common::default()).unwrap()
}

/// Both kinds of disk, each opened as often as the test likes.
pub fn on_both_disks(test: impl Fn(&dyn Fn() -> BlockStore)) {
    let folder = tempfile::tempdir().unwrap();
    test(&|| open_at(folder.path()));
    let disk = SimulatedDisk::default();
    test(&|| open_test(&disk));
}

/// Bytes that differ from block to block and from place to place.
pub fn bytes_of(id: u64, length: u64) -> Bytes {
    let mut state = id.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length as usize + 8);
    while bytes.len() < length as usize {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length as usize);
    bytes.into()
}

pub fn put(store: &BlockStore, id: u64, length: u64) {
    store.write(BlockId(id), bytes_of(id, length)).unwrap();
}

pub fn compact(store: &BlockStore) -> Result<Compaction, StoreError> {
    threads::block_on(store.compact())
}

pub fn assert_whole(store: &BlockStore, id: u64, length: u64) {
    assert_eq!(store.length_bytes(BlockId(id)).unwrap(), length, "block {id}");
    let read = store.read(BlockId(id), 0..length).unwrap();
    assert!(read == bytes_of(id, length), "block {id} of {length} bytes has other bytes");
}

pub fn ids(store: &BlockStore) -> Vec<u64> {
    store.inventory(None, usize::MAX).into_iter().map(|id| id.0).collect()
}

/// All paths in a folder of the machine's disk, and their files' bytes.
pub fn files_under(path: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for name in SystemDisk.list(path).unwrap() {
        let path = path.join(name);
        if path.is_dir() { found.extend(files_under(&path)) } else { found.push(path) }
    }
    found
}

pub fn content(disk: &SimulatedDisk, path: &Path) -> Vec<u8> {
    disk.files().into_iter().find(|(name, _)| name == path).unwrap().1
}

pub fn flip(disk: &SimulatedDisk, path: &Path, at: usize) {
    let mut bytes = content(disk, path);
    bytes[at] ^= 0x10;
    disk.put(path, bytes);
}

pub fn in_quarantine(disk: &SimulatedDisk) -> bool {
    disk.files().iter().any(|(path, _)| path.starts_with("/data/quarantine"))
}
