//! `weir-scale` shows how far Weir scales, one question a command, against servers of its own. It prints tables of what
//! it measured and ends with an error if a bound was not kept. docs/scaling.md has the figures of one run.

mod gateways;
mod members;
mod metaserver;
mod objects;
mod soak;
mod wire;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// How far Weir scales.
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    question: Question,
}

#[derive(Subcommand)]
enum Question {
    Gateways(gateways::Args),
    Objects(objects::Args),
    Members(members::Args),
    Soak(soak::Args),
}

fn main() -> ExitCode {
    let args = Args::parse();
    if std::env::var_os("WEIR_BIN").is_none() {
        eprintln!("weir-scale: WEIR_BIN must name the server, a release build");
        return ExitCode::FAILURE;
    }
    weir_service::open_files::raise();
    let failures = match &args.question {
        Question::Gateways(args) => gateways::run(args),
        Question::Objects(args) => objects::run(args),
        Question::Members(args) => members::run(args),
        Question::Soak(args) => soak::run(args),
    };
    for failure in &failures {
        eprintln!("weir-scale: {failure}");
    }
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
