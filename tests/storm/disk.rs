//! What is done to a worker's disk.

use rustix::fs::{FallocateFlags, Mode, chmod, fallocate, statvfs};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use weir_tests::server::files_under;

/// What a run deletes takes space until segments are compacted: a minute's writes have room.
const SMALL_BYTES: u64 = 4 << 30;
const DAMAGED_FILES: usize = 20;

/// A small disk for a worker, before the cluster starts: a file system of its own, in a file beside its folder.
pub fn mount_small(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let image = folder.with_extension("image");
    File::create(&image)?.set_len(SMALL_BYTES)?;
    let run = |program: &mut Command| {
        let done = program.stdout(Stdio::null()).status()?;
        if done.success() { Ok(()) } else { Err(io::Error::other(format!("{program:?}: {done}"))) }
    };
    run(Command::new("mkfs.ext4").args(["-q", "-m", "0"]).arg(&image))?;
    run(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(folder))?;
    chmod(folder, Mode::RWXU)?;
    // A worker's folder is empty before its first start.
    fs::remove_dir(folder.join("lost+found"))
}

pub fn unmount(folder: &Path) {
    // What is busy still is let go when it is not.
    let _ = Command::new("umount").arg("--lazy").arg(folder).stderr(Stdio::null()).status();
}

/// Takes all the room that there is.
pub fn fill(path: &Path) -> io::Result<()> {
    let file = File::create(path)?;
    chmod(path, Mode::RUSR | Mode::WUSR)?;
    let mut offset = 0;
    for piece_bytes in [256 << 20, 1 << 20, 4 << 10] {
        while fallocate(&file, FallocateFlags::empty(), offset, piece_bytes).is_ok() {
            offset += piece_bytes;
        }
    }
    let left = statvfs(path)?;
    if left.f_bavail * left.f_frsize < 1 << 20 { Ok(()) } else { Err(io::Error::other("there is room left")) }
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
