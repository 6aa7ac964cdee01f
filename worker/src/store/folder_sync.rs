//! fsync of folders, shared: writers that make names in one folder at the same time wait for one fsync that began
//! after the last of them.

use super::error::is_exhausted;
use parking_lot::{Condvar, Mutex};
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use weir_service::disk::Disk;

pub struct FolderSync {
    disk: Arc<dyn Disk>,
    folders: Mutex<HashMap<PathBuf, Arc<Folder>>>,
}

#[derive(Default)]
struct Folder {
    rounds: Mutex<Rounds>,
    changed: Condvar,
}

#[derive(Default)]
struct Rounds {
    begun: u64,
    done: u64,
    running: bool,
    /// The kind of error that a round ended with; later ones are never trusted again.
    failed: Option<io::ErrorKind>,
}

impl FolderSync {
    pub fn new(disk: Arc<dyn Disk>) -> Self {
        Self { disk, folders: Mutex::new(HashMap::new()) }
    }

    /// Returns when an fsync of the folder that began after this call is done.
    ///
    /// # Errors
    /// That of the fsync; it stays, since what it covered may be lost.
    pub fn sync(&self, path: &Path) -> io::Result<()> {
        let folder = self.folders.lock().entry(path.to_owned()).or_default().clone();
        let mut rounds = folder.rounds.lock();
        let wanted = rounds.begun + 1;
        loop {
            if let Some(kind) = rounds.failed {
                return Err(kind.into());
            }
            if rounds.done >= wanted {
                return Ok(());
            }
            if rounds.running {
                folder.changed.wait(&mut rounds);
                continue;
            }
            rounds.running = true;
            rounds.begun += 1;
            drop(rounds);
            let result = self.disk.sync_dir(path);
            rounds = folder.rounds.lock();
            rounds.running = false;
            match result {
                Ok(()) => rounds.done = rounds.begun,
                // The folder was not even opened: nothing is lost, and the next may try.
                Err(error) if is_exhausted(&error) => {
                    folder.changed.notify_all();
                    return Err(error);
                }
                Err(error) => rounds.failed = Some(error.kind()),
            }
            folder.changed.notify_all();
        }
    }
}
