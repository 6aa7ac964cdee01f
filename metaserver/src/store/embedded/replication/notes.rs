//! What a store still has to know of its standby, or of its primary, after a crash: small files in its data folder.
//!
//! | file | on | what |
//! |---|---|---|
//! | `standby` | a primary | who follows, and whether it was let go |
//! | `following` | a standby | whom it follows, and what it believes of itself |
//! | `epoch` | a promoted one | the epoch that it has at least |
//! | `replaced` | a primary that was replaced | the epoch of the one in its place |
//!
//! Each is lines of `name value`, with a title before and a checksum after them. One that is damaged is never guessed.

use super::super::format::check_title;
use super::super::io_error;
use super::super::state::{FILE as STATE_FILE, body, write_file};
use super::FrameId;
use crate::store::StoreError;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use weir_service::config::StandbyMode;
use weir_service::disk::Disk;

const STANDBY_FILE: &str = "standby";
pub(super) const FOLLOWING_FILE: &str = "following";
const EPOCH_FILE: &str = "epoch";
const REPLACED_FILE: &str = "replaced";
const TITLE: &str = "weir standby 1";
const MAX_BYTES: u64 = 4 << 10;

/// Since when a primary answers without its standby.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alone {
    /// The commits after this one were answered without the standby. It may lack the last ones before, too, of which
    /// nobody was told while it counted.
    pub sequence: u64,
    pub at_ms: i64,
}

/// What a primary notes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PrimaryNote {
    pub standby_id: String,
    pub address: String,
    pub alone: Option<Alone>,
}

/// What a standby notes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FollowingNote {
    pub standby_id: String,
    /// Of the primary.
    pub address: String,
    /// Of the primary when it was last heard.
    pub mode: StandbyMode,
    /// It was in sync then.
    pub in_sync: bool,
    /// The primary has stepped down in favour of this standby, which has everything.
    pub released: bool,
    /// The last commit that was known here when this was written, and the date.
    pub sequence: u64,
    pub at_ms: i64,
    /// The frame that the checkpoint, from which this store was made, ends with.
    pub base: Option<FrameId>,
}

type Lines = BTreeMap<String, String>;

impl PrimaryNote {
    pub fn read(disk: &dyn Disk, data: &Path) -> Result<Option<Self>, StoreError> {
        read(disk, data, STANDBY_FILE, |lines| {
            let alone = match (lines.get("alone-sequence"), lines.get("alone-ms")) {
                (Some(sequence), Some(at_ms)) => {
                    Some(Alone { sequence: sequence.parse().ok()?, at_ms: at_ms.parse().ok()? })
                }
                _ => None,
            };
            Some(Self { standby_id: lines.get("id")?.clone(), address: lines.get("address")?.clone(), alone })
        })
    }

    pub fn write(&self, disk: &dyn Disk, data: &Path) -> Result<(), StoreError> {
        let mut lines = Lines::from([("id".into(), self.standby_id.clone()), ("address".into(), self.address.clone())]);
        if let Some(Alone { sequence, at_ms }) = self.alone {
            lines.insert("alone-sequence".into(), sequence.to_string());
            lines.insert("alone-ms".into(), at_ms.to_string());
        }
        write(disk, data, STANDBY_FILE, &lines)
    }
}

impl FollowingNote {
    pub fn read(disk: &dyn Disk, data: &Path) -> Result<Option<Self>, StoreError> {
        read(disk, data, FOLLOWING_FILE, |lines| {
            let base = match (lines.get("base-sequence"), lines.get("base-run"), lines.get("base-crc")) {
                (Some(last), Some(run), Some(crc)) => {
                    Some(FrameId { last: last.parse().ok()?, run: run.parse().ok()?, payload_crc: crc.parse().ok()? })
                }
                _ => None,
            };
            Some(Self {
                standby_id: lines.get("id")?.clone(),
                address: lines.get("address")?.clone(),
                mode: lines.get("mode")?.parse().ok()?,
                in_sync: lines.get("in-sync")?.parse().ok()?,
                released: lines.get("released")?.parse().ok()?,
                sequence: lines.get("sequence")?.parse().ok()?,
                at_ms: lines.get("at-ms")?.parse().ok()?,
                base,
            })
        })
    }

    pub fn write(&self, disk: &dyn Disk, data: &Path) -> Result<(), StoreError> {
        let mut lines = Lines::from([
            ("id".into(), self.standby_id.clone()),
            ("address".into(), self.address.clone()),
            ("mode".into(), self.mode.to_string()),
            ("in-sync".into(), self.in_sync.to_string()),
            ("released".into(), self.released.to_string()),
            ("sequence".into(), self.sequence.to_string()),
            ("at-ms".into(), self.at_ms.to_string()),
        ]);
        if let Some(FrameId { last, run, payload_crc }) = self.base {
            lines.insert("base-sequence".into(), last.to_string());
            lines.insert("base-run".into(), run.to_string());
            lines.insert("base-crc".into(), payload_crc.to_string());
        }
        write(disk, data, FOLLOWING_FILE, &lines)
    }
}

/// What a data folder was last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Past {
    Nothing,
    /// It follows, and was not promoted.
    Standby,
    /// Whoever serves from it has at least this epoch.
    Metaserver {
        epoch: u64,
    },
}

/// Looks at a data folder that exists. Changes nothing; blocks.
///
/// # Errors
/// [`StoreError::Damaged`], [`StoreError::Newer`], [`StoreError::Io`].
pub fn past(disk: &dyn Disk, data: &Path) -> Result<Past, StoreError> {
    if FollowingNote::read(disk, data)?.is_some() {
        return Ok(Past::Standby);
    }
    let state = data.join(STATE_FILE);
    match disk.exists(&state).map_err(io_error("look for", &state))? {
        true => Ok(Past::Metaserver { epoch: epoch_min(disk, data)? }),
        false => Ok(Past::Nothing),
    }
}

/// Whether the store in a folder may take commits.
///
/// # Errors
/// [`StoreError::Following`]: it is a standby's. [`StoreError::Replaced`]: another was promoted in its place.
pub(in super::super) fn check_may_serve(disk: &dyn Disk, data: &Path) -> Result<(), StoreError> {
    if let Some(note) = FollowingNote::read(disk, data)? {
        return Err(StoreError::Following { data: data.display().to_string(), address: note.address });
    }
    match read(disk, data, REPLACED_FILE, epoch_of)? {
        Some(epoch) => Err(StoreError::Replaced { data: data.display().to_string(), epoch }),
        None => Ok(()),
    }
}

/// Notes that another metaserver serves under a higher epoch: this store takes no commits before it has followed that.
pub(in super::super) fn write_replaced(disk: &dyn Disk, data: &Path, epoch: u64) -> Result<(), StoreError> {
    write(disk, data, REPLACED_FILE, &Lines::from([("epoch".into(), epoch.to_string())]))
}

/// The epoch that whoever serves from a folder has at least; 1 where none was promoted.
pub(in super::super) fn epoch_min(disk: &dyn Disk, data: &Path) -> Result<u64, StoreError> {
    Ok(read(disk, data, EPOCH_FILE, epoch_of)?.unwrap_or(1))
}

pub(in super::super) fn write_epoch(disk: &dyn Disk, data: &Path, epoch: u64) -> Result<(), StoreError> {
    write(disk, data, EPOCH_FILE, &Lines::from([("epoch".into(), epoch.to_string())]))
}

/// Forgets what was noted as a primary: the folder is a standby's from now on.
pub(super) fn forget_primary(disk: &dyn Disk, data: &Path) -> Result<(), StoreError> {
    remove(disk, data, REPLACED_FILE)?;
    remove(disk, data, STANDBY_FILE)
}

/// Forgets that a folder was a standby's, durably.
pub(super) fn forget_following(disk: &dyn Disk, data: &Path) -> Result<(), StoreError> {
    remove(disk, data, FOLLOWING_FILE)
}

fn epoch_of(lines: &Lines) -> Option<u64> {
    lines.get("epoch")?.parse().ok()
}

pub(super) fn remove(disk: &dyn Disk, data: &Path, name: &str) -> Result<(), StoreError> {
    let path = data.join(name);
    match disk.remove_file(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        removed => removed.map_err(io_error("remove", &path))?,
    }
    disk.sync_dir(data).map_err(io_error("sync", data))
}

fn write(disk: &dyn Disk, data: &Path, name: &str, lines: &Lines) -> Result<(), StoreError> {
    write_file(disk, data, name, &format!("{name}.temporary"), encode(lines).as_bytes())
}

fn read<T>(
    disk: &dyn Disk,
    data: &Path,
    name: &str,
    understand: impl FnOnce(&Lines) -> Option<T>,
) -> Result<Option<T>, StoreError> {
    let path: PathBuf = data.join(name);
    if !disk.exists(&path).map_err(io_error("look for", &path))? {
        return Ok(None);
    }
    let file = disk.open(&path).map_err(io_error("open", &path))?;
    let length = file.len().map_err(io_error("measure", &path))?.min(MAX_BYTES);
    let mut bytes = vec![0; length as usize];
    file.read_exact_at(&mut bytes, 0).map_err(io_error("read", &path))?;
    let body = std::str::from_utf8(&bytes).ok().and_then(body);
    body.map_or(Ok(()), |body| check_title(&path, body, TITLE))?;
    let understood = body.and_then(decode).and_then(|lines| understand(&lines));
    let damaged = || StoreError::Damaged { what: path.display().to_string(), detail: "it can't be understood".into() };
    understood.map(Some).ok_or_else(damaged)
}

fn encode(lines: &Lines) -> String {
    let mut text = format!("{TITLE}\n");
    for (name, value) in lines {
        // A name from outside must not make a line of its own.
        let value: String = value.chars().filter(|character| !character.is_control()).collect();
        text.push_str(&format!("{name} {value}\n"));
    }
    let crc = crc_fast::crc32_iscsi(text.as_bytes());
    format!("{text}crc32c {crc:08x}\n")
}

fn decode(body: &str) -> Option<Lines> {
    let lines = body.strip_prefix(TITLE)?.strip_prefix('\n')?;
    lines.lines().map(|line| line.split_once(' ').map(|(name, value)| (name.to_owned(), value.to_owned()))).collect()
}

/// Reads a file as each of the notes; one that is understood is written, and read again.
#[cfg(any(test, feature = "fuzzing"))]
pub(in super::super) fn fuzzed_notes(disk: &dyn Disk, data: &Path, file: &[u8], put: &dyn Fn(&Path, Vec<u8>)) {
    for name in [STANDBY_FILE, FOLLOWING_FILE, EPOCH_FILE, REPLACED_FILE] {
        put(&data.join(name), file.to_vec());
    }
    let _ = check_may_serve(disk, data);
    if let Ok(epoch) = epoch_min(disk, data) {
        write_epoch(disk, data, epoch).expect("memory does not fail");
        assert_eq!(epoch_min(disk, data).expect("it was understood"), epoch);
    }
    if let Ok(Some(note)) = PrimaryNote::read(disk, data) {
        note.write(disk, data).expect("memory does not fail");
        assert_eq!(PrimaryNote::read(disk, data).expect("it was understood"), Some(note));
    }
    if let Ok(Some(note)) = FollowingNote::read(disk, data) {
        note.write(disk, data).expect("memory does not fail");
        assert_eq!(FollowingNote::read(disk, data).expect("it was understood"), Some(note));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_service::disk::SystemDisk;

    fn note() -> FollowingNote {
        FollowingNote {
            standby_id: "abc".into(),
            address: "10.0.0.1:19998".into(),
            mode: StandbyMode::Required,
            in_sync: true,
            released: false,
            sequence: 77,
            at_ms: 5,
            base: Some(FrameId { last: 70, run: 3, payload_crc: 9 }),
        }
    }

    #[test]
    fn a_note_comes_back_as_it_was_written_and_a_damaged_one_is_never_guessed() {
        let folder = tempfile::tempdir().unwrap();
        let (disk, data) = (SystemDisk, folder.path());
        assert_eq!(FollowingNote::read(&disk, data).unwrap(), None);
        for note in [note(), FollowingNote { base: None, address: String::new(), ..note() }] {
            note.write(&disk, data).unwrap();
            assert_eq!(FollowingNote::read(&disk, data).unwrap(), Some(note));
        }
        let alone = Some(Alone { sequence: 4, at_ms: 6 });
        let primary = PrimaryNote { standby_id: "a b".into(), address: "x:1".into(), alone };
        primary.write(&disk, data).unwrap();
        assert_eq!(PrimaryNote::read(&disk, data).unwrap(), Some(primary));
        let text = std::fs::read_to_string(data.join(STANDBY_FILE)).unwrap();
        for length in 0..text.len() {
            std::fs::write(data.join(STANDBY_FILE), &text[..length]).unwrap();
            assert!(matches!(PrimaryNote::read(&disk, data), Err(StoreError::Damaged { .. })), "{length} bytes");
        }
    }

    #[test]
    fn a_value_with_a_line_break_makes_no_line() {
        let lines = Lines::from([("address".into(), "x\nalone-ms 1".into())]);
        assert_eq!(decode(body(&encode(&lines)).unwrap()).unwrap()["address"], "xalone-ms 1");
    }

    #[test]
    fn the_folder_of_a_standby_or_of_a_replaced_metaserver_takes_no_commits() {
        let folder = tempfile::tempdir().unwrap();
        let (disk, data) = (SystemDisk, folder.path());
        check_may_serve(&disk, data).unwrap();
        assert_eq!(past(&disk, data).unwrap(), Past::Nothing);
        note().write(&disk, data).unwrap();
        assert_eq!(past(&disk, data).unwrap(), Past::Standby);
        assert!(matches!(check_may_serve(&disk, data), Err(StoreError::Following { .. })));
        forget_following(&disk, data).unwrap();
        write_replaced(&disk, data, 4).unwrap();
        assert!(matches!(check_may_serve(&disk, data), Err(StoreError::Replaced { epoch: 4, .. })));
        forget_primary(&disk, data).unwrap();
        check_may_serve(&disk, data).unwrap();
        assert_eq!(epoch_min(&disk, data).unwrap(), 1);
        write_epoch(&disk, data, 3).unwrap();
        assert_eq!(epoch_min(&disk, data).unwrap(), 3);
        std::fs::write(data.join(STATE_FILE), "").unwrap();
        assert_eq!(past(&disk, data).unwrap(), Past::Metaserver { epoch: 3 });
    }
}
