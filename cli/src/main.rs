//! The `weir` binary: the roles, standalone, and the shell.

mod commands;
mod shell;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    match commands::Cli::try_parse() {
        Ok(cli) => cli.run(),
        Err(error) => commands::refused(&error),
    }
}
