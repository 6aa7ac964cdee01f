//! `weir config`: what is in force, and where it came from.

use super::{ConfigArgs, FAILED, USAGE, refuse};
use std::io::Write as _;
use std::process::ExitCode;
use weir_service::config::show;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    config: ConfigArgs,
    /// Prints the tables of docs/configuration.md
    #[arg(long, hide = true)]
    documentation: bool,
}

pub fn run(args: &Args) -> ExitCode {
    if args.documentation {
        return print(&show::documentation());
    }
    match args.config.load(&[]) {
        Ok(config) => print(&show::in_force(&config)),
        Err(error) => refuse(&error, USAGE),
    }
}

/// Prints to standard output; a reader that has seen enough (`| head`) is no error.
pub fn print(text: &str) -> ExitCode {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => refuse(&error, FAILED),
        _ => ExitCode::SUCCESS,
    }
}
