//! What is done to a worker's disk.

use rustix::fs::{Mode, chmod};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use weir_tests::server::files_under;

const SMALL_BYTES: u64 = 1 << 30;
const DAMAGED_FILES: usize = 20;

/// A small disk for a worker, before the cluster starts.
pub fn mount_small(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let options = format!("size={SMALL_BYTES},mode=0700");
    let done = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(folder).status()?;
    if done.success() { Ok(()) } else { Err(io::Error::other(format!("mount: {done}"))) }
}

pub fn unmount(folder: &Path) {
    // What is busy still is let go when it is not.
    let _ = Command::new("umount").arg("--lazy").arg(folder).stderr(Stdio::null()).status();
}

/// Writes until there is no room.
pub fn fill(path: &Path) -> io::Result<()> {
    let file = File::create(path)?;
    chmod(path, Mode::RUSR | Mode::WUSR)?;
    let mut offset = 0;
    for piece_bytes in [1 << 20, 4 << 10] {
        let piece = vec![0; piece_bytes];
        while file.write_all_at(&piece, offset).is_ok() {
            offset += piece_bytes as u64;
        }
    }
    Ok(())
}

/// Flips a bit in the middle of some of the files in which blocks lie.
pub fn damage(folder: &Path) {
    let mut files = files_under(folder);
    files.retain(|path| {
        let text = path.to_string_lossy();
        (text.contains("/files/") || text.ends_with(".segment"))
            && fs::metadata(path).is_ok_and(|meta| meta.len() > 9_000)
    });
    files.sort();
    let step = (files.len() / DAMAGED_FILES).max(1);
    for path in files.iter().step_by(step).take(DAMAGED_FILES) {
        // It may have been deleted meanwhile.
        let Ok(file) = File::options().read(true).write(true).open(path) else { continue };
        let Ok(meta) = file.metadata() else { continue };
        let (mut byte, at) = ([0], meta.len() / 2);
        if file.read_exact_at(&mut byte, at).is_ok() {
            let _ = file.write_all_at(&[byte[0] ^ 0x10], at);
        }
    }
}
