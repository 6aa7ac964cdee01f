//! The names of a disk's files, as they are, and as they are on the disk.

use super::file::{Content, Node};
use crate::simulation::Random;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

type Files = BTreeMap<PathBuf, Arc<Mutex<Content>>>;

/// A change of names.
#[derive(Clone)]
pub(super) enum Renamed {
    Made(PathBuf, Arc<Mutex<Content>>),
    Removed(PathBuf),
    Moved(PathBuf, PathBuf, Arc<Mutex<Content>>),
}

#[derive(Default)]
pub(super) struct Names {
    now: Files,
    durable: Files,
    /// What makes `now` of `durable`, in order.
    unsynced: Vec<Renamed>,
    /// They are durable when they are made.
    folders: BTreeSet<PathBuf>,
}

impl Renamed {
    fn apply(&self, files: &mut Files) {
        match self {
            Self::Made(path, node) => drop(files.insert(path.clone(), node.clone())),
            Self::Removed(path) => drop(files.remove(path)),
            Self::Moved(from, to, node) => {
                files.remove(from);
                files.insert(to.clone(), node.clone());
            }
        }
    }

    /// Whether an fsync of a folder covers it.
    fn is_in(&self, folder: &Path) -> bool {
        match self {
            Self::Made(path, _) | Self::Removed(path) => path.parent() == Some(folder),
            Self::Moved(from, to, _) => from.parent() == Some(folder) || to.parent() == Some(folder),
        }
    }

    /// The folder in whose order it stands.
    fn folder(&self) -> PathBuf {
        let (Self::Made(path, _) | Self::Removed(path) | Self::Moved(_, path, _)) = self;
        path.parent().unwrap_or(path).to_owned()
    }
}

impl Names {
    pub fn get(&self, path: &Path) -> Option<&Arc<Mutex<Content>>> {
        self.now.get(path)
    }

    pub fn files(&self) -> impl Iterator<Item = (&PathBuf, &Arc<Mutex<Content>>)> {
        self.now.iter()
    }

    pub fn exists(&self, path: &Path) -> bool {
        self.now.contains_key(path) || self.has_folder(path)
    }

    fn has_folder(&self, path: &Path) -> bool {
        path.parent().is_none() || self.folders.contains(path)
    }

    pub fn check_folder(&self, path: &Path) -> io::Result<()> {
        let has_folder = path.parent().is_some_and(|folder| self.has_folder(folder));
        if has_folder { Ok(()) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    pub fn create(&mut self, path: &Path, node: Node) -> io::Result<()> {
        self.check_folder(path)?;
        if self.exists(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.change(Renamed::Made(path.to_owned(), node));
        Ok(())
    }

    pub fn change(&mut self, change: Renamed) {
        change.apply(&mut self.now);
        self.unsynced.push(change);
    }

    /// Puts a file, durably, and makes its folder.
    pub fn put(&mut self, path: &Path, node: Node) {
        self.folders.extend(path.ancestors().skip(1).map(Path::to_owned));
        Renamed::Made(path.to_owned(), node.clone()).apply(&mut self.now);
        Renamed::Made(path.to_owned(), node).apply(&mut self.durable);
    }

    pub fn add_folder(&mut self, path: &Path) -> io::Result<()> {
        if path.ancestors().any(|path| self.now.contains_key(path)) {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        self.folders.extend(path.ancestors().map(Path::to_owned));
        Ok(())
    }

    /// Its files are gone with their names, and come back in a crash unless the folders that had them are synced.
    pub fn remove_folder(&mut self, path: &Path) -> io::Result<()> {
        if !self.has_folder(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let gone: Vec<PathBuf> = self.now.keys().filter(|name| name.starts_with(path)).cloned().collect();
        for name in gone {
            self.change(Renamed::Removed(name));
        }
        self.folders.retain(|name| !name.starts_with(path));
        Ok(())
    }

    pub fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        if !self.has_folder(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let names = self.now.keys().chain(&self.folders).filter(|name| name.parent() == Some(path));
        let mut names: Vec<PathBuf> = names.filter_map(|name| name.file_name().map(PathBuf::from)).collect();
        names.sort();
        Ok(names)
    }

    /// What has changed in a folder is durable.
    pub fn sync(&mut self, folder: &Path) {
        let Self { durable, unsynced, .. } = self;
        unsynced.retain(|change| {
            let is_here = change.is_in(folder);
            if is_here {
                change.apply(durable);
            }
            !is_here
        });
    }

    /// What is found after the power was cut.
    pub fn crash(&mut self, random: &mut Random) {
        let mut counts: BTreeMap<PathBuf, u64> = BTreeMap::new();
        for change in &self.unsynced {
            *counts.entry(change.folder()).or_default() += 1;
        }
        let mut kept: BTreeMap<PathBuf, u64> =
            counts.into_iter().map(|(folder, count)| (folder, random.below(count + 1))).collect();
        for change in std::mem::take(&mut self.unsynced) {
            if let Some(left) = kept.get_mut(&change.folder()).filter(|left| **left > 0) {
                *left -= 1;
                change.apply(&mut self.durable);
            }
        }
        for (path, node) in &mut self.durable {
            // Handles of before the crash keep the old one, which they can't use.
            let found = node.lock().after_crash(random);
            *node = Arc::new(Mutex::new(found));
            self.folders.extend(path.ancestors().skip(1).map(Path::to_owned));
        }
        self.now = self.durable.clone();
    }

    /// The same again, sharing nothing.
    pub fn copy(&self) -> Self {
        // A file can have several names here: the one that it has, and those that it had.
        let mut nodes: BTreeMap<*const Mutex<Content>, Node> = BTreeMap::new();
        let mut copy = |node: &Node| -> Node {
            let again = || Arc::new(Mutex::new(node.lock().clone()));
            nodes.entry(Arc::as_ptr(node)).or_insert_with(again).clone()
        };
        let mut files = |files: &Files| files.iter().map(|(path, node)| (path.clone(), copy(node))).collect();
        let (now, durable) = (files(&self.now), files(&self.durable));
        let unsynced = self.unsynced.iter().map(|change| match change {
            Renamed::Made(path, node) => Renamed::Made(path.clone(), copy(node)),
            Renamed::Removed(path) => Renamed::Removed(path.clone()),
            Renamed::Moved(from, to, node) => Renamed::Moved(from.clone(), to.clone(), copy(node)),
        });
        Self { now, durable, unsynced: unsynced.collect(), folders: self.folders.clone() }
    }
}
