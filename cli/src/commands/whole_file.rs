//! A small file that is whole or not there, also after a power cut.

use std::io;
use std::path::Path;
use weir_service::disk::Disk;

/// What the file is called until it is whole and durable.
const NEW_SUFFIX: &str = ".new";

/// Puts a file with mode 0600 in place of the one of that name, if there is one. Blocks.
///
/// # Errors
/// What the disk said; the file of that name is then as it was.
pub fn write(disk: &dyn Disk, folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let new = folder.join(format!("{name}{NEW_SUFFIX}"));
    if disk.exists(&new)? {
        disk.remove_file(&new)?;
    }
    let file = disk.create_new(&new)?;
    file.write_all_at(bytes, 0)?;
    file.sync_data()?;
    disk.rename(&new, &folder.join(name))?;
    disk.sync_dir(folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use weir_service::disk::SystemDisk;

    #[test]
    fn the_file_replaces_the_one_before_and_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("f.new"), "what a crash left, which is longer").unwrap();
        for text in ["first", "2nd"] {
            write(&SystemDisk, folder.path(), "f", text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(folder.path().join("f")).unwrap(), text);
        }
        assert_eq!(fs::metadata(folder.path().join("f")).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
