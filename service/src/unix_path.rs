//! Names of Unix sockets: the system takes about a hundred bytes, a data folder's path may be longer.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// `sun_path` of unix(7) has 108 bytes, the last a zero.
const SHORT_ENOUGH_BYTES: usize = 100;

/// A short name for `path`, good while the returned folder stays open.
pub(crate) fn shorten(path: &Path) -> io::Result<(PathBuf, Option<File>)> {
    use std::os::fd::AsRawFd as _;
    if path.as_os_str().len() <= SHORT_ENOUGH_BYTES {
        return Ok((path.to_owned(), None));
    }
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a socket's path ends with a name"));
    };
    let folder = File::open(parent)?;
    let short = Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name);
    Ok((short, Some(folder)))
}
