//! Whose a data folder is: its worker's id and cluster, given at the first registration and kept for good. All folders
//! of a worker have the same.

use super::text_file;
use crate::error::WorkerError;
use crate::store::StoreError;
use std::path::Path;
use weir_proto::WorkerId;
use weir_service::disk::Disk;

const FILE: &str = "identity";
/// First line of the file; the others are `worker ID`, `cluster ID`, `epoch NUMBER` (absent in older files).
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
    /// [`WorkerError::Identity`] when the file is damaged: it is never guessed. [`WorkerError::Newer`].
    pub fn load(disk: &dyn Disk, data: &Path) -> Result<Self, WorkerError> {
        match text_file::load(disk, data, FILE)? {
            Some(body) => {
                text_file::check_title(&data.join(FILE), &body, TITLE)?;
                Self::decode(&body).map_err(|fault| WorkerError::Identity { path: data.join(FILE), fault })
            }
            None => Ok(Self { worker_id: WorkerId(0), cluster_id: String::new(), epoch: 0 }),
        }
    }

    /// Replaces the file, durably.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn save(&self, disk: &dyn Disk, data: &Path) -> Result<(), StoreError> {
        let Self { worker_id, cluster_id, epoch } = self;
        let body = format!("{TITLE}\nworker {worker_id}\ncluster {cluster_id}\nepoch {epoch}\n");
        text_file::save(disk, data, FILE, &body)
    }

    fn decode(body: &str) -> Result<Self, &'static str> {
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
    use crate::store::crc32c;
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
