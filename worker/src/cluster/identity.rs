//! Who this data folder is: its worker id and its cluster, given at the first registration and kept for good.

use crate::error::WorkerError;
use crate::store::{StoreError, crc32c};
use std::io;
use std::path::Path;
use weir_proto::WorkerId;
use weir_service::disk::Disk;

const FILE: &str = "identity";
const NEW_FILE: &str = "identity.new";
/// First line of the file; the others are `worker ID`, `cluster ID`, `epoch NUMBER` (absent in older files), and `crc32c
/// HEX` over all before.
const TITLE: &str = "weir worker 1";

/// Zero and empty: never registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub worker_id: WorkerId,
    pub cluster_id: String,
    /// The highest epoch of a metaserver that was heard of: one with a lower one is never obeyed again.
    pub epoch: u64,
}

impl Identity {
    /// # Errors
    /// [`WorkerError::Identity`] when the file is damaged: it is never guessed.
    pub fn load(disk: &dyn Disk, data: &Path) -> Result<Self, WorkerError> {
        let path = data.join(FILE);
        let file = match disk.open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Self { worker_id: WorkerId(0), cluster_id: String::new(), epoch: 0 });
            }
            result => result.map_err(StoreError::io("open", &path))?,
        };
        let mut bytes = vec![0; file.len().map_err(StoreError::io("read", &path))? as usize];
        file.read_exact_at(&mut bytes, 0).map_err(StoreError::io("read", &path))?;
        Self::decode(&bytes).map_err(|fault| WorkerError::Identity { path, fault })
    }

    /// Replaces the file, durably.
    ///
    /// # Errors
    /// [`WorkerError::Store`].
    pub fn save(&self, disk: &dyn Disk, data: &Path) -> Result<(), WorkerError> {
        let (path, new) = (data.join(FILE), data.join(NEW_FILE));
        let write = || {
            if disk.exists(&new)? {
                disk.remove_file(&new)?;
            }
            let file = disk.create_new(&new)?;
            file.write_all_at(self.encode().as_bytes(), 0)?;
            file.sync_data()?;
            disk.rename(&new, &path)?;
            disk.sync_dir(data)
        };
        Ok(write().map_err(StoreError::io("write", &path))?)
    }

    fn encode(&self) -> String {
        let Self { worker_id, cluster_id, epoch } = self;
        let body = format!("{TITLE}\nworker {worker_id}\ncluster {cluster_id}\nepoch {epoch}\n");
        let crc = crc32c(body.as_bytes());
        format!("{body}crc32c {crc:08x}\n")
    }

    fn decode(bytes: &[u8]) -> Result<Self, &'static str> {
        let text = std::str::from_utf8(bytes).map_err(|_| "it is not text")?;
        let (body, crc) = text.trim_end().rsplit_once("crc32c ").ok_or("it has no checksum")?;
        if u32::from_str_radix(crc, 16) != Ok(crc32c(body.as_bytes())) {
            return Err("its checksum is wrong");
        }
        let lines: Vec<&str> = body.split_terminator('\n').collect();
        let (worker, cluster, epoch) = match lines[..] {
            [TITLE, worker, cluster] => (worker, cluster, Some(0)),
            [TITLE, worker, cluster, epoch] => {
                (worker, cluster, epoch.strip_prefix("epoch ").and_then(|epoch| epoch.parse().ok()))
            }
            _ => return Err("it has another format"),
        };
        let epoch = epoch.ok_or("it has no epoch")?;
        let worker = worker.strip_prefix("worker ").and_then(|id| id.parse().ok()).ok_or("it has no worker")?;
        let cluster = cluster.strip_prefix("cluster ").ok_or("it has no cluster")?;
        Ok(Self { worker_id: WorkerId(worker), cluster_id: cluster.into(), epoch })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_service::disk::SystemDisk;

    #[test]
    fn an_identity_is_kept_and_never_guessed() {
        let folder = tempfile::tempdir().unwrap();
        let load = || Identity::load(&SystemDisk, folder.path());
        assert_eq!(load().unwrap().worker_id, WorkerId(0));
        for worker_id in [7, 8] {
            let identity = Identity { worker_id: WorkerId(worker_id), cluster_id: "c-1".into(), epoch: worker_id };
            identity.save(&SystemDisk, folder.path()).unwrap();
            assert_eq!(load().unwrap(), identity);
        }
        let odd = Identity { worker_id: WorkerId(8), cluster_id: "c\r".into(), epoch: 2 };
        odd.save(&SystemDisk, folder.path()).unwrap();
        assert_eq!(load().unwrap(), odd);
        let older = "weir worker 1\nworker 8\ncluster c-1\n";
        let crc = crc32c(older.as_bytes());
        std::fs::write(folder.path().join(FILE), format!("{older}crc32c {crc:08x}\n")).unwrap();
        assert_eq!(load().unwrap(), Identity { worker_id: WorkerId(8), cluster_id: "c-1".into(), epoch: 0 });
        let file = SystemDisk.open(&folder.path().join(FILE)).unwrap();
        file.write_all_at(b"9", 21).unwrap();
        assert!(matches!(load(), Err(WorkerError::Identity { .. })));
    }
}
