//! Disks that break one promise each. The fault tests run a server over each of them once, to show that their checker
//! would notice such a server; a checker that never fails shows nothing.

use crate::disk::{Disk, DiskFile, DiskLock, Space};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

/// A sync that was answered too early is made after so long.
const SYNC_DELAY: Duration = Duration::from_millis(500);
/// A name that was never made durable comes to the disk after so long.
const NAME_DELAY: Duration = Duration::from_secs(2);
const PAGE_BYTES: u64 = 4096;
const LATE_SUFFIX: &str = ".late";
/// Numbers the files without a name.
static PLACES: AtomicU64 = AtomicU64::new(0);

/// The promise that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlantedFault {
    /// Nothing is ever synced: what the system writes by itself is all there is.
    NoFsync,
    /// Bytes are synced, the names of blocks' files are not: a file gets its name seconds later, as after a rename
    /// without a sync of its folder on a file system that takes its time. (Names that every start needs are spared: a
    /// server that does not even start tells little of the checker.)
    NoFolderFsync,
    /// A sync is answered at once and made half a second later.
    AnswerBeforeWrite,
    /// What lies before new bytes is overwritten in place with each sync, and is torn until the next one.
    OverwriteInPlace,
    /// Blocks are synced, the metadata that makes them objects is not.
    MetadataApart,
}

impl PlantedFault {
    pub const ALL: [(&'static str, Self); 5] = [
        ("no-fsync", Self::NoFsync),
        ("no-folder-fsync", Self::NoFolderFsync),
        ("answer-before-write", Self::AnswerBeforeWrite),
        ("overwrite-in-place", Self::OverwriteInPlace),
        ("metadata-apart", Self::MetadataApart),
    ];
}

impl FromStr for PlantedFault {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = Self::ALL.iter().find(|(known, _)| *known == name);
        known.map(|(_, fault)| *fault).ok_or_else(|| format!("there is no fault of disks {name:?}"))
    }
}

/// A disk with a fault. Cheap to clone.
#[derive(Clone)]
pub struct FaultyDisk {
    inner: Arc<dyn Disk>,
    fault: PlantedFault,
    metadata: PathBuf,
    blocks: PathBuf,
    late: LateNames,
}

/// Files that do not have their names yet, by these names, with where they lie.
type LateNames = Arc<Mutex<HashMap<PathBuf, PathBuf>>>;

impl FaultyDisk {
    /// With the folders of the metaserver and of the worker.
    pub fn new(inner: Arc<dyn Disk>, fault: PlantedFault, metadata: PathBuf, blocks: PathBuf) -> Self {
        Self { inner, fault, metadata, blocks, late: LateNames::default() }
    }

    fn wrap(&self, file: Arc<dyn DiskFile>, path: &Path) -> Arc<dyn DiskFile> {
        let is_metadata = path.starts_with(&self.metadata);
        Arc::new(FaultyFile { inner: file, fault: self.fault, is_metadata, written_from: Mutex::new(None) })
    }

    fn place_of(&self, path: &Path) -> PathBuf {
        self.late.lock().get(path).cloned().unwrap_or_else(|| path.to_owned())
    }

    /// The file at `place` is known as `path` from now on, and gets that name later.
    fn name_later(&self, place: PathBuf, path: PathBuf) {
        if let Some(replaced) = self.late.lock().insert(path.clone(), place.clone()) {
            let _ = self.inner.remove_file(&replaced);
        }
        let (inner, late) = (self.inner.clone(), self.late.clone());
        thread::spawn(move || {
            thread::sleep(NAME_DELAY);
            let mut late = late.lock();
            if late.get(&path) == Some(&place) && inner.rename(&place, &path).is_ok() {
                late.remove(&path);
            }
        });
    }

    fn names_late(&self, path: &Path) -> bool {
        let is_block = path.starts_with(&self.blocks) && path.parent() != Some(self.blocks.as_path());
        self.fault == PlantedFault::NoFolderFsync && is_block
    }
}

impl Disk for FaultyDisk {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.wrap(self.inner.open(&self.place_of(path))?, path))
    }

    fn create_new(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        if !self.names_late(path) {
            return Ok(self.wrap(self.inner.create_new(path)?, path));
        }
        if self.exists(path)? {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let mut place = path.as_os_str().to_owned();
        place.push(format!(".{}.{}{LATE_SUFFIX}", std::process::id(), PLACES.fetch_add(1, Relaxed)));
        let place = PathBuf::from(place);
        let file = self.inner.create_new(&place)?;
        self.name_later(place, path.to_owned());
        Ok(self.wrap(file, path))
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let place = self.late.lock().remove(path).unwrap_or_else(|| path.to_owned());
        self.inner.remove_file(&place)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let place = self.late.lock().remove(from).unwrap_or_else(|| from.to_owned());
        if !self.names_late(to) {
            return self.inner.rename(&place, to);
        }
        if !self.inner.exists(&place)? {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.name_later(place, to.to_owned());
        Ok(())
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.inner.create_dir_all(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.late.lock().retain(|name, _| !name.starts_with(path));
        self.inner.remove_dir_all(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        let mut names = self.inner.list(path)?;
        for (name, place) in &*self.late.lock() {
            if name.parent() == Some(path)
                && let (Some(name), Some(place)) = (name.file_name(), place.file_name())
            {
                names.retain(|known| known.as_os_str() != place && known.as_os_str() != name);
                names.push(name.into());
            }
        }
        names.sort();
        Ok(names)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        Ok(self.late.lock().contains_key(path) || self.inner.exists(path)?)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        match self.fault {
            PlantedFault::NoFsync => Ok(()),
            PlantedFault::NoFolderFsync if self.names_late(path) => Ok(()),
            PlantedFault::MetadataApart if path.starts_with(&self.metadata) => Ok(()),
            _ => self.inner.sync_dir(path),
        }
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        self.inner.space(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn DiskLock>> {
        self.inner.lock(path)
    }
}

struct FaultyFile {
    inner: Arc<dyn DiskFile>,
    fault: PlantedFault,
    is_metadata: bool,
    /// The lowest offset written since the last sync.
    written_from: Mutex<Option<u64>>,
}

impl FaultyFile {
    fn tear_the_page_before(&self, written_from: u64) -> io::Result<()> {
        let Some(offset) = (written_from / PAGE_BYTES).checked_sub(1).map(|page| page * PAGE_BYTES) else {
            return self.inner.sync_data();
        };
        let mut page = vec![0; PAGE_BYTES as usize];
        self.inner.read_exact_at(&mut page, offset)?;
        self.inner.write_all_at(&vec![0; PAGE_BYTES as usize], offset)?;
        self.inner.sync_data()?;
        self.inner.write_all_at(&page, offset)
    }
}

impl DiskFile for FaultyFile {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.inner.read_exact_at(buffer, offset)
    }

    fn write_all_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        let mut from = self.written_from.lock();
        *from = Some(from.map_or(offset, |lowest| lowest.min(offset)));
        self.inner.write_all_at(data, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        match self.fault {
            PlantedFault::NoFsync => Ok(()),
            PlantedFault::MetadataApart if self.is_metadata => Ok(()),
            PlantedFault::MetadataApart | PlantedFault::NoFolderFsync => self.inner.sync_data(),
            PlantedFault::AnswerBeforeWrite => {
                let file = self.inner.clone();
                thread::spawn(move || {
                    thread::sleep(SYNC_DELAY);
                    file.sync_data()
                });
                Ok(())
            }
            PlantedFault::OverwriteInPlace => match self.written_from.lock().take() {
                Some(from) => self.tear_the_page_before(from),
                None => self.inner.sync_data(),
            },
        }
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        self.inner.allocate(length)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.inner.set_len(length)
    }

    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::SystemDisk;

    fn disk(fault: PlantedFault, folder: &Path) -> FaultyDisk {
        FaultyDisk::new(Arc::new(SystemDisk), fault, folder.join("meta"), folder.to_owned())
    }

    #[test]
    fn every_fault_has_a_name() {
        for (name, fault) in PlantedFault::ALL {
            assert_eq!(name.parse(), Ok(fault));
        }
        assert!("fsync".parse::<PlantedFault>().unwrap_err().contains("\"fsync\""));
    }

    #[test]
    fn as_long_as_the_power_is_on_a_faulty_disk_keeps_what_was_written() {
        for (name, fault) in PlantedFault::ALL {
            let root = tempfile::tempdir().unwrap();
            let folder = root.path().join("files");
            let disk = disk(fault, root.path());
            disk.create_dir_all(&folder).unwrap();
            let path = folder.join("file");
            let file = disk.create_new(&path).unwrap();
            assert!(disk.create_new(&path).is_err(), "{name}");
            for page in 0..3u8 {
                file.write_all_at(&[page + 1; 4096], u64::from(page) * 4096).unwrap();
                file.sync_data().unwrap();
            }
            disk.sync_dir(&folder).unwrap();
            let moved = folder.join("moved");
            disk.rename(&path, &moved).unwrap();
            assert_eq!(disk.list(&folder).unwrap(), [PathBuf::from("moved")], "{name}");
            assert!(disk.exists(&moved).unwrap() && !disk.exists(&path).unwrap(), "{name}");
            let mut bytes = vec![0; 3 * 4096];
            disk.open(&moved).unwrap().read_exact_at(&mut bytes, 0).unwrap();
            assert!(bytes.chunks(4096).zip(1..).all(|(page, fill)| page.iter().all(|&byte| byte == fill)), "{name}");
            disk.create_new(&path).unwrap();
            disk.rename(&path, &moved).unwrap();
            assert_eq!(disk.open(&moved).unwrap().len().unwrap(), 0, "{name}: the second took the place of the first");
            disk.remove_file(&moved).unwrap();
            assert!(!disk.exists(&moved).unwrap(), "{name}");
        }
    }

    #[test]
    fn without_a_folder_sync_a_name_comes_late() {
        let root = tempfile::tempdir().unwrap();
        let disk = disk(PlantedFault::NoFolderFsync, root.path());
        let path = root.path().join("files/file");
        disk.create_dir_all(path.parent().unwrap()).unwrap();
        disk.create_new(&path).unwrap();
        assert!(disk.exists(&path).unwrap() && !path.exists());
        thread::sleep(NAME_DELAY + Duration::from_millis(300));
        assert!(path.exists());
    }
}
