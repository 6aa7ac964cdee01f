//! Which disk a data folder is: an id of its own, and the ids of all disks that its worker had at its last start, with
//! their folders. So a disk that is not mounted is missed, whatever lies in its place.

use super::text_file;
use crate::error::WorkerError;
use crate::store::StoreError;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use weir_service::disk::Disk;

const FILE: &str = "disk";
/// First line of the file; the others are `id HEX`, `generation NUMBER` and, for each disk of the worker, `of HEX
/// FOLDER`.
const TITLE: &str = "weir disk 1";

/// Of a disk: random, made when the folder is first used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DiskId(pub u64);

impl fmt::Display for DiskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// What the file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    pub id: DiskId,
    /// Rises when the worker's disks change: the highest one tells which disks it has, one that was taken out for a while
    /// has an older one.
    pub generation: u64,
    /// The worker's disks, this one among them, each with its folder as [`shown`].
    pub of: BTreeMap<DiskId, String>,
}

/// A folder as one line of text.
pub fn shown(folder: &Path) -> String {
    folder.to_string_lossy().escape_debug().to_string()
}

impl Label {
    /// None: the folder was never used.
    ///
    /// # Errors
    /// [`WorkerError::Identity`] when the file is damaged, [`WorkerError::Newer`], [`WorkerError::Store`] when it can't be read.
    pub fn load(disk: &dyn Disk, data: &Path) -> Result<Option<Self>, WorkerError> {
        let Some(body) = text_file::load(disk, data, FILE)? else { return Ok(None) };
        text_file::check_title(&data.join(FILE), &body, TITLE)?;
        let damaged = || WorkerError::Identity { path: data.join(FILE), fault: "it has another format" };
        Self::decode(&body).map(Some).ok_or_else(damaged)
    }

    /// Replaces the file, durably.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn save(&self, disk: &dyn Disk, data: &Path) -> Result<(), StoreError> {
        let mut body = format!("{TITLE}\nid {}\ngeneration {}\n", self.id, self.generation);
        for (id, folder) in &self.of {
            body.push_str(&format!("of {id} {folder}\n"));
        }
        text_file::save(disk, data, FILE, &body)
    }

    fn decode(body: &str) -> Option<Self> {
        let mut lines = body.split_terminator('\n');
        if lines.next()? != TITLE {
            return None;
        }
        let id = id(lines.next()?.strip_prefix("id ")?)?;
        let generation = lines.next()?.strip_prefix("generation ")?.parse().ok()?;
        let other = |line: &str| {
            let (other, folder) = line.strip_prefix("of ")?.split_once(' ')?;
            Some((self::id(other)?, folder.to_owned()))
        };
        Some(Self { id, generation, of: lines.map(other).collect::<Option<_>>()? })
    }
}

fn id(digits: &str) -> Option<DiskId> {
    let is_hexadecimal = digits.len() == 16 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hexadecimal.then(|| u64::from_str_radix(digits, 16).ok().map(DiskId)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_service::disk::SystemDisk;

    #[test]
    fn a_label_is_kept_and_never_guessed() {
        let folder = tempfile::tempdir().unwrap();
        let load = || Label::load(&SystemDisk, folder.path());
        assert_eq!(load().unwrap(), None);
        let odd = shown(Path::new("/odd\nfolder of ü"));
        let label =
            Label { id: DiskId(7), generation: 3, of: [(DiskId(7), "/a b".into()), (DiskId(u64::MAX), odd)].into() };
        label.save(&SystemDisk, folder.path()).unwrap();
        assert_eq!(load().unwrap(), Some(label));
        let file = SystemDisk.open(&folder.path().join(FILE)).unwrap();
        file.write_all_at(b"f", 16).unwrap();
        assert!(matches!(load(), Err(WorkerError::Identity { .. })));
    }
}
