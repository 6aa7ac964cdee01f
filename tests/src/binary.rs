//! Finds the binary under test.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The `weir` executable: `WEIR_BIN` if set, else the one of this build's profile, brought up to date by cargo.
///
/// # Panics
/// When it can't be built.
pub fn weir() -> &'static Path {
    static WEIR: OnceLock<PathBuf> = OnceLock::new();
    WEIR.get_or_init(|| match std::env::var_os("WEIR_BIN") {
        // Clusters run in folders of their own.
        Some(path) => std::path::absolute(path).expect("WEIR_BIN is a path"),
        None => built(),
    })
}

/// A command of it, which what the developer has set for a server of their own does not reach.
pub fn command() -> Command {
    let mut command = Command::new(weir());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("WEIR_") {
            command.env_remove(name);
        }
    }
    command
}

fn built() -> PathBuf {
    // TARGET/PROFILE/deps/NAME-HASH is where cargo puts a test executable.
    let own = std::env::current_exe().expect("a test knows its own path");
    let profile = own.ancestors().nth(2).expect("a test lies in TARGET/PROFILE/deps");
    let target = profile.parent().expect("a profile's folder lies in the target folder");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--package", "weir-cli", "--bin", "weir", "--manifest-path"]);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml")).arg("--target-dir").arg(target);
    if profile.file_name().is_some_and(|name| name == "release") {
        command.arg("--release");
    }
    let status = command.status().expect("cargo starts");
    assert!(status.success(), "cargo could not build weir");
    profile.join("weir")
}
