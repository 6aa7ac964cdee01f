//! What a local cluster tells of its processes: a table for people, and `cluster.json` for programs and for its own next
//! start.

use super::error::ClusterError;
use crate::commands::whole_file;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use weir_service::disk::Disk;

/// Roles, as they are told.
pub const METASERVER: &str = "metaserver";
/// A metaserver that follows another one.
pub const STANDBY: &str = "standby";
pub const WORKER: &str = "worker";
pub const GATEWAY: &str = "gateway";

/// In the cluster's folder.
pub const NAME: &str = "cluster.json";

/// Of the file; one without a number has the same.
const FORMAT: u32 = 1;

/// The file's content.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Record {
    #[serde(default = "own_format")]
    format: u32,
    pub processes: Vec<Entry>,
}

fn own_format() -> u32 {
    FORMAT
}

/// What is looked at before the rest, which a newer build may have changed.
#[derive(Deserialize)]
struct Head {
    #[serde(default = "own_format")]
    format: u32,
}

impl Default for Record {
    fn default() -> Self {
        Self::of(Vec::new())
    }
}

/// A process of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Entry {
    /// The role and a number, such as `worker-2`.
    pub name: String,
    pub role: String,
    /// None while it does not run.
    pub pid: Option<u32>,
    /// Where it is called.
    pub address: SocketAddr,
    /// Where `/readyz` and `/metrics` are.
    pub admin_address: SocketAddr,
    /// None: it keeps nothing.
    pub data: Option<PathBuf>,
    pub log: PathBuf,
    /// What was started, without the secrets in its environment.
    pub command: Vec<String>,
}

impl Record {
    pub fn of(processes: Vec<Entry>) -> Self {
        Self { format: FORMAT, processes }
    }

    /// What the cluster over this folder was when it ran last; nothing if it never did. Blocks.
    ///
    /// # Errors
    /// [`ClusterError::File`] when it can't be read, [`ClusterError::Newer`].
    pub fn read(folder: &Path) -> Result<Self, ClusterError> {
        let path = folder.join(NAME);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(ClusterError::file(path)(error)),
        };
        let unreadable = |error: serde_json::Error| ClusterError::file(&path)(error.into());
        let Head { format } = serde_json::from_slice(&text).map_err(unreadable)?;
        if format > FORMAT {
            return Err(ClusterError::Newer { path, found: format, known: FORMAT });
        }
        serde_json::from_slice(&text).map_err(unreadable)
    }

    /// Replaces the file. Blocks.
    ///
    /// # Errors
    /// [`ClusterError::File`].
    pub fn write(&self, disk: &dyn Disk, folder: &Path) -> Result<(), ClusterError> {
        let text = serde_json::to_vec_pretty(self).map_err(io::Error::from);
        let written = text.and_then(|text| whole_file::write(disk, folder, NAME, &text));
        written.map_err(ClusterError::file(folder.join(NAME)))
    }

    pub fn find(&self, name: &str) -> Option<&Entry> {
        self.processes.iter().find(|entry| entry.name == name)
    }

    pub fn of_role(&self, role: &str) -> impl Iterator<Item = &Entry> {
        self.processes.iter().filter(move |entry| entry.role == role)
    }

    /// A line for each process, under a head.
    pub fn table(&self) -> String {
        let head = ["ROLE", "ADDRESS", "ADMIN", "PID", "FOLDER"].map(str::to_owned);
        let rows = self.processes.iter().map(|entry| {
            [
                entry.role.clone(),
                entry.address.to_string(),
                entry.admin_address.to_string(),
                entry.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string()),
                entry.data.as_ref().map_or_else(|| "-".to_owned(), |data| data.display().to_string()),
            ]
        });
        let rows: Vec<_> = std::iter::once(head).chain(rows).collect();
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: [usize; 5] = std::array::from_fn(width);
        let mut out = String::new();
        for row in &rows {
            let mut line = String::new();
            for (text, width) in row.iter().zip(widths) {
                // Writing to a string does not fail.
                let _ = write!(line, "{text:<width$}  ");
            }
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_service::disk::SystemDisk;

    fn record() -> Record {
        let entry = |role: &str, pid, data: Option<&str>| Entry {
            name: format!("{role}-1"),
            role: role.into(),
            pid,
            address: "127.0.0.1:20000".parse().unwrap(),
            admin_address: "127.0.0.1:20001".parse().unwrap(),
            data: data.map(PathBuf::from),
            log: format!("/d/logs/{role}-1.log").into(),
            command: vec!["weir".into(), role.into()],
        };
        Record::of(vec![entry("worker", Some(12), Some("/d/worker-1")), entry("gateway", None, None)])
    }

    #[test]
    fn what_is_written_is_read_again_and_nothing_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Record::read(folder.path()).unwrap(), Record::default());
        record().write(&SystemDisk, folder.path()).unwrap();
        assert_eq!(Record::read(folder.path()).unwrap(), record());
        std::fs::write(folder.path().join(NAME), "{").unwrap();
        assert!(matches!(Record::read(folder.path()), Err(ClusterError::File { .. })));
    }

    #[test]
    fn a_file_without_a_number_is_read_and_one_of_a_newer_build_refused() {
        let folder = tempfile::tempdir().unwrap();
        let put = |text: &str| std::fs::write(folder.path().join(NAME), text).unwrap();
        put(r#"{"processes": []}"#);
        assert_eq!(Record::read(folder.path()).unwrap(), Record::default());
        put(r#"{"format": 2, "members": {}}"#);
        let error = Record::read(folder.path()).unwrap_err();
        assert!(error.to_string().contains("its format is 2, this build knows them up to 1"), "{error}");
    }

    #[test]
    fn the_table_has_a_line_for_each_process() {
        let table = record().table();
        let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[0], ["ROLE", "ADDRESS", "ADMIN", "PID", "FOLDER"]);
        assert_eq!(lines[1], ["worker", "127.0.0.1:20000", "127.0.0.1:20001", "12", "/d/worker-1"]);
        assert_eq!(lines[2], ["gateway", "127.0.0.1:20000", "127.0.0.1:20001", "-", "-"]);
    }
}
