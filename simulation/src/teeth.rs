//! Which of the faults that can be planted the simulation notices, and after how many seeds. A check that never fails
//! shows nothing.

use crate::processes::Runner;
use std::time::Instant;
use weir_service::planted::{Fault, VARIABLE};

/// Plants each fault whose name has `filter` in it, and runs up to `seeds` seeds with it. Prints a table, and returns the
/// names of those that were not noticed.
pub fn show(runner: &Runner, filter: &str, first: u64, seeds: u64) -> Vec<&'static str> {
    println!("| fault | caught after seeds | seconds | by |\n|---|---|---|---|");
    let mut missed = Vec::new();
    for fault in Fault::ALL.iter().filter(|fault| fault.name().contains(filter)) {
        let planted = Runner { environment: vec![(VARIABLE.to_owned(), fault.name().to_owned())], ..runner.clone() };
        let (began, mut runs, mut caught) = (Instant::now(), 0, None);
        planted.run(first..first.saturating_add(seeds), |verdict| {
            runs += 1;
            caught = verdict.violations.first().map(|violation| (verdict.seed, violation.clone()));
            caught.is_none()
        });
        let seconds = began.elapsed().as_secs();
        match caught {
            Some((seed, violation)) => {
                let line = violation.lines().next().unwrap_or_default().replace('|', "/");
                let short: String = line.chars().take(120).collect();
                println!("| {} | {runs} | {seconds} | seed {seed}: {short} |", fault.name());
            }
            None => {
                missed.push(fault.name());
                println!("| {} | not after {runs} | {seconds} | |", fault.name());
            }
        }
    }
    missed
}
