//! Restoring: a checkpoint from a backup becomes a store of its own, in an empty folder.
//!
//! What was written after the backup is gone, while blocks of it may be there. So the store carries a mark that it was
//! restored, and whoever runs on it deletes nothing until an operator has confirmed.

use super::changes;
use super::checkpoint::{self, Summary};
use super::io_error;
use super::state::write_file;
use super::{CHECKPOINT_FOLDER, RESTORED_FILE, RESTORING_FILE};
use crate::store::StoreError;
use std::path::{Path, PathBuf};
use weir_service::disk::Disk;

const COPY_BYTES: u64 = 1 << 20;

/// Makes a store from a backup: a checkpoint file, or a folder with some, of which the newest is taken. `visit` sees what
/// is restored: keys with their values, or with none where they are gone again, in order.
///
/// # Errors
/// [`StoreError::NotEmpty`]: the data folder has something in it. [`StoreError::Damaged`]: the backup is not whole.
pub fn restore(
    backup: &Path,
    data: &Path,
    disk: &dyn Disk,
    mut visit: impl FnMut(&[u8], Option<&[u8]>),
) -> Result<Summary, StoreError> {
    let backup = newest(disk, backup)?;
    let summary = checkpoint::read(disk, &backup, &mut |_| Ok(()))?;
    let checkpoints = data.join(CHECKPOINT_FOLDER);
    let exists = disk.exists(data).map_err(io_error("look for", data))?;
    if exists && !disk.list(data).map_err(io_error("list", data))?.is_empty() {
        return Err(StoreError::NotEmpty { path: data.display().to_string() });
    }
    disk.create_dir_all(data).map_err(io_error("make", data))?;
    write_file(disk, data, RESTORING_FILE, "restoring.temporary", b"")?;
    disk.create_dir_all(&checkpoints).map_err(io_error("make", &checkpoints))?;

    let temporary = checkpoints.join(format!("restored.{}", checkpoint::TEMPORARY_EXTENSION));
    copy(disk, &backup, &temporary)?;
    let copied = checkpoint::read(disk, &temporary, &mut |payload| {
        changes::read(payload).flatten().for_each(|(key, value)| visit(key, value));
        Ok(())
    })?;
    if copied != summary {
        let what = format!("the backup {}", backup.display());
        return Err(StoreError::Damaged { what, detail: "it changed while it was copied".into() });
    }
    let path = checkpoints.join(checkpoint::name(summary.sequence));
    disk.rename(&temporary, &path).map_err(io_error("rename", &temporary))?;
    disk.sync_dir(&checkpoints).map_err(io_error("sync", &checkpoints))?;

    let (restoring, restored) = (data.join(RESTORING_FILE), data.join(RESTORED_FILE));
    disk.rename(&restoring, &restored).map_err(io_error("rename", &restoring))?;
    disk.sync_dir(data).map_err(io_error("sync", data))?;
    Ok(summary)
}

/// The backup itself, or the newest checkpoint in a folder of backups.
fn newest(disk: &dyn Disk, backup: &Path) -> Result<PathBuf, StoreError> {
    if backup.extension().is_some() {
        return Ok(backup.to_path_buf());
    }
    match checkpoint::list(disk, backup)?.last() {
        Some(sequence) => Ok(backup.join(checkpoint::name(*sequence))),
        None => Err(io_error("find a backup in", backup)(std::io::ErrorKind::NotFound.into())),
    }
}

fn copy(disk: &dyn Disk, from: &Path, to: &Path) -> Result<(), StoreError> {
    let source = disk.open(from).map_err(io_error("open", from))?;
    let target = disk.create_new(to).map_err(io_error("create", to))?;
    let length = source.len().map_err(io_error("measure", from))?;
    let mut buffer = vec![0; COPY_BYTES as usize];
    let mut offset = 0;
    while offset < length {
        let chunk = &mut buffer[..COPY_BYTES.min(length - offset) as usize];
        source.read_exact_at(chunk, offset).map_err(io_error("read", from))?;
        target.write_all_at(chunk, offset).map_err(io_error("write", to))?;
        offset += chunk.len() as u64;
    }
    target.sync_data().map_err(io_error("sync", to))
}
