//! A configuration made of files, made again when one of them changes.

use super::TlsError;
use crate::shutdown::Shutdown;
use parking_lot::{Mutex, RwLock};
use std::error::Error as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// How often the files are looked at. A look is a call of stat for each.
const INTERVAL: Duration = Duration::from_secs(1);

/// What a file's metadata says of its content; none: there is no such file. A link is followed, so a folder that is
/// swapped by its link, as Kubernetes does with secrets, shows as another inode.
type Stamp = Option<(SystemTime, u64, u64)>;

type Make<T> = Box<dyn Fn() -> Result<T, TlsError> + Send + Sync>;

/// The configuration in force.
pub(super) struct Reloading<T> {
    files: Vec<PathBuf>,
    make: Make<T>,
    current: RwLock<Arc<T>>,
    /// What was looked at last, whether it could be used or not.
    seen: Mutex<Vec<Stamp>>,
}

impl<T: Send + Sync + 'static> Reloading<T> {
    /// # Errors
    /// What is wrong with the files.
    pub fn open(
        files: Vec<PathBuf>,
        make: impl Fn() -> Result<T, TlsError> + Send + Sync + 'static,
    ) -> Result<Self, TlsError> {
        // Before the files are read: a change meanwhile is then noticed at the next look.
        let seen = stamps(&files);
        let current = make()?;
        let (current, seen) = (RwLock::new(Arc::new(current)), Mutex::new(seen));
        Ok(Self { files, make: Box::new(make), current, seen })
    }

    pub fn current(&self) -> Arc<T> {
        self.current.read().clone()
    }

    /// Looks at the files until shutdown.
    pub async fn watch(self: Arc<Self>, shutdown: Shutdown) {
        loop {
            tokio::select! {
                () = shutdown.begun() => return,
                () = tokio::time::sleep(INTERVAL) => {}
            }
            let own = self.clone();
            // The files may lie on a disk that is slow, or on another machine's.
            if crate::threads::spawn_blocking(move || own.look()).await.is_err() {
                tracing::error!("looking for new certificates failed: the ones in force stay");
            }
        }
    }

    pub(super) fn look(&self) {
        let stamps = stamps(&self.files);
        if std::mem::replace(&mut *self.seen.lock(), stamps.clone()) == stamps {
            return;
        }
        match (self.make)() {
            Ok(made) => {
                *self.current.write() = Arc::new(made);
                tracing::info!(files = ?self.files, "certificates were read anew");
            }
            Err(error) => {
                let cause = error.source().map(ToString::to_string);
                tracing::warn!(%error, cause, "new certificates can't be used: the ones in force stay");
            }
        }
    }
}

fn stamps(files: &[PathBuf]) -> Vec<Stamp> {
    let stamp = |path: &PathBuf| {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.modified().ok()?, metadata.len(), metadata.ino()))
    };
    files.iter().map(stamp).collect()
}
