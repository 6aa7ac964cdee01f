//! The seam to the file system. Journals, checkpoints, block files and segments reach their disk through [`Disk`], so
//! that a test can fail, tear or forget what a real disk may fail, tear or forget.
//!
//! All calls block: they belong on a thread of their own or in `spawn_blocking`.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Random at each start of the machine's kernel (Linux).
const BOOT_ID_FILE: &str = "/proc/sys/kernel/random/boot_id";

/// A file of a [`Disk`]. Reads and writes are positioned, so a file can be shared among threads.
pub trait DiskFile: Send + Sync {
    /// Reads exactly `buffer.len()` bytes; `UnexpectedEof` when the file is shorter.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
    /// Reads as [`DiskFile::read_exact_at`] does, but only if no disk has to be waited for. False: nothing was read
    /// for sure, read again the other way.
    fn read_cached_at(&self, _buffer: &mut [u8], _offset: u64) -> io::Result<bool> {
        Ok(false)
    }
    fn write_all_at(&self, data: &[u8], offset: u64) -> io::Result<()>;
    /// fdatasync: the bytes, and the length where it changed. A failure is final: what was written may be gone.
    fn sync_data(&self) -> io::Result<()>;
    /// Reserves space for the first `length` bytes and makes the file that long; new bytes read as zero.
    fn allocate(&self, length: u64) -> io::Result<()>;
    fn set_len(&self, length: u64) -> io::Result<()>;
    fn len(&self) -> io::Result<u64>;
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
}

/// Space of the file system under a folder, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    pub total_bytes: u64,
    pub available_bytes: u64,
}

/// A file system.
pub trait Disk: Send + Sync + 'static {
    /// Opens a file that exists, for reading and writing.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Makes a file that must not exist yet, mode 0600. Its name is durable after [`Disk::sync_dir`] of its folder.
    fn create_new(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Replaces `to` if it exists.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Makes a folder and its parents, mode 0700, and makes their names durable.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    fn remove_dir_all(&self, path: &Path) -> io::Result<()>;
    /// The names in a folder, sorted.
    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>>;
    fn exists(&self, path: &Path) -> io::Result<bool>;
    /// Makes the names in a folder durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    fn space(&self, path: &Path) -> io::Result<Space>;
    /// A text that all folders of one file system have in common, and no others on this or any other machine. Empty: not
    /// known.
    fn file_system(&self, _path: &Path) -> io::Result<String> {
        Ok(String::new())
    }
    /// Locks a name in a folder that exists against other processes, and other calls of this; makes the file. Held as
    /// long as what is returned; a process that ends has no locks.
    ///
    /// # Errors
    /// `WouldBlock`: it is locked.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn DiskLock>>;
}

/// A lock that is held.
pub trait DiskLock: Send + Sync {}

/// The machine's own file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemDisk;

impl DiskFile for File {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        FileExt::read_exact_at(self, buffer, offset)
    }

    #[cfg(target_os = "linux")]
    fn read_cached_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<bool> {
        use rustix::io::{Errno, ReadWriteFlags};
        let length = buffer.len();
        match rustix::io::preadv2(self, &mut [io::IoSliceMut::new(buffer)], offset, ReadWriteFlags::NOWAIT) {
            Ok(count) => Ok(count == length),
            // Not cached, or a file system that can't tell.
            Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn write_all_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        FileExt::write_all_at(self, data, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        File::sync_data(self)
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        match rustix::fs::fallocate(self, rustix::fs::FallocateFlags::empty(), 0, length) {
            // A file system without fallocate still has room for the bytes when they are written.
            Err(rustix::io::Errno::OPNOTSUPP) => File::set_len(self, length),
            result => Ok(result?),
        }
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        File::set_len(self, length)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }
}

/// A file that this process has locked.
struct LockedFile(File);

impl DiskLock for LockedFile {}

impl Drop for LockedFile {
    fn drop(&mut self) {
        // Closing the file alone would leave it locked while a process that another thread starts still has a copy.
        let _ = self.0.unlock();
    }
}

impl Disk for SystemDisk {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(OpenOptions::new().read(true).write(true).open(path)?))
    }

    fn create_new(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?))
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        use std::os::unix::fs::DirBuilderExt;
        if path.is_dir() {
            return Ok(());
        }
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        self.create_dir_all(parent)?;
        match std::fs::DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
            result => result?,
        }
        self.sync_dir(parent)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_dir_all(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        let mut names = std::fs::read_dir(path)?
            .map(|entry| Ok(PathBuf::from(entry?.file_name())))
            .collect::<io::Result<Vec<_>>>()?;
        names.sort();
        Ok(names)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        path.try_exists()
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        let stat = rustix::fs::statvfs(path)?;
        Ok(Space { total_bytes: stat.f_blocks * stat.f_frsize, available_bytes: stat.f_bavail * stat.f_frsize })
    }

    /// The machine is known by the kernel's boot id, which its containers share, as they may share a file system.
    fn file_system(&self, path: &Path) -> io::Result<String> {
        use std::os::unix::fs::MetadataExt;
        let boot_id = std::fs::read_to_string(BOOT_ID_FILE)?;
        Ok(format!("{}:{:x}", boot_id.trim(), path.metadata()?.dev()))
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn DiskLock>> {
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        file.try_lock()?;
        Ok(Box::new(LockedFile(file)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_keeps_what_was_written_and_reads_zero_where_nothing_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/file");
        let disk = SystemDisk;
        disk.create_dir_all(path.parent().unwrap()).unwrap();
        let file = disk.create_new(&path).unwrap();
        file.allocate(4096).unwrap();
        file.write_all_at(b"weir", 10).unwrap();
        file.sync_data().unwrap();
        disk.sync_dir(path.parent().unwrap()).unwrap();
        let mut bytes = [1; 16];
        disk.open(&path).unwrap().read_exact_at(&mut bytes, 4).unwrap();
        assert_eq!(&bytes, b"\0\0\0\0\0\0weir\0\0\0\0\0\0");
        assert_eq!(file.len().unwrap(), 4096);
        assert!(disk.create_new(&path).is_err());
        assert_eq!(disk.list(path.parent().unwrap()).unwrap(), [PathBuf::from("file")]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn folders_of_one_file_system_have_its_text_in_common() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("a")).unwrap();
        let of = |path: &Path| SystemDisk.file_system(path).unwrap();
        assert_eq!(of(folder.path()), of(&folder.path().join("a")));
        assert_ne!(of(folder.path()), of(Path::new("/proc")));
        assert!(SystemDisk.file_system(&folder.path().join("b")).is_err());
    }

    #[test]
    fn a_name_is_locked_once_until_the_lock_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let lock = SystemDisk.lock(&path).unwrap();
        assert_eq!(SystemDisk.lock(&path).map(drop).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(lock);
        SystemDisk.lock(&path).unwrap();
    }
}
