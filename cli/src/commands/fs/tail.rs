//! `weir fs tail`

use super::head::{DEFAULT_BYTES, byte_count, print_ranges};
use crate::shell::error::ShellError;
use crate::shell::output::Output;
use crate::shell::usage::Help;
use crate::shell::{Exit, Shell};
use clap::Args;
use std::ffi::OsString;
use weir_proto::v1::byte_range::Form;

pub const HELP: Help = Help {
    name: "tail",
    usage: "tail [-c <bytes>] <path>",
    about: "Prints the last bytes of an object: 1KB, or as many as -c says, with or without a unit (KB, MB, GB).",
};

#[derive(Debug, Args)]
#[command(about = HELP.about)]
pub struct TailArgs {
    /// How much to print.
    #[arg(short = 'c', value_name = "bytes", default_value = DEFAULT_BYTES)]
    bytes: String,
    #[arg(value_name = "path")]
    paths: Vec<OsString>,
}

pub async fn run(args: &TailArgs, shell: &Shell, out: &mut Output) -> Result<Exit, ShellError> {
    HELP.at_least(1, &args.paths)?;
    let count = byte_count(&HELP, &args.bytes)?;
    print_ranges(&args.paths, (count > 0).then_some(Form::Suffix(count)), shell, out).await
}
