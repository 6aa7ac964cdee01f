//! The state file: how the store was stopped, and so whether the index can be trusted.
//!
//! sled's files are durable only after a clean stop. After any other, they are what they were as long as the page cache
//! that holds them lives: the same boot of the machine, the same mount of the file system, the same folder. Then a kill
//! took no more from sled than from any process, and it recovers. Otherwise the power may have been cut, and sled may
//! open without complaint although later pages are there and earlier ones are not: the index is rebuilt.

use super::{format, io_error};
use crate::store::StoreError;
use rustix::fs::{AtFlags, CWD, StatxFlags, statx};
use std::fmt::Write;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use weir_service::disk::Disk;

pub(super) const FILE: &str = "state";
const TEMPORARY_FILE: &str = "state.temporary";
const FIRST_LINE: &str = "weir store 1";
const MAX_BYTES: u64 = 4 << 10;

/// `STATX_MNT_ID_UNIQUE` (Linux 6.8): a number of the mount that is not used again before the next boot. The older
/// `STATX_MNT_ID` is used again, and proves nothing.
const MOUNT_ID_UNIQUE: u32 = 0x4000;

/// How the store stopped, as far as the file tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// The file says nothing that can be trusted.
    Unknown,
    /// It runs, or was killed, with an index of this identity.
    Running(Identity),
    /// It was stopped in order; the index is durable and has everything up to this sequence.
    Clean { sequence: u64 },
}

/// What stays the same as long as the page cache of the index's files does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    boot: String,
    mount: u64,
    device: u64,
    inode: u64,
}

impl Identity {
    /// `None`: the system does not tell; then nothing can be trusted.
    pub fn of(index: &Path) -> Option<Self> {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().to_owned();
        let flags = StatxFlags::from_bits_retain(MOUNT_ID_UNIQUE);
        let stat = statx(CWD, index, AtFlags::empty(), flags).ok()?;
        if stat.stx_mask & MOUNT_ID_UNIQUE == 0 {
            return None;
        }
        let metadata = fs::metadata(index).ok()?;
        Some(Self { boot, mount: stat.stx_mnt_id, device: metadata.dev(), inode: metadata.ino() })
    }
}

impl State {
    /// What the file in a data folder says. `None`: there is none, the store is new.
    ///
    /// # Errors
    /// [`StoreError::Newer`]: a newer build has written to the folder.
    pub fn read(disk: &dyn Disk, data: &Path) -> Result<Option<Self>, StoreError> {
        let path = data.join(FILE);
        if !disk.exists(&path).map_err(io_error("look for", &path))? {
            return Ok(None);
        }
        let file = disk.open(&path).map_err(io_error("open", &path))?;
        let length = file.len().map_err(io_error("measure", &path))?.min(MAX_BYTES);
        let mut bytes = vec![0; length as usize];
        file.read_exact_at(&mut bytes, 0).map_err(io_error("read", &path))?;
        let Some(body) = std::str::from_utf8(&bytes).ok().and_then(body) else { return Ok(Some(Self::Unknown)) };
        format::check_title(&path, body, FIRST_LINE)?;
        Ok(Some(Self::parse(body).unwrap_or(Self::Unknown)))
    }

    /// Replaces the file, durably.
    pub fn write(&self, disk: &dyn Disk, data: &Path) -> Result<(), StoreError> {
        write_file(disk, data, FILE, TEMPORARY_FILE, self.format().as_bytes())
    }

    fn format(&self) -> String {
        let mut text = format!("{FIRST_LINE}\n");
        let written = match self {
            Self::Unknown => writeln!(text, "stop unknown"),
            Self::Running(Identity { boot, mount, device, inode }) => {
                writeln!(text, "running boot {boot} mount {mount} device {device} inode {inode}")
            }
            Self::Clean { sequence } => writeln!(text, "stopped sequence {sequence}"),
        };
        debug_assert!(written.is_ok());
        let crc = crc_fast::crc32_iscsi(text.as_bytes());
        format!("{text}crc32c {crc:08x}\n")
    }

    fn parse(body: &str) -> Option<Self> {
        let mut lines = body.lines();
        if lines.next()? != FIRST_LINE {
            return None;
        }
        let words: Vec<&str> = lines.next()?.split(' ').collect();
        match words[..] {
            ["stopped", "sequence", sequence] => Some(Self::Clean { sequence: sequence.parse().ok()? }),
            ["running", "boot", boot, "mount", mount, "device", device, "inode", inode] => {
                Some(Self::Running(Identity {
                    boot: boot.to_owned(),
                    mount: mount.parse().ok()?,
                    device: device.parse().ok()?,
                    inode: inode.parse().ok()?,
                }))
            }
            _ => None,
        }
    }
}

/// What comes before a right checksum.
pub(super) fn body(text: &str) -> Option<&str> {
    let (body, crc) = text.strip_suffix('\n')?.rsplit_once("crc32c ")?;
    (u32::from_str_radix(crc, 16).ok()? == crc_fast::crc32_iscsi(body.as_bytes())).then_some(body)
}

/// Writes a small file under another name, makes it durable, and gives it its name, durably.
pub(super) fn write_file(
    disk: &dyn Disk,
    folder: &Path,
    name: &str,
    temporary: &str,
    bytes: &[u8],
) -> Result<(), StoreError> {
    let (path, temporary) = (folder.join(name), folder.join(temporary));
    if disk.exists(&temporary).map_err(io_error("look for", &temporary))? {
        disk.remove_file(&temporary).map_err(io_error("remove", &temporary))?;
    }
    let file = disk.create_new(&temporary).map_err(io_error("create", &temporary))?;
    file.write_all_at(bytes, 0).map_err(io_error("write", &temporary))?;
    file.sync_data().map_err(io_error("sync", &temporary))?;
    disk.rename(&temporary, &path).map_err(io_error("rename", &temporary))?;
    disk.sync_dir(folder).map_err(io_error("sync", folder))
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_service::disk::SystemDisk;

    fn running() -> State {
        State::Running(Identity { boot: "b-1".into(), mount: 1 << 40, device: 3, inode: 4 })
    }

    #[test]
    fn a_state_comes_back_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(State::read(&SystemDisk, folder.path()).unwrap(), None);
        for state in [running(), State::Clean { sequence: 77 }, State::Unknown] {
            state.write(&SystemDisk, folder.path()).unwrap();
            assert_eq!(State::read(&SystemDisk, folder.path()).unwrap(), Some(state));
        }
    }

    #[test]
    fn a_damaged_or_cut_state_is_unknown() {
        let text = running().format();
        for length in 0..text.len() {
            assert_eq!(body(&text[..length]), None, "{length} bytes");
        }
        let clean = State::Clean { sequence: 77 }.format();
        assert_eq!(body(&clean.replace("77", "78")), None);
    }

    #[test]
    fn another_folder_has_another_identity() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        fs::create_dir(&a).unwrap();
        fs::create_dir(&b).unwrap();
        assert_eq!(Identity::of(&a), Identity::of(&a));
        if let Some(identity) = Identity::of(&a) {
            assert_ne!(Some(identity), Identity::of(&b));
        }
        assert_eq!(Identity::of(&folder.path().join("missing")), None);
    }
}
