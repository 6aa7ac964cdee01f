//! One process at a time over a data folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// The file in a standalone's data folder that is locked, and that names the process.
pub const LOCK_NAME: &str = "lock";

/// Why the folder can't be used.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error("the data folder {folder} is in use by another weir{}", .pid.map(|pid| format!(" (process {pid})")).unwrap_or_default())]
    Taken { folder: PathBuf, pid: Option<u32> },
    #[error("can't lock the data folder {folder}")]
    Io { folder: PathBuf, source: io::Error },
}

/// Held while it lives; the system gives it back when the process ends, however it ends.
#[derive(Debug)]
pub struct FolderLock {
    file: File,
}

impl FolderLock {
    /// Locks the file [`LOCK_NAME`] in the folder, and writes the process's id into it.
    ///
    /// # Errors
    /// [`LockError::Taken`] with the id of the process that has it.
    pub fn with_file(folder: &Path) -> Result<Self, LockError> {
        let failed = |source| LockError::Io { folder: folder.to_owned(), source };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(folder.join(LOCK_NAME)).map_err(failed)?;
        if let Err(error) = take(&file, folder) {
            let mut text = String::new();
            let pid = file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
            return Err(match error {
                LockError::Taken { folder, .. } => LockError::Taken { folder, pid },
                other => other,
            });
        }
        let written =
            file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
        written.map_err(failed)?;
        Ok(Self { file })
    }

    /// Locks the folder itself, and leaves nothing in it.
    ///
    /// # Errors
    /// [`LockError`].
    pub fn of(folder: &Path) -> Result<Self, LockError> {
        let file = File::open(folder).map_err(|source| LockError::Io { folder: folder.to_owned(), source })?;
        take(&file, folder)?;
        Ok(Self { file })
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        // Closing the file alone would leave it locked while a process that another thread starts still has a copy.
        let _ = self.file.unlock();
    }
}

fn take(file: &File, folder: &Path) -> Result<(), LockError> {
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => LockError::Taken { folder: folder.to_owned(), pid: None },
        TryLockError::Error(source) => LockError::Io { folder: folder.to_owned(), source },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_of_two_is_told_who_has_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let first = FolderLock::with_file(folder.path()).unwrap();
        let text = FolderLock::with_file(folder.path()).unwrap_err().to_string();
        assert!(text.contains(&format!("(process {})", std::process::id())), "{text}");
        drop(first);
        FolderLock::with_file(folder.path()).unwrap();
    }

    #[test]
    fn a_folder_can_be_locked_without_a_trace() {
        let folder = tempfile::tempdir().unwrap();
        let first = FolderLock::of(folder.path()).unwrap();
        assert!(matches!(FolderLock::of(folder.path()), Err(LockError::Taken { .. })));
        drop(first);
        FolderLock::of(folder.path()).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(matches!(FolderLock::of(&folder.path().join("none")), Err(LockError::Io { .. })));
    }
}
