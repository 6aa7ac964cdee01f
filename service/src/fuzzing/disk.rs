//! A disk in memory that keeps what it is given, for formats that are read from files.

use crate::disk::{Disk, DiskFile, Space};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Files by their paths. Folders are wherever files are. Cheap to clone: the same disk.
#[derive(Clone, Default)]
pub struct MemoryDisk(Arc<Mutex<BTreeMap<PathBuf, Arc<MemoryFile>>>>);

#[derive(Default)]
struct MemoryFile(Mutex<Vec<u8>>);

impl MemoryDisk {
    /// Puts a file with these bytes, in the place of one that was there.
    pub fn put(&self, path: &Path, bytes: Vec<u8>) {
        self.0.lock().insert(path.to_owned(), Arc::new(MemoryFile(Mutex::new(bytes))));
    }

    /// A file's bytes.
    pub fn bytes(&self, path: &Path) -> Option<Vec<u8>> {
        self.0.lock().get(path).map(|file| file.0.lock().clone())
    }

    fn missing() -> io::Error {
        io::ErrorKind::NotFound.into()
    }
}

impl Disk for MemoryDisk {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.0.lock().get(path).cloned().ok_or_else(Self::missing)?;
        Ok(file)
    }

    fn create_new(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        if self.exists(path)? {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.put(path, Vec::new());
        self.open(path)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.0.lock().remove(path).map(drop).ok_or_else(Self::missing)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut files = self.0.lock();
        let file = files.remove(from).ok_or_else(Self::missing)?;
        files.insert(to.to_owned(), file);
        Ok(())
    }

    fn create_dir_all(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.0.lock().retain(|file, _| !file.starts_with(path));
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        let files = self.0.lock();
        let name = |file: &PathBuf| Some(PathBuf::from(file.strip_prefix(path).ok()?.components().next()?.as_os_str()));
        let mut names: Vec<PathBuf> = files.keys().filter_map(name).collect();
        names.dedup();
        Ok(names)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        Ok(self.0.lock().contains_key(path))
    }

    fn sync_dir(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    fn space(&self, _path: &Path) -> io::Result<Space> {
        Ok(Space { total_bytes: u64::MAX, available_bytes: u64::MAX })
    }
}

impl DiskFile for MemoryFile {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let bytes = self.0.lock();
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let found = offset.checked_add(buffer.len()).and_then(|end| bytes.get(offset..end));
        buffer.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_all_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        let mut bytes = self.0.lock();
        let offset = usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let end = offset.checked_add(data.len()).ok_or(io::ErrorKind::FileTooLarge)?;
        let length = bytes.len().max(end);
        bytes.resize(length, 0);
        bytes[offset..end].copy_from_slice(data);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        self.set_len(length.max(self.len()?))
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let length = usize::try_from(length).map_err(|_| io::ErrorKind::FileTooLarge)?;
        self.0.lock().resize(length, 0);
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_keeps_what_was_written_and_ends_where_it_ends() {
        let disk = MemoryDisk::default();
        let path = Path::new("/a/b/file");
        let file = disk.create_new(path).unwrap();
        file.write_all_at(b"weir", 2).unwrap();
        assert_eq!(disk.bytes(path).unwrap(), b"\0\0weir");
        assert!(file.read_exact_at(&mut [0; 5], 2).is_err());
        assert!(file.read_exact_at(&mut [0; 5], u64::MAX).is_err());
        assert!(disk.create_new(path).is_err());
        assert_eq!(disk.list(Path::new("/a")).unwrap(), [PathBuf::from("b")]);
        disk.rename(path, Path::new("/a/other")).unwrap();
        assert_eq!(disk.list(Path::new("/a")).unwrap(), [PathBuf::from("other")]);
    }
}
