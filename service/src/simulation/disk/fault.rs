//! Calls of a disk, and how they are made to fail.

use crate::simulation::Random;
use std::io;
use std::path::PathBuf;

/// What a call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Reads a file's bytes.
    Read,
    /// Writes a file's bytes.
    Write,
    /// Reserves space for a file.
    Allocate,
    /// Sets a file's length.
    Length,
    /// Syncs a file.
    Sync,
    /// Syncs a folder.
    SyncFolder,
    /// Makes, removes or renames a file.
    Name,
    /// Makes or removes a folder.
    Folder,
    /// Opens, lists, measures or locks.
    Look,
}

impl Kind {
    pub const ALL: &[Self] = &[
        Self::Read,
        Self::Write,
        Self::Allocate,
        Self::Length,
        Self::Sync,
        Self::SyncFolder,
        Self::Name,
        Self::Folder,
        Self::Look,
    ];
    pub const SYNCS: &[Self] = &[Self::Sync, Self::SyncFolder];
    pub const WRITES: &[Self] = &[Self::Write, Self::Allocate];

    pub(super) fn is_change(self) -> bool {
        !matches!(self, Self::Read | Self::Look)
    }
}

/// A call of a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    pub kind: Kind,
    pub path: PathBuf,
    /// In a file; else it tells calls of one kind from each other.
    pub offset: u64,
    /// Bytes that are read or written, or the length that is set.
    pub length: u64,
}

/// A way to fail: certain calls, for paths that begin with `under`, from some moment on, with an error.
#[derive(Clone, Debug)]
pub struct Fault {
    pub calls: &'static [Kind],
    pub under: PathBuf,
    pub error: io::ErrorKind,
    /// So many calls go well before.
    pub after: u64,
    /// It strikes so often at most.
    pub count: u64,
    /// It strikes one in so many times; 1: always.
    pub one_in: u64,
}

/// EIO.
const EIO: i32 = 5;

impl Fault {
    /// The device can't do these calls any more: EIO.
    pub fn broken(calls: &'static [Kind]) -> Self {
        // The kind of EIO has no stable name: see `error`.
        let error = io::ErrorKind::Other;
        Self { calls, under: PathBuf::new(), error, after: 0, count: u64::MAX, one_in: 1 }
    }

    /// The disk is full, whatever [`crate::disk::Disk::space`] says.
    pub fn full() -> Self {
        Self { error: io::ErrorKind::StorageFull, ..Self::broken(Kind::WRITES) }
    }

    fn is_about(&self, operation: &Operation) -> bool {
        self.calls.contains(&operation.kind) && operation.path.starts_with(&self.under)
    }

    fn error(&self) -> io::Error {
        match self.error {
            io::ErrorKind::Other => io::Error::from_raw_os_error(EIO),
            kind => kind.into(),
        }
    }
}

/// The faults that a disk has now.
#[derive(Default)]
pub(super) struct Faults {
    all: Vec<Fault>,
    struck: u64,
}

impl Faults {
    pub fn add(&mut self, fault: Fault) {
        self.all.push(fault);
    }

    pub fn struck(&self) -> u64 {
        self.struck
    }

    /// # Errors
    /// The call fails.
    pub fn strike(&mut self, operation: &Operation, random: &mut Random) -> io::Result<()> {
        for fault in self.all.iter_mut().filter(|fault| fault.is_about(operation)) {
            if fault.after > 0 {
                fault.after -= 1;
            } else if fault.count > 0 && (fault.one_in <= 1 || random.below(fault.one_in) == 0) {
                fault.count -= 1;
                self.struck += 1;
                return Err(fault.error());
            }
        }
        Ok(())
    }
}
