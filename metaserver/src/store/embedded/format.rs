//! Which format a file of the store has: the number that its title or its magic ends with. A higher one than this build
//! knows, under a right checksum, is a newer build's. It is refused as that and not as damage, which would be repaired.
//!
//! The number of the state file is that of the whole folder: it rises with any change of a format in it that older builds
//! would misunderstand, and it is looked at before anything else.

use crate::store::StoreError;
use std::path::Path;

/// Compares the first line of a text, whose checksum is right, with what this build writes, such as `weir store 1`.
///
/// # Errors
/// [`StoreError::Newer`].
pub(super) fn check_title(path: &Path, text: &str, known: &str) -> Result<(), StoreError> {
    let split = |title: &str| {
        let (name, number) = title.rsplit_once(' ')?;
        Some((name.to_owned(), number.parse::<u64>().ok()?))
    };
    match (split(text.lines().next().unwrap_or_default()), split(known)) {
        (Some((name, found)), Some((own, known))) if name == own && found > known => Err(newer(path, found, known)),
        _ => Ok(()),
    }
}

/// Compares a magic, whose checksum is right, with what this build writes: the last byte is a digit, the format's number.
///
/// # Errors
/// [`StoreError::Newer`].
pub(super) fn check_magic(path: &Path, found: &[u8], known: &[u8; 8]) -> Result<(), StoreError> {
    let number = |byte: u8| u64::from(byte.saturating_sub(b'0'));
    match found.first_chunk::<8>() {
        Some(found) if found[..7] == known[..7] && found[7] > known[7] => {
            Err(newer(path, number(found[7]), number(known[7])))
        }
        _ => Ok(()),
    }
}

fn newer(path: &Path, found: u64, known: u64) -> StoreError {
    StoreError::Newer { what: path.display().to_string(), found, known }
}

#[cfg(test)]
mod tests {
    use super::super::{EmbeddedOptions, EmbeddedStore};
    use super::*;
    use crate::store::Store as _;
    use crate::store::conformance::{put, writes};
    use crc_fast::crc32_iscsi as crc32c;
    use std::collections::BTreeMap;
    use std::fs;
    use std::path::PathBuf;
    use std::sync::Arc;
    use weir_service::clock::SystemClock;
    use weir_service::config::MetaserverSettings;
    use weir_service::disk::SystemDisk;

    fn open(data: &Path) -> Result<EmbeddedStore, StoreError> {
        let settings = MetaserverSettings { reserve_bytes: 0, ..Default::default() };
        EmbeddedStore::open(data, EmbeddedOptions::from(&settings), Arc::new(SystemDisk), Arc::new(SystemClock))
    }

    fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => found.extend(files(&path)),
                false => drop(found.insert(path.clone(), fs::read(&path).unwrap())),
            }
        }
        found
    }

    /// The only file in a folder whose name ends so.
    fn find(folder: &Path, end: &str) -> PathBuf {
        let is_it = |path: &PathBuf| path.to_str().unwrap().ends_with(end);
        files(folder).into_keys().find(is_it).unwrap()
    }

    fn with_higher_title(text: &[u8], title: &str) -> Vec<u8> {
        let text = String::from_utf8(text.to_vec()).unwrap();
        let (body, _) = text.rsplit_once("crc32c ").unwrap();
        let (name, _) = title.rsplit_once(' ').unwrap();
        let body = body.replacen(title, &format!("{name} 2"), 1);
        format!("{body}crc32c {:08x}\n", crc32c(body.as_bytes())).into_bytes()
    }

    fn with_higher_magic(bytes: &[u8], crc_at: usize) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        bytes[7] += 1;
        let crc = crc32c(&bytes[..crc_at]);
        bytes[crc_at..crc_at + 4].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    #[tokio::test]
    async fn a_file_of_a_newer_build_is_refused_by_name_and_nothing_is_changed() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path();
        let store = open(data).unwrap();
        store.commit(writes([put("a", "1")])).await.unwrap();
        let backup = store.backup(&data.join("checkpoints")).await.unwrap().path;
        store.step_down(1).await.unwrap();
        store.close().await.unwrap();
        drop(store);
        let replaced = data.join("replaced");
        let state = fs::read(data.join("state")).unwrap();
        let newer = [
            (data.join("state"), with_higher_title(&state, "weir store 1")),
            (replaced.clone(), with_higher_title(&fs::read(&replaced).unwrap(), "weir standby 1")),
            (find(data, ".journal"), with_higher_magic(&fs::read(find(data, ".journal")).unwrap(), 60)),
            (backup.clone(), with_higher_magic(&fs::read(&backup).unwrap(), 12)),
        ];
        for (path, bytes) in newer {
            if path != replaced {
                // Which is refused for itself.
                fs::remove_file(&replaced).ok();
            }
            let kept = fs::read(&path).ok();
            fs::write(&path, bytes).unwrap();
            let before = files(data);
            let Err(error) = open(data) else { panic!("{} is not refused", path.display()) };
            assert!(matches!(error, StoreError::Newer { found: 2, known: 1, .. }), "{}: {error}", path.display());
            let name = path.file_name().unwrap().to_str().unwrap();
            assert!(error.to_string().contains(name), "{error}");
            assert!(files(data) == before, "{}", path.display());
            fs::write(&path, kept.unwrap_or_default()).unwrap();
            if path == replaced {
                fs::remove_file(&path).unwrap();
            }
        }
        let store = open(data).unwrap();
        assert_eq!(store.get(b"a").await.unwrap().as_deref(), Some(&b"1"[..]));
    }

    #[test]
    fn what_is_older_or_something_else_is_not_newer() {
        let path = Path::new("/x");
        for title in ["weir store 1", "weir store 0", "weir store", "weir shop 2", "", "weir store x"] {
            check_title(path, title, "weir store 1").unwrap();
        }
        assert!(matches!(
            check_title(path, "weir store 12\nx", "weir store 1"),
            Err(StoreError::Newer { found: 12, .. })
        ));
        for magic in [&b"WEIRJRN1"[..], b"WEIRJRN0", b"WEIRCKP2", b"WEIRJRN", b""] {
            check_magic(path, magic, b"WEIRJRN1").unwrap();
        }
    }
}
