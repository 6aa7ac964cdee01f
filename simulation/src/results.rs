//! What came of the seeds that held, a line each, in a file: a long run that is broken off goes on where it was.

use crate::run::Verdict;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

/// The file of a run.
pub struct Results {
    file: File,
    /// What it held when it was opened, by seed.
    pub earlier: BTreeMap<u64, Verdict>,
}

impl Results {
    /// Makes the file, or goes on with it. A last line that was not finished is taken off.
    ///
    /// # Errors
    /// The file system's, with the path; `InvalidData`: a line is no verdict.
    pub fn open(path: &Path) -> io::Result<Self> {
        let with_path = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        Self::try_open(path).map_err(with_path)
    }

    fn try_open(path: &Path) -> io::Result<Self> {
        let mut file = File::options().read(true).append(true).create(true).open(path)?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let whole = text.rfind('\n').map_or(0, |at| at + 1);
        let mut earlier = BTreeMap::new();
        for (number, line) in text[..whole].lines().enumerate() {
            let verdict: Verdict = serde_json::from_str(line).map_err(|error| {
                io::Error::new(io::ErrorKind::InvalidData, format!("line {} is no verdict: {error}", number + 1))
            })?;
            earlier.insert(verdict.seed, verdict);
        }
        file.set_len(whole as u64)?;
        Ok(Self { file, earlier })
    }

    /// Keeps a verdict if all was well: what failed is run again.
    ///
    /// # Errors
    /// The file system's.
    pub fn keep(&mut self, verdict: &Verdict) -> io::Result<()> {
        if !verdict.violations.is_empty() {
            return Ok(());
        }
        let line = serde_json::to_string(verdict)? + "\n";
        self.file.write_all(line.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use tempfile::tempdir;

    fn verdict(seed: u64) -> Verdict {
        Verdict { seed, operations: 10 * seed, trace_digest: u64::MAX - seed, ..Verdict::default() }
    }

    #[test]
    fn what_held_is_there_again_and_what_failed_or_was_cut_off_is_not() {
        let folder = tempdir().unwrap();
        let path = folder.path().join("results");
        let mut results = Results::open(&path).unwrap();
        assert!(results.earlier.is_empty());
        results.keep(&verdict(1)).unwrap();
        results.keep(&Verdict { violations: vec!["lost".into()], ..verdict(2) }).unwrap();
        results.keep(&verdict(3)).unwrap();
        let kept = fs::read(&path).unwrap();
        fs::write(&path, &kept[..kept.len() - 5]).unwrap();

        let mut again = Results::open(&path).unwrap();
        assert_eq!(again.earlier.keys().copied().collect::<Vec<_>>(), [1]);
        again.keep(&verdict(3)).unwrap();
        assert_eq!(fs::read(&path).unwrap(), kept);
        let earlier = Results::open(&path).unwrap().earlier;
        assert_eq!((earlier[&3].operations, earlier[&3].trace_digest), (30, u64::MAX - 3));
    }

    #[test]
    fn a_file_of_something_else_is_refused_and_stays() {
        let folder = tempdir().unwrap();
        let path = folder.path().join("results");
        fs::write(&path, "a shopping list\nmilk").unwrap();
        assert_eq!(Results::open(&path).err().map(|error| error.kind()), Some(io::ErrorKind::InvalidData));
        assert_eq!(fs::read_to_string(&path).unwrap(), "a shopping list\nmilk");
    }
}
