//! Builds the tests with the faults in them, and runs them.

use crate::checks::Check;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use weir_service::planted::VARIABLE;

/// A test that takes longer has not noticed anything.
const TEST_TIMEOUT: Duration = Duration::from_secs(180);
const POLL: Duration = Duration::from_millis(20);

/// Why a check could not be made.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("{what}: {source}")]
    Io { what: String, source: io::Error },
    #[error("cargo could not build the tests of {package}")]
    Build { package: String },
}

/// What a run of some tests came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// So many passed, and none failed.
    Passed(usize),
    /// These failed.
    Failed(BTreeSet<String>),
    /// It did not come to an end, or not to a proper one.
    Broken(String),
}

/// The test executables, by package.
pub struct Tests(BTreeMap<&'static str, PathBuf>);

fn io_error(what: &str) -> impl FnOnce(io::Error) -> RunError {
    let what = what.to_owned();
    move |source| RunError::Io { what, source }
}

impl Tests {
    /// Has cargo build the library tests of some packages with the feature, all at once: their dependencies are shared.
    pub fn build(packages: &BTreeSet<&'static str>) -> Result<Self, RunError> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.args(["test", "--quiet", "--lib", "--no-run", "--message-format", "json", "--features"]);
        let features: Vec<String> = packages.iter().map(|package| format!("{package}/planted-faults")).collect();
        command.arg(features.join(",")).current_dir(root()).stderr(Stdio::inherit());
        for package in packages {
            command.args(["--package", *package]);
        }
        let output = command.output().map_err(io_error("start cargo"))?;
        let built: BTreeMap<String, PathBuf> =
            String::from_utf8_lossy(&output.stdout).lines().filter_map(executable_of).collect();
        let executable = |package: &&'static str| {
            let executable = built.get(&package.replace('-', "_")).filter(|_| output.status.success());
            let failed = || RunError::Build { package: (*package).to_owned() };
            Ok((*package, executable.ok_or_else(failed)?.clone()))
        };
        packages.iter().map(executable).collect::<Result<_, _>>().map(Self)
    }

    /// Runs some tests of a package, with a fault planted or none.
    pub fn run(&self, package: &str, tests: &[&str], fault: Option<&str>) -> Result<Outcome, RunError> {
        let executable = &self.0[package];
        let folder = root().join(package.trim_start_matches("weir-"));
        let mut command = Command::new(executable);
        command.args(tests).arg("--exact").current_dir(folder).env_remove(VARIABLE);
        // What a planted fault makes a random history fail with is nothing to remember.
        command.env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "1");
        if let Some(fault) = fault {
            command.env(VARIABLE, fault);
        }
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(io_error("start a test"))?;
        let output = child.stdout.take();
        let reader = std::thread::spawn(move || {
            let mut text = Vec::new();
            output.map(|mut output| output.read_to_end(&mut text));
            String::from_utf8_lossy(&text).into_owned()
        });
        let began = Instant::now();
        loop {
            if child.try_wait().map_err(io_error("wait for a test"))?.is_some() {
                break;
            }
            if began.elapsed() > TEST_TIMEOUT {
                child.kill().and_then(|()| child.wait()).map_err(io_error("end a test"))?;
                return Ok(Outcome::Broken(format!("it took more than {} s", TEST_TIMEOUT.as_secs())));
            }
            std::thread::sleep(POLL);
        }
        Ok(judge(&reader.join().unwrap_or_default()))
    }
}

/// What libtest says at the end of its output.
fn judge(output: &str) -> Outcome {
    let Some(result) = output.lines().rev().find_map(|line| line.strip_prefix("test result: ")) else {
        return Outcome::Broken("it ended without a result".into());
    };
    if let Some(counts) = result.strip_prefix("ok. ") {
        let passed = counts.split(' ').next().and_then(|count| count.parse().ok());
        return passed.map_or_else(|| Outcome::Broken(format!("it said {result:?}")), Outcome::Passed);
    }
    let list = output.rsplit_once("\nfailures:\n").map_or("", |(_, list)| list);
    Outcome::Failed(list.lines().filter_map(|line| line.strip_prefix("    ")).map(str::to_owned).collect())
}

/// The name and the path of a test executable that a message of cargo's tells of.
fn executable_of(line: &str) -> Option<(String, PathBuf)> {
    let message: serde_json::Value = serde_json::from_str(line).ok()?;
    let is_test = message["profile"]["test"].as_bool() == Some(true);
    let executable = message["executable"].as_str().filter(|_| is_test)?;
    Some((message["target"]["name"].as_str()?.to_owned(), PathBuf::from(executable)))
}

fn root() -> &'static Path {
    // The crate lies one below.
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The tests of each package, each once.
pub fn by_package(checks: impl Iterator<Item = Check>) -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let mut tests: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for Check { package, test } in checks {
        tests.entry(package).or_default().insert(test);
    }
    tests
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_libtest_says_is_understood() {
        let passed = "test a::b ... ok\n\ntest result: ok. 2 passed; 0 failed; 0 ignored\n";
        assert_eq!(judge(passed), Outcome::Passed(2));
        let failed = "failures:\n\n---- a::b stdout ----\nno\n\nfailures:\n    a::b\n\ntest result: FAILED. 0 passed\n";
        assert_eq!(judge(failed), Outcome::Failed(["a::b".to_owned()].into()));
        assert!(matches!(judge("Killed"), Outcome::Broken(_)));
    }
}
