//! Small files of text that say what a folder is: lines, then `crc32c HEX` over all before. They are replaced as a
//! whole, durably, and never guessed.

use crate::error::WorkerError;
use crate::store::{StoreError, crc32c};
use std::io;
use std::path::Path;
use weir_service::disk::Disk;

/// Nobody writes longer ones.
const MAX_BYTES: u64 = 1 << 20;

/// The lines of a file in a folder; None: it is not there.
///
/// # Errors
/// [`WorkerError::Identity`] when it is damaged, [`WorkerError::Store`] when it can't be read.
pub fn load(disk: &dyn Disk, folder: &Path, name: &str) -> Result<Option<String>, WorkerError> {
    let path = folder.join(name);
    let file = match disk.open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        result => result.map_err(StoreError::io("open", &path))?,
    };
    let length_bytes = file.len().map_err(StoreError::io("read", &path))?;
    if length_bytes > MAX_BYTES {
        return Err(WorkerError::Identity { path, fault: "it is too long" });
    }
    let mut bytes = vec![0; length_bytes as usize];
    file.read_exact_at(&mut bytes, 0).map_err(StoreError::io("read", &path))?;
    decode(bytes).map(Some).map_err(|fault| WorkerError::Identity { path, fault })
}

/// Compares the first line of a file with what this build writes there, such as `weir disk 1`. The number rises with any
/// change of a format in the folder that older builds would misunderstand.
///
/// # Errors
/// [`WorkerError::Newer`]: the number is higher.
pub fn check_title(path: &Path, body: &str, known: &str) -> Result<(), WorkerError> {
    let split = |title: &str| {
        let (name, number) = title.rsplit_once(' ')?;
        Some((name.to_owned(), number.parse::<u64>().ok()?))
    };
    match (split(body.lines().next().unwrap_or_default()), split(known)) {
        (Some((name, found)), Some((own, known))) if name == own && found > known => {
            Err(WorkerError::Newer { path: path.to_owned(), found, known })
        }
        _ => Ok(()),
    }
}

/// Replaces the file, durably. `body` ends with a line's end.
///
/// # Errors
/// [`StoreError::Io`].
pub fn save(disk: &dyn Disk, folder: &Path, name: &str, body: &str) -> Result<(), StoreError> {
    let (path, new) = (folder.join(name), folder.join(format!("{name}.new")));
    let crc = crc32c(body.as_bytes());
    let write = || {
        if disk.exists(&new)? {
            disk.remove_file(&new)?;
        }
        let file = disk.create_new(&new)?;
        file.write_all_at(format!("{body}crc32c {crc:08x}\n").as_bytes(), 0)?;
        file.sync_data()?;
        disk.rename(&new, &path)?;
        disk.sync_dir(folder)
    };
    write().map_err(StoreError::io("write", &path))
}

fn decode(bytes: Vec<u8>) -> Result<String, &'static str> {
    let text = String::from_utf8(bytes).map_err(|_| "it is not text")?;
    let (body, crc) = text.trim_end().rsplit_once("crc32c ").ok_or("it has no checksum")?;
    if u32::from_str_radix(crc, 16) != Ok(crc32c(body.as_bytes())) {
        return Err("its checksum is wrong");
    }
    Ok(body.to_owned())
}
