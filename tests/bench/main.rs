//! `weir-bench` drives an S3 endpoint over HTTP with Signature Version 4 and prints what it measured: operations and
//! bytes a second, latency percentiles and, when it knows the server's process, the CPU it spent and its peak memory.
//!
//! It works against any S3 endpoint. Client and server share the machine's cores, so CPU per operation is the figure
//! that carries over from one machine to another.

mod args;
mod connection;
mod meter;
mod sign;
mod suite;
mod workload;

use clap::Parser as _;
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    let args = args::Args::parse();
    match suite::run(&args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("weir-bench: {error}");
            ExitCode::FAILURE
        }
    }
}
