//! `weir-teeth` plants each fault of logic in turn and runs the check that is said to notice it: that has to fail with
//! the fault, and to pass without. A check that never fails shows nothing.

mod checks;
mod run;

use checks::{Check, check, documentation};
use clap::Parser;
use run::{Outcome, RunError, Tests, by_package};
use std::process::ExitCode;
use std::time::Instant;
use weir_service::planted::Fault;

#[derive(Parser)]
#[command(about = "Plants each fault of logic, and demands that its check notices it")]
struct Args {
    /// Only faults whose names have this in them
    filter: Option<String>,
    /// Only this part of the faults, as 2/3
    #[arg(long, value_parser = part)]
    part: Option<(usize, usize)>,
    /// Prints the table of docs/teeth.md, and runs nothing
    #[arg(long)]
    documentation: bool,
}

fn part(text: &str) -> Result<(usize, usize), String> {
    let numbers = text.split_once('/').and_then(|(part, of)| Some((part.parse().ok()?, of.parse().ok()?)));
    let numbers = numbers.filter(|(part, of)| (1..=*of).contains(part));
    numbers.ok_or_else(|| "it is a part of how many, as 2/3".to_owned())
}

fn main() -> ExitCode {
    let args = Args::parse();
    if args.documentation {
        print!("{}", documentation());
        return ExitCode::SUCCESS;
    }
    match run_all(&chosen(&args)) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(wrong) => {
            eprintln!("weir-teeth: {wrong} checks do not do what is said of them");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("weir-teeth: {error}");
            ExitCode::FAILURE
        }
    }
}

fn chosen(args: &Args) -> Vec<Fault> {
    let (part, of) = args.part.unwrap_or((1, 1));
    let has_name = |fault: &Fault| args.filter.as_ref().is_none_or(|filter| fault.name().contains(filter));
    let is_in_part = |(place, _): &(usize, &Fault)| place % of == part - 1;
    let faults = Fault::ALL.iter().enumerate().filter(is_in_part).map(|(_, fault)| *fault);
    faults.filter(has_name).collect()
}

/// Returns how many checks were wrong.
fn run_all(faults: &[Fault]) -> Result<usize, RunError> {
    // All packages, whatever is run of them: cargo would build their dependencies anew for another choice.
    let packages = Fault::ALL.iter().map(|fault| check(*fault).package).collect();
    let tests = Tests::build(&packages)?;
    let by_package = by_package(faults.iter().map(|fault| check(*fault)));
    let mut wrong = 0;
    println!("| fault | noticed | s |\n|---|---|---|");
    for fault in faults {
        let Check { package, test } = check(*fault);
        let began = Instant::now();
        let verdict = match tests.run(package, &[test], Some(fault.name()))? {
            Outcome::Failed(failed) if failed.contains(test) => "yes".to_owned(),
            other => {
                wrong += 1;
                format!("NO: {other:?}")
            }
        };
        println!("| {} | {verdict} | {:.1} |", fault.name(), began.elapsed().as_secs_f64());
    }
    for (package, names) in by_package {
        let began = Instant::now();
        let names: Vec<&str> = names.into_iter().collect();
        let outcome = tests.run(package, &names, None)?;
        let verdict = if outcome == Outcome::Passed(names.len()) { "no" } else { "WRONGLY" };
        wrong += usize::from(verdict != "no");
        println!("| none, in {package} | {verdict}: {outcome:?} | {:.1} |", began.elapsed().as_secs_f64());
    }
    Ok(wrong)
}
