//! A seed is run again by its number alone: what happens follows from it, to the last byte.

use std::process::Command;

fn output(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_weir-simulate")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn two_runs_of_a_seed_have_the_same_trace_and_two_seeds_have_not() {
    let trace = |seed: &str| output(&["--seed", seed, "--trace"]);
    let first = trace("3");
    assert!(first.lines().count() > 1_000, "{first}");
    let again = trace("3");
    let differs = first.lines().zip(again.lines()).find(|(one, other)| one != other);
    assert_eq!(differs, None);
    assert_eq!(first.len(), again.len());
    assert_ne!(first, trace("4"));
}

#[test]
fn a_run_among_many_is_the_run_alone() {
    let verdict = |output: &str| output.lines().find(|line| line.contains("trace_digest")).map(str::to_owned);
    let alone = verdict(&output(&["--seed", "5"])).unwrap();
    let digest = alone.trim().trim_start_matches("trace_digest: ").trim_end_matches(',').to_owned();
    assert!(output(&["--one", "5"]).contains(&format!("\"trace_digest\":{digest}")), "{digest}");
}
