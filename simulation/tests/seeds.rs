//! Seeds that once failed, and what each of them found. A change of the plan, of the time that things take or of the code
//! makes another run of a seed: so each has, where there can be one, a test of its own beside the code that was wrong.

use std::process::Command;

/// A seed, and what it found.
const SEEDS: &[(u64, &str)] = &[];

#[test]
fn seeds_that_once_failed_do_not_fail_again() {
    for (seed, found) in SEEDS {
        let seed = seed.to_string();
        let output = Command::new(env!("CARGO_BIN_EXE_weir-simulate")).args(["--seed", &seed]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "seed {seed}, which once found that {found}:\n{text}");
    }
}
