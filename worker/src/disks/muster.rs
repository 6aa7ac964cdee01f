//! The start: which folder is which disk, whether all of them belong to one worker, and whether one is missing. Nothing
//! is written before all of them are found to be right.

use super::identity::Identity;
use super::label::{DiskId, Label, shown};
use crate::error::WorkerError;
use crate::store::StoreError;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use weir_proto::WorkerId;
use weir_service::disk::Disk;

/// The disks of a worker, in the order of the setting, and whose they are.
#[derive(Debug)]
pub struct Muster {
    pub disks: Vec<(DiskId, PathBuf)>,
    pub identity: Identity,
}

/// A folder as it was found.
struct Found<'a> {
    folder: &'a Path,
    label: Option<Label>,
    identity: Identity,
    /// Nothing of a worker's was ever here.
    is_new: bool,
}

/// Looks at the folders, which exist, and labels them.
///
/// `forget` are the ids of disks that need not be there; `make_id` gives random ones.
///
/// # Errors
/// [`WorkerError::MissingDisk`], [`WorkerError::SameDisk`], [`WorkerError::OtherWorker`]; [`WorkerError::Newer`], [`WorkerError::Identity`],
/// [`WorkerError::Store`] when a folder can't be read or written.
pub fn muster(
    disk: &dyn Disk,
    folders: &[PathBuf],
    forget: &[String],
    make_id: impl Fn() -> u64,
) -> Result<Muster, WorkerError> {
    let found = folders.iter().map(|folder| look(disk, folder)).collect::<Result<Vec<_>, _>>()?;
    let identity = common_identity(&found)?;
    check_distinct(&found)?;
    check_complete(&found, forget)?;
    let id_of = |found: &Found<'_>| found.label.as_ref().map_or_else(|| DiskId(make_id()), |label| label.id);
    let disks: Vec<(DiskId, PathBuf)> = found.iter().map(|found| (id_of(found), found.folder.to_owned())).collect();
    label(disk, &found, &disks)?;
    for found in found.iter().filter(|found| found.identity != identity) {
        identity.save(disk, found.folder)?;
    }
    Ok(Muster { disks, identity })
}

fn look<'a>(disk: &dyn Disk, folder: &'a Path) -> Result<Found<'a>, WorkerError> {
    let label = Label::load(disk, folder)?;
    let identity = Identity::load(disk, folder)?;
    let mut is_new = label.is_none() && identity.worker_id == WorkerId(0);
    for inner in [folder.join("files"), folder.join("segments")] {
        is_new &= match disk.list(&inner) {
            Ok(names) => names.is_empty(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => true,
            Err(error) => return Err(StoreError::io("list", &inner)(error).into()),
        };
    }
    Ok(Found { folder, label, identity, is_new })
}

/// Of those that have registered, all have the same, but for the epoch: the highest one counts.
fn common_identity(found: &[Found<'_>]) -> Result<Identity, WorkerError> {
    let mut common: Option<(&Path, Identity)> = None;
    for Found { folder, identity, .. } in found.iter().filter(|found| found.identity.worker_id != WorkerId(0)) {
        match &mut common {
            None => common = Some((folder, identity.clone())),
            Some((first, common)) => {
                if (common.worker_id, &common.cluster_id) != (identity.worker_id, &identity.cluster_id) {
                    let whose = |of: &Identity| format!("worker {} of cluster {}", of.worker_id, of.cluster_id);
                    let (theirs, ours) = (whose(identity), whose(common));
                    let (path, first) = (folder.to_path_buf(), first.to_path_buf());
                    return Err(WorkerError::OtherWorker { path, theirs, first, ours });
                }
                common.epoch = common.epoch.max(identity.epoch);
            }
        }
    }
    let none = || Identity { worker_id: WorkerId(0), cluster_id: String::new(), epoch: 0 };
    Ok(common.map_or_else(none, |(_, identity)| identity))
}

fn check_distinct(found: &[Found<'_>]) -> Result<(), WorkerError> {
    let mut seen: BTreeMap<DiskId, &Path> = BTreeMap::new();
    for found in found {
        let Some(label) = &found.label else { continue };
        if let Some(first) = seen.insert(label.id, found.folder) {
            let (path, first) = (found.folder.to_owned(), first.to_owned());
            return Err(WorkerError::SameDisk { id: label.id.to_string(), path, first });
        }
    }
    Ok(())
}

/// A disk that was there before has to be there again, unless its folder was taken out of the setting; while one is
/// missed, no empty folder is taken for a new disk.
fn check_complete(found: &[Found<'_>], forget: &[String]) -> Result<(), WorkerError> {
    let labels = || found.iter().filter_map(|found| found.label.as_ref());
    let Some(latest) = labels().max_by_key(|label| label.generation) else { return Ok(()) };
    let is_there = |id: DiskId| labels().any(|label| label.id == id);
    let is_forgotten = |id: DiskId| forget.iter().any(|forgotten| *forgotten == id.to_string());
    for (&id, folder) in latest.of.iter().filter(|&(&id, _)| !is_there(id) && !is_forgotten(id)) {
        let in_place = found.iter().find(|found| shown(found.folder) == *folder);
        if let Some(suspect) = in_place.or_else(|| found.iter().find(|found| found.is_new)) {
            let what = if suspect.is_new { "an empty folder" } else { "another disk" };
            let found = format!("{what} in {}", suspect.folder.display());
            return Err(WorkerError::MissingDisk { id: id.to_string(), folder: folder.clone(), found });
        }
        tracing::warn!(disk = %id, folder, "a disk was taken out: its blocks get copies elsewhere");
    }
    Ok(())
}

/// Labels new disks before the others learn of them.
fn label(disk: &dyn Disk, found: &[Found<'_>], disks: &[(DiskId, PathBuf)]) -> Result<(), WorkerError> {
    let of: BTreeMap<DiskId, String> = disks.iter().map(|(id, folder)| (*id, shown(folder))).collect();
    let latest = found.iter().filter_map(|found| found.label.as_ref()).max_by_key(|label| label.generation);
    let generation = match latest {
        Some(latest) if latest.of == of => latest.generation,
        latest => latest.map_or(1, |latest| latest.generation + 1),
    };
    for with_label in [false, true] {
        for (found, (id, folder)) in found.iter().zip(disks) {
            let label = Label { id: *id, generation, of: of.clone() };
            if found.label.is_some() == with_label && found.label.as_ref() != Some(&label) {
                label.save(disk, folder)?;
                if !with_label && disks.len() > 1 {
                    tracing::info!(disk = %id, folder = %folder.display(), "a new disk");
                }
            }
        }
    }
    Ok(())
}
