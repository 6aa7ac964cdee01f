//! The file of the audit log. When it has grown to its limit it becomes `NAME.1`, what was `NAME.1` becomes `NAME.2`,
//! and the last one goes. When someone else moves it away, as logrotate does, another one is begun.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often it is looked whether the file is still where it was.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// A file that lines are appended to.
#[derive(Debug)]
pub struct RotatingFile {
    path: PathBuf,
    max_bytes: u64,
    max_count: u32,
    file: File,
    /// Not for a terminal or another device, which is never moved.
    is_regular: bool,
    /// At this length the next rotation is tried.
    rotate_at_bytes: u64,
    /// The file may end in the middle of a line, which could not be taken back.
    is_torn: bool,
    looked: Instant,
}

impl RotatingFile {
    /// Opens it for appending, or makes it, for its owner alone. `max_bytes`: it grows no longer, but for a batch that
    /// alone is longer; `max_count`: how many that were full are kept beside it.
    pub fn open(path: PathBuf, max_bytes: u64, max_count: u32) -> io::Result<Self> {
        let file = open(&path)?;
        let is_regular = file.metadata()?.is_file();
        Ok(Self {
            path,
            max_bytes,
            max_count,
            file,
            is_regular,
            rotate_at_bytes: max_bytes,
            is_torn: false,
            looked: Instant::now(),
        })
    }

    /// Appends whole lines, all into one file.
    ///
    /// # Errors
    /// Nothing of them is in the file then, if that can be had.
    pub fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.looked.elapsed() >= LOOK_INTERVAL {
            self.look();
        }
        let mut before = self.file.metadata()?.len();
        if self.is_regular && before > 0 && before + lines.len() as u64 > self.rotate_at_bytes {
            self.rotate(before);
            before = self.file.metadata()?.len();
        }
        if self.is_torn {
            self.file.write_all(b"\n")?;
            self.is_torn = false;
            before += 1;
        }
        let written = self.file.write_all(lines);
        if written.is_err() {
            let has_grown = self.file.metadata().map_or(true, |metadata| metadata.len() > before);
            self.is_torn = has_grown && self.file.set_len(before).is_err();
        }
        written
    }

    /// Moves the file away and begins another. When that can't be done the lines go on where they went so far.
    fn rotate(&mut self, length_bytes: u64) {
        for number in (1..self.max_count).rev() {
            // Those that are not there yet can't be moved.
            let _ = fs::rename(self.numbered(number), self.numbered(number + 1));
        }
        let moved = fs::rename(&self.path, self.numbered(1)).and_then(|()| self.reopen());
        if let Err(error) = moved {
            tracing::error!(%error, path = %self.path.display(), "the audit log can't be rotated");
            self.rotate_at_bytes = length_bytes.saturating_add(self.max_bytes);
        }
    }

    /// Looks whether the file is still the one at its path: someone may have moved it.
    fn look(&mut self) {
        self.looked = Instant::now();
        if !self.is_regular {
            return;
        }
        let Ok(own) = self.file.metadata() else { return };
        let is_there = fs::metadata(&self.path).is_ok_and(|found| is_same(&found, &own));
        if !is_there && let Err(error) = self.reopen() {
            tracing::error!(%error, path = %self.path.display(), "the audit log was moved and can't be begun anew");
        }
    }

    fn reopen(&mut self) -> io::Result<()> {
        self.file = open(&self.path)?;
        self.rotate_at_bytes = self.max_bytes;
        self.is_torn = false;
        Ok(())
    }

    fn numbered(&self, number: u32) -> PathBuf {
        let mut name = OsString::from(&self.path);
        name.push(format!(".{number}"));
        name.into()
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

fn is_same(a: &Metadata, b: &Metadata) -> bool {
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

#[cfg(test)]
#[path = "rotation_tests.rs"]
mod tests;
