//! `weir health`: whether a role serves, for machines that watch it and have no HTTP client.

use super::probe::probe;
use super::process::block_on;
use super::{FAILED, refuse};
use std::process::ExitCode;
use std::time::Duration;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The role's admin port, which is served in clear
    #[arg(value_name = "ADDRESS:PORT", default_value = "127.0.0.1:39998")]
    address: String,
    /// Whether the process runs (/healthz), and not whether it serves (/readyz)
    #[arg(long)]
    alive: bool,
    /// How long an answer may take
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 3_000)]
    timeout_ms: u64,
}

/// Says nothing and ends with 0, or tells what is wrong and ends with 1.
pub fn run(args: &Args) -> ExitCode {
    let path = if args.alive { "/healthz" } else { "/readyz" };
    block_on(async {
        match probe(&args.address, path, Duration::from_millis(args.timeout_ms)).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => refuse(&error, FAILED),
        }
    })
}
