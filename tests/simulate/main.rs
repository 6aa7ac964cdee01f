//! `simulate` runs a whole cluster in one thread under faults, see `docs/simulation.md`. What simulates is a crate of its
//! own, and this has cargo build and run it: its features put simulated threads, disks and sockets under every role, and
//! cargo would put them under all that is built together with it.

use std::env;
use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, ExitCode};

/// Where a build with planted faults lies, in the folder of the others.
const PLANTED: &str = "planted-simulation";

fn main() -> ExitCode {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    match Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into())).args(cargo(&arguments)).status() {
        // A process that a signal has ended has no code.
        Ok(status) => ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)),
        Err(error) => {
            eprintln!("simulate: cargo can't be started: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What cargo is called with.
fn cargo(arguments: &[OsString]) -> Vec<OsString> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    let mut all: Vec<OsString> =
        ["run", "--release", "--quiet", "--package", "weir-simulation", "--manifest-path"].map(OsString::from).to_vec();
    all.push(root.join("Cargo.toml").into());
    all.extend(["--bin", "weir-simulate"].map(OsString::from));
    if arguments.iter().any(|argument| argument == "--teeth" || argument.as_encoded_bytes().starts_with(b"--teeth=")) {
        // In a folder of their own, or each would be built anew after the other.
        let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), Into::into);
        all.extend(["--features", "planted-faults", "--target-dir"].map(OsString::from));
        all.push(target.join(PLANTED).into());
    }
    all.push("--".into());
    all.extend_from_slice(arguments);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn called(arguments: &[&str]) -> String {
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        cargo(&arguments).join(std::ffi::OsStr::new(" ")).into_string().unwrap()
    }

    #[test]
    fn arguments_are_passed_on_as_they_are() {
        let called = called(&["--seed", "7", "--trace"]);
        assert!(called.ends_with("--bin weir-simulate -- --seed 7 --trace"), "{called}");
    }

    #[test]
    fn faults_are_planted_in_a_build_of_its_own_and_only_where_they_are_asked_for() {
        for arguments in [&["--teeth", "--seeds", "9"][..], &["--teeth=sync"]] {
            let called = called(arguments);
            assert!(called.contains("--features planted-faults --target-dir ") && called.contains(PLANTED), "{called}");
        }
        assert!(!called(&["--seeds", "9"]).contains("planted"));
    }
}
