//! `weir-connections` shows the limits of connections at their full size: 10,000 that misbehave, in each manner, in
//! clear and over TLS, against a `weir standalone` of its own for each. It prints a table of what it measured and ends
//! with an error if a limit was not kept.

mod figures;
mod scenarios;

use clap::Parser;
use std::process::ExitCode;

/// Crowds of connections that misbehave, and what they cost a server.
#[derive(Parser)]
struct Args {
    /// Only scenarios whose name has this in it
    filter: Option<String>,
    /// Connections of a crowd
    #[arg(long, default_value_t = 10_000)]
    count: usize,
    /// Only in clear, or only over TLS
    #[arg(long, value_name = "clear|tls", value_parser = ["clear", "tls"])]
    transport: Option<String>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    if std::env::var_os("WEIR_BIN").is_none() {
        eprintln!("weir-connections: WEIR_BIN must name the server, a release build");
        return ExitCode::FAILURE;
    }
    weir_service::open_files::raise();
    figures::print_head();
    let mut failures = Vec::new();
    for scenario in scenarios::all(args.count) {
        let name = scenario.name();
        let is_other = args.transport.as_deref().is_some_and(|transport| (transport == "tls") != scenario.over_tls);
        if is_other || args.filter.as_ref().is_some_and(|filter| !name.contains(filter.as_str())) {
            continue;
        }
        let figures = scenario.run();
        figures.print();
        failures.extend(figures.failures().into_iter().map(|failure| format!("{name}: {failure}")));
    }
    for failure in &failures {
        eprintln!("{failure}");
    }
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
