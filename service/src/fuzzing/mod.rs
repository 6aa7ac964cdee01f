//! What the fuzz targets of the roles share (feature `fuzzing`). A target is a function that panics if anything about
//! its input is a finding; each crate lists its own in a table. The binaries of `fuzz/` run them under libFuzzer, and a
//! plain test of each crate runs them over the kept inputs.

mod input;

pub use input::Input;

use std::fs;
use std::path::{Path, PathBuf};

/// A target: its name, and what it checks.
pub type Target = (&'static str, fn(&[u8]));

/// Where inputs are kept, in a folder for each target.
const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus");
/// The binaries that run targets under libFuzzer.
const BINARIES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/fuzz_targets");
/// The longest input that is kept, in bytes.
const KEPT_MAX_BYTES: usize = 8 << 10;

/// Checks every kept input of these targets.
///
/// # Panics
/// A finding, of which the input is named on standard error; a target without kept inputs or without a binary.
pub fn replay(targets: &[Target]) {
    for (name, check) in targets {
        assert!(Path::new(BINARIES).join(format!("{name}.rs")).exists(), "fuzz/fuzz_targets/{name}.rs is missing");
        let inputs = kept(&Path::new(CORPUS).join(name));
        assert!(!inputs.is_empty(), "fuzz/corpus/{name} has no inputs");
        for path in inputs {
            let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            assert!(bytes.len() <= KEPT_MAX_BYTES, "{} is too long to be kept", path.display());
            let shown = Shown(&path);
            check(&bytes);
            drop(shown);
        }
    }
}

fn kept(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths
}

/// Tells of an input on which a check panics.
struct Shown<'a>(&'a Path);

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the finding is in {}", self.0.display());
        }
    }
}
